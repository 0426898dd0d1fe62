/* server_who.c - who is connected: a list of all for whoever asks, and the lines that tell of them. */
#include "session/server_int.h"

#include "base/arena.h"
#include "base/log.h"
#include "io/stream.h"

#include <stdlib.h>
#include <string.h>

enum { LOG_CLIENT_MAX = 200 };

struct home *
server_home(struct server *srv, struct loop *loop)
{
	for (size_t i = 0; i < srv->home_count; i++) {
		if (srv->homes[i].loop == loop)
			return &srv->homes[i];
	}
	must(false);
	return NULL;
}

void
server_register(struct server *srv, struct session_core *k, bool is_counted)
{
	struct who *w = xcalloc(1, sizeof(*w));
	char text[IO_ADDR_TEXT_MAX];
	struct str peer = io_addr_text(&k->peer, false, text);

	k->s.id = atomic_fetch_add(&srv->next_id, 1) + 1;
	k->server_data = w;
	list_add_tail(&server_home(srv, k->loop)->sessions, &k->in_server);
	w->id = k->s.id;
	w->started_ms = k->started_ms;
	memcpy(w->peer, peer.p, peer.n);
	w->peer_n = peer.n;
	w->is_counted = is_counted;
	list_init(&w->in_aside);
	pthread_mutex_lock(&srv->lock);
	list_add_tail(&srv->all, &w->in_server);
	srv->count++;
	pthread_mutex_unlock(&srv->lock);
	log_event(LOG_DEBUG, "session-begin", F_U64("session", w->id),
	    F_STR("peer", str_make(w->peer, w->peer_n)));
}

static char *
copy_or_null(struct str s)
{
	return s.p != NULL ? xstrdup(s) : NULL;
}

/* Out of the limit of unknown connections, if it was in it. */
static void
uncount(struct server *srv, struct session_core *k)
{
	struct who *w = k->server_data;

	if (!w->is_counted)
		return;
	w->is_counted = false;
	prefix_leave(srv->unknown, &k->peer);
}

void
server_session_changed(struct server *srv, struct session_core *k)
{
	struct who *w = k->server_data;

	if (w == NULL)
		return;
	if (k->s.account != NULL)
		uncount(srv, k);
	pthread_mutex_lock(&srv->lock);
	free(w->user);
	free(w->client);
	w->user = copy_or_null(k->s.user);
	w->client = copy_or_null(k->client_id);
	w->is_secured = stream_ssl(k->s.stream) != NULL;
	pthread_mutex_unlock(&srv->lock);
}

static void
log_end(const struct session_core *k, const struct who *w)
{
	struct stream_stats st = stream_stats(k->s.stream);
	struct clock *c = loop_clock(k->loop);

	log_event(LOG_INFO, "session-end", F_U64("session", k->s.id), F_STR("user", k->s.user),
	    F_STR("peer", str_make(w->peer, w->peer_n)),
	    F_STR("client", str_sub(k->client_id, 0, LOG_CLIENT_MAX)),
	    F_C("reason", k->end_reason != NULL ? k->end_reason : "server ends"),
	    F_U64("commands", k->command_count), F_U64("bytes_in", st.in_bytes),
	    F_U64("bytes_out", st.out_bytes),
	    F_I64("seconds", (c->wall_ms(c) - k->started_ms) / 1000));
}

void
server_leave_aside(struct who *w)
{
	if (w->aside == NULL)
		return;
	list_remove(&w->in_aside);
	w->aside->count--;
	w->aside = NULL;
}

void
server_session_closed(struct server *srv, struct session_core *k)
{
	struct who *w = k->server_data;
	size_t left;

	log_end(k, w);
	uncount(srv, k);
	list_remove(&k->in_server);
	pthread_mutex_lock(&srv->lock);
	list_remove(&w->in_server);
	server_leave_aside(w);
	left = --srv->count;
	pthread_mutex_unlock(&srv->lock);
	free(w->user);
	free(w->client);
	free(w);
	k->server_data = NULL;
	if (left == 0 && atomic_load(&srv->is_ending))
		loop_post(srv->options.loops[0], &srv->ended);
}

size_t
server_session_count(const struct server *srv)
{
	struct server *s = (struct server *)srv;
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->count;
	pthread_mutex_unlock(&s->lock);
	return n;
}

size_t
server_aside_count(struct server *srv)
{
	size_t n = 0;

	pthread_mutex_lock(&srv->lock);
	for (size_t i = 0; i < srv->options.aside_count; i++)
		n += srv->asides[i].count;
	pthread_mutex_unlock(&srv->lock);
	return n;
}

/* A JSON string; what is no UTF-8 is shown byte by byte. */
static void
add_json(struct buf *out, const char *key, struct str s)
{
	bool is_utf8 = str_is_utf8(s);

	buf_printf(out, ",\"%s\":\"", key);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7F || (c >= 0x80 && !is_utf8))
			buf_printf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else
			buf_chr(out, (char)c);
	}
	buf_chr(out, '"');
}

void
server_who(struct server *srv, struct buf *out)
{
	pthread_mutex_lock(&srv->lock);
	list_each(&srv->all, w, struct who, in_server)
	{
		buf_printf(out, "{\"session\":%llu,\"protocol\":\"imap\",\"since\":%lld,\"tls\":%s",
		    (unsigned long long)w->id, (long long)(w->started_ms / 1000),
		    w->is_secured ? "true" : "false");
		add_json(out, "peer", str_make(w->peer, w->peer_n));
		if (w->user != NULL)
			add_json(out, "user", str_c(w->user));
		if (w->client != NULL)
			add_json(out, "client", str_c(w->client));
		buf_lit(out, "}\n");
	}
	pthread_mutex_unlock(&srv->lock);
}

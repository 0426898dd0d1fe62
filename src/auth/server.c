/* server.c - see server.h: connections of mail processes, lookups, and what all exchanges share. */
#include "auth/server_int.h"

#include "auth/name.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_MAX = 16 << 20 };

static void conn_free(struct conn *c);

static bool
is_our_domain(const struct auth_server *srv, struct str domain)
{
	for (size_t i = 0; i < srv->domain_count; i++)
		if (str_eq_nocase(srv->domains[i], domain))
			return true;
	return srv->domain_count == 0;
}

enum err
server_find_user(struct auth_server *srv, struct arena *a, struct str name, struct user_row *out)
{
	struct str normal;
	size_t at;
	enum err e;

	if (name_normalise(a, name, &normal) != ERR_OK)
		return ERR_UNKNOWN;
	e = users_find(srv->users, a, normal, out);
	if (e != ERR_UNKNOWN)
		return e;
	at = str_rchr(normal, '@');
	if (at == SIZE_MAX || at == 0 || !is_our_domain(srv, str_sub(normal, at + 1, normal.n)))
		return ERR_UNKNOWN;
	return users_find(srv->users, a, str_sub(normal, 0, at), out);
}

struct str
server_account_name(struct auth_server *srv, struct arena *a, struct str name)
{
	struct str normal;
	size_t at;

	if (name_normalise(a, name, &normal) != ERR_OK)
		return name;
	at = str_rchr(normal, '@');
	if (at == SIZE_MAX || at == 0 || !is_our_domain(srv, str_sub(normal, at + 1, normal.n)))
		return normal;
	return str_sub(normal, 0, at);
}

void
server_event(struct auth_server *srv, const struct auth_event *ev)
{
	if (srv->on_event != NULL)
		srv->on_event(srv->event_arg, ev);
}

static void
on_writable(struct loop_fd *f)
{
	struct conn *c = container_of(f, struct conn, writable);

	while (c->out.n > 0) {
		ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			buf_consume(&c->out, (size_t)n);
		} else if (errno == EAGAIN) {
			loop_fd_on(&c->writable);
			return;
		} else if (errno != EINTR) {
			break; /* reading will tell, too */
		}
	}
	loop_fd_off(&c->writable);
	if (c->out.n == 0)
		buf_wipe(&c->out);
}

static void
on_flush(struct loop_task *t)
{
	on_writable(&container_of(t, struct conn, flush)->writable);
}

void
conn_send(struct conn *c, const struct wire_message *m)
{
	wire_add(&c->out, m);
	loop_post(c->server->loop, &c->flush);
}

static void
lookup(struct conn *c, const struct wire_message *m)
{
	struct wire_message answer = { .type = WIRE_FOUND, .id = m->id };
	struct arena a = ARENA_NONE;
	struct user_row row;
	enum err e = server_find_user(c->server, &a, m->data, &row);

	if (e == ERR_OK && row.is_disabled)
		e = ERR_CONTACTADMIN;
	if (e != ERR_OK && e != ERR_UNKNOWN && e != ERR_CONTACTADMIN) {
		server_event(c->server,
		    &(struct auth_event){ .event = "users-error",
			.err = e,
			.detail = users_error(c->server->users) });
		e = ERR_BUSY;
	}
	answer.result.err = e;
	if (e == ERR_OK || e == ERR_CONTACTADMIN)
		answer.result.user = row.name;
	conn_send(c, &answer);
	arena_done(&a);
}

static void
on_message(struct conn *c, const struct wire_message *m)
{
	struct exchange *x;

	switch (m->type) {
	case WIRE_BEGIN:
		if (hash_find(&c->exchanges, hash_u64(m->id), &m->id) == NULL)
			exchange_begin(c, m->id, &m->start);
		break;
	case WIRE_RESPONSE:
	case WIRE_CANCEL:
		x = hash_find(&c->exchanges, hash_u64(m->id), &m->id);
		if (x != NULL && m->type == WIRE_RESPONSE)
			exchange_respond(x, m->data);
		else if (x != NULL)
			exchange_end(x);
		break;
	case WIRE_LOOKUP:
		lookup(c, m);
		break;
	case WIRE_RESULT:
	case WIRE_FOUND:
		break; /* wire_next() refuses them here */
	}
}

static void
on_readable(struct loop_fd *f)
{
	struct conn *c = container_of(f, struct conn, readable);
	char *to = buf_reserve(&c->in, 65536);
	ssize_t n = to != NULL ? recv(c->fd, to, 65536, MSG_DONTWAIT) : 0;
	size_t at = 0, used;
	struct wire_message m;
	enum err e = ERR_WAIT;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		c->in.n += (size_t)n;
		while ((e = wire_next(str_sub(buf_str(&c->in), at, c->in.n), true, &m, &used))
		    == ERR_OK) {
			on_message(c, &m);
			at += used;
		}
	}
	if (n <= 0 || e == ERR_CORRUPT || buf_err(&c->out) != ERR_OK) {
		conn_free(c);
		return;
	}
	buf_consume(&c->in, at);
}

void
auth_server_attach(struct auth_server *srv, int fd)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->server = srv;
	c->fd = fd;
	c->in = BUF_SECRET(2 * FRAME_MAX);
	c->out = BUF_MAX(OUT_MAX);
	hash_init(&c->exchanges, exchange_has_id);
	loop_task_init(&c->flush, on_flush);
	loop_fd_init(srv->loop, &c->readable, fd, false, on_readable);
	loop_fd_init(srv->loop, &c->writable, fd, true, on_writable);
	loop_fd_on(&c->readable);
	list_add_tail(&srv->conns, &c->node);
}

static void
conn_free(struct conn *c)
{
	struct exchange *x;
	size_t pos = 0;

	while ((x = hash_next(&c->exchanges, &pos)) != NULL)
		exchange_end(x);
	hash_done(&c->exchanges);
	list_remove(&c->node);
	loop_fd_off(&c->readable);
	loop_fd_off(&c->writable);
	loop_task_cancel(c->server->loop, &c->flush);
	close(c->fd);
	buf_done(&c->in);
	buf_wipe(&c->out);
	free(c);
}

void
auth_server_configure(struct auth_server *srv, const struct auth_settings *s)
{
	struct str *domains;

	srv->cost = s->cost;
	arena_reset(&srv->domains_arena);
	domains = arena_array(&srv->domains_arena, struct str, s->domain_count + 1);
	for (size_t i = 0; i < s->domain_count; i++)
		domains[i] = arena_str(&srv->domains_arena, s->domains[i]);
	srv->domains = domains;
	srv->domain_count = s->domain_count;
	remember_free(srv->remember);
	srv->remember = remember_new(s->cache_ms);
	throttle_set_base(srv->throttle, s->failure_delay_ms);
}

/* The verifier that costs an unknown user's password the same time as a known one's. */
static enum err
make_dummy(struct auth_server *srv)
{
	BUF_CLEAN struct buf b = BUF_MAX(VERIFIER_MAX_BYTES);
	char password[33];
	unsigned char bytes[16];
	enum err e;

	randombytes_buf(bytes, sizeof(bytes));
	sodium_bin2hex(password, sizeof(password), bytes, sizeof(bytes));
	e = password_hash(str_c(password), &srv->cost, &b);
	if (e == ERR_OK) {
		memcpy(srv->dummy, b.p, b.n);
		srv->dummy[b.n] = '\0';
	}
	return e;
}

enum err
auth_server_new(struct loop *loop, const struct auth_settings *s, auth_event_fn *on_event,
    void *arg, struct auth_server **out)
{
	struct auth_server *srv;
	enum err e;

	if (sodium_init() < 0)
		return ERR_BUG;
	srv = xcalloc(1, sizeof(*srv));
	srv->loop = loop;
	srv->on_event = on_event;
	srv->event_arg = arg;
	list_init(&srv->conns);
	srv->throttle = throttle_new(s->failure_delay_ms,
	    ((uint64_t)randombytes_random() << 32) | randombytes_random());
	e = users_open(s->users_path, &srv->users);
	if (e == ERR_OK)
		e = users_secret(srv->users, srv->fake_secret);
	if (e == ERR_OK && gsasl_init(&srv->gsasl) != GSASL_OK)
		e = ERR_NOMEM;
	if (e == ERR_OK) {
		auth_server_configure(srv, s);
		srv->jobs = jobs_new(s->workers, JOBS_MAX);
		srv->known_jobs = jobs_new(1, KNOWN_JOBS_MAX);
		e = make_dummy(srv);
	}
	if (e != ERR_OK) {
		auth_server_free(srv);
		return e;
	}
	*out = srv;
	return ERR_OK;
}

void
auth_server_free(struct auth_server *srv)
{
	if (srv == NULL)
		return;
	atomic_store(&srv->is_ending, true);
	list_each(&srv->conns, c, struct conn, node) conn_free(c);
	if (srv->jobs != NULL)
		jobs_free(srv->jobs);
	if (srv->known_jobs != NULL)
		jobs_free(srv->known_jobs);
	while (srv->jobs_running > 0)
		loop_turn(srv->loop, true);
	if (srv->gsasl != NULL)
		gsasl_done(srv->gsasl);
	remember_free(srv->remember);
	throttle_free(srv->throttle);
	arena_done(&srv->domains_arena);
	users_close(srv->users);
	free(srv);
}

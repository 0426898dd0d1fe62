/* child.c - see child.h. */
#include "proc/child.h"

#include "base/log.h"
#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void
take_tls(struct child *ch, const struct proc_message *m)
{
	struct child_tls *t = &ch->tls;

	arena_reset(&t->arena);
	t->count = m->cert_count;
	for (size_t i = 0; i < m->cert_count; i++) {
		t->certs[i].cert = arena_str(&t->arena, m->certs[i].cert);
		t->certs[i].key = arena_str(&t->arena, m->certs[i].key);
	}
	t->client_ca = arena_str(&t->arena, m->client_ca);
}

static enum err
take_config(struct child *ch, const struct proc_message *m)
{
	BUF_CLEAN struct buf errors = BUF_MAX(4096);
	struct config *c;
	enum err e = config_parse("supervisor", m->text, &c, &errors);

	if (e != ERR_OK) {
		log_event(LOG_ERROR, "config", F_STR("detail", str_trim(buf_str(&errors))));
		return e;
	}
	if (ch->config_first == NULL)
		ch->config_first = c;
	if (ch->config != ch->config_first)
		config_free(ch->config);
	ch->config = c;
	log_setup(c->log_level, role_table[ch->role].name);
	return ERR_OK;
}

/* One message; before GO nobody has registered for events. */
static enum err
take(struct child *ch, const struct proc_message *m, int fd)
{
	struct child_peer peer;
	enum err e = ERR_OK;

	switch (m->type) {
	case MESSAGE_CONFIG:
		e = take_config(ch, m);
		if (e == ERR_OK && ch->events != NULL)
			ch->events->configured(ch);
		break;
	case MESSAGE_TLS:
		take_tls(ch, m);
		if (ch->events != NULL)
			ch->events->certified(ch);
		break;
	case MESSAGE_LISTEN:
		if (ch->events != NULL || ch->listener_count == SOCKETS_MAX) {
			close(fd);
			return ERR_CORRUPT;
		}
		ch->listeners[ch->listener_count++] = (struct bound){ m->service, fd };
		break;
	case MESSAGE_PEER:
		if (ch->events == NULL && ch->peer_count == CHILD_PEERS_MAX) {
			close(fd);
			return ERR_CORRUPT;
		}
		peer = (struct child_peer){ .who = m->role, .number = m->number, .fd = fd };
		if (ch->events != NULL)
			ch->events->peer(ch, &peer);
		else
			ch->peers[ch->peer_count++] = peer;
		break;
	case MESSAGE_GO:
	case MESSAGE_STOP:
	case MESSAGE_READY:
		break;
	}
	return e;
}

enum err
child_open(struct child *ch, enum role role)
{
	struct stat st;
	struct proc_message m;
	char name[16]; /* for ps and top; the kernel keeps 15 */
	int fd;
	enum err e;

	*ch = (struct child){ .role = role, .tls.arena = ARENA_SECRET };
	sandbox_hide_memory(); /* keys are about to come */
	snprintf(name, sizeof(name), "posthorn-%s", role_table[role].name);
	prctl(PR_SET_NAME, name);
	log_setup(LOG_INFO, role_table[role].name);
	if (fstat(CHILD_FD, &st) != 0 || !S_ISSOCK(st.st_mode)) {
		log_event(LOG_ERROR, "start", F_C("detail", "roles are started by the supervisor"));
		return ERR_CONFIG;
	}
	fcntl(CHILD_FD, F_SETFD, FD_CLOEXEC);
	/* The terminal's interrupt goes to all; the supervisor tells us when to end. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	channel_init(&ch->channel, CHILD_FD);
	for (;;) {
		e = channel_next(&ch->channel, true, &m, &fd);
		if (e == ERR_WAIT)
			e = channel_read(&ch->channel, true);
		else if (e == ERR_OK && m.type == MESSAGE_GO)
			return ch->config != NULL ? ERR_OK : ERR_CORRUPT;
		else if (e == ERR_OK && m.type == MESSAGE_STOP)
			return ERR_CLOSED;
		else if (e == ERR_OK)
			e = take(ch, &m, fd);
		if (e != ERR_OK && e != ERR_WAIT)
			return e;
	}
}

enum err
child_confine(struct child *ch, const char *folder)
{
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	enum err e;

	umask(077);
	if (chdir(folder) != 0) {
		log_event(LOG_ERROR, "folder", F_C("path", folder), F_C("detail", strerror(errno)));
		return ERR_IO;
	}
	e = sandbox_enter(ch->role, ch->config, &why);
	if (e != ERR_OK)
		log_event(LOG_ERROR, "sandbox", F_ERR(e), F_STR("detail", buf_str(&why)));
	else if (why.n > 0)
		log_event(LOG_WARNING, "sandbox", F_STR("detail", buf_str(&why)));
	return e;
}

static void
stop(struct child *ch)
{
	if (ch->is_stopping)
		return;
	ch->is_stopping = true;
	ch->events->stop(ch);
}

/* What has been read. ERR_WAIT: that was all. */
static enum err
take_all(struct child *ch)
{
	struct proc_message m;
	enum err e = ERR_OK;
	int fd;

	while (e == ERR_OK && (e = channel_next(&ch->channel, true, &m, &fd)) == ERR_OK) {
		if (m.type == MESSAGE_STOP)
			stop(ch);
		else
			e = take(ch, &m, fd);
		if (e == ERR_CONFIG)
			e = ERR_OK; /* told; the old one stays */
	}
	return e;
}

static void
on_readable(struct loop_fd *f)
{
	struct child *ch = container_of(f, struct child, readable);
	enum err e = channel_read(&ch->channel, false);

	if (e == ERR_OK)
		e = take_all(ch);
	if (e == ERR_WAIT)
		return;
	/* Without the supervisor nobody could restart us or swap certificates. */
	loop_fd_off(&ch->readable);
	stop(ch);
}

static void
on_term(struct loop_signal *s)
{
	stop(container_of(s, struct child, term));
}

void
child_watch(struct child *ch, struct loop *loop, const struct child_events *events)
{
	ch->events = events;
	loop_fd_init(loop, &ch->readable, ch->channel.fd, false, on_readable);
	loop_fd_on(&ch->readable);
	loop_signal_on(loop, &ch->term, SIGTERM, on_term);
	for (size_t i = 0; i < ch->peer_count; i++)
		events->peer(ch, &ch->peers[i]);
	ch->peer_count = 0;
	/* What came in the same read as GO waits in the buffer, and nothing would announce it. */
	if (take_all(ch) != ERR_WAIT)
		stop(ch);
}

void
child_forget_tls(struct child *ch)
{
	arena_reset(&ch->tls.arena);
	ch->tls.count = 0;
	ch->tls.client_ca = STR_NONE;
}

void
child_ready(struct child *ch)
{
	struct proc_message m = { .type = MESSAGE_READY };

	ignore_err(channel_send(&ch->channel, &m, -1),
	    "the end of the channel is noticed when reading");
}

void
child_close(struct child *ch)
{
	if (ch->events != NULL) {
		loop_fd_off(&ch->readable);
		loop_signal_off(&ch->term);
	}
	for (size_t i = 0; i < ch->listener_count; i++)
		close(ch->listeners[i].fd);
	for (size_t i = 0; i < ch->peer_count; i++)
		close(ch->peers[i].fd);
	channel_done(&ch->channel);
	if (ch->config != ch->config_first)
		config_free(ch->config);
	config_free(ch->config_first);
	arena_done(&ch->tls.arena);
}

/*
 * client.c - see client.h.
 *
 * A line is a connection, read and written by its home loop; most loops have one of their own, so
 * that a login wakes no other. Whoever has none, or one that is broken, takes the first: any loop
 * puts its messages into a line's output buffer under the lock and pokes the home loop; answers find
 * their question by id and are posted to the loop that asked. A question is in the table until its last answer is posted, and only the
 * one who takes it out of the table under the lock may free it: the asker's loop, when the answer
 * runs there or when it cancels.
 */
#include "auth/client_home.h"

#include "auth/known.h"
#include "auth/offers.h"
#include "auth/wire.h"
#include "base/arena.h"
#include "base/bell.h"
#include "base/hash.h"
#include "io/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_MAX = 4 << 20 };

/* A question: an exchange or a lookup. */
struct asked {
	struct line *line;
	struct loop *loop;
	struct loop_task task;
	uint64_t id;
	bool is_listed; /* in the table: more answers may come */
	bool is_lookup;
	bool is_answered; /* an answer waits for the task */
	bool is_over;     /* the callback with the last answer runs */
	enum auth_outcome outcome;
	enum err err;
	struct buf data;    /* the challenge, or the user, NUL and his groups */
	struct str address; /* of a lookup, for the cache */
	void *arg;

	union {
		auth_done_fn *done;
		auth_lookup_fn *found;
	};
};

/* The public names of it. */
struct auth_exchange {
	struct asked a;
};

struct auth_lookup {
	struct asked a;
};

struct line {
	struct auth_client *client;
	struct loop *home;
	atomic_int incoming;  /* the next connection, until the home loop takes it; -1: none */
	pthread_mutex_t lock; /* guards what follows */
	struct hash asked;    /* struct asked by id */
	uint64_t last_id;
	struct buf out;
	bool is_connected;
	/* Home loop only. */
	int fd;
	struct buf in;
	struct loop_fd readable, writable;
	struct loop_task attach, flush;
};

struct auth_client {
	struct mech_offers offers;
	struct known_users *known;
	size_t count;
	struct line lines[];
};

static bool
asked_has_id(const void *item, const void *key)
{
	return ((const struct asked *)item)->id == *(const uint64_t *)key;
}

/* Runs on the asker's loop: hands over one answer. */
static void
asked_deliver(struct loop_task *t)
{
	struct asked *a = container_of(t, struct asked, task);
	struct auth_result r = { 0 };
	struct buf data;

	pthread_mutex_lock(&a->line->lock);
	if (!a->is_answered) {
		pthread_mutex_unlock(&a->line->lock);
		return;
	}
	a->is_answered = false;
	a->is_over = !a->is_listed;
	data = a->data;
	a->data = BUF_MAX(AUTH_MESSAGE_MAX);
	r.outcome = a->outcome;
	r.err = a->err;
	pthread_mutex_unlock(&a->line->lock);

	if (a->is_lookup) {
		a->found(a->arg, r.err, buf_str(&data));
	} else {
		bool is_over = r.outcome != AUTH_CONTINUE;

		if (r.outcome == AUTH_OK) {
			size_t end = str_chr(buf_str(&data), '\0');

			r.user = str_sub(buf_str(&data), 0, end);
			r.groups = str_sub(buf_str(&data), end + 1, data.n);
		} else {
			r.data = buf_str(&data);
		}
		a->done(a->arg, &r);
		/* After CONTINUE the callback may have cancelled it: then it is gone. */
		if (!is_over)
			a = NULL;
	}
	buf_wipe(&data);
	if (a != NULL) {
		/* An answer that came between CONTINUE and now has posted the task again. */
		loop_task_cancel(a->loop, &a->task);
		free((void *)(uintptr_t)a->address.p);
		free(a);
	}
}

/* With the lock held: takes the question out of the table unless more answers will come. */
static void
asked_answer(struct asked *a, const struct auth_result *r)
{
	struct line *l = a->line;

	a->outcome = r->outcome;
	a->err = r->err;
	buf_wipe(&a->data);
	a->data = BUF_MAX(AUTH_MESSAGE_MAX);
	buf_str_add(&a->data, a->is_lookup || r->outcome == AUTH_OK ? r->user : r->data);
	if (!a->is_lookup && r->outcome == AUTH_OK) {
		buf_chr(&a->data, '\0');
		buf_str_add(&a->data, r->groups);
	}
	if ((a->is_lookup || r->outcome != AUTH_CONTINUE) && a->is_listed) {
		hash_remove(&l->asked, hash_u64(a->id), &a->id);
		a->is_listed = false;
	}
	a->is_answered = true;
	loop_post(a->loop, &a->task);
}

static const struct auth_result busy = { .outcome = AUTH_FAIL, .err = ERR_BUSY };
static const struct auth_result too_long = { .outcome = AUTH_FAIL, .err = ERR_SYNTAX };

/* With the lock held: no connection any more. */
static void
fail_all(struct line *l)
{
	size_t pos = 0;
	struct asked *a;

	l->is_connected = false;
	buf_wipe(&l->out);
	while ((a = hash_next(&l->asked, &pos)) != NULL)
		asked_answer(a, &busy);
}

static void
disconnect(struct line *l)
{
	if (l->fd < 0)
		return;
	loop_fd_off(&l->readable);
	loop_fd_off(&l->writable);
	close(l->fd);
	l->fd = -1;
	buf_wipe(&l->in);
	l->in = BUF_MAX(2 * FRAME_MAX);
	pthread_mutex_lock(&l->lock);
	fail_all(l);
	pthread_mutex_unlock(&l->lock);
}

/* With the lock held: sends a message, or answers the question with BUSY. */
static void
asked_send(struct asked *a, const struct wire_message *m)
{
	struct line *l = a->line;

	if (l->is_connected) {
		size_t before = l->out.n;

		wire_add(&l->out, m);
		if (buf_err(&l->out) == ERR_OK) {
			loop_post(l->home, &l->flush);
			return;
		}
		buf_truncate(&l->out, before);
		l->out.is_over = false;
	}
	asked_answer(a, &busy);
}

static void
on_writable(struct loop_fd *f)
{
	struct line *l = container_of(f, struct line, writable);
	bool has_failed = false;

	pthread_mutex_lock(&l->lock);
	if (l->fd >= 0 && l->out.n > 0) {
		ssize_t n = send(l->fd, l->out.p, l->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			buf_consume(&l->out, (size_t)n);
		} else if (errno != EAGAIN && errno != EINTR) {
			has_failed = true;
		}
	}
	if (l->fd >= 0 && l->out.n > 0 && !has_failed)
		loop_fd_on(&l->writable);
	else if (l->fd >= 0)
		loop_fd_off(&l->writable);
	pthread_mutex_unlock(&l->lock);
	if (has_failed)
		disconnect(l);
}

static void
on_flush(struct loop_task *t)
{
	on_writable(&container_of(t, struct line, flush)->writable);
}

static void
on_message(struct line *l, const struct wire_message *m)
{
	struct asked *a;

	pthread_mutex_lock(&l->lock);
	a = hash_find(&l->asked, hash_u64(m->id), &m->id);
	if (a != NULL && a->is_lookup == (m->type == WIRE_FOUND)) {
		if (a->is_lookup && m->result.err == ERR_OK)
			known_users_put(l->client->known, a->address, m->result.user);
		asked_answer(a, &m->result);
	}
	pthread_mutex_unlock(&l->lock);
}

static void
on_readable(struct loop_fd *f)
{
	struct line *l = container_of(f, struct line, readable);
	char *to = buf_reserve(&l->in, 65536);
	ssize_t n = to != NULL ? recv(l->fd, to, 65536, MSG_DONTWAIT) : 0;
	size_t at = 0, used;
	struct wire_message m;
	enum err e;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		disconnect(l);
		return;
	}
	l->in.n += (size_t)n;
	/* Who is woken wants the lock: when all answers are told, and once for them all. */
	bells_hold();
	while ((e = wire_next(str_sub(buf_str(&l->in), at, l->in.n), false, &m, &used)) == ERR_OK) {
		on_message(l, &m);
		at += used;
	}
	bells_release();
	if (e == ERR_CORRUPT) {
		disconnect(l);
		return;
	}
	buf_consume(&l->in, at);
	if (l->in.n == 0) {
		buf_done(&l->in);
		l->in = BUF_MAX(2 * FRAME_MAX);
	}
}

static void
line_take(struct line *l, int fd)
{
	disconnect(l);
	l->fd = fd;
	loop_fd_init(l->home, &l->readable, fd, false, on_readable);
	loop_fd_init(l->home, &l->writable, fd, true, on_writable);
	loop_fd_on(&l->readable);
	pthread_mutex_lock(&l->lock);
	l->is_connected = true;
	pthread_mutex_unlock(&l->lock);
}

static void
on_attach(struct loop_task *t)
{
	struct line *l = container_of(t, struct line, attach);
	int fd = atomic_exchange(&l->incoming, -1);

	if (fd >= 0)
		line_take(l, fd);
}

static void
line_init(struct line *l, struct auth_client *c, struct loop *home)
{
	l->client = c;
	l->home = home;
	l->fd = -1;
	l->in = BUF_MAX(2 * FRAME_MAX);
	l->out = BUF_SECRET(OUT_MAX);
	atomic_init(&l->incoming, -1);
	pthread_mutex_init(&l->lock, NULL);
	hash_init(&l->asked, asked_has_id);
	loop_task_init(&l->attach, on_attach);
	loop_task_init(&l->flush, on_flush);
}

static void
line_done(struct line *l)
{
	int fd = atomic_exchange(&l->incoming, -1);

	disconnect(l);
	if (fd >= 0)
		close(fd);
	loop_task_cancel(l->home, &l->attach);
	loop_task_cancel(l->home, &l->flush);
	hash_done(&l->asked);
	buf_wipe(&l->in);
	buf_wipe(&l->out);
	pthread_mutex_destroy(&l->lock);
}

struct auth_client *
auth_client_new(struct loop *const *loops, size_t count, bool has_scram)
{
	struct auth_client *c = xcalloc(1, sizeof(*c) + count * sizeof(c->lines[0]));

	must(count > 0);
	mech_offers_init(&c->offers, has_scram);
	c->known = known_users_new(loop_clock(loops[0]));
	c->count = count;
	for (size_t i = 0; i < count; i++)
		line_init(&c->lines[i], c, loops[i]);
	return c;
}

void
auth_client_free(struct auth_client *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++)
		line_done(&c->lines[i]);
	known_users_free(c->known);
	free(c);
}

void
auth_client_attach(struct auth_client *c, size_t number, int fd)
{
	int old = fd;

	if (number == 0) {
		line_take(&c->lines[0], fd);
		return;
	}
	if (number < c->count) {
		old = atomic_exchange(&c->lines[number].incoming, fd);
		loop_post(c->lines[number].home, &c->lines[number].attach);
	}
	if (old >= 0)
		close(old);
}

/* The one that the loop's questions take, with its lock held: its own, or the first. */
static struct line *
line_lock(struct auth_client *c, const struct loop *loop)
{
	struct line *l = &c->lines[0];

	for (size_t i = 1; i < c->count; i++)
		if (c->lines[i].home == loop)
			l = &c->lines[i];
	pthread_mutex_lock(&l->lock);
	if (l->is_connected || l == &c->lines[0])
		return l;
	pthread_mutex_unlock(&l->lock);
	l = &c->lines[0];
	pthread_mutex_lock(&l->lock);
	return l;
}

static struct asked *
asked_new(struct loop *loop, void *arg)
{
	struct asked *a = xcalloc(1, sizeof(*a));

	a->loop = loop;
	a->arg = arg;
	a->data = BUF_MAX(AUTH_MESSAGE_MAX);
	loop_task_init(&a->task, asked_deliver);
	return a;
}

/* With the lock held: a new id, and a place in the table. */
static void
asked_list(struct asked *a)
{
	struct line *l = a->line;

	a->id = ++l->last_id;
	a->is_listed = true;
	hash_insert(&l->asked, hash_u64(a->id), a);
}

void
auth_begin(struct auth_client *c, struct loop *loop, const struct auth_start *start,
    auth_done_fn *done, void *arg, struct auth_exchange **x_out)
{
	struct asked *a = asked_new(loop, arg);
	struct wire_message m = { .type = WIRE_BEGIN, .start = *start };

	a->done = done;
	*x_out = (struct auth_exchange *)(void *)a;
	a->line = line_lock(c, loop);
	if (wire_fits(&m)) {
		asked_list(a);
		m.id = a->id;
		asked_send(a, &m);
	} else {
		asked_answer(a, &too_long);
	}
	pthread_mutex_unlock(&a->line->lock);
}

void
auth_continue(struct auth_exchange *x, struct str response)
{
	struct asked *a = &x->a;
	struct wire_message m = { .type = WIRE_RESPONSE, .id = a->id, .data = response };

	pthread_mutex_lock(&a->line->lock);
	if (a->is_listed && !wire_fits(&m)) {
		m = (struct wire_message){ .type = WIRE_CANCEL, .id = a->id };
		asked_send(a, &m);
		asked_answer(a, &too_long);
	} else if (
	    a->is_listed) { /* else the connection broke meanwhile, and that answer is on its way */
		asked_send(a, &m);
	}
	pthread_mutex_unlock(&a->line->lock);
}

static void
asked_cancel(struct asked *a)
{
	struct line *l = a->line;
	struct wire_message m = { .type = WIRE_CANCEL, .id = a->id };

	if (a->is_over) /* from the last callback, which frees it */
		return;
	pthread_mutex_lock(&l->lock);
	if (a->is_listed) {
		hash_remove(&l->asked, hash_u64(a->id), &a->id);
		a->is_listed = false;
		if (l->is_connected) {
			wire_add(&l->out, &m);
			/*
			 * No room: the auth process forgets it when its client is silent for long.
			 */
			l->out.is_over = false;
			loop_post(l->home, &l->flush);
		}
	}
	pthread_mutex_unlock(&l->lock);
	loop_task_cancel(a->loop, &a->task);
	buf_wipe(&a->data);
	free((void *)(uintptr_t)a->address.p);
	free(a);
}

void
auth_cancel(struct auth_exchange *x)
{
	asked_cancel(&x->a);
}

void
auth_lookup_cancel(struct auth_lookup *l)
{
	asked_cancel(&l->a);
}

void
auth_lookup(struct auth_client *c, struct loop *loop, struct str address, auth_lookup_fn *found,
    void *arg, struct auth_lookup **l_out)
{
	BUF_CLEAN struct buf user = BUF_MAX(AUTH_MESSAGE_MAX);
	struct asked *a = asked_new(loop, arg);
	struct wire_message m = { .type = WIRE_LOOKUP, .data = address };
	bool is_known = known_users_get(c->known, address, &user);

	a->is_lookup = true;
	a->found = found;
	a->address = str_make(xstrdup(address), address.n);
	*l_out = (struct auth_lookup *)(void *)a;
	a->line = line_lock(c, loop);
	if (!wire_fits(&m)) {
		asked_answer(a, &(struct auth_result){ .err = ERR_UNKNOWN });
	} else if (is_known) {
		asked_answer(a,
		    &(struct auth_result){ .outcome = AUTH_OK,
			.err = ERR_OK,
			.user = buf_str(&user) });
	} else {
		asked_list(a);
		m.id = a->id;
		asked_send(a, &m);
	}
	pthread_mutex_unlock(&a->line->lock);
}

const char *const *
auth_mechs(struct auth_client *c, bool is_secure, bool has_binding, bool has_cert)
{
	return mech_offers_of(&c->offers, is_secure, has_binding, has_cert);
}

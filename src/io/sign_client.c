/* sign_client.c - see sign_client.h. */
#include "io/sign_client.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_MAX = 1 << 20, READ_BYTES = 16384, SENT_MAX = 2 };

/* A loop's connection. All of it belongs to the loop's thread, but for `incoming`. */
struct line {
	struct loop *loop;
	atomic_int incoming; /* the next connection, until the loop takes it; -1: none */
	struct loop_task start, attach, flush;
	struct loop_timer timer;
	struct loop_fd readable, writable;
	int fd; /* -1: none */
	struct buf in, out;
	uint64_t last_id;
	struct list questions; /* oldest first */
	struct list waiters;
};

struct sign_client {
	size_t count;
	struct line lines[];
};

static struct line *
line_of(struct sign_client *c, const struct loop *loop)
{
	size_t i = 0;

	while (i < c->count && c->lines[i].loop != loop)
		i++;
	must(i < c->count);
	return &c->lines[i];
}

/* Takes it out of the list with its answer; an empty one refuses. */
static void
settle(struct sign_question *q, struct str signature)
{
	list_remove(&q->in_line);
	q->is_answered = true;
	q->n = signature.n <= q->room ? signature.n : 0;
	if (q->n > 0)
		memcpy(q->signature, signature.p, q->n);
}

static void
answer(struct sign_question *q, struct str signature)
{
	settle(q, signature);
	q->answered(q->ctx);
}

static void
send_question(struct line *l, struct sign_question *q)
{
	size_t before = l->out.n;

	if (l->fd < 0)
		return;
	sign_ask_add(&l->out, &q->ask);
	/* the other end does not read: it is asked when there is another */
	if (buf_err(&l->out) != ERR_OK) {
		buf_truncate(&l->out, before);
		l->out.is_over = false;
		return;
	}
	q->sent_count++;
	loop_post(l->loop, &l->flush);
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
	buf_clear(&l->in);
	buf_clear(&l->out);
	list_each(&l->questions, q, struct sign_question, in_line) if (q->sent_count >= SENT_MAX)
	    answer(q, STR_NONE);
}

static void
write_out(struct line *l)
{
	ssize_t n = l->fd >= 0 && l->out.n > 0
	    ? send(l->fd, l->out.p, l->out.n, MSG_NOSIGNAL | MSG_DONTWAIT)
	    : 0;

	if (n > 0)
		buf_consume(&l->out, (size_t)n);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		disconnect(l);
	else if (l->fd >= 0 && l->out.n > 0)
		loop_fd_on(&l->writable);
	else if (l->fd >= 0)
		loop_fd_off(&l->writable);
}

static void
on_flush(struct loop_task *t)
{
	write_out(container_of(t, struct line, flush));
}

static void
on_writable(struct loop_fd *f)
{
	write_out(container_of(f, struct line, writable));
}

static void
take_answer(struct line *l, const struct sign_answer *a)
{
	list_each(&l->questions, q, struct sign_question, in_line)
	{
		if (q->ask.id == a->id) {
			answer(q, a->signature);
			return;
		}
	}
}

static void
on_readable(struct loop_fd *f)
{
	struct line *l = container_of(f, struct line, readable);
	char *to = buf_reserve(&l->in, READ_BYTES);
	ssize_t n = to != NULL ? recv(l->fd, to, READ_BYTES, MSG_DONTWAIT) : 0;
	struct sign_answer a;
	size_t at = 0, used;
	enum err e;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	l->in.n += n > 0 ? (size_t)n : 0;
	while (n > 0
	    && (e = sign_answer_next(str_sub(buf_str(&l->in), at, l->in.n), &a, &used))
		!= ERR_WAIT) {
		if (e != ERR_OK)
			n = 0;
		else
			take_answer(l, &a);
		at += e == ERR_OK ? used : 0;
	}
	buf_consume(&l->in, at);
	if (n <= 0)
		disconnect(l);
}

/* Whoever has waited too long is refused. */
static void
on_timer(struct loop_timer *t)
{
	struct line *l = container_of(t, struct line, timer);
	int64_t now = loop_now_ms(l->loop);

	list_each(&l->questions, q, struct sign_question,
	    in_line) if (now - q->asked_ms >= SIGN_WAIT_MS) answer(q, STR_NONE);
	if (!list_is_empty(&l->questions))
		loop_timer_set(l->loop, t,
		    SIGN_WAIT_MS
			- (now
			    - list_first(&l->questions, struct sign_question, in_line)->asked_ms));
}

static void
on_attach(struct loop_task *t)
{
	struct line *l = container_of(t, struct line, attach);
	int fd = atomic_exchange(&l->incoming, -1);

	if (fd < 0)
		return;
	disconnect(l);
	l->fd = fd;
	loop_fd_init(l->loop, &l->readable, fd, false, on_readable);
	loop_fd_init(l->loop, &l->writable, fd, true, on_writable);
	loop_fd_on(&l->readable);
	list_each(&l->questions, q, struct sign_question, in_line) send_question(l, q);
}

/* On the loop's thread, whose jobs they are, before any handshake. */
static void
on_start(struct loop_task *t)
{
	(void)t;
	if (ASYNC_init_thread(SIGN_JOBS_MAX, 0) != 1)
		ERR_clear_error(); /* made when the first is needed, then without the bound */
}

struct sign_client *
sign_client_new(struct loop *const *loops, size_t count)
{
	struct sign_client *c = xcalloc(1, sizeof(*c) + count * sizeof(c->lines[0]));

	c->count = count;
	for (size_t i = 0; i < count; i++) {
		struct line *l = &c->lines[i];

		l->loop = loops[i];
		l->fd = -1;
		l->in = BUF_MAX(2 * FRAME_MAX);
		l->out = BUF_MAX(OUT_MAX);
		atomic_init(&l->incoming, -1);
		list_init(&l->questions);
		list_init(&l->waiters);
		loop_task_init(&l->start, on_start);
		loop_task_init(&l->attach, on_attach);
		loop_task_init(&l->flush, on_flush);
		loop_timer_init(&l->timer, on_timer);
		loop_post(l->loop, &l->start);
	}
	return c;
}

void
sign_client_free(struct sign_client *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++) {
		struct line *l = &c->lines[i];
		int fd = atomic_exchange(&l->incoming, -1);

		must(list_is_empty(&l->questions) && list_is_empty(&l->waiters));
		disconnect(l);
		if (fd >= 0)
			close(fd);
		loop_task_cancel(l->loop, &l->start);
		loop_task_cancel(l->loop, &l->attach);
		loop_task_cancel(l->loop, &l->flush);
		loop_timer_cancel(l->loop, &l->timer);
		buf_done(&l->in);
		buf_done(&l->out);
	}
	free(c);
}

void
sign_client_attach(struct sign_client *c, size_t number, int fd)
{
	int old = fd;

	if (number < c->count) {
		old = atomic_exchange(&c->lines[number].incoming, fd);
		loop_post(c->lines[number].loop, &c->lines[number].attach);
	}
	if (old >= 0)
		close(old);
}

void
sign_ask_for(struct sign_client *c, struct loop *loop, struct sign_question *q)
{
	struct line *l = line_of(c, loop);

	q->ask.id = ++l->last_id;
	q->asked_ms = loop_now_ms(loop);
	list_add_tail(&l->questions, &q->in_line);
	send_question(l, q);
	if (!loop_timer_is_set(&l->timer))
		loop_timer_set(loop, &l->timer, SIGN_WAIT_MS);
}

void
sign_cancel(struct sign_question *q)
{
	settle(q, STR_NONE);
}

void
sign_wait_for_job(struct sign_client *c, struct loop *loop, struct sign_waiter *w)
{
	if (w->is_waiting)
		return;
	w->is_waiting = true;
	w->is_called = false;
	list_add_tail(&line_of(c, loop)->waiters, &w->in_line);
}

void
sign_job_done(struct sign_client *c, struct loop *loop)
{
	struct sign_waiter *w = list_first(&line_of(c, loop)->waiters, struct sign_waiter, in_line);

	if (w == NULL)
		return;
	list_remove(&w->in_line);
	w->is_waiting = false;
	w->is_called = true;
	w->call(w->ctx);
}

void
sign_waiter_cancel(struct sign_client *c, struct loop *loop, struct sign_waiter *w)
{
	bool was_called = w->is_called;

	if (w->is_waiting)
		list_remove(&w->in_line);
	w->is_waiting = w->is_called = false;
	if (was_called)
		sign_job_done(c, loop);
}

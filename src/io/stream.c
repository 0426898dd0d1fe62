/*
 * stream.c - see stream.h: a stream's life and its callbacks. Input is in stream_input.c, output
 * in stream_queue.c.
 *
 * 	          stream_start_tls()          all before it is sent        handshake done
 * 	in the clear ----------------> waiting ----------------> handshake ----------------> secured
 *
 * 	      stream_close()           queue is empty            peer's end, or CLOSE_MS
 * 	open ----------------> closing ----------------> shut ----------------------------> closed()
 * 	  |                       \------ stream_part(), and the peer has sent no more ----/
 * 	  \------------- any error: stream_fail() ----------------------------------------/
 *
 * Nothing is told to the caller from inside its own calls: what happens there is noted in `news`,
 * and stream_work(), a task of the loop, tells it.
 */
#include "io/stream.h"

#include "base/arena.h"
#include "io/stream_int.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COSTLY_BYTES = 16 * 1024 }; /* output that takes longer than asking for the time */

void
stream_post(struct stream *s)
{
	loop_post(s->loop, &s->work);
}

void
stream_fail(struct stream *s, enum err why)
{
	if (s->end != ERR_OK)
		return;
	s->end = why;
	s->news = NEWS_CLOSED;
	queue_drop(s);
	loop_fd_off(&s->rfd);
	loop_fd_off(&s->wfd);
	loop_timer_cancel(s->loop, &s->close_timer);
	stream_post(s);
}

void
stream_cork(struct stream *s, bool is_corked)
{
	int on = is_corked;

	if (s->is_corked == is_corked)
		return;
	s->is_corked = is_corked;
	setsockopt(s->wfd.fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static void
tell(struct stream *s, enum stream_news what)
{
	switch (what) {
	case NEWS_GATE_FAILED:
		s->is_gate_failed = false;
		s->is_closing = false; /* so that the caller can say why; it closes again */
		s->ops->gate_failed(s, s->ctx);
		break;
	case NEWS_SECURED:
		if (s->ops->secured != NULL)
			s->ops->secured(s, s->ctx);
		break;
	case NEWS_READABLE:
		s->ops->readable(s, s->ctx);
		break;
	case NEWS_DRAINED:
		s->ops->drained(s, s->ctx);
		break;
	case NEWS_CLOSED:
		s->ops->closed(s, s->ctx, s->is_closing ? ERR_OK : s->end);
		break;
	}
}

/* Tells what has happened. False: the stream is gone. */
static bool
tell_news(struct stream *s)
{
	unsigned todo = s->news;
	bool is_gone = false;

	s->news = 0; /* what the callbacks cause is told in the next turn */
	s->freed = &is_gone;
	for (; todo != 0; todo &= todo - 1) {
		unsigned what = todo & -todo; /* the first of them */

		if (what != NEWS_CLOSED
		    && (s->end != ERR_OK || (s->is_closing && what != NEWS_GATE_FAILED)))
			continue;
		tell(s, what);
		if (is_gone)
			return false;
	}
	s->freed = NULL;
	input_watch(s);
	return true;
}

static int64_t
now_us(const struct stream *s)
{
	struct clock *c = loop_clock(s->loop);

	return c->mono_us(c);
}

/* Sends, and notes whose time that was when it is much. */
static void
flush(struct stream *s)
{
	int64_t began_us;

	if (s->owner == 0 || s->out_bytes < COSTLY_BYTES) {
		queue_flush(s);
		return;
	}
	began_us = now_us(s);
	queue_flush(s);
	loop_share_spend(s->loop, s->owner, began_us, now_us(s) - began_us);
}

/*
 * Much output goes before the loop looks at its other descriptors: else the client waits for what
 * these ask for, and then they all wait for it. What comes of it is told by stream_work(), in the
 * next turn.
 */
static void
flush_much(struct stream *s)
{
	if (s->out_bytes < COSTLY_BYTES || s->is_closing || s->wfd.is_on)
		return;
	flush(s);
	stream_post(s);
}

static void
stream_work(struct loop_task *t)
{
	struct stream *s = container_of(t, struct stream, work);

	flush(s);
	if (!s->is_closing)
		stream_cork(s, false);
	if (s->has_layered_input)
		input_take(s);
	if (s->is_closing)
		closing_go_on(s);
	tell_news(s);
}

static void
read_ready(struct loop_fd *f)
{
	struct stream *s = container_of(f, struct stream, rfd);

	if (!input_may_come(s)) {
		loop_fd_off(f);
		return;
	}
	input_take(s);
	if (s->ssl != NULL && s->head != NULL)
		stream_post(s); /* a write may have waited for this read */
	if (tell_news(s))
		flush_much(s);
}

static void
go_on_writing(struct stream *s)
{
	if (s->ssl != NULL)
		input_take(s); /* a handshake or a read may have waited for this write */
	flush(s);
	if (s->is_closing)
		closing_go_on(s);
	tell_news(s);
}

static void
write_ready(struct loop_fd *f)
{
	struct stream *s = container_of(f, struct stream, wfd);

	loop_fd_off(f);
	if (s->owner != 0 && loop_share_is_due(s->loop, s->owner, now_us(s)))
		loop_share_post(s->loop, &s->turn, s->owner);
	else
		go_on_writing(s);
}

static void
take_turn(struct loop_share *share)
{
	struct stream *s = container_of(share, struct stream, turn);

	if (s->ssl != NULL && !s->is_secured)
		handshake_take_turn(s);
	else
		go_on_writing(s);
}

struct stream *
stream_new(struct loop *loop, int fd, const struct stream_ops *ops, void *ctx)
{
	struct stream *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->ops = ops;
	s->ctx = ctx;
	loop_fd_init(loop, &s->rfd, fd, false, read_ready);
	loop_fd_init(loop, &s->wfd, fd, true, write_ready);
	loop_task_init(&s->work, stream_work);
	closing_init(s);
	loop_share_init(&s->turn, take_turn);
	input_init(s);
	queue_init(s);
	loop_fd_on(&s->rfd);
	return s;
}

void
stream_set_owner(struct stream *s, uint64_t owner)
{
	s->owner = owner;
}

bool
stream_may_leave(const struct stream *s)
{
	return s->end == ERR_OK && !s->is_closing && !s->is_tls_waiting && s->writing == NULL
	    && (s->ssl == NULL || s->is_secured);
}

void
stream_leave(struct stream *s)
{
	must(stream_may_leave(s));
	if (s->freed != NULL) /* as if it were: nobody looks at it any more */
		*s->freed = true;
	s->freed = NULL;
	loop_fd_off(&s->rfd);
	loop_fd_off(&s->wfd);
	loop_timer_cancel(s->loop, &s->close_timer);
	loop_task_cancel(s->loop, &s->work);
	loop_share_cancel(s->loop, &s->turn);
	if (s->z != NULL)
		deflate_leave(s->z);
}

void
stream_enter(struct stream *s, struct loop *loop)
{
	s->loop = loop;
	if (s->z != NULL)
		deflate_enter(s->z, loop);
	loop_fd_init(loop, &s->rfd, s->rfd.fd, false, read_ready);
	loop_fd_init(loop, &s->wfd, s->wfd.fd, true, write_ready);
	if (s->in.n > s->in_at || s->is_eof) /* came with the end of the handshake */
		s->news |= NEWS_READABLE;
	input_watch(s);
	stream_post(s); /* for what was noted before, and what OpenSSL and the inflater hold */
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	if (s->freed != NULL)
		*s->freed = true;
	queue_drop(s);
	loop_fd_off(&s->rfd);
	loop_fd_off(&s->wfd);
	loop_timer_cancel(s->loop, &s->close_timer);
	loop_task_cancel(s->loop, &s->work);
	loop_share_cancel(s->loop, &s->turn);
	deflate_free(s->z);
	handshake_abandon(s);
	SSL_free(s->ssl);
	tls_unref(s->tls);
	buf_done(&s->in);
	close(s->rfd.fd);
	free(s);
}

struct loop *
stream_loop(const struct stream *s)
{
	return s->loop;
}

void *
stream_ctx(const struct stream *s)
{
	return s->ctx;
}

void
stream_set_ops(struct stream *s, const struct stream_ops *ops, void *ctx)
{
	s->ops = ops;
	s->ctx = ctx;
}

void
stream_wake(struct stream *s)
{
	s->news |= NEWS_READABLE;
	stream_post(s);
}

void
stream_flush(struct stream *s)
{
	queue_flush(s);
	input_watch(s);
}

void
stream_gate_changed(struct stream *s)
{
	stream_post(s);
}

enum err
stream_start_tls(struct stream *s, struct tls *tls, const char *alpn)
{
	if (s->tls != NULL || s->z != NULL || s->in.n > s->in_at)
		return ERR_CLIENTBUG;
	s->tls = tls_ref(tls);
	s->alpn = alpn;
	s->is_tls_waiting = true;
	queue_mark(s, SEG_TLS);
	input_watch(s);
	return ERR_OK;
}

SSL *
stream_ssl(const struct stream *s)
{
	return s->is_secured ? s->ssl : NULL;
}

enum err
stream_start_deflate(struct stream *s)
{
	if (s->z != NULL)
		return ERR_EXISTS;
	if (s->in.n > s->in_at || s->has_layered_input)
		return ERR_CLIENTBUG;
	s->z = deflate_new(s);
	queue_mark(s, SEG_DEFLATE);
	return ERR_OK;
}

bool
stream_is_deflated(const struct stream *s)
{
	return s->z != NULL && !deflate_is_over(s->z);
}

void
stream_end_deflate(struct stream *s)
{
	struct str behind;

	if (!stream_is_deflated(s))
		return;
	behind = deflate_end_input(s->z);
	buf_str_add(&s->in, behind);
	/*
	 * The end of the peer's DEFLATE stream was not that of the connection; that one is met
	 * again.
	 */
	s->is_eof = false;
	queue_mark(s, SEG_DEFLATE_END);
	stream_flush(s);
	input_watch(s);
	stream_post(s);
}

struct stream_stats
stream_stats(const struct stream *s)
{
	return s->stats;
}

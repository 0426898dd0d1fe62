/*
 * stream.c - see stream.h: a stream's life, its input and its callbacks. Output is in
 * stream_queue.c.
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

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* for the peer to take some of the rest, and to end its side */
	CLOSE_MS = 5000,
	HURRY_MS = 10, /* between two looks whether it has got all */
	/* a read into an empty buffer: as much as came lately, so that one read takes it */
	READ_MIN = 4096,
	READ_MAX = 32 * 1024,
	READ_BUDGET = 128 * 1024, /* a turn */
	COSTLY_BYTES = 16 * 1024, /* output that takes longer than asking for the time */
};

static bool
may_read(const struct stream *s)
{
	if (s->end != ERR_OK || s->is_eof || s->is_tls_waiting || handshake_is_waiting(s))
		return false;
	if (s->is_shut || (s->ssl != NULL && !s->is_secured))
		return true; /* to notice the end; for the handshake */
	return !s->is_paused && !s->is_closing && !s->was_full && s->in.n - s->in_at < s->in_max;
}

/*
 * When nothing may be read the socket is watched on all the same, until it has something: mostly it
 * has not, and that costs nothing.
 */
static void
update_reading(struct stream *s)
{
	if (!may_read(s))
		return;
	loop_fd_on(&s->rfd);
	if (s->has_layered_input)
		stream_post(s);
}

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

/* --- Reading --- */

static enum err
tls_read(struct stream *s, char *p, size_t max, size_t *n_out)
{
	int r;

	ERR_clear_error();
	r = SSL_read_ex(s->ssl, p, max, n_out);
	if (r == 1)
		return ERR_OK;
	r = SSL_get_error(s->ssl, r);
	ERR_clear_error();
	switch (r) {
	case SSL_ERROR_WANT_READ:
		return ERR_WAIT;
	case SSL_ERROR_WANT_WRITE:
		loop_fd_on(&s->wfd);
		return ERR_WAIT;
	case SSL_ERROR_ZERO_RETURN:
		return ERR_END;
	case SSL_ERROR_SYSCALL:
		return ERR_CLOSED;
	default:
		return ERR_TLS;
	}
}

static enum err
socket_read(struct stream *s, char *p, size_t max, size_t *n_out)
{
	ssize_t n;

	do
		n = recv(s->rfd.fd, p, max, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		*n_out = (size_t)n;
		return ERR_OK;
	}
	return n == 0 ? ERR_END : errno == EAGAIN ? ERR_WAIT : ERR_CLOSED;
}

enum err
stream_wire_read(struct stream *s, char *p, size_t max, size_t *n_out)
{
	enum err e = s->ssl != NULL ? tls_read(s, p, max, n_out) : socket_read(s, p, max, n_out);

	if (e == ERR_OK)
		s->stats.wire_in_bytes += *n_out;
	return e;
}

/* Room for the next read; NULL when the input is full. */
static char *
input_room(struct stream *s, size_t *n_out)
{
	size_t held = s->in.n - s->in_at;
	size_t n = held < s->in_max ? MIN(s->in_max - held, MAX(held, (size_t)s->read_room)) : 0;

	if (n == 0)
		return NULL;
	if (s->in_at > held) { /* moves fewer bytes than were consumed: cheap over the whole */
		buf_consume(&s->in, s->in_at);
		s->in_at = 0;
	}
	*n_out = n;
	s->in.max = SIZE_MAX; /* in_max bounds it, with what is consumed in front of it */
	return buf_reserve(&s->in, n);
}

static void
release_empty_input(struct stream *s)
{
	if (s->in_at == s->in.n) {
		buf_done(&s->in);
		s->in_at = 0;
	}
}

static void
read_input(struct stream *s)
{
	size_t budget = READ_BUDGET, room = READ_MIN;
	enum err e = ERR_OK;

	s->has_layered_input = false;
	while (e == ERR_OK) {
		size_t n = 0, max;
		char *p = input_room(s, &max);

		if (p == NULL || budget == 0) {
			s->has_layered_input = s->ssl != NULL || s->z != NULL;
			break;
		}
		e = stream_is_deflated(s) ? deflate_read(s, s->z, p, max, &n)
					  : stream_wire_read(s, p, max, &n);
		if (e != ERR_OK)
			break;
		s->in.n += n;
		s->stats.in_bytes += n;
		s->news |= NEWS_READABLE;
		budget -= MIN(budget, n);
		if (n < max && s->ssl == NULL && s->z == NULL)
			break; /* the socket is empty */
	}
	while (room <= READ_BUDGET - budget && room < READ_MAX)
		room *= 2;
	/* Slowly less: commands come between messages. */
	s->read_room = (uint32_t)MAX(room, s->read_room - s->read_room / 4);
	release_empty_input(s);
	if (e == ERR_END) {
		s->is_eof = true;
		s->news |= NEWS_READABLE;
	} else if (e != ERR_OK && e != ERR_WAIT) {
		stream_fail(s, e);
	}
}

/* After our end was sent: until theirs. */
static void
discard_input(struct stream *s)
{
	char scratch[4096];
	ssize_t n = recv(s->rfd.fd, scratch, sizeof(scratch), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		stream_fail(s, ERR_CLOSED);
}

static void
take_input(struct stream *s)
{
	if (!may_read(s))
		return;
	if (s->is_shut) {
		discard_input(s);
		return;
	}
	if (s->ssl != NULL && !s->is_secured)
		handshake_go_on(s);
	if (s->ssl == NULL || s->is_secured)
		read_input(s);
}

/* --- Closing --- */

static void
set_close_timer(struct stream *s)
{
	s->close_mark = s->stats.wire_out_bytes;
	loop_timer_set(s->loop, &s->close_timer, s->is_hurried ? HURRY_MS : CLOSE_MS);
}

static bool
has_unread(struct stream *s)
{
	int unread = 0;

	return ioctl(s->rfd.fd, FIONREAD, &unread) < 0 || unread != 0;
}

/*
 * Nothing is under way in either direction: what the peer has not read yet stays readable when the
 * socket is closed.
 */
static bool
is_delivered(struct stream *s)
{
	int unsent = 0;

	return s->is_shut && ioctl(s->wfd.fd, SIOCOUTQ, &unsent) == 0 && unsent == 0
	    && !has_unread(s);
}

/* A slow peer may take its time, as long as it takes something. */
static void
close_fired(struct loop_timer *t)
{
	struct stream *s = container_of(t, struct stream, close_timer);

	if (s->is_hurried && !is_delivered(s) && loop_now_ms(s->loop) < s->hurried_until_ms)
		set_close_timer(s);
	else if (!s->is_hurried && !s->is_shut && s->stats.wire_out_bytes != s->close_mark)
		set_close_timer(s);
	else
		stream_fail(s, ERR_TIMEOUT);
}

/* When all has been sent: tells the peer that no more comes. */
static void
go_on_closing(struct stream *s)
{
	bool is_shaking = s->is_tls_waiting || (s->ssl != NULL && !s->is_secured);

	if (s->end != ERR_OK || s->is_shut || s->is_gate_failed
	    || (!queue_is_empty(s) && !is_shaking))
		return;
	if (s->ssl != NULL && s->is_secured) {
		ERR_clear_error();
		SSL_shutdown(s->ssl); /* without waiting for theirs */
		ERR_clear_error();
	}
	if (s->is_eof || is_shaking || (s->is_parting && !has_unread(s))
	    || shutdown(s->wfd.fd, SHUT_WR) < 0) {
		stream_fail(s, ERR_CLOSED);
		return;
	}
	s->is_shut = true;
}

void
stream_close(struct stream *s)
{
	if (s->is_closing || s->end != ERR_OK)
		return;
	s->is_closing = true;
	set_close_timer(s);
	update_reading(s);
	stream_post(s);
}

void
stream_part(struct stream *s)
{
	s->is_parting = true;
	stream_close(s);
}

void
stream_hurry(struct stream *s)
{
	if (s->end != ERR_OK || s->is_hurried)
		return;
	s->is_hurried = true;
	s->hurried_until_ms = loop_now_ms(s->loop) + CLOSE_MS;
	if (s->is_closing)
		set_close_timer(s);
}

/* --- Telling --- */

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

/* Tells what has happened. The stream may be gone afterwards. */
static void
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
			return;
	}
	s->freed = NULL;
	update_reading(s);
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

static void
stream_work(struct loop_task *t)
{
	struct stream *s = container_of(t, struct stream, work);

	flush(s);
	if (!s->is_closing)
		stream_cork(s, false);
	if (s->has_layered_input)
		take_input(s);
	if (s->is_closing)
		go_on_closing(s);
	tell_news(s);
}

static void
read_ready(struct loop_fd *f)
{
	struct stream *s = container_of(f, struct stream, rfd);

	if (!may_read(s)) {
		loop_fd_off(f);
		return;
	}
	take_input(s);
	if (s->ssl != NULL && s->head != NULL)
		stream_post(s); /* a write may have waited for this read */
	tell_news(s);
}

static void
go_on_writing(struct stream *s)
{
	if (s->ssl != NULL)
		take_input(s); /* a handshake or a read may have waited for this write */
	flush(s);
	if (s->is_closing)
		go_on_closing(s);
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

/* --- Life --- */

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
	loop_timer_init(&s->close_timer, close_fired);
	loop_share_init(&s->turn, take_turn);
	s->in = BUF_MAX(SIZE_MAX);
	s->in_max = STREAM_INPUT_MAX;
	s->read_room = READ_MIN;
	queue_init(s);
	loop_fd_on(&s->rfd);
	return s;
}

void
stream_set_owner(struct stream *s, uint64_t owner)
{
	s->owner = owner;
}

void
stream_leave(struct stream *s)
{
	must(queue_is_empty(s) && s->z == NULL && !s->is_closing && s->question == NULL);
	if (s->freed != NULL) /* as if it were: nobody looks at it any more */
		*s->freed = true;
	s->freed = NULL;
	loop_fd_off(&s->rfd);
	loop_fd_off(&s->wfd);
	loop_timer_cancel(s->loop, &s->close_timer);
	loop_task_cancel(s->loop, &s->work);
	loop_share_cancel(s->loop, &s->turn);
}

void
stream_enter(struct stream *s, struct loop *loop)
{
	s->loop = loop;
	loop_fd_init(loop, &s->rfd, s->rfd.fd, false, read_ready);
	loop_fd_init(loop, &s->wfd, s->wfd.fd, true, write_ready);
	s->has_layered_input = s->ssl != NULL; /* OpenSSL may have read ahead */
	if (s->in.n > s->in_at || s->is_eof)   /* came with the end of the handshake */
		s->news |= NEWS_READABLE;
	update_reading(s);
	stream_post(s); /* for what was noted before */
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

/* --- The caller's side of input --- */

struct str
stream_input(const struct stream *s)
{
	return s->in.n > s->in_at ? str_make(s->in.p + s->in_at, s->in.n - s->in_at) : STR_NONE;
}

void
stream_consume(struct stream *s, size_t n)
{
	must(n <= s->in.n - s->in_at);
	s->in_at += n;
	release_empty_input(s);
	if (!s->rfd.is_on || s->has_layered_input)
		update_reading(s);
}

void
stream_set_input_max(struct stream *s, size_t max)
{
	s->in_max = max;
	update_reading(s);
}

void
stream_set_secret(struct stream *s, bool is_secret)
{
	if (s->in.is_secret && !is_secret && s->in_at > 0) {
		buf_consume(&s->in, s->in_at);
		s->in_at = 0;
	}
	s->in.is_secret = is_secret;
	if (s->ssl != NULL && is_secret)
		SSL_set_options(s->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	else if (s->ssl != NULL)
		SSL_clear_options(s->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

void
stream_pause(struct stream *s, bool is_paused)
{
	s->is_paused = is_paused;
	update_reading(s);
}

void
stream_wake(struct stream *s)
{
	s->news |= NEWS_READABLE;
	stream_post(s);
}

bool
stream_is_eof(const struct stream *s)
{
	return s->is_eof;
}

/* --- The caller's side of the rest --- */

void
stream_flush(struct stream *s)
{
	queue_flush(s);
	update_reading(s);
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
	update_reading(s);
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
	update_reading(s);
	stream_post(s);
}

struct stream_stats
stream_stats(const struct stream *s)
{
	return s->stats;
}

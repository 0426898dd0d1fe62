/* stream_close.c - the end of a stream: what was written is sent, and the peer may take its time. */
#include "io/stream_int.h"

#include <linux/sockios.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
	/* for the peer to take some of the rest, and to end its side */
	CLOSE_MS = 5000,
	HURRY_MS = 10, /* between two looks whether it has got all */
};

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
closing_fired(struct loop_timer *t)
{
	struct stream *s = container_of(t, struct stream, close_timer);

	if (s->is_hurried && !is_delivered(s) && loop_now_ms(s->loop) < s->hurried_until_ms)
		set_close_timer(s);
	else if (!s->is_hurried && !s->is_shut && s->stats.wire_out_bytes != s->close_mark)
		set_close_timer(s);
	else
		stream_fail(s, ERR_TIMEOUT);
}

void
closing_go_on(struct stream *s)
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
	input_watch(s);
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

void
closing_init(struct stream *s)
{
	loop_timer_init(&s->close_timer, closing_fired);
}

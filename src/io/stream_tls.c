/*
 * stream_tls.c - the handshake of a stream.
 *
 * A step of it takes longer than most commands. While handshakes have had more than a quarter of
 * the loop's time lately they go on as shares (io/loop.h), one a turn, so that those who are in do
 * not wait for a crowd that comes.
 *
 * Where the private key is kept by another process it runs in a job of OpenSSL, on a stack of
 * its own, so that it can pause in the middle of SSL_do_handshake() while its signature is made:
 *
 * 	            WANT_READ            sign: on_question()             answered()
 * 	shaking ◄──────────────► socket    ──────────────────► paused ──────────────► shaking ──► secured
 * 	        └── no job is free ──► waiting ── job_is_free() ──► shaking
 */
#include "io/stream_int.h"

#include "io/tls_int.h"
#include "io/tls_remote.h"

#include <openssl/err.h>

enum {
	HANDSHAKES = -1, /* who spends the time of them all */
	/* in which those wait that go on as shares, each with a turn beside the accounts */
	LINES = 16,
};

/* The handshake goes on in the loop's next turn. */
static void
try_again(void *ctx)
{
	struct stream *s = ctx;

	s->question = NULL;
	s->has_layered_input = true;
	stream_post(s);
}

/* Called by the provider in the handshake's job, which pauses next. */
static int
on_question(SSL *ssl unused_arg, void *ctx)
{
	struct stream *s = ctx;

	s->question = remote_question(ASYNC_get_current_job());
	s->question->answered = try_again;
	s->question->ctx = s;
	sign_ask_for(tls_signer(s->tls), s->loop, s->question);
	return 1;
}

void
handshake_take_turn(struct stream *s)
{
	s->is_handshakes_turn = true;
	try_again(s);
}

void
handshake_begin(struct stream *s)
{
	s->ssl = tls_accept(s->tls, s->alpn);
	stream_set_secret(s, s->in.is_secret);
	SSL_set_fd(s->ssl, s->rfd.fd);
	s->is_tls_waiting = false;
	if (tls_signer(s->tls) != NULL) {
		SSL_set_mode(s->ssl, SSL_MODE_ASYNC);
		SSL_set_async_callback(s->ssl, on_question);
		SSL_set_async_callback_arg(s->ssl, s);
	}
}

bool
handshake_is_waiting(const struct stream *s)
{
	return s->question != NULL || s->job_waiter.is_waiting
	    || (s->ssl != NULL && !s->is_secured && s->turn.item.is_queued);
}

static void
wait_for_job(struct stream *s)
{
	s->job_waiter.call = try_again;
	s->job_waiter.ctx = s;
	sign_wait_for_job(tls_signer(s->tls), s->loop, &s->job_waiter);
}

/* Does it have to wait for its turn? */
static bool
waits_for_turn(struct stream *s, int64_t now_us)
{
	if (s->is_handshakes_turn || !loop_share_is_due(s->loop, (uint64_t)HANDSHAKES, now_us)) {
		s->is_handshakes_turn = false;
		return false;
	}
	loop_share_post(s->loop, &s->turn, (uint64_t)HANDSHAKES - 1 - (uint64_t)s->rfd.fd % LINES);
	return true;
}

/* One step; returns what SSL_get_error() says. */
static int
step(struct stream *s, struct clock *clock, int64_t began_us)
{
	int r, why;

	ERR_clear_error();
	r = SSL_do_handshake(s->ssl);
	why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, r);
	ERR_clear_error();
	loop_share_spend(s->loop, (uint64_t)HANDSHAKES, began_us, clock->mono_us(clock) - began_us);
	return why;
}

void
handshake_go_on(struct stream *s)
{
	struct clock *clock = loop_clock(s->loop);
	int64_t now_us = clock->mono_us(clock);
	int why;

	if (handshake_is_waiting(s) || waits_for_turn(s, now_us))
		return;
	s->job_waiter.is_called = false;
	s->has_layered_input = false; /* it reads until there is nothing */
	/* Our last flight and the greeting go out together. */
	stream_cork(s, SSL_get_state(s->ssl) != TLS_ST_BEFORE && !s->is_job_paused);
	why = step(s, clock, now_us);
	s->is_job_paused = why == SSL_ERROR_WANT_ASYNC;
	if (tls_signer(s->tls) != NULL && why != SSL_ERROR_WANT_ASYNC
	    && why != SSL_ERROR_WANT_ASYNC_JOB)
		sign_job_done(tls_signer(s->tls), s->loop);
	switch (why) {
	case SSL_ERROR_NONE:
		SSL_clear_mode(s->ssl, SSL_MODE_ASYNC);
		s->is_secured = true;
		s->news |= NEWS_SECURED;
		/* which uncorks it, after the caller has been told and has written */
		stream_post(s);
		return;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_ASYNC:
		break;
	case SSL_ERROR_WANT_ASYNC_JOB:
		wait_for_job(s);
		break;
	case SSL_ERROR_WANT_WRITE:
		loop_fd_on(&s->wfd);
		break;
	case SSL_ERROR_SYSCALL:
	case SSL_ERROR_ZERO_RETURN:
		stream_fail(s, ERR_CLOSED);
		break;
	default:
		stream_fail(s, ERR_TLS);
		break;
	}
	stream_cork(s, false);
}

void
handshake_abandon(struct stream *s)
{
	struct sign_client *c = s->ssl != NULL ? tls_signer(s->tls) : NULL;

	if (c == NULL)
		return;
	sign_waiter_cancel(c, s->loop, &s->job_waiter);
	if (s->question != NULL)
		sign_cancel(s->question);
	s->question = NULL;
	if (!s->is_job_paused)
		return;
	/* Without a signature it fails, which is what ends the job. */
	ERR_clear_error();
	SSL_do_handshake(s->ssl);
	ERR_clear_error();
	s->is_job_paused = false;
	sign_job_done(c, s->loop);
}

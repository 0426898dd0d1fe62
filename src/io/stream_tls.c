/*
 * stream_tls.c - the handshake of a stream. Where the private key is kept by another process it runs in a job of OpenSSL, on a stack of
 * its own, so that it can pause in the middle of SSL_do_handshake() while its signature is made:
 *
 *	            WANT_READ            sign: on_question()             answered()
 *	shaking ◄──────────────► socket    ──────────────────► paused ──────────────► shaking ──► secured
 *	        └── no job is free ──► waiting ── job_is_free() ──► shaking
 */
#include "io/stream_int.h"

#include "io/tls_int.h"
#include "io/tls_remote.h"

#include <openssl/err.h>

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
	return s->question != NULL || s->job_waiter.is_waiting;
}

static void
wait_for_job(struct stream *s)
{
	s->job_waiter.call = try_again;
	s->job_waiter.ctx = s;
	sign_wait_for_job(tls_signer(s->tls), s->loop, &s->job_waiter);
}

void
handshake_go_on(struct stream *s)
{
	int r, why;

	if (handshake_is_waiting(s))
		return;
	s->job_waiter.is_called = false;
	s->has_layered_input = false;	/* it reads until there is nothing */
	ERR_clear_error();
	r = SSL_do_handshake(s->ssl);
	why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, r);
	ERR_clear_error();
	s->is_job_paused = why == SSL_ERROR_WANT_ASYNC;
	if (tls_signer(s->tls) != NULL && why != SSL_ERROR_WANT_ASYNC && why != SSL_ERROR_WANT_ASYNC_JOB)
		sign_job_done(tls_signer(s->tls), s->loop);
	switch (why) {
	case SSL_ERROR_NONE:
		SSL_clear_mode(s->ssl, SSL_MODE_ASYNC);
		s->is_secured = true;
		s->news |= NEWS_SECURED;
		break;
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

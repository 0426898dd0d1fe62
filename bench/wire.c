/*
 * wire.c - see wire.h.
 */
#include "wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { TICKETS = 256, STEP = 16384 };

struct wire {
	int fd;
	unsigned user;
	SSL *ssl;
	bool is_open; /* the handshake is done */
	bool wants_write;
	z_stream *in, *out;
	unsigned char *in_kept; /* compressed bytes not yet inflated */
	size_t in_n, in_at;
	char *kept; /* output that waits */
	size_t kept_n, kept_at, kept_cap;
};

static SSL_CTX *context;
static SSL_SESSION *tickets[TICKETS];
static struct wire_stats stats;

static int
ticket_came(SSL *ssl, SSL_SESSION *session)
{
	struct wire *w = SSL_get_app_data(ssl);
	SSL_SESSION **at = &tickets[w->user % TICKETS];

	if (*at != NULL)
		SSL_SESSION_free(*at);
	*at = session;
	return 1;
}

/* Whatever it shows: who is at the other end is not measured. */
static int
any_certificate(X509_STORE_CTX *store, void *arg)
{
	(void)store, (void)arg;
	return 1;
}

static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

struct wire *
wire_new(int fd, enum wire_tls tls, unsigned user)
{
	struct wire *w = must(calloc(1, sizeof(*w)));

	w->fd = fd;
	w->user = user;
	if (tls == WIRE_CLEAR)
		return w;
	if (context == NULL) {
		context = must(SSL_CTX_new(TLS_client_method()));
		SSL_CTX_set_mode(context,
		    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		SSL_CTX_set_cert_verify_callback(context, any_certificate, NULL);
		if (tls == WIRE_TLS_RESUMED) {
			SSL_CTX_set_session_cache_mode(context,
			    SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
			SSL_CTX_sess_set_new_cb(context, ticket_came);
		}
	}
	w->ssl = must(SSL_new(context));
	SSL_set_app_data(w->ssl, w);
	SSL_set_fd(w->ssl, fd);
	SSL_set_connect_state(w->ssl);
	if (tls == WIRE_TLS_RESUMED && tickets[user % TICKETS] != NULL)
		SSL_set_session(w->ssl, tickets[user % TICKETS]);
	return w;
}

void
wire_free(struct wire *w)
{
	if (w->ssl != NULL) {
		/* Without this OpenSSL holds the session for bad. */
		SSL_set_shutdown(w->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(w->ssl);
	}
	if (w->in != NULL) {
		inflateEnd(w->in);
		deflateEnd(w->out);
		free(w->in);
		free(w->out);
		free(w->in_kept);
	}
	close(w->fd);
	free(w->kept);
	free(w);
}

void
wire_compress(struct wire *w)
{
	w->in = must(calloc(1, sizeof(*w->in)));
	w->out = must(calloc(1, sizeof(*w->out)));
	w->in_kept = must(malloc(STEP));
	if (inflateInit2(w->in, -15) != Z_OK
	    || deflateInit2(w->out, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
}

/* What a call into OpenSSL left behind: 0 the end, -1 with errno. */
static ssize_t
tls_result(struct wire *w, int n)
{
	int e = SSL_get_error(w->ssl, n);

	w->wants_write = e == SSL_ERROR_WANT_WRITE;
	ERR_clear_error();
	if (e == SSL_ERROR_ZERO_RETURN || (e == SSL_ERROR_SYSCALL && errno == 0))
		return 0;
	errno = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

static bool
tls_open(struct wire *w)
{
	int n;

	if (w->ssl == NULL || w->is_open)
		return true;
	n = SSL_do_handshake(w->ssl);
	if (n != 1) {
		if (tls_result(w, n) == 0)
			errno = EPROTO;
		return false;
	}
	w->is_open = true;
	w->wants_write = false;
	if (SSL_session_reused(w->ssl))
		stats.resumed++;
	else
		stats.full++;
	return true;
}

static ssize_t
raw_read(struct wire *w, void *p, size_t n)
{
	int r;

	if (w->ssl == NULL)
		return read(w->fd, p, n);
	if (!tls_open(w))
		return -1;
	r = SSL_read(w->ssl, p, (int)n);
	return r > 0 ? r : tls_result(w, r);
}

ssize_t
wire_read(struct wire *w, char *p, size_t n)
{
	if (w->in == NULL)
		return raw_read(w, p, n);
	for (;;) {
		if (w->in_at == w->in_n) {
			ssize_t r = raw_read(w, w->in_kept, STEP);

			if (r <= 0)
				return r;
			w->in_n = (size_t)r;
			w->in_at = 0;
		}
		w->in->next_in = w->in_kept + w->in_at;
		w->in->avail_in = (unsigned)(w->in_n - w->in_at);
		w->in->next_out = (unsigned char *)p;
		w->in->avail_out = (unsigned)n;
		if (inflate(w->in, Z_SYNC_FLUSH) < Z_OK && w->in->avail_out == n
		    && w->in->avail_in > 0) {
			errno = EPROTO;
			return -1;
		}
		w->in_at = w->in_n - w->in->avail_in;
		if (w->in->avail_out < n)
			return (ssize_t)(n - w->in->avail_out);
	}
}

static void
keep(struct wire *w, const void *p, size_t n)
{
	if (w->kept_n + n > w->kept_cap) {
		w->kept_cap = (w->kept_n + n) * 2;
		w->kept = must(realloc(w->kept, w->kept_cap));
	}
	memcpy(w->kept + w->kept_n, p, n);
	w->kept_n += n;
}

bool
wire_flush(struct wire *w)
{
	if (!tls_open(w))
		return errno == EAGAIN;
	while (w->kept_at < w->kept_n) {
		size_t left = w->kept_n - w->kept_at;
		ssize_t n = w->ssl == NULL
		    ? write(w->fd, w->kept + w->kept_at, left)
		    : SSL_write(w->ssl, w->kept + w->kept_at, left < STEP ? (int)left : STEP);

		if (n <= 0) {
			if (w->ssl != NULL && tls_result(w, (int)n) == 0)
				return false;
			if (errno != EAGAIN)
				return false;
			w->wants_write = w->wants_write || w->ssl == NULL;
			return true;
		}
		w->kept_at += (size_t)n;
	}
	w->kept_n = w->kept_at = 0;
	w->wants_write = false;
	return true;
}

bool
wire_write(struct wire *w, const char *p, size_t n)
{
	unsigned char t[STEP];

	if (w->out == NULL) {
		keep(w, p, n);
		return wire_flush(w);
	}
	w->out->next_in = (unsigned char *)(uintptr_t)p;
	w->out->avail_in = (unsigned)n;
	do {
		w->out->next_out = t;
		w->out->avail_out = sizeof(t);
		deflate(w->out, Z_SYNC_FLUSH);
		keep(w, t, sizeof(t) - w->out->avail_out);
	} while (w->out->avail_out == 0);
	return wire_flush(w);
}

bool
wire_wants_write(const struct wire *w)
{
	return w->wants_write;
}

struct wire_stats
wire_stats(void)
{
	return stats;
}

const char *
wire_hello(size_t *n_out)
{
	static char hello[STEP];
	static size_t n;

	if (n == 0) {
		SSL_CTX *ctx = must(SSL_CTX_new(TLS_client_method()));
		SSL *ssl = must(SSL_new(ctx));
		int got;

		SSL_set_bio(ssl, must(BIO_new(BIO_s_mem())), must(BIO_new(BIO_s_mem())));
		SSL_connect(ssl);
		ERR_clear_error(); /* that nobody answers */
		got = BIO_read(SSL_get_wbio(ssl), hello, sizeof(hello));
		if (got <= 0)
			abort();
		n = (size_t)got;
		SSL_free(ssl);
		SSL_CTX_free(ctx);
	}
	*n_out = n;
	return hello;
}

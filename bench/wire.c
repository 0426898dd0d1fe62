/*
 * wire.c - see wire.h.
 */
#include "wire.h"

#include "tls.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum { TICKETS = 256, STEP = 16384, INFLATE_FROM = TLS_KEPT_MAX + STEP };

struct wire {
	int fd;
	struct tls *tls;
	bool is_open; /* the handshake is done */
	bool wants_write;
	z_stream *in, *out;
	unsigned char *in_kept; /* compressed bytes not yet inflated */
	size_t in_n, in_at;
	char *kept; /* output that waits, when there is no TLS to keep it */
	size_t kept_n, kept_at;
};

static struct tls_ticket *tickets[TICKETS];
static struct wire_stats stats;

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
	if (tls != WIRE_CLEAR)
		w->tls = tls_new(tls == WIRE_TLS_RESUMED ? &tickets[user % TICKETS] : NULL);
	return w;
}

void
wire_free(struct wire *w)
{
	if (w->tls != NULL)
		tls_free(w->tls);
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
	w->in_kept = must(malloc(INFLATE_FROM));
	if (inflateInit2(w->in, -15) != Z_OK
	    || deflateInit2(w->out, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
}

static ssize_t
tls_result(struct wire *w, enum tls_news news, size_t n)
{
	if (!w->is_open && tls_is_open(w->tls)) {
		w->is_open = true;
		if (tls_is_resumed(w->tls))
			stats.resumed++;
		else
			stats.full++;
	}
	if (n > 0 && news != TLS_BROKEN)
		return (ssize_t)n;
	if (news == TLS_ENDED)
		return 0;
	errno = news == TLS_BROKEN ? EPROTO : EAGAIN;
	return -1;
}

static ssize_t
raw_read(struct wire *w, void *p, size_t n)
{
	static char sealed[TLS_READ_MAX];
	size_t max = n - TLS_KEPT_MAX, got = 0;
	enum tls_news news;
	ssize_t r;

	if (w->tls == NULL)
		return recv(w->fd, p, n, 0);
	r = recv(w->fd, sealed, max < sizeof(sealed) ? max : sizeof(sealed), 0);
	if (r <= 0)
		return r;
	news = tls_read(w->tls, sealed, (size_t)r, p, &got);
	return tls_result(w, news, got);
}

ssize_t
wire_read(struct wire *w, char *p, size_t n)
{
	if (w->in == NULL)
		return raw_read(w, p, n);
	for (;;) {
		if (w->in_at == w->in_n) {
			ssize_t r = raw_read(w, w->in_kept, INFLATE_FROM);

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

/* What waits to be sent. */
static const char *
waiting(const struct wire *w, size_t *n_out)
{
	if (w->tls != NULL)
		return tls_output(w->tls, n_out);
	*n_out = w->kept_n - w->kept_at;
	return w->kept + w->kept_at;
}

static void
sent(struct wire *w, size_t n)
{
	if (w->tls != NULL) {
		tls_sent(w->tls, n);
		return;
	}
	w->kept_at += n;
	if (w->kept_at < w->kept_n)
		return;
	free(w->kept);
	w->kept = NULL;
	w->kept_n = w->kept_at = 0;
}

static void
keep(struct wire *w, const char *p, size_t n)
{
	w->kept = must(realloc(w->kept, w->kept_n + n));
	memcpy(w->kept + w->kept_n, p, n);
	w->kept_n += n;
}

/* How much of it the socket takes now; -1: it is broken. */
static ssize_t
send_now(struct wire *w, const char *p, size_t n)
{
	ssize_t r = send(w->fd, p, n, MSG_NOSIGNAL);

	w->wants_write = r < (ssize_t)n;
	return r >= 0 || errno != EAGAIN ? r : 0;
}

bool
wire_flush(struct wire *w)
{
	size_t n;
	const char *p = waiting(w, &n);
	ssize_t r;

	if (n == 0)
		return true;
	r = send_now(w, p, n);
	if (r > 0)
		sent(w, (size_t)r);
	return r >= 0;
}

/* Bytes as they are to come out at the other side. */
static bool
put(struct wire *w, const char *p, size_t n)
{
	ssize_t r = 0;

	if (w->tls != NULL) {
		tls_write(w->tls, p, n);
		return wire_flush(w);
	}
	if (w->kept_n == 0)
		r = send_now(w, p, n);
	if (r >= 0 && (size_t)r < n)
		keep(w, p + r, n - (size_t)r);
	return r >= 0;
}

bool
wire_write(struct wire *w, const char *p, size_t n)
{
	unsigned char t[STEP];
	bool ok = true;

	if (w->out == NULL)
		return put(w, p, n);
	w->out->next_in = (unsigned char *)(uintptr_t)p;
	w->out->avail_in = (unsigned)n;
	do {
		w->out->next_out = t;
		w->out->avail_out = sizeof(t);
		deflate(w->out, Z_SYNC_FLUSH);
		ok = ok && put(w, (const char *)t, sizeof(t) - w->out->avail_out);
	} while (w->out->avail_out == 0);
	return ok;
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

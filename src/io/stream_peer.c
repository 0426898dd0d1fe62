/* stream_peer.c - see stream_peer.h. */
#include "io/stream_peer.h"

#include "base/arena.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

bool
peer_start_tls(struct peer *p, int max_version, const char *alpn, const char *host)
{
	unsigned char list[64];

	p->ctx = SSL_CTX_new(TLS_client_method());
	if (max_version != 0)
		SSL_CTX_set_max_proto_version(p->ctx, max_version);
	p->ssl = SSL_new(p->ctx);
	SSL_set_fd(p->ssl, p->fd);
	if (host != NULL)
		SSL_set_tlsext_host_name(p->ssl, host);
	if (alpn != NULL) {
		list[0] = (unsigned char)strlen(alpn);
		memcpy(list + 1, alpn, list[0]);
		SSL_set_alpn_protos(p->ssl, list, list[0] + 1u);
	}
	return SSL_connect(p->ssl) == 1;
}

void
peer_start_deflate(struct peer *p)
{
	p->in = xcalloc(1, sizeof(*p->in));
	p->out = xcalloc(1, sizeof(*p->out));
	must(inflateInit2(p->in, -15) == Z_OK);
	must(deflateInit2(p->out, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) == Z_OK);
}

static bool
write_wire(struct peer *p, const unsigned char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = p->ssl != NULL ? SSL_write(p->ssl, bytes, (int)n)
					      : send(p->fd, bytes, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		bytes += done;
		n -= (size_t)done;
	}
	return true;
}

bool
peer_write(struct peer *p, struct str bytes)
{
	unsigned char chunk[4096];

	if (p->out == NULL)
		return write_wire(p, (const unsigned char *)bytes.p, bytes.n);
	p->out->next_in = (Bytef *)bytes.p;
	p->out->avail_in = (uInt)bytes.n;
	do {
		p->out->next_out = chunk;
		p->out->avail_out = sizeof(chunk);
		deflate(p->out, Z_SYNC_FLUSH);
		if (!write_wire(p, chunk, sizeof(chunk) - p->out->avail_out))
			return false;
	} while (p->out->avail_out == 0);
	return true;
}

static size_t
read_wire(struct peer *p, void *to, size_t max)
{
	ssize_t n = p->ssl != NULL ? SSL_read(p->ssl, to, (int)max) : recv(p->fd, to, max, 0);

	return n > 0 ? (size_t)n : 0;
}

size_t
peer_read(struct peer *p, void *to, size_t max)
{
	if (p->in == NULL)
		return read_wire(p, to, max);
	for (;;) {
		size_t n;
		int r;

		p->in->next_out = to;
		p->in->avail_out = (uInt)max;
		r = inflate(p->in, Z_SYNC_FLUSH);
		if (r != Z_OK && r != Z_BUF_ERROR)
			return 0;
		if (max > p->in->avail_out)
			return max - p->in->avail_out;
		n = read_wire(p, p->raw, sizeof(p->raw));
		if (n == 0)
			return 0;
		p->in->next_in = p->raw;
		p->in->avail_in = (uInt)n;
	}
}

bool
peer_read_all(struct peer *p, void *to, size_t n)
{
	char *at = to;

	while (n > 0) {
		size_t got = peer_read(p, at, n);

		if (got == 0)
			return false;
		at += got;
		n -= got;
	}
	return true;
}

void
peer_done(struct peer *p)
{
	if (p->in != NULL)
		inflateEnd(p->in);
	if (p->out != NULL)
		deflateEnd(p->out);
	free(p->in);
	free(p->out);
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	if (p->fd >= 0)
		close(p->fd);
}

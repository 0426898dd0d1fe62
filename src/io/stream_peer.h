/*
 * stream_peer.h - for tests: the other end of a stream, blocking, in a thread of its own, with TLS
 * and DEFLATE of its own.
 */
#ifndef IO_STREAM_PEER_H
#define IO_STREAM_PEER_H

#include "base/buf.h"

#include <openssl/ssl.h>
#include <zlib.h>

struct peer {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	z_stream *in, *out;
	unsigned char raw[4096];
};

/** @max_version  0: the newest; @alpn: "imap", or NULL */
bool peer_start_tls(struct peer *p, int max_version, const char *alpn, const char *host);
void peer_start_deflate(struct peer *p);
bool peer_write(struct peer *p, struct str bytes);
/** 0: the end, or an error. */
size_t peer_read(struct peer *p, void *to, size_t max);
/** True when exactly n bytes came. */
bool peer_read_all(struct peer *p, void *to, size_t n);
void peer_done(struct peer *p);

#endif

/*
 * wire.h - the bytes of a connection of the load generator: as they are, under TLS, under DEFLATE.
 * Nothing here blocks.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct wire;

enum wire_tls {
	WIRE_CLEAR,
	WIRE_TLS,         /* each connection with a whole handshake */
	WIRE_TLS_RESUMED, /* with the ticket that the same user's last connection got */
};

struct wire_stats {
	unsigned long long full, resumed; /* handshakes that came to their end */
};

/* For a connected socket that does not block; the wire owns it. `user` chooses the ticket. */
struct wire *wire_new(int fd, enum wire_tls tls, unsigned user);
void wire_free(struct wire *w);

/* Both directions are DEFLATE streams from here on (RFC 4978). */
void wire_compress(struct wire *w);

/* As read(): 0 at the end, -1 with errno EAGAIN when there is nothing now. */
ssize_t wire_read(struct wire *w, char *p, size_t n);

/*
 * Takes all of it; what the socket does not take now is kept for wire_flush(). False: the
 * connection is broken.
 */
bool wire_write(struct wire *w, const char *p, size_t n);
bool wire_flush(struct wire *w);

/* The socket has to become writable before anything goes on. */
bool wire_wants_write(const struct wire *w);

struct wire_stats wire_stats(void);

/*
 * What OpenSSL's client says first, made once. Whoever sends it again and again costs a server whole
 * handshakes, up to its signature, and himself next to nothing.
 */
const char *wire_hello(size_t *n_out);

#endif

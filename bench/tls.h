/*
 * tls.h - the load generator's side of TLS: what a client of TLS 1.3 has to do, and no more (RFC 8446).
 *
 * OpenSSL 3.0's client takes 480 µs of the processor for a handshake and 180 for one that is resumed; that
 * would be more than the servers need, on the same cores. This one offers one suite and one group (AES-256
 * with SHA-384 and X25519, what OpenSSL's client and servers agree on), has one share for all connections,
 * looks at a certificate once, and at one signature in sixteen. All else is checked: a server that did not
 * do its part gets no further.
 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <stdbool.h>
#include <stddef.h>

struct tls;

/* What a server gives for the next time. */
struct tls_ticket;

/* Uses the ticket in *ticket, if there is one, and leaves the next there. NULL: a whole handshake. */
struct tls *tls_new(struct tls_ticket **ticket);
void tls_free(struct tls *t);

/* Sealed bytes that are to be sent; sent means that they are not needed any more. */
const char *tls_output(const struct tls *t, size_t *n_out);
void tls_sent(struct tls *t, size_t n);

/* Seals n bytes. Only when the handshake is over. */
void tls_write(struct tls *t, const void *p, size_t n);

enum tls_news { TLS_GOES_ON, TLS_ENDED, TLS_BROKEN };

/*
 * Takes n bytes off the wire, TLS_READ_MAX at most. What they say is written to `out`, which has room
 * for TLS_KEPT_MAX more than that: part of a record may have come before. TLS_ENDED: the other side
 * said so.
 */
enum { TLS_KEPT_MAX = 16384 + 256 + 5, TLS_READ_MAX = 65536 };
enum tls_news tls_read(struct tls *t, const void *p, size_t n, char *out, size_t *out_n);

bool tls_is_open(const struct tls *t);
bool tls_is_resumed(const struct tls *t);

#endif

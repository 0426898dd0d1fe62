/*
 * tls_int.h - what tls.c and tls_cert.c share: a set of certificates, each with an SSL_CTX of its
 * own.
 */
#ifndef IO_TLS_INT_H
#define IO_TLS_INT_H

#include "base/arena.h"
#include "io/tls.h"

/* A certificate ready for use. */
struct tls_entry {
	SSL_CTX *ctx;
	struct str *names; /* DNS names it is for, lower case; may begin with "*." */
	size_t name_count;
};

struct tls_set {
	struct arena arena; /* everything below, and the set itself */
	struct tls_entry *entries;
	size_t count;
};

/** Loads all certificates of c; why_out and errors as tls_open(). */
must_use enum err tls_set_load(const struct tls_config *c, struct buf *why_out,
    struct tls_set **set_out);
void tls_set_free(struct tls_set *set);
/** Who has the private keys; NULL: we. */
struct sign_client *tls_signer(const struct tls *t);
/** The entry for a host name, or the first. */
const struct tls_entry *tls_set_find(const struct tls_set *set, struct str name);

#endif

/*
 * tls_keys.h - the keys of the load generator's TLS 1.3 (RFC 8446 7) and what is done with them, for one
 * cipher suite: TLS_AES_256_GCM_SHA384, which OpenSSL's servers choose unless they are told otherwise.
 */
#ifndef BENCH_TLS_KEYS_H
#define BENCH_TLS_KEYS_H

/* OpenSSL's own functions for SHA-384 are told to be old, and cost a tenth of a small digest by EVP. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TLS_HASH = 48, TLS_SHARE = 32, TLS_TAG = 16, TLS_HEADER = 5, TLS_RECORD = 16384 };

/* All that has been said of a handshake until now. */
typedef SHA512_CTX tls_transcript;

void transcript_begin(tls_transcript *t);
void transcript_add(tls_transcript *t, const void *p, size_t n);
void transcript_now(const tls_transcript *t, unsigned char hash_out[TLS_HASH]);

/* HKDF-Expand-Label; `bytes` of at most TLS_HASH. */
void keys_expand(const unsigned char secret[TLS_HASH], const char *label, const void *context,
    size_t context_bytes, unsigned char *out, size_t bytes);

/* What follows from no secret, or from that of a ticket. */
void keys_early(const unsigned char *psk, unsigned char early_out[TLS_HASH]);

/* From a secret to the one behind it, into which `in` is mixed (NULL: nothing). */
void keys_next(const unsigned char secret[TLS_HASH], const unsigned char *in, size_t in_bytes,
    unsigned char next_out[TLS_HASH]);

/* The proof that who has the secret has seen what was said. */
void keys_finished(const unsigned char secret[TLS_HASH], const unsigned char hash[TLS_HASH],
    unsigned char proof_out[TLS_HASH]);

/* Records of one direction. */
struct seal {
	EVP_CIPHER_CTX *cipher;
	unsigned char iv[12];
	uint64_t sequence;
};

void seal_use(struct seal *s, const unsigned char secret[TLS_HASH], bool is_for_writing);
void seal_free(struct seal *s);

/* A record of n bytes of one kind, header and all; returns its length, n + 22. */
size_t seal_close(struct seal *s, unsigned char kind, const void *p, size_t n, unsigned char *out);

/*
 * The n bytes of a record with its header, into `out`, which has room for as many: their kind and how
 * many they are. False: somebody else has made it.
 */
bool seal_open(struct seal *s, const unsigned char *record, size_t n, unsigned char *out,
    unsigned char *kind_out, size_t *n_out);

/* Our share of the key, the same in all connections of a run; and the secret that another makes of it. */
const unsigned char *share_ours(void);
bool share_agree(const unsigned char theirs[TLS_SHARE], unsigned char secret_out[TLS_SHARE]);

#endif

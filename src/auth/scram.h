/*
 * scram.h - SCRAM verifiers (RFC 5802, RFC 7677): what the server keeps so that it never needs the
 * password. As text: "iterations:salt:stored-key:server-key", the last three in base64.
 */
#ifndef AUTH_SCRAM_H
#define AUTH_SCRAM_H

#include "base/buf.h"
#include "base/err.h"

enum scram_hash { SCRAM_SHA1, SCRAM_SHA256, SCRAM_HASHES };

enum { SCRAM_TEXT_MAX = 256, SCRAM_SALT_BYTES = 16, SCRAM_KEY_BYTES = 32, SCRAM_KEY_TEXT = 45 };

struct scram_verifier {
	/* as texts, as the SASL library wants them: salt and keys in base64 */
	char iterations[16];
	char salt[64];
	char stored_key[SCRAM_KEY_TEXT];
	char server_key[SCRAM_KEY_TEXT];
};

/** Makes the verifier of a prepared password. Slow: for the pool. */
must_use enum err scram_make(enum scram_hash hash, struct str password, uint32_t iterations,
    struct buf *out);
/** ERR_SYNTAX: not such a text. */
must_use enum err scram_parse(enum scram_hash hash, struct str text, struct scram_verifier *out);
/**
 * A verifier that no password fits, the same for the same name, secret and count: an unknown user
 * must look like any other, whose salt is another when the count is.
 */
void scram_fake(enum scram_hash hash, struct str user, const unsigned char secret[32],
    uint32_t iterations, struct scram_verifier *out);
/** Random bits of that name, the same for the same secret, that have nothing to do with its salt. */
uint64_t scram_draw(enum scram_hash hash, struct str user, const unsigned char secret[32]);

#endif

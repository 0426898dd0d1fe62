/*
 * password.h - stored passwords, as text with a scheme in front: "{ARGON2ID}$argon2id$v=19$…".
 *
 * New ones are Argon2id, with SCRAM verifiers beside (scram.h). The other schemes come along from
 * other systems and are replaced when their owner logs in. All of this is slow on purpose: it runs
 * on the pool, never on a loop.
 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include "base/buf.h"
#include "base/err.h"

enum { PASSWORD_MAX_BYTES = 1024, VERIFIER_MAX_BYTES = 1024 };

struct password_cost {
	uint64_t memory_bytes; /* Argon2id */
	uint32_t passes;
	uint32_t scram_iterations;
	bool make_scram;
};

/**
 * Does the password belong to the verifier? A verifier that can't be understood fits no password.
 * Thread-safe.
 */
bool password_verify(struct str verifier, struct str password);
/** A new {ARGON2ID} verifier. ERR_NOMEM: the cost can't be paid. */
must_use enum err password_hash(struct str password, const struct password_cost *cost,
    struct buf *out);
/**
 * True when the verifier is not what password_hash() would make: another scheme, or another cost.
 */
bool password_is_outdated(struct str verifier, const struct password_cost *cost);
/** Is it a verifier of a scheme that we know? For hashes brought along. */
bool password_is_verifier(struct str verifier);

#endif

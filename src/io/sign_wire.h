/*
 * sign_wire.h - what the mail process asks of the process that keeps the private keys, as frames
 * (base/frame.h): to sign what a TLS handshake signs, and nothing else. A key is named by the
 * SHA-256 of its public half (SubjectPublicKeyInfo), so that a certificate and its key can't be
 * mixed up while both are exchanged.
 *
 *     mail → key   ASK id key digest padding text
 *     key → mail   ANSWER id signature           an empty one: refused
 *
 * Pure: bytes in, structs out.
 */
#ifndef IO_SIGN_WIRE_H
#define IO_SIGN_WIRE_H

#include "base/frame.h"

enum { SIGN_KEY_BYTES = 32, SIGN_TEXT_MAX = 256, SIGN_SIGNATURE_MAX = 2048 };

enum sign_digest { SIGN_DIGEST_NONE, SIGN_SHA256, SIGN_SHA384, SIGN_SHA512, SIGN_DIGESTS };

enum sign_padding { SIGN_PADDING_NONE, SIGN_PKCS1, SIGN_PSS, SIGN_PADDINGS };

struct sign_ask {
	uint64_t id;
	struct str key;            /* SIGN_KEY_BYTES */
	enum sign_digest digest;   /* none: the key's kind has its own (Ed25519, Ed448) */
	enum sign_padding padding; /* none: not an RSA key */
	struct str text;           /* what is hashed and signed */
};

struct sign_answer {
	uint64_t id;
	struct str signature;
};

/*
 * Texts point into what was received. ERR_WAIT: not all of it is there; ERR_CORRUPT: not one of
 * these.
 */
void sign_ask_add(struct buf *b, const struct sign_ask *a);
must_use enum err sign_ask_next(struct str in, struct sign_ask *out, size_t *used_out);
void sign_answer_add(struct buf *b, const struct sign_answer *a);
must_use enum err sign_answer_next(struct str in, struct sign_answer *out, size_t *used_out);

/**
 * Is it what a server signs in a handshake: TLS 1.3's CertificateVerify (RFC 8446 4.4.3), with a
 * padding that TLS 1.3 allows, or TLS 1.2's ServerKeyExchange with a named curve (RFC 8422 5.4)?
 * Nothing else is signed, whoever asks.
 */
bool sign_is_of_handshake(const struct sign_ask *a);

#endif

/* scram.c - see scram.h. */
#include "auth/scram.h"

#include "base/arena.h"

#include <gsasl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	Gsasl_hash gsasl;
	size_t bytes;
} hashes[SCRAM_HASHES] = {
	[SCRAM_SHA1] = { GSASL_HASH_SHA1, 20 },
	[SCRAM_SHA256] = { GSASL_HASH_SHA256, 32 },
};

static void
add_base64(struct buf *out, const void *p, size_t n)
{
	char text[128];

	sodium_bin2base64(text, sizeof(text), p, n, sodium_base64_VARIANT_ORIGINAL);
	buf_c(out, text);
}

enum err
scram_make(enum scram_hash hash, struct str password, uint32_t iterations, struct buf *out)
{
	char salt[SCRAM_SALT_BYTES], salted[SCRAM_KEY_BYTES], client[SCRAM_KEY_BYTES],
	    server[SCRAM_KEY_BYTES], stored[SCRAM_KEY_BYTES];
	char *text = xstrdup(password);
	int rc;

	randombytes_buf(salt, sizeof(salt));
	rc = gsasl_scram_secrets_from_password(hashes[hash].gsasl, text, iterations, salt,
	    sizeof(salt), salted, client, server, stored);
	sodium_memzero(text, password.n);
	free(text);
	if (rc != GSASL_OK)
		return ERR_SYNTAX;
	buf_printf(out, "%u:", iterations);
	add_base64(out, salt, sizeof(salt));
	buf_chr(out, ':');
	add_base64(out, stored, hashes[hash].bytes);
	buf_chr(out, ':');
	add_base64(out, server, hashes[hash].bytes);
	sodium_memzero(salted, sizeof(salted));
	sodium_memzero(client, sizeof(client));
	return buf_err(out);
}

/* Checks a key and copies its text. */
static bool
key_copy(struct str base64, size_t want_bytes, char out[SCRAM_KEY_TEXT])
{
	unsigned char key[SCRAM_KEY_BYTES];
	size_t n = 0;

	if (sodium_base642bin(key, sizeof(key), base64.p, base64.n, NULL, &n, NULL,
		sodium_base64_VARIANT_ORIGINAL)
		!= 0
	    || n != want_bytes)
		return false;
	sodium_bin2base64(out, SCRAM_KEY_TEXT, key, n, sodium_base64_VARIANT_ORIGINAL);
	return true;
}

enum err
scram_parse(enum scram_hash hash, struct str text, struct scram_verifier *out)
{
	struct str rest = text, iterations, salt, stored, server;
	uint32_t n;

	if (!str_split(&rest, ':', &iterations) || !str_split(&rest, ':', &salt)
	    || !str_split(&rest, ':', &stored) || !str_split(&rest, ':', &server) || rest.n > 0)
		return ERR_SYNTAX;
	if (!str_to_u32(iterations, &n) || n == 0 || salt.n == 0 || salt.n >= sizeof(out->salt))
		return ERR_SYNTAX;
	snprintf(out->iterations, sizeof(out->iterations), "%u", n);
	memcpy(out->salt, salt.p, salt.n);
	out->salt[salt.n] = '\0';
	if (!key_copy(stored, hashes[hash].bytes, out->stored_key)
	    || !key_copy(server, hashes[hash].bytes, out->server_key))
		return ERR_SYNTAX;
	return ERR_OK;
}

static void
keyed_hash(struct str use, struct str user, const unsigned char secret[32], unsigned char *out,
    size_t size)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, secret, 32, size);
	crypto_generichash_update(&state, (const unsigned char *)use.p, use.n);
	crypto_generichash_update(&state, (const unsigned char *)user.p, user.n);
	crypto_generichash_final(&state, out, size);
}

uint64_t
scram_draw(enum scram_hash hash, struct str user, const unsigned char secret[32])
{
	unsigned char bytes[crypto_generichash_BYTES];
	uint64_t draw;

	keyed_hash(hash == SCRAM_SHA1 ? STR("draw1:") : STR("draw2:"), user, secret, bytes,
	    sizeof(bytes));
	memcpy(&draw, bytes, sizeof(draw));
	return draw;
}

void
scram_fake(enum scram_hash hash, struct str user, const unsigned char secret[32],
    uint32_t iterations, struct scram_verifier *out)
{
	unsigned char bytes[crypto_generichash_BYTES_MAX];
	unsigned char key[SCRAM_KEY_BYTES];
	char which[32];

	snprintf(out->iterations, sizeof(out->iterations), "%u", iterations);
	snprintf(which, sizeof(which), "%u:%s:", (unsigned)hash + 1, out->iterations);
	keyed_hash(str_c(which), user, secret, bytes, sizeof(bytes));
	sodium_bin2base64(out->salt, sizeof(out->salt), bytes, SCRAM_SALT_BYTES,
	    sodium_base64_VARIANT_ORIGINAL);
	memcpy(key, bytes + SCRAM_SALT_BYTES, sizeof(key));
	sodium_bin2base64(out->stored_key, SCRAM_KEY_TEXT, key, hashes[hash].bytes,
	    sodium_base64_VARIANT_ORIGINAL);
	sodium_bin2base64(out->server_key, SCRAM_KEY_TEXT, key, hashes[hash].bytes,
	    sodium_base64_VARIANT_ORIGINAL);
}

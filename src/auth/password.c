/* password.c - see password.h. A scheme is a row of the table. */
#include "auth/password.h"

#include "base/arena.h"

#include <crypt.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>

typedef bool verify_fn(struct str hash, struct str password);

static bool
verify_argon2(struct str hash, struct str password)
{
	char text[crypto_pwhash_STRBYTES] = { 0 };

	if (hash.n >= sizeof(text))
		return false;
	memcpy(text, hash.p, hash.n);
	return crypto_pwhash_str_verify(text, password.p, password.n) == 0;
}

/* All that crypt(3) knows: $1$, $2b$, $5$, $6$, $y$, … */
static bool
verify_crypt(struct str hash, struct str password)
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	char *setting = xstrdup(hash), *phrase = xstrdup(password);
	const char *got = NULL;
	bool ok = false;

	if (hash.n > 0 && (password.n == 0 || memchr(password.p, '\0', password.n) == NULL))
		/*
		 * Not crypt_r: sanitizers have one of their own by that name, which keeps the
		 * library from being linked.
		 */
		got = crypt_rn(phrase, setting, data, sizeof(*data));
	if (got != NULL && got[0] != '*' && strlen(got) == hash.n)
		ok = sodium_memcmp(got, hash.p, hash.n) == 0;
	sodium_memzero(phrase, password.n);
	sodium_memzero(data, sizeof(*data));
	free(phrase);
	free(setting);
	free(data);
	return ok;
}

/* base64(digest(password · salt) · salt), as LDAP servers keep it. */
static bool
verify_salted(const EVP_MD *md, struct str hash, struct str password)
{
	size_t digest_bytes = (size_t)EVP_MD_get_size(md), n = 0;
	unsigned char stored[512], digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx;
	bool ok;

	if (sodium_base642bin(stored, sizeof(stored), hash.p, hash.n, NULL, &n, NULL,
		sodium_base64_VARIANT_ORIGINAL)
		!= 0
	    || n < digest_bytes)
		return false;
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1
	    && EVP_DigestUpdate(ctx, password.p, password.n) == 1
	    && EVP_DigestUpdate(ctx, stored + digest_bytes, n - digest_bytes) == 1
	    && EVP_DigestFinal_ex(ctx, digest, NULL) == 1
	    && sodium_memcmp(digest, stored, digest_bytes) == 0;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool
verify_ssha(struct str h, struct str p)
{
	return verify_salted(EVP_sha1(), h, p);
}

static bool
verify_ssha256(struct str h, struct str p)
{
	return verify_salted(EVP_sha256(), h, p);
}

static bool
verify_ssha512(struct str h, struct str p)
{
	return verify_salted(EVP_sha512(), h, p);
}

static bool
verify_plain(struct str hash, struct str password)
{
	return hash.n == password.n
	    && (hash.n == 0 || sodium_memcmp(hash.p, password.p, hash.n) == 0);
}

static const struct scheme {
	struct str name;
	verify_fn *verify;
} schemes[] = {
	{ STR_INIT("{ARGON2ID}"), verify_argon2 },
	{ STR_INIT("{ARGON2I}"), verify_argon2 },
	{ STR_INIT("{CRYPT}"), verify_crypt },
	{ STR_INIT("{SHA512-CRYPT}"), verify_crypt },
	{ STR_INIT("{SHA256-CRYPT}"), verify_crypt },
	{ STR_INIT("{MD5-CRYPT}"), verify_crypt },
	{ STR_INIT("{BLF-CRYPT}"), verify_crypt },
	{ STR_INIT("{SSHA}"), verify_ssha },
	{ STR_INIT("{SSHA256}"), verify_ssha256 },
	{ STR_INIT("{SSHA512}"), verify_ssha512 },
	{ STR_INIT("{PLAIN}"), verify_plain },
};

static const struct scheme *
scheme_of(struct str verifier)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (str_starts_nocase(verifier, schemes[i].name))
			return &schemes[i];
	return NULL;
}

bool
password_verify(struct str verifier, struct str password)
{
	const struct scheme *s = scheme_of(verifier);

	/* libsodium and crypt(3) want a pointer even for no bytes. */
	if (password.p == NULL)
		password = STR("");
	return s != NULL && password.n <= PASSWORD_MAX_BYTES
	    && s->verify(str_sub(verifier, s->name.n, verifier.n), password);
}

bool
password_is_verifier(struct str verifier)
{
	return scheme_of(verifier) != NULL && verifier.n <= VERIFIER_MAX_BYTES;
}

enum err
password_hash(struct str password, const struct password_cost *cost, struct buf *out)
{
	char text[crypto_pwhash_STRBYTES];

	if (password.n > PASSWORD_MAX_BYTES)
		return ERR_LIMIT;
	if (crypto_pwhash_str_alg(text, password.p != NULL ? password.p : "", password.n,
		cost->passes, (size_t)cost->memory_bytes, crypto_pwhash_ALG_ARGON2ID13)
	    != 0)
		return ERR_NOMEM;
	buf_lit(out, "{ARGON2ID}");
	buf_c(out, text);
	return buf_err(out);
}

bool
password_is_outdated(struct str verifier, const struct password_cost *cost)
{
	const struct scheme *s = scheme_of(verifier);
	char text[crypto_pwhash_STRBYTES] = { 0 };

	if (s != &schemes[0] || verifier.n - s->name.n >= sizeof(text))
		return true;
	memcpy(text, verifier.p + s->name.n, verifier.n - s->name.n);
	return crypto_pwhash_str_needs_rehash(text, cost->passes, (size_t)cost->memory_bytes) != 0;
}

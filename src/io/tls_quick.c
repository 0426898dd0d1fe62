/* tls_quick.c - see tls_quick.h. What a TLS 1.3 handshake derives is told by RFC 8446 7.1, how by RFC 5869. */

/* The functions for single digests are told to be old; those of EVP take as long as a small digest itself. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "io/tls_quick.h"

#include "base/attr.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { HASH_MAX = SHA384_DIGEST_LENGTH, BLOCK_MAX = SHA512_CBLOCK, INFO_MAX = 2 + 256 + 256 };

/* --- Digests --- */

union state {
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha384;
};

struct digest {
	const char *names[3];
	size_t block, bytes;
	void (*begin)(union state *s);
	void (*add)(union state *s, const void *p, size_t n);
	void (*end)(union state *s, unsigned char *out);
};

static void
begin_sha1(union state *s)
{
	SHA1_Init(&s->sha1);
}

static void
add_sha1(union state *s, const void *p, size_t n)
{
	SHA1_Update(&s->sha1, p, n);
}

static void
end_sha1(union state *s, unsigned char *out)
{
	SHA1_Final(out, &s->sha1);
}

static void
begin_sha256(union state *s)
{
	SHA256_Init(&s->sha256);
}

static void
add_sha256(union state *s, const void *p, size_t n)
{
	SHA256_Update(&s->sha256, p, n);
}

static void
end_sha256(union state *s, unsigned char *out)
{
	SHA256_Final(out, &s->sha256);
}

static void
begin_sha384(union state *s)
{
	SHA384_Init(&s->sha384);
}

static void
add_sha384(union state *s, const void *p, size_t n)
{
	SHA384_Update(&s->sha384, p, n);
}

static void
end_sha384(union state *s, unsigned char *out)
{
	SHA384_Final(out, &s->sha384);
}

/* All that suites of TLS 1.2 and 1.3 use; SHA-1 as the MAC of those that an administrator has to allow. */
static const struct digest digests[] = {
	{ { "SHA2-256", "SHA256", "SHA-256" }, SHA256_CBLOCK, SHA256_DIGEST_LENGTH, begin_sha256,
	    add_sha256, end_sha256 },
	{ { "SHA2-384", "SHA384", "SHA-384" }, SHA512_CBLOCK, SHA384_DIGEST_LENGTH, begin_sha384,
	    add_sha384, end_sha384 },
	{ { "SHA1", "SHA-1", "SSL3-SHA1" }, SHA_CBLOCK, SHA_DIGEST_LENGTH, begin_sha1, add_sha1,
	    end_sha1 },
};

static const struct digest *
digest_called(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
		for (size_t j = 0; j < ARRAY_LEN(digests[i].names); j++) {
			if (strcasecmp(name, digests[i].names[j]) == 0)
				return &digests[i];
		}
	}
	return NULL;
}

/* --- HMAC (RFC 2104) --- */

struct hmac {
	const struct digest *digest;
	union state inner, outer;
};

static void
hmac_begin(struct hmac *m, const struct digest *d, const unsigned char *key, size_t n)
{
	unsigned char pad[BLOCK_MAX] = { 0 };

	m->digest = d;
	if (n > d->block) {
		d->begin(&m->inner);
		d->add(&m->inner, key, n);
		d->end(&m->inner, pad);
	} else if (n > 0) {
		memcpy(pad, key, n);
	}
	for (size_t i = 0; i < d->block; i++)
		pad[i] ^= 0x36;
	d->begin(&m->inner);
	d->add(&m->inner, pad, d->block);
	for (size_t i = 0; i < d->block; i++)
		pad[i] ^= 0x36 ^ 0x5C;
	d->begin(&m->outer);
	d->add(&m->outer, pad, d->block);
	OPENSSL_cleanse(pad, sizeof(pad));
}

static void
hmac_end(struct hmac *m, unsigned char *out)
{
	m->digest->end(&m->inner, out);
	m->digest->add(&m->outer, out, m->digest->bytes);
	m->digest->end(&m->outer, out);
}

/* --- HKDF (RFC 5869) --- */

struct bytes {
	const unsigned char *p;
	size_t n;
};

/* What OpenSSL wants to have derived. */
struct wish {
	int mode;
	const struct digest *digest;
	struct bytes key, salt, prefix, label, data;
};

static void
expand(const struct wish *w, struct bytes key, struct bytes data, unsigned char *out, size_t n)
{
	size_t label = w->prefix.n + w->label.n, at = 0;
	unsigned char info[INFO_MAX], part[HASH_MAX], count = 0;
	struct hmac keyed, m;

	info[at++] = (unsigned char)(n >> 8);
	info[at++] = (unsigned char)n;
	info[at++] = (unsigned char)label;
	memcpy(info + at, w->prefix.p, w->prefix.n);
	memcpy(info + at + w->prefix.n, w->label.p, w->label.n);
	at += label;
	info[at++] = (unsigned char)data.n;
	if (data.n > 0)
		memcpy(info + at, data.p, data.n);
	at += data.n;
	hmac_begin(&keyed, w->digest, key.p, key.n);
	while (n > 0) {
		size_t bytes = MIN(n, w->digest->bytes);

		m = keyed;
		if (count++ > 0)
			w->digest->add(&m.inner, part, w->digest->bytes);
		w->digest->add(&m.inner, info, at);
		w->digest->add(&m.inner, &count, 1);
		hmac_end(&m, part);
		memcpy(out, part, bytes);
		out += bytes;
		n -= bytes;
	}
	OPENSSL_cleanse(part, sizeof(part));
	OPENSSL_cleanse(&keyed, sizeof(keyed));
	OPENSSL_cleanse(&m, sizeof(m));
}

/* From a secret to the one behind it: the salt is what is derived from the first. */
static void
extract(const struct wish *w, unsigned char *out)
{
	static const unsigned char zeros[HASH_MAX];
	unsigned char nothing[HASH_MAX], salt_bytes[HASH_MAX];
	struct bytes salt = { .n = 0 }, key = w->key;
	union state s;
	struct hmac m;

	if (w->salt.p != NULL) {
		w->digest->begin(&s);
		w->digest->end(&s, nothing);
		salt = (struct bytes){ .p = salt_bytes, .n = w->digest->bytes };
		expand(w, w->salt, (struct bytes){ .p = nothing, .n = w->digest->bytes },
		    salt_bytes, w->digest->bytes);
	}
	if (key.p == NULL)
		key = (struct bytes){ .p = zeros, .n = w->digest->bytes };
	hmac_begin(&m, w->digest, salt.p, salt.n);
	w->digest->add(&m.inner, key.p, key.n);
	hmac_end(&m, out);
	OPENSSL_cleanse(salt_bytes, sizeof(salt_bytes));
	OPENSSL_cleanse(&m, sizeof(m));
}

/* --- OpenSSL's side of the keys --- */

static void
take_wish(const OSSL_PARAM *p, struct wish *w)
{
	const struct {
		const char *name;
		struct bytes *bytes;
	} parts[] = {
		{ OSSL_KDF_PARAM_KEY, &w->key },
		{ OSSL_KDF_PARAM_SALT, &w->salt },
		{ OSSL_KDF_PARAM_PREFIX, &w->prefix },
		{ OSSL_KDF_PARAM_LABEL, &w->label },
		{ OSSL_KDF_PARAM_DATA, &w->data },
	};

	for (; p != NULL && p->key != NULL; p++) {
		if (strcmp(p->key, OSSL_KDF_PARAM_MODE) == 0) {
			if (OSSL_PARAM_get_int(p, &w->mode) != 1)
				w->mode = -1;
		} else if (strcmp(p->key, OSSL_KDF_PARAM_DIGEST) == 0) {
			w->digest = p->data != NULL ? digest_called(p->data) : NULL;
		} else {
			for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
				if (strcmp(p->key, parts[i].name) == 0)
					*parts[i].bytes = (struct bytes){ p->data, p->data_size };
			}
		}
	}
}

static int
kdf_derive(void *ctx unused_arg, unsigned char *out, size_t n, const OSSL_PARAM params[])
{
	struct wish w = { .mode = -1 };

	take_wish(params, &w);
	if (w.digest == NULL || w.prefix.n + w.label.n > 255 || w.data.n > 255)
		return 0;
	if (w.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY && n == w.digest->bytes) {
		extract(&w, out);
		return 1;
	}
	if (w.mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY && w.key.p != NULL
	    && n <= 255 * w.digest->bytes) {
		expand(&w, w.key, w.data, out, n);
		return 1;
	}
	return 0;
}

/* All of a wish comes with it: there is nothing to keep between two. */
static void *
kdf_new(void *provider unused_arg)
{
	static char nothing;

	return &nothing;
}

static void
kdf_free(void *ctx unused_arg)
{
}

static void
kdf_reset(void *ctx unused_arg)
{
}

#define FN(id, fn)                                                                                 \
	{                                                                                          \
		OSSL_FUNC_##id, (void (*)(void))(fn)                                               \
	}

const OSSL_DISPATCH quick_kdf[] = {
	FN(KDF_NEWCTX, kdf_new),
	FN(KDF_FREECTX, kdf_free),
	FN(KDF_RESET, kdf_reset),
	FN(KDF_DERIVE, kdf_derive),
	{ 0, NULL },
};

/* --- OpenSSL's side of HMAC --- */

struct mac {
	const struct digest *digest;
	bool has_key;
	struct hmac keyed, hmac; /* before the first byte, and now */
};

static void *
mac_new(void *provider unused_arg)
{
	return OPENSSL_zalloc(sizeof(struct mac));
}

static void
mac_free(void *ctx)
{
	OPENSSL_clear_free(ctx, sizeof(struct mac));
}

static void *
mac_dup(void *ctx)
{
	return OPENSSL_memdup(ctx, sizeof(struct mac));
}

static bool
use_key(struct mac *m, const unsigned char *key, size_t n)
{
	if (m->digest == NULL)
		return false;
	hmac_begin(&m->keyed, m->digest, key, n);
	m->hmac = m->keyed;
	m->has_key = true;
	return true;
}

static int
mac_set_params(void *ctx, const OSSL_PARAM params[])
{
	struct mac *m = ctx;
	const OSSL_PARAM *p;

	p = params != NULL ? OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_DIGEST) : NULL;
	if (p != NULL) {
		m->digest = p->data != NULL ? digest_called(p->data) : NULL;
		if (m->digest == NULL)
			return 0;
	}
	p = params != NULL ? OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_KEY) : NULL;
	return p == NULL || use_key(m, p->data, p->data_size) ? 1 : 0;
}

static const OSSL_PARAM *
mac_settable_params(void *ctx unused_arg, void *provider unused_arg)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	return params;
}

static int
mac_get_params(void *ctx, OSSL_PARAM params[])
{
	const struct mac *m = ctx;
	OSSL_PARAM *size = OSSL_PARAM_locate(params, OSSL_MAC_PARAM_SIZE),
		   *block = OSSL_PARAM_locate(params, OSSL_MAC_PARAM_BLOCK_SIZE);

	if (m->digest == NULL)
		return size == NULL && block == NULL;
	return (size == NULL || OSSL_PARAM_set_size_t(size, m->digest->bytes) == 1)
	    && (block == NULL || OSSL_PARAM_set_size_t(block, m->digest->block) == 1);
}

static const OSSL_PARAM *
mac_gettable_params(void *ctx unused_arg, void *provider unused_arg)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_size_t(OSSL_MAC_PARAM_SIZE, NULL),
		OSSL_PARAM_size_t(OSSL_MAC_PARAM_BLOCK_SIZE, NULL),
		OSSL_PARAM_END,
	};

	return params;
}

static int
mac_init(void *ctx, const unsigned char *key, size_t n, const OSSL_PARAM params[])
{
	struct mac *m = ctx;

	if (mac_set_params(m, params) != 1)
		return 0;
	if (key != NULL)
		return use_key(m, key, n);
	m->hmac = m->keyed;
	return m->has_key;
}

static int
mac_update(void *ctx, const unsigned char *p, size_t n)
{
	struct mac *m = ctx;

	if (!m->has_key)
		return 0;
	m->digest->add(&m->hmac.inner, p, n);
	return 1;
}

static int
mac_final(void *ctx, unsigned char *out, size_t *n_out, size_t max)
{
	struct mac *m = ctx;

	if (!m->has_key || max < m->digest->bytes)
		return 0;
	hmac_end(&m->hmac, out);
	*n_out = m->digest->bytes;
	return 1;
}

const OSSL_DISPATCH quick_hmac[] = {
	FN(MAC_NEWCTX, mac_new),
	FN(MAC_FREECTX, mac_free),
	FN(MAC_DUPCTX, mac_dup),
	FN(MAC_INIT, mac_init),
	FN(MAC_UPDATE, mac_update),
	FN(MAC_FINAL, mac_final),
	FN(MAC_SET_CTX_PARAMS, mac_set_params),
	FN(MAC_SETTABLE_CTX_PARAMS, mac_settable_params),
	FN(MAC_GET_CTX_PARAMS, mac_get_params),
	FN(MAC_GETTABLE_CTX_PARAMS, mac_gettable_params),
	{ 0, NULL },
};

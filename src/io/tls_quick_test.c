/* tls_quick_test.c - our HMAC and key derivation beside OpenSSL's own. */
#include "io/tls_quick.h"

#include "base/attr.h"
#include "base/test.h"
#include "io/tls_remote.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <string.h>

#define OTHERS "provider=default"

static const char *const digests[] = { "SHA1", "SHA256", "SHA384", "SHA2-256", "SHA2-384" };

struct secret {
	unsigned char p[200];
	size_t n;
};

static struct secret
any(size_t n)
{
	struct secret s = { .n = n };

	must(RAND_bytes(s.p, sizeof(s.p)) == 1);
	return s;
}

static void
test_ours_is_taken(void)
{
	const char *properties = tls_properties();
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", properties),
		*usual = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", properties),
		*usual_mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	CHECK_STR(str_c(OSSL_PROVIDER_get0_name(EVP_KDF_get0_provider(kdf))), STR("posthorn"));
	CHECK_STR(str_c(OSSL_PROVIDER_get0_name(EVP_MAC_get0_provider(mac))), STR("posthorn"));
	/* Who does not ask for it does not get it. */
	CHECK_STR(str_c(OSSL_PROVIDER_get0_name(EVP_KDF_get0_provider(usual))), STR("default"));
	CHECK_STR(str_c(OSSL_PROVIDER_get0_name(EVP_MAC_get0_provider(usual_mac))), STR("default"));
	EVP_KDF_free(kdf);
	EVP_KDF_free(usual);
	EVP_MAC_free(mac);
	EVP_MAC_free(usual_mac);
}

static bool
derive(const char *properties, int mode, const char *digest, const struct secret *key,
    const struct secret *salt, const struct secret *data, const char *label, unsigned char *out,
    size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", properties);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[8], *p = params;
	bool ok;

	*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	*p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)digest, 0);
	if (key != NULL)
		*p++ =
		    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (char *)key->p, key->n);
	if (salt != NULL)
		*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (char *)salt->p,
		    salt->n);
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (char *)"tls13 ", 6);
	*p++ =
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (char *)label, strlen(label));
	if (data != NULL)
		*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_DATA, (char *)data->p,
		    data->n);
	*p = OSSL_PARAM_construct_end();
	ok = EVP_KDF_derive(ctx, out, n, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}

/* Both derive the same, or both nothing. */
static void
same(int mode, const char *digest, const struct secret *key, const struct secret *salt,
    const struct secret *data, const char *label, size_t n)
{
	unsigned char ours[600] = { 0 }, theirs[600] = { 0 };
	bool ok = derive(OTHERS, mode, digest, key, salt, data, label, theirs, n);

	CHECK(derive(tls_properties(), mode, digest, key, salt, data, label, ours, n) == ok);
	CHECK(memcmp(ours, theirs, n) == 0);
}

static void
test_expand(void)
{
	for (size_t d = 0; d < ARRAY_LEN(digests); d++) {
		for (size_t n = 1; n <= 150; n += 7) {
			struct secret key = any(1 + n % 150), data = any(n);

			same(EVP_KDF_HKDF_MODE_EXPAND_ONLY, digests[d], &key, NULL, &data,
			    "s hs traffic", n);
			same(EVP_KDF_HKDF_MODE_EXPAND_ONLY, digests[d], &key, NULL, NULL, "key", n);
		}
	}
	same(EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA256", NULL, NULL, NULL, "key", 16);
}

static void
test_extract(void)
{
	static const size_t sizes[] = { 20, 32, 48, 32, 48 };

	for (size_t d = 0; d < ARRAY_LEN(digests); d++) {
		struct secret key = any(32), salt = any(sizes[d]);

		same(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, digests[d], &key, &salt, NULL, "derived",
		    sizes[d]);
		same(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, digests[d], &key, NULL, NULL, "derived",
		    sizes[d]);
		same(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, digests[d], NULL, &salt, NULL, "derived",
		    sizes[d]);
		same(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, digests[d], NULL, NULL, NULL, "derived",
		    sizes[d]);
	}
	same(EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, "SHA256", NULL, NULL, NULL, "derived", 32);
}

/* The derivation that RFC 8448 3 shows first, in hexadecimal. */
static void
test_rfc8448(void)
{
	static const unsigned char early[] = { 0x33, 0xad, 0x0a, 0x1c, 0x60, 0x7e, 0xc0, 0x3b, 0x09,
		0xe6, 0xcd, 0x98, 0x93, 0x68, 0x0c, 0xe2, 0x10, 0xad, 0xf3, 0x00, 0xaa, 0x1f, 0x26,
		0x60, 0xe1, 0xb2, 0x2e, 0x10, 0xf1, 0x70, 0xf9, 0x2a };
	unsigned char out[32];

	CHECK(derive(tls_properties(), EVP_KDF_HKDF_MODE_EXTRACT_ONLY, "SHA256", NULL, NULL, NULL,
	    "derived", out, sizeof(out)));
	CHECK(memcmp(out, early, sizeof(early)) == 0);
}

/* In parts, from a copy, and again with the same key. */
static void
mac(const char *properties, const char *digest, const struct secret *key, const struct secret *data,
    unsigned char out[3][64], size_t *n_out)
{
	EVP_MAC *m = EVP_MAC_fetch(NULL, "HMAC", properties);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(m), *copy;
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
				    (char *)digest, 0),
		OSSL_PARAM_construct_end() };

	CHECK(EVP_MAC_init(ctx, key->p, key->n, params) == 1);
	CHECK(EVP_MAC_update(ctx, data->p, data->n / 3) == 1);
	copy = EVP_MAC_CTX_dup(ctx);
	CHECK(EVP_MAC_update(ctx, data->p + data->n / 3, data->n - data->n / 3) == 1);
	CHECK(EVP_MAC_final(ctx, out[0], n_out, 64) == 1);
	CHECK(EVP_MAC_update(copy, data->p, 1) == 1);
	CHECK(EVP_MAC_final(copy, out[1], n_out, 64) == 1);
	CHECK(EVP_MAC_init(ctx, NULL, 0, NULL) == 1);
	CHECK(EVP_MAC_final(ctx, out[2], n_out, 64) == 1);
	CHECK_U64(*n_out, EVP_MAC_CTX_get_mac_size(ctx));
	EVP_MAC_CTX_free(copy);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(m);
}

static void
test_hmac(void)
{
	for (size_t d = 0; d < ARRAY_LEN(digests); d++) {
		for (size_t n = 1; n < 200; n += 9) {
			struct secret key = any(n), data = any(n);
			unsigned char ours[3][64] = { 0 }, theirs[3][64] = { 0 };
			size_t ours_n = 0, theirs_n = 0;

			mac(tls_properties(), digests[d], &key, &data, ours, &ours_n);
			mac(OTHERS, digests[d], &key, &data, theirs, &theirs_n);
			CHECK_U64(ours_n, theirs_n);
			CHECK(memcmp(ours, theirs, sizeof(ours)) == 0);
		}
	}
}

static void
test_hmac_without_what_it_needs(void)
{
	EVP_MAC *m = EVP_MAC_fetch(NULL, "HMAC", tls_properties());
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(m);
	OSSL_PARAM unknown[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
				     (char *)"RIPEMD160", 0),
		OSSL_PARAM_construct_end() };
	unsigned char out[64];
	size_t n;

	CHECK(EVP_MAC_update(ctx, out, 1) != 1);
	CHECK(EVP_MAC_final(ctx, out, &n, sizeof(out)) != 1);
	CHECK(EVP_MAC_init(ctx, out, 16, NULL) != 1);
	CHECK(EVP_MAC_init(ctx, out, 16, unknown) != 1);
	CHECK_U64(EVP_MAC_CTX_get_mac_size(ctx), 0);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(m);
}

TEST_MAIN(TEST(test_ours_is_taken), TEST(test_expand), TEST(test_extract), TEST(test_rfc8448),
    TEST(test_hmac), TEST(test_hmac_without_what_it_needs))

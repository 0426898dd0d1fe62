/*
 * tls_remote.c - see tls_remote.h. OpenSSL's handshake asks a key's provider to sign, so this is
 * one: a row of functions for each kind of key. What can be told of a key (its size, its curve) the
 * default provider tells, of the public half.
 */
#include "io/tls_remote.h"

#include "base/arena.h"
#include "io/sign_server.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdlib.h>

#define PROVIDER "posthorn"
#define NOT_OURS "provider!=" PROVIDER

/* What the provider makes of a public key that it is given. */
struct remote_key {
	const char *kind;
	EVP_PKEY *public;
	unsigned char name[SIGN_KEY_BYTES];
};

/* A signature that is being made. */
struct remote_signature {
	const struct remote_key *key;
	enum sign_digest digest;
	enum sign_padding padding;
};

/* Under this key the question is found in a job's ASYNC_WAIT_CTX. */
static const char question_key;

struct sign_question *
remote_question(ASYNC_JOB *job)
{
	OSSL_ASYNC_FD none;
	void *q = NULL;

	must(ASYNC_WAIT_CTX_get_fd(ASYNC_get_wait_ctx(job), &question_key, &none, &q) == 1);
	return q;
}

/* --- Keys --- */

static void *
key_new(const char *kind)
{
	struct remote_key *k = xcalloc(1, sizeof(*k));

	k->kind = kind;
	return k;
}

static void *
rsa_new(void *provider unused_arg)
{
	return key_new("RSA");
}

static void *
pss_new(void *provider unused_arg)
{
	return key_new("RSA-PSS");
}

static void *
ec_new(void *provider unused_arg)
{
	return key_new("EC");
}

static void *
ed25519_new(void *provider unused_arg)
{
	return key_new("ED25519");
}

static void *
ed448_new(void *provider unused_arg)
{
	return key_new("ED448");
}

static void
key_free(void *key)
{
	struct remote_key *k = key;

	EVP_PKEY_free(k->public);
	free(k);
}

static int
key_import(void *key, int selection unused_arg, const OSSL_PARAM params[])
{
	struct remote_key *k = key;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, k->kind, NOT_OURS);
	int ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1
	    && EVP_PKEY_fromdata(ctx, &k->public, EVP_PKEY_PUBLIC_KEY,
		   (OSSL_PARAM *)(uintptr_t)params)
		== 1
	    && sign_key_name(k->public, k->name);

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* What can be given depends on the kind; the import itself says what is wrong. */
static const OSSL_PARAM *
key_import_types(int selection unused_arg)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	return types;
}

static int
key_has(const void *key, int selection unused_arg)
{
	return ((const struct remote_key *)key)->public != NULL;
}

static int
key_match(const void *a, const void *b, int selection unused_arg)
{
	return memcmp(((const struct remote_key *)a)->name, ((const struct remote_key *)b)->name,
		   SIGN_KEY_BYTES)
	    == 0;
}

static int
key_get_params(void *key, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((struct remote_key *)key)->public, params);
}

static const OSSL_PARAM *
key_gettable_params(void *provider unused_arg)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	return gettable;
}

/* The name of the signature that keys of a kind make; there are no other operations. */
static const char *
rsa_operation(int operation unused_arg)
{
	return "RSA";
}

static const char *
pss_operation(int operation unused_arg)
{
	return "RSA";
}

static const char *
ec_operation(int operation unused_arg)
{
	return "ECDSA";
}

static const char *
ed25519_operation(int operation unused_arg)
{
	return "ED25519";
}

static const char *
ed448_operation(int operation unused_arg)
{
	return "ED448";
}

/* --- Signatures --- */

static void *
signature_new(void *provider unused_arg, const char *properties unused_arg)
{
	return xcalloc(1, sizeof(struct remote_signature));
}

static void
signature_free(void *signature)
{
	free(signature);
}

static bool
set_digest(struct remote_signature *s, const char *name)
{
	static const struct {
		const char *name;
		enum sign_digest digest;
	} digests[] = {
		{ "SHA256", SIGN_SHA256 },
		{ "SHA2-256", SIGN_SHA256 },
		{ "SHA384", SIGN_SHA384 },
		{ "SHA2-384", SIGN_SHA384 },
		{ "SHA512", SIGN_SHA512 },
		{ "SHA2-512", SIGN_SHA512 },
		{ "", SIGN_DIGEST_NONE },
		{ "UNDEF", SIGN_DIGEST_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
		if (str_eq_nocase(str_c(name != NULL ? name : ""), str_c(digests[i].name))) {
			s->digest = digests[i].digest;
			return true;
		}
	}
	return false;
}

static int
signature_set_params(void *signature, const OSSL_PARAM params[])
{
	struct remote_signature *s = signature;
	const OSSL_PARAM *p =
	    params != NULL ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE) : NULL;
	const char *name = NULL;
	int number = 0;

	if (p == NULL)
		/* the salt is as long as the digest, whatever is said here: TLS knows no other */
		return 1;
	if (p->data_type == OSSL_PARAM_UTF8_STRING ? OSSL_PARAM_get_utf8_string_ptr(p, &name) != 1
						   : OSSL_PARAM_get_int(p, &number) != 1)
		return 0;
	if (number == RSA_PKCS1_PSS_PADDING
	    || (name != NULL && strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0))
		s->padding = SIGN_PSS;
	else if (number == RSA_PKCS1_PADDING
	    || (name != NULL && strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0))
		s->padding = SIGN_PKCS1;
	else
		return 0;
	return 1;
}

static const OSSL_PARAM *
signature_settable_params(void *signature unused_arg, void *provider unused_arg)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_END,
	};

	return settable;
}

static int
signature_init(void *signature, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct remote_signature *s = signature;

	s->key = key;
	if (strcmp(s->key->kind, "RSA-PSS") == 0)
		s->padding = SIGN_PSS;
	else
		s->padding = strcmp(s->key->kind, "RSA") == 0 ? SIGN_PKCS1 : SIGN_PADDING_NONE;
	return set_digest(s, digest) && signature_set_params(s, params);
}

/* Asks, and pauses the job until there is an answer. */
static bool
ask(struct sign_question *q)
{
	ASYNC_JOB *job = ASYNC_get_current_job();
	ASYNC_WAIT_CTX *wait = job != NULL ? ASYNC_get_wait_ctx(job) : NULL;
	ASYNC_callback_fn tell = NULL;
	void *arg = NULL;

	if (wait == NULL || ASYNC_WAIT_CTX_get_callback(wait, &tell, &arg) != 1 || tell == NULL
	    || ASYNC_WAIT_CTX_set_wait_fd(wait, &question_key, -1, q, NULL) != 1)
		return false;
	if (tell(arg) == 1)
		while (!q->is_answered)
			must(ASYNC_pause_job() == 1);
	ASYNC_WAIT_CTX_clear_fd(wait, &question_key);
	return q->is_answered && q->n > 0;
}

static int
signature_sign(void *signature, unsigned char *out, size_t *n, size_t room,
    const unsigned char *text, size_t length)
{
	const struct remote_signature *s = signature;
	struct sign_question q = {
		.ask = { .key = str_make(s->key->name, SIGN_KEY_BYTES),
		    .digest = s->digest,
		    .padding = s->padding,
		    .text = str_make(text, length) },
		.signature = out,
		.room = room,
	};

	if (out == NULL) {
		*n = (size_t)EVP_PKEY_get_size(s->key->public);
		return 1;
	}
	if (length > SIGN_TEXT_MAX || !ask(&q))
		return 0;
	*n = q.n;
	return 1;
}

/* --- The provider --- */

#define FN(id, fn)                                                                                 \
	{                                                                                          \
		OSSL_FUNC_##id, (void (*)(void))(fn)                                               \
	}
#define KEYS(prefix)                                                                               \
	static const OSSL_DISPATCH prefix##_keys[] = {                                             \
		FN(KEYMGMT_NEW, prefix##_new),                                                     \
		FN(KEYMGMT_FREE, key_free),                                                        \
		FN(KEYMGMT_IMPORT, key_import),                                                    \
		FN(KEYMGMT_IMPORT_TYPES, key_import_types),                                        \
		FN(KEYMGMT_HAS, key_has),                                                          \
		FN(KEYMGMT_MATCH, key_match),                                                      \
		FN(KEYMGMT_GET_PARAMS, key_get_params),                                            \
		FN(KEYMGMT_GETTABLE_PARAMS, key_gettable_params),                                  \
		FN(KEYMGMT_QUERY_OPERATION_NAME, prefix##_operation),                              \
		{ 0, NULL },                                                                       \
	}
KEYS(rsa);
KEYS(pss);
KEYS(ec);
KEYS(ed25519);
KEYS(ed448);

static const OSSL_DISPATCH signatures[] = {
	FN(SIGNATURE_NEWCTX, signature_new),
	FN(SIGNATURE_FREECTX, signature_free),
	FN(SIGNATURE_DIGEST_SIGN_INIT, signature_init),
	FN(SIGNATURE_DIGEST_SIGN, signature_sign),
	FN(SIGNATURE_SET_CTX_PARAMS, signature_set_params),
	FN(SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable_params),
	{ 0, NULL },
};

static const OSSL_ALGORITHM *
query(void *provider unused_arg, int operation, int *no_cache_out)
{
	static const OSSL_ALGORITHM keys[] = {
		{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=" PROVIDER, rsa_keys, NULL },
		{ "RSA-PSS:RSASSA-PSS:1.2.840.113549.1.1.10", "provider=" PROVIDER, pss_keys, NULL },
		{ "EC:id-ecPublicKey:1.2.840.10045.2.1", "provider=" PROVIDER, ec_keys, NULL },
		{ "ED25519:1.3.101.112", "provider=" PROVIDER, ed25519_keys, NULL },
		{ "ED448:1.3.101.113", "provider=" PROVIDER, ed448_keys, NULL },
		{ NULL, NULL, NULL, NULL },
	}, signs[] = {
		{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=" PROVIDER, signatures, NULL },
		{ "ECDSA", "provider=" PROVIDER, signatures, NULL },
		{ "ED25519:1.3.101.112", "provider=" PROVIDER, signatures, NULL },
		{ "ED448:1.3.101.113", "provider=" PROVIDER, signatures, NULL },
		{ NULL, NULL, NULL, NULL },
	};

	*no_cache_out = 0;
	return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? signs : NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in unused_arg,
    const OSSL_DISPATCH **out, void **provider)
{
	static const OSSL_DISPATCH functions[] = { FN(PROVIDER_QUERY_OPERATION, query),
		{ 0, NULL } };

	*out = functions;
	*provider = (void *)(uintptr_t)handle;
	return 1;
}

/*
 * Once in a process. A provider that is loaded by hand ends the loading of the default one by
 * itself, so that is loaded too; and who asks for no provider in particular, as all other code
 * does, is not to get ours.
 */
static OSSL_PROVIDER *providers[2];

static void
load_providers(void)
{
	if (OSSL_PROVIDER_add_builtin(NULL, PROVIDER, provider_init) == 1) {
		providers[0] = OSSL_PROVIDER_load(NULL, "default");
		providers[1] = OSSL_PROVIDER_load(NULL, PROVIDER);
	}
	EVP_set_default_properties(NULL, "?" NOT_OURS);
}

enum err
remote_key(EVP_PKEY *public_key, EVP_PKEY **key_out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	OSSL_PARAM *params = NULL;
	EVP_PKEY_CTX *ctx;
	bool ok;

	pthread_once(&once, load_providers);
	ctx = EVP_PKEY_CTX_new_from_name(NULL, EVP_PKEY_get0_type_name(public_key),
	    "provider=" PROVIDER);
	ok = providers[0] != NULL && providers[1] != NULL && ASYNC_is_capable() == 1 && ctx != NULL
	    && EVP_PKEY_todata(public_key, EVP_PKEY_PUBLIC_KEY, &params) == 1
	    && EVP_PKEY_fromdata_init(ctx) == 1
	    && EVP_PKEY_fromdata(ctx, key_out, EVP_PKEY_PUBLIC_KEY, params) == 1;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return ok ? ERR_OK : ERR_CONFIG;
}

/* tls_keys.c - see tls_keys.h. */
#include "tls_keys.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128, SPARE_MAX = 64 };

static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

/* --- Digests --- */

void
transcript_begin(tls_transcript *t)
{
	SHA384_Init(t);
}

void
transcript_add(tls_transcript *t, const void *p, size_t n)
{
	SHA384_Update(t, p, n);
}

void
transcript_now(const tls_transcript *t, unsigned char hash_out[TLS_HASH])
{
	tls_transcript copy = *t;

	SHA384_Final(hash_out, &copy);
}

/* HMAC with a key of at most a digest's length. */
static void
hmac(const unsigned char *key, size_t key_bytes, const void *p, size_t n,
    unsigned char out[TLS_HASH])
{
	unsigned char pad[BLOCK];
	SHA512_CTX c;

	memset(pad, 0x36, BLOCK);
	for (size_t i = 0; i < key_bytes; i++)
		pad[i] ^= key[i];
	SHA384_Init(&c);
	SHA384_Update(&c, pad, BLOCK);
	SHA384_Update(&c, p, n);
	SHA384_Final(out, &c);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA384_Init(&c);
	SHA384_Update(&c, pad, BLOCK);
	SHA384_Update(&c, out, TLS_HASH);
	SHA384_Final(out, &c);
}

/* --- Secrets --- */

void
keys_expand(const unsigned char secret[TLS_HASH], const char *label, const void *context,
    size_t context_bytes, unsigned char *out, size_t bytes)
{
	unsigned char info[2 + 1 + 6 + 32 + 1 + TLS_HASH + 1], whole[TLS_HASH];
	size_t label_bytes = strlen(label), n = 0;

	info[n++] = 0;
	info[n++] = (unsigned char)bytes;
	info[n++] = (unsigned char)(6 + label_bytes);
	memcpy(info + n, "tls13 ", 6);
	n += 6;
	memcpy(info + n, label, label_bytes);
	n += label_bytes;
	info[n++] = (unsigned char)context_bytes;
	if (context_bytes > 0)
		memcpy(info + n, context, context_bytes);
	n += context_bytes;
	info[n++] = 1;
	hmac(secret, TLS_HASH, info, n, whole);
	memcpy(out, whole, bytes);
}

void
keys_early(const unsigned char *psk, unsigned char early_out[TLS_HASH])
{
	static const unsigned char zeros[TLS_HASH];

	hmac(zeros, TLS_HASH, psk != NULL ? psk : zeros, TLS_HASH, early_out);
}

void
keys_next(const unsigned char secret[TLS_HASH], const unsigned char *in, size_t in_bytes,
    unsigned char next_out[TLS_HASH])
{
	static const unsigned char zeros[TLS_HASH];
	unsigned char nothing[TLS_HASH], derived[TLS_HASH];

	SHA384((const unsigned char *)"", 0, nothing);
	keys_expand(secret, "derived", nothing, TLS_HASH, derived, TLS_HASH);
	hmac(derived, TLS_HASH, in != NULL ? in : zeros, in != NULL ? in_bytes : TLS_HASH,
	    next_out);
}

void
keys_finished(const unsigned char secret[TLS_HASH], const unsigned char hash[TLS_HASH],
    unsigned char proof_out[TLS_HASH])
{
	unsigned char key[TLS_HASH];

	keys_expand(secret, "finished", NULL, 0, key, TLS_HASH);
	hmac(key, TLS_HASH, hash, TLS_HASH, proof_out);
}

/* --- Records --- */

/* Contexts of ciphers that connections have left behind. */
static EVP_CIPHER_CTX *spare[SPARE_MAX];
static size_t spare_count;

void
seal_use(struct seal *s, const unsigned char secret[TLS_HASH], bool is_for_writing)
{
	static EVP_CIPHER *aes;
	unsigned char key[32];

	if (aes == NULL)
		aes = must(EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL));
	if (s->cipher == NULL)
		s->cipher = spare_count > 0 ? spare[--spare_count] : must(EVP_CIPHER_CTX_new());
	keys_expand(secret, "key", NULL, 0, key, sizeof(key));
	keys_expand(secret, "iv", NULL, 0, s->iv, sizeof(s->iv));
	s->sequence = 0;
	if (EVP_CipherInit_ex(s->cipher, EVP_CIPHER_CTX_get0_cipher(s->cipher) == aes ? NULL : aes,
		NULL, key, s->iv, is_for_writing)
	    != 1)
		abort();
}

void
seal_free(struct seal *s)
{
	if (s->cipher != NULL && spare_count < SPARE_MAX)
		spare[spare_count++] = s->cipher;
	else
		EVP_CIPHER_CTX_free(s->cipher);
	s->cipher = NULL;
}

static void
next_nonce(struct seal *s, unsigned char nonce_out[12])
{
	uint64_t n = s->sequence++;

	memcpy(nonce_out, s->iv, 12);
	for (int i = 11; i >= 4; i--, n >>= 8)
		nonce_out[i] ^= (unsigned char)n;
}

size_t
seal_close(struct seal *s, unsigned char kind, const void *p, size_t n, unsigned char *out)
{
	size_t sealed = n + 1 + TLS_TAG;
	unsigned char nonce[12];
	int did;

	memcpy(out,
	    (unsigned char[]){ 23, 3, 3, (unsigned char)(sealed >> 8), (unsigned char)sealed },
	    TLS_HEADER);
	next_nonce(s, nonce);
	if (EVP_EncryptInit_ex(s->cipher, NULL, NULL, NULL, nonce) != 1
	    || EVP_EncryptUpdate(s->cipher, NULL, &did, out, TLS_HEADER) != 1
	    || EVP_EncryptUpdate(s->cipher, out + TLS_HEADER, &did, p, (int)n) != 1
	    || EVP_EncryptUpdate(s->cipher, out + TLS_HEADER + n, &did, &kind, 1) != 1
	    || EVP_EncryptFinal_ex(s->cipher, out + TLS_HEADER + n + 1, &did) != 1
	    || EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_GET_TAG, TLS_TAG,
		   out + TLS_HEADER + n + 1)
		!= 1)
		abort();
	return TLS_HEADER + sealed;
}

bool
seal_open(struct seal *s, const unsigned char *record, size_t n, unsigned char *out,
    unsigned char *kind_out, size_t *n_out)
{
	unsigned char nonce[12], tag[TLS_TAG];
	size_t bytes;
	int did;

	if (n <= TLS_HEADER + TLS_TAG)
		return false;
	bytes = n - TLS_HEADER - TLS_TAG;
	memcpy(tag, record + n - TLS_TAG, TLS_TAG);
	next_nonce(s, nonce);
	if (EVP_DecryptInit_ex(s->cipher, NULL, NULL, NULL, nonce) != 1
	    || EVP_DecryptUpdate(s->cipher, NULL, &did, record, TLS_HEADER) != 1
	    || EVP_DecryptUpdate(s->cipher, out, &did, record + TLS_HEADER, (int)bytes) != 1
	    || EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_SET_TAG, TLS_TAG, tag) != 1
	    || EVP_DecryptFinal_ex(s->cipher, out + bytes, &did) != 1)
		return false;
	while (bytes > 0 && out[bytes - 1] == 0)
		bytes--;
	if (bytes == 0)
		return false;
	*kind_out = out[bytes - 1];
	*n_out = bytes - 1;
	return true;
}

/* --- Shares --- */

static EVP_PKEY *
our_key(void)
{
	static EVP_PKEY *key;

	if (key == NULL)
		key = must(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"));
	return key;
}

const unsigned char *
share_ours(void)
{
	static unsigned char share[TLS_SHARE];
	static bool is_known;
	size_t n = sizeof(share);

	if (!is_known && EVP_PKEY_get_raw_public_key(our_key(), share, &n) != 1)
		abort();
	is_known = true;
	return share;
}

bool
share_agree(const unsigned char theirs[TLS_SHARE], unsigned char secret_out[TLS_SHARE])
{
	static EVP_PKEY_CTX *ctx;
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, theirs, TLS_SHARE);
	size_t n = TLS_SHARE;
	bool ok;

	if (ctx == NULL) {
		ctx = must(EVP_PKEY_CTX_new(our_key(), NULL));
		if (EVP_PKEY_derive_init(ctx) != 1)
			abort();
	}
	ok = peer != NULL && EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1
	    && EVP_PKEY_derive(ctx, secret_out, &n) == 1;
	EVP_PKEY_free(peer);
	return ok;
}

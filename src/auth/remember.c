/* remember.c - see remember.h. */
#include "auth/remember.h"

#include "base/arena.h"

#include <sodium.h>
#include <stdlib.h>

enum { PLACES = 16384, DIGEST_BYTES = 32 };

struct place {
	unsigned char digest[DIGEST_BYTES];
	int64_t until_ms; /* 0: free */
};

struct remember {
	uint64_t keep_ms;
	unsigned char key[crypto_generichash_KEYBYTES];
	struct place *places;
};

struct remember *
remember_new(uint64_t keep_ms)
{
	struct remember *r = xcalloc(1, sizeof(*r));

	r->keep_ms = keep_ms;
	randombytes_buf(r->key, sizeof(r->key));
	r->places = xcalloc(PLACES, sizeof(*r->places));
	return r;
}

void
remember_free(struct remember *r)
{
	if (r == NULL)
		return;
	sodium_memzero(r->places, PLACES * sizeof(*r->places));
	sodium_memzero(r->key, sizeof(r->key));
	free(r->places);
	free(r);
}

static void
add_part(crypto_generichash_state *state, struct str part)
{
	uint64_t n = part.n;

	crypto_generichash_update(state, (const unsigned char *)&n, sizeof(n));
	crypto_generichash_update(state, (const unsigned char *)part.p, part.n);
}

static void
digest_of(const struct remember *r, struct str user, struct str verifier, struct str password,
    unsigned char out[DIGEST_BYTES])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, r->key, sizeof(r->key), DIGEST_BYTES);
	add_part(&state, user);
	add_part(&state, verifier);
	add_part(&state, password);
	crypto_generichash_final(&state, out, DIGEST_BYTES);
	sodium_memzero(&state, sizeof(state));
}

static struct place *
place_of(const struct remember *r, struct str user)
{
	return &r->places[str_hash(user, r->key[0]) % PLACES];
}

void
remember_add(struct remember *r, struct str user, struct str verifier, struct str password,
    int64_t now_ms)
{
	struct place *p = place_of(r, user);

	if (r->keep_ms == 0)
		return;
	digest_of(r, user, verifier, password, p->digest);
	p->until_ms = now_ms + (int64_t)r->keep_ms;
}

bool
remember_has(const struct remember *r, struct str user, struct str verifier, struct str password,
    int64_t now_ms)
{
	const struct place *p = place_of(r, user);
	unsigned char digest[DIGEST_BYTES];

	if (p->until_ms == 0 || now_ms >= p->until_ms)
		return false;
	digest_of(r, user, verifier, password, digest);
	return sodium_memcmp(digest, p->digest, sizeof(digest)) == 0;
}

/* throttle.c - see throttle.h. Set-associative tables: a key's hash names a set of 8 places. */
#include "auth/throttle.h"

#include "base/arena.h"
#include "base/bytes.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>

enum {
	WAYS = 8,
	SETS = THROTTLE_ENTRIES / WAYS,
	KNOWN_SETS = THROTTLE_KNOWN_ENTRIES / WAYS,
	DOUBLINGS_MAX = 4,
	ACCOUNT_DOUBLINGS_MAX = 1,
	ADDRESS_FREE = 3,
	ADDRESS_FREE_KNOWN = 20,
	NETWORK_FREE = 24,
	NETWORK_FREE_KNOWN = 100,
	ACCOUNT_FREE = 3,
	KNOWN_FAILURES_MAX = 10,
};

#define KNOWN_FORGET_MS (30ll * 24 * 60 * 60 * 1000)

struct entry {
	uint64_t key; /* 0: free */
	int64_t last_ms;
	uint32_t failures;
};

struct throttle {
	uint64_t base_ms, seed;
	/* of addresses, networks, accounts; last_ms is that of the last failure */
	struct entry counts[SETS][WAYS];
	/* networks, and accounts at networks; that of the last success, and failures since */
	struct entry known[KNOWN_SETS][WAYS];
};

/* Keys of an address; 0 for what is not counted. */
struct keys {
	uint64_t address, network;
	/* where somebody may be known: the network, or this very address on this machine */
	uint64_t place;
};

struct throttle *
throttle_new(uint64_t base_ms, uint64_t seed)
{
	struct throttle *t = xcalloc(1, sizeof(*t));

	t->base_ms = base_ms;
	t->seed = seed;
	return t;
}

void
throttle_free(struct throttle *t)
{
	free(t);
}

void
throttle_set_base(struct throttle *t, uint64_t base_ms)
{
	t->base_ms = base_ms;
}

/*
 * SipHash, for only keys are kept: nobody outside may find an account whose key is another's.
 *
 * @kind  keeps keys of the same bytes apart
 */
static uint64_t
key_of(const struct throttle *t, uint64_t kind, const void *p, size_t n)
{
	unsigned char key[crypto_shorthash_KEYBYTES], hash[crypto_shorthash_BYTES];

	_Static_assert(sizeof(key) == 16 && sizeof(hash) == 8, "SipHash-2-4");
	put_le64((char *)key, t->seed);
	put_le64((char *)key + 8, kind);
	crypto_shorthash(hash, p, n, key);
	return get_le64((const char *)hash) | 1;
}

enum { KIND_ADDRESS, KIND_NETWORK, KIND_PLACE, KIND_LOCAL, KIND_ACCOUNT };

static struct keys
keys_of(const struct throttle *t, struct str peer)
{
	char text[INET6_ADDRSTRLEN + 1];
	struct in6_addr six;
	struct in_addr four;
	bool is_four;

	if (peer.n == 0 || peer.n >= sizeof(text))
		return (struct keys){ 0 };
	memcpy(text, peer.p, peer.n);
	text[peer.n] = '\0';
	is_four = inet_pton(AF_INET, text, &four) == 1;
	if ((is_four && ntohl(four.s_addr) >> 24 == 127)
	    || (!is_four && inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six)))
		return (struct keys){ .place = key_of(t, KIND_LOCAL, text, peer.n) };
	if (is_four)
		return (struct keys){ key_of(t, KIND_ADDRESS, &four, 4),
			key_of(t, KIND_NETWORK, &four, 3), key_of(t, KIND_PLACE, &four, 3) };
	if (inet_pton(AF_INET6, text, &six) == 1)
		return (struct keys){ key_of(t, KIND_ADDRESS, &six, 8),
			key_of(t, KIND_NETWORK, &six, 6), key_of(t, KIND_PLACE, &six, 6) };
	return (struct keys){ 0 };
}

static uint64_t
account_key(const struct throttle *t, struct str account)
{
	return account.n == 0 ? 0 : key_of(t, KIND_ACCOUNT, account.p, account.n);
}

static uint64_t
pair_key(const struct throttle *t, uint64_t place, struct str account)
{
	return place == 0 || account.n == 0 ? 0 : key_of(t, place, account.p, account.n);
}

static struct entry *
find(struct entry *set, uint64_t key)
{
	for (size_t i = 0; key != 0 && i < WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	return NULL;
}

static struct entry *
count_find(struct throttle *t, uint64_t key, int64_t now_ms)
{
	struct entry *e = find(t->counts[(key >> 1) % SETS], key);

	if (e != NULL && now_ms - e->last_ms > THROTTLE_FORGET_MS)
		e->failures = 0;
	return e;
}

static uint32_t
failures_of(struct throttle *t, uint64_t key, int64_t now_ms)
{
	const struct entry *e = count_find(t, key, now_ms);

	return e != NULL ? e->failures : 0;
}

/* The number of failures after counting one more. */
static uint32_t
count(struct throttle *t, uint64_t key, int64_t now_ms)
{
	struct entry *set = t->counts[(key >> 1) % SETS], *e = count_find(t, key, now_ms);

	if (key == 0)
		return 0;
	if (e == NULL) {
		e = &set[0];
		for (size_t i = 0; i < WAYS; i++) {
			if (now_ms - set[i].last_ms > THROTTLE_FORGET_MS)
				set[i].failures = 0;
			if (set[i].failures < e->failures
			    || (set[i].failures == e->failures && set[i].last_ms < e->last_ms))
				e = &set[i];
		}
		*e = (struct entry){ .key = key };
	}
	e->last_ms = now_ms;
	if (e->failures < UINT32_MAX)
		e->failures++;
	return e->failures;
}

static struct entry *
known_find(struct throttle *t, uint64_t key, int64_t now_ms)
{
	struct entry *e = find(t->known[(key >> 1) % KNOWN_SETS], key);

	return e != NULL && now_ms - e->last_ms <= KNOWN_FORGET_MS ? e : NULL;
}

/* The longest unseen makes room. Only who has a right password gets in here. */
static void
known_add(struct throttle *t, uint64_t key, int64_t now_ms)
{
	struct entry *set = t->known[(key >> 1) % KNOWN_SETS], *e = find(set, key);

	if (key == 0)
		return;
	if (e == NULL) {
		e = &set[0];
		for (size_t i = 1; i < WAYS; i++)
			if (e->key != 0 && (set[i].key == 0 || set[i].last_ms < e->last_ms))
				e = &set[i];
	}
	*e = (struct entry){ .key = key, .last_ms = now_ms };
}

static uint64_t
delay(uint64_t base_ms, uint32_t failures, uint32_t free_failures, uint32_t doublings_max)
{
	if (failures <= free_failures)
		return 0;
	return base_ms << MIN(failures - free_failures - 1, doublings_max);
}

uint64_t
throttle_address_ms(struct throttle *t, struct str peer, int64_t now_ms)
{
	struct keys k = keys_of(t, peer);
	bool is_known = known_find(t, k.place, now_ms) != NULL;
	uint64_t by_address = delay(t->base_ms, failures_of(t, k.address, now_ms),
	    is_known ? ADDRESS_FREE_KNOWN : ADDRESS_FREE, DOUBLINGS_MAX);
	uint64_t by_network = delay(t->base_ms, failures_of(t, k.network, now_ms),
	    is_known ? NETWORK_FREE_KNOWN : NETWORK_FREE, DOUBLINGS_MAX);

	return MAX(by_address, by_network);
}

bool
throttle_knows(struct throttle *t, struct str peer, struct str account, int64_t now_ms)
{
	const struct entry *e = known_find(t, pair_key(t, keys_of(t, peer).place, account), now_ms);

	return e != NULL && e->failures <= KNOWN_FAILURES_MAX;
}

uint64_t
throttle_account_ms(struct throttle *t, struct str peer, struct str account, int64_t now_ms)
{
	if (throttle_knows(t, peer, account, now_ms))
		return 0;
	return delay(t->base_ms, failures_of(t, account_key(t, account), now_ms), ACCOUNT_FREE,
	    ACCOUNT_DOUBLINGS_MAX);
}

uint64_t
throttle_failed_ms(struct throttle *t, struct str peer, struct str account, int64_t now_ms)
{
	struct keys k = keys_of(t, peer);
	struct entry *pair = known_find(t, pair_key(t, k.place, account), now_ms);
	uint32_t of_address, of_account, failures;
	uint64_t by_network, wait;

	if (t->base_ms == 0)
		return 0;
	if (pair != NULL && pair->failures < UINT32_MAX)
		pair->failures++;
	of_address = count(t, k.address, now_ms);
	of_account = count(t, account_key(t, account), now_ms);
	by_network = delay(t->base_ms, count(t, k.network, now_ms), NETWORK_FREE, DOUBLINGS_MAX);
	failures = MAX(of_address, of_account);
	wait = delay(t->base_ms, MAX(failures, 1u), 0, DOUBLINGS_MAX);
	return MAX(wait, by_network);
}

void
throttle_succeeded(struct throttle *t, struct str peer, struct str account, int64_t now_ms)
{
	struct keys k = keys_of(t, peer);
	struct entry *e = count_find(t, account_key(t, account), now_ms);

	if (e != NULL)
		e->failures = 0;
	if (k.address != 0)
		known_add(t, k.place, now_ms);
	known_add(t, pair_key(t, k.place, account), now_ms);
}

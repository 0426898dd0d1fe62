/* throttle.c - see throttle.h. A set-associative table: a key's hash names a set of 8, the longest quiet one is replaced. */
#include "auth/throttle.h"

#include "base/arena.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { WAYS = 8, SETS = THROTTLE_ENTRIES / WAYS, DOUBLINGS_MAX = 4, ACCOUNT_DOUBLINGS_MAX = 1 };

struct entry {
	uint64_t key;		/* 0: free */
	int64_t last_ms;
	uint32_t failures;
};

struct throttle {
	uint64_t base_ms, seed;
	struct entry table[SETS][WAYS];
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

/* The prefix's key; 0 for what is not counted. */
static uint64_t
peer_key(const struct throttle *t, struct str peer)
{
	char text[INET6_ADDRSTRLEN + 1];
	struct in6_addr six;
	struct in_addr four;

	if (peer.n == 0 || peer.n >= sizeof(text))
		return 0;
	memcpy(text, peer.p, peer.n);
	text[peer.n] = '\0';
	if (inet_pton(AF_INET, text, &four) == 1) {
		if (ntohl(four.s_addr) >> 24 == 127)
			return 0;
		return str_hash(str_make(&four, sizeof(four)), t->seed) | 1;
	}
	if (inet_pton(AF_INET6, text, &six) == 1 && !IN6_IS_ADDR_LOOPBACK(&six))
		return str_hash(str_make(&six, 8), t->seed) | 1;
	return 0;
}

static uint64_t
account_key(const struct throttle *t, struct str account)
{
	return account.n == 0 ? 0 : str_hash(account, t->seed + 1) | 1;
}

static struct entry *
entry_find(struct throttle *t, uint64_t key, int64_t now_ms)
{
	struct entry *set = t->table[(key >> 1) % SETS];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].key != key)
			continue;
		if (now_ms - set[i].last_ms > THROTTLE_FORGET_MS)
			set[i].failures = 0;
		return &set[i];
	}
	return NULL;
}

/* The number of failures after counting one more. */
static uint32_t
count(struct throttle *t, uint64_t key, int64_t now_ms)
{
	struct entry *set = t->table[(key >> 1) % SETS], *e = entry_find(t, key, now_ms);

	if (e == NULL) {
		e = &set[0];
		for (size_t i = 1; i < WAYS; i++)
			if (e->key != 0 && (set[i].key == 0 || set[i].last_ms < e->last_ms))
				e = &set[i];
		*e = (struct entry){ .key = key };
	}
	e->last_ms = now_ms;
	if (e->failures < UINT32_MAX)
		e->failures++;
	return e->failures;
}

static uint64_t
delay(uint64_t base_ms, uint32_t failures, uint32_t free_failures, uint32_t doublings_max)
{
	if (failures <= free_failures)
		return 0;
	return base_ms << MIN(failures - free_failures - 1, doublings_max);
}

uint64_t
throttle_before_ms(struct throttle *t, struct str peer, struct str account, int64_t now_ms)
{
	uint64_t by_peer = peer_key(t, peer), by_account = account_key(t, account), wait = 0;
	const struct entry *e;

	e = by_peer != 0 ? entry_find(t, by_peer, now_ms) : NULL;
	if (e != NULL)
		wait = delay(t->base_ms, e->failures, THROTTLE_FREE, DOUBLINGS_MAX);
	e = by_account != 0 ? entry_find(t, by_account, now_ms) : NULL;
	if (e != NULL) {
		uint64_t for_account = delay(t->base_ms, e->failures, THROTTLE_FREE, ACCOUNT_DOUBLINGS_MAX);

		wait = MAX(wait, for_account);
	}
	return wait;
}

uint64_t
throttle_failed_ms(struct throttle *t, struct str peer, struct str account, int64_t now_ms)
{
	uint64_t by_peer = peer_key(t, peer), by_account = account_key(t, account);
	uint32_t failures = 1;

	if (t->base_ms == 0)
		return 0;
	if (by_peer != 0)
		failures = count(t, by_peer, now_ms);
	if (by_account != 0) {
		uint32_t of_account = count(t, by_account, now_ms);

		failures = MAX(failures, of_account);
	}
	return delay(t->base_ms, failures, 0, DOUBLINGS_MAX);
}

void
throttle_succeeded(struct throttle *t, struct str account)
{
	uint64_t key = account_key(t, account);
	struct entry *e = key != 0 ? entry_find(t, key, 0) : NULL;

	if (e != NULL)
		e->failures = 0;
}

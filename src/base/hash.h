/*
 * hash.h - hash table of pointers, open addressing. Keys stay with their owners: the table keeps a
 * hash and an item, and asks a function type whether an item has a key. Seed it at random where
 * strangers choose the keys.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

typedef bool hash_eq_fn(const void *item, const void *key);

struct hash_slot {
	uint64_t hash;
	void *item;
};

struct hash {
	struct hash_slot *slots;
	size_t cap, count, used; /* used counts removed slots too */
	hash_eq_fn *eq;
};

void hash_init(struct hash *h, hash_eq_fn *eq);
/** Frees the table, not the items. */
void hash_done(struct hash *h);
/** The item with this key, or NULL. */
void *hash_find(const struct hash *h, uint64_t hash, const void *key);
/** Adds; the caller knows that the key is not there. */
void hash_insert(struct hash *h, uint64_t hash, void *item);
/** Takes it out and returns it, or NULL. */
void *hash_remove(struct hash *h, uint64_t hash, const void *key);
/**
 * Iterates: start with *pos = 0; NULL at the end. Removing the current item meanwhile is allowed.
 */
void *hash_next(const struct hash *h, size_t *pos);

/** Mixes a number into a hash. */
static inline uint64_t
hash_u64(uint64_t v)
{
	v ^= v >> 33;
	v *= 0xFF51AFD7ED558CCDu;
	v ^= v >> 33;
	v *= 0xC4CEB9FE1A85EC53u;
	v ^= v >> 33;
	return v;
}

#endif

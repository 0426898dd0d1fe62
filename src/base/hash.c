/*
 * hash.c - see hash.h. Linear probing; at most three quarters full; item NULL with hash 1 marks a
 * removed slot.
 */
#include "base/hash.h"

#include "base/arena.h"

#include <stdlib.h>

void
hash_init(struct hash *h, hash_eq_fn *eq)
{
	*h = (struct hash){ .eq = eq };
}

void
hash_done(struct hash *h)
{
	free(h->slots);
	h->slots = NULL;
	h->cap = h->count = h->used = 0;
}

static void
place(struct hash *h, uint64_t hash, void *item)
{
	size_t i = hash & (h->cap - 1);

	while (h->slots[i].item != NULL)
		i = (i + 1) & (h->cap - 1);
	if (h->slots[i].hash != 1)
		h->used++;
	h->slots[i] = (struct hash_slot){ hash, item };
	h->count++;
}

static void
grow(struct hash *h)
{
	struct hash_slot *old = h->slots;
	size_t old_cap = h->cap, cap = 8;

	while (cap < (h->count + 1) * 2)
		cap *= 2;
	h->slots = xcalloc(cap, sizeof(*h->slots));
	h->cap = cap;
	h->count = h->used = 0;
	for (size_t i = 0; i < old_cap; i++) {
		if (old[i].item != NULL)
			place(h, old[i].hash, old[i].item);
	}
	free(old);
}

void
hash_insert(struct hash *h, uint64_t hash, void *item)
{
	if ((h->used + 1) * 4 > h->cap * 3)
		grow(h);
	place(h, hash, item);
}

static struct hash_slot *
slot_of(const struct hash *h, uint64_t hash, const void *key)
{
	if (h->cap == 0)
		return NULL;
	for (size_t i = hash & (h->cap - 1);; i = (i + 1) & (h->cap - 1)) {
		struct hash_slot *s = &h->slots[i];

		if (s->item == NULL && s->hash != 1)
			return NULL;
		if (s->item != NULL && s->hash == hash && h->eq(s->item, key))
			return s;
	}
}

void *
hash_find(const struct hash *h, uint64_t hash, const void *key)
{
	struct hash_slot *s = slot_of(h, hash, key);

	return s == NULL ? NULL : s->item;
}

/* Marks at the end of a run are not needed: without them searches end sooner. */
static void
marks_clear(struct hash *h, size_t i)
{
	const struct hash_slot *behind = &h->slots[(i + 1) & (h->cap - 1)];

	if (behind->item != NULL || behind->hash == 1)
		return;
	for (; h->slots[i].item == NULL && h->slots[i].hash == 1; i = (i - 1) & (h->cap - 1)) {
		h->slots[i].hash = 0;
		h->used--;
	}
}

void *
hash_remove(struct hash *h, uint64_t hash, const void *key)
{
	struct hash_slot *s = slot_of(h, hash, key);
	void *item;

	if (s == NULL)
		return NULL;
	item = s->item;
	*s = (struct hash_slot){ 1, NULL };
	h->count--;
	marks_clear(h, (size_t)(s - h->slots));
	return item;
}

void *
hash_next(const struct hash *h, size_t *pos)
{
	while (*pos < h->cap) {
		void *item = h->slots[(*pos)++].item;

		if (item != NULL)
			return item;
	}
	return NULL;
}

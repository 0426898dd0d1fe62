/*
 * memory_map.h - an ordered map of byte strings (a skip list), for the engine in memory. Not
 * locked.
 */
#ifndef KV_MEMORY_MAP_H
#define KV_MEMORY_MAP_H

#include "base/str.h"

#define MEMORY_MAP_LEVELS 16

struct memory_node {
	struct str key, value; /* owned */
	unsigned level;
	struct memory_node *prev; /* NULL: the first */
	struct memory_node *next[];
};

struct memory_map {
	struct memory_node *head[MEMORY_MAP_LEVELS];
	struct memory_node *last;
	uint64_t seed; /* of the levels */
	size_t count;
};

void memory_map_init(struct memory_map *m, uint64_t seed);
void memory_map_done(struct memory_map *m);
/** The node with this key, or NULL. */
struct memory_node *memory_map_find(const struct memory_map *m, struct str key);
/** The first node whose key is not below, or NULL. */
struct memory_node *memory_map_from(const struct memory_map *m, struct str key);
/** The last node whose key is below, or NULL. */
struct memory_node *memory_map_below(const struct memory_map *m, struct str key);
/** Sets a value; both are copied. */
void memory_map_set(struct memory_map *m, struct str key, struct str value);
/** Takes a key out, when it is there. */
void memory_map_remove(struct memory_map *m, struct str key);

#endif

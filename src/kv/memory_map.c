/* memory_map.c - see memory_map.h. */
#include "kv/memory_map.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/size.h"

#include <stdlib.h>

void
memory_map_init(struct memory_map *m, uint64_t seed)
{
	memset(m, 0, sizeof(*m));
	m->seed = seed;
}

static struct str
bytes_dup(struct str s)
{
	char *p = xmalloc(MAX(s.n, 1));

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return str_make(p, s.n);
}

static void
bytes_drop(struct str s)
{
	free((char *)s.p);
}

static void
node_free(struct memory_node *n)
{
	bytes_drop(n->key);
	bytes_drop(n->value);
	free(n);
}

void
memory_map_done(struct memory_map *m)
{
	for (struct memory_node *n = m->head[0], *next; n != NULL; n = next) {
		next = n->next[0];
		node_free(n);
	}
	memory_map_init(m, m->seed);
}

/*
 * The last node below key; its links, or the head's, of every level in links_out (NULL: not
 * wanted).
 */
static struct memory_node *
descend(const struct memory_map *m, struct str key, struct memory_node ***links_out)
{
	struct memory_node *below = NULL;

	for (int level = MEMORY_MAP_LEVELS - 1; level >= 0; level--) {
		struct memory_node *const *link = below != NULL ? below->next : m->head;

		while (link[level] != NULL && str_cmp(link[level]->key, key) < 0) {
			below = link[level];
			link = below->next;
		}
		if (links_out != NULL)
			links_out[level] = (struct memory_node **)&link[level];
	}
	return below;
}

struct memory_node *
memory_map_below(const struct memory_map *m, struct str key)
{
	return descend(m, key, NULL);
}

struct memory_node *
memory_map_from(const struct memory_map *m, struct str key)
{
	struct memory_node *below = descend(m, key, NULL);

	return below != NULL ? below->next[0] : m->head[0];
}

struct memory_node *
memory_map_find(const struct memory_map *m, struct str key)
{
	struct memory_node *n = memory_map_from(m, key);

	return n != NULL && str_eq(n->key, key) ? n : NULL;
}

void
memory_map_set(struct memory_map *m, struct str key, struct str value)
{
	struct memory_node **links[MEMORY_MAP_LEVELS];
	struct memory_node *below = descend(m, key, links);
	struct memory_node *n = *links[0];
	struct str copy = bytes_dup(value);
	unsigned level = 1;

	if (n != NULL && str_eq(n->key, key)) {
		bytes_drop(n->value);
		n->value = copy;
		return;
	}
	for (uint64_t r = hash_u64(++m->seed); level < MEMORY_MAP_LEVELS && (r & 3) == 0; r >>= 2)
		level++;
	n = xmalloc(size_add(sizeof(*n), level * sizeof(n->next[0])));
	n->key = bytes_dup(key);
	n->value = copy;
	n->level = level;
	n->prev = below;
	for (unsigned i = 0; i < level; i++) {
		n->next[i] = *links[i];
		*links[i] = n;
	}
	if (n->next[0] != NULL)
		n->next[0]->prev = n;
	else
		m->last = n;
	m->count++;
}

void
memory_map_remove(struct memory_map *m, struct str key)
{
	struct memory_node **links[MEMORY_MAP_LEVELS];
	struct memory_node *n;

	descend(m, key, links);
	n = *links[0];
	if (n == NULL || !str_eq(n->key, key))
		return;
	for (unsigned i = 0; i < n->level; i++)
		*links[i] = n->next[i];
	if (n->next[0] != NULL)
		n->next[0]->prev = n->prev;
	else
		m->last = n->prev;
	m->count--;
	node_free(n);
}

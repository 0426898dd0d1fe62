/*
 * memory_undo.c - changes rows in memory so that a power cut can take them back.
 */
#include "base/size.h"
#include "kv/memory_int.h"

#include <stdlib.h>

void
memory_undo_forget(struct memory *m)
{
	for (size_t i = 0; i < m->undo_count; i++) {
		free(m->undo[i].key);
		kv_bytes_unref(m->undo[i].value);
	}
	m->undo_count = 0;
}

static void
undo_note(struct memory *m, struct memory_map *map, struct str key)
{
	const struct memory_node *n = memory_map_find(map, key);

	if (m->undo_count == m->undo_cap) {
		m->undo_cap = m->undo_cap == 0 ? 64 : size_mul(m->undo_cap, 2);
		m->undo = xrealloc(m->undo, size_mul(m->undo_cap, sizeof(*m->undo)));
	}
	m->undo[m->undo_count++] = (struct undo){ .map = map,
		.key = xstrdup(key),
		.key_length = key.n,
		.value = n != NULL ? kv_bytes_copy(n->value) : NULL };
}

void
memory_set(struct memory *m, struct memory_map *map, struct str key, struct str value)
{
	undo_note(m, map, key);
	memory_map_set(map, key, value);
}

void
memory_remove(struct memory *m, struct memory_map *map, struct str key)
{
	undo_note(m, map, key);
	memory_map_remove(map, key);
}

void
memory_undo_play(struct memory *m)
{
	for (size_t i = m->undo_count; i-- > 0;) {
		struct undo *u = &m->undo[i];
		struct str key = str_make(u->key, u->key_length);

		if (u->value != NULL) {
			memory_map_set(u->map, key, u->value->s);
		} else {
			struct memory_node *n = memory_map_find(u->map, key);
			struct blob_row row;

			if (u->map == &m->blobs && n != NULL) {
				memcpy(&row, n->value.p, sizeof(row));
				kv_bytes_unref(row.bytes);
			}
			memory_map_remove(u->map, key);
		}
	}
	memory_undo_forget(m);
}

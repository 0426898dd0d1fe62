/*
 * rocks_bounds.c - where one table of a family ends and the next begins.
 *
 * RocksDB 7.8 has a fault: an iterator that goes on from one table of a level to the next, and
 * can't read that one (it is damaged, or the read is to be from memory only and it is not there),
 * goes on behind it without a word, as if it were empty (MergingIterator forgets the status when it
 * skips the sentinel between two files; later versions don't). A seek tells. So whoever iterates
 * seeks anew to the first key of each table that it comes to.
 */
#include "base/size.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

uint64_t
rocks_tables_version(struct rocks *r, enum rocks_cf cf)
{
	uint64_t version = 0;

	/* It says nothing only of a family that is closed. */
	must(rocksdb_property_int_cf(r->db, r->cf[cf], "rocksdb.current-super-version-number",
		 &version)
	    == 0);
	return version;
}

static struct rocks_bounds *
bounds_make(struct rocks *r, enum rocks_cf cf, uint64_t version)
{
	struct rocks_bounds *b;
	size_t bytes = 0, n = 0;
	char *all = rocks_table_bounds(r->db, r->cf[cf], &bytes);
	uint32_t length;

	must(all != NULL);
	for (size_t at = 0; at < bytes; at += sizeof(length) + length, n++)
		memcpy(&length, all + at, sizeof(length));
	b = xmalloc(size_add(sizeof(*b), size_mul(n, sizeof(b->keys[0]))));
	atomic_init(&b->refs, 1);
	b->version = version;
	b->bytes = all;
	b->n = 0;
	for (size_t at = 0; at < bytes; at += sizeof(length) + length) {
		memcpy(&length, all + at, sizeof(length));
		b->keys[b->n++] = str_make(all + at + sizeof(length), length);
	}
	return b;
}

void
rocks_bounds_unref(struct rocks_bounds *b)
{
	if (b == NULL || atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	free(b->bytes);
	free(b);
}

struct rocks_bounds *
rocks_bounds_get(struct rocks *r, enum rocks_cf cf)
{
	uint64_t version = rocks_tables_version(r, cf);
	struct rocks_bounds *b, *old;

	pthread_mutex_lock(&r->bounds_lock);
	b = r->bounds[cf];
	if (b != NULL && b->version == version) {
		atomic_fetch_add(&b->refs, 1);
		pthread_mutex_unlock(&r->bounds_lock);
		return b;
	}
	pthread_mutex_unlock(&r->bounds_lock);
	/* The tables may be newer than their number: then the next who asks makes it again. */
	b = bounds_make(r, cf, version);
	atomic_fetch_add(&b->refs, 1);
	pthread_mutex_lock(&r->bounds_lock);
	old = r->bounds[cf];
	r->bounds[cf] = b;
	pthread_mutex_unlock(&r->bounds_lock);
	rocks_bounds_unref(old);
	return b;
}

size_t
rocks_bounds_above(const struct rocks_bounds *b, struct str key)
{
	size_t low = 0, high = b->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (str_cmp(b->keys[mid], key) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

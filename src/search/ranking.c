/* ranking.c - see ranking.h. A list, gone through once for each change of many messages. */
#include "search/ranking.h"

#include "base/size.h"

#include <stdlib.h>

void
ranking_init(struct ranking *r, size_t bytes_max)
{
	*r = (struct ranking){ .keys = BUF_MAX(bytes_max) };
}

void
ranking_done(struct ranking *r)
{
	free(r->list);
	buf_done(&r->keys);
	*r = (struct ranking){ 0 };
}

static struct str
key_of(const struct ranking *r, const struct ranked *m)
{
	return str_make(r->keys.p + m->key_at, m->key_n);
}

static void
reserve(struct ranking *r, size_t n)
{
	if (n <= r->cap)
		return;
	r->cap = MAX(n, MAX(r->cap + r->cap / 2, (size_t)16));
	r->list = xrealloc(r->list, size_mul(r->cap, sizeof(*r->list)));
}

static struct ranked
keep_key(struct ranking *r, uint32_t uid, struct str key)
{
	struct ranked m = { .uid = uid, .key_at = (uint32_t)r->keys.n, .key_n = (uint32_t)key.n };

	buf_str_add(&r->keys, key);
	return m;
}

void
ranking_append(struct ranking *r, uint32_t uid, struct str key)
{
	if (ranking_is_over(r))
		return;
	reserve(r, r->n + 1);
	r->list[r->n++] = keep_key(r, uid, key);
}

/* Once half of the keys are of messages that are gone. */
static void
drop_unused(struct ranking *r)
{
	struct buf keys = BUF_MAX(r->keys.max);

	if (r->unused_bytes <= r->keys.n / 2)
		return;
	for (size_t i = 0; i < r->n; i++) {
		struct str key = key_of(r, &r->list[i]);

		r->list[i].key_at = (uint32_t)keys.n;
		buf_str_add(&keys, key);
	}
	buf_done(&r->keys);
	r->keys = keys;
	r->unused_bytes = 0;
}

void
ranking_remove(struct ranking *r, const struct rangeset *uids, struct place **places_out,
    size_t *n_out)
{
	struct place *places =
	    xmalloc(size_mul(MIN(rangeset_count(uids), (uint64_t)r->n) + 1, sizeof(*places)));
	size_t kept = 0, gone = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct ranked m = r->list[i];

		if (!rangeset_contains(uids, m.uid)) {
			r->list[kept++] = m;
			continue;
		}
		places[gone++] = (struct place){ (uint32_t)kept + 1, m.uid };
		r->unused_bytes += m.key_n;
	}
	r->n = kept;
	drop_unused(r);
	*places_out = places;
	*n_out = gone;
}

/* How many have a key below it. */
static size_t
rank(const struct ranking *r, struct str key)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (str_cmp(key_of(r, &r->list[middle]), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void
ranking_insert(struct ranking *r, const struct ranking *added, struct place **places_out,
    size_t *n_out)
{
	struct place *places = xmalloc(size_mul(added->n + 1, sizeof(*places)));
	const size_t total = r->n + added->n;

	*places_out = places;
	*n_out = 0;
	if (ranking_is_over(r) || ranking_is_over(added))
		return;
	reserve(r, r->n + added->n);
	/*
	 * From the last to the first, so that each message moves once; n is how many are still in
	 * their old places.
	 */
	for (size_t i = added->n; i-- > 0;) {
		struct str key = key_of(added, &added->list[i]);
		size_t at = rank(r, key);

		memmove(&r->list[at + i + 1], &r->list[at], (r->n - at) * sizeof(*r->list));
		r->list[at + i] = keep_key(r, added->list[i].uid, key);
		places[i] = (struct place){ (uint32_t)(at + i) + 1, added->list[i].uid };
		r->n = at;
	}
	r->n = total;
	*n_out = added->n;
}

bool
ranking_is_over(const struct ranking *r)
{
	return buf_err(&r->keys) != ERR_OK;
}

size_t
ranking_bytes(const struct ranking *r)
{
	return r->cap * sizeof(*r->list) + r->keys.cap;
}

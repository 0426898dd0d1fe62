/*
 * seqset_fuzz.c - reads a sequence set; what it resolves to must be sorted, apart, and come back
 * from its own text.
 */
#include "imap/seqset.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct rangeset *r)
{
	for (size_t i = 0; i < r->n; i++) {
		must(r->r[i].first >= 1 && r->r[i].first <= r->r[i].last);
		must(i == 0 || (uint64_t)r->r[i].first > (uint64_t)r->r[i - 1].last + 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	struct seqset set;

	if (seqset_parse(&a, str_make(data, size), &set) == ERR_OK) {
		RANGESET_CLEAN struct rangeset r = RANGESET_NONE, again = RANGESET_NONE,
					       x = RANGESET_NONE, y = RANGESET_NONE;
		BUF_CLEAN struct buf b = BUF_MAX(SIZE_MAX / 2);

		seqset_resolve(&set, 17, NULL, &r);
		check(&r);
		rangeset_format(&r, &b);
		must(rangeset_parse(buf_str(&b), &again) == ERR_OK && rangeset_eq(&r, &again));
		/* r without its middle, and the middle alone, are r again. */
		if (r.n > 0) {
			uint32_t v = r.r[r.n / 2].first;

			rangeset_remove(&again, v, v);
			check(&again);
			must(!rangeset_contains(&again, v));
			rangeset_subtract(&x, &r, &again);
			check(&x);
			must(rangeset_count(&x) == 1 && rangeset_contains(&x, v));
			rangeset_union(&y, &x, &again);
			must(rangeset_eq(&y, &r));
			rangeset_add(&again, v, v);
			must(rangeset_eq(&again, &r));
		}
	}
	arena_done(&a);
	return 0;
}

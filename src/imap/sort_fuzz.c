/* sort_fuzz.c - reads the arguments of a SORT, and of a THREAD. */
#include "imap/sort.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_sort(const struct imap_sort *s)
{
	unsigned seen = 0;

	must(s->n > 0 && s->n <= SORT_CRITERIA_MAX && s->search.root != NULL);
	for (size_t i = 0; i < s->n; i++) {
		must(s->criteria[i].key < SORT_KEYS
		    && (s->criteria[i].key == SORT_ANNOTATION
			|| (seen & 1u << s->criteria[i].key) == 0));
		seen |= 1u << s->criteria[i].key;
	}
	must((s->search.returns & RETURN_PARTIAL) == 0
	    || (s->search.partial.first > 0 && s->search.partial.first <= s->search.partial.last));
	must((s->search.returns & RETURN_PARTIAL) == 0 || (s->search.returns & RETURN_ALL) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	struct imap_thread thread;
	struct imap_sort sort;
	struct imap_scan s;
	enum err e;

	imap_scan_init(&s, &a, str_make(data, size), false);
	e = imap_sort_parse(&s, &sort);
	must((e == ERR_OK) == (imap_scan_err(&s) == ERR_OK));
	if (e == ERR_OK)
		check_sort(&sort);
	imap_scan_init(&s, &a, str_make(data, size), false);
	e = imap_thread_parse(&s, &thread);
	must((e == ERR_OK) == (imap_scan_err(&s) == ERR_OK));
	must(e != ERR_OK || thread.search.root != NULL);
	arena_done(&a);
	return 0;
}

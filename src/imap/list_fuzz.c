/*
 * list_fuzz.c - reads a LIST and runs its patterns over names, against a matcher that is slow and
 * plain.
 */
#include "imap/list.h"
#include "imap/listmatch.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether p matches the rest of n, by a table from the end: the definition written down. */
static bool
matches(struct str p, struct str n)
{
	bool row[64] = { false }, next[64];

	for (size_t i = p.n + 1; i-- > 0;) {
		for (size_t j = n.n + 1; j-- > 0;) {
			if (i == p.n)
				next[j] = j == n.n;
			else if (p.p[i] == '*' || p.p[i] == '%')
				next[j] = row[j]
				    || (j < n.n && (p.p[i] == '*' || n.p[j] != '/') && next[j + 1]);
			else
				next[j] = j < n.n && p.p[i] == n.p[j] && row[j + 1];
		}
		memcpy(row, next, sizeof(row));
	}
	return row[0];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str names[] = {
		STR_INIT("a"),
		STR_INIT("a/b"),
		STR_INIT("ab/ba/a"),
		STR_INIT("INBOX"),
		STR_INIT("aaaa/aaaa/aaab/bbbb"),
		STR_INIT("%*"),
	};
	struct arena a = ARENA_NONE;
	struct imap_scan s;
	struct imap_list l;

	imap_scan_init(&s, &a, str_make(data, size), true);
	if (imap_list_parse(&s, &l) == ERR_OK && l.n_patterns > 0) {
		struct imap_listmatch *m = imap_listmatch_new(&a, l.patterns, l.n_patterns, '/');

		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			bool want = false, has_inbox = false;

			for (size_t j = 0; j < l.n_patterns; j++) {
				has_inbox =
				    has_inbox || str_starts_nocase(l.patterns[j], STR("INBOX"));
				want = want || matches(l.patterns[j], names[i]);
			}
			must(has_inbox
			    || ((imap_listmatch_run(m, names[i]) & LISTMATCH_YES) != 0) == want);
		}
	}
	arena_done(&a);
	return 0;
}

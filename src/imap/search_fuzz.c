/*
 * search_fuzz.c - reads a SEARCH, and an ESEARCH; the tree must be within its bounds and its
 * strings UTF-8.
 */
#include "imap/esearch.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
check_tree(const struct imap_search_key *k, size_t depth)
{
	size_t keys = 1, children = 0;

	must(depth <= SEARCH_DEPTH_MAX + 2);
	must(str_is_utf8(k->text));
	for (const struct imap_search_key *c = k->children; c != NULL; c = c->next) {
		children++;
		keys += check_tree(c, depth + 1);
	}
	must((k->kind == SEARCH_AND || k->kind == SEARCH_OR) == (children > 0));
	must(k->kind != SEARCH_OR || children == 2);
	return keys;
}

/*
 * Filters for the fuzzer: some that are good, one that names itself, and any other name is a
 * program by itself.
 */
static bool
find_filter(unused_arg void *ctx, struct str name, struct str *value_out)
{
	static const struct {
		struct str name, value;
	} known[] = {
		{ STR_INIT("on-the-road"), STR_INIT("OR SMALLER 5000 FROM \"boss@example.com\"") },
		{ STR_INIT("a"), STR_INIT("FILTER b SUBJECT {3}\r\nx y") },
		{ STR_INIT("b"), STR_INIT("NOT FILTER on-the-road FILTER on-the-road") },
		{ STR_INIT("loop"), STR_INIT("SEEN FILTER loop") },
		{ STR_INIT("bad"), STR_INIT("OR SMALLER") },
		{ STR_INIT("none"), { 0 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_eq_nocase(known[i].name, name)) {
			*value_out = known[i].value;
			return known[i].value.p != NULL;
		}
	}
	*value_out = name;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct imap_filters filters = { .find = find_filter };
	struct arena a = ARENA_NONE;
	struct imap_scan s;
	struct imap_esearch x;
	struct imap_search p;
	enum err e;

	imap_scan_init(&s, &a, str_make(data, size), false);
	s.filters = &filters;
	e = imap_search_parse(&s, &p);
	must((e == ERR_OK) == (imap_scan_err(&s) == ERR_OK));
	if (e == ERR_OK)
		must(check_tree(p.root, 0) <= SEARCH_KEYS_MAX);
	imap_scan_init(&s, &a, str_make(data, size), false);
	e = imap_esearch_parse(&s, &x);
	must((e == ERR_OK) == (imap_scan_err(&s) == ERR_OK));
	if (e == ERR_OK)
		must(check_tree(x.search.root, 0) <= SEARCH_KEYS_MAX
		    && (x.sources != 0 || x.names != NULL));
	arena_done(&a);
	return 0;
}

/* search_fuzz.c - reads a SEARCH, and an ESEARCH; the tree must be within its bounds and its strings UTF-8. */
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	struct imap_scan s;
	struct imap_esearch x;
	struct imap_search p;
	enum err e;

	imap_scan_init(&s, &a, str_make(data, size), false);
	e = imap_search_parse(&s, &p);
	must((e == ERR_OK) == (imap_scan_err(&s) == ERR_OK));
	if (e == ERR_OK)
		must(check_tree(p.root, 0) <= SEARCH_KEYS_MAX);
	imap_scan_init(&s, &a, str_make(data, size), false);
	e = imap_esearch_parse(&s, &x);
	must((e == ERR_OK) == (imap_scan_err(&s) == ERR_OK));
	if (e == ERR_OK)
		must(check_tree(x.search.root, 0) <= SEARCH_KEYS_MAX && (x.sources != 0 || x.names != NULL));
	arena_done(&a);
	return 0;
}

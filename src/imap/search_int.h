/*
 * search_int.h - the parser of SEARCH: search.c keeps the stack of keys that are not complete,
 * search_key.c reads those that have no keys below them, search_filter.c the filters that stand for
 * keys.
 */
#ifndef IMAP_SEARCH_INT_H
#define IMAP_SEARCH_INT_H

#include "imap/scan.h"
#include "imap/search.h"

struct mime_charset;

/* A key that waits for keys below it. */
struct open_key {
	enum { OPEN_TOP, OPEN_LIST, OPEN_NOT, OPEN_OR, OPEN_FUZZY } what;
	struct imap_search_key *key; /* AND or OR; NULL for NOT and FUZZY */
	struct imap_search_key **next_child;
	unsigned n_children;
};

/* A filter whose words are being read, and where they stand. */
struct open_filter {
	struct str name;
	struct imap_scan *outer;
};

struct search_parser {
	struct imap_scan *s; /* of the command, or of the innermost filter */
	struct imap_search *out;
	struct open_filter filters[SEARCH_FILTER_DEPTH_MAX];
	size_t n_filters;
	size_t filter_bytes;
	/* of a filter by itself: those that it names are not looked into */
	bool is_check;
	struct mime_charset *charset; /* NULL: UTF-8 */
	struct open_key stack[SEARCH_DEPTH_MAX + 1];
	size_t depth;
	size_t n_fuzzy; /* FUZZY on the stack */
	size_t n_keys;
};

/* search_key.c */
/** A key that waits to be filled; NULL: there are too many. */
struct imap_search_key *search_key_new(struct search_parser *p, enum imap_search_kind kind);
/** A key without keys below it; NULL: there is none. */
struct imap_search_key *search_key_take(struct search_parser *p);

/* search_filter.c */
/** "FILTER" was taken. In a check it is any key. */
bool search_filter_take(struct search_parser *p);
/** A key has ended, and with it perhaps the filter that it stands in. */
void search_filters_leave(struct search_parser *p);

#endif

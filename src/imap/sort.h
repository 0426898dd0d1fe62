/*
 * sort.h - what SORT and THREAD ask for (RFC 5256; RFC 5957 for display names, RFC 5267 3 for
 * RETURN, RFC 6203 for RELEVANCY).
 */
#ifndef IMAP_SORT_H
#define IMAP_SORT_H

#include "imap/search.h"

enum imap_sort_key {
	SORT_ANNOTATION, /* entry, is_shared (RFC 5257 4.9) */
	SORT_ARRIVAL,
	SORT_CC,
	SORT_DATE,
	SORT_DISPLAYFROM,
	SORT_DISPLAYTO,
	SORT_FROM,
	SORT_RELEVANCY, /* RFC 6203 6: the most relevant first; only with FUZZY keys */
	SORT_SIZE,
	SORT_SUBJECT,
	SORT_TO,
	SORT_KEYS
};

struct imap_sort_criterion {
	enum imap_sort_key key;
	bool is_reverse;
	struct str entry;
	bool is_shared;
};

enum { SORT_ANNOTATIONS_MAX = 8, SORT_CRITERIA_MAX = SORT_KEYS + SORT_ANNOTATIONS_MAX };

struct imap_sort {
	/* A key that comes again decides nothing any more and is left out. */
	struct imap_sort_criterion criteria[SORT_CRITERIA_MAX];
	size_t n;
	struct imap_search search;
};

/**
 * Parses from after "SORT SP" to the end: ["RETURN (...)" SP] "(" criteria ")" SP charset SP keys.
 * Errors are those of imap_search_parse(), and as there out->search.returns is set as far as it was
 * read.
 */
must_use enum err imap_sort_parse(struct imap_scan *s, struct imap_sort *out);

enum imap_thread_algorithm {
	THREAD_ORDEREDSUBJECT,
	THREAD_REFERENCES,
	THREAD_REFS, /* draft-ietf-morg-inthread */
};

struct imap_thread {
	enum imap_thread_algorithm algorithm;
	struct imap_search search;
};

/**
 * Parses from after "THREAD SP" to the end: algorithm SP charset SP keys. Errors are those of
 * imap_search_parse().
 */
must_use enum err imap_thread_parse(struct imap_scan *s, struct imap_thread *out);

#endif

/*
 * list.h - arguments of LIST, LSUB and XLIST (RFC 9051 6.3.9; RFC 5258, 5819, 6154, 9590).
 *
 * Reference and patterns are decoded to UTF-8; a pattern already has the reference before it (RFC
 * 9051 6.3.9: they are joined), unless it stands alone as the question for the separator.
 */
#ifndef IMAP_LIST_H
#define IMAP_LIST_H

#include "imap/metadata.h"
#include "imap/status.h"

enum { LIST_PATTERNS_MAX = 128, LIST_PATTERN_BYTES_MAX = 1024 };

enum imap_list_select {
	LIST_SELECT_SUBSCRIBED = 1 << 0,
	LIST_SELECT_REMOTE = 1 << 1, /* nothing is remote here: changes nothing */
	LIST_SELECT_RECURSIVEMATCH = 1 << 2,
	LIST_SELECT_SPECIAL_USE = 1 << 3,
};

enum imap_list_return {
	LIST_RETURN_SUBSCRIBED = 1 << 0,
	LIST_RETURN_CHILDREN = 1 << 1,
	LIST_RETURN_SPECIAL_USE = 1 << 2,
	LIST_RETURN_STATUS = 1 << 3,
	LIST_RETURN_MYRIGHTS = 1 << 4, /* RFC 8440 */
	LIST_RETURN_METADATA = 1 << 5, /* RFC 9590 */
};

struct imap_list {
	/* selection options, several patterns or RETURN stood there */
	bool is_extended;
	unsigned select;               /* enum imap_list_select bits */
	unsigned returns;              /* enum imap_list_return bits */
	unsigned status_items;         /* enum imap_status_att bits of RETURN (STATUS (...)) */
	struct imap_metadata metadata; /* entries of RETURN (METADATA (...)) */
	struct str reference;
	struct str *patterns;
	size_t n_patterns;
	/*
	 * one empty pattern, and no option: asks for the separator and the root of the reference
	 */
	bool is_root_query;
};

/**
 * Parses from after "LIST SP" to the end. ERR_SYNTAX for RECURSIVEMATCH without another option (RFC
 * 9051 6.3.9.1).
 */
must_use enum err imap_list_parse(struct imap_scan *s, struct imap_list *out);
/** LSUB and XLIST: reference and one pattern. */
must_use enum err imap_list_parse_plain(struct imap_scan *s, struct imap_list *out);

#endif

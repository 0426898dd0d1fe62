/*
 * esearch.h - what an ESEARCH asks for: a search program, and the mailboxes to search (RFC 7377;
 * RFC 5465 6 for their words).
 */
#ifndef IMAP_ESEARCH_H
#define IMAP_ESEARCH_H

#include "imap/search.h"

enum { ESEARCH_NAMES_MAX = 1000 }; /* names in one command */

enum imap_source {
	SOURCE_SELECTED = 1 << 0,
	SOURCE_INBOXES = 1 << 1,
	SOURCE_PERSONAL = 1 << 2,
	SOURCE_SUBSCRIBED = 1 << 3,
};

enum imap_source_depth {
	SOURCE_MAILBOX,     /* the mailbox itself */
	SOURCE_SUBTREE_ONE, /* and what is right below it */
	SOURCE_SUBTREE,     /* and all below it */
};

struct imap_source_name {
	struct imap_source_name *next;
	enum imap_source_depth depth;
	struct str name;
};

struct imap_esearch {
	/* enum imap_source; SOURCE_SELECTED when none is named */
	unsigned sources;
	struct imap_source_name *names; /* in the order in which they were written */
	/* ALL when no result is asked for; sequence numbers above EXISTS are no error */
	struct imap_search search;
};

/**
 * Parses from after "ESEARCH SP" to the end: ["IN (" sources ")" SP] ["RETURN (...)" SP] ["CHARSET"
 * SP charset SP] keys. Errors are those of imap_search_parse(), and as there out->search.returns is
 * set as far as it was read.
 */
must_use enum err imap_esearch_parse(struct imap_scan *s, struct imap_esearch *out);

#endif

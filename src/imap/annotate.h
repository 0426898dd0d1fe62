/*
 * annotate.h - annotations of messages in the words of commands (RFC 5257 5): names of entries,
 * attributes, values.
 *
 * Each attribute is private or shared: "value.priv", "value.shared". Entries whose name begins with
 * a digit are of a part of the message: "/1.2/comment". Names and attributes are told apart with
 * regard to case (3.2).
 */
#ifndef IMAP_ANNOTATE_H
#define IMAP_ANNOTATE_H

#include "imap/scan.h"

enum {
	ANNOTATE_NAME_MAX = 255,
	ANNOTATE_ENTRIES_MAX = 256, /* names, or values, in one item of a command */
	/* of the names, those with wildcards: each is tried on every name that is there */
	ANNOTATE_PATTERNS_MAX = 16,
	ANNOTATE_DEPTH_MAX = 100, /* numbers in the part of a name */
};

enum imap_annotate_att {
	ANNOTATE_VALUE_PRIV = 1 << 0,
	ANNOTATE_VALUE_SHARED = 1 << 1,
	ANNOTATE_SIZE_PRIV = 1 << 2,
	ANNOTATE_SIZE_SHARED = 1 << 3,
	ANNOTATE_PRIV = ANNOTATE_VALUE_PRIV | ANNOTATE_SIZE_PRIV,
	ANNOTATE_SHARED = ANNOTATE_VALUE_SHARED | ANNOTATE_SIZE_SHARED,
};

/* What FETCH asks for: "(entries attribs)". */
struct imap_annotate_fetch {
	struct imap_annotate_fetch *next; /* another item of the same FETCH */
	struct str *names;                /* whole names, each once */
	size_t name_count;
	struct str *patterns; /* those with wildcards */
	size_t pattern_count;
	unsigned atts;
};

/* What STORE and APPEND set. */
struct imap_annotate_value {
	struct str entry;
	bool is_shared;
	struct str value; /* p == NULL: NIL */
};

struct imap_annotate_store {
	/* of an entry and scope that come again, the last */
	struct imap_annotate_value *values;
	size_t count;
};

/** Parses "(entries SP attribs)" behind "ANNOTATION SP". */
must_use bool imap_annotate_fetch(struct imap_scan *s, struct imap_annotate_fetch *out);
/**
 * Parses "(entry SP (att-value ...) ...)" behind "ANNOTATION SP". ERR_EXISTS is noted when it ends
 * in a literal that is announced and not there yet (APPEND).
 */
must_use bool imap_annotate_store(struct imap_scan *s, struct imap_annotate_store *out);
/** Parses entry-match SP att-search: atts are of the values. */
must_use bool imap_annotate_search(struct imap_scan *s, struct str *pattern_out,
    unsigned *atts_out);
/** Parses entry SP att-sort. */
must_use bool imap_annotate_sort(struct imap_scan *s, struct str *entry_out, bool *is_shared_out);
/** nstring / literal8. */
must_use bool imap_annotate_value(struct imap_scan *s, struct str *out);

bool imap_annotate_is_pattern(struct str name);
/** The part that a name is about: how many numbers, 0: the message. The name has been parsed. */
size_t imap_annotate_part(struct str name, uint32_t path[ANNOTATE_DEPTH_MAX]);

#endif

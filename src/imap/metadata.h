/*
 * metadata.h - arguments of GETMETADATA and SETMETADATA (RFC 5464 5), entries of LIST's RETURN
 * (METADATA (...)) (RFC 9590).
 */
#ifndef IMAP_METADATA_H
#define IMAP_METADATA_H

#include "imap/scan.h"

enum { METADATA_NAME_MAX = 1024, METADATA_ENTRIES_MAX = 1000, METADATA_DEPTH_INFINITY = 2 };

struct metadata_entry {
	struct str name;  /* "/private/comment", as the client wrote it */
	struct str value; /* p == NULL: NIL */
};

struct imap_metadata {
	bool is_server; /* the mailbox's name is empty */
	struct str mailbox;
	bool has_maxsize;
	uint32_t maxsize;
	unsigned depth; /* 0, 1, METADATA_DEPTH_INFINITY */
	struct metadata_entry *entries;
	size_t count;
};

/** Options may stand before the mailbox, as in the grammar, or behind it, as in the examples. */
must_use enum err imap_getmetadata_parse(struct imap_scan *s, struct imap_metadata *out);
must_use enum err imap_setmetadata_parse(struct imap_scan *s, struct imap_metadata *out);
/** "(entry entry ...)", at least one. */
must_use bool imap_metadata_entries(struct imap_scan *s, struct imap_metadata *out);

/** Whether an entry is private; otherwise it is shared. */
bool imap_metadata_is_private(struct str entry);
/** Whether an entry is base, or below it and not deeper than the depth. */
bool imap_metadata_covers(struct str base, unsigned depth, struct str entry);

#endif

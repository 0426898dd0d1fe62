/*
 * address.h - address lists (RFC 5322 3.4 with the obsolete forms, RFC 6532), tolerant of all that
 * is sent as such.
 */
#ifndef MIME_ADDRESS_H
#define MIME_ADDRESS_H

#include "base/str.h"

struct arena;

enum mime_address_kind {
	MIME_ADDR_MAILBOX,
	MIME_ADDR_GROUP, /* a group begins: name is its name; its members follow */
	MIME_ADDR_GROUP_END,
};

/* Absent texts have p == NULL. Quoting and comments are undone; encoded words are not decoded. */
struct mime_address {
	struct mime_address *next;
	enum mime_address_kind kind;
	struct str name;    /* display name, or the comment behind an address without one */
	struct str route;   /* "@a,@b" of the obsolete form */
	struct str mailbox; /* local part; may be empty */
	struct str host;    /* absent when there was no "@" */
};

/**
 * Never fails: what is no address at all becomes a mailbox without host. At most
 * MIME_MAX_ADDRESSES; NULL when empty.
 */
struct mime_address *mime_address_parse(struct arena *a, struct str value);
/** The first of what that gives. The others, if there are any, are not read. */
struct mime_address *mime_address_first(struct arena *a, struct str value);

#endif

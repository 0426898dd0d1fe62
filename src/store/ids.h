/*
 * ids.h - the numbers of the mailbox model, as types that can't be mixed up. Flags and keywords are
 * those of imap/flags.h.
 */
#ifndef STORE_IDS_H
#define STORE_IDS_H

#include "imap/flags.h"

#include <stdint.h>

struct uid {
	uint32_t v;
}; /* RFC 9051 2.3.1.1; 0 is none */

struct seqnum {
	uint32_t v;
}; /* 1 … EXISTS; 0 is none */

struct msgno {
	uint32_t v;
}; /* message record in an account; never reused; 0 is none */

struct mailbox_id {
	uint64_t v;
}; /* never reused; 0 is none */

/* Special uses (RFC 6154, RFC 8457), as bits of a mailbox. */
enum {
	USE_ALL = 1 << 0,
	USE_ARCHIVE = 1 << 1,
	USE_DRAFTS = 1 << 2,
	USE_FLAGGED = 1 << 3,
	USE_JUNK = 1 << 4,
	USE_SENT = 1 << 5,
	USE_TRASH = 1 << 6,
	USE_IMPORTANT = 1 << 7,
};

#endif

/* status.h - items of STATUS (RFC 9051 6.3.11; RFC 7162, 7889, 8438, 8474, 9208). */
#ifndef IMAP_STATUS_H
#define IMAP_STATUS_H

#include "imap/scan.h"

enum imap_status_att {
	STATUS_MESSAGES = 1 << 0,
	STATUS_RECENT = 1 << 1, /* gone in RFC 9051, still told to whoever asks */
	STATUS_UIDNEXT = 1 << 2,
	STATUS_UIDVALIDITY = 1 << 3,
	STATUS_UNSEEN = 1 << 4,
	STATUS_DELETED = 1 << 5,
	STATUS_SIZE = 1 << 6,
	STATUS_HIGHESTMODSEQ = 1 << 7,
	STATUS_APPENDLIMIT = 1 << 8,
	STATUS_MAILBOXID = 1 << 9,
	STATUS_DELETED_STORAGE = 1 << 10, /* RFC 9208 4.1.4 */
};

/** Parses "(MESSAGES UNSEEN ...)", at least one item. */
must_use bool imap_status_items(struct imap_scan *s, unsigned *items_out);
/** "MESSAGES" for one bit. */
struct str imap_status_name(unsigned bit);

#endif

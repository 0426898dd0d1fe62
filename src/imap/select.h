/* select.h - arguments of SELECT and EXAMINE (RFC 9051 6.3.2, RFC 7162 3.1.8 and 3.2.5). */
#ifndef IMAP_SELECT_H
#define IMAP_SELECT_H

#include "imap/scan.h"

struct imap_select {
	struct str mailbox;
	bool is_condstore;
	bool is_annotate; /* changed annotations are to be told (RFC 5257 4.2) */
	bool is_qresync;  /* the caller checks that QRESYNC is enabled */
	uint32_t uidvalidity;
	uint64_t modseq;
	bool has_known_uids;
	struct rangeset known_uids; /* heap: imap_select_done() */
	/* known sequence numbers and their UIDs, pair by pair, as many of each */
	bool has_seq_match;
	struct rangeset match_seqs, match_uids;
};

/**
 * Parses from after "SELECT SP" to the end. On any result imap_select_done() may and must be
 * called.
 */
must_use enum err imap_select_parse(struct imap_scan *s, struct imap_select *out);
void imap_select_done(struct imap_select *sel);

#endif

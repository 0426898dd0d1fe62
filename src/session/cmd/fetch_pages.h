/*
 * fetch_pages.h - what FETCH answers from the mailbox's pages alone, a page at a time: UID, FLAGS and
 * RFC822.SIZE, which clients ask of whole mailboxes.
 */
#ifndef SESSION_CMD_FETCH_PAGES_H
#define SESSION_CMD_FETCH_PAGES_H

#include "imap/fetch.h"
#include "session/session.h"

/* FLAGS of the last message without keywords: most have the same as the one before. */
struct flags_text {
	bool is_set;
	unsigned of;
	size_t n;
	char text[64];
};

/** "(\Seen)", for these system flags; valid until the next call. */
struct str flags_text(struct flags_text *t, unsigned system);

/** Whether it is asked for no more than that. */
bool fetch_pages_may(const struct session *s, const struct imap_fetch *args);
/**
 * Answers messages of `uids` from the UID `from` on, all in one page. Gives the UID to go on with:
 * `from` when the next message needs more than its page, or is in another.
 */
uint32_t fetch_pages_write(struct session *s, const struct imap_fetch *args,
    const struct rangeset *uids, uint32_t from, struct flags_text *t);

#endif

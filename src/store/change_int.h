/* change_int.h - what the files of changes share. */
#ifndef STORE_CHANGE_INT_H
#define STORE_CHANGE_INT_H

#include "store/change.h"
#include "store/commit_int.h"

enum {
	COMMIT_PAGES_MAX = 64,		/* pages that one commit of STORE, EXPUNGE and MOVE changes */
	COPY_MAX = 100000,		/* messages of one COPY or MULTIAPPEND */
};

/**
 * Locks the account and begins a commit on a mailbox whose pages are in memory; *at_out is its place in c->base. Without
 * ERR_OK nothing is locked. ERR_NOTFOUND, ERR_WAIT, ERR_FULL, ERR_IO, ERR_CORRUPT.
 */
must_use enum err change_begin(struct account *a, struct mailbox_id id, bool frees_room, struct waiter *w, struct commit **out,
    uint32_t *at_out);
/** Publishes when is_changed, else drops the commit; unlocks. */
void change_end(struct commit *c, bool is_changed, struct snapshot **after_out);
/** Drops the commit and unlocks. */
void change_abort(struct commit *c);

/** Slots of keywords in the mailbox; new names get new ones when may_add. A name that has none is left out. ERR_LIMIT. */
must_use enum err change_keywords(struct mailbox_change *m, const struct str *names, uint32_t count, bool may_add,
    struct keywords *out);

/** The UIDs of a page that a set names. *i is the first range that may reach the page, and is moved on: start with 0. */
uint64_t rangeset_page_mask(const struct rangeset *uids, size_t *i, uint32_t page);

/* New entries of a mailbox, in order: one operand a page. */
struct appender {
	struct commit *c;
	uint32_t at;			/* the mailbox's place */
	struct buf op;
	uint32_t page;
	bool is_open;
};
void appender_begin(struct appender *p, struct commit *c, uint32_t at);
/** The UID it gets; 0 when there are no more UIDs. */
uint32_t appender_add(struct appender *p, const struct page_entry *e);
void appender_end(struct appender *p);

/** RENAME of INBOX: all messages of a mailbox whose pages are in memory. *after_out is NULL when there were none. */
must_use enum err messages_move_all(struct account *a, struct mailbox_id from, struct mailbox_id to,
    struct snapshot **after_out);

#endif

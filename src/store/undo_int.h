/*
 * undo_int.h - undo records: the inverse of each commit, kept for the retention, so that the past
 * is today with them applied backwards. A record that says what was expunged also holds it:
 * entries' messages, and the pages of deleted mailboxes, go when the record goes
 * (docs/file-format.md, "Undo records").
 */
#ifndef STORE_UNDO_INT_H
#define STORE_UNDO_INT_H

#include "store/commit_int.h"

enum { UNDO_MAX_BYTES = 1 << 30 };

/**
 * Entries of a page go. why: 'R' expunged (the record holds their messages), 'M' moved inside the
 * account.
 */
void undo_removed(struct commit *c, struct mailbox_id id, uint32_t page, struct str before,
    uint64_t mask, char why);
/** The notes that an expunged message had: behind what undo_removed() wrote of it. */
void undo_noted(struct commit *c, struct mailbox_id id, uint32_t uid, struct str notes);
/** A mailbox is made. */
void undo_made(struct commit *c, struct mailbox_id id);
/** A mailbox goes; its pages stay, held by the record. */
void undo_dropped(struct commit *c, const struct mailbox_state *s);
/** What a mailbox was before its row changed. */
void undo_renamed(struct commit *c, const struct mailbox_desc *before);

/* One section of a record. */
struct undo_section {
	char kind;
	struct mailbox_id id;
	struct str body;
	uint32_t page; /* 'R', 'M' */
	struct str page_bytes;
	uint32_t uid; /* 'A' */
	struct str notes;
};
/** ERR_CORRUPT. rest is what undo_next() goes through. */
must_use enum err undo_decode(struct str row, int64_t *time_ms_out, struct str *rest_out);
/** Bytes of a record, and of the messages that it holds, those that others show too among them. */
uint64_t undo_retained(struct str row);
/** The next section; false at the end, and at what makes no sense. */
bool undo_next(struct str *rest, struct undo_section *out);

/** Ends retention of an account, cuts its change log. Waits. */
void retention_tick(struct account *a);
/**
 * The same for some accounts of the directory, open or not, and for the next ones at the next call.
 * Waits.
 */
void directory_sweep(struct store *s);
/** Removes what is left of deleted accounts. Waits. */
void directory_purge(struct store *s);

/** Writes the record, when there is something in it. */
void undo_write(struct commit *c);

#endif

/*
 * undo_int.h - undo records: the inverse of each commit, kept for the retention, so that the past is today with them applied
 * backwards. A record that says what was expunged also holds it: entries' messages, and the pages of deleted mailboxes,
 * go when the record goes (docs/file-format.md, "Undo records").
 */
#ifndef STORE_UNDO_INT_H
#define STORE_UNDO_INT_H

#include "store/commit_int.h"

enum { UNDO_MAX_BYTES = 1 << 30 };

/** Entries of a page go. why: 'R' expunged (the record holds their messages), 'M' moved inside the account. */
void undo_removed(struct commit *c, struct mailbox_id id, uint32_t page, struct str before, uint64_t mask, char why);
/** A mailbox is made. */
void undo_made(struct commit *c, struct mailbox_id id);
/** A mailbox goes; its pages stay, held by the record. */
void undo_dropped(struct commit *c, const struct mailbox_state *s);
/** What a mailbox was before its row changed. */
void undo_renamed(struct commit *c, const struct mailbox_desc *before);
/** Writes the record, when there is something in it. */
void undo_write(struct commit *c);

#endif

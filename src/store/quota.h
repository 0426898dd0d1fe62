/*
 * quota.h - how much an account may hold (RFC 9208). An account is one quota root.
 *
 * Use is kept by commits, or summed up from what they keep: STORAGE is the sum of RFC822.SIZE over
 * all entries, so that a copy counts again; MAILBOX counts what can be selected; ANNOTATION-STORAGE
 * is what annotations of messages (notes.h) take as they are stored, names included. A limit is
 * looked at under the account's mutex, on the snapshot that the change is built on, so that two
 * sessions at the limit never exceed it together. What makes nothing larger is always allowed.
 */
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H

#include "store/store.h"

struct quota {
	struct quota_limits limits; /* that hold: its own, or the server's */
	/* in use; storage rounded up */
	uint64_t storage_kib, messages, mailboxes, annotations_kib;
};

/** Limits and use as of a snapshot. */
void snapshot_quota(const struct snapshot *s, struct quota *out);
/** Whether messages of so many bytes more would be too much: to refuse before they are sent. */
bool snapshot_is_over_quota(const struct snapshot *s, uint64_t more_bytes, uint64_t more_messages);
/** Whether what is there is too much: limits were lowered. */
bool snapshot_exceeds_quota(const struct snapshot *s);
/**
 * Gives the account limits of its own, or (NULL) takes them off it, so that those of the
 * configuration hold: one commit.
 */
must_use enum err account_set_quota(struct account *a, const struct quota_limits *limits,
    struct snapshot **after_out);

#endif

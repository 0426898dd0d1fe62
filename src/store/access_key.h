/*
 * access_key.h - mailbox access keys (RFC 4467 2.2): of each user and mailbox a secret by which
 * URLs are authorized.
 *
 * They are kept with the annotations in the row of the user's INBOX, and so are in memory with the
 * account, change in its commits and go with it. A mailbox is named by its account, id and
 * uidvalidity: one that is made anew under an old name has no key. Keys of mailboxes that are gone
 * are dropped when another is made. What is restored from a backup has none: a key that was taken
 * back would be valid again.
 */
#ifndef STORE_ACCESS_KEY_H
#define STORE_ACCESS_KEY_H

#include "store/mailbox.h"

enum {
	ACCESS_KEY_BYTES = 32,
	ACCESS_KEYS_MAX = 1000, /* of a user */
};

struct access_key {
	char bytes[ACCESS_KEY_BYTES];
};

/**
 * The key that the user, whose account's snapshot `own` is, has for a mailbox of an account. False:
 * none.
 */
bool access_key_find(const struct snapshot *own, struct account_id in, const struct mailbox_info *m,
    struct access_key *out);

enum access_key_how {
	ACCESS_KEY_KEEP, /* a key that is there stays */
	ACCESS_KEY_REPLACE,
};

/**
 * Sees to it that the user has a key for a mailbox: one commit, unless there is one to keep.
 *
 * @fresh    random: what a new key is
 * @key_out  the key as it is now
 *
 * ERR_LIMIT: he has too many, or the row of his INBOX is full.
 */
must_use enum err access_key_make(struct account *own, struct account_id in,
    const struct mailbox_info *m, enum access_key_how how, const struct access_key *fresh,
    struct access_key *key_out, struct snapshot **after_out);
/** Removes all keys of a user. No change: ERR_OK with the snapshot of now. */
must_use enum err access_keys_remove(struct account *own, struct snapshot **after_out);
/** Writes a list of annotations without the keys in it. */
void access_keys_strip(struct str list, struct buf *out);

#endif

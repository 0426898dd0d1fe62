/*
 * mailbox.h - the mailboxes of an account: looking them up in a snapshot, making, removing,
 * renaming them.
 *
 * Names are UTF-8 with '/' between levels, already checked and normalised (imap/); INBOX is written
 * so. A name is a value, never a file name.
 */
#ifndef STORE_MAILBOX_H
#define STORE_MAILBOX_H

#include "store/acl.h"
#include "store/store.h"

/* One mailbox as a snapshot has it. Valid as long as the snapshot. */
struct mailbox_info {
	struct mailbox_id id;
	struct str name; /* full */
	/* differs between the mailboxes of an account, never reused */
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint64_t highestmodseq; /* the last version that changed it; at least 1 */
	/* unseen, highestmodseq: as the owner's \Seen is; see mailbox_unseen() */
	uint32_t exists, unseen, deleted;
	uint64_t size_bytes;    /* sum of RFC822.SIZE: STATUS SIZE */
	uint64_t deleted_bytes; /* of those \Deleted: STATUS DELETED-STORAGE */
	uint32_t notes_bytes;   /* of its messages' notes (notes.h) */
	uint32_t recent_from;   /* first UID that no read-write session was told of */
	uint32_t special_use;   /* USE_… */
	/* \NonExistent: only a level of the hierarchy, or a subscription */
	bool is_noselect;
	bool is_subscribed;
	bool is_seen_private; /* each user has a \Seen of his own */
	bool is_seen_fixed;   /* and that it is so, or not, was said by hand */
	uint64_t seen_since;  /* the version that made it so, or not so; 0: none */
	bool has_children;    /* selectable or with selectable ones below */
	/* RENAME INBOX made it; forgotten when the account is let go */
	bool was_inbox;
	/*
	 * Of the account, when it became as it is, in any way, and when it had become what it was
	 * before; 0: it was made then. Known as long as the account is in memory: who has seen the
	 * one and made the other knows that nobody else changed it in between.
	 */
	uint64_t version, version_before;
	uint32_t keyword_count;     /* slots in use */
	const struct str *keywords; /* names by slot; 0–15 are the registered ones everywhere */
	struct str acl;             /* acl.h */
	struct str annotations;     /* annotation.h */
	const struct mailbox_state *state; /* store/'s own */
};

/** NULL when there is none. INBOX in any case. */
const struct mailbox_info *snapshot_mailbox(const struct snapshot *s, struct str name);
const struct mailbox_info *snapshot_mailbox_by_id(const struct snapshot *s, struct mailbox_id id);
/**
 * All of them, levels without a mailbox too, sorted by name (INBOX first, level by level): i = 0,
 * 1, …; NULL at the end.
 */
const struct mailbox_info *snapshot_mailbox_at(const struct snapshot *s, uint32_t i);
/*
 * What differs between users: reader is the account of who asks, {0} the owner of the mailbox, who
 * is not told of what others have read, as they are not told of him.
 */
uint32_t mailbox_unseen(const struct mailbox_info *m, struct account_id reader);
uint64_t mailbox_highestmodseq(const struct mailbox_info *m, struct account_id reader);
/** The i of it where a name is, or would be: what is below the name follows. */
uint32_t snapshot_mailbox_place(const struct snapshot *s, struct str name);

/*
 * The mailboxes that differ between two snapshots of an account, in any way. What the two share is
 * skipped without looking at it, so this costs what has changed; only when mailboxes came, went or
 * were renamed all are looked at.
 */
struct snapshot_difference {
	const struct snapshot *before, *after; /* before NULL: nothing was there */
	uint32_t at_before, at_after;          /* its own; begin with 0 */
};

/** before NULL: it is new. after NULL: it is gone. False: there are no more. */
bool snapshot_difference_next(struct snapshot_difference *d, const struct mailbox_info **before_out,
    const struct mailbox_info **after_out);
/**
 * MAILBOXID of RFC 8474: "F" and digits. A uidvalidity is an account's own, so of a mailbox that is
 * not in the account of who asks, the account that it is in (else {0}) stands behind it: no two
 * that a user sees have the same. At most 32 bytes.
 */
struct str mailbox_objectid(struct arena *a, const struct mailbox_info *m, struct account_id in);
/** The slot of a keyword, case-insensitively, or -1. */
int mailbox_keyword_slot(const struct mailbox_info *m, struct str keyword);

/*
 * Changes. Each is one commit; *after_out is referenced and is the snapshot after it. ERR_WAIT: see
 * store.h. Common errors: ERR_NOTFOUND, ERR_LIMIT, ERR_FULL, ERR_IO, ERR_CORRUPT.
 */

/**
 * CREATE (RFC 9051 6.3.4): missing parents are made as levels that can be selected. ERR_EXISTS;
 * ERR_BADNAME: too long or deep.
 */
must_use enum err mailbox_create(struct account *a, struct str name, uint32_t special_use,
    struct waiter *w, struct snapshot **after_out);
/**
 * DELETE (6.3.5): with children it becomes \NonExistent. INBOX: ERR_CANNOT; a level without
 * mailbox: ERR_HASCHILDREN or ERR_NOTFOUND. A later mailbox of the name gets another uidvalidity.
 */
must_use enum err mailbox_delete(struct account *a, struct str name, struct waiter *w,
    struct snapshot **after_out);
/**
 * RENAME (6.3.6): children move along; INBOX: its messages move into the new one with new UIDs,
 * children stay.
 */
must_use enum err mailbox_rename(struct account *a, struct str from, struct str to,
    struct waiter *w, struct snapshot **after_out);
/**
 * SUBSCRIBE and UNSUBSCRIBE; a name without a mailbox can be subscribed to. No change: ERR_OK with
 * the snapshot of now.
 */
must_use enum err mailbox_subscribe(struct account *a, struct str name, bool is_subscribed,
    struct waiter *w, struct snapshot **after_out);
/**
 * Sets the special uses (RFC 6154). ERR_USEATTR when another mailbox has one that only one may
 * have.
 */
must_use enum err mailbox_set_use(struct account *a, struct str name, uint32_t special_use,
    struct waiter *w, struct snapshot **after_out);

#endif

/*
 * change.h - what a session does to messages: flags, expunge, copy, move, append.
 *
 * A change is computed on `latest`, so it meets messages that the view does not know yet as they
 * are; a UID that is gone meanwhile is left out. `*after_out` is the snapshot after the last
 * commit, referenced; NULL when nothing was changed. Sets of UIDs are ascending. STORE, EXPUNGE and
 * MOVE of more than 64 pages are several commits: `cursor` starts at 0, the function does the next
 * commit and returns ERR_OK with *cursor advanced, and UINT32_MAX when all is done.
 */
#ifndef STORE_CHANGE_H
#define STORE_CHANGE_H

#include "store/arrival.h"
#include "store/view.h"

struct object_id;

enum flags_op { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };

struct flags_change {
	enum flags_op op;
	uint16_t flags;
	const struct str *keywords;
	uint32_t keyword_count;
	uint16_t fixed;      /* flags that stay as they are, whatever is asked for */
	bool keeps_keywords; /* so do the keywords */
	bool has_unchangedsince;
	/* RFC 7162 3.1.3: messages changed later are left out and reported */
	uint64_t unchangedsince;
};

/**
 * STORE, as the view's user sees the messages: where \Seen is private, his is changed.
 * modified_out: those left out because of UNCHANGEDSINCE; changed_out: those that were changed (a
 * message that has the flags already is not). Both are added to. ERR_LIMIT: no slot left for a new
 * keyword, or too many users have a \Seen of their own.
 */
must_use enum err messages_store(struct view *v, const struct rangeset *uids,
    const struct flags_change *change, uint32_t *cursor, struct waiter *w,
    struct rangeset *changed_out, struct rangeset *modified_out, struct snapshot **after_out);

/** EXPUNGE of the \Deleted messages among uids (NULL: all). */
must_use enum err messages_expunge(struct view *v, const struct rangeset *uids, uint32_t *cursor,
    struct waiter *w, struct rangeset *expunged_out, struct snapshot **after_out);

/* COPYUID (RFC 4315): the n-th of from became the n-th of to. */
struct copied {
	uint32_t uidvalidity;
	struct rangeset *from; /* NULL when nothing was copied */
	struct rangeset *to;
};

/* What COPY and MOVE do when some of their messages are gone by now. */
enum copy_gone {
	COPY_SKIPS_GONE, /* a set of UIDs names those that there are */
	/* all or nothing: ERR_EXPUNGED. Inside an account; to another one MOVE skips them */
	COPY_WHOLE,
};

/**
 * COPY into a mailbox of the same or another account: one commit, all or nothing, at most 100,000
 * messages (ERR_LIMIT). Ghosts are gone; flags that `rights` in the destination don't allow are
 * left behind (RFC 4314 4); ERR_EXPUNGED when none is left; ERR_TRYCREATE when there is no such
 * destination. Into another account: at most 10,000, and *after_out is a snapshot of that account.
 */
must_use enum err messages_copy_as(struct view *v, const struct rangeset *uids, enum copy_gone gone,
    struct account *to, struct mailbox_id dest, unsigned rights, struct waiter *w, struct arena *a,
    struct copied *out, struct snapshot **after_out);
/**
 * MOVE (RFC 6851): in one commit each (over both accounts) a message is in exactly one mailbox. out
 * is added to. *after_out is of the view's account; *into_out, of the destination's, is set for
 * another account.
 */
must_use enum err messages_move_as(struct view *v, const struct rangeset *uids, enum copy_gone gone,
    struct account *to, struct mailbox_id dest, unsigned rights, uint32_t *cursor, struct waiter *w,
    struct arena *a, struct copied *out, struct snapshot **after_out, struct snapshot **into_out);

/* With all rights. */
must_use static inline enum err
messages_copy(struct view *v, const struct rangeset *uids, enum copy_gone gone, struct account *to,
    struct mailbox_id dest, struct waiter *w, struct arena *a, struct copied *out,
    struct snapshot **after_out)
{
	return messages_copy_as(v, uids, gone, to, dest, RIGHTS_ALL, w, a, out, after_out);
}

must_use static inline enum err
messages_move(struct view *v, const struct rangeset *uids, enum copy_gone gone, struct account *to,
    struct mailbox_id dest, uint32_t *cursor, struct waiter *w, struct arena *a, struct copied *out,
    struct snapshot **after_out)
{
	struct snapshot *into;
	enum err e = messages_move_as(v, uids, gone, to, dest, RIGHTS_ALL, cursor, w, a, out,
	    after_out, &into);

	snapshot_unref(into);
	return e;
}

/* A message to be put into a mailbox. */
struct append {
	struct arrival *arrival; /* finished */
	/* lines added in front for this recipient, at most 4 KiB, ending in CRLF or empty */
	struct str prefix;
	uint16_t flags;
	/* whose \Seen it is, where each has his own; {0}: the owner's */
	struct account_id who;
	const struct str *keywords;
	uint32_t keyword_count;
	bool has_internal_date; /* else now, UTC */
	int64_t internal_s;
	int16_t internal_zone_min;
	struct str notes; /* annotations (notes.h) */
	/* of a message that was here before; NULL: new ones (message_record.h) */
	const struct object_id *email, *thread;
};

/** APPEND, MULTIAPPEND, delivery: one commit. The UIDs are uid_first_out … + count - 1. */
must_use enum err messages_append(struct account *a, struct mailbox_id dest,
    const struct append *messages, uint32_t count, struct waiter *w, struct uid *uid_first_out,
    uint32_t *uidvalidity_out, struct snapshot **after_out);

/**
 * REPLACE (RFC 8508): appends a message to a mailbox of the same or another account and expunges
 * one of the view's, in one commit (over both accounts): quota counts the difference. ERR_EXPUNGED:
 * the old one is gone, nothing is done. *after_out is of the view's account, *into_out of the
 * other's, or NULL.
 */
must_use enum err messages_replace(struct view *v, struct uid old, struct account *to,
    struct mailbox_id dest, const struct append *message, struct waiter *w, struct uid *uid_out,
    uint32_t *uidvalidity_out, struct snapshot **after_out, struct snapshot **into_out);

#endif

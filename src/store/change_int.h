/* change_int.h - what the files of changes share. */
#ifndef STORE_CHANGE_INT_H
#define STORE_CHANGE_INT_H

#include "store/change.h"
#include "store/commit_int.h"
#include "store/seen_int.h"

enum {
	/*
	 * Pages whose messages one call of STORE looks at, whether or not it changes them: about a
	 * millisecond, in which the account is locked and the loop does nothing else.
	 */
	STORE_PAGES_MAX = 16,
	COMMIT_SEEN_PAGES_MAX = 4096, /* of private pages of users that go along (seen_int.h) */
	COPY_MAX = 100000,            /* messages of one COPY or MULTIAPPEND */
};

/**
 * Locks the account and begins a commit on a mailbox whose pages are in memory; *at_out is its
 * place in c->base. Without ERR_OK nothing is locked. ERR_NOTFOUND, ERR_WAIT, ERR_FULL, ERR_IO,
 * ERR_CORRUPT.
 */
must_use enum err change_begin(struct account *a, struct mailbox_id id, bool frees_room,
    struct waiter *w, struct commit **out, uint32_t *at_out);
/** Publishes when is_changed, else drops the commit; unlocks. */
void change_end(struct commit *c, bool is_changed, struct snapshot **after_out);
/** Drops the commit and unlocks. */
void change_abort(struct commit *c);

/**
 * Slots of keywords in the mailbox; new names get new ones when may_add. A name that has none is
 * left out. ERR_LIMIT.
 */
must_use enum err change_keywords(struct mailbox_change *m, const struct str *names, uint32_t count,
    bool may_add, struct keywords *out);

/**
 * The UIDs of a page that a set names. *i is the first range that may reach the page, and is moved
 * on: start with 0.
 */
uint64_t rangeset_page_mask(const struct rangeset *uids, size_t *i, uint32_t page);

/* Who has seen some of the new entries, where \Seen is private. */
struct appender_mark {
	uint64_t user;
	uint64_t mask; /* in the page */
};

/* New entries of a mailbox, in order: one operand a page. */
struct appender {
	struct commit *c;
	uint32_t at; /* the mailbox's place */
	struct buf op;
	uint32_t page;
	bool is_open;
	struct appender_mark *marks; /* in the commit's memory */
	uint32_t mark_count, mark_cap;
};

void appender_begin(struct appender *p, struct commit *c, uint32_t at);
/** The UID it gets; 0 when there are no more UIDs. */
uint32_t appender_add(struct appender *p, const struct page_entry *e);
/** The notes (notes.h) of the entry that was just added. */
void appender_add_notes(struct appender *p, uint32_t uid, struct str notes);
/**
 * A user has seen the entry that was added last. When there are pages of too many users already he
 * has not: nothing fails for that.
 */
void appender_see(struct appender *p, uint64_t user, uint32_t uid);
void appender_end(struct appender *p);

/**
 * Puts messages that messages_prepare() has prepared into a mailbox, by its place in the base.
 * Quota is the caller's. ERR_LIMIT.
 */
must_use enum err append_all(struct commit *c, uint32_t at, const struct append *messages,
    uint32_t count);

/** The mutexes of two different accounts, in the order of their ids. */
void accounts_lock(struct account *a, struct account *b);
void accounts_unlock(struct account *a, struct account *b);

/* ---- COPY and MOVE (change_copy.c, change_across.c) ------------------------------------------ */

/*
 * The records of messages that go to another account, by UID. Kept by the view while they are being
 * loaded.
 */
struct held {
	uint32_t *uids; /* ascending */
	struct message **messages;
	uint32_t count, cap;
	uint32_t from, until; /* the UIDs that were looked at; until is not one of them */
};
/** NULL when there is none. */
struct message *held_message(const struct held *h, uint32_t uid);
/** Takes NULL. */
void held_free(struct held *h);

/* One commit of a copy or move. */
struct copying {
	/* moves: where entries go; inside an account the same as `to` */
	struct commit *from;
	uint32_t from_at;
	struct commit *to;
	uint32_t to_at;
	const struct tree *tree; /* of the source, before */
	const struct mailbox_info *from_info;
	bool moves;
	/* RENAME INBOX: notes that are private to others go along too */
	bool is_for_all;
	unsigned rights; /* in the destination: flags without them are left behind */
	/* copies; \Seen is as he sees it, who is this in the source: */
	struct account_id who;
	uint64_t from_user;
	struct seen_as as;
	/* a move inside an account: what others have seen of the page; in the commit's memory */
	struct appender_mark *others;
	uint32_t other_count;
	int64_t now_s;
	struct buf notes; /* of the message at hand */
	struct appender out;
	struct rangeset *from_uids, *to_uids;
	const struct held *held; /* another account: else NULL */
	/* of the source's keywords in the destination; -1: not asked yet */
	int8_t slots[KEYWORDS_MAX];
	uint32_t pages;
};

/**
 * from, from_at, moves, is_for_all, rights, who, from_user, from_uids, to_uids and held are set by
 * the caller before. seen: his private pages, borrowed.
 */
void copying_init(struct copying *p, const struct mailbox_state *from, const struct tree *seen,
    struct commit *to, uint32_t to_at);
/** Goes through the pages from *cursor on; pages_max 0: all. uids NULL: all. Ends p->out. */
must_use enum err copying_run(struct copying *p, const struct rangeset *uids, uint32_t *cursor,
    uint32_t pages_max);
/** How many messages uids names. */
uint64_t copying_count(const struct tree *tree, const struct rangeset *uids);
/** ERR_TRYCREATE, ERR_NOSELECT. */
must_use enum err copying_find(const struct commit *c, struct mailbox_id dest, uint32_t *at_out,
    uint32_t *uidvalidity_out);
/** Adds pairs to what the caller of a copy gets; both sets were filled in the same order. */
void copied_add(struct copied *out, uint32_t uidvalidity, struct arena *a,
    const struct rangeset *from, const struct rangeset *to);
must_use enum err copy_across(struct view *v, const struct rangeset *uids, enum copy_gone gone,
    struct account *to, struct mailbox_id dest, unsigned rights, struct waiter *w, struct arena *a,
    struct copied *out, struct snapshot **after_out);
must_use enum err move_across(struct view *v, const struct rangeset *uids, struct account *to,
    struct mailbox_id dest, unsigned rights, uint32_t *cursor, struct waiter *w, struct arena *a,
    struct copied *out, struct snapshot **after_out, struct snapshot **into_out);

/**
 * RENAME of INBOX: all messages of a mailbox whose pages are in memory. *after_out is NULL when
 * there were none.
 */
must_use enum err messages_move_all(struct account *a, struct mailbox_id from, struct mailbox_id to,
    struct snapshot **after_out);

#endif

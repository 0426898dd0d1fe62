/*
 * seen_int.h - private \Seen: where a mailbox is shared, what one user has read is still unread for
 * everybody else.
 *
 * Whether \Seen is private is said in the mailbox's row. The \Seen of its pages is the owner's
 * then; every other user has private pages, a tree of them for each user, and what they say nothing
 * of he has not seen. What the owner does to \Seen alone leaves the modseqs of the pages as they
 * are, and his private pages have the new ones: so nobody notices what another reads. seen_apply()
 * makes of an entry what a user sees of it; flags and modseqs of a view are read through it only.
 *
 * When \Seen becomes private or shared, all of it may differ for all but the owner: from then on no
 * message has a lower modseq for them than that change (seen_since).
 *
 * Private pages are loaded, and let go, with the mailbox's own, and go with the messages. So the
 * counts that rows "Q" keep are right at any time, and STATUS needs no pages.
 */
#ifndef STORE_SEEN_INT_H
#define STORE_SEEN_INT_H

#include "store/account_int.h"

#define SEEN_OWNER UINT64_C(0) /* in place of the owner's number */

enum { SEEN_USERS_MAX = 1024 }; /* users with private pages in a mailbox */

/* What a user has in a mailbox. */
struct seen_user {
	uint64_t user; /* his account, or SEEN_OWNER */
	struct seen_row sums;
};

/* All of them, by number. Immutable. */
struct seen_users {
	_Atomic(uint32_t) refs;
	uint32_t count;
	struct seen_user u[];
};

struct seen_users *seen_users_new(uint32_t count);
/** Takes NULL. */
struct seen_users *seen_users_ref(struct seen_users *s);
void seen_users_unref(struct seen_users *s);
/** Index of a user, or where he would be. s may be NULL. */
uint32_t seen_users_place(const struct seen_users *s, uint64_t user);
/** NULL: he has nothing. */
const struct seen_user *seen_users_find(const struct seen_users *s, uint64_t user);

/** A user's pages in a state that has its pages; borrowed; NULL: none. Account's mutex held. */
struct tree *seen_tree(const struct mailbox_state *s, uint64_t user);
/** The state gets the trees of its users: those that `from`, with `trees`, has. Mutex held. */
void seen_attach(struct mailbox_state *s, const struct seen_users *from, struct tree *const *trees);
/** Lets them go. Mutex held, or nobody else knows the state. */
void seen_detach(struct mailbox_state *s);
/** Bytes of memory, about. */
size_t seen_bytes(const struct mailbox_state *s);

/**
 * Takes users out of the account's mailboxes who are no more; waits, so on a job thread. Mutex not
 * held.
 */
void seen_tick(struct account *a);

/** Who somebody is in an account: SEEN_OWNER, or his number. */
static inline uint64_t
seen_user_in(const struct account *a, struct account_id who)
{
	return who.v == a->id.v ? SEEN_OWNER : who.v;
}

/* How a user sees a mailbox. */
struct seen_as {
	bool is_plain;           /* as the pages of the mailbox are */
	bool is_own;             /* \Seen is what his pages say */
	uint64_t since;          /* no message has a lower modseq for him */
	const struct tree *tree; /* his pages, or NULL */
};
struct seen_as seen_as_of(const struct mailbox_info *m, uint64_t user, const struct tree *tree);
void seen_apply_own(const struct seen_as *as, uint32_t uid, struct page_entry *e);

/** What the mailbox's entry is for him. */
static inline void
seen_apply(const struct seen_as *as, uint32_t uid, struct page_entry *e)
{
	if (!as->is_plain)
		seen_apply_own(as, uid, e);
}

#endif

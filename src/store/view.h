/*
 * view.h - what one session knows of its selected mailbox: a version of it plus *ghosts*, UIDs that
 * are gone but whose EXPUNGE it may not be told yet (RFC 9051 7.5.1). Sequence numbers count both.
 * While ghosts exist, every HIGHESTMODSEQ told is below the oldest ghost's. The mailbox is held by
 * id: a rename does not matter, a deleted one shows all messages gone.
 *
 * One thread at a time.
 */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "base/bits.h"
#include "store/mailbox.h"

struct view;

enum view_access {
	VIEW_READ_WRITE,
	VIEW_READ_ONLY,
	/* nothing is written but \Seen that is one's own, and no \Recent is claimed */
	VIEW_SEEN_ONLY,
};

/**
 * Opens a mailbox of a snapshot for a user: who is his account, and \Seen may be his own
 * (mailbox_info). Read-write claims \Recent for what no session was told of. ERR_WAIT: pages are
 * being loaded. ERR_NOTFOUND, ERR_NOSELECT, ERR_CORRUPT.
 */
must_use enum err view_open_as(struct snapshot *s, struct mailbox_id id, struct account_id who,
    enum view_access access, struct waiter *w, struct view **out);

/* For the owner. */
must_use static inline enum err
view_open(struct snapshot *s, struct mailbox_id id, enum view_access access, struct waiter *w,
    struct view **out)
{
	return view_open_as(s, id, account_id(snapshot_account(s)), access, w, out);
}

/** From now on refreshes report which annotations have changed. */
void view_tell_notes(struct view *v);
/** Another owner, in any thread; the view is still used by one thread at a time. */
struct view *view_ref(struct view *v);
/** Takes NULL. Frees it when it was the last owner. */
void view_close(struct view *v);

/**
 * The mailbox as the view knows it, with its user's highestmodseq. Valid until the view is
 * refreshed or closed.
 */
const struct mailbox_info *view_mailbox(const struct view *v);
struct account *view_account(const struct view *v);
/** The user whose view it is. */
struct account_id view_user(const struct view *v);
uint64_t view_version(const struct view *v);
bool view_is_read_only(const struct view *v);
/** Nothing that others see may be written. */
bool view_is_shown_read_only(const struct view *v);
/**
 * The right to read it is lost: from the next view_refresh() on it is as a deleted one. For good:
 * should the right come back, the mailbox is opened anew.
 */
void view_revoke(struct view *v);
/** The mailbox is deleted: every change answers ERR_NOTFOUND. */
bool view_is_gone(const struct view *v);
/** EXISTS as last told: ghosts count. */
uint32_t view_exists(const struct view *v);
/** How many of them are ghosts. */
uint32_t view_ghosts(const struct view *v);
uint32_t view_recent(const struct view *v);
/** The modseq that may be told as HIGHESTMODSEQ. */
uint64_t view_highestmodseq(const struct view *v);
/** Sequence number of the first unseen message, 0: none (RFC 3501 UNSEEN response code). */
struct seqnum view_first_unseen(const struct view *v);

/* One message of the mailbox. */
struct entry {
	struct uid uid;
	struct msgno msgno;
	uint16_t flags;
	bool is_recent;
	bool is_ghost; /* expunged, not told: its metadata is as it was last */
	struct keywords keywords;
	uint64_t modseq;
	uint64_t size_bytes;       /* RFC822.SIZE */
	int64_t internal_s;        /* INTERNALDATE, seconds since 1970 UTC */
	int16_t internal_zone_min; /* as given: minutes east of UTC */
	int64_t saved_s;           /* RFC 8514 SAVEDATE */
};

bool view_uid(const struct view *v, struct seqnum seq, struct uid *uid_out);
/** 0 when there is no such UID in the view. */
struct seqnum view_seq(const struct view *v, struct uid uid);
/** False when there is no such UID in the view. */
bool view_entry(const struct view *v, struct uid uid, struct entry *out);
/** The first message with a UID of at least `from`: iterate with uid + 1. seq_out may be NULL. */
bool view_next(const struct view *v, uint32_t from, struct entry *out, struct seqnum *seq_out);
/**
 * The same for messages whose modseq is above `since`: skips what did not change without looking at
 * it.
 */
bool view_next_changed(const struct view *v, uint32_t from, uint64_t since, struct entry *out,
    struct seqnum *seq_out);
/**
 * The same for messages that have all of `set` and none of `unset`; for \Seen whole subtrees are
 * skipped.
 */
bool view_next_flags(const struct view *v, uint32_t from, uint16_t set, uint16_t unset,
    struct entry *out, struct seqnum *seq_out);

/* Many messages at once: 64 neighbouring UIDs, as bits, the lowest is `first`. */
struct view_page {
	uint32_t first;
	uint32_t before;  /* messages of the view with lower UIDs */
	uint64_t present; /* all of the view */
	uint64_t known;   /* but for ghosts, and those whose entry is lost (msgno 0) */
	struct str bytes, own;
};

/**
 * The messages of the page that has the first with a UID of at least `from` that view_next_flags()
 * might give. Valid until the view is refreshed.
 */
bool view_next_page(const struct view *v, uint32_t from, uint16_t set, uint16_t unset,
    struct view_page *out);
/** Those of `present` that have all of these flags. */
uint64_t view_page_flags(const struct view *v, const struct view_page *p, uint16_t flags);
/** Those that are \Recent. */
uint64_t view_page_recent(const struct view *v, const struct view_page *p);
/** One of `present`. */
void view_page_entry(const struct view *v, const struct view_page *p, unsigned bit,
    struct entry *out);

/** Its sequence number. */
static inline struct seqnum
view_page_seq(const struct view_page *p, unsigned bit)
{
	return (
	    struct seqnum){ p->before + bits_count(p->present & (((uint64_t)1 << bit) - 1)) + 1 };
}
/** The highest UID, 0 when it is empty: what `*` means in UID sets. */
struct uid view_last_uid(const struct view *v);

struct seqset; /* imap/seqset.h */
/**
 * Resolves a set that a client wrote, of sequence numbers or UIDs, to UIDs of the view: added to
 * *uids_out, which is initialised. saved: the value of "$", NULL when nothing is saved. UIDs that
 * name no message are kept. ERR_SYNTAX: a sequence number above EXISTS, or "*" in an empty mailbox
 * (RFC 9051 9, seq-number).
 */
must_use enum err view_resolve(const struct view *v, const struct seqset *set, bool is_uid,
    const struct rangeset *saved, struct rangeset *uids_out);

enum view_tell { TELL_ALL, TELL_NO_EXPUNGE };

/* The difference that a session must be told. */
struct view_changes {
	/* the mailbox was deleted: all its messages are in `vanished` */
	bool is_gone;
	bool has_new_keywords; /* FLAGS and PERMANENTFLAGS are to be sent again */
	uint32_t exists;       /* as it is to be told */
	bool is_exists_new;    /* there are new messages */
	uint32_t recent;
	bool is_recent_new;
	struct rangeset *vanished; /* UIDs; NULL when none */
	/* UIDs that vanished and are kept, by TELL_NO_EXPUNGE; NULL when none */
	struct rangeset *ghosts;
	/* for EXPUNGE lines, in the order in which they are right */
	uint32_t *expunge_seqs;
	uint32_t expunge_count;
	/* whose flags, keywords or modseq differ, ascending; not the new ones */
	struct uid *changed;
	uint32_t changed_count;
	/*
	 * view_tell_notes(): of each of those a list (annotation.h) of the names that changed,
	 * without values; NULL: of none
	 */
	struct str *notes;
};

/**
 * Moves the view to a snapshot, which is not older. The difference is in `a`. TELL_NO_EXPUNGE keeps
 * what vanished as ghosts, to be told later. ERR_WAIT: nothing moved.
 */
must_use enum err view_refresh(struct view *v, struct snapshot *s, enum view_tell tell,
    struct waiter *w, struct arena *a, struct view_changes *out);
/**
 * A client idles: the view's pages are let go until the next view_refresh(), which is to be
 * TELL_ALL and comes before any question but view_mailbox(), view_version(), view_exists(),
 * view_recent(), view_highestmodseq() and view_is_stale(). Does nothing while there are ghosts.
 */
void view_rest(struct view *v);
bool view_is_resting(const struct view *v);
/** Whether a refresh to that snapshot would have something to tell (ghosts included): cheap. */
bool view_is_stale(const struct view *v, const struct snapshot *s);

/**
 * UIDs among `known` (NULL: all below uidnext) that vanished after modseq (RFC 7162 3.2.5.2
 * QRESYNC, VANISHED (EARLIER)). When the change log does not reach back so far, all that are not
 * there: always right. ERR_WAIT.
 */
must_use enum err view_vanished_since(struct view *v, uint64_t modseq, const struct rangeset *known,
    struct waiter *w, struct arena *a, struct rangeset **out);

#endif

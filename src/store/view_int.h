/* view_int.h - a view as view.c, view_refresh.c and the changes see it. */
#ifndef STORE_VIEW_INT_H
#define STORE_VIEW_INT_H

#include "store/account_int.h"
#include "store/seen_int.h"
#include "store/view.h"

struct held;
struct log_load;

struct view {
	_Atomic(uint32_t) refs;
	struct account *account; /* referenced */
	struct mailbox_id id;
	enum view_access access;
	uint64_t user;             /* account of who looks */
	bool tells_notes;          /* which notes have changed is reported */
	bool was_bare;             /* when it went to rest there were no notes */
	struct mailbox_desc *desc; /* referenced; what info's texts belong to */
	struct mailbox_info info;  /* as last refreshed, with the counts of the pages */
	struct tree *tree;         /* the mailbox and the ghosts; referenced */
	uint64_t reader;           /* the same in seen_int.h: SEEN_OWNER for the owner */
	struct tree *seen;         /* his private pages, or NULL; referenced */
	struct seen_as as;         /* how he sees the tree */
	uint32_t ghosts;           /* entries of tree that are marked FLAG_GHOST */
	uint64_t ghost_floor;      /* HIGHESTMODSEQ before the oldest ghost went */
	uint64_t version;
	struct tree_at *at; /* where view_next() was last, in tree; uid 0: nowhere */
	bool is_revoked;    /* it may not be read any more */
	bool is_gone;       /* the mailbox was deleted, or revoked */
	bool is_gone_told;
	bool is_resting;         /* view_rest(): there is no tree, but */
	struct rangeset resting; /* the UIDs that it had */
	uint32_t resting_recent;
	struct rangeset recent; /* UIDs that are \Recent here */
	struct log_load *log;   /* a load of the change log: view_log.c */
	/* records on their way to another account: change_across.c */
	struct held *held;
};

/**
 * The first entry from `from` on that may be wanted, by flags and modseqs as the mailbox's own
 * pages have them and, where the user has pages, those: nothing that is wanted is passed over.
 */
bool view_next_candidate(const struct view *v, uint32_t from, struct tree_want want,
    struct tree_at *at);
/** The one way in which an entry of a page becomes what a session sees of it. */
void view_entry_from(const struct view *v, uint32_t uid, struct str page, unsigned index,
    struct entry *out);
/** Takes the messages from `from` on as \Recent; a read-write view claims them. */
void view_take_recent(struct view *v, uint32_t from);
/** Takes the state's info over, and the user's private pages (the reference). */
void view_set_info(struct view *v, const struct mailbox_state *state, struct tree *seen);
/**
 * view_rest.c: a tree that differs from `tree` where the view that rests differed when it went to
 * rest; the view has it afterwards.
 */
void view_wake(struct view *v, struct tree *tree);
/** The mailbox's own tree, without ghosts; referenced. */
struct tree *view_live_tree(const struct view *v);
void log_load_drop(struct log_load *l);

#endif

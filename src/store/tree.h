/*
 * tree.h - the entries of a mailbox version: an immutable tree of pages, 64 children a node, shared
 * between versions.
 *
 * Nodes are counted by reference and never change once a tree is published, so a version is a
 * pointer, a change copies one page and the few nodes above it, and two versions are compared by
 * descending only where pointers differ. Nodes carry the sums of what is below them: sequence
 * number ↔ UID, first unseen and CHANGEDSINCE look only where there is something.
 *
 * NULL is the empty tree. Trees can be read by any number of threads.
 *
 * Beside its page a leaf has the notes of its messages (notes.h), shared between versions in the
 * same way; they go with their entries. A mailbox without notes has nothing of it but a sum that is
 * 0.
 *
 * A user's private pages of a mailbox make a tree too: of it, tree_page(), tree_sums(),
 * tree_diff(), tree_next() and changes are of use; its only flag is \Seen.
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include "store/page.h"

#include <stdatomic.h>

struct tree;

struct tree *tree_ref(struct tree *t);
/** Takes NULL. */
void tree_unref(struct tree *t);
/** Nobody else holds it. */
bool tree_is_alone(const struct tree *t);
/** All zero for NULL. */
const struct page_sums *tree_sums(const struct tree *t);
/** Bytes of memory below t, about; what it shares with others counts. */
size_t tree_bytes(const struct tree *t);

/* ---- reading --------------------------------------------------------------------------------- */

/** The page of uid, STR_NONE when there is none. */
struct str tree_page(const struct tree *t, uint32_t page);
/** False when there is no such UID. */
bool tree_entry(const struct tree *t, uint32_t uid, struct page_entry *out);

/** The notes of a message; STR_NONE: it has none, or is not there. Valid as long as the tree. */
struct str tree_notes(const struct tree *t, uint32_t uid);
/** The first message with a UID of at least `from` that has notes; 0: none. */
uint32_t tree_next_noted(const struct tree *t, uint32_t from);

/* A place in a tree: the entry at `uid`. */
struct tree_at {
	uint32_t uid;
	uint32_t before; /* entries with lower UIDs */
	struct str page;
	unsigned index; /* in page */
};

/* What to look for. */
struct tree_want {
	uint64_t modseq_above; /* modseq greater than this */
	uint16_t set, unset;   /* flags that must be there, flags that must not */
};

#define TREE_ANY ((struct tree_want){ 0 })

/** The first entry with a UID of at least `from` that is wanted. */
bool tree_next(const struct tree *t, uint32_t from, struct tree_want want, struct tree_at *out);
/** Entries with a UID below uid (64 bits, so that 2^32 asks for all). */
uint32_t tree_rank(const struct tree *t, uint64_t uid);
/** UID of the n-th entry (from 0); 0 when there are not so many. */
uint32_t tree_select(const struct tree *t, uint32_t n);
/** The highest UID, 0 when empty. */
uint32_t tree_last(const struct tree *t);

typedef void tree_run_fn(void *ctx, uint32_t first, uint32_t last);
/** The UIDs of the page with that number, in runs, lowest first. */
void tree_page_runs(uint32_t page, struct str bytes, tree_run_fn *fn, void *ctx);
/**
 * All UIDs: what is full is told without a look at its pages, so it costs what the gaps are, not
 * the messages. One run may go on in the next.
 */
void tree_runs(const struct tree *t, tree_run_fn *fn, void *ctx);

/**
 * Calls fn for each page that may differ, ascending; a page that is not there is STR_NONE. fn
 * returns false to stop. False when it was stopped.
 */
typedef bool tree_diff_fn(void *ctx, uint32_t page, struct str before, struct str after);
bool tree_diff(const struct tree *before, const struct tree *after, tree_diff_fn *fn, void *ctx);

/* ---- changing -------------------------------------------------------------------------------- */

/* A change on its way: nodes that it has made itself are changed in place. */
struct tree_edit {
	struct tree *root;
};

/** t stays what it is; a reference is taken. */
void tree_edit_begin(struct tree_edit *e, struct tree *t);
/** Puts a valid page in; without entries: takes it out. The bytes are copied. */
void tree_edit_put(struct tree_edit *e, uint32_t page, struct str bytes);
/**
 * Applies one operand to a page (page_merge). True: so many have been applied that the page, which
 * is tree_page() of the edit, is better stored whole than with one operand more. It is valid, and
 * not damaged.
 */
bool tree_edit_merge(struct tree_edit *e, uint32_t page, struct str operand);
/**
 * The notes of a message become these, which are copied; empty: none. Of a message that is not
 * there nothing happens.
 */
void tree_edit_notes(struct tree_edit *e, uint32_t uid, struct str notes);

/** As it is at the moment, borrowed. */
static inline struct tree *
tree_edit_now(const struct tree_edit *e)
{
	return e->root;
}
/** The new tree, referenced; NULL when it is empty. */
struct tree *tree_edit_end(struct tree_edit *e);

#endif

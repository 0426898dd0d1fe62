/*
 * load_int.h - the pages of a mailbox on their way into memory: load.c has the loads, load_pages.c
 * makes pages of what they bring.
 */
#ifndef STORE_LOAD_INT_H
#define STORE_LOAD_INT_H

#include "store/commit_int.h"
#include "store/seen_int.h"

/* All pages of a mailbox: its own, and those of users (seen_int.h). */
struct pages {
	struct tree *tree;
	struct seen_users *users; /* NULL: none */
	struct tree **trees;      /* theirs */
};

void pages_done(struct pages *p);
/** Bytes of memory, about. */
size_t pages_bytes(const struct pages *p);
/** Does to them what a commit, made without them, does to the mailbox. */
void pages_fold(struct pages *p, const struct commit *c, struct mailbox_id id);
/**
 * From the rows of a load: the mailbox's own pages; private ones when has_seen; when damage hides
 * some, each of those alone and the change log. info: what is known of the mailbox at their
 * version; NULL: it is not there. ERR_CORRUPT: nobody can say which UIDs there are.
 */
must_use enum err pages_from_rows(struct store *store, const struct kv_rows *rows, bool has_seen,
    const struct mailbox_info *info, struct pages *out);
/** Pages and annotations of rows into a tree; what makes no sense is counted as damaged. */
void pages_put(struct store *store, struct tree_edit *edit, const struct kv_row_list *rows);

/* ---- a large mailbox, a part at a time (load_parts.c) */

/*
 * ERR_OK: its own pages, at that version; the tree is the callee's. ERR_BUSY: it must be loaded
 * whole.
 */
typedef void parts_fn(void *ctx, enum err e, struct tree *tree, uint64_t version);

/** In how many parts a mailbox is to be loaded; 1: whole. */
uint32_t parts_count(const struct store *s, const struct mailbox_info *info);
/**
 * Calls fn exactly once, in any thread, perhaps at once. The account must be there until then; its
 * mutex is not held.
 */
void parts_load(struct account *a, struct mailbox_id id, uint32_t count, parts_fn *fn, void *ctx);

#endif

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

#endif

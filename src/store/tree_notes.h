/*
 * tree_notes.h - the notes of a page's messages, as a leaf of a tree has them: immutable, counted by
 * reference, and those of one message shared between the versions of its page.
 */
#ifndef STORE_TREE_NOTES_H
#define STORE_TREE_NOTES_H

#include "base/str.h"

#include <stdatomic.h>

/* Notes of one message. */
/* Notes of one message, and those of a page: immutable. */
struct note_list {
	_Atomic(uint32_t) refs;
	uint32_t n;
	char bytes[];
};

/* Those of a page. */
struct page_notes {
	_Atomic(uint32_t) refs;
	uint64_t mask; /* UIDs that have some */
	uint64_t bytes;
	struct note_list *lists[];
};

/** A copy of these, with one reference. */
struct note_list *note_list_new(struct str notes);
/** Takes NULL. */
void page_notes_unref(struct page_notes *p);
/** Those of the message at `bit`, borrowed; NULL: none. */
struct note_list *page_notes_at(const struct page_notes *p, unsigned bit);
/**
 * Those of p that are of mask, with `list` (taken over, NULL: none) in place of the one at `bit`.
 * NULL when none is left.
 */
struct page_notes *page_notes_with(const struct page_notes *p, uint64_t mask, unsigned bit,
    struct note_list *list);
/** Those of p that are of mask: p itself, referenced, when that is all. NULL when none is left. */
struct page_notes *page_notes_within(struct page_notes *p, uint64_t mask);

#endif

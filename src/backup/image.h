/*
 * image.h - an account read from its rows, wherever they come from: a backup, or the store itself.
 * Undo records say what was there before, so an image can be of a moment in the past: mailboxes
 * with the names they had, entries that were there. Flags are those an entry had when it went, or
 * has now: of flag changes there is no record.
 */
#ifndef BACKUP_IMAGE_H
#define BACKUP_IMAGE_H

#include "base/arena.h"
#include "kv/kv.h"
#include "store/message_record.h"
#include "store/page.h"
#include "store/row.h"

#define IMAGE_NOW INT64_MAX

struct image_entry {
	uint32_t uid;
	/* 'R' expunged, 'M' moved away; 0: it is there, or was when its mailbox went */
	char why;
	int64_t gone_ms; /* 0: it did not go by itself */
	struct page_entry e;
	struct str notes; /* its annotations (store/notes.h) */
};

struct image_box {
	struct mailbox_id id;
	struct mailbox_row row; /* as it was at the moment, or last */
	struct str name;        /* all levels */
	struct status_row status;
	bool is_gone;                /* deleted: it is known from an undo record */
	int64_t gone_ms, made_ms;    /* made_ms 0: before all that is known */
	struct image_entry *entries; /* sorted by UID; the same UID is not there twice */
	size_t count, cap;
};

/* What is wanted of a message's record. */
struct image_message {
	uint32_t msgno;
	struct blob_id blob;
	uint64_t blob_bytes;
	struct object_id email, thread;
	struct str prefix; /* p NULL: only its length is known */
};

struct image {
	struct arena arena;
	int64_t at_ms;
	struct account_row row;
	struct image_box *boxes; /* by id until image_finish(), then by name */
	size_t box_count, box_cap;
	size_t sorted_count;            /* the first ones, whose ids ascend */
	struct image_message *messages; /* by number */
	size_t message_count, message_cap;
	struct str *undo; /* records, oldest first */
	size_t undo_count, undo_cap;
	bool is_damaged; /* a row made no sense and was left out */
};

void image_init(struct image *i);
void image_done(struct image *i);
/**
 * Takes a row, which is copied: kinds in the order of enum kv_kind, keys ascending. Kinds and keys
 * that are of no use here are passed over. Rows of KV_MESSAGE are given twice when prefixes are
 * wanted. After the rows of KV_LOG, deleted mailboxes are there, and may be given their pages.
 */
void image_add(struct image *i, enum kv_kind kind, struct str key, struct str value);
/**
 * Looks at the undo records: mailboxes that were deleted, entries that went. Pages of theirs can be
 * added then.
 */
void image_read_undo(struct image *i);
/** The rest: names, as they were at a moment (IMAGE_NOW). */
void image_finish(struct image *i, int64_t at_ms);
/** Whether it was there at the moment of the image. */
bool image_box_is_there(const struct image *i, const struct image_box *b);
bool image_is_there(const struct image *i, const struct image_box *b, const struct image_entry *e);
struct image_box *image_box_by_id(struct image *i, uint64_t id);
/** NULL: no record. */
const struct image_message *image_message(const struct image *i, uint32_t msgno);

#endif

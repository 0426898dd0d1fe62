/*
 * list_rows.h - the rows that LIST and LSUB choose from: every mailbox, subscription and level of the hierarchy, each after
 * the one above it, with a link to that one.
 */
#ifndef SESSION_CMD_LIST_ROWS_H
#define SESSION_CMD_LIST_ROWS_H

#include "store/mailbox.h"

#include <stdbool.h>

struct list_row {
	struct str name;
	const struct mailbox_info *mailbox;	/* NULL: a level that only names below it make */
	uint32_t parent;			/* index + 1; 0: top level */
	bool is_selected;			/* for the caller: meets its criteria */
	bool has_selected_below;		/* some row below is selected */
	bool has_hidden_below;			/* some row below is selected, but its own name does not match what was asked for */
};

struct list_rows {
	struct list_row *rows;
	uint32_t count, cap;
};

/** Lists them; names are the snapshot's or the arena's. */
void list_rows_make(struct arena *a, const struct snapshot *snapshot, struct list_rows *out);
/** Marks a row as selected, and what is above it accordingly. */
void list_rows_select(struct list_rows *l, uint32_t i);
/** A selected row's name does not match: what is above it may stand for it. */
void list_rows_hide(struct list_rows *l, uint32_t i);

#endif

/*
 * list_rows.h - the rows that LIST and LSUB choose from: every mailbox, subscription and level of
 * the hierarchy, each after the one above it, with a link to that one. First what is in the user's
 * own account, then what others share with him.
 */
#ifndef SESSION_CMD_LIST_ROWS_H
#define SESSION_CMD_LIST_ROWS_H

#include "session/target.h"

struct list_row {
	struct str name; /* full */
	/* NULL: a level that only names below it make, or a mere subscription */
	const struct mailbox_info *mailbox;
	const struct account *account; /* that the mailbox is in */
	uint32_t parent;               /* index + 1; 0: top level */
	unsigned rights;               /* of the user */
	bool is_subscribed;
	bool has_children;       /* mailboxes that he may know of */
	bool is_foreign;         /* not of his own account */
	bool is_selected;        /* for the caller: meets its criteria */
	bool has_selected_below; /* some row below is selected */
	/* some row below is selected, but its own name does not match what was asked for */
	bool has_hidden_below;
};

struct list_rows {
	struct list_row *rows;
	uint32_t count, cap;
};

/** Adds what a user has in his own account; names are the snapshot's or the arena's. */
void list_rows_add_own(struct session *s, struct arena *a, const struct snapshot *own,
    struct list_rows *l);
/**
 * Adds what is below the name of one of the other namespaces: what the user may know of in the
 * snapshots of other accounts, and his subscriptions there.
 */
void list_rows_add_space(struct session *s, struct arena *a, enum target_space space,
    const struct snapshot *own, struct snapshot *const *others, size_t count, struct list_rows *l);
/** Marks a row as selected, and what is above it accordingly. */
void list_rows_select(struct list_rows *l, uint32_t i);
/** A selected row's name does not match: what is above it may stand for it. */
void list_rows_hide(struct list_rows *l, uint32_t i);

#endif

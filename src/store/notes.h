/*
 * notes.h - annotations of messages (RFC 5257), called notes here to tell them from those of
 * mailboxes (annotation.h): for each message that has any, a list of entries, of the same form.
 *
 * They lie beside the pages of the mailbox, in rows of their own that sort behind their page, and
 * come into memory and leave it with the pages (tree.h): so a session reads them from its version
 * of the mailbox, without waiting, and a message without notes costs nothing. Names are told apart
 * with regard to case. What is private belongs to one user, whoever owns the mailbox.
 */
#ifndef STORE_NOTES_H
#define STORE_NOTES_H

#include "store/annotation.h"
#include "store/change.h"

enum {
	NOTE_VALUE_MAX = ANNOTATION_VALUE_MAX,
	NOTE_NAME_MAX = 255,
	/* of a message and scope; private ones of each user */
	NOTES_MAX = 100,
	NOTES_MAX_BYTES = 131072, /* of a message */
	/* of all messages of an account: they are in memory with their mailbox */
	NOTES_ACCOUNT_MAX_BYTES = 32 << 20,
};

/** Whether bytes are a list: for what was stored. */
bool notes_are_valid(struct str list);
/** Looks one up by its scope, user and name. */
bool notes_find(struct str list, const struct annotation *key, struct str *value_out);
/**
 * Adds the list with changes made (value.p == NULL: it goes), of which no two are of the same note.
 * ERR_ANNOTATIONS_TOOMANY, ERR_ANNOTATION_TOOBIG.
 */
must_use enum err notes_change(struct str list, const struct annotation *changes, size_t n,
    struct buf *out);
/**
 * Adds what goes along when a user copies the message to where he has these rights (RFC 5257 4.6).
 */
void notes_copy(struct str list, uint64_t user, unsigned rights, struct buf *out);

/** Adds the names, each once and without value, of what differs between two lists for a user. */
void notes_diff(struct str before, struct str after, uint64_t user, struct buf *out);

/** The stored form of a list, and back. ERR_CORRUPT. */
void notes_row_encode(struct str list, struct buf *out);
must_use enum err notes_row_decode(struct str row, struct str *list_out);

/**
 * The notes of a message as the view has it; STR_NONE: none. Valid until the view is refreshed or
 * closed.
 */
struct str view_notes(const struct view *v, struct uid uid);
/** The first message with a UID of at least `from` that has notes; 0: none. */
uint32_t view_next_noted(const struct view *v, uint32_t from);
/** Some of the mailbox's notes could not be read: ERR_CORRUPT to who asks for any. */
bool view_has_lost_notes(const struct view *v);

/* Changes to the notes of messages, as struct flags_change is to flags. */
struct notes_change {
	const struct annotation *changes; /* no two of the same note */
	size_t count;
	bool has_unchangedsince;
	uint64_t unchangedsince;
};

/**
 * STORE ANNOTATION; for the sets and the cursor see messages_store(). A message whose notes are so
 * already is not changed. What is refused is refused before the first commit; who may do what is
 * the caller's. ERR_ANNOTATIONS_TOOMANY, ERR_ANNOTATION_TOOBIG, ERR_OVERQUOTA.
 */
must_use enum err messages_annotate(struct view *v, const struct rangeset *uids,
    const struct notes_change *change, uint32_t *cursor, struct waiter *w,
    struct rangeset *changed_out, struct rangeset *modified_out, struct snapshot **after_out);

#endif

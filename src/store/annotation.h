/*
 * annotation.h - annotations of mailboxes (RFC 5464): a list of names with values, as it is stored
 * in the mailbox's row.
 *
 * So they live and die with the mailbox, move when it is renamed, and are read without waiting.
 * What is private belongs to one user, whoever owns the mailbox. Annotations that a user has made
 * of the server as a whole are in the row of his INBOX.
 */
#ifndef STORE_ANNOTATION_H
#define STORE_ANNOTATION_H

#include "store/mailbox.h"

enum annotation_scope {
	ANNOTATION_SHARED = 1,
	ANNOTATION_PRIVATE,
	ANNOTATION_SERVER, /* private, of the server */
	ANNOTATION_KEY,    /* no annotation of any client's: access_key.h */
};

enum {
	ANNOTATION_NAME_MAX = 1024,
	ANNOTATION_VALUE_MAX = 32768,
	/* of a mailbox and scope; private ones of each user */
	ANNOTATIONS_MAX = 100,
	/* of all mailboxes: they are always in memory */
	ANNOTATIONS_ACCOUNT_MAX_BYTES = 4 << 20,
};

/* Names are told apart without regard to case, but kept as they were written. */
struct annotation {
	enum annotation_scope scope;
	/* account of whose it is; 0: shared; of a key: which the mailbox is in */
	uint64_t user;
	struct str name;  /* "/shared/comment" */
	struct str value; /* p == NULL, of a change: it is removed */
};

/** Takes the first one off a list; false at its end. */
bool annotation_next(struct str *list, struct annotation *out);
/** Whether bytes are a list: for what was stored. */
bool annotations_are_valid(struct str list);
/** Looks one up by its scope, user and name. */
bool annotation_find(struct str list, const struct annotation *key, struct str *value_out);
/** Looks up the first that is_it() takes for the key. */
typedef bool annotation_same_fn(const struct annotation *here, const struct annotation *key);
bool annotation_find_by(struct str list, const struct annotation *key, annotation_same_fn *is_it,
    struct str *value_out);
/** How many are of the scope and user of that one. */
size_t annotations_count(struct str list, const struct annotation *like);
/**
 * Writes the list with changes made, of which no two are of the same annotation. ERR_LIMIT: too
 * many, or too long.
 */
must_use enum err annotations_change(struct str list, const struct annotation *changes, size_t n,
    struct buf *out);
/** Writes the list without what is of the server, and without keys: for another mailbox. */
void annotations_of_mailbox(struct str list, struct buf *out);
/** Adds one to a list that has none of its scope, user and name. */
void annotation_add(struct buf *out, const struct annotation *a);

/* What else there is to set of a mailbox, that clients set as annotations. */
struct mailbox_settings {
	bool sets_use;
	uint32_t special_use;
	bool sets_seen; /* by hand: no access control list changes it afterwards */
	bool is_seen_private;
};

/**
 * Sets annotations of a mailbox, and settings if they are not NULL: one commit, all or nothing. No
 * change: ERR_OK with the snapshot of now. ERR_NOTFOUND; ERR_LIMIT: too many; ERR_OVERQUOTA;
 * ERR_USEATTR; ERR_NOSELECT. The mailbox gets another highest modseq, unless all of it is about the
 * server.
 */
must_use enum err mailbox_annotate(struct account *a, struct mailbox_id id,
    const struct annotation *changes, size_t n, const struct mailbox_settings *settings,
    struct snapshot **after_out);

#endif

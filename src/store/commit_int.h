/*
 * commit_int.h - one change of an account, from the mutex to the disk.
 *
 *     account_lock ─ commit_begin() ─ commit_mailbox(), commit_merge_page() … ─ commit_publish() ─ unlock
 *                                                       │ commit_abort()            │ engine
 *                                                       ▼                           ▼
 *                                                    nothing                 done(): `durable` moves, or all is taken back
 *
 * commit_publish() takes several commits, of different accounts, all of whose mutexes are held:
 * they become durable together or not at all.
 */
#ifndef STORE_COMMIT_INT_H
#define STORE_COMMIT_INT_H

#include "base/bin.h"
#include "store/account_int.h"

struct commit_set;

/* whose messages one commit changes in an account: from and to */
enum { COMMIT_MAILBOXES_MAX = 2 };

/* What a commit changes of a user's private pages in a mailbox (seen_int.h). */
struct seen_edit {
	uint64_t user;
	bool has_new_modseq;
	bool is_dropped; /* all of them go */
	/* when the pages are not in memory: messages that he has seen besides */
	uint32_t more;
	struct tree_edit edit; /* when they are */
};

/* What a commit changes in one mailbox. */
struct mailbox_change {
	uint32_t at; /* its place in the base snapshot */
	struct mailbox_id id;
	struct mailbox_state *state; /* as it will be; changed freely until it is published */
	struct tree_edit edit;       /* when state->has_tree */
	bool is_touched;             /* its messages changed: it gets a new highestmodseq */
	bool is_recounted;           /* without that, its counts may have changed */
	struct seen_edit *seen;      /* private pages that change, by user in no order */
	uint32_t seen_count;
	bool has_new_desc;
	struct rangeset vanished; /* UIDs that go: a row of the change log */
};

/*
 * An operand on a page of a mailbox whose pages are not in memory, or notes of a message there:
 * what a load must fold in.
 */
struct page_op {
	struct page_op *next;
	struct mailbox_id id;
	bool is_private; /* a page of a user, who is */
	uint64_t user;
	uint32_t page;
	uint32_t noted; /* UID whose notes `operand` is; 0: an operand */
	struct str operand;
};

struct commit {
	struct list node;        /* in account->commits */
	struct account *account; /* referenced once published */
	uint64_t version;
	struct snapshot *base;     /* referenced while it is being made */
	struct snapshot *snapshot; /* after it */
	struct account_row row;    /* as it will be */
	bool is_row_changed;
	bool frees_room; /* allowed on a full disk */
	bool is_done;    /* the engine has answered */
	bool is_failed;  /* taken back: it or one before it failed */
	/* private pages that it changes: what it costs where many users share */
	uint32_t seen_pages;
	struct kv_txn *txn;
	struct mailbox_change *changes;
	uint32_t change_count;
	/* all of them, sorted, when mailboxes come, go or are renamed; owned */
	struct mailbox_state **states;
	uint32_t state_count;
	struct arena memory; /* of ops */
	struct page_op *ops, **ops_end;
	struct buf undo;         /* undo.c: sections so far */
	uint64_t retained_bytes; /* of the messages that they hold */
	struct commit_set *set;  /* until the engine has answered */
	/* commit_stage.c: commits in front of it, and the links that they make */
	uint32_t stage_count, staged_count, staged_cap;
	struct msgno *staged; /* own memory; until it is published */
	bool is_stage;        /* it is one of those */
	struct bin *bin;      /* of who made it */
	struct bin_item trash;
};

/*
 * Called when a published set is durable (ERR_OK) or was taken back; in the engine's thread,
 * without any mutex.
 */
typedef void commit_done_fn(void *ctx, enum err e);

/* A set of commits that is published together. */
struct commit_set {
	struct store *store;
	struct commit *commits[2];
	size_t count;
	/* the change of ACCOUNT_SYSTEM that belongs to it, or NULL */
	struct kv_txn *directory;
	commit_done_fn *fn; /* may be NULL */
	void *ctx;
};

/** Mutex held. ERR_IO: the engine has failed. */
must_use enum err commit_begin(struct account *a, struct commit **out);
/** The same where an engine that has failed is found out later. */
struct commit *commit_next(struct account *a);
/** Mutex held. Takes NULL. */
void commit_abort(struct commit *c);
/**
 * Begins a commit that changes mailboxes, whose `states` are listed; locks the account, which
 * commit_close() unlocks. ERR_FULL, ERR_IO.
 */
must_use enum err commit_open(struct account *a, bool frees_room, struct commit **out);
/**
 * Publishes it when all went well and something is changed, else drops it. Returns e; with ERR_OK
 * the snapshot that is the latest now.
 */
must_use enum err commit_close(struct commit *c, enum err e, bool is_changed,
    struct snapshot **after_out);
/** The same of a set of one, which may have a change of the directory too. */
must_use enum err commit_close_set(struct commit_set *set, enum err e, bool is_changed,
    struct snapshot **after_out);
/**
 * The change of a mailbox in this commit, by its place in the base snapshot. Valid until the next
 * call.
 */
struct mailbox_change *commit_mailbox(struct commit *c, uint32_t at);
/**
 * Applies an operand to a page in memory, and in its row, which becomes it, or once in a while is
 * written whole: so a load has not many operands to fold. Not in a store of which anything was found
 * damaged, whose evidence that would be.
 */
void commit_merge(struct commit *c, struct row_key key, struct tree_edit *edit, uint32_t page,
    struct str operand);
/** Applies an operand to a page. */
void commit_merge_page(struct commit *c, struct mailbox_change *m, uint32_t page,
    struct str operand);
/**
 * The notes of a message become these (notes.h); empty: none. If the pages are not in memory it
 * must have had none.
 */
void commit_set_notes(struct commit *c, struct mailbox_change *m, uint32_t uid, struct str notes);
/**
 * Removes UIDs of one page, whose pages are in memory, and takes note of what went. why: 'R'
 * expunged, 'M' moved.
 */
void commit_remove(struct commit *c, struct mailbox_change *m, uint32_t page, uint64_t mask,
    char why);
/**
 * The same of whole flags that no modseq tells of: what the owner has seen, where others are not to
 * notice.
 */
void commit_merge_page_quietly(struct commit *c, struct mailbox_change *m, uint32_t page,
    struct str operand);
/** Writes the mailbox row of a desc. */
void commit_put_desc(struct commit *c, const struct mailbox_desc *d);
/** Writes the row of its counts. */
void commit_put_status(struct commit *c, const struct mailbox_state *s);

/* Links of messages: commit_stage.c. */

/**
 * At most so many will be made by commit_link(): many are made in stages. Before anything else is
 * done with the commit, whose version it changes.
 */
void commit_stage(struct commit *c, uint64_t links);
/** One more entry shows a message. */
void commit_link(struct commit *c, struct msgno n);
/** At publishing, in front of it. */
void commit_publish_stages(struct commit *c);

/* Private pages (seen_int.h): commit_seen.c. */

/**
 * The UIDs of mask get the commit's modseq for the user; those of `seen` are \Seen, the others are
 * not. False, and nothing is done: too many users have pages here.
 */
bool commit_see(struct commit *c, struct mailbox_change *m, uint64_t user, uint32_t page,
    uint64_t mask, uint64_t seen);
/** Whether commit_see() will do it. */
bool commit_may_see(const struct mailbox_change *m, uint64_t user);
/** A user is no more: so are his pages in the mailbox. */
void commit_drop_seen(struct commit *c, struct mailbox_change *m, uint64_t user);
/** Messages of a page go, and with them what users have seen of them; the pages are in memory. */
void commit_forget_seen(struct commit *c, struct mailbox_change *m, uint32_t page, uint64_t mask);
/** A mailbox is no more: so are all private pages of it. */
void commit_drop_all_seen(struct commit *c, struct mailbox_id id);
/** At publishing: the users' rows are written; the state gets them, and their trees. */
void commit_settle_seen(struct commit *c, struct mailbox_change *m);
/** An operand on a page that is not in memory: a load will want it. Copied. */
void commit_keep_op(struct commit *c, const struct page_op *like);

/* Mailboxes that come, go or are renamed: the commit works on a list of all. */

/** Adds a state, whose reference is taken over. */
void commit_add_state(struct commit *c, struct mailbox_state *s);
/** Takes the i-th of c->states out. */
void commit_remove_state(struct commit *c, uint32_t i);
/** Another state, whose reference is taken over, in place of the i-th: rows and all. */
void commit_replace_state(struct commit *c, uint32_t i, struct mailbox_state *s);
/**
 * Gives the i-th another desc (reference taken over): sort with commit_sort_states() afterwards
 * when names changed.
 */
void commit_change_desc(struct commit *c, uint32_t i, struct mailbox_desc *d);
void commit_sort_states(struct commit *c);
/** The i-th, which this commit has given another desc, has changed for who asks for its modseq. */
void commit_raise_modseq(struct commit *c, uint32_t i);
/**
 * Whether the commit, as it is now, leaves the account within its limits, or makes nothing larger
 * (quota.c): ERR_OVERQUOTA.
 */
must_use enum err commit_check_quota(const struct commit *c);
/** The same before anything was changed. */
must_use enum err commit_check_room(const struct commit *c, uint64_t more_bytes,
    uint64_t more_messages);
/** The same of c->states: the number of mailboxes. */
must_use enum err commit_check_mailbox_quota(const struct commit *c);
/** Whether the notes of the account's messages may become so many bytes more: ERR_OVERQUOTA. */
must_use enum err commit_check_notes(const struct commit *c, uint64_t more_bytes);
/** Fills c->states. */
void commit_list_states(struct commit *c);
/** Index in the list of a mailbox or a level, or -1. */
int64_t commit_find_state(const struct commit *c, struct str name);
/** CREATE in the list (mailbox.c). */
must_use enum err commit_create_mailbox(struct commit *c, struct str name, uint32_t special_use);
/** Whether annotations may grow so, for all that the account holds (annotation.c). */
bool commit_has_annotation_room(const struct commit *c, size_t before_bytes, size_t after_bytes);
/**
 * The change of the index of what is shared (sharing.h) when the list of the i-th becomes another;
 * NULL: none. sharing_changed() is called when the set is durable, ctx the store.
 */
struct kv_txn *commit_share(const struct commit *c, uint32_t i, struct str before,
    struct str after);
void sharing_changed(void *ctx, enum err e);

/**
 * Publishes and queues; all mutexes held, which it does not release. Takes the commits over; *set
 * is copied. after[i] is the snapshot after the i-th, referenced; after may be NULL.
 */
void commit_publish(const struct commit_set *set, struct snapshot **after);
/** For the usual one commit. */
struct snapshot *commit_publish_one(struct commit *c);
/** Lets go of commits taken off an account's list; without its mutex. */
void commits_free(struct list *gone);

#endif

/*
 * account_int.h - an account in memory: what the files of store/ share.
 *
 * `latest` and `durable` are immutable snapshots. A change builds a struct commit on `latest` under
 * the account's mutex (commit_int.h), publishes the snapshot after it and hands the transaction to
 * the engine, still under the mutex, so that the engine gets them in the order of their versions.
 * The engine's callback moves `durable`.
 *
 * Order of locks: account->past_lock, store->lock, then account->lock (of several accounts: in
 * order of id), then the lock of a waitlist.
 */
#ifndef STORE_ACCOUNT_INT_H
#define STORE_ACCOUNT_INT_H

#include "base/hash.h"
#include "base/list.h"
#include "imap/seqset.h"
#include "store/mailbox.h"
#include "store/row.h"
#include "store/steady.h"
#include "store/store.h"
#include "store/tree.h"

#include <pthread.h>
#include <stdatomic.h>

struct message_cache; /* arrival_int.h */
struct digest_cache;  /* digest.h */
struct trigram_cache; /* trigrams.h */
struct thread_index;
struct seen_users; /* seen_int.h */

struct store {
	struct store_options o; /* with defaults filled in */
	struct message_cache *messages;
	struct digest_cache *digests;
	struct trigram_cache *trigrams;
	pthread_mutex_t lock;
	struct hash by_user;  /* struct account */
	struct list accounts; /* struct account.in_store */
	size_t account_count;
	/* woken when the directory was read, and when accounts may be numbered again */
	struct waitlist opened;
	struct account *numbering; /* who asks the directory for its version and the next id */
	/* then these are what the next account is made on: they run ahead of the engine */
	bool is_directory_known;
	uint64_t directory_version, directory_next;
	uint32_t creating;            /* commits of new accounts on their way */
	struct steady steady;         /* store_tick()'s own */
	struct buf sweep_from;        /* store_tick()'s own: where in the directory it goes on */
	_Atomic(uint64_t) tree_bytes; /* pages in memory, about */
	/* mailboxes whose pages did not add up when they were loaded */
	_Atomic(uint64_t) damaged;
	_Atomic(uint32_t) commits; /* on their way */
	_Atomic(uint64_t) purges;  /* accounts of which nothing is left */
	/* moves when the index of what is shared has changed */
	_Atomic(uint64_t) shares_version;
	struct waitlist shared; /* woken when it moves */
};

enum account_state {
	ACCOUNT_FINDING,   /* its row in the directory is being loaded */
	ACCOUNT_MISSING,   /* it has none */
	ACCOUNT_LOADING,   /* its rows are being loaded */
	ACCOUNT_NUMBERING, /* it is being made: the directory gives it an id */
	ACCOUNT_CREATING,  /* it is being made: the commit is on its way */
	ACCOUNT_READY,
	/* open_error says why; the next who asks takes it out and tries again */
	ACCOUNT_BROKEN,
};

#define RETAINED_UNKNOWN UINT64_MAX

struct account {
	struct store *store;
	struct kv *kv;
	struct account_id id; /* known from ACCOUNT_LOADING on */
	struct str user;      /* own memory */
	struct list in_store;
	_Atomic(uint32_t) refs; /* 0: may be closed when the store needs room */
	/* under store->lock until it is ACCOUNT_READY, then constant */
	enum account_state state;
	bool is_step_done; /* under store->lock: what the state waits for has come */
	bool is_in_table;  /* found by its user; a deleted one is not */
	enum err step_error;
	struct kv_rows *step_rows;
	struct thread_index *threads; /* arrival_int.h; made when it is ready */
	_Atomic(int64_t) used_us;     /* monotonic: last use */
	/* monotonic: pages were loaded, and may be about to be used */
	_Atomic(int64_t) loaded_us;

	_Atomic(uint64_t) seen_looked_at; /* seen_tick(): store->purges then, plus one */
	_Atomic(int64_t) undo_oldest_ms;  /* wall clock: no undo record is older */
	/* of messages that undo records hold, about; RETAINED_UNKNOWN until they are counted */
	_Atomic(uint64_t) retained_bytes;
	/* who removes undo records, or puts back what they hold; taken before all others */
	pthread_mutex_t past_lock;
	atomic_bool is_restored; /* account_restore_begin() */

	pthread_mutex_t lock; /* what follows; held for microseconds, never over I/O */
	struct snapshot *latest, *durable;
	/* highest version ever given out: a failed one is not given again */
	uint64_t version_high;
	uint64_t end_version; /* the commit that deletes the account; 0: none */
	uint32_t msgno_high;  /* the same for message numbers: the next one is above */
	/* struct commit by version: not durable, or kept for loads in flight */
	struct list commits;
	struct list loads;       /* struct tree_load */
	struct versions *failed; /* that were taken back; ascending */
	size_t failed_count;
	/* rows C of this version and older are of copies that were not made (commit_stage.c) */
	uint64_t staged_floor;
	bool may_have_staged;   /* there may be such */
	struct recent *recents; /* \Recent claims; by mailbox, unsorted */
	size_t recent_count;
	struct waitlist durables; /* woken when `durable` moves or versions fail */
	struct waitlist loaded;   /* woken when a load, or a step of its opening, has ended */
};

/* Versions first..last. */
struct versions {
	uint64_t first, last;
};

/* UIDs from here on in the mailbox were not told to a read-write session. */
struct recent {
	struct mailbox_id id;
	uint32_t from;
};

/* ---- snapshots (snapshot.c) ------------------------------------------------------------------ */

/* What a mailbox is, as far as it seldom changes: shared by its states. Immutable. */
struct mailbox_desc {
	_Atomic(uint32_t) refs;
	struct mailbox_id id;
	struct mailbox_row row; /* row.name is the last level */
	struct str name;        /* all levels */
	char texts[];           /* its keywords, as struct str, all their bytes, the ACL */
};

/*
 * A mailbox in one or more snapshots. Immutable, but for its pages: they may come and go, under the
 * account's mutex.
 */
struct mailbox_state {
	_Atomic(uint32_t) refs;
	bool has_tree;
	struct tree *tree;
	struct seen_users *seen;  /* users with private pages; NULL: none (seen_int.h) */
	struct tree **seen_trees; /* theirs, in that order, when has_tree; NULL: none */
	struct mailbox_info info; /* info.state is this; texts belong to desc */
	struct mailbox_desc *desc;
};

enum { CHUNK_STATES = 32 };

struct state_chunk {
	_Atomic(uint32_t) refs;
	struct mailbox_state *states[CHUNK_STATES];
};

/*
 * Where each mailbox is among the states: sorted by id; shared until a mailbox comes, goes or is
 * renamed.
 */
struct state_index {
	_Atomic(uint32_t) refs;

	struct state_place {
		uint64_t id;
		uint32_t at;
	} places[];
};

struct snapshot {
	_Atomic(uint32_t) refs;
	struct account *account; /* not referenced: who holds a snapshot holds the account */
	uint64_t version;
	struct account_row row; /* without user */
	struct state_index *index;
	uint32_t count; /* states, in the order of snapshot_mailbox_at() */
	struct state_chunk *chunks[];
};

/** row.keywords and names are copied. */
struct mailbox_desc *mailbox_desc_new(struct mailbox_id id, const struct mailbox_row *row,
    struct str name);
struct mailbox_desc *mailbox_desc_ref(struct mailbox_desc *d);
void mailbox_desc_unref(struct mailbox_desc *d);
/** A state of its own; the reference to desc is taken over. */
struct mailbox_state *mailbox_state_new(struct mailbox_desc *desc, const struct status_row *status);
/** A copy, with its pages; account's mutex held. */
struct mailbox_state *mailbox_state_copy(const struct mailbox_state *s);
struct mailbox_state *mailbox_state_ref(struct mailbox_state *s);
void mailbox_state_unref(struct mailbox_state *s);
/** Another desc, whose reference is taken over. */
void mailbox_state_set_desc(struct mailbox_state *s, struct mailbox_desc *desc);
void mailbox_state_status(const struct mailbox_state *s, struct status_row *out);

/**
 * A snapshot of states sorted by mailbox_name_cmp(); their references are taken over. has_children
 * is worked out, which may replace states by copies. Account's mutex held (or nobody else knows
 * it).
 */
struct snapshot *snapshot_build(struct account *a, uint64_t version, const struct account_row *row,
    struct mailbox_state **states, uint32_t count);
/** base with some states exchanged; `at` ascending; references to states are taken over. */
struct snapshot *snapshot_change(const struct snapshot *base, uint64_t version,
    const struct account_row *row, const uint32_t *at, struct mailbox_state *const *states,
    uint32_t count);

static inline struct mailbox_state *
snapshot_state(const struct snapshot *s, uint32_t at)
{
	return s->chunks[at / CHUNK_STATES]->states[at % CHUNK_STATES];
}

/** Place of a mailbox, or -1. */
int64_t snapshot_find_id(const struct snapshot *s, struct mailbox_id id);
int64_t snapshot_find_name(const struct snapshot *s, struct str name);
/** Where a name would be: the first state whose name is not below. */
uint32_t snapshot_lower_bound(const struct snapshot *s, struct str name);
/** INBOX first, level by level. */
int mailbox_name_cmp(struct str a, struct str b);
/** b is below a in the hierarchy. */
bool mailbox_name_is_below(struct str b, struct str a);
/**
 * The name with INBOX in capitals: in `space` (of MAILBOX_NAME_MAX bytes) when it had to be
 * changed.
 */
struct str mailbox_name_canonical(struct str name, char *space);

/* A load of a mailbox's pages on its way, or one that failed and waits to be told. */
struct tree_load {
	struct list node;
	struct account *account; /* referenced */
	struct mailbox_id id;
	uint64_t durable_at_start; /* commits after it are kept until it ends */
	bool has_seen;             /* it asks for private pages too */
	bool was_failed;           /* what it brought once was of a version that failed */
	uint32_t parts;            /* it is loaded in so many; 1: whole */
	enum err error;            /* it failed */
};

/* ---- pages of mailboxes (load.c) ------------------------------------------------------------- */

/**
 * The pages of a mailbox in `latest`, and in every snapshot since `durable` that has it. Without
 * the mutex. ERR_OK: they are in memory, for now; ERR_WAIT, ERR_NOTFOUND, ERR_NOSELECT, ERR_IO,
 * ERR_CORRUPT.
 */
must_use enum err account_load_tree(struct account *a, struct mailbox_id id, struct waiter *w);
/**
 * The state that a session at snapshot s is to see, with its pages: that of s, or of the durable
 * snapshot when that is later. Both referenced. *snapshot_out is the snapshot it is of, referenced;
 * set for ERR_NOTFOUND and ERR_NOSELECT too, otherwise left alone. *seen_out are the private pages
 * of a user (seen_int.h), referenced.
 */
must_use enum err account_state_at(struct account *a, struct snapshot *s, struct mailbox_id id,
    uint64_t user, struct waiter *w, struct mailbox_state **state_out, struct tree **tree_out,
    struct tree **seen_out, struct snapshot **snapshot_out);
/**
 * Lets pages go that nobody uses, while the store holds more than its cache may. Mutex not held.
 */
void account_evict(struct account *a);
/**
 * Drops commits that no load in flight needs any more; mutex held; they are put into `gone`, to be
 * freed without it.
 */
void account_trim_commits(struct account *a, struct list *gone);

/* ---- \Recent (commit.c) ---------------------------------------------------------------------- */

/** First UID that nobody was told of; mutex held. */
uint32_t account_recent_from(struct account *a, const struct mailbox_info *m);
/** UIDs below uidnext are claimed; mutex held. */
void account_recent_claim(struct account *a, struct mailbox_id id, uint32_t uidnext);

/* ---- the store (store.c) */

/** Frees a store whose engine has lost power and will answer nothing any more: for simulation. */
void store_discard(struct store *s);
/** A deleted account is not found any more; who holds it keeps it. */
void store_forget(struct store *s, struct account *a);
/** Takes an account out of memory again that nobody uses, if it can be. */
void store_let_go(struct store *s, struct str user);
/** Whether it is in memory. */
bool store_has_account(struct store *s, struct account_id id);
bool store_has_user(struct store *s, struct str user);
/** Nobody finds it any more, and the caller frees it; store->lock held. */
void store_drop_account(struct store *s, struct account *a);

/* ---- the account (account.c) ----------------------------------------------------------------- */

/**
 * The states and rows that it was opened with become its snapshots: version's rows are `rows`, of
 * one load or the other.
 */
must_use enum err account_rows_decode(struct account *a, const struct kv_rows *rows);

/** The ranges that account_rows_decode() wants. */
enum { ACCOUNT_RANGES = 1 };

void account_ranges(struct kv_range ranges[ACCOUNT_RANGES]);
/**
 * Damage hides rows: the same ranges, and each row that may be hidden alone. Both arrays are the
 * caller's to free, after the load has begun. ERR_CORRUPT of that load: one of these can't be read.
 */
size_t account_ranges_alone(const struct kv_rows *gaps, struct kv_range **ranges_out,
    struct row_key **keys_out);
/** The number of the next message; mutex held. */
struct msgno account_next_msgno(struct account *a);
/** Whether a version was taken back; mutex held. */
bool account_is_failed(const struct account *a, uint64_t version);
/** Frees it: nobody references it and nothing is on its way. */
void account_free(struct account *a);
bool account_is_idle(struct account *a);

#endif

/*
 * store.h - accounts and their versions.
 *
 * An account is the unit of consistency: all of it changes in atomic commits, each with the next
 * account version. It has two snapshots: `latest`, on which the next change is computed, and
 * `durable`. Every change computes and publishes a new latest under the account's mutex, queues one
 * engine transaction, and returns a snapshot *after* it; when that version is durable, `durable`
 * moves and everybody who waits on the account is woken. Nobody but the session that made a change
 * may show anything of it before (the output gate).
 *
 * Waiting: a function that returns ERR_WAIT has registered the caller's waiter and changed nothing
 * that the caller sees; call it again when woken. What it loaded stays in memory at least until the
 * caller's next call.
 *
 * Threads: everything here may be called from any thread; a view (view.h) belongs to one session.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/waiter.h"
#include "kv/kv.h"
#include "store/ids.h"

struct store;
struct account;
struct snapshot;
struct rangeset; /* imap/seqset.h */

/* Of an account; UINT64_MAX: no limit. */
struct quota_limits {
	uint64_t storage_kib; /* 1024 bytes each, as the protocol counts (RFC 9208 5.1) */
	uint64_t messages;
	uint64_t mailboxes;
	uint64_t annotations_kib; /* of messages (notes.h) */
};

#define QUOTA_NO_LIMITS ((struct quota_limits){ UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX })

struct store_options {
	struct kv *kv; /* opened with store_merge_functions() in its options */
	struct clock *clock;
	void (*random)(void *buf, size_t n);
	uint64_t message_max_bytes; /* 0: 64 MiB */
	/* how long expunged mail can be restored; default of the caller, 0: not at all */
	uint32_t retention_s;
	/*
	 * of an account, what was expunged and the records of changes: what is oldest goes earlier
	 * when it is more; 0: 20 GiB
	 */
	uint64_t retained_max_bytes;
	uint64_t log_rows_max; /* of an account: with more, the older half goes; 0: 100,000 */
	/* mailbox pages and message records kept for nobody; 0: 32 MiB */
	size_t cache_bytes;
	size_t trigrams_bytes;  /* of searched texts (trigrams.h); 0: as cache_bytes */
	uint32_t load_pages;    /* a mailbox with more is loaded in parts of so many; 0: 192 */
	uint32_t mailboxes_max; /* an account; 0: 10,000 */
	uint32_t stage_links;   /* a COPY of more messages is made in stages of so many; 0: 512 */
	/* mailbox pages that one commit of EXPUNGE, MOVE and RENAME of INBOX changes; 0: 64 */
	uint32_t commit_pages;
	/* of accounts that have none of their own; a 0 is no limit here */
	struct quota_limits quota;
};

/** Fills in the merge functions that an engine must be opened with. */
void store_merge_functions(struct kv_options *o);
must_use enum err store_open(const struct store_options *o, struct store **out);
/** Waits until what was published is durable or failed. No account may be referenced any more. */
void store_close(struct store *s);
/**
 * Housekeeping: ends retention, evicts what nobody uses. Call about once a minute, one at a time,
 * from a job thread.
 */
void store_tick(struct store *s);
/**
 * By how many milliseconds the wall clock had jumped when store_tick() looked; 0: it had not. After
 * a jump retention waits (steady.h).
 */
int64_t store_clock_jump(const struct store *s);

/* ---- accounts -------------------------------------------------------------------------------- */

enum account_open {
	ACCOUNT_EXISTING, /* ERR_NOTFOUND when the user has no account yet */
	/*
	 * makes it: INBOX, Drafts, Sent, Junk, Trash, Archive with their special uses, subscribed;
	 * that of the shared namespace (sharing.h) without any
	 */
	ACCOUNT_CREATE,
};

/**
 * The account of a user, referenced. user: normalised name, UTF-8. Creating is a commit: the
 * account is returned when it is durable. ERR_WAIT, ERR_NOTFOUND, ERR_FULL, ERR_IO, ERR_CORRUPT.
 */
must_use enum err store_account_open(struct store *s, struct str user, enum account_open how,
    struct waiter *w, struct account **out);
struct account *account_ref(struct account *a);
void account_unref(struct account *a);
struct str account_user(const struct account *a);
struct account_id account_id(const struct account *a);
/** Removes the account with everything in it. Sessions see their mailboxes vanish. */
must_use enum err store_account_delete(struct store *s, struct str user, struct waiter *w);

/* All accounts, for tools: calls fn for each; waits, never on a loop. */
typedef void store_each_fn(void *ctx, struct account_id id, struct str user);
must_use enum err store_accounts_each(struct store *s, store_each_fn *fn, void *ctx);

/* ---- versions and the gate ------------------------------------------------------------------- */

/**
 * What a session may show: the durable snapshot or, when its own last commit is later, the snapshot
 * after that (then its output must wait for snapshot_version(own)). own may be NULL. Referenced.
 */
struct snapshot *account_snapshot(struct account *a, struct snapshot *own);
/**
 * What changes are computed on, referenced, when it is not durable yet; else NULL. Who was refused,
 * or had nothing to change, because of it must not be told so before it is.
 */
struct snapshot *account_pending(struct account *a);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);
uint64_t snapshot_version(const struct snapshot *s);
struct account *snapshot_account(const struct snapshot *s);

enum durability {
	VERSION_PENDING,
	VERSION_DURABLE,
	VERSION_FAILED, /* taken back: close the session without sending what it gated */
};
enum durability account_durability(const struct account *a, uint64_t version);
/** ERR_OK: durable. ERR_WAIT: w is woken when it may be. ERR_IO: taken back. */
must_use enum err account_wait_durable(struct account *a, uint64_t version, struct waiter *w);
/** ERR_OK: the durable version is later than `known`. ERR_WAIT: w is woken when it may be. */
must_use enum err account_wait_change(struct account *a, uint64_t known, struct waiter *w);

/* Use of an account, kept by commits. */
struct account_usage {
	uint64_t size_bytes; /* sum of RFC822.SIZE over all entries (RFC 9208 STORAGE) */
	uint64_t messages;
	uint32_t mailboxes;
};

void snapshot_usage(const struct snapshot *s, struct account_usage *out);

#endif

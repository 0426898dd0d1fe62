/*
 * account_int.h - an account in memory: what the files of store/ share.
 *
 * `latest` and `durable` are immutable snapshots. A change builds a struct commit on `latest` under the account's mutex
 * (commit.c), publishes the snapshot after it and hands the transaction to the engine, still under the mutex, so that the
 * engine gets them in the order of their versions. The engine's callback moves `durable`.
 *
 * Order of locks: store->lock, then account->lock (of several accounts: in order of id), then the lock of a waitlist.
 */
#ifndef STORE_ACCOUNT_INT_H
#define STORE_ACCOUNT_INT_H

#include "base/hash.h"
#include "base/list.h"
#include "imap/seqset.h"
#include "store/mailbox.h"
#include "store/store.h"
#include "store/tree.h"

#include <pthread.h>
#include <stdatomic.h>

struct message_cache;	/* arrival_int.h */
struct thread_index;

struct store {
	struct store_options o;		/* with defaults filled in */
	struct message_cache *messages;
	pthread_mutex_t lock;
	struct hash by_user;		/* struct account */
	struct hash by_id;		/* struct account; not the ones that are being looked up */
	struct list accounts;		/* struct account.in_store, least recently used first */
	struct waitlist opened;		/* woken when a look-up, a load or a creation has gone on */
	bool is_directory_busy;		/* a change of ACCOUNT_SYSTEM is on its way: one at a time */
	_Atomic(uint64_t) tree_bytes;	/* pages in memory, about */
};

enum account_state {
	ACCOUNT_FINDING,	/* its row in the directory is being loaded */
	ACCOUNT_LOADING,	/* its rows are */
	ACCOUNT_CREATING,	/* they are being made */
	ACCOUNT_READY,
	ACCOUNT_BROKEN,		/* open_error says why; the next who asks takes it out and tries again */
};

struct account {
	struct store *store;
	struct kv *kv;
	struct account_id id;		/* known from ACCOUNT_LOADING on */
	struct str user;		/* own memory */
	struct list in_store;
	_Atomic(uint32_t) refs;		/* sessions', views', commits' and loads'; 0: may be closed when the store needs room */
	enum account_state state;	/* under store->lock until it is ACCOUNT_READY, then constant */
	enum err open_error;
	struct thread_index *threads;	/* arrival_int.h */
	int64_t used_ms;		/* monotonic: when refs became 0 */

	pthread_mutex_t lock;		/* what follows; held for microseconds, never over I/O */
	struct snapshot *latest, *durable;
	uint64_t version_high;		/* highest version ever given out: a failed one is not given again */
	uint32_t msgno_high;		/* the same for message numbers */
	struct list commits;		/* struct commit by version: not durable, or kept for loads in flight */
	struct list loads;		/* struct tree_load in flight */
	struct rangeset_u64 *failed;	/* versions that were taken back */
	size_t failed_count;
	bool is_deleted;
	struct list recents;		/* struct recent: \Recent claims that are not written yet */
	struct waitlist durables;	/* woken when `durable` moves or versions fail */
	struct waitlist loaded;		/* woken when a load has ended */
};

/* Versions first..last. */
struct rangeset_u64 {
	uint64_t first, last;
};

/** The number of the next message; under the lock. */
struct msgno account_next_msgno(struct account *a);

#endif

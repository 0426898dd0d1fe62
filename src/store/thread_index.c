/*
 * thread_index.c - see thread_index.h.
 *
 * An entry is LOADING, known to have no row (NONE), or a thread. Entries are dropped when there are
 * many and neither a load, a transaction that is not durable, nor a recent thread_index_load()
 * needs them. A load may have been answered before a transaction whose entry was dropped meanwhile:
 * then its version is below `dropped_version`, and it is done again.
 */
#include "store/thread_index.h"

#include "base/hash.h"

#include <stdlib.h>

enum {
	ENTRIES_KEPT = 512,
	/* loads of other messages between a message's load and its assignment */
	TURNS_KEPT = 64,
	LOAD_MAX = 1024, /* rows of one load */
};

enum entry_state { ENTRY_LOADING, ENTRY_FAILED, ENTRY_NONE, ENTRY_THREAD };

struct entry {
	uint64_t hash;
	enum entry_state state;
	enum err error; /* FAILED */
	struct object_id thread;
	uint64_t version; /* of the transaction that wrote it; 0: as in the engine */
	uint64_t turn;    /* last asked for */
};

struct thread_index {
	struct kv *kv;
	struct account_id account;
	pthread_mutex_t lock;
	struct hash entries;
	size_t prune_at; /* entries that make a look for what can go worth it */
	uint64_t turn, dropped_version;
	struct waitlist loaded;
	unsigned loads;
	bool is_closed; /* the last load frees it */
};

struct load {
	struct thread_index *t;
	size_t count;
	uint64_t hashes[LOAD_MAX];
};

static bool
entry_eq(const void *item, const void *key)
{
	return ((const struct entry *)item)->hash == *(const uint64_t *)key;
}

struct thread_index *
thread_index_new(struct kv *kv, struct account_id account)
{
	struct thread_index *t = xcalloc(1, sizeof(*t));

	t->kv = kv;
	t->account = account;
	t->prune_at = ENTRIES_KEPT;
	pthread_mutex_init(&t->lock, NULL);
	hash_init(&t->entries, entry_eq);
	waitlist_init(&t->loaded);
	return t;
}

static void
thread_index_destroy(struct thread_index *t)
{
	struct entry *e;

	for (size_t pos = 0; (e = hash_next(&t->entries, &pos)) != NULL;)
		free(e);
	hash_done(&t->entries);
	waitlist_done(&t->loaded);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void
thread_index_free(struct thread_index *t)
{
	bool is_loading;

	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->is_closed = true;
	is_loading = t->loads != 0;
	pthread_mutex_unlock(&t->lock);
	if (!is_loading)
		thread_index_destroy(t);
}

static struct entry *
entry_find(const struct thread_index *t, uint64_t hash)
{
	return hash_find(&t->entries, hash_u64(hash), &hash);
}

static struct entry *
entry_add(struct thread_index *t, uint64_t hash, enum entry_state state)
{
	struct entry *e = xcalloc(1, sizeof(*e));

	e->hash = hash;
	e->state = state;
	e->turn = t->turn;
	hash_insert(&t->entries, hash_u64(hash), e);
	return e;
}

static void
entry_drop(struct thread_index *t, struct entry *e)
{
	hash_remove(&t->entries, hash_u64(e->hash), &e->hash);
	free(e);
}

/* ---- loading --------------------------------------------------------------------------------- */

/* With the lock: enters what a load brought. rows is NULL after an error. */
static void
load_enter(struct load *l, enum err result, const struct kv_rows *rows)
{
	struct thread_index *t = l->t;

	for (size_t i = 0; i < l->count; i++) {
		struct entry *e = entry_find(t, l->hashes[i]);

		if (e == NULL || e->state != ENTRY_LOADING)
			continue; /* assigned meanwhile, which is newer */
		if (rows == NULL) {
			e->state = ENTRY_FAILED;
			e->error = result;
		} else if (rows->version < t->dropped_version) {
			entry_drop(t, e);
		} else if (rows->ranges[i].count == 0) {
			e->state = ENTRY_NONE;
		} else if (object_id_decode(rows->ranges[i].rows[0].value, &e->thread) == ERR_OK) {
			e->state = ENTRY_THREAD;
		} else {
			e->state = ENTRY_FAILED;
			e->error = ERR_CORRUPT;
		}
	}
}

static void
load_done(void *ctx, enum err result, struct kv_rows *rows)
{
	struct load *l = ctx;
	struct thread_index *t = l->t;
	bool is_last;

	pthread_mutex_lock(&t->lock);
	load_enter(l, result, rows);
	is_last = --t->loads == 0 && t->is_closed;
	if (!is_last)
		waitlist_wake_all(&t->loaded); /* with the lock, so that t is still there */
	pthread_mutex_unlock(&t->lock);
	if (is_last)
		thread_index_destroy(t);
	if (rows != NULL)
		kv_rows_free(rows);
	free(l);
}

/* With the lock: loads l's hashes. ERR_WAIT: load_done() will come; otherwise l is gone. */
static enum err
load_begin(struct load *l)
{
	struct thread_index *t = l->t;
	struct kv_range *ranges = xcalloc(l->count, sizeof(*ranges));
	struct message_key *keys = xcalloc(l->count, sizeof(*keys));
	struct kv_rows *rows = NULL;
	enum err e;

	for (size_t i = 0; i < l->count; i++) {
		keys[i] = message_thread_key(l->hashes[i]);
		ranges[i] = (struct kv_range){ .kind = KV_MESSAGE,
			.from = message_key_str(&keys[i]),
			.is_exact = true,
			/* what can't be read is not there: mail comes in all the same */
			.may_have_gaps = true };
	}
	t->loads++;
	e = kv_load(t->kv, t->account, ranges, l->count, &rows, load_done, l);
	free(ranges);
	free(keys);
	if (e == ERR_WAIT)
		return e;
	t->loads--;
	load_enter(l, e, rows);
	if (rows != NULL)
		kv_rows_free(rows);
	free(l);
	return ERR_OK;
}

/*
 * With the lock. One step: ERR_OK all is there, ERR_WAIT something is on its way, ERR_BUSY look
 * again.
 */
static enum err
load_step(struct thread_index *t, const uint64_t *hashes, size_t count)
{
	struct load *l = NULL;
	bool is_waiting = false;

	for (size_t i = 0; i < count && (l == NULL || l->count < LOAD_MAX); i++) {
		struct entry *e = entry_find(t, hashes[i]);

		if (e == NULL) {
			if (l == NULL) {
				l = xmalloc(sizeof(*l));
				l->t = t;
				l->count = 0;
			}
			entry_add(t, hashes[i], ENTRY_LOADING);
			l->hashes[l->count++] = hashes[i];
			continue;
		}
		e->turn = t->turn;
		if (e->state == ENTRY_FAILED) {
			enum err error = e->error;

			entry_drop(t, e);
			if (l == NULL)
				return error;
			/*
			 * what was marked is loaded first; the next call meets another of the
			 * failed ones
			 */
			break;
		}
		is_waiting = is_waiting || e->state == ENTRY_LOADING;
	}
	if (l != NULL)
		return load_begin(l) == ERR_WAIT ? ERR_WAIT : ERR_BUSY;
	return is_waiting ? ERR_WAIT : ERR_OK;
}

enum err
thread_index_load(struct thread_index *t, const uint64_t *hashes, size_t count, struct waiter *w)
{
	enum err e;

	pthread_mutex_lock(&t->lock);
	t->turn++;
	do
		e = load_step(t, hashes, count);
	while (e == ERR_BUSY);
	if (e == ERR_WAIT)
		waiter_wait(w, &t->loaded);
	pthread_mutex_unlock(&t->lock);
	return e;
}

/* ---- assigning ------------------------------------------------------------------------------- */

/* With the lock: drops what nobody needs any more, when there is much. */
static void
entries_prune(struct thread_index *t, uint64_t durable)
{
	struct entry *e;

	if (t->entries.count < t->prune_at)
		return;
	for (size_t pos = 0; (e = hash_next(&t->entries, &pos)) != NULL;) {
		if (e->state == ENTRY_LOADING || e->version > durable
		    || e->turn + TURNS_KEPT > t->turn)
			continue;
		if (e->version > t->dropped_version)
			t->dropped_version = e->version;
		entry_drop(t, e);
	}
	t->prune_at = MAX((size_t)ENTRIES_KEPT, t->entries.count * 2);
}

static bool
is_older(struct object_id a, struct object_id b)
{
	return a.account != b.account ? a.account < b.account : a.n < b.n;
}

struct object_id
thread_assign(struct thread_index *t, struct kv_txn *txn, uint64_t version, uint64_t durable,
    const uint64_t *hashes, size_t count, struct object_id fresh)
{
	struct object_id thread = fresh;
	bool has_thread = false;
	char row[OBJECT_ID_BYTES];

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < count; i++) {
		const struct entry *e = entry_find(t, hashes[i]);

		if (e != NULL && e->state == ENTRY_THREAD
		    && (!has_thread || is_older(e->thread, thread))) {
			thread = e->thread;
			has_thread = true;
		}
	}
	object_id_encode(thread, row);
	for (size_t i = 0; i < count; i++) {
		struct entry *e = entry_find(t, hashes[i]);
		struct message_key key;

		if (e == NULL || e->state != ENTRY_NONE)
			continue;
		e->state = ENTRY_THREAD;
		e->thread = thread;
		e->version = version;
		key = message_thread_key(hashes[i]);
		kv_put(txn, KV_MESSAGE, message_key_str(&key), str_make(row, sizeof(row)));
	}
	entries_prune(t, durable);
	pthread_mutex_unlock(&t->lock);
	return thread;
}

void
thread_index_revert(struct thread_index *t, uint64_t durable)
{
	struct entry *e;

	pthread_mutex_lock(&t->lock);
	for (size_t pos = 0; (e = hash_next(&t->entries, &pos)) != NULL;) {
		if (e->version > durable)
			entry_drop(t, e);
	}
	pthread_mutex_unlock(&t->lock);
}

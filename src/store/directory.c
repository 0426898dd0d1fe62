/*
 * directory.c - ACCOUNT_SYSTEM: who has an account, and what is left of accounts that were deleted.
 * An account is deleted by one set of commits: its mailboxes go, its row in the directory goes, and
 * a row "D" says that its rows are still there, which housekeeping removes when nobody holds the
 * account any more.
 */
#include "store/commit_int.h"

#include "store/arrival_int.h"
#include "store/purge.h"
#include "store/undo_int.h"

#include <stdlib.h>

enum { EACH_ROWS = 1000, PURGE_ROWS = 500, SWEEP_ACCOUNTS = 100, SWEEP_ROUNDS = 20 };

static const int64_t SWEEP_US = 5000000;

enum err
store_accounts_each(struct store *s, store_each_fn *fn, void *ctx)
{
	BUF_CLEAN struct buf from = BUF_MAX(USER_NAME_MAX + 2);
	struct kv_range range = { .kind = KV_ROW, .to = STR("V"), .limit = EACH_ROWS };
	size_t count = EACH_ROWS;

	buf_c(&from, "U");
	while (count == EACH_ROWS) {
		struct kv_rows *rows = NULL;
		enum err e;

		range.from = buf_str(&from);
		e = kv_load_now(s->o.kv, ACCOUNT_SYSTEM, &range, 1, &rows);
		if (e != ERR_OK)
			return e;
		count = rows->ranges[0].count;
		for (size_t i = 0; i < count; i++) {
			const struct kv_row *r = &rows->ranges[0].rows[i];
			struct account_id id;

			if (r->key.n > USER_NAME_MAX + 1
			    || u64_row_decode(r->value, &id.v) != ERR_OK) {
				kv_rows_free(rows);
				return ERR_CORRUPT;
			}
			fn(ctx, id, str_sub(r->key, 1, r->key.n));
			if (i + 1 == count) {
				buf_clear(&from);
				buf_str_add(&from, r->key);
				buf_chr(&from, 0); /* the next key there can be */
			}
		}
		kv_rows_free(rows);
	}
	return ERR_OK;
}

/* ---- deleting -------------------------------------------------------------------------------- */

/* Begins the deletion: the version that ends the account is in a->end_version. */
static enum err
begin_delete(struct store *s, struct account *a)
{
	BUF_CLEAN struct buf key = BUF_MAX(USER_NAME_MAX + 1);
	struct row_key dying = row_key_dying(a->id.v);
	struct commit_set set = { .store = s, .count = 1 };
	struct commit *c;
	enum err e;

	pthread_mutex_lock(&a->lock);
	if (a->end_version != 0) {
		pthread_mutex_unlock(&a->lock);
		return ERR_OK;
	}
	e = commit_begin(a, &c);
	if (e == ERR_OK) {
		c->frees_room = true;
		commit_list_states(c);
		while (c->state_count != 0)
			commit_remove_state(c, c->state_count - 1);
		buf_clear(&c->undo); /* no past either */
		row_key_user(&key, a->user);
		set.commits[0] = c;
		set.directory = kv_txn_new(a->kv, ACCOUNT_SYSTEM, KV_UNVERSIONED, KV_UNVERSIONED);
		kv_txn_set_deletes(set.directory);
		kv_del(set.directory, KV_ROW, buf_str(&key));
		kv_put(set.directory, KV_ROW, row_key_str(&dying), STR("1"));
		a->end_version = c->version;
		commit_publish(&set, NULL);
	}
	pthread_mutex_unlock(&a->lock);
	return e;
}

enum err
store_account_delete(struct store *s, struct str user, struct waiter *w)
{
	struct account *a = NULL;
	enum err e;

	e = store_account_open(s, user, ACCOUNT_EXISTING, w, &a);
	if (e != ERR_OK)
		return e;
	e = begin_delete(s, a);
	if (e == ERR_OK)
		e = account_wait_durable(a, a->end_version, w);
	if (e == ERR_OK)
		store_forget(s, a);
	if (e == ERR_IO) {
		pthread_mutex_lock(&a->lock);
		a->end_version = 0;
		pthread_mutex_unlock(&a->lock);
	}
	account_unref(a);
	return e;
}

/* ---- removing what is left ------------------------------------------------------------------- */

/* Some of the account's messages go; false when there were none left. */
static enum err
purge_messages(struct store *s, struct account_id id, bool *more_out)
{
	struct message_key from = message_summary_key((struct msgno){ 0 }),
			   to = message_summary_key((struct msgno){ UINT32_MAX });
	struct kv_range range = { .kind = KV_MESSAGE,
		.from = message_key_str(&from),
		.to = message_key_str(&to),
		.limit = PURGE_ROWS };
	struct kv_rows *rows = NULL;
	struct kv_txn *t;
	enum err e;

	e = kv_load_now(s->o.kv, id, &range, 1, &rows);
	if (e != ERR_OK)
		return e;
	*more_out = rows->ranges[0].count != 0;
	t = kv_txn_new(s->o.kv, id, KV_UNVERSIONED, KV_UNVERSIONED);
	kv_txn_set_deletes(t);
	for (size_t i = 0; i < rows->ranges[0].count; i++) {
		struct message_record r;

		if (message_summary_decode(rows->ranges[0].rows[i].value, &r) == ERR_OK)
			kv_unlink(t, &r.blob, 1);
		kv_del(t, KV_MESSAGE, rows->ranges[0].rows[i].key);
	}
	kv_rows_free(rows);
	return kv_commit_now(s->o.kv, &t, 1);
}

static enum err
purge_rows(struct store *s, struct account_id id)
{
	struct row_key dying = row_key_dying(id.v);
	struct kv_txn *t;

	for (int kind = 0; kind < KV_KINDS; kind++) {
		enum err e = rows_purge(s->o.kv, id, (enum kv_kind)kind, STR(""), STR_NONE);

		if (e != ERR_OK)
			return e;
	}
	t = kv_txn_new(s->o.kv, ACCOUNT_SYSTEM, KV_UNVERSIONED, KV_UNVERSIONED);
	kv_del(t, KV_ROW, row_key_str(&dying));
	kv_txn_set_deletes(t);
	return kv_commit_now(s->o.kv, &t, 1);
}

void
directory_purge(struct store *s)
{
	struct kv_range range = { .kind = KV_ROW, .from = STR("D"), .to = STR("E"), .limit = 16 };
	struct kv_rows *rows = NULL;

	if (kv_load_now(s->o.kv, ACCOUNT_SYSTEM, &range, 1, &rows) != ERR_OK)
		return;
	for (size_t i = 0; i < rows->ranges[0].count; i++) {
		struct account_id id;
		bool more = true;
		enum err e = ERR_OK;

		if (!row_key_parse_dying(rows->ranges[0].rows[i].key, &id.v)
		    || store_has_account(s, id))
			continue;
		while (e == ERR_OK && more)
			e = purge_messages(s, id, &more);
		if (e == ERR_OK)
			e = purge_rows(s, id);
		if (e == ERR_OK) /* else the next round tries again */
			atomic_fetch_add(&s->purges, 1);
	}
	kv_rows_free(rows);
}

/* ---- accounts that nobody has open ----------------------------------------------------------- */

/* A waiter for a thread that may block. */
struct sleeper {
	struct waiter w;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool is_woken;
};

static void
sleeper_wake(struct waiter *w)
{
	struct sleeper *s = container_of(w, struct sleeper, w);

	pthread_mutex_lock(&s->lock);
	s->is_woken = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

static enum err
open_now(struct store *s, struct str user, struct account **out)
{
	struct sleeper sleeper = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER };
	enum err e;

	waiter_init(&sleeper.w, sleeper_wake);
	while ((e = store_account_open(s, user, ACCOUNT_EXISTING, &sleeper.w, out)) == ERR_WAIT) {
		pthread_mutex_lock(&sleeper.lock);
		while (!sleeper.is_woken)
			pthread_cond_wait(&sleeper.cond, &sleeper.lock);
		sleeper.is_woken = false;
		pthread_mutex_unlock(&sleeper.lock);
	}
	waiter_cancel(&sleeper.w);
	pthread_mutex_destroy(&sleeper.lock);
	pthread_cond_destroy(&sleeper.cond);
	return e;
}

/* Visits the next accounts; false when the directory has been gone through. */
static bool
sweep_round(struct store *s)
{
	struct kv_range range = { .kind = KV_ROW, .to = STR("V"), .limit = SWEEP_ACCOUNTS };
	struct kv_rows *rows = NULL;

	if (s->sweep_from.n == 0)
		buf_c(&s->sweep_from, "U");
	range.from = buf_str(&s->sweep_from);
	if (kv_load_now(s->o.kv, ACCOUNT_SYSTEM, &range, 1, &rows) != ERR_OK)
		return false;
	buf_clear(&s->sweep_from);
	for (size_t i = 0; i < rows->ranges[0].count; i++) {
		struct str key = rows->ranges[0].rows[i].key;
		struct str user = str_sub(key, 1, key.n);
		struct account *a = NULL;
		bool was_open = store_has_user(s, user);

		if (i + 1 == rows->ranges[0].count && rows->ranges[0].count == SWEEP_ACCOUNTS) {
			buf_str_add(&s->sweep_from, key);
			buf_chr(&s->sweep_from, 0);
		}
		if (open_now(s, user, &a) != ERR_OK)
			continue;
		retention_tick(a);
		account_unref(a);
		if (!was_open)
			store_let_go(s, user);
	}
	kv_rows_free(rows);
	return s->sweep_from.n != 0;
}

/*
 * Up to 2,000 accounts a minute, so that the past of 100,000 goes within the hour in which it may.
 */
void
directory_sweep(struct store *s)
{
	struct clock *clock = s->o.clock;
	int64_t end_us = clock->mono_us(clock) + SWEEP_US;

	for (int i = 0; i < SWEEP_ROUNDS && clock->mono_us(clock) < end_us; i++) {
		if (!sweep_round(s))
			break;
	}
}

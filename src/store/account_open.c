/*
 * account_open.c - how an account is opened:
 *
 *     FINDING ── its row in the directory ──▶ LOADING ── its rows ──────────────▶ READY
 *        └─ none ─▶ MISSING ─▶ NUMBERING ── an id ──▶ CREATING ── first commit ──▶ READY
 *                          └── the next id is known ────▲
 *
 * Each step is begun by a caller of store_account_open() and ends in an engine's thread
 * (step_done), which wakes the callers; one of them takes the next step. What failed is told once
 * and forgotten.
 */
#include "store/commit_int.h"

#include "store/sharing.h"
#include "store/thread_index.h"

#include <stdlib.h>

static struct account *
account_new(struct store *s, struct str user)
{
	struct account *a = xcalloc(1, sizeof(*a));

	a->store = s;
	a->kv = s->o.kv;
	a->user = str_make(xstrdup(user), user.n);
	a->state = ACCOUNT_FINDING;
	a->retained_bytes = RETAINED_UNKNOWN;
	a->used_us = s->o.clock->mono_us(s->o.clock);
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->past_lock, NULL);
	list_init(&a->commits);
	list_init(&a->loads);
	waitlist_init(&a->durables);
	waitlist_init(&a->loaded);
	list_init(&a->in_store);
	list_add_tail(&s->accounts, &a->in_store);
	s->account_count++;
	hash_insert(&s->by_user, str_hash(a->user, 0), a);
	a->is_in_table = true;
	return a;
}

static void
step_done(void *ctx, enum err e, struct kv_rows *rows)
{
	struct account *a = ctx;
	struct store *s = a->store;

	pthread_mutex_lock(&s->lock);
	a->step_error = e;
	a->step_rows = rows;
	a->is_step_done = true;
	waitlist_wake_all(&a->loaded); /* with the lock, so that a is still there */
	if (s->numbering == a)
		waitlist_wake_all(&s->opened);
	pthread_mutex_unlock(&s->lock);
	atomic_fetch_sub(&s->commits, 1);
}

/* Begins a step that is a load; s->lock held. */
static void
step_load(struct account *a, enum account_state state, struct account_id from,
    const struct kv_range *ranges, size_t count)
{
	struct kv_rows *rows = NULL;
	enum err e;

	a->state = state;
	a->is_step_done = false;
	atomic_fetch_add(&a->store->commits, 1);
	e = kv_load(a->kv, from, ranges, count, &rows, step_done, a);
	if (e == ERR_WAIT)
		return;
	atomic_fetch_sub(&a->store->commits, 1);
	a->step_error = e;
	a->step_rows = rows;
	a->is_step_done = true;
}

static void
step_find(struct account *a, enum account_state state)
{
	BUF_CLEAN struct buf key = BUF_MAX(USER_NAME_MAX + 1);
	struct row_key next = row_key_next_account();
	struct kv_range ranges[2];

	row_key_user(&key, a->user);
	ranges[0] = (struct kv_range){ .kind = KV_ROW, .from = buf_str(&key), .is_exact = true };
	ranges[1] =
	    (struct kv_range){ .kind = KV_ROW, .from = row_key_str(&next), .is_exact = true };
	step_load(a, state, ACCOUNT_SYSTEM, ranges, state == ACCOUNT_FINDING ? 1 : 2);
}

static void
step_load_account(struct account *a)
{
	struct kv_range ranges[ACCOUNT_RANGES];

	account_ranges(ranges);
	step_load(a, ACCOUNT_LOADING, a->id, ranges, ACCOUNT_RANGES);
}

static void
break_account(struct account *a, enum err e)
{
	a->state = ACCOUNT_BROKEN;
	a->step_error = e;
}

/* The first commit is durable, or not. */
static void
created(void *ctx, enum err e)
{
	struct account *a = ctx;
	struct store *s = a->store;

	pthread_mutex_lock(&s->lock);
	if (e != ERR_OK)
		s->is_directory_known = false; /* and those that were built on it fail too */
	a->step_error = e;
	a->is_step_done = true;
	waitlist_wake_all(&a->loaded);
	if (--s->creating == 0)
		waitlist_wake_all(&s->opened);
	pthread_mutex_unlock(&s->lock);
}

static struct mailbox_state *
first_mailbox(struct commit *c, struct str name, uint32_t special_use)
{
	struct mailbox_id id = { c->row.next_mailbox++ };
	struct mailbox_row row = {
		.uidvalidity = c->row.next_uidvalidity++,
		.special_use = special_use,
		.is_subscribed = true,
	};
	struct status_row status = { .highestmodseq = c->version, .uidnext = 1, .recent_from = 1 };
	struct str keywords[KEYWORDS_MAX];

	mailbox_row_set_registered(&row, keywords);
	return mailbox_state_new(mailbox_desc_new(id, &row, name), &status);
}

/*
 * The account gets an id and its mailboxes, in one commit with its row in the directory; s->lock
 * held. Commits of many new accounts may be on their way, each built on the one before.
 */
static void
create(struct store *s, struct account *a)
{
	uint64_t directory_version = s->directory_version, id = s->directory_next;

	static const struct {
		struct str name;
		uint32_t use;
	} first[] = {
		{ STR_INIT("INBOX"), 0 },
		{ STR_INIT("Archive"), USE_ARCHIVE },
		{ STR_INIT("Drafts"), USE_DRAFTS },
		{ STR_INIT("Junk"), USE_JUNK },
		{ STR_INIT("Sent"), USE_SENT },
		{ STR_INIT("Trash"), USE_TRASH },
	};
	struct kv_txn *t =
	    kv_txn_new(s->o.kv, ACCOUNT_SYSTEM, directory_version, directory_version + 1);
	struct commit_set set = { .store = s, .count = 1, .directory = t, .fn = created, .ctx = a };
	struct row_key next = row_key_next_account();
	BUF_CLEAN struct buf key = BUF_MAX(USER_NAME_MAX + 1);
	BUF_CLEAN struct buf value = BUF_MAX(8);
	struct account_row row = {
		.next_mailbox = 1,
		.next_uidvalidity = (uint32_t)MAX(s->o.clock->wall_ms(s->o.clock) / 1000, 1),
	};
	struct commit *c;
	enum err e;

	a->id.v = id;
	a->durable = snapshot_build(a, 0, &row, NULL, 0);
	a->latest = snapshot_ref(a->durable);
	row_key_user(&key, a->user);
	u64_row_encode(id, &value);
	kv_put(t, KV_ROW, buf_str(&key), buf_str(&value));
	buf_clear(&value);
	u64_row_encode(id + 1, &value);
	kv_put(t, KV_ROW, row_key_str(&next), buf_str(&value));

	pthread_mutex_lock(&a->lock);
	e = kv_space(s->o.kv) != KV_SPACE_OK ? ERR_FULL : commit_begin(a, &c);
	if (e == ERR_OK) {
		for (size_t i = 0; i < ARRAY_LEN(first) && !str_eq(a->user, SHARED_USER); i++)
			commit_add_state(c, first_mailbox(c, first[i].name, first[i].use));
		c->is_row_changed = true;
		buf_clear(&c->undo); /* an account has no past before its first commit */
		a->state = ACCOUNT_CREATING;
		a->is_step_done = false;
		set.commits[0] = c;
		s->creating++;
		s->directory_version++;
		s->directory_next++;
		commit_publish(&set, NULL);
	}
	pthread_mutex_unlock(&a->lock);
	if (e == ERR_OK)
		return;
	kv_txn_abort(t);
	break_account(a, e);
}

/* Takes the rows of the step, to be freed by the caller. */
static struct kv_rows *
step_take(struct account *a)
{
	struct kv_rows *rows = a->step_rows;

	a->step_rows = NULL;
	a->is_step_done = false;
	return rows;
}

static void
found(struct account *a)
{
	struct kv_rows *rows = step_take(a);
	enum err e = ERR_OK;

	if (rows->ranges[0].count == 0) {
		a->state = ACCOUNT_MISSING;
	} else {
		e = u64_row_decode(rows->ranges[0].rows[0].value, &a->id.v);
		if (e == ERR_OK)
			step_load_account(a);
		else
			break_account(a, e);
	}
	kv_rows_free(rows);
}

static void
loaded(struct account *a)
{
	struct kv_rows *rows = step_take(a);
	enum err e;

	if (rows->range_count == ACCOUNT_RANGES && rows->ranges[0].gap_count > 0) {
		struct kv_range *ranges;
		struct row_key *keys;
		size_t count = account_ranges_alone(rows, &ranges, &keys);

		step_load(a, ACCOUNT_LOADING, a->id, ranges, count);
		free(ranges);
		free(keys);
		kv_rows_free(rows);
		return;
	}
	e = account_rows_decode(a, rows);
	kv_rows_free(rows);
	if (e != ERR_OK) {
		break_account(a, e);
		return;
	}
	a->threads = thread_index_new(a->kv, a->id);
	a->state = ACCOUNT_READY;
}

static void
numbered(struct store *s, struct account *a)
{
	struct kv_rows *rows = step_take(a);
	uint64_t version = rows->version, id = 1;
	enum err e = ERR_OK;

	if (rows->ranges[0].count != 0)
		e = ERR_CONFLICT; /* another process made it meanwhile */
	else if (rows->ranges[1].count != 0)
		e = u64_row_decode(rows->ranges[1].rows[0].value, &id);
	kv_rows_free(rows);
	s->numbering = NULL;
	waitlist_wake_all(&s->opened);
	if (e != ERR_OK) {
		break_account(a, e);
		return;
	}
	s->is_directory_known = true;
	s->directory_version = version;
	s->directory_next = id;
	create(s, a);
}

/* Goes on with an account whose step is done; s->lock held. */
static void
advance(struct store *s, struct account *a)
{
	if (a->step_error != ERR_OK) {
		if (s->numbering == a) {
			s->numbering = NULL;
			waitlist_wake_all(&s->opened);
		}
		break_account(a, a->step_error);
		return;
	}
	switch (a->state) {
	case ACCOUNT_FINDING:
		found(a);
		break;
	case ACCOUNT_LOADING:
		loaded(a);
		break;
	case ACCOUNT_NUMBERING:
		numbered(s, a);
		break;
	case ACCOUNT_CREATING:
		a->threads = thread_index_new(a->kv, a->id);
		a->state = ACCOUNT_READY;
		break;
	case ACCOUNT_MISSING:
	case ACCOUNT_READY:
	case ACCOUNT_BROKEN:
		break;
	}
}

/* One step towards the account; s->lock held. ERR_WAIT: w waits. ERR_OK with *out NULL: again. */
static enum err
open_step(struct store *s, struct str user, enum account_open how, struct waiter *w,
    struct account **out)
{
	struct account *a = hash_find(&s->by_user, str_hash(user, 0), &user);
	enum err e;

	*out = NULL;
	if (a == NULL) {
		step_find(account_new(s, user), ACCOUNT_FINDING);
		return ERR_OK;
	}
	switch (a->state) {
	case ACCOUNT_READY:
		*out = account_ref(a);
		return ERR_OK;
	case ACCOUNT_BROKEN:
		e = a->step_error;
		if (account_is_idle(a)) {
			store_drop_account(s, a);
			account_free(a);
			if (e == ERR_CONFLICT)
				return ERR_OK; /* the commit it was built on has failed: again */
		}
		return e;
	case ACCOUNT_MISSING:
		if (how == ACCOUNT_EXISTING) {
			store_drop_account(s, a);
			account_free(a);
			return ERR_NOTFOUND;
		}
		if (s->numbering != NULL && s->numbering->is_step_done) {
			advance(s, s->numbering); /* who began it may have gone away */
			return ERR_OK;
		}
		if (s->is_directory_known) {
			create(s, a);
			return ERR_OK;
		}
		if (s->numbering != NULL || s->creating != 0) {
			waiter_wait(w, &s->opened);
			return ERR_WAIT;
		}
		s->numbering = a;
		step_find(a, ACCOUNT_NUMBERING);
		return ERR_OK;
	case ACCOUNT_FINDING:
	case ACCOUNT_LOADING:
	case ACCOUNT_NUMBERING:
	case ACCOUNT_CREATING:
		if (!a->is_step_done) {
			waiter_wait(w, &a->loaded);
			return ERR_WAIT;
		}
		advance(s, a);
		return ERR_OK;
	}
	return ERR_BUG;
}

enum err
store_account_open(struct store *s, struct str user, enum account_open how, struct waiter *w,
    struct account **out)
{
	struct account *a = NULL;
	enum err e;

	if (user.n == 0 || user.n > USER_NAME_MAX)
		return ERR_NOTFOUND;
	pthread_mutex_lock(&s->lock);
	do
		e = open_step(s, user, how, w, &a);
	while (e == ERR_OK && a == NULL);
	pthread_mutex_unlock(&s->lock);
	if (e == ERR_OK)
		*out = a;
	return e;
}

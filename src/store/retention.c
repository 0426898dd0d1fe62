/*
 * retention.c - the end of the past: undo records older than the retention go, and what they hold
 * with them; the change log is cut when it gets long. On a job thread, one account at a time, and
 * only by transactions that no version depends on: a message whose last entry went with an undo
 * record is reached from nowhere, so nobody can link it anew meanwhile but put_back.c, which holds
 * the account's past_lock.
 */
#include "store/commit_int.h"

#include "store/arrival_int.h"
#include "store/digest.h"
#include "store/purge.h"
#include "store/seen_int.h"
#include "store/undo_int.h"

#include <stdlib.h>

enum { ROUND_RECORDS = 64, PURGE_PAGES = 64, FUTURE_MS = 24 * 3600 * 1000 };

struct losses {
	struct message_loss *l;
	size_t count, cap;
};

static void
lose(struct losses *l, uint32_t msgno)
{
	if (l->count == l->cap) {
		l->cap = MAX(64, l->cap * 2);
		l->l = xrealloc(l->l, l->cap * sizeof(*l->l));
	}
	l->l[l->count++] = (struct message_loss){ { msgno }, 1 };
}

static void
lose_page(struct losses *l, struct str page)
{
	unsigned n = bits_count(page_mask(page));

	for (unsigned i = 0; i < n; i++)
		lose(l, page_msgno(page, i));
}

static int
loss_cmp(const void *a, const void *b)
{
	const struct message_loss *x = a, *y = b;

	return x->n.v < y->n.v ? -1 : x->n.v > y->n.v;
}

/* Each number once. */
static void
losses_unite(struct losses *l)
{
	size_t n = 0;

	if (l->count > 1)
		qsort(l->l, l->count, sizeof(*l->l), loss_cmp);
	for (size_t i = 0; i < l->count; i++) {
		if (n != 0 && l->l[n - 1].n.v == l->l[i].n.v)
			l->l[n - 1].entries += l->l[i].entries;
		else
			l->l[n++] = l->l[i];
	}
	l->count = n;
}

/* Commits t with what follows from the losses; takes t over. */
static enum err
commit_losses(struct account *a, struct kv_txn *t, struct losses *l)
{
	enum err e;

	losses_unite(l);
	digest_cache_releasing(a->store->digests, 1);
	e = messages_release(a, t, l->l, l->count);
	l->count = 0;
	if (e != ERR_OK)
		kv_txn_abort(t);
	else
		e = kv_commit_now(a->kv, &t, 1);
	digest_cache_releasing(a->store->digests, -1);
	return e;
}

static struct kv_txn *
unversioned(struct account *a)
{
	struct kv_txn *t = kv_txn_new(a->kv, a->id, KV_UNVERSIONED, KV_UNVERSIONED);

	kv_txn_set_deletes(t);
	return t;
}

/* The pages of a deleted mailbox, some at a time, each with its messages. */
static enum err
drop_pages(struct account *a, struct mailbox_id id, struct losses *l)
{
	struct row_key from = row_key_page(id, 0),
		       to = row_key_page((struct mailbox_id){ id.v + 1 }, 0);
	struct kv_range range = { .kind = KV_PAGE,
		.from = row_key_str(&from),
		.to = row_key_str(&to),
		.limit = PURGE_PAGES };
	size_t count = PURGE_PAGES;
	enum err e = ERR_OK;

	while (e == ERR_OK && count == PURGE_PAGES) {
		struct kv_rows *rows = NULL;
		struct kv_txn *t;

		e = kv_load_now(a->kv, a->id, &range, 1, &rows);
		if (e != ERR_OK)
			return e;
		count = rows->ranges[0].count;
		t = unversioned(a);
		for (size_t i = 0; i < count; i++) {
			if (page_is_valid(rows->ranges[0].rows[i].value))
				lose_page(l, rows->ranges[0].rows[i].value);
			kv_del(t, KV_PAGE, rows->ranges[0].rows[i].key);
		}
		kv_rows_free(rows);
		e = commit_losses(a, t, l);
	}
	return e;
}

/* What else a deleted mailbox has. */
static enum err
drop_rows(struct account *a, struct mailbox_id id)
{
	struct mailbox_id next = { id.v + 1 };
	struct row_key from = row_key_private(id, 0, 0), to = row_key_private(next, 0, 0);
	enum err e = rows_purge(a->kv, a->id, KV_PAGE, row_key_str(&from), row_key_str(&to));

	if (e == ERR_OK) {
		from = row_key_private_sums(id, 0);
		to = row_key_private_sums(next, 0);
		e = rows_purge(a->kv, a->id, KV_ROW, row_key_str(&from), row_key_str(&to));
	}
	if (e == ERR_OK) {
		from = row_key_vanished(id, 0);
		to = row_key_vanished(next, 0);
		e = rows_purge(a->kv, a->id, KV_LOG, row_key_str(&from), row_key_str(&to));
	}
	return e;
}

static enum err
drop_record(struct account *a, const struct kv_row *row, struct losses *l)
{
	struct undo_section s;
	struct str rest;
	struct kv_txn *t;
	int64_t time_ms;
	enum err e;

	e = undo_decode(row->value, &time_ms, &rest);
	if (e != ERR_OK)
		return e;
	while (undo_next(&rest, &s)) {
		if (s.kind == 'D')
			e = drop_pages(a, s.id, l);
		if (e == ERR_OK && s.kind == 'D')
			e = drop_rows(a, s.id);
		if (e != ERR_OK)
			return e;
	}
	ignore_err(undo_decode(row->value, &time_ms, &rest), "it was right above");
	t = unversioned(a);
	while (undo_next(&rest, &s)) {
		if (s.kind == 'R')
			lose_page(l, s.page_bytes);
	}
	kv_del(t, KV_LOG, row->key);
	return commit_losses(a, t, l);
}

static enum err
drop_staged(struct account *a, const struct kv_row *row, struct losses *l)
{
	struct staged s;
	struct kv_txn *t;
	enum err e = staged_row_decode(row->value, &s);

	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < s.count; i++)
		lose(l, staged_at(&s, i).v);
	t = unversioned(a);
	kv_del(t, KV_LOG, row->key);
	return commit_losses(a, t, l);
}

/*
 * Some of the rows of versions from *version to `floor`; *version becomes that of the next. One that
 * is damaged does not keep the others.
 */
static enum err
drop_some_staged(struct account *a, uint64_t *version, uint64_t floor, struct losses *l)
{
	struct row_key from = row_key_staged(*version), to = row_key_staged(floor + 1);
	struct kv_range range = { .kind = KV_LOG,
		.from = row_key_str(&from),
		.to = row_key_str(&to),
		.limit = ROUND_RECORDS };
	struct kv_rows *rows = NULL;
	enum err e = kv_load_now(a->kv, a->id, &range, 1, &rows), first = ERR_OK;

	if (e != ERR_OK)
		return e;
	if (rows->ranges[0].count < ROUND_RECORDS)
		*version = floor + 1;
	for (size_t i = 0; i < rows->ranges[0].count; i++) {
		const struct kv_row *row = &rows->ranges[0].rows[i];

		if (rows->ranges[0].count == ROUND_RECORDS
		    && row_key_parse_staged(row->key, version))
			++*version;
		e = drop_staged(a, row, l);
		first = first == ERR_OK ? e : first;
	}
	kv_rows_free(rows);
	return first;
}

static bool
may_have_staged(struct account *a)
{
	bool may_have;

	pthread_mutex_lock(&a->lock);
	may_have = a->may_have_staged;
	pthread_mutex_unlock(&a->lock);
	return may_have;
}

/*
 * Links that were made for copies of which nothing came (commit_stage.c). Those of a copy that is on
 * its way go when it is made.
 */
static enum err
drop_all_staged(struct account *a)
{
	struct losses l = { 0 };
	uint64_t floor, version = 0;
	enum err e = ERR_OK;

	pthread_mutex_lock(&a->lock);
	floor = a->staged_floor;
	a->may_have_staged = false;
	pthread_mutex_unlock(&a->lock);
	while (version <= floor) {
		uint64_t before = version;
		enum err some = drop_some_staged(a, &version, floor, &l);

		e = e == ERR_OK ? some : e;
		if (version == before) /* nothing can be read */
			break;
	}
	free(l.l);
	if (e == ERR_OK)
		return ERR_OK;
	pthread_mutex_lock(&a->lock);
	a->may_have_staged = true;
	pthread_mutex_unlock(&a->lock);
	return e;
}

/* Some undo records, from a version on. What damage hides does not keep the others. */
static enum err
load_records(struct account *a, uint64_t version, struct kv_rows **rows_out)
{
	struct row_key from = row_key_undo(version);
	struct kv_range range = { .kind = KV_LOG,
		.from = row_key_str(&from),
		.to = STR("V"),
		.limit = ROUND_RECORDS };
	enum err e = kv_load_now(a->kv, a->id, &range, 1, rows_out);

	if (e != ERR_CORRUPT)
		return e;
	range.limit = 0; /* gaps are told of whole ranges */
	range.may_have_gaps = true;
	return kv_load_now(a->kv, a->id, &range, 1, rows_out);
}

/* How much undo records hold is counted once, when it is first asked. */
static enum err
count_retained(struct account *a)
{
	size_t count = ROUND_RECORDS;
	uint64_t bytes = 0, version = 0;

	if (atomic_load(&a->retained_bytes) != RETAINED_UNKNOWN)
		return ERR_OK;
	/* what is added meanwhile may count twice: it is about */
	atomic_store(&a->retained_bytes, 0);
	while (count == ROUND_RECORDS) {
		struct kv_rows *rows = NULL;
		enum err e = load_records(a, version, &rows);

		if (e != ERR_OK) {
			atomic_store(&a->retained_bytes, RETAINED_UNKNOWN);
			return e;
		}
		count = rows->ranges[0].count;
		for (size_t i = 0; i < count; i++)
			bytes += undo_retained(rows->ranges[0].rows[i].value);
		if (count != 0 && row_key_parse_undo(rows->ranges[0].rows[count - 1].key, &version))
			version++;
		kv_rows_free(rows);
	}
	atomic_fetch_add(&a->retained_bytes, bytes);
	return ERR_OK;
}

static bool
retains_too_much(struct account *a)
{
	uint64_t bytes = atomic_load(&a->retained_bytes);

	return bytes != RETAINED_UNKNOWN && bytes > a->store->o.retained_max_bytes;
}

static void
forget_retained(struct account *a, uint64_t bytes)
{
	uint64_t now = atomic_load(&a->retained_bytes);

	while (now != RETAINED_UNKNOWN
	    && !atomic_compare_exchange_weak(&a->retained_bytes, &now, now - MIN(now, bytes)))
		continue;
}

/*
 * Some records whose time is over or for which there is no room, oldest first, from *version on,
 * which becomes that of the next. One that is damaged, or holds what is, stays, and keeps no other.
 * *oldest_ms_out: when the oldest left is due. Those of future_ms and later were written before the
 * clock was set back.
 */
static enum err
drop_round(struct account *a, int64_t until_ms, int64_t future_ms, uint64_t *version,
    int64_t *oldest_ms_out, bool *more_out)
{
	struct losses l = { 0 };
	struct kv_rows *rows = NULL;
	enum err e, first = ERR_OK;

	*more_out = false;
	*oldest_ms_out = INT64_MAX;
	e = load_records(a, *version, &rows);
	if (e != ERR_OK)
		return e;
	*more_out = rows->ranges[0].count == ROUND_RECORDS;
	for (size_t i = 0; i < rows->ranges[0].count; i++) {
		const struct kv_row *row = &rows->ranges[0].rows[i];
		struct str rest;
		int64_t time_ms = 0;

		e = undo_decode(row->value, &time_ms, &rest);
		if (e == ERR_OK && time_ms > until_ms && time_ms < future_ms
		    && !retains_too_much(a)) {
			*oldest_ms_out = time_ms;
			*more_out = false;
			break;
		}
		if (e == ERR_OK)
			e = drop_record(a, row, &l);
		if (e == ERR_OK)
			forget_retained(a, undo_retained(row->value));
		first = first == ERR_OK ? e : first;
		if (!row_key_parse_undo(row->key, version) || (e != ERR_OK && e != ERR_CORRUPT)) {
			*more_out = false;
			break;
		}
		++*version;
	}
	kv_rows_free(rows);
	free(l.l);
	return first;
}

/* What the account's row says of its log, once all is written that was on its way; 0: nothing. */
static uint64_t
written_floor(struct account *a)
{
	struct row_key key = row_key_account();
	struct kv_range range = { .kind = KV_ROW, .from = row_key_str(&key), .is_exact = true };
	struct kv_txn *behind = unversioned(a);
	struct kv_rows *rows = NULL;
	struct account_row row = { 0 };
	uint64_t floor = 0;

	if (kv_commit_now(a->kv, &behind, 1) != ERR_OK
	    || kv_load_now(a->kv, a->id, &range, 1, &rows) != ERR_OK)
		return 0;
	if (rows->ranges[0].count == 1
	    && account_row_decode(rows->ranges[0].rows[0].value, &row) == ERR_OK)
		floor = row.log_floor;
	kv_rows_free(rows);
	return floor;
}

/* The log of half the time that it is there for goes: who asks for it gets the complement of what is. */
static struct snapshot *
raise_floor(struct account *a)
{
	struct snapshot *cut = NULL;
	struct commit *c;

	pthread_mutex_lock(&a->lock);
	if (a->latest->row.log_rows > a->store->o.log_rows_max && commit_begin(a, &c) == ERR_OK) {
		c->row.log_floor = (c->row.log_floor + c->base->version) / 2;
		c->row.log_rows /= 2;
		c->is_row_changed = true;
		c->frees_room = true;
		cut = commit_publish_one(c);
	}
	pthread_mutex_unlock(&a->lock);
	return cut;
}

/* Some rows at a time, behind the floor that says so; what is left by a failure, the next time. */
static void
cut_log(struct account *a)
{
	struct snapshot *cut = raise_floor(a);
	uint64_t floor = cut != NULL ? written_floor(a) : 0;
	enum err e = floor != 0 ? ERR_OK : ERR_END;

	for (uint32_t i = 0; cut != NULL && e == ERR_OK && i < cut->count; i++) {
		struct mailbox_id id = snapshot_state(cut, i)->info.id;
		struct row_key from = row_key_vanished(id, 0), to = row_key_vanished(id, floor + 1);

		e = rows_purge(a->kv, a->id, KV_LOG, row_key_str(&from), row_key_str(&to));
		if (e == ERR_CORRUPT) /* verify tells of it */
			e = ERR_OK;
	}
	snapshot_unref(cut);
}

void
retention_tick(struct account *a)
{
	struct store *s = a->store;
	struct clock *clock = s->o.clock;
	int64_t now_ms = clock->wall_ms(clock);
	int64_t until_ms = now_ms - (int64_t)s->o.retention_s * 1000,
		future_ms = now_ms + FUTURE_MS;
	int64_t oldest_ms;
	uint64_t version = 0;
	bool more = true;
	enum err e = ERR_OK;

	seen_tick(a);
	cut_log(a);
	if (may_have_staged(a)) { /* a recovery keeps the past for long */
		pthread_mutex_lock(&a->past_lock);
		ignore_err(drop_all_staged(a), "it is tried again at the next round");
		pthread_mutex_unlock(&a->past_lock);
	}
	if (kv_space(s->o.kv) != KV_SPACE_OK)
		until_ms = now_ms; /* the past yields before mail does */
	else if (s->steady.hold_ms > 0)
		until_ms = INT64_MIN, future_ms = INT64_MAX; /* by room only */
	ignore_err(count_retained(a), "it is asked again at the next round");
	oldest_ms = atomic_load(&a->undo_oldest_ms);
	if (oldest_ms > until_ms && oldest_ms < future_ms && !retains_too_much(a))
		return;
	pthread_mutex_lock(&a->past_lock);
	while (more) {
		enum err some = drop_round(a, until_ms, future_ms, &version, &oldest_ms, &more);

		e = e == ERR_OK ? some : e;
	}
	pthread_mutex_unlock(&a->past_lock);
	if (e != ERR_OK)
		return;
	/* A record that was written meanwhile is not older than the beginning of this. */
	atomic_store(&a->undo_oldest_ms, MIN(oldest_ms, now_ms));
}

/*
 * account.c - an account in memory: made from its rows, its versions waited for, freed when nobody
 * uses it.
 */
#include "store/commit_int.h"

#include "store/arrival_int.h"
#include "store/seen_int.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Ids of mailboxes that are asked for one by one when damage hides rows: when the row with their
 * number is hidden too, and at most.
 */
enum { HIDDEN_IDS = 4096, HIDDEN_IDS_MAX = 1 << 16 };

/* ---- life ------------------------------------------------------------------------------------ */

struct account *
account_ref(struct account *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	return a;
}

/*
 * The store frees it, when it wants the room and finds nobody using it: here only the time is
 * noted.
 */
void
account_unref(struct account *a)
{
	struct clock *clock;

	if (a == NULL)
		return;
	clock = a->store->o.clock;
	atomic_store_explicit(&a->used_us, clock->mono_us(clock), memory_order_relaxed);
	atomic_fetch_sub_explicit(&a->refs, 1, memory_order_release);
}

bool
account_is_idle(struct account *a)
{
	bool is_idle;

	if (atomic_load_explicit(&a->refs, memory_order_acquire) != 0)
		return false;
	pthread_mutex_lock(&a->lock);
	is_idle = list_is_empty(&a->commits);
	list_each(&a->loads, l, struct tree_load, node)
	{
		if (l->error == ERR_OK)
			is_idle = false;
	}
	pthread_mutex_unlock(&a->lock);
	return is_idle;
}

void
account_free(struct account *a)
{
	struct list gone;

	list_init(&gone);
	list_each(&a->commits, c, struct commit, node)
	{
		list_remove(&c->node);
		list_add_tail(&gone, &c->node);
	}
	commits_free(&gone);
	list_each(&a->loads, l, struct tree_load, node)
	{
		list_remove(&l->node);
		free(l);
	}
	snapshot_unref(a->latest);
	snapshot_unref(a->durable);
	if (a->threads != NULL)
		thread_index_free(a->threads);
	if (a->step_rows != NULL)
		kv_rows_free(a->step_rows);
	waitlist_done(&a->durables);
	waitlist_done(&a->loaded);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->past_lock);
	free(a->failed);
	free(a->recents);
	free((char *)a->user.p);
	free(a);
}

struct str
account_user(const struct account *a)
{
	return a->user;
}

struct account_id
account_id(const struct account *a)
{
	return a->id;
}

struct msgno
account_next_msgno(struct account *a)
{
	return (struct msgno){ ++a->msgno_high };
}

/* ---- from rows ------------------------------------------------------------------------------- */

/* A mailbox row while names are put together. */
struct loading {
	uint64_t id;
	struct mailbox_row row;
	struct status_row status;
	bool has_status;
	struct seen_users *seen; /* own memory */
};

static int
loading_cmp(const void *a, const void *b)
{
	const struct loading *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/*
 * The whole name, level by level upwards. A parent that is missing, or a circle, gives a name at
 * the top.
 */
static struct str
full_name(const struct loading *boxes, size_t count, const struct loading *b,
    char space[MAILBOX_NAME_MAX + 1])
{
	size_t at = MAILBOX_NAME_MAX, depth = 0;
	const struct loading *l = b;

	for (;;) {
		struct loading key = { .id = l->row.parent };

		if (l->row.name.n + 1 > at || ++depth > MAILBOX_DEPTH_MAX)
			break;
		at -= l->row.name.n;
		memcpy(space + at, l->row.name.p, l->row.name.n);
		if (l->row.parent == 0)
			return str_make(space + at, MAILBOX_NAME_MAX - at);
		l = bsearch(&key, boxes, count, sizeof(*boxes), loading_cmp);
		if (l == NULL)
			break;
		space[--at] = '/';
	}
	return str_make(space,
	    (size_t)snprintf(space, MAILBOX_NAME_MAX, "Recovered-%llu", (unsigned long long)b->id));
}

static int
state_cmp(const void *a, const void *b)
{
	struct mailbox_state *const *x = a, *const *y = b;

	return mailbox_name_cmp((*x)->info.name, (*y)->info.name);
}

/*
 * A row "Q": the next user of a mailbox. One that makes no sense is passed over: who had it sees
 * everything as unseen.
 */
static void
collect_seen(struct loading *boxes, size_t count, const struct kv_row *r)
{
	struct loading key, *l;
	struct mailbox_id id;
	struct seen_user u;
	uint32_t n;

	if (!row_key_parse_private_sums(r->key, &id, &u.user)
	    || seen_row_decode(r->value, &u.sums) != ERR_OK)
		return;
	key.id = id.v;
	l = bsearch(&key, boxes, count, sizeof(*boxes), loading_cmp);
	if (l == NULL)
		return;
	n = l->seen == NULL ? 0 : l->seen->count;
	if (n == 0)
		l->seen = seen_users_new(0);
	l->seen = xrealloc(l->seen, sizeof(*l->seen) + (n + 1) * sizeof(u));
	l->seen->u[n] = u;
	l->seen->count = n + 1;
}

/* Takes rows "M", then "Q" and "S", which come sorted by id. */
static enum err
collect(struct arena *a, const struct kv_row_list *rows, struct loading *boxes, size_t *count_out,
    struct account_row *row_out)
{
	struct str keywords[KEYWORDS_MAX], *own;
	bool has_account = false, has_limits = false;
	struct quota_limits limits = QUOTA_NO_LIMITS;
	size_t count = 0;

	for (size_t i = 0; i < rows->count; i++) {
		const struct kv_row *r = &rows->rows[i];
		struct mailbox_id id;
		struct loading key, *l;
		enum err e = ERR_OK;

		switch (r->key.n == 0 ? 0 : r->key.p[0]) {
		case 'A':
			e = account_row_decode(r->value, row_out);
			has_account = true;
			break;
		case 'L':
			/* Damaged, those of the configuration hold: no mail is refused for it. */
			has_limits = limits_row_decode(r->value, &limits) == ERR_OK;
			break;
		case 'M':
			if (!row_key_parse_mailbox(r->key, &id))
				return ERR_CORRUPT;
			boxes[count].id = id.v;
			l = &boxes[count++];
			e = mailbox_row_decode(r->value, &l->row, keywords);
			if (e != ERR_OK)
				return e;
			own = arena_array(a, struct str, l->row.keyword_count);
			memcpy(own, keywords, l->row.keyword_count * sizeof(*own));
			l->row.keywords = own;
			break;
		case 'Q':
			collect_seen(boxes, count, r);
			break;
		case 'S':
			if (!row_key_parse_mailbox(r->key, &id))
				return ERR_CORRUPT;
			key.id = id.v;
			l = bsearch(&key, boxes, count, sizeof(*boxes), loading_cmp);
			if (l == NULL)
				return ERR_CORRUPT;
			e = status_row_decode(r->value, &l->status);
			l->has_status = true;
			break;
		}
		if (e != ERR_OK)
			return e;
	}
	*count_out = count;
	row_out->has_limits = has_limits;
	row_out->limits = limits;
	return has_account ? ERR_OK : ERR_CORRUPT;
}

static struct snapshot *
snapshot_from(struct account *a, uint64_t version, const struct account_row *row,
    const struct loading *boxes, size_t count)
{
	struct mailbox_state **states = xmalloc((count + 1) * sizeof(struct mailbox_state *));
	char space[MAILBOX_NAME_MAX + 1];
	struct snapshot *s;

	for (size_t i = 0; i < count; i++) {
		struct str name = full_name(boxes, count, &boxes[i], space);
		struct mailbox_id id = { boxes[i].id };

		states[i] =
		    mailbox_state_new(mailbox_desc_new(id, &boxes[i].row, name), &boxes[i].status);
		states[i]->seen = seen_users_ref(boxes[i].seen);
	}
	qsort(states, count, sizeof(struct mailbox_state *), state_cmp);
	s = snapshot_build(a, version, row, states, (uint32_t)count);
	free(states);
	return s;
}

void
account_ranges(struct kv_range ranges[ACCOUNT_RANGES])
{
	ranges[0] = (struct kv_range){ .kind = KV_ROW,
		.from = STR("A"),
		.to = STR("T"),
		.may_have_gaps = true };
}

static bool
is_hidden(const struct kv_row_list *rows, const struct row_key *key)
{
	return kv_rows_hidden(rows, row_key_str(key));
}

size_t
account_ranges_alone(const struct kv_rows *gaps, struct kv_range **ranges_out,
    struct row_key **keys_out)
{
	const struct kv_row_list *rows = &gaps->ranges[0];
	struct row_key account = row_key_account(), *keys;
	struct account_row row = { .next_mailbox = HIDDEN_IDS };
	struct kv_range *ranges;
	size_t count = 0, n = ACCOUNT_RANGES;

	for (size_t i = 0; i < rows->count; i++) {
		if (str_eq(rows->rows[i].key, row_key_str(&account)))
			ignore_err(account_row_decode(rows->rows[i].value, &row),
			    "then it is found damaged later");
	}
	row.next_mailbox = MIN(row.next_mailbox, (uint64_t)HIDDEN_IDS_MAX);
	keys = xcalloc(2 * (size_t)row.next_mailbox + 1, sizeof(*keys));
	keys[count++] = account;
	for (uint64_t id = 1; id < row.next_mailbox; id++) {
		keys[count++] = row_key_mailbox((struct mailbox_id){ id });
		keys[count++] = row_key_status((struct mailbox_id){ id });
	}
	ranges = xcalloc(count + ACCOUNT_RANGES, sizeof(*ranges));
	account_ranges(ranges);
	for (size_t i = 0; i < count; i++) {
		if (is_hidden(rows, &keys[i]))
			ranges[n++] = (struct kv_range){ .kind = KV_ROW,
				.from = row_key_str(&keys[i]),
				.is_exact = true,
				.may_have_gaps = true };
	}
	*ranges_out = ranges;
	*keys_out = keys;
	return n;
}

static int
row_cmp(const void *a, const void *b)
{
	return str_cmp(((const struct kv_row *)a)->key, ((const struct kv_row *)b)->key);
}

/* All ranges in one list, sorted. */
static void
rows_join(struct arena *a, const struct kv_rows *rows, struct kv_row_list *out)
{
	size_t count = 0;

	for (size_t i = 0; i < rows->range_count; i++)
		count += rows->ranges[i].count;
	out->rows = arena_array(a, struct kv_row, count + 1);
	out->count = 0;
	for (size_t i = 0; i < rows->range_count; i++) {
		for (size_t j = 0; j < rows->ranges[i].count; j++)
			out->rows[out->count++] = rows->ranges[i].rows[j];
	}
	qsort(out->rows, out->count, sizeof(*out->rows), row_cmp);
}

/*
 * Rows that were asked for alone and can't be read, but for those of mailboxes that were never
 * made.
 */
static bool
is_row_lost(const struct kv_rows *rows, uint64_t next_mailbox)
{
	for (size_t i = ACCOUNT_RANGES; i < rows->range_count; i++) {
		struct mailbox_id id;
		struct str key;

		if (rows->ranges[i].gap_count == 0)
			continue;
		key = rows->ranges[i].gaps[0].from;
		if (!row_key_parse_mailbox(key, &id) || id.v < next_mailbox)
			return true;
	}
	return false;
}

enum err
account_rows_decode(struct account *a, const struct kv_rows *rows)
{
	struct kv_row_list joined = rows->ranges[0];
	struct arena names = ARENA_NONE;
	struct account_row row = { 0 };
	struct loading *boxes;
	size_t count = 0;
	enum err e;

	if (rows->range_count > ACCOUNT_RANGES)
		rows_join(&names, rows, &joined);
	boxes = xcalloc(joined.count + 1, sizeof(*boxes));
	e = collect(&names, &joined, boxes, &count, &row);
	if (e == ERR_OK && is_row_lost(rows, row.next_mailbox))
		e = ERR_CORRUPT;
	for (size_t i = 0; e == ERR_OK && i < count; i++) {
		if (!boxes[i].has_status)
			e = ERR_CORRUPT;
	}
	if (e == ERR_OK) {
		a->durable = snapshot_from(a, rows->version, &row, boxes, count);
		a->latest = snapshot_ref(a->durable);
		a->version_high = a->staged_floor = rows->version;
		a->may_have_staged = true;
		a->msgno_high = row.next_msgno;
	}
	arena_done(&names);
	for (size_t i = 0; i < count; i++)
		seen_users_unref(boxes[i].seen);
	free(boxes);
	return e;
}

/* ---- versions -------------------------------------------------------------------------------- */

struct snapshot *
account_snapshot(struct account *a, struct snapshot *own)
{
	struct snapshot *s;

	pthread_mutex_lock(&a->lock);
	s = own != NULL && own->version > a->durable->version && !account_is_failed(a, own->version)
	    ? own
	    : a->durable;
	snapshot_ref(s);
	pthread_mutex_unlock(&a->lock);
	return s;
}

bool
account_is_failed(const struct account *a, uint64_t version)
{
	for (size_t i = a->failed_count; i != 0; i--) {
		if (version >= a->failed[i - 1].first)
			return version <= a->failed[i - 1].last;
	}
	return false;
}

static enum durability
durability(const struct account *a, uint64_t version)
{
	if (account_is_failed(a, version))
		return VERSION_FAILED;
	return version <= a->durable->version ? VERSION_DURABLE : VERSION_PENDING;
}

enum durability
account_durability(const struct account *a_const, uint64_t version)
{
	struct account *a = (struct account *)a_const;
	enum durability d;

	pthread_mutex_lock(&a->lock);
	d = durability(a, version);
	pthread_mutex_unlock(&a->lock);
	return d;
}

struct snapshot *
account_pending(struct account *a)
{
	struct snapshot *s = NULL;

	pthread_mutex_lock(&a->lock);
	if (a->latest != a->durable)
		s = snapshot_ref(a->latest);
	pthread_mutex_unlock(&a->lock);
	return s;
}

enum err
account_wait_durable(struct account *a, uint64_t version, struct waiter *w)
{
	enum durability d;

	pthread_mutex_lock(&a->lock);
	d = durability(a, version);
	if (d == VERSION_PENDING)
		waiter_wait(w, &a->durables);
	pthread_mutex_unlock(&a->lock);
	switch (d) {
	case VERSION_PENDING:
		return ERR_WAIT;
	case VERSION_DURABLE:
		return ERR_OK;
	case VERSION_FAILED:
		return ERR_IO;
	}
	return ERR_BUG;
}

enum err
account_wait_change(struct account *a, uint64_t known, struct waiter *w)
{
	bool is_newer;

	pthread_mutex_lock(&a->lock);
	is_newer = a->durable->version > known;
	if (!is_newer)
		waiter_wait(w, &a->durables);
	pthread_mutex_unlock(&a->lock);
	return is_newer ? ERR_OK : ERR_WAIT;
}

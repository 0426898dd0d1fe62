/*
 * message_cache.c - see message_cache.h.
 *
 * A slot stands for one record: LOADING, holding a message, or an error that the next who asks is
 * told. Slots are dealt out to shards by 64 neighbouring numbers, so that a batch takes few locks.
 * A load enters what it brought under the shard's lock and then wakes the shard's waiters; who
 * waits registers under the same lock, so no waking is lost.
 */
#include "store/message_cache.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/size.h"
#include "store/message_held.h"

#include <stdlib.h>

enum {
	SHARDS = 16,
	SHARD_RUN_BITS = 6,
	BATCH_MAX = 512,     /* records of one load */
	PREFETCH_MAX = 2048, /* of one call; the rest is loaded when it is asked for */
	/* loads of a shard that what somebody waits for stays, whatever its size */
	WANTED_TURNS = 64,
};

struct slot {
	struct list lru; /* in no list while it is loading */
	uint64_t account;
	struct msgno n;
	struct held *held;
	size_t bytes;
	uint64_t wanted_until; /* turn of the shard */
	uint64_t version;      /* of a NOTFOUND */
	enum err error;
	bool is_loading;
	enum message_need loading;
};

struct shard {
	pthread_mutex_t lock;
	struct hash slots;
	struct list lru; /* most recently used first */
	size_t bytes;
	uint64_t turn, hits, loads;
	struct waitlist loaded;
};

struct message_cache {
	struct kv *kv;
	size_t shard_bytes_max;
	struct shard shards[SHARDS];
};

struct load {
	struct message_cache *c;
	struct account_id account;
	enum message_need need;
	size_t count, summary_ranges, header_ranges;
	struct msgno numbers[]; /* ascending */
};

struct slot_key {
	uint64_t account;
	struct msgno n;
};

static bool
slot_eq(const void *item, const void *key)
{
	const struct slot *s = item;
	const struct slot_key *k = key;

	return s->n.v == k->n.v && s->account == k->account;
}

static uint64_t
slot_hash(uint64_t account, struct msgno n)
{
	return hash_u64(account << 32 ^ account >> 32 ^ n.v);
}

static struct shard *
shard_of(struct message_cache *c, uint64_t account, struct msgno n)
{
	return &c->shards[hash_u64(account << 32 ^ (n.v >> SHARD_RUN_BITS)) % SHARDS];
}

struct message_cache *
message_cache_new(struct kv *kv, size_t bytes)
{
	struct message_cache *c = xcalloc(1, sizeof(*c));

	c->kv = kv;
	c->shard_bytes_max = bytes / SHARDS;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *sh = &c->shards[i];

		pthread_mutex_init(&sh->lock, NULL);
		hash_init(&sh->slots, slot_eq);
		list_init(&sh->lru);
		waitlist_init(&sh->loaded);
	}
	return c;
}

/* ---- slots; all with the shard's lock -------------------------------------------------------- */

static struct slot *
slot_find(const struct shard *sh, uint64_t account, struct msgno n)
{
	const struct slot_key key = { account, n };

	return hash_find(&sh->slots, slot_hash(account, n), &key);
}

static struct slot *
slot_add(struct shard *sh, uint64_t account, struct msgno n)
{
	struct slot *s = xcalloc(1, sizeof(*s));

	s->account = account;
	s->n = n;
	list_init(&s->lru);
	hash_insert(&sh->slots, slot_hash(account, n), s);
	return s;
}

static void
slot_drop(struct shard *sh, struct slot *s)
{
	const struct slot_key key = { s->account, s->n };

	hash_remove(&sh->slots, slot_hash(s->account, s->n), &key);
	list_remove(&s->lru);
	sh->bytes -= s->bytes;
	if (s->held != NULL)
		message_unref(&s->held->m);
	free(s);
}

static void
slot_used(struct shard *sh, struct slot *s)
{
	list_remove(&s->lru);
	list_add_head(&sh->lru, &s->lru);
}

static void
shard_trim(struct message_cache *c, struct shard *sh)
{
	struct list *at = sh->lru.prev;

	for (unsigned kept = 0;
	     sh->bytes > c->shard_bytes_max && at != &sh->lru && kept < WANTED_TURNS;) {
		struct slot *s = list_item(at, struct slot, lru);

		at = at->prev;
		if (s->wanted_until > sh->turn)
			kept++;
		else
			slot_drop(sh, s);
	}
}

/* The load of a slot has ended: with h, or with an error. */
static void
slot_loaded(struct shard *sh, struct slot *s, struct held *h, enum err error, uint64_t version)
{
	s->is_loading = false;
	if (h != NULL) {
		if (s->held != NULL)
			message_unref(&s->held->m);
		s->held = h;
	}
	s->error = error;
	s->version = version;
	sh->bytes -= s->bytes;
	s->bytes = sizeof(*s)
	    + (s->held != NULL ? sizeof(*s->held) + s->held->summary_row.n + s->held->header_row.n
			       : 0);
	sh->bytes += s->bytes;
	slot_used(sh, s);
}

void
message_cache_forget(struct message_cache *c, struct account_id account)
{
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *sh = &c->shards[i];

		pthread_mutex_lock(&sh->lock);
		list_each(&sh->lru, s, struct slot, lru)
		{
			if (s->account == account.v && !s->is_loading)
				slot_drop(sh, s);
		}
		pthread_mutex_unlock(&sh->lock);
	}
}

void
message_cache_free(struct message_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *sh = &c->shards[i];

		list_each(&sh->lru, s, struct slot, lru) slot_drop(sh, s);
		must(sh->slots.count == 0);
		hash_done(&sh->slots);
		waitlist_done(&sh->loaded);
		pthread_mutex_destroy(&sh->lock);
	}
	free(c);
}

void
message_cache_stats(struct message_cache *c, struct message_cache_stats *out)
{
	*out = (struct message_cache_stats){ 0 };
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *sh = &c->shards[i];

		pthread_mutex_lock(&sh->lock);
		out->bytes += sh->bytes;
		out->records += sh->slots.count;
		out->hits += sh->hits;
		out->loads += sh->loads;
		pthread_mutex_unlock(&sh->lock);
	}
}

/* ---- loading --------------------------------------------------------------------------------- */

/* Damage hides the number from the ranges that it was loaded with; alone it may be readable. */
static bool
is_hidden(const struct load *l, const struct kv_rows *rows, struct msgno n)
{
	struct message_key summary = message_summary_key(n), header = message_header_key(n);

	for (size_t i = 0; i < rows->range_count; i++)
		if (rows->ranges[i].gap_count > 0
		    && kv_rows_hidden(&rows->ranges[i],
			message_key_str(i < l->summary_ranges ? &summary : &header)))
			return true;
	return false;
}

/* Enters what came; rows is NULL after an error. */
static void
load_enter(struct load *l, enum err result, const struct kv_rows *rows)
{
	struct row_cursor summaries = { 0 }, headers = { 0 };
	struct shard *sh = NULL;
	uint32_t touched = 0;

	if (rows != NULL) {
		summaries =
		    (struct row_cursor){ .ranges = rows->ranges, .range_count = l->summary_ranges };
		headers = (struct row_cursor){ .ranges = rows->ranges + l->summary_ranges,
			.range_count = l->header_ranges };
	}
	for (size_t i = 0; i < l->count; i++) {
		struct msgno n = l->numbers[i];
		struct shard *of = shard_of(l->c, l->account.v, n);
		struct str summary, header = STR_NONE;
		struct held *h = NULL;
		enum err e = result;

		if (rows != NULL) {
			summary = row_cursor_find(&summaries, n);
			if (l->need == MESSAGE_WHOLE)
				header = row_cursor_find(&headers, n);
			if (summary.p == NULL)
				e = ERR_NOTFOUND;
			else if (l->need == MESSAGE_WHOLE && header.p == NULL)
				e = ERR_CORRUPT;
			else
				e = held_new(n, summary, header, &h);
		}
		if (of != sh) {
			if (sh != NULL) {
				shard_trim(l->c, sh);
				pthread_mutex_unlock(&sh->lock);
			}
			sh = of;
			touched |= 1u << (sh - l->c->shards);
			pthread_mutex_lock(&sh->lock);
			sh->turn++;
		}
		sh->loads++;
		slot_loaded(sh, slot_find(sh, l->account.v, n), h, e,
		    rows != NULL ? rows->version : 0);
		if (e != ERR_OK && rows != NULL && is_hidden(l, rows, n))
			/* whoever wants it loads it alone */
			slot_drop(sh, slot_find(sh, l->account.v, n));
	}
	if (sh != NULL) {
		shard_trim(l->c, sh);
		pthread_mutex_unlock(&sh->lock);
	}
	for (size_t i = 0; i < SHARDS; i++) {
		if ((touched & 1u << i) != 0)
			waitlist_wake_all(&l->c->shards[i].loaded);
	}
}

static void
load_done(void *ctx, enum err e, struct kv_rows *rows)
{
	struct load *l = ctx;

	load_enter(l, e, rows);
	if (rows != NULL)
		kv_rows_free(rows);
	free(l);
}

/*
 * Without locks; the slots of l are marked as loading. What is in memory is entered at once. Takes
 * l over.
 */
static void
load_begin(struct load *l)
{
	struct kv_range ranges_few[2], *ranges = ranges_few;
	struct message_key keys_few[4], *keys = keys_few;
	struct kv_rows *rows = NULL;
	enum err e;

	if (l->count > 1) {
		ranges = xmalloc(size_mul(2 * l->count, sizeof(*ranges)));
		keys = xmalloc(size_mul(4 * l->count, sizeof(*keys)));
	}
	l->summary_ranges = message_ranges(l->numbers, l->count, message_summary_key, ranges, keys);
	l->header_ranges = 0;
	if (l->need == MESSAGE_WHOLE)
		l->header_ranges = message_ranges(l->numbers, l->count, message_header_key,
		    ranges + l->summary_ranges, keys + 2 * l->summary_ranges);
	e = kv_load(l->c->kv, l->account, ranges, l->summary_ranges + l->header_ranges, &rows,
	    load_done, l);
	if (ranges != ranges_few) {
		free(ranges);
		free(keys);
	}
	if (e != ERR_WAIT)
		load_done(l, e, rows);
}

static struct load *
load_new(struct message_cache *c, struct account_id account, enum message_need need,
    size_t count_max)
{
	struct load *l = xmalloc(size_add(sizeof(*l), size_mul(count_max, sizeof(l->numbers[0]))));

	l->c = c;
	l->account = account;
	l->need = need;
	l->count = 0;
	return l;
}

static void
load_one(struct message_cache *c, struct account_id account, struct msgno n, enum message_need need)
{
	struct load *l = load_new(c, account, need, 1);

	l->numbers[l->count++] = n;
	load_begin(l);
}

static bool
slot_has(const struct slot *s, enum message_need need)
{
	return s->held != NULL && (need == MESSAGE_SUMMARY || s->held->m.has_header);
}

static void
slot_begin(struct slot *s, enum message_need need)
{
	s->is_loading = true;
	s->loading = need;
	list_remove(&s->lru);
}

enum err
message_cache_get(struct message_cache *c, struct account_id account, struct msgno n,
    enum message_need need, struct waiter *w, struct message **out, uint64_t *version_out)
{
	struct shard *sh = shard_of(c, account.v, n);

	pthread_mutex_lock(&sh->lock);
	for (;;) {
		struct slot *s = slot_find(sh, account.v, n);

		if (s != NULL && slot_has(s, need)) {
			*out = message_ref(&s->held->m);
			s->wanted_until = 0;
			sh->hits++;
			if (!s->is_loading)
				slot_used(sh, s);
			pthread_mutex_unlock(&sh->lock);
			return ERR_OK;
		}
		if (s != NULL && s->is_loading) {
			s->wanted_until = sh->turn + WANTED_TURNS;
			waiter_wait(w, &sh->loaded);
			pthread_mutex_unlock(&sh->lock);
			return ERR_WAIT;
		}
		if (s != NULL && s->error != ERR_OK) {
			enum err e = s->error;

			*version_out = s->version;
			slot_drop(sh, s);
			pthread_mutex_unlock(&sh->lock);
			return e;
		}
		if (s == NULL)
			s = slot_add(sh, account.v, n);
		slot_begin(s, need);
		s->wanted_until = sh->turn + WANTED_TURNS;
		pthread_mutex_unlock(&sh->lock);
		load_one(c, account, n, need);
		pthread_mutex_lock(&sh->lock);
	}
}

static int
msgno_order(const void *a, const void *b)
{
	uint32_t x = ((const struct msgno *)a)->v, y = ((const struct msgno *)b)->v;

	return (x > y) - (x < y);
}

/* Marks those of numbers that are not in memory, and lists them in l. */
static void
prefetch_mark(struct load *l, const struct msgno *numbers, size_t count)
{
	struct shard *sh = NULL;

	for (size_t i = 0; i < count; i++) {
		struct shard *of = shard_of(l->c, l->account.v, numbers[i]);
		struct slot *s;

		if (of != sh) {
			if (sh != NULL)
				pthread_mutex_unlock(&sh->lock);
			sh = of;
			pthread_mutex_lock(&sh->lock);
		}
		s = slot_find(sh, l->account.v, numbers[i]);
		if (s != NULL && (s->is_loading || s->error != ERR_OK || slot_has(s, l->need)))
			continue;
		if (s == NULL)
			s = slot_add(sh, l->account.v, numbers[i]);
		slot_begin(s, l->need);
		l->numbers[l->count++] = numbers[i];
	}
	if (sh != NULL)
		pthread_mutex_unlock(&sh->lock);
}

void
message_cache_prefetch(struct message_cache *c, struct account_id account,
    const struct msgno *numbers, size_t count, enum message_need need)
{
	count = MIN(count, (size_t)PREFETCH_MAX);
	while (count > 0) {
		size_t n = MIN(count, (size_t)BATCH_MAX);
		struct load *l = load_new(c, account, need, n);

		prefetch_mark(l, numbers, n);
		numbers += n;
		count -= n;
		if (l->count == 0) {
			free(l);
			continue;
		}
		for (size_t i = 1; i < l->count; i++) {
			if (l->numbers[i - 1].v > l->numbers[i].v) {
				qsort(l->numbers, l->count, sizeof(l->numbers[0]), msgno_order);
				break;
			}
		}
		load_begin(l);
	}
}

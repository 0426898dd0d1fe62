/* conform.c - see conform.h. */
#include "kv/conform.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/test.h"

#include <stdlib.h>
#include <unistd.h>

static const struct conform_engine *engine;

#define ACCOUNT(n) ((struct account_id){ n })

static void
append_merge(struct str base, const struct str *operands, size_t count, struct buf *out)
{
	buf_str_add(out, base);
	for (size_t i = 0; i < count; i++)
		buf_str_add(out, operands[i]);
}

struct kv_options
conform_options(void)
{
	struct kv_options o = { 0 };

	o.merge[KV_PAGE] = append_merge;
	o.merge[KV_POSTING] = append_merge;
	return o;
}

/* ---- waiting for callbacks */

struct wait {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned done;
	enum err e;
	struct kv_rows *rows;
	struct kv_bytes *bytes;
	pthread_t thread;
	bool is_wanted;
};

#define WAIT_INIT                                                                                  \
	((struct wait){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER })

static void
wait_note(struct wait *w, enum err e)
{
	w->e = e;
	w->done++;
	w->thread = pthread_self();
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void
commit_done(void *ctx, enum err e)
{
	struct wait *w = ctx;

	pthread_mutex_lock(&w->lock);
	wait_note(w, e);
}

static void
load_done(void *ctx, enum err e, struct kv_rows *rows)
{
	struct wait *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->rows = rows;
	wait_note(w, e);
}

static void
blob_done(void *ctx, enum err e, struct kv_bytes *bytes)
{
	struct wait *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->bytes = bytes;
	wait_note(w, e);
}

static enum err
wait_for(struct wait *w, unsigned count)
{
	enum err e;

	pthread_mutex_lock(&w->lock);
	while (w->done < count)
		pthread_cond_wait(&w->changed, &w->lock);
	e = w->e;
	pthread_mutex_unlock(&w->lock);
	return e;
}

/* ---- shorthands */

static enum err
commit1(struct kv *kv, struct kv_txn *t)
{
	return kv_commit_now(kv, &t, 1);
}

static enum err
put1(struct kv *kv, uint64_t account, uint64_t base, uint64_t next, const char *key,
    const char *value)
{
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT(account), base, next);

	kv_put(t, KV_ROW, str_c(key), str_c(value));
	return commit1(kv, t);
}

/* Loads one range, by kv_load() and, when it says so, its callback. */
static struct kv_rows *
load_range(struct kv *kv, uint64_t account, struct kv_range r)
{
	struct wait w = WAIT_INIT;
	struct kv_rows *rows = NULL;
	enum err e = kv_load(kv, ACCOUNT(account), &r, 1, &rows, load_done, &w);

	if (e == ERR_WAIT) {
		e = wait_for(&w, 1);
		rows = w.rows;
	}
	CHECK_U64(e, ERR_OK);
	return rows;
}

/* The range's rows as "key=value " one behind the other. */
static void
check_range(struct kv *kv, uint64_t account, struct kv_range r, const char *want)
{
	struct kv_rows *rows = load_range(kv, account, r);
	BUF_CLEAN struct buf got = BUF_MAX(1 << 20);

	for (size_t i = 0; rows != NULL && i < rows->ranges[0].count; i++) {
		buf_str_add(&got, rows->ranges[0].rows[i].key);
		buf_chr(&got, '=');
		buf_str_add(&got, rows->ranges[0].rows[i].value);
		buf_chr(&got, ' ');
	}
	CHECK_STR(buf_str(&got), str_c(want));
	kv_rows_free(rows);
}

static void
check_row(struct kv *kv, uint64_t account, enum kv_kind kind, const char *key, const char *want)
{
	struct kv_rows *rows = load_range(kv, account,
	    (struct kv_range){ .kind = kind, .from = str_c(key), .is_exact = true });

	if (rows != NULL && CHECK_U64(rows->ranges[0].count, want != NULL ? 1 : 0)
	    && want != NULL) {
		CHECK_STR(rows->ranges[0].rows[0].key, str_c(key));
		CHECK_STR(rows->ranges[0].rows[0].value, str_c(want));
	}
	kv_rows_free(rows);
}

static void
check_counter(struct kv *kv, uint64_t account, const char *key, uint64_t want)
{
	struct kv_rows *rows = load_range(kv, account,
	    (struct kv_range){ .kind = KV_COUNTER, .from = str_c(key), .is_exact = true });

	if (rows != NULL && CHECK_U64(rows->ranges[0].count, 1))
		CHECK_U64(get_le64(rows->ranges[0].rows[0].value.p), want);
	kv_rows_free(rows);
}

static uint64_t
version(struct kv *kv, uint64_t account)
{
	uint64_t v = UINT64_MAX;

	CHECK_U64(kv_versions(kv, &ACCOUNT(account), 1, &v), ERR_OK);
	return v;
}

struct stage_waiter {
	struct waiter w;
	struct wait wait;
	unsigned waits;
};

static void
stage_woken(struct waiter *w)
{
	struct stage_waiter *sw = container_of(w, struct stage_waiter, w);

	pthread_mutex_lock(&sw->wait.lock);
	wait_note(&sw->wait, ERR_OK);
}

struct kv_stage *
conform_stage(struct kv *kv, struct str data, struct blob_id *id_out)
{
	struct kv_stage *s = kv_stage_new(kv);
	struct stage_waiter sw = { .wait = WAIT_INIT };
	uint64_t length = 0;

	waiter_init(&sw.w, stage_woken);
	for (size_t at = 0, taken; at < data.n; at += taken) {
		enum err e = kv_stage_write(s, str_sub(data, at, at + 10000), &taken, &sw.w);

		if (e == ERR_WAIT) {
			taken = 0;
			wait_for(&sw.wait, ++sw.waits);
		} else if (!CHECK_U64(e, ERR_OK)) {
			break;
		}
	}
	waiter_cancel(&sw.w);
	CHECK_U64(kv_stage_seal(s, id_out, &length), ERR_OK);
	CHECK_U64(length, data.n);
	return s;
}

/* Bytes that don't repeat and look like nothing, from a seed; free() them. */
static struct str
noise(size_t n, uint64_t seed)
{
	char *p = xmalloc(MAX(n, 1));

	for (size_t i = 0; i < n; i++)
		p[i] = (char)((i & 7) == 0 ? ' ' : hash_u64(seed * 1000003 + i) >> 7);
	return str_make(p, n);
}

/* Reads a part of a blob, in as many pieces as it takes, and compares. */
static void
check_placed(struct kv *kv, const struct blob_id *id, uint64_t place, struct str data,
    uint64_t offset, size_t length)
{
	struct str want = str_sub(data, offset, offset + length);

	while (want.n > 0) {
		struct wait w = WAIT_INIT;
		struct kv_bytes *bytes = NULL;
		enum err e = kv_blob_read(kv, id, place, offset, want.n, &bytes, blob_done, &w);
		struct str got;

		if (e == ERR_WAIT) {
			e = wait_for(&w, 1);
			bytes = w.bytes;
		}
		if (!CHECK_U64(e, ERR_OK))
			return;
		got = kv_bytes_str(bytes);
		CHECK(got.n > 0 && got.n <= want.n && memcmp(got.p, want.p, got.n) == 0);
		offset += got.n;
		want = str_sub(want, got.n, SIZE_MAX);
		kv_bytes_unref(bytes);
	}
}

static void
check_blob(struct kv *kv, const struct blob_id *id, struct str data, uint64_t offset, size_t length)
{
	check_placed(kv, id, 0, data, offset, length);
}

struct blobs_wait {
	struct wait w;
	struct kv_blobs *blobs;
};

static void
blobs_done(void *ctx, struct kv_blobs *blobs)
{
	struct blobs_wait *b = ctx;

	pthread_mutex_lock(&b->w.lock);
	b->blobs = blobs;
	wait_note(&b->w, ERR_OK);
}

static struct kv_blobs *
blobs_read_now(struct kv *kv, const struct kv_blob_ref *refs, size_t count)
{
	struct blobs_wait b = { .w = WAIT_INIT };
	enum err e = kv_blobs_load(kv, ACCOUNT(1), refs, count, &b.blobs, blobs_done, &b);

	if (e == ERR_WAIT)
		e = wait_for(&b.w, 1);
	CHECK_U64(e, ERR_OK);
	CHECK_U64(b.blobs->count, count);
	return b.blobs;
}

/* want[i].p NULL: it was to be left out. */
static void
check_blobs_are(const struct kv_blobs *blobs, const struct str *want)
{
	for (size_t i = 0; i < blobs->count; i++) {
		CHECK((blobs->bytes[i].p == NULL) == (want[i].p == NULL));
		CHECK(blobs->bytes[i].p == NULL || str_eq(blobs->bytes[i], want[i]));
	}
}

static void
check_blobs(struct kv *kv, const struct kv_blob_ref *refs, const struct str *want, size_t count)
{
	enum { AT_ONCE = 9 }; /* more than the engine keeps memory for */
	struct kv_blobs *read[AT_ONCE];

	/* In new memory, then in that of those before; none in that of another which is in use. */
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < AT_ONCE; i++)
			read[i] = blobs_read_now(kv, refs + MIN(i, count), count - MIN(i, count));
		for (size_t i = 0; i < AT_ONCE; i++)
			check_blobs_are(read[i], want + MIN(i, count));
		for (size_t i = 0; i < AT_ONCE; i++)
			kv_blobs_free(kv, read[i]);
	}
}

static uint64_t
links(struct kv *kv, const struct blob_id *id)
{
	uint64_t n = UINT64_MAX;

	CHECK_U64(kv_blob_links(kv, id, &n), ERR_OK);
	return n;
}

static enum err
read_blob_now(struct kv *kv, const struct blob_id *id, uint64_t offset)
{
	struct wait w = WAIT_INIT;
	struct kv_bytes *bytes = NULL;
	enum err e = kv_blob_read(kv, id, 0, offset, 1, &bytes, blob_done, &w);

	if (e == ERR_WAIT) {
		e = wait_for(&w, 1);
		bytes = w.bytes;
	}
	kv_bytes_unref(bytes);
	return e;
}

/* ---- rows */

static void
test_rows(void)
{
	struct kv *kv = engine->open();
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), 0, 1);

	CHECK_U64(version(kv, 1), 0);
	kv_put(t, KV_ROW, STR("a"), STR("1"));
	kv_put(t, KV_ROW, STR("b"), STR(""));
	kv_put(t, KV_ROW, STR("c"), STR("3"));
	kv_put(t, KV_ROW, STR("c\xff"), STR("4"));
	kv_put(t, KV_LOG, STR("a"), STR("log"));
	CHECK_U64(commit1(kv, t), ERR_OK);
	CHECK_U64(version(kv, 1), 1);
	check_row(kv, 1, KV_ROW, "a", "1");
	check_row(kv, 1, KV_ROW, "b", "");
	check_row(kv, 1, KV_ROW, "x", NULL);
	check_row(kv, 1, KV_LOG, "a", "log");
	check_row(kv, 1, KV_LOG, "b", NULL);
	check_range(kv, 1, (struct kv_range){ .kind = KV_ROW }, "a=1 b= c=3 c\xff=4 ");
	check_range(kv, 1, (struct kv_range){ .kind = KV_ROW, .from = STR("b"), .to = STR("c") },
	    "b= ");
	check_range(kv, 1, (struct kv_range){ .kind = KV_ROW, .from = STR("b") },
	    "b= c=3 c\xff=4 ");
	check_range(kv, 1, (struct kv_range){ .kind = KV_ROW, .limit = 2 }, "a=1 b= ");
	check_range(kv, 1, (struct kv_range){ .kind = KV_ROW, .is_reverse = true, .limit = 2 },
	    "c\xff=4 c=3 ");
	check_range(kv, 1,
	    (struct kv_range){ .kind = KV_ROW,
		.from = STR("b"),
		.to = STR("c"),
		.is_reverse = true },
	    "b= ");
	check_range(kv, 1, (struct kv_range){ .kind = KV_ROW, .from = STR("x") }, "");
	check_range(kv, 1, (struct kv_range){ .kind = KV_ROW, .from = STR("c"), .to = STR("b") },
	    "");
	engine->close(kv);
}

/* Neighbours in key space: account 255 and 256, and one whose rows end where the other's begin. */
static void
test_accounts_are_apart(void)
{
	struct kv *kv = engine->open();

	CHECK_U64(put1(kv, 255, 0, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", "low"), ERR_OK);
	CHECK_U64(put1(kv, 256, 0, 7, "a", "mid"), ERR_OK);
	CHECK_U64(put1(kv, 257, 0, 1, "", "high"), ERR_OK);
	check_range(kv, 256, (struct kv_range){ .kind = KV_ROW }, "a=mid ");
	check_range(kv, 256, (struct kv_range){ .kind = KV_ROW, .is_reverse = true }, "a=mid ");
	check_range(kv, 257, (struct kv_range){ .kind = KV_ROW }, "=high ");
	CHECK_U64(version(kv, 255), 1);
	CHECK_U64(version(kv, 256), 7);
	CHECK_U64(version(kv, 258), 0);
	CHECK_U64(put1(kv, 0, 0, 1, "a", "system"), ERR_OK);
	check_range(kv, 0, (struct kv_range){ .kind = KV_ROW }, "a=system ");
	engine->close(kv);
}

static void
test_many_ranges_of_one_version(void)
{
	struct kv *kv = engine->open();
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT(3), 0, 5);
	struct kv_range r[3] = {
		{ .kind = KV_ROW, .from = STR("k"), .is_exact = true },
		{ .kind = KV_ROW, .from = STR("none"), .is_exact = true },
		{ .kind = KV_MESSAGE },
	};
	struct kv_rows *rows = NULL;

	kv_put(t, KV_ROW, STR("k"), STR("v"));
	for (unsigned i = 0; i < 300; i++) {
		char key[4];

		put_be32(key, i);
		kv_put(t, KV_MESSAGE, str_make(key, 4), str_make(key, 4));
	}
	CHECK_U64(commit1(kv, t), ERR_OK);
	CHECK_U64(kv_load_now(kv, ACCOUNT(3), r, 3, &rows), ERR_OK);
	CHECK_U64(rows->version, 5);
	CHECK_U64(rows->range_count, 3);
	CHECK_U64(rows->ranges[0].count, 1);
	CHECK_U64(rows->ranges[1].count, 0);
	CHECK_U64(rows->ranges[2].count, 300);
	for (unsigned i = 0; i < 300; i++)
		CHECK(get_be32(rows->ranges[2].rows[i].key.p) == i
		    && get_be32(rows->ranges[2].rows[i].value.p) == i);
	kv_rows_free(rows);
	/* without a version they are the same rows */
	r[0].is_timeless = true;
	CHECK_U64(kv_load_now(kv, ACCOUNT(3), r, 3, &rows), ERR_OK);
	CHECK_U64(rows->ranges[0].count, 1);
	CHECK_U64(rows->ranges[1].count, 0);
	CHECK_U64(rows->ranges[2].count, 300);
	kv_rows_free(rows);
	r[0].is_timeless = false;
	CHECK_U64(kv_load_now(kv, ACCOUNT(4), r, 3, &rows), ERR_OK);
	CHECK_U64(rows->version, 0);
	CHECK_U64(rows->ranges[2].count, 0);
	kv_rows_free(rows);
	engine->close(kv);
}

static void
test_changes_apply_in_order(void)
{
	struct kv *kv = engine->open();
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), 0, 1);

	kv_put(t, KV_ROW, STR("a"), STR("old"));
	kv_put(t, KV_ROW, STR("b"), STR("old"));
	kv_put(t, KV_ROW, STR("z"), STR("old"));
	kv_merge(t, KV_PAGE, STR("p"), STR("1"));
	kv_merge(t, KV_PAGE, STR("p"), STR("2"));
	kv_put(t, KV_PAGE, STR("q"), STR("base"));
	CHECK_U64(commit1(kv, t), ERR_OK);
	check_row(kv, 1, KV_PAGE, "p", "12");
	t = kv_txn_new(kv, ACCOUNT(1), 1, 2);
	kv_del_range(t, KV_ROW, STR("a"), STR("m"));
	kv_put(t, KV_ROW, STR("b"), STR("new"));
	kv_put(t, KV_ROW, STR("c"), STR("new"));
	kv_del(t, KV_ROW, STR("c"));
	kv_merge(t, KV_PAGE, STR("q"), STR("+x"));
	kv_del(t, KV_PAGE, STR("p"));
	kv_merge(t, KV_PAGE, STR("p"), STR("after"));
	CHECK_U64(commit1(kv, t), ERR_OK);
	check_range(kv, 1, (struct kv_range){ .kind = KV_ROW }, "b=new z=old ");
	check_range(kv, 1, (struct kv_range){ .kind = KV_PAGE }, "p=after q=base+x ");
	t = kv_txn_new(kv, ACCOUNT(1), 2, 3);
	kv_put(t, KV_PAGE, STR("r"), STR("gone"));
	kv_del_range(t, KV_PAGE, STR(""), STR_NONE);
	kv_merge(t, KV_PAGE, STR("q"), STR("y"));
	CHECK_U64(commit1(kv, t), ERR_OK);
	check_range(kv, 1, (struct kv_range){ .kind = KV_PAGE }, "q=y ");
	engine->close(kv);
}

static void
test_counters(void)
{
	struct kv *kv = engine->open();
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), 0, 1);

	kv_add(t, STR("n"), 5);
	kv_add(t, STR("n"), -7);
	CHECK_U64(commit1(kv, t), ERR_OK);
	check_counter(kv, 1, "n", (uint64_t)-2);
	t = kv_txn_new(kv, ACCOUNT(1), 1, 2);
	kv_add(t, STR("n"), 102);
	CHECK_U64(commit1(kv, t), ERR_OK);
	check_counter(kv, 1, "n", 100);
	engine->close(kv);
}

/* All of an account goes, while what it has just counted is in memory still; others' stays. */
static void
test_purge_with_counters(void)
{
	enum { ACCOUNTS = 3, COUNTERS = 60 };
	struct kv *kv = engine->open();
	struct kv_txn *t;
	char key[8];

	for (unsigned a = 1; a <= ACCOUNTS; a++) {
		for (unsigned i = 0; i < COUNTERS; i++) {
			snprintf(key, sizeof(key), "c%04u", i);
			t = kv_txn_new(kv, ACCOUNT(a), KV_UNVERSIONED, KV_UNVERSIONED);
			kv_add(t, str_c(key), 1);
			CHECK_U64(commit1(kv, t), ERR_OK);
		}
	}
	t = kv_txn_new(kv, ACCOUNT(2), KV_UNVERSIONED, KV_UNVERSIONED);
	kv_txn_set_deletes(t);
	for (unsigned kind = 0; kind < KV_KINDS; kind++)
		kv_del_range(t, (enum kv_kind)kind, STR(""), STR_NONE);
	CHECK_U64(commit1(kv, t), ERR_OK);
	t = kv_txn_new(kv, ACCOUNT(2), KV_UNVERSIONED, KV_UNVERSIONED);
	kv_add(t, STR("c0001"), 7);
	CHECK_U64(commit1(kv, t), ERR_OK);
	check_range(kv, 2, (struct kv_range){ .kind = KV_COUNTER, .to = STR("c0001") }, "");
	check_counter(kv, 2, "c0001", 7);
	for (unsigned i = 0; i < COUNTERS; i++) {
		snprintf(key, sizeof(key), "c%04u", i);
		check_counter(kv, 1, key, 1);
		check_counter(kv, 3, key, 1);
	}
	engine->close(kv);
}

/* ---- versions */

static void
test_conflict(void)
{
	struct kv *kv = engine->open();
	struct kv_txn *set[2];

	CHECK_U64(put1(kv, 1, 0, 10, "a", "1"), ERR_OK);
	CHECK_U64(put1(kv, 1, 0, 11, "a", "lost"), ERR_CONFLICT);
	CHECK_U64(put1(kv, 1, 9, 11, "a", "lost"), ERR_CONFLICT);
	CHECK_U64(put1(kv, 1, 11, 12, "a", "lost"), ERR_CONFLICT);
	CHECK_U64(put1(kv, 1, 10, 11, "a", "2"), ERR_OK);
	check_row(kv, 1, KV_ROW, "a", "2");
	/* A set is all or none. */
	for (unsigned round = 0; round < 2; round++) {
		set[0] = kv_txn_new(kv, ACCOUNT(2), 0, 1);
		kv_put(set[0], KV_ROW, STR("m"), STR("to"));
		set[1] = kv_txn_new(kv, ACCOUNT(1), round == 0 ? 10 : 11, 13);
		kv_put(set[1], KV_ROW, STR("m"), STR("from"));
		CHECK_U64(kv_commit_now(kv, set, 2), round == 0 ? ERR_CONFLICT : ERR_OK);
		check_row(kv, 2, KV_ROW, "m", round == 0 ? NULL : "to");
		check_row(kv, 1, KV_ROW, "m", round == 0 ? NULL : "from");
	}
	CHECK_U64(version(kv, 1), 13);
	CHECK_U64(version(kv, 2), 1);
	engine->close(kv);
}

struct order {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned done;
	bool in_order;

	struct order_item {
		struct order *order;
		unsigned no;
		enum err e;
	} item[200];
};

static void
order_done(void *ctx, enum err e)
{
	struct order_item *item = ctx;
	struct order *o = item->order;

	pthread_mutex_lock(&o->lock);
	o->in_order = o->in_order && o->done == item->no;
	o->done++;
	item->e = e;
	pthread_cond_signal(&o->changed);
	pthread_mutex_unlock(&o->lock);
}

/*
 * Commits of one account, queued without waiting: they complete in order, and what follows a
 * refused one is refused.
 */
static void
test_pipelined_commits(void)
{
	struct kv *kv = engine->open();
	static struct order o = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, true,
		{ { 0 } } };

	o.done = 0;
	for (unsigned i = 0; i < 200; i++) {
		struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), i == 150 ? 3 : i, i + 1);
		char key[4];

		put_be32(key, i);
		kv_put(t, KV_LOG, str_make(key, 4), STR("x"));
		kv_add(t, STR("count"), 1);
		o.item[i] = (struct order_item){ &o, i, ERR_OK };
		kv_commit(kv, &t, 1, order_done, &o.item[i]);
	}
	pthread_mutex_lock(&o.lock);
	while (o.done < 200)
		pthread_cond_wait(&o.changed, &o.lock);
	pthread_mutex_unlock(&o.lock);
	CHECK(o.in_order);
	for (unsigned i = 0; i < 200; i++)
		CHECK_U64(o.item[i].e, i < 150 ? ERR_OK : ERR_CONFLICT);
	check_counter(kv, 1, "count", 150);
	CHECK_U64(version(kv, 1), 150);
	engine->close(kv);
}

static void
test_callbacks_come_from_elsewhere(void)
{
	struct kv *kv = engine->open();
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), 0, 1);
	struct wait w = WAIT_INIT;

	kv_put(t, KV_ROW, STR("a"), STR("1"));
	kv_commit(kv, &t, 1, commit_done, &w);
	CHECK_U64(wait_for(&w, 1), ERR_OK);
	CHECK(!pthread_equal(w.thread, pthread_self()));
	engine->close(kv);
}

static void
test_unversioned(void)
{
	struct kv *kv = engine->open();
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), KV_UNVERSIONED, KV_UNVERSIONED);

	kv_txn_set_lazy(t);
	kv_merge(t, KV_POSTING, STR("term"), STR("1,"));
	CHECK_U64(commit1(kv, t), ERR_OK);
	CHECK_U64(put1(kv, 1, 0, 1, "a", "1"), ERR_OK);
	t = kv_txn_new(kv, ACCOUNT(1), KV_UNVERSIONED, KV_UNVERSIONED);
	kv_txn_set_lazy(t);
	kv_merge(t, KV_POSTING, STR("term"), STR("2,"));
	CHECK_U64(commit1(kv, t), ERR_OK);
	check_row(kv, 1, KV_POSTING, "term", "1,2,");
	CHECK_U64(version(kv, 1), 1);
	engine->close(kv);
}

/* ---- message bytes */

static void
test_blob_small(void)
{
	struct kv *kv = engine->open();
	struct str data = noise(5000, 1);
	struct blob_id id;
	struct kv_stage *s = conform_stage(kv, data, &id);
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), 0, 1);
	struct kv_stats stats = { 0 };

	CHECK_STR(kv_stage_peek(s), data);
	CHECK_U64(links(kv, &id), 0);
	CHECK_U64(read_blob_now(kv, &id, 0), ERR_CORRUPT);
	kv_link(t, &id, 1, s);
	kv_stage_unref(s);
	CHECK(kv_txn_bytes(t) > 0);
	CHECK_U64(commit1(kv, t), ERR_OK);
	CHECK_U64(links(kv, &id), 1);
	check_blob(kv, &id, data, 0, data.n);
	check_blob(kv, &id, data, 4999, 1);
	check_blob(kv, &id, data, 100, 200);
	CHECK_U64(read_blob_now(kv, &id, 5000), ERR_END);
	CHECK_U64(read_blob_now(kv, &id, 1u << 31), ERR_END);
	kv_stats(kv, &stats);
	CHECK_U64(stats.blob_reads, 6);
	free((char *)data.p);
	engine->close(kv);
}

static void
test_blob_sizes(void)
{
	static const size_t sizes[] = { 0, 1, 255, 256, KV_CHUNK_BYTES - 1, KV_CHUNK_BYTES,
		KV_CHUNK_BYTES + 1, 2 * KV_CHUNK_BYTES, 2 * KV_CHUNK_BYTES + 1, 3000000 };
	struct kv *kv = engine->open();

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct str data = noise(sizes[i], i);
		struct blob_id id;
		struct kv_stage *s = conform_stage(kv, data, &id);
		struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), i, i + 1);

		CHECK(sizes[i] > KV_CHUNK_BYTES ? kv_stage_peek(s).p == NULL
						: str_eq(kv_stage_peek(s), data));
		kv_link(t, &id, 1, s);
		kv_stage_unref(s);
		CHECK_U64(commit1(kv, t), ERR_OK);
		check_blob(kv, &id, data, 0, data.n);
		if (data.n > 10)
			check_blob(kv, &id, data, data.n / 2, 5);
		CHECK_U64(read_blob_now(kv, &id, data.n), ERR_END);
		free((char *)data.p);
	}
	engine->close(kv);
}

/*
 * Many at once: those that are one chunk, in the order in which they were asked for; others are
 * left out.
 */
static void
test_blobs_together(void)
{
	static const size_t sizes[] = { 5000, 0, 1, KV_CHUNK_BYTES + 1, KV_CHUNK_BYTES, 255, 300 };

	enum { COUNT = ARRAY_LEN(sizes) };
	struct kv *kv = engine->open();
	struct kv_blob_ref refs[COUNT + 3] = { 0 };
	struct str data[COUNT], want[COUNT + 3];

	for (size_t i = 0; i < COUNT; i++) {
		struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), i, i + 1);
		struct kv_stage *s;

		data[i] = noise(sizes[i], 100 + i);
		s = conform_stage(kv, data[i], &refs[i].id);
		refs[i].length = sizes[i];
		kv_link(t, &refs[i].id, 1, s);
		kv_stage_unref(s);
		CHECK_U64(commit1(kv, t), ERR_OK);
		want[i] = sizes[i] <= KV_CHUNK_BYTES ? data[i] : STR_NONE;
	}
	memset(&refs[COUNT].id, 0x5A, sizeof(refs[COUNT].id)); /* there is none */
	want[COUNT] = STR_NONE;
	refs[COUNT + 1] = refs[0]; /* twice */
	want[COUNT + 1] = want[0];
	refs[COUNT + 2] = refs[0]; /* it is longer */
	refs[COUNT + 2].length--;
	want[COUNT + 2] = STR_NONE;
	check_blobs(kv, refs, want, COUNT + 3);
	check_blobs(kv, refs, want, 1);
	check_blobs(kv, refs + 3, want + 3, 1);
	check_blobs(kv, refs, want, 0);
	if (engine->reopen != NULL) {
		kv = engine->reopen(kv);
		check_blobs(kv, refs, want, COUNT + 3);
	}
	for (size_t i = 0; i < COUNT; i++)
		free((char *)data[i].p);
	engine->close(kv);
}

/* ---- places */

#define PLACES 60u
#define PLACED_TWICE 7u /* the blob before it once more */

static uint64_t
place_of(struct kv *kv, uint64_t account, const char *key)
{
	struct kv_rows *rows = load_range(kv, account,
	    (struct kv_range){ .kind = KV_MESSAGE, .from = str_c(key), .is_exact = true });
	uint64_t place = UINT64_MAX;

	if (rows != NULL && CHECK_U64(rows->ranges[0].count, 1)
	    && CHECK_U64(rows->ranges[0].rows[0].value.n, 4 + KV_PLACE_BYTES)) {
		struct str value = rows->ranges[0].rows[0].value;

		CHECK_STR(str_sub(value, 0, 4), STR("row "));
		place = get_le64(value.p + 4);
	}
	kv_rows_free(rows);
	return place;
}

/* Links the blob from a row that says where it is. */
static uint64_t
place_put(struct kv *kv, uint64_t account, uint64_t base, struct str data, struct blob_id *id)
{
	struct kv_stage *s = conform_stage(kv, data, id);
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT(account), base, base + 1);

	kv_put_placed(t, KV_MESSAGE, STR("r"), STR("row ________"), id);
	kv_link(t, id, 1, s);
	kv_stage_unref(s);
	CHECK_U64(commit1(kv, t), ERR_OK);
	return place_of(kv, account, "r");
}

static void
check_places(struct kv *kv, const struct kv_blob_ref *refs, const struct str *want)
{
	struct kv_blob_ref mixed[PLACES];
	struct str mixed_want[PLACES];

	check_blobs(kv, refs, want, PLACES);
	for (unsigned i = 0; i < PLACES; i++) {
		check_placed(kv, &refs[i].id, refs[i].place, want[i], 0, want[i].n);
		check_placed(kv, &refs[i].id, refs[i].place, want[i], want[i].n / 2, 3);
		/* that of another, of none, of nothing; and in no order */
		mixed[i] = refs[i * 7 % PLACES];
		mixed_want[i] = want[i * 7 % PLACES];
		if (i % 3 == 0)
			mixed[i].place = i % 2 == 0 ? refs[(i + 1) % PLACES].place : UINT64_MAX;
		if (i % 3 == 1)
			mixed[i].place = 0;
		check_placed(kv, &mixed[i].id, mixed[i].place, mixed_want[i], 1, 2);
		check_placed(kv, &mixed[i].id, mixed[i].place, mixed_want[i], 0, mixed_want[i].n);
	}
	check_blobs(kv, mixed, mixed_want, PLACES);
}

/* Blobs are found by their places as by their names, and wrong places do no harm. */
static void
test_places(void)
{
	struct kv *kv = engine->open();
	struct kv_blob_ref refs[PLACES], kept[PLACES];
	struct str data[PLACES], kept_want[PLACES], large;
	struct kv_txn *t;
	struct blob_id id;
	uint64_t big, swept;

	for (unsigned i = 0; i < PLACES; i++) {
		data[i] = noise(10 + 97 * i, 500 + (i == PLACED_TWICE ? i - 1 : i));
		if (i == PLACED_TWICE)
			data[i].n = data[i - 1].n;
		refs[i].length = data[i].n;
		refs[i].place = place_put(kv, 1, i, data[i], &refs[i].id);
	}
	CHECK_U64(refs[PLACED_TWICE].place, refs[PLACED_TWICE - 1].place);
	check_places(kv, refs, data);
	/* A large one has none, an account without the bytes the same. */
	large = noise(KV_CHUNK_BYTES + 1, 3);
	big = place_put(kv, 2, 0, large, &id);
	/* A wrong place does no harm, whatever part of it was read before. */
	check_placed(kv, &id, 0, large, 0, 10);
	check_placed(kv, &id, refs[0].place, large, KV_CHUNK_BYTES - 5, 6);
	free((char *)large.p);
	CHECK(big == 0 || big == get_le64("________"));
	t = kv_txn_new(kv, ACCOUNT(2), 1, 2);
	kv_put_placed(t, KV_MESSAGE, STR("r"), STR("row ________"), &refs[30].id);
	kv_link(t, &refs[30].id, 1, NULL);
	CHECK_U64(commit1(kv, t), ERR_OK);
	CHECK_U64(place_of(kv, 2, "r"), refs[30].place);
	if (engine->reopen != NULL) {
		kv = engine->reopen(kv);
		check_places(kv, refs, data);
	}
	/* Gone is gone; who comes again is somewhere else, and found. */
	t = kv_txn_new(kv, ACCOUNT(1), PLACES, PLACES + 1);
	kv_unlink(t, &refs[10].id, 1);
	CHECK_U64(commit1(kv, t), ERR_OK);
	CHECK_U64(kv_blob_sweep(kv, 0, &swept), ERR_OK);
	CHECK_U64(swept, data[10].n);
	memcpy(kept, refs, sizeof(kept));
	memcpy(kept_want, data, sizeof(kept_want));
	kept_want[10] = STR_NONE;
	check_blobs(kv, kept, kept_want, PLACES);
	place_put(kv, 3, 0, data[10], &id);
	check_places(kv, refs, data);
	for (unsigned i = 0; i < PLACES; i++)
		free((char *)data[i].p);
	engine->close(kv);
}

/*
 * One blob in several accounts: linked with and without its bytes, unlinked, swept, and back again.
 */
static void
test_blob_links(void)
{
	struct kv *kv = engine->open();
	struct str data = noise(700000, 2);
	struct blob_id id, other = { { 1 } };
	struct kv_txn *set[2];
	struct kv_stage *s;
	uint64_t swept;

	s = conform_stage(kv, data, &id);
	for (unsigned i = 0; i < 2; i++) {
		set[i] = kv_txn_new(kv, ACCOUNT(i + 1), 0, 1);
		kv_link(set[i], &id, 1, s);
	}
	kv_stage_unref(s);
	CHECK_U64(kv_commit_now(kv, set, 2), ERR_OK);
	CHECK_U64(links(kv, &id), 2);
	/* The same bytes come again: stored once. */
	s = conform_stage(kv, data, &id);
	set[0] = kv_txn_new(kv, ACCOUNT(3), 0, 1);
	kv_link(set[0], &id, 3, s);
	kv_stage_unref(s);
	CHECK_U64(commit1(kv, set[0]), ERR_OK);
	CHECK_U64(links(kv, &id), 5);
	/* Moved to another account: one more, one less. */
	set[0] = kv_txn_new(kv, ACCOUNT(3), 1, 2);
	kv_unlink(set[0], &id, 3);
	set[1] = kv_txn_new(kv, ACCOUNT(4), 0, 1);
	kv_link(set[1], &id, 1, NULL);
	CHECK_U64(kv_commit_now(kv, set, 2), ERR_OK);
	CHECK_U64(links(kv, &id), 3);
	/* A link without bytes to what is not there. */
	set[0] = kv_txn_new(kv, ACCOUNT(4), 1, 2);
	kv_link(set[0], &other, 1, NULL);
	CHECK_U64(commit1(kv, set[0]), ERR_CORRUPT);
	CHECK_U64(version(kv, 4), 1);
	/* None left: still there for the grace period, and it can come back. */
	set[0] = kv_txn_new(kv, ACCOUNT(4), 1, 2);
	kv_unlink(set[0], &id, 3);
	CHECK_U64(commit1(kv, set[0]), ERR_OK);
	CHECK_U64(links(kv, &id), 0);
	CHECK_U64(kv_blob_sweep(kv, 3600000, &swept), ERR_OK);
	CHECK_U64(swept, 0);
	check_blob(kv, &id, data, 690000, 10);
	set[0] = kv_txn_new(kv, ACCOUNT(4), 2, 3);
	kv_link(set[0], &id, 1, NULL);
	CHECK_U64(commit1(kv, set[0]), ERR_OK);
	CHECK_U64(kv_blob_sweep(kv, 0, &swept), ERR_OK);
	CHECK_U64(swept, 0);
	check_blob(kv, &id, data, 0, data.n);
	set[0] = kv_txn_new(kv, ACCOUNT(4), 3, 4);
	kv_unlink(set[0], &id, 1);
	CHECK_U64(commit1(kv, set[0]), ERR_OK);
	CHECK_U64(kv_blob_sweep(kv, 0, &swept), ERR_OK);
	CHECK_U64(swept, data.n);
	CHECK_U64(read_blob_now(kv, &id, 0), ERR_CORRUPT);
	/* And as new again. */
	s = conform_stage(kv, data, &id);
	set[0] = kv_txn_new(kv, ACCOUNT(4), 4, 5);
	kv_link(set[0], &id, 1, s);
	kv_stage_unref(s);
	CHECK_U64(commit1(kv, set[0]), ERR_OK);
	check_blob(kv, &id, data, 0, data.n);
	/* More unlinks than links: the counts are wrong somewhere, so the bytes stay. */
	set[0] = kv_txn_new(kv, ACCOUNT(4), 5, 6);
	kv_unlink(set[0], &id, 9);
	CHECK_U64(commit1(kv, set[0]), ERR_OK);
	CHECK_U64(links(kv, &id), 0);
	CHECK_U64(kv_blob_sweep(kv, 0, &swept), ERR_OK);
	CHECK_U64(swept, 0);
	check_blob(kv, &id, data, 0, data.n);
	free((char *)data.p);
	engine->close(kv);
}

/*
 * Stages that come to nothing, before and after the first chunk, sealed or not; a refused commit;
 * an abort.
 */
static void
test_stage_dropped(void)
{
	struct kv *kv = engine->open();
	struct str data = noise(1500000, 3);
	struct blob_id id;
	struct kv_txn *t;
	struct kv_stage *s;
	size_t taken;
	struct stage_waiter sw = { .wait = WAIT_INIT };

	waiter_init(&sw.w, stage_woken);
	s = kv_stage_new(kv);
	CHECK_U64(kv_stage_write(s, str_sub(data, 0, 1000), &taken, &sw.w), ERR_OK);
	CHECK_U64(taken, 1000);
	CHECK_STR(kv_stage_peek(s), str_sub(data, 0, 1000));
	kv_stage_unref(s);
	kv_stage_unref(conform_stage(kv, data, &id));
	kv_stage_unref(NULL);
	s = conform_stage(kv, data, &id);
	t = kv_txn_new(kv, ACCOUNT(1), 0, 1);
	kv_link(t, &id, 1, s);
	kv_txn_abort(t);
	t = kv_txn_new(kv, ACCOUNT(1), 8, 9);
	kv_link(t, &id, 1, s);
	CHECK_U64(commit1(kv, t), ERR_CONFLICT);
	CHECK_U64(links(kv, &id), 0);
	/* The stage is still good for another try. */
	t = kv_txn_new(kv, ACCOUNT(1), 0, 1);
	kv_link(t, &id, 1, s);
	kv_stage_unref(s);
	CHECK_U64(commit1(kv, t), ERR_OK);
	check_blob(kv, &id, data, 0, data.n);
	free((char *)data.p);
	engine->close(kv);
}

/* ---- several threads */

#define WRITERS 4
#define ROUNDS 150

struct party {
	struct kv *kv;
	uint64_t account;
	atomic_bool *is_over;
	uint64_t bad, loads;
};

static void *
writer(void *arg)
{
	struct party *p = arg;

	for (uint64_t v = 0; v < ROUNDS; v++) {
		struct kv_txn *t = kv_txn_new(p->kv, ACCOUNT(p->account), v, v + 1);
		char value[8];

		put_le64(value, v + 1);
		kv_put(t, KV_ROW, STR("version"), str_make(value, 8));
		kv_put(t, KV_LOG, STR("version"), str_make(value, 8));
		kv_add(t, STR("sum"), 1);
		kv_merge(t, KV_PAGE, STR("page"), STR("+"));
		p->bad += commit1(p->kv, t) != ERR_OK;
	}
	return NULL;
}

/* Whatever is loaded is of one version. */
static void *
reader(void *arg)
{
	struct party *p = arg;
	struct kv_range r[4] = {
		{ .kind = KV_ROW, .from = STR("version"), .is_exact = true },
		{ .kind = KV_LOG },
		{ .kind = KV_COUNTER, .from = STR("sum"), .is_exact = true },
		{ .kind = KV_PAGE, .is_reverse = true },
	};

	while (!atomic_load(p->is_over)) {
		struct wait w = WAIT_INIT;
		struct kv_rows *rows = NULL;
		enum err e = kv_load(p->kv, ACCOUNT(p->account), r, 4, &rows, load_done, &w);

		if (e == ERR_WAIT) {
			e = wait_for(&w, 1);
			rows = w.rows;
		}
		if (e != ERR_OK) {
			p->bad++;
			break;
		}
		p->loads++;
		for (unsigned i = 0; i < 4 && rows->version > 0; i++) {
			if (rows->ranges[i].count != 1)
				p->bad++;
			else if (i < 3 ? get_le64(rows->ranges[i].rows[0].value.p) != rows->version
				       : rows->ranges[i].rows[0].value.n != rows->version)
				p->bad++;
		}
		kv_rows_free(rows);
	}
	return NULL;
}

static void
test_reading_while_committing(void)
{
	struct kv *kv = engine->open();
	atomic_bool is_over = false;
	struct party writers[WRITERS], readers[2];
	pthread_t threads[WRITERS + 2];

	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct party){ .kv = kv, .account = i + 1 };
		CHECK(pthread_create(&threads[i], NULL, writer, &writers[i]) == 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		readers[i] = (struct party){ .kv = kv, .account = i + 1, .is_over = &is_over };
		CHECK(pthread_create(&threads[WRITERS + i], NULL, reader, &readers[i]) == 0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&is_over, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[WRITERS + i], NULL);
	for (unsigned i = 0; i < WRITERS; i++) {
		CHECK_U64(writers[i].bad, 0);
		CHECK_U64(version(kv, i + 1), ROUNDS);
		check_counter(kv, i + 1, "sum", ROUNDS);
	}
	CHECK_U64(readers[0].bad + readers[1].bad, 0);
	CHECK(readers[0].loads + readers[1].loads > 0);
	engine->close(kv);
}

/* ---- against an oracle: random transactions, compared with a plain table after some */

#define ORACLE_KEYS 80

struct oracle {
	struct buf value[3][ORACLE_KEYS];
	bool is_there[3][ORACLE_KEYS];
	uint64_t random;
};

static const enum kv_kind oracle_kinds[3] = { KV_ROW, KV_PAGE, KV_MESSAGE };

static uint64_t
oracle_random(struct oracle *o, uint64_t n)
{
	o->random = hash_u64(o->random + 0x9E3779B97F4A7C15u);
	return o->random % n;
}

static void
oracle_change(struct oracle *o, struct kv_txn *t, bool has_ranges)
{
	unsigned kind = (unsigned)oracle_random(o, 3),
		 key = (unsigned)oracle_random(o, ORACLE_KEYS);
	unsigned wide = (unsigned)oracle_random(o, 6), to = MIN(ORACLE_KEYS, key + wide);
	char k[2] = { (char)('a' + key / 8), (char)('a' + key % 8) },
	     k2[2] = { (char)('a' + to / 8), (char)('a' + to % 8) };
	char value[16];
	struct str v = str_make(value,
	    (size_t)snprintf(value, sizeof(value), "%llu,",
		(unsigned long long)oracle_random(o, 100000)));

	switch (oracle_random(o, 8)) {
	case 0:
		kv_del(t, oracle_kinds[kind], str_make(k, 2));
		o->is_there[kind][key] = false;
		break;
	case 1:
		if (!has_ranges)
			break;
		kv_del_range(t, oracle_kinds[kind], str_make(k, 2), str_make(k2, 2));
		for (unsigned i = key; i < to; i++)
			o->is_there[kind][i] = false;
		break;
	case 2:
	case 3:
		kv_put(t, oracle_kinds[kind], str_make(k, 2), v);
		o->is_there[kind][key] = true;
		buf_clear(&o->value[kind][key]);
		buf_str_add(&o->value[kind][key], v);
		break;
	default:
		kind = 1;
		kv_merge(t, KV_PAGE, str_make(k, 2), v);
		if (!o->is_there[kind][key])
			buf_clear(&o->value[kind][key]);
		o->is_there[kind][key] = true;
		buf_str_add(&o->value[kind][key], v);
	}
}

static void
oracle_compare(struct oracle *o, struct kv *kv)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		BUF_CLEAN struct buf want = BUF_MAX(1 << 20);

		for (unsigned key = 0; key < ORACLE_KEYS; key++) {
			if (!o->is_there[kind][key])
				continue;
			buf_chr(&want, (char)('a' + key / 8));
			buf_chr(&want, (char)('a' + key % 8));
			buf_chr(&want, '=');
			buf_str_add(&want, buf_str(&o->value[kind][key]));
			buf_chr(&want, ' ');
		}
		buf_chr(&want, '\0');
		check_range(kv, 1, (struct kv_range){ .kind = oracle_kinds[kind] }, want.p);
	}
}

static void
test_oracle(void)
{
	struct kv *kv = engine->open();
	static struct oracle o;
	struct wait w = WAIT_INIT;
	unsigned sent = 0;

	o.random = 7;
	for (unsigned kind = 0; kind < 3; kind++)
		for (unsigned key = 0; key < ORACLE_KEYS; key++)
			o.value[kind][key] = BUF_MAX(1 << 20);
	for (uint64_t v = 0; v < 300 && test_failures == 0; v++) {
		struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), v, v + 1);

		/* every tenth is large: changes may be put into another order that does the same */
		for (uint64_t n = oracle_random(&o, v % 10 == 3 ? 1000 : 10); n > 0; n--)
			oracle_change(&o, t, v % 20 != 3);
		kv_commit(kv, &t, 1, commit_done, &w); /* some are in one batch */
		sent++;
		if (v % 10 != 0 && v <= 290)
			continue;
		CHECK_U64(wait_for(&w, sent), ERR_OK);
		oracle_compare(&o, kv);
		if (v % 100 == 0 && engine->reopen != NULL) {
			kv = engine->reopen(kv);
			oracle_compare(&o, kv);
		}
	}
	for (unsigned kind = 0; kind < 3; kind++)
		for (unsigned key = 0; key < ORACLE_KEYS; key++)
			buf_done(&o.value[kind][key]);
	engine->close(kv);
}

/* ---- keeping */

static void
test_reopen(void)
{
	struct kv *kv;
	struct str small, big;
	struct blob_id small_id, big_id;
	struct kv_stage *s[2];
	struct kv_txn *t;

	if (engine->reopen == NULL)
		return;
	small = noise(3000, 4);
	big = noise(900000, 5);
	kv = engine->open();
	t = kv_txn_new(kv, ACCOUNT(1), 0, 1);
	s[0] = conform_stage(kv, small, &small_id);
	s[1] = conform_stage(kv, big, &big_id);
	kv_link(t, &small_id, 1, s[0]);
	kv_link(t, &big_id, 2, s[1]);
	kv_stage_unref(s[0]);
	kv_stage_unref(s[1]);
	kv_put(t, KV_ROW, STR("a"), STR("1"));
	kv_add(t, STR("n"), 3);
	kv_merge(t, KV_PAGE, STR("p"), STR("x"));
	CHECK_U64(commit1(kv, t), ERR_OK);
	for (unsigned round = 1; round <= 3; round++) {
		kv = engine->reopen(kv);
		CHECK_U64(version(kv, 1), round);
		check_row(kv, 1, KV_ROW, "a", "1");
		check_counter(kv, 1, "n", 2 + round);
		check_blob(kv, &small_id, small, 0, small.n);
		check_blob(kv, &big_id, big, 0, big.n);
		CHECK_U64(links(kv, &big_id), 1 + round);
		t = kv_txn_new(kv, ACCOUNT(1), round, round + 1);
		kv_add(t, STR("n"), 1);
		kv_link(t, &big_id, 1, NULL);
		CHECK_U64(commit1(kv, t), ERR_OK);
	}
	free((char *)small.p);
	free((char *)big.p);
	engine->close(kv);
}

static void
test_close_commits_what_is_queued(void)
{
	struct kv *kv;
	struct wait w = WAIT_INIT;

	if (engine->reopen == NULL)
		return;
	kv = engine->open();
	for (unsigned i = 0; i < 50; i++) {
		struct kv_txn *t = kv_txn_new(kv, ACCOUNT(1), i, i + 1);

		kv_put(t, KV_ROW, STR("a"), STR("1"));
		kv_commit(kv, &t, 1, commit_done, &w);
	}
	kv = engine->reopen(kv);
	CHECK_U64(w.done, 50);
	CHECK_U64(w.e, ERR_OK);
	CHECK_U64(version(kv, 1), 50);
	engine->close(kv);
}

static void
test_stats(void)
{
	struct kv *kv = engine->open();
	struct kv_stats s = { 0 };

	CHECK(kv_space(kv) == KV_SPACE_OK);
	CHECK(!kv_is_failed(kv));
	CHECK_U64(put1(kv, 1, 0, 1, "a", "1"), ERR_OK);
	check_row(kv, 1, KV_ROW, "a", "1");
	kv_stats(kv, &s);
	CHECK_U64(s.commits, 1);
	CHECK_U64(s.batches, 1);
	CHECK_U64(s.syncs, 1);
	CHECK_U64(s.loads_now + s.loads_waited, 1);
	engine->close(kv);
}

static bool
is_wanted(void *ctx)
{
	return ((struct wait *)ctx)->is_wanted;
}

/* Of who has gone before its turn nothing is loaded; told it is all the same. */
static void
test_loads_that_nobody_wants_any_more(void)
{
	struct kv *kv = engine->open();
	const struct kv_range all = { .kind = KV_ROW };

	CHECK_U64(put1(kv, 1, 0, 1, "a", "1"), ERR_OK);
	for (unsigned i = 0; i < 3; i++) {
		struct wait w = WAIT_INIT;
		struct kv_rows *rows = NULL;
		enum err e;

		w.is_wanted = i == 1;
		e = kv_load_ahead(kv, ACCOUNT(1), &all, 1, &rows, i < 2 ? is_wanted : NULL,
		    load_done, &w);
		if (e == ERR_WAIT) {
			e = wait_for(&w, 1);
			rows = w.rows;
			CHECK_U64(e, i == 0 ? ERR_CLOSED : ERR_OK);
		}
		CHECK((rows != NULL) == (e == ERR_OK));
		if (rows != NULL)
			CHECK_U64(rows->ranges[0].count, 1);
		kv_rows_free(rows);
	}
	engine->close(kv);
}

int
conform_run(const struct conform_engine *e, const struct test_case *more, size_t more_count)
{
	static const struct test_case cases[] = {
		TEST(test_rows),
		TEST(test_accounts_are_apart),
		TEST(test_many_ranges_of_one_version),
		TEST(test_loads_that_nobody_wants_any_more),
		TEST(test_changes_apply_in_order),
		TEST(test_counters),
		TEST(test_purge_with_counters),
		TEST(test_conflict),
		TEST(test_pipelined_commits),
		TEST(test_callbacks_come_from_elsewhere),
		TEST(test_unversioned),
		TEST(test_blob_small),
		TEST(test_blob_sizes),
		TEST(test_blobs_together),
		TEST(test_places),
		TEST(test_blob_links),
		TEST(test_stage_dropped),
		TEST(test_reading_while_committing),
		TEST(test_oracle),
		TEST(test_reopen),
		TEST(test_close_commits_what_is_queued),
		TEST(test_stats),
	};

	struct test_case all[ARRAY_LEN(cases) + 32];

	must(more_count <= 32);
	memcpy(all, cases, sizeof(cases));
	for (size_t i = 0; i < more_count; i++)
		all[ARRAY_LEN(cases) + i] = more[i];
	engine = e;
	return test_run(all, ARRAY_LEN(cases) + more_count);
}

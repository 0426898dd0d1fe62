/*
 * load_test.c - the pages of a large mailbox, loaded in parts: alone, while the mailbox changes,
 * and when damage or another version means that it is loaded whole.
 */
#include "store/load_int.h"
#include "store/store_test_util.h"

enum { MESSAGES = 420, PARTS = MESSAGES / PAGE_UIDS + 1 };

/* By its flags each message is known again. */
static uint16_t
flags_of(uint32_t uid)
{
	return (uint16_t)((uid % 3 == 0 ? FLAG_SEEN : 0) | (uid % 7 == 0 ? FLAG_FLAGGED : 0));
}

static void
evict(struct fixture *f)
{
	f->store->o.cache_bytes = 0;
	f->account->loaded_us = 0;
	account_evict(f->account);
}

static uint64_t
loads(struct fixture *f)
{
	struct kv_stats s;

	kv_stats(f->kv, &s);
	return s.loads_now + s.loads_waited;
}

static struct view *
open_box(struct fixture *f, struct mailbox_id box)
{
	struct snapshot *s = account_snapshot(f->account, NULL);
	struct view *v = NULL;

	CHECK(UNTIL_DONE(&f->b, view_open(s, box, VIEW_READ_ONLY, &f->b.w, &v)) == ERR_OK);
	snapshot_unref(s);
	return v;
}

/* All messages from `first` to `last` are there, and nothing else. */
static void
check_view(const struct view *v, uint32_t first, uint32_t last)
{
	struct entry e;
	uint32_t at = first;

	CHECK_U64(view_exists(v), last - first + 1);
	for (uint32_t from = 1; view_next(v, from, &e, NULL); from = e.uid.v + 1, at++) {
		if (!CHECK_U64(e.uid.v, at))
			return;
		CHECK_U64(e.flags, flags_of(at));
	}
	CHECK_U64(at, last + 1);
}

/* Appends the message and waits until it is durable. */
static void
add(struct fixture *f, struct mailbox_id box, uint32_t uid)
{
	struct snapshot *after;

	CHECK_U64(test_append(f, box, flags_of(uid), &after), uid);
	test_wait_durable(f, after);
	snapshot_unref(after);
}

static void
fill(struct fixture *f, struct mailbox_id box)
{
	for (uint32_t uid = 1; uid <= MESSAGES; uid++)
		add(f, box, uid);
}

static void
check_parts(bool is_manual)
{
	struct fixture f;
	struct mailbox_id box;
	struct view *v;
	uint64_t before;

	fixture_init(&f, is_manual);
	box = test_box(&f, "INBOX");
	fill(&f, box);
	evict(&f);
	before = loads(&f);
	v = open_box(&f, box);
	check_view(v, 1, MESSAGES);
	CHECK_U64(loads(&f) - before, PARTS);
	view_close(v);
	/* In one, when it is not larger than a part. */
	f.store->o.load_pages = PARTS;
	evict(&f);
	before = loads(&f);
	v = open_box(&f, box);
	check_view(v, 1, MESSAGES);
	CHECK_U64(loads(&f) - before, 1);
	view_close(v);
	CHECK_U64(atomic_load(&f.store->damaged), 0);
	fixture_done(&f);
}

static void
test_parts(void)
{
	check_parts(false);
	check_parts(true);
}

/* Messages come while the parts do, which then are of several versions. */
static void
test_changes_meanwhile(void)
{
	struct fixture f;
	struct mailbox_id box;
	uint32_t last = MESSAGES;
	unsigned whole = 0;

	fixture_init_seed(&f, true, 17);
	box = test_box(&f, "INBOX");
	fill(&f, box);
	for (unsigned round = 0; round < 40; round++) {
		struct snapshot *s;
		struct view *v = NULL;
		uint64_t before;
		enum err e;

		evict(&f);
		before = loads(&f);
		s = account_snapshot(f.account, NULL);
		e = view_open(s, box, VIEW_READ_ONLY, &f.b.w, &v);
		snapshot_unref(s);
		CHECK(e == ERR_WAIT && v == NULL);
		for (unsigned i = 0; i < round % 5; i++)
			CHECK(kv_memory_step(f.kv));
		add(&f, box, ++last);
		v = open_box(&f, box);
		check_view(v, 1, last);
		whole += loads(&f) - before != PARTS;
		view_close(v);
		fixture_settle(&f);
	}
	CHECK(whole > 0);
	CHECK_U64(atomic_load(&f.store->damaged), 0);
	fixture_done(&f);
}

/* A part can't be read: who asked is told, and who asks again gets it. */
static void
test_fails(void)
{
	struct fixture f;
	struct mailbox_id box;

	fixture_init(&f, true);
	box = test_box(&f, "INBOX");
	fill(&f, box);
	for (unsigned n = 1; n <= PARTS; n++) {
		struct snapshot *s;
		struct view *v = NULL;

		evict(&f);
		kv_memory_fail_at(f.kv, n, ERR_IO);
		s = account_snapshot(f.account, NULL);
		CHECK(UNTIL_DONE(&f.b, view_open(s, box, VIEW_READ_ONLY, &f.b.w, &v)) == ERR_IO);
		CHECK(kv_memory_has_failed(f.kv));
		snapshot_unref(s);
		fixture_settle(&f);
		v = open_box(&f, box);
		check_view(v, 1, MESSAGES);
		view_close(v);
	}
	fixture_done(&f);
}

/*
 * Rows of a version that the engine has taken back, whose sync failed behind the load: it is done
 * again; when the engine shows them again, it is broken, and nobody gets them.
 */
static void
test_rows_of_a_failed_commit(void)
{
	struct fixture f;
	struct mailbox_id box;

	fixture_init(&f, true);
	box = test_box(&f, "INBOX");
	add(&f, box, 1);
	fixture_settle(&f);
	for (unsigned shown = 1; shown <= 2; shown++) {
		struct snapshot *s;
		struct view *v = NULL;
		struct versions taken_back;
		uint64_t before, version;

		evict(&f);
		before = loads(&f);
		s = account_snapshot(f.account, NULL);
		version = snapshot_version(s);
		CHECK(view_open(s, box, VIEW_READ_ONLY, &f.b.w, &v) == ERR_WAIT);
		taken_back = (struct versions){ version, version };
		f.account->failed = &taken_back;
		f.account->failed_count = 1;
		for (unsigned i = 0; i < shown; i++) {
			CHECK(loads(&f) - before == i + 1);
			CHECK(kv_memory_step(f.kv));
		}
		f.account->failed = NULL;
		f.account->failed_count = 0;
		CHECK(UNTIL_DONE(&f.b, view_open(s, box, VIEW_READ_ONLY, &f.b.w, &v))
		    == (shown == 1 ? ERR_OK : ERR_IO));
		snapshot_unref(s);
		if (shown == 2)
			v = open_box(&f, box);
		check_view(v, 1, 1);
		view_close(v);
		fixture_settle(&f);
	}
	fixture_done(&f);
}

/* UIDs that went don't make parts: a mailbox with few messages among many UIDs is loaded whole. */
static void
test_sparse(void)
{
	struct fixture f;
	struct mailbox_info info = { .exists = 1000, .uidnext = 4000000 };

	fixture_init(&f, false);
	CHECK_U64(parts_count(f.store, &info), 1);
	info.uidnext = 1001;
	CHECK_U64(parts_count(f.store, &info), 1001 / PAGE_UIDS + 1);
	info.exists = PAGE_UIDS;
	CHECK_U64(parts_count(f.store, &info), 1);
	fixture_done(&f);
}

/* The mailbox's first page, as the engine has it. */
static struct kv_rows *
first_page(struct fixture *f, struct mailbox_id box)
{
	struct row_key from = row_key_page(box, 0), to = row_key_page(box, 1);
	const struct kv_range range = { .kind = KV_PAGE,
		.from = row_key_str(&from),
		.to = row_key_str(&to) };
	struct kv_rows *rows = NULL;

	CHECK(kv_load_now(f->kv, account_id(f->account), &range, 1, &rows) == ERR_OK);
	CHECK_U64(rows->ranges[0].count, 1);
	return rows;
}

/*
 * A row that makes no sense is not written over by what memory has of the page: that it was there
 * is all that keeps its messages from being taken for nobody's.
 */
static void
test_senseless_page(void)
{
	struct fixture f;
	struct mailbox_id box;
	struct row_key key;
	struct kv_rows *rows;
	struct kv_txn *t;
	struct snapshot *after;

	fixture_init(&f, false);
	box = test_box(&f, "INBOX");
	for (uint32_t uid = 1; uid <= 20; uid++)
		add(&f, box, uid);
	rows = first_page(&f, box);
	CHECK(!page_is_damaged(rows->ranges[0].rows[0].value));
	kv_rows_free(rows);
	evict(&f);
	key = row_key_page(box, 0);
	t = kv_txn_new(f.kv, account_id(f.account), KV_UNVERSIONED, KV_UNVERSIONED);
	kv_put(t, KV_PAGE, row_key_str(&key), STR("\7nonsense"));
	CHECK(kv_commit_now(f.kv, &t, 1) == ERR_OK);
	f.store->o.cache_bytes = 1 << 20;
	view_close(open_box(&f, box));
	for (unsigned i = 0; i < 40; i++) {
		test_append(&f, box, 0, &after);
		test_wait_durable(&f, after);
		snapshot_unref(after);
	}
	rows = first_page(&f, box);
	CHECK(page_is_damaged(rows->ranges[0].rows[0].value));
	kv_rows_free(rows);
	fixture_done(&f);
}

TEST_MAIN(TEST(test_parts), TEST(test_changes_meanwhile), TEST(test_fails),
    TEST(test_rows_of_a_failed_commit), TEST(test_sparse), TEST(test_senseless_page))

/*
 * stage_test.c - a COPY that is made in stages (commit_stage.c): stopped after each of them, by a
 * power cut, by a failure, and by nothing while retention looks. There are all copies or none; and
 * when all is over, as many links as entries.
 */
#include "store/store_test_util.h"

#include "base/bytes.h"
#include "store/arrival_int.h"
#include "store/undo_int.h"

enum { MESSAGES = 40, COMMITS = 4 /* stages of 16, and the copy */ };

struct rig {
	struct fixture f;
	struct mailbox_id inbox, archive;
};

static void
rig_init(struct rig *r)
{
	struct snapshot *after = NULL;

	fixture_init(&r->f, true);
	r->inbox = test_box(&r->f, "INBOX");
	r->archive = test_box(&r->f, "Archive");
	for (unsigned i = 0; i < MESSAGES; i++) {
		snapshot_unref(after);
		test_append(&r->f, r->inbox, 0, &after);
	}
	test_wait_durable(&r->f, after);
	snapshot_unref(after);
	fixture_settle(&r->f);
}

/* Queues the copy; nothing of it is done yet. */
static void
copy_begin(struct rig *r)
{
	struct rangeset all = test_set("1:40");
	struct snapshot *now = account_snapshot(r->f.account, NULL), *after = NULL;
	struct copied copied;
	struct view *v = NULL;

	CHECK(UNTIL_DONE(&r->f.b, view_open(now, r->inbox, VIEW_READ_WRITE, &r->f.b.w, &v))
	    == ERR_OK);
	CHECK(UNTIL_DONE(&r->f.b,
		  messages_copy(v, &all, COPY_WHOLE, r->f.account, r->archive, &r->f.b.w, &r->f.a,
		      &copied, &after))
	    == ERR_OK);
	CHECK(after != NULL && snapshot_version(after) >= snapshot_version(now) + COMMITS);
	snapshot_unref(after);
	snapshot_unref(now);
	view_close(v);
	rangeset_done(&all);
}

static struct kv_rows *
rows_of(struct rig *r, enum kv_kind kind, const char *from, const char *to)
{
	struct kv_range range = { .kind = kind,
		.from = str_c(from),
		.to = to == NULL ? STR_NONE : str_c(to) };
	struct kv_rows *rows = NULL;

	CHECK(kv_load_now(r->f.kv, account_id(r->f.account), &range, 1, &rows) == ERR_OK);
	return rows;
}

static size_t
staged_rows(struct rig *r)
{
	struct kv_rows *rows = rows_of(r, KV_LOG, "C", "D");
	size_t n = rows->ranges[0].count;

	kv_rows_free(rows);
	return n;
}

static uint64_t
links(struct rig *r)
{
	struct kv_rows *rows = rows_of(r, KV_COUNTER, "", NULL);
	uint64_t sum = 0;

	for (size_t i = 0; i < rows->ranges[0].count; i++)
		sum += get_le64(rows->ranges[0].rows[i].value.p);
	kv_rows_free(rows);
	return sum;
}

/* As others see it: all or none. */
static uint32_t
copies(struct rig *r)
{
	struct snapshot *s = account_snapshot(r->f.account, NULL);
	uint32_t n = snapshot_mailbox(s, STR("Archive"))->exists;

	CHECK(n == 0 || n == MESSAGES);
	snapshot_unref(s);
	return n;
}

/* After retention has looked, links are for copies, and there is a record of each message. */
static void
check_over(struct rig *r)
{
	struct kv_rows *rows;

	retention_tick(r->f.account);
	CHECK_U64(staged_rows(r), 0);
	CHECK_U64(links(r), copies(r));
	rows = rows_of(r, KV_MESSAGE, "S", "T");
	CHECK_U64(rows->ranges[0].count, MESSAGES);
	kv_rows_free(rows);
}

/* So many of its commits are on the disk when the power goes; and the server is started again. */
static void
copy_until(struct rig *r, unsigned done)
{
	rig_init(r);
	copy_begin(r);
	for (unsigned i = 0; i < done; i++)
		kv_memory_step(r->f.kv);
	waiter_cancel(&r->f.b.w);
	kv_memory_power_cut(r->f.kv);
	store_discard(r->f.store);
	fixture_open_store(&r->f);
	blocker_init(&r->f.b, r->f.kv);
	CHECK(UNTIL_DONE(&r->f.b,
		  store_account_open(r->f.store, STR("joe"), ACCOUNT_EXISTING, &r->f.b.w,
		      &r->f.account))
	    == ERR_OK);
	CHECK_U64(staged_rows(r), done == COMMITS ? 0 : done);
}

static void
test_power_cut(void)
{
	for (unsigned done = 0; done <= COMMITS; done++) {
		struct rig r;

		copy_until(&r, done);
		CHECK_U64(copies(&r), done == COMMITS ? MESSAGES : 0);
		check_over(&r);
		fixture_done(&r.f);
	}
}

/* A row that says nothing does not keep those behind it. */
static void
test_damaged(void)
{
	struct row_key first;
	struct kv_rows *rows;
	struct kv_txn *t;
	struct rig r;
	uint64_t version;

	copy_until(&r, COMMITS - 1);
	rows = rows_of(&r, KV_LOG, "C", "D");
	CHECK(row_key_parse_staged(rows->ranges[0].rows[0].key, &version));
	first = row_key_staged(version);
	kv_rows_free(rows);
	t = kv_txn_new(r.f.kv, account_id(r.f.account), KV_UNVERSIONED, KV_UNVERSIONED);
	kv_put(t, KV_LOG, row_key_str(&first), STR("what"));
	CHECK(kv_commit_now(r.f.kv, &t, 1) == ERR_OK);
	retention_tick(r.f.account);
	CHECK_U64(staged_rows(&r), 1);
	CHECK(r.f.account->may_have_staged);
	fixture_done(&r.f);
}

/* What is on its way is not taken back. */
static void
test_meanwhile(void)
{
	for (unsigned done = 0; done <= COMMITS; done++) {
		struct rig r;

		rig_init(&r);
		copy_begin(&r);
		for (unsigned i = 0; i < done; i++)
			kv_memory_step(r.f.kv);
		r.f.account->may_have_staged = true;
		retention_tick(r.f.account);
		fixture_settle(&r.f);
		CHECK_U64(copies(&r), MESSAGES);
		CHECK_U64(links(&r), MESSAGES);
		check_over(&r);
		fixture_done(&r.f);
	}
}

/* A commit is refused, once; the account goes on without a restart. */
static void
test_refused(void)
{
	unsigned refused = 0, with_stages = 0;
	bool has_failed = true;

	for (unsigned at = 1; has_failed; at++) {
		struct rig r;

		rig_init(&r);
		copy_begin(&r);
		kv_memory_fail_at(r.f.kv, at, ERR_CONFLICT);
		fixture_settle(&r.f);
		has_failed = kv_memory_has_failed(r.f.kv);
		kv_memory_fail_at(r.f.kv, 0, ERR_OK);
		if (has_failed && !kv_is_failed(r.f.kv)) {
			CHECK_U64(copies(&r), 0);
			refused++;
			with_stages += staged_rows(&r) > 0;
			check_over(&r);
			copy_begin(&r);
			fixture_settle(&r.f);
			CHECK_U64(copies(&r), MESSAGES);
			check_over(&r);
		}
		fixture_done(&r.f);
	}
	CHECK(refused > 1 && with_stages > 0);
}

TEST_MAIN(TEST(test_power_cut), TEST(test_damaged), TEST(test_meanwhile), TEST(test_refused))

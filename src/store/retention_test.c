/*
 * retention_test.c - what was expunged is kept for its time, within its bound, and then really gone
 * from the disk.
 */
#include "base/bytes.h"
#include "store/account_int.h"
#include "store/message.h"
#include "store/put_back.h"
#include "store/store_test_util.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <time.h>

enum { BIG_BYTES = 1 << 20, BIG_COUNT = 48, DAY_MS = 86400000 };

/* Time that the test moves. */
struct test_clock {
	struct clock clock;
	_Atomic(int64_t) ahead_ms;
};

static int64_t
test_wall_ms(struct clock *c)
{
	return clock_system()->wall_ms(clock_system())
	    + atomic_load(&container_of(c, struct test_clock, clock)->ahead_ms);
}

static int64_t
test_mono_us(struct clock *c)
{
	return clock_system()->mono_us(clock_system())
	    + atomic_load(&container_of(c, struct test_clock, clock)->ahead_ms) * 1000;
}

static struct test_clock test_clock = { .clock = { test_wall_ms, test_mono_us } };

static void
open_with(struct fixture *f, struct store_options o)
{
	o.kv = f->kv;
	o.clock = &test_clock.clock;
	o.random = test_random;
	o.retention_s = 7 * 86400;
	atomic_store(&test_clock.ahead_ms, 0);
	CHECK(store_open(&o, &f->store) == ERR_OK);
	CHECK(UNTIL_DONE(&f->b,
		  store_account_open(f->store, STR("joe"), ACCOUNT_CREATE, &f->b.w, &f->account))
	    == ERR_OK);
}

static void
open_account(struct fixture *f, uint64_t retained_max_bytes)
{
	open_with(f, (struct store_options){ .retained_max_bytes = retained_max_bytes });
}

/* Bytes that no codec makes smaller. */
static void
append_big(struct fixture *f, struct mailbox_id box, uint64_t seed)
{
	char *bytes = xmalloc(BIG_BYTES);
	struct str text = str_make(bytes, BIG_BYTES);
	struct append add = { .arrival = arrival_new(f->store), .flags = FLAG_DELETED };
	struct snapshot *after = NULL;
	uint32_t validity;
	struct uid uid;
	size_t taken;

	for (size_t i = 0; i < BIG_BYTES; i += 8) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		put_le64(bytes + i, seed ^ seed >> 29);
	}
	memcpy(bytes, "Subject: big\r\n\r\n", 16);
	while (text.n != 0
	    && UNTIL_DONE(&f->b, arrival_write(add.arrival, text, &taken, &f->b.w)) == ERR_OK)
		text = str_sub(text, taken, text.n);
	CHECK(arrival_finish(add.arrival) == ERR_OK);
	CHECK(UNTIL_DONE(&f->b,
		  messages_append(f->account, box, &add, 1, &f->b.w, &uid, &validity, &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
	arrival_unref(add.arrival);
	free(bytes);
}

static void
expunge_all(struct fixture *f, struct mailbox_id box)
{
	struct rangeset gone = RANGESET_NONE;
	struct snapshot *now = account_snapshot(f->account, NULL), *after = NULL;
	struct view *v = NULL;
	uint32_t cursor = 0;

	CHECK(UNTIL_DONE(&f->b, view_open(now, box, VIEW_READ_WRITE, &f->b.w, &v)) == ERR_OK);
	snapshot_unref(now);
	CHECK(UNTIL_DONE(&f->b, messages_expunge(v, NULL, &cursor, &f->b.w, &gone, &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
	view_close(v);
	rangeset_done(&gone);
}

static void
delete_all(struct fixture *f, struct mailbox_id box)
{
	struct flags_change del = { .op = FLAGS_ADD, .flags = FLAG_DELETED };
	struct rangeset all = test_set("1:1000"), changed = RANGESET_NONE;
	struct snapshot *now = account_snapshot(f->account, NULL), *after = NULL;
	struct view *v = NULL;
	uint32_t cursor = 0;

	CHECK(UNTIL_DONE(&f->b, view_open(now, box, VIEW_READ_WRITE, &f->b.w, &v)) == ERR_OK);
	snapshot_unref(now);
	CHECK(UNTIL_DONE(&f->b,
		  messages_store(v, &all, &del, &cursor, &f->b.w, &changed, &changed, &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
	view_close(v);
	rangeset_done(&all);
	rangeset_done(&changed);
}

static size_t
rows_of(struct fixture *f, enum kv_kind kind, const char *from, const char *to)
{
	struct kv_range range = { .kind = kind, .from = str_c(from), .to = str_c(to) };
	struct kv_rows *rows = NULL;
	size_t n = 0;

	CHECK(kv_load_now(f->kv, account_id(f->account), &range, 1, &rows) == ERR_OK);
	if (rows != NULL)
		n = rows->ranges[0].count;
	kv_rows_free(rows);
	return n;
}

/* What the undo records take themselves. */
static uint64_t
record_bytes(struct fixture *f)
{
	struct kv_range range = { .kind = KV_LOG, .from = STR("U"), .to = STR("V") };
	struct kv_rows *rows = NULL;
	uint64_t n = 0;

	CHECK(kv_load_now(f->kv, account_id(f->account), &range, 1, &rows) == ERR_OK);
	for (size_t i = 0; rows != NULL && i < rows->ranges[0].count; i++)
		n += rows->ranges[0].rows[i].value.n;
	kv_rows_free(rows);
	return n;
}

static uint64_t folder_sum;

static int
add_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path, (void)ftw;
	if (type == FTW_F)
		folder_sum += (uint64_t)st->st_blocks * 512;
	return 0;
}

static uint64_t
folder_bytes(const char *path)
{
	folder_sum = 0;
	nftw(path, add_file, 16, FTW_PHYS);
	return folder_sum;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* Expunged mail takes its room for the time of retention; afterwards the disk has it back. */
static void
test_room_comes_back(void)
{
	char dir[] = "/tmp/posthorn-retention.XXXXXX";
	struct kv_options o = { .dir = dir, .no_sync = true };
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct fixture f = { 0 };
	/* What the last, half-empty file of the engine may still hold is left out. */
	const uint64_t room = (uint64_t)BIG_COUNT * BIG_BYTES * 3 / 4;
	uint64_t full, swept = 0;
	struct mailbox_id inbox;

	CHECK(mkdtemp(dir) != NULL);
	store_merge_functions(&o);
	CHECK(kv_rocks_open(&o, &f.kv, NULL) == ERR_OK);
	blocker_init(&f.b, NULL);
	open_account(&f, 0);
	inbox = test_box(&f, "INBOX");
	for (uint64_t i = 0; i < BIG_COUNT; i++)
		append_big(&f, inbox, i);
	expunge_all(&f, inbox);
	atomic_store(&test_clock.ahead_ms, (int64_t)6 * DAY_MS);
	store_tick(f.store);
	CHECK(kv_blob_sweep(f.kv, 0, &swept) == ERR_OK);
	CHECK_U64(swept, 0);
	CHECK_U64(rows_of(&f, KV_MESSAGE, "S", "T"), BIG_COUNT);
	full = folder_bytes(dir);
	CHECK(full > (uint64_t)BIG_COUNT * BIG_BYTES);
	atomic_store(&test_clock.ahead_ms, (int64_t)8 * DAY_MS);
	store_tick(f.store);
	CHECK_U64(rows_of(&f, KV_LOG, "U", "V"), 0);
	CHECK_U64(rows_of(&f, KV_MESSAGE, "S", "T"), 0);
	CHECK(kv_blob_sweep(f.kv, 0, &swept) == ERR_OK);
	CHECK(swept >= (uint64_t)BIG_COUNT * BIG_BYTES);
	/*
	 * The engine's own thread gives it back; it is awaited as long as a slow machine may need.
	 */
	for (unsigned i = 0; i < 3000 && folder_bytes(dir) + room > full; i++)
		nanosleep(&pause, NULL);
	CHECK(folder_bytes(dir) + room <= full);
	printf("# %llu bytes on the disk while it was kept, %llu afterwards\n",
	    (unsigned long long)full, (unsigned long long)folder_bytes(dir));
	fixture_done(&f);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/*
 * More than its bound is not kept: what went longest ago goes first, also when it was counted after
 * a restart.
 */
static void
test_bound(void)
{
	struct kv_memory_options o = { .manual = false, .seed = 1 };
	struct fixture f = { 0 };
	struct mailbox_id inbox;

	store_merge_functions(&o.base);
	CHECK(kv_memory_open(&o, &f.kv) == ERR_OK);
	blocker_init(&f.b, NULL);
	open_account(&f, (uint64_t)4 * BIG_BYTES + 4096);
	inbox = test_box(&f, "INBOX");
	for (uint64_t i = 0; i < 4; i++) {
		append_big(&f, inbox, i);
		expunge_all(&f, inbox);
	}
	store_tick(f.store);
	CHECK_U64(rows_of(&f, KV_LOG, "U", "V"), 4);
	CHECK_U64(f.account->retained_bytes, (uint64_t)4 * BIG_BYTES + record_bytes(&f));
	append_big(&f, inbox, 4);
	append_big(&f, inbox, 5);
	expunge_all(&f, inbox);
	store_tick(f.store);
	CHECK_U64(rows_of(&f, KV_LOG, "U", "V"), 3); /* the last one holds two messages */
	CHECK_U64(rows_of(&f, KV_MESSAGE, "S", "T"), 4);
	CHECK_U64(f.account->retained_bytes, (uint64_t)4 * BIG_BYTES + record_bytes(&f));
	f.account->retained_bytes = RETAINED_UNKNOWN;
	store_tick(f.store);
	CHECK_U64(f.account->retained_bytes, (uint64_t)4 * BIG_BYTES + record_bytes(&f));
	CHECK_U64(rows_of(&f, KV_LOG, "U", "V"), 3);
	atomic_store(&test_clock.ahead_ms, (int64_t)8 * DAY_MS);
	store_tick(f.store);
	CHECK_U64(f.account->retained_bytes, 0);
	CHECK_U64(rows_of(&f, KV_MESSAGE, "S", "T"), 0);
	fixture_done(&f);
}

/*
 * What was put back stays when the undo record that held it goes; expunged again, it goes with the
 * second one.
 */
static void
test_put_back(void)
{
	struct kv_memory_options o = { .manual = false, .seed = 1 };
	struct put_back item = { .msgno = 1,
		.size_bytes = BIG_BYTES,
		.internal_s = 1700000000,
		.internal_zone_min = 60,
		.flags = FLAG_SEEN };
	struct fixture f = { 0 };
	struct mailbox_id inbox;
	struct snapshot *after;
	struct message *m = NULL;
	struct blob_id blob;
	uint64_t links = 99;

	store_merge_functions(&o.base);
	CHECK(kv_memory_open(&o, &f.kv) == ERR_OK);
	blocker_init(&f.b, NULL);
	open_account(&f, 0);
	inbox = test_box(&f, "INBOX");
	append_big(&f, inbox, 1);
	CHECK(UNTIL_DONE(&f.b,
		  message_get(f.account, (struct msgno){ 1 }, MESSAGE_SUMMARY, &f.b.w, &m))
	    == ERR_OK);
	blob = m->blob;
	message_unref(m);
	expunge_all(&f, inbox);
	account_past_hold(f.account);
	CHECK(UNTIL_DONE(&f.b, messages_put_back(f.account, inbox, &item, 1, &f.b.w, &after))
	    == ERR_OK);
	test_wait_durable(&f, after);
	account_past_release(f.account);
	CHECK_U64(snapshot_mailbox(after, STR("INBOX"))->exists, 1);
	snapshot_unref(after);
	atomic_store(&test_clock.ahead_ms, (int64_t)8 * DAY_MS);
	store_tick(f.store);
	CHECK_U64(rows_of(&f, KV_LOG, "U", "V"), 0);
	CHECK_U64(rows_of(&f, KV_MESSAGE, "S", "T"), 1);
	CHECK(kv_blob_links(f.kv, &blob, &links) == ERR_OK);
	CHECK_U64(links, 1);
	CHECK(
	    UNTIL_DONE(&f.b, message_get(f.account, (struct msgno){ 1 }, MESSAGE_WHOLE, &f.b.w, &m))
	    == ERR_OK);
	message_unref(m);
	delete_all(&f, inbox);
	expunge_all(&f, inbox);
	atomic_store(&test_clock.ahead_ms, (int64_t)16 * DAY_MS);
	store_tick(f.store);
	CHECK_U64(rows_of(&f, KV_MESSAGE, "S", "T"), 0);
	CHECK(kv_blob_links(f.kv, &blob, &links) == ERR_OK);
	CHECK_U64(links, 0);
	fixture_done(&f);
}

/* Of the mailbox's UIDs, how many have vanished since that version, as a client is told. */
static uint64_t
vanished_since(struct fixture *f, struct mailbox_id box, uint64_t version)
{
	struct snapshot *now = account_snapshot(f->account, NULL);
	struct rangeset *gone = NULL;
	struct arena a = { 0 };
	struct view *v = NULL;
	uint64_t n = 0;

	CHECK(UNTIL_DONE(&f->b, view_open(now, box, VIEW_READ_ONLY, &f->b.w, &v)) == ERR_OK);
	snapshot_unref(now);
	CHECK(
	    UNTIL_DONE(&f->b, view_vanished_since(v, version, NULL, &f->b.w, &a, &gone)) == ERR_OK);
	for (size_t i = 0; gone != NULL && i < gone->n; i++)
		n += gone->r[i].last - gone->r[i].first + 1;
	view_close(v);
	arena_done(&a);
	return n;
}

/*
 * A long change log loses its older half: who knows a newer state is told what went since then, others
 * are told all that is not there.
 */
static void
test_log_is_cut(void)
{
	enum { EXPUNGED = 40, LOG_MAX = 10 };
	struct kv_memory_options o = { .manual = false, .seed = 1 };
	struct fixture f = { 0 };
	uint64_t version[EXPUNGED], floor;
	struct snapshot *after = NULL;
	struct mailbox_id inbox;
	size_t kept = EXPUNGED;

	store_merge_functions(&o.base);
	CHECK(kv_memory_open(&o, &f.kv) == ERR_OK);
	blocker_init(&f.b, NULL);
	open_with(&f, (struct store_options){ .log_rows_max = LOG_MAX });
	inbox = test_box(&f, "INBOX");
	CHECK_U64(test_append(&f, inbox, 0, &after), 1); /* stays */
	snapshot_unref(after);
	for (unsigned i = 0; i < EXPUNGED; i++) {
		CHECK_U64(test_append(&f, inbox, FLAG_DELETED, &after), i + 2);
		version[i] = snapshot_version(after);
		snapshot_unref(after);
		expunge_all(&f, inbox);
	}
	CHECK_U64(rows_of(&f, KV_LOG, "V", "W"), EXPUNGED);
	for (unsigned round = 0; kept > LOG_MAX && round < EXPUNGED; round++) {
		store_tick(f.store);
		floor = f.account->latest->row.log_floor;
		kept = 0;
		for (unsigned i = 0; i < EXPUNGED; i++) {
			kept += version[i] + 1 > floor;
			CHECK_U64(vanished_since(&f, inbox, version[i]),
			    version[i] < floor ? EXPUNGED : EXPUNGED - i);
		}
		CHECK(kept < EXPUNGED);
		CHECK_U64(rows_of(&f, KV_LOG, "V", "W"), kept);
	}
	CHECK(kept > 0);
	store_tick(f.store);
	CHECK_U64(f.account->latest->row.log_floor, floor);
	fixture_done(&f);
}

/* Records of what no message goes with have their place in the bound too. */
static void
test_bound_of_records(void)
{
	enum { CHANGES = 2000, BOUND = 65536 };

	struct kv_memory_options o = { .manual = false, .seed = 1 };
	struct fixture f = { 0 };

	store_merge_functions(&o.base);
	CHECK(kv_memory_open(&o, &f.kv) == ERR_OK);
	blocker_init(&f.b, NULL);
	open_account(&f, BOUND);
	for (unsigned i = 0; i < CHANGES; i++) {
		struct snapshot *after = NULL;

		CHECK(UNTIL_DONE(&f.b,
			  mailbox_subscribe(f.account, STR("INBOX"), i % 2 != 0, &f.b.w, &after))
		    == ERR_OK);
		if (i + 1 == CHANGES)
			test_wait_durable(&f, after);
		snapshot_unref(after);
	}
	CHECK_U64(rows_of(&f, KV_LOG, "U", "V"), CHANGES);
	CHECK(record_bytes(&f) > BOUND);
	store_tick(f.store);
	CHECK(record_bytes(&f) <= BOUND && record_bytes(&f) > BOUND / 2);
	CHECK_U64(f.account->retained_bytes, record_bytes(&f));
	fixture_done(&f);
}

/* An undo record that makes no sense, and one of a message whose count does not, keep no other. */
static void
test_damaged(void)
{
	struct kv_memory_options o = { .manual = false, .seed = 1 };
	const struct row_key undo = row_key_undo(1);
	const struct message_key copies = message_copies_key((struct msgno){ 1 });
	struct fixture f = { 0 };
	struct mailbox_id inbox;
	struct kv_txn *t;

	store_merge_functions(&o.base);
	CHECK(kv_memory_open(&o, &f.kv) == ERR_OK);
	blocker_init(&f.b, NULL);
	open_account(&f, 0);
	inbox = test_box(&f, "INBOX");
	for (uint64_t i = 0; i < 3; i++) {
		append_big(&f, inbox, i);
		expunge_all(&f, inbox);
	}
	t = kv_txn_new(f.kv, account_id(f.account), KV_UNVERSIONED, KV_UNVERSIONED);
	kv_put(t, KV_LOG, row_key_str(&undo), STR("no record"));
	kv_put(t, KV_COUNTER, message_key_str(&copies), STR("no count at all"));
	CHECK(kv_commit_now(f.kv, &t, 1) == ERR_OK);
	CHECK_U64(rows_of(&f, KV_LOG, "U", "V"), 4);
	atomic_store(&test_clock.ahead_ms, (int64_t)8 * DAY_MS);
	store_tick(f.store);
	CHECK_U64(rows_of(&f, KV_LOG, "U", "V"), 2);
	CHECK_U64(rows_of(&f, KV_MESSAGE, "S", "T"), 1);
	/* Nor is there an end to the bound. */
	f.account->retained_bytes = RETAINED_UNKNOWN;
	append_big(&f, inbox, 4);
	expunge_all(&f, inbox);
	store_tick(f.store);
	CHECK_U64(f.account->retained_bytes,
	    (uint64_t)2 * BIG_BYTES + record_bytes(&f) - STR("no record").n);
	fixture_done(&f);
}

TEST_MAIN(TEST(test_put_back), TEST(test_log_is_cut), TEST(test_room_comes_back), TEST(test_bound),
    TEST(test_bound_of_records), TEST(test_damaged))

/*
 * verify_rows_test.c - rows of a store are spoiled or taken away: verify names each, and what it
 * repairs adds up again.
 */
#include "store/message_record.h"
#include "store/notes.h"
#include "store/quota.h"
#include "store/row.h"
#include "store/sharing.h"
#include "store/undo_int.h"
#include "store/verify_world.h"

#include "kv/kept.h"
#include "kv/rocks_int.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TABLES_MAX = 1000 };

/* Verifies the store and gives the kind of its one finding; VERIFY_KINDS: there is none. */
static enum verify_kind
one_finding(bool may_repair)
{
	struct verify_result result = { 0 };
	struct findings l = { .is_told = true };
	struct kv_options o = verify_disk_options(!may_repair);
	struct kv *kv = NULL;
	enum verify_kind kind = VERIFY_KINDS;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	CHECK(verify_now(kv, may_repair, &l, &result) == ERR_OK);
	kv_close(kv);
	CHECK(l.n <= 1);
	if (l.n == 1)
		kind = l.f[0].kind;
	free(l.f);
	return kind;
}

static void
spoil(struct account_id account, enum kv_kind kind, struct str key, struct str value)
{
	struct kv_options o = verify_disk_options(false);
	struct kv *kv = NULL;
	struct kv_txn *t;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	t = kv_txn_new(kv, account, KV_UNVERSIONED, KV_UNVERSIONED);
	if (value.n == 0)
		kv_del(t, kind, key);
	else
		kv_put(t, kind, key, value);
	CHECK(kv_commit_now(kv, &t, 1) == ERR_OK);
	kv_close(kv);
}

static void
row_spoil(struct account_id account, struct str key, struct str value)
{
	spoil(account, KV_ROW, key, value);
}

/*
 * Notes that make no sense, are gone or are nobody's are told of, and then what is left adds up
 * again.
 */
static void
test_notes(void)
{
	const struct annotation note = { .scope = ANNOTATION_SHARED,
		.name = STR("/comment"),
		.value = STR("a note") };
	const struct notes_change change = { .changes = &note, .count = 1 };
	struct rangeset uids = test_set("1:3"), changed = RANGESET_NONE, modified = RANGESET_NONE;
	struct row_key key;
	struct snapshot *after;
	struct account_id id;
	struct mailbox_id box;
	struct fixture f;
	struct view *v = NULL;
	uint32_t cursor = 0;

	dir_empty(verify_dir);
	CHECK(verify_disk_open(&f, NULL) == ERR_OK);
	verify_user_open(&f, "joe");
	id = account_id(f.account);
	box = test_box(&f, "INBOX");
	for (int i = 0; i < 3; i++)
		test_append(&f, box, 0, NULL);
	after = account_snapshot(f.account, NULL);
	CHECK(UNTIL_DONE(&f.b, view_open(after, box, VIEW_READ_WRITE, &f.b.w, &v)) == ERR_OK);
	snapshot_unref(after);
	CHECK(
	    UNTIL_DONE(&f.b,
		messages_annotate(v, &uids, &change, &cursor, &f.b.w, &changed, &modified, &after))
	    == ERR_OK);
	snapshot_unref(after);
	view_close(v);
	verify_disk_close(&f);
	CHECK(one_finding(false) == VERIFY_KINDS);
	key = row_key_notes(box, 1);
	spoil(id, KV_PAGE, row_key_str(&key), STR("\3?"));
	CHECK(one_finding(false) == VERIFY_NOTES);
	CHECK(one_finding(true) == VERIFY_NOTES);
	CHECK(one_finding(false) == VERIFY_KINDS);
	key = row_key_notes(box, 2);
	spoil(id, KV_PAGE, row_key_str(&key), STR(""));
	CHECK(one_finding(false) == VERIFY_NOTES);
	CHECK(one_finding(true) == VERIFY_NOTES);
	CHECK(one_finding(false) == VERIFY_KINDS);
	key = row_key_notes(box, 9);
	spoil(id, KV_PAGE, row_key_str(&key), STR("\3\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0/"));
	CHECK(one_finding(false) == VERIFY_NOTES);
	CHECK(one_finding(true) == VERIFY_NOTES);
	CHECK(one_finding(false) == VERIFY_KINDS);
	rangeset_done(&uids);
	rangeset_done(&changed);
	rangeset_done(&modified);
}

/* What a copy has left behind counts; what makes no sense does not, and the links are counted. */
static void
test_staged(void)
{
	struct row_key key = row_key_staged(1);
	struct account_id id;
	struct fixture f;

	dir_empty(verify_dir);
	CHECK(verify_disk_open(&f, NULL) == ERR_OK);
	verify_user_open(&f, "joe");
	id = account_id(f.account);
	for (unsigned i = 0; i < 6; i++)
		verify_message_add(&f, "INBOX", i, 600);
	verify_copy_leave(&f, 1);
	verify_disk_close(&f);
	CHECK(one_finding(false) == VERIFY_KINDS);
	spoil(id, KV_LOG, row_key_str(&key), STR(""));
	CHECK(one_finding(false) == VERIFY_COPIES);
	CHECK(one_finding(true) == VERIFY_COPIES);
	CHECK(one_finding(false) == VERIFY_KINDS);
	spoil(id, KV_LOG, row_key_str(&key), STR("\1?"));
	CHECK(one_finding(false) == VERIFY_UNDO);
	CHECK(one_finding(true) == VERIFY_UNDO);
	CHECK(one_finding(false) == VERIFY_KINDS);
	/* The next who has the account open takes it back. */
	CHECK(verify_disk_open(&f, NULL) == ERR_OK);
	verify_user_open(&f, "joe");
	verify_copy_leave(&f, 1);
	verify_expunge(&f, "INBOX", "2,3");
	retention_tick(f.account);
	verify_disk_close(&f);
	CHECK(one_finding(false) == VERIFY_KINDS);
}

/* The index of what is shared is made anew from the lists, and limits that make no sense go. */
static void
test_sharing(void)
{
	BUF_CLEAN struct buf key = BUF_MAX(64);
	struct row_key limits = row_key_limits();
	struct snapshot *after;
	struct account_id id;
	struct fixture f;

	dir_empty(verify_dir);
	CHECK(verify_disk_open(&f, NULL) == ERR_OK);
	verify_user_open(&f, "joe");
	id = account_id(f.account);
	CHECK(mailbox_set_acl(f.account, test_box(&f, "INBOX"), STR("ann"), ACL_REPLACE, RIGHT_L,
		  &after)
	    == ERR_OK);
	snapshot_unref(after);
	CHECK(account_set_quota(f.account, &(struct quota_limits){ 1, 2, 3, 4 }, &after) == ERR_OK);
	snapshot_unref(after);
	verify_disk_close(&f);
	CHECK(one_finding(false) == VERIFY_KINDS);
	row_key_share(&key, STR("ann"), STR("joe"));
	row_spoil(ACCOUNT_SYSTEM, buf_str(&key), STR(""));
	CHECK(one_finding(false) == VERIFY_SHARING);
	CHECK(one_finding(true) == VERIFY_SHARING);
	CHECK(one_finding(false) == VERIFY_KINDS);
	row_spoil(id, row_key_str(&limits), STR("?"));
	CHECK(one_finding(false) == VERIFY_LIMITS);
	CHECK(one_finding(true) == VERIFY_LIMITS);
	CHECK(one_finding(false) == VERIFY_KINDS);
}

/* ---- a disk that has bad sectors ---- */

static ino_t broken[TABLES_MAX];
static int broken_count;
static bool breaks, is_broken; /* when it is looked at; now */

static bool
is_of_broken(int fd)
{
	struct stat s;
	bool is = false;

	if (is_broken && fstat(fd, &s) == 0)
		for (int i = 0; i < broken_count; i++)
			is = is || broken[i] == s.st_ino;
	return is;
}

/* What the engine's library calls. */
ssize_t disk_read(int fd, void *to, size_t n, off_t at) __asm__("pread");

ssize_t
disk_read(int fd, void *to, size_t n, off_t at)
{
	if (is_of_broken(fd)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, to, n, at);
}

/* The tables that have the rows of blobs, for when the disk is broken. */
static void
broken_find(void)
{
	struct kv_options o = verify_disk_options(true);
	const rocksdb_livefiles_t *files;
	struct kv *kv = NULL;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	files = rocksdb_livefiles(rocks_of(kv)->db);
	for (int i = 0; i < rocksdb_livefiles_count(files); i++) {
		char path[128];
		struct stat s;

		snprintf(path, sizeof(path), "%s%s", verify_dir, rocksdb_livefiles_name(files, i));
		if (strcmp(rocksdb_livefiles_column_family_name(files, i), "blob") == 0
		    && CHECK(stat(path, &s) == 0))
			broken[broken_count++] = s.st_ino;
	}
	rocksdb_livefiles_destroy(files);
	kv_close(kv);
	CHECK(broken_count > 0);
}

/* ---- rows of blobs ---- */

enum { PLACED = 6 };

/* What is found: how often it is a message's place, how often something else, what is lost. */
struct places_found {
	size_t places, repaired, others;
	uint64_t lost;
};

static struct places_found
places_find(bool may_repair)
{
	struct verify_result result = { 0 };
	struct findings l = { .is_told = true };
	struct kv_options o = verify_disk_options(!may_repair);
	struct places_found found = { 0 };
	struct kv *kv = NULL;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	is_broken = breaks;
	CHECK(verify_now(kv, may_repair, &l, &result) == ERR_OK);
	is_broken = false;
	kv_close(kv);
	for (size_t i = 0; i < l.n; i++) {
		if (l.f[i].kind != VERIFY_PLACE)
			found.others++;
		else if (l.f[i].is_repaired)
			found.repaired++;
		else
			found.places++;
	}
	found.lost = result.lost;
	free(l.f);
	return found;
}

static void
check_places(struct places_found f, size_t places, size_t repaired, size_t others)
{
	CHECK_U64(f.places, places);
	CHECK_U64(f.repaired, repaired);
	CHECK_U64(f.others, others);
	CHECK_U64(f.lost, 0);
}

/* The first rows of blobs get another value; NULL: they go. */
static void
blob_rows_spoil(unsigned count, const char *value)
{
	struct kv_options o = verify_disk_options(false);
	rocksdb_readoptions_t *read = rocksdb_readoptions_create();
	rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
	rocksdb_iterator_t *it;
	char *message = NULL;
	struct kv *kv = NULL;
	struct rocks *r;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	r = rocks_of(kv);
	it = rocksdb_create_iterator_cf(r->db, read, r->cf[CF_BLOB]);
	rocksdb_iter_seek_to_first(it);
	for (unsigned i = 0; i < count && CHECK(rocksdb_iter_valid(it)); i++) {
		size_t n;
		const char *key = rocksdb_iter_key(it, &n);

		if (value == NULL)
			rocksdb_delete_cf(r->db, write, r->cf[CF_BLOB], key, n, &message);
		else
			rocksdb_put_cf(r->db, write, r->cf[CF_BLOB], key, n, value, strlen(value),
			    &message);
		CHECK(message == NULL);
		rocksdb_iter_next(it);
	}
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(read);
	rocksdb_writeoptions_destroy(write);
	kv_close(kv);
}

/* The record of the message says that its bytes are elsewhere. */
static void
place_spoil(struct account_id id, struct msgno n)
{
	struct message_key key = message_summary_key(n);
	struct kv_range range = { .kind = KV_MESSAGE,
		.from = message_key_str(&key),
		.is_exact = true };
	BUF_CLEAN struct buf row = BUF_MAX(65536);
	struct kv_options o = verify_disk_options(false);
	struct kv_rows *rows = NULL;
	struct kv *kv = NULL;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	CHECK(kv_load_now(kv, id, &range, 1, &rows) == ERR_OK);
	buf_str_add(&row, rows->ranges[0].rows[0].value);
	kv_rows_free(rows);
	kv_close(kv);
	row.p[row.n - KV_PLACE_BYTES] ^= 1;
	spoil(id, KV_MESSAGE, message_key_str(&key), buf_str(&row));
}

/*
 * Messages whose bytes are found without the row of their blob are named, not lost; the row is made
 * anew from the chunk that is there, with as many links as messages, in whatever accounts.
 */
static void
test_places(void)
{
	struct places_found found;
	struct account_id id;
	struct fixture f;

	dir_empty(verify_dir);
	CHECK(verify_disk_open(&f, NULL) == ERR_OK);
	verify_user_open(&f, "ann");
	for (unsigned i = 0; i < PLACED; i++)
		verify_message_add(&f, "INBOX", i, 600 + 3000 * i);
	verify_user_open(&f, "joe");
	for (unsigned i = 0; i < PLACED; i++)
		verify_message_add(&f, "INBOX", i, 600 + 3000 * i);
	id = account_id(f.account);
	verify_disk_close(&f);
	check_places(places_find(false), 0, 0, 0);
	blob_rows_spoil(3, NULL);
	check_places(places_find(false), 6, 0, 1);
	check_places(places_find(true), 0, 6, 1);
	check_places(places_find(false), 0, 0, 0);
	/* Rows that make no sense: the engine says so, and not that pieces are nobody's. */
	blob_rows_spoil(2, "?");
	check_places(places_find(false), 4, 0, 2);
	check_places(places_find(true), 0, 4, 2);
	check_places(places_find(false), 0, 0, 0);
	place_spoil(id, (struct msgno){ 2 });
	check_places(places_find(false), 1, 0, 0);
	check_places(places_find(true), 0, 1, 0);
	check_places(places_find(false), 0, 0, 0);
	broken_find();
	breaks = true;
	found = places_find(false);
	CHECK_U64(found.places, 2 * PLACED);
	CHECK_U64(found.lost, 0);
	found = places_find(true);
	CHECK_U64(found.repaired, 2 * PLACED);
	found = places_find(false);
	CHECK_U64(found.places, 0);
	CHECK_U64(found.lost, 0);
	breaks = false;
}

int
main(void)
{
	static const struct test_case cases[] = {
		TEST(test_sharing),
		TEST(test_notes),
		TEST(test_staged),
		TEST(test_places),
	};
	int status;

	must(verify_dir_make());
	status = test_run(cases, ARRAY_LEN(cases));
	dir_remove(verify_dir);
	return status;
}

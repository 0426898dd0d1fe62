/* rebuild_test.c - a store that was restored without some bytes harms no others. */
#include "backup/rebuild.h"
#include "backup/source.h"
#include "store/message.h"
#include "store/store_test_util.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
append(struct fixture *f, const char *subject)
{
	struct append add = { .arrival = test_message(f, subject), .flags = FLAG_DELETED };
	struct snapshot *after = NULL;
	uint32_t validity;
	struct uid uid;

	CHECK(UNTIL_DONE(&f->b,
		  messages_append(f->account, test_box(f, "INBOX"), &add, 1, &f->b.w, &uid,
		      &validity, &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
	arrival_unref(add.arrival);
}

static struct blob_id
blob_of(struct fixture *f, uint32_t number)
{
	struct message *m = NULL;
	struct blob_id id;

	CHECK(UNTIL_DONE(&f->b,
		  message_get(f->account, (struct msgno){ number }, MESSAGE_WHOLE, &f->b.w, &m))
	    == ERR_OK);
	id = m->blob;
	message_unref(m);
	return id;
}

static void
expunge(struct fixture *f, const char *uids)
{
	struct rangeset gone = RANGESET_NONE, set = test_set(uids);
	struct snapshot *now = account_snapshot(f->account, NULL), *after = NULL;
	struct view *v = NULL;
	uint32_t cursor = 0;

	CHECK(UNTIL_DONE(&f->b, view_open(now, test_box(f, "INBOX"), VIEW_READ_WRITE, &f->b.w, &v))
	    == ERR_OK);
	snapshot_unref(now);
	CHECK(UNTIL_DONE(&f->b, messages_expunge(v, &set, &cursor, &f->b.w, &gone, &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
	view_close(v);
	rangeset_done(&gone);
	rangeset_done(&set);
}

/* The bytes of a message are gone from the engine. */
static void
lose(struct fixture *f, const struct blob_id *id)
{
	struct kv_txn *t =
	    kv_txn_new(f->kv, account_id(f->account), KV_UNVERSIONED, KV_UNVERSIONED);
	uint64_t swept;

	kv_unlink(t, id, 1);
	CHECK(kv_commit_now(f->kv, &t, 1) == ERR_OK);
	CHECK(kv_blob_sweep(f->kv, 0, &swept) == ERR_OK && swept > 0);
}

/* f's store is saved, and restored into an engine of its own. */
static void
restore(struct fixture *f, struct fixture *to)
{
	char dir[] = "/tmp/posthorn-rebuild.XXXXXX";
	struct kv_memory_options o = { .manual = false, .seed = 2 };
	BUF_CLEAN struct buf detail = BUF_MAX(4096), text = BUF_MAX(65536);
	struct source_progress saved = { 0 };
	struct rebuild_progress restored = { 0 };
	struct arena a = ARENA_NONE;
	struct manifest m = { .time_ms = 1795321077961 };
	struct repo *r;

	*to = (struct fixture){ 0 };
	store_merge_functions(&o.base);
	CHECK(kv_memory_open(&o, &to->kv) == ERR_OK);
	blocker_init(&to->b, NULL);
	CHECK(mkdtemp(dir) != NULL);
	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
	CHECK(source_run(f->kv, r, STR(""), &a, &m, &saved, &detail) == ERR_OK);
	CHECK_U64(saved.damaged, 1);
	manifest_format(&m, &text);
	CHECK(repo_finish(r, "1", buf_str(&text)) == ERR_OK);
	CHECK(rebuild_run(r, &m, to->kv, m.time_ms, &restored, &detail) == ERR_OK);
	CHECK_U64(restored.messages, 2);
	CHECK_U64(restored.lost, 1);
	repo_close(r);
	arena_done(&a);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	fixture_open_store(to);
	CHECK(
	    UNTIL_DONE(&to->b,
		store_account_open(to->store, STR("joe"), ACCOUNT_EXISTING, &to->b.w, &to->account))
	    == ERR_OK);
}

/*
 * A message whose bytes were not in the backup has no link to them. When the same bytes come again,
 * with another message, they are that one's alone: they stay when the first is expunged.
 */
static void
test_lost_bytes_come_again(void)
{
	struct fixture f, to;
	struct blob_id lost;
	struct kv_blob blob = { 0 };
	uint64_t swept;

	fixture_init(&f, false);
	append(&f, "lost");
	append(&f, "kept");
	lost = blob_of(&f, 1);
	lose(&f, &lost);
	restore(&f, &to);
	fixture_done(&f);
	append(&to, "lost");
	CHECK(kv_blob_get(to.kv, &lost, &blob) == ERR_OK);
	CHECK_U64(blob.links, 1);
	expunge(&to, "1");
	store_tick(to.store);
	CHECK(kv_blob_sweep(to.kv, 0, &swept) == ERR_OK);
	CHECK(kv_blob_get(to.kv, &lost, &blob) == ERR_OK);
	CHECK_U64(blob.links, 1);
	fixture_done(&to);
}

/* ---- rows that can't be read */

enum { MESSAGES = 20, DAMAGED_AT = 20, TABLES_MAX = 32 };

static char store_dir[] = "/tmp/posthorn-damaged.XXXXXX";

static struct kv *
store_open_rocks(bool read_only)
{
	struct kv_options o = { .dir = store_dir,
		.read_only = read_only,
		.no_sync = true,
		.soft_floor_bytes = 1,
		.hard_floor_bytes = 1 };
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	struct kv *kv = NULL;

	store_merge_functions(&o);
	if (kv_rocks_open(&o, &kv, &detail) != ERR_OK)
		printf("# %.*s\n", STR_F(buf_str(&detail)));
	must(kv != NULL);
	return kv;
}

static size_t
tables(char names[TABLES_MAX][64])
{
	DIR *d = opendir(store_dir);
	struct dirent *entry;
	size_t n = 0;

	must(d != NULL);
	while ((entry = readdir(d)) != NULL)
		if (n < TABLES_MAX && str_ends(str_c(entry->d_name), STR(".sst")))
			snprintf(names[n++], 64, "%.63s", entry->d_name);
	closedir(d);
	return n;
}

/* A bit of the table's first block. */
static void
flip(const char *table)
{
	char path[128], byte = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", store_dir, table);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && pread(fd, &byte, 1, DAMAGED_AT) == 1);
	byte ^= 4;
	CHECK(pwrite(fd, &byte, 1, DAMAGED_AT) == 1);
	close(fd);
}

/* What is saved of the store as it is now. */
static enum err
save(struct source_progress *saved)
{
	char dir[] = "/tmp/posthorn-rebuild.XXXXXX";
	BUF_CLEAN struct buf detail = BUF_MAX(65536);
	struct arena a = ARENA_NONE;
	struct manifest m = { .time_ms = 1795321077961 };
	struct kv *kv = store_open_rocks(true);
	struct repo *r;
	enum err e;

	*saved = (struct source_progress){ 0 };
	CHECK(mkdtemp(dir) != NULL);
	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
	e = source_run(kv, r, STR(""), &a, &m, saved, &detail);
	CHECK((saved->gaps != 0 || saved->damaged != 0 || e != ERR_OK) == (detail.n != 0));
	repo_close(r);
	kv_close(kv);
	arena_done(&a);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return e;
}

/*
 * A block of a table is damaged, of each in turn: without the directory, or the versions of accounts,
 * there is no backup; else all but what was in the block is saved.
 */
static void
test_damaged_rows(void)
{
	char names[TABLES_MAX][64];
	struct fixture f = { 0 };
	struct source_progress saved;
	size_t n, refused = 0, with_gaps = 0, with_all = 0;

	CHECK(mkdtemp(store_dir) != NULL);
	f.kv = store_open_rocks(false);
	blocker_init(&f.b, NULL);
	fixture_open_store(&f);
	CHECK(UNTIL_DONE(&f.b,
		  store_account_open(f.store, STR("joe"), ACCOUNT_CREATE, &f.b.w, &f.account))
	    == ERR_OK);
	for (unsigned i = 0; i < MESSAGES; i++) {
		char subject[32];

		snprintf(subject, sizeof(subject), "number %u", i);
		append(&f, subject);
	}
	expunge(&f, "3:5");
	fixture_done(&f);
	CHECK(save(&saved) == ERR_OK);
	CHECK_U64(saved.messages, MESSAGES);
	n = tables(names);
	for (size_t i = 0; i < n; i++) {
		flip(names[i]);
		refused += save(&saved) != ERR_OK;
		with_gaps += saved.gaps != 0;
		with_all += saved.gaps != 0 && saved.messages == MESSAGES;
		flip(names[i]);
	}
	printf("# %zu tables: %zu refused, %zu with gaps, %zu of them with all messages\n", n,
	    refused, with_gaps, with_all);
	CHECK_U64(refused, 2); /* of rows and of versions */
	CHECK(with_gaps >= 3); /* of pages, of messages, of the past */
	CHECK(with_all >= 2);
	CHECK(save(&saved) == ERR_OK && saved.gaps == 0);
	nftw(store_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST_MAIN(TEST(test_damaged_rows), TEST(test_lost_bytes_come_again))

/* rebuild_test.c - a store that was restored without some bytes harms no others. */
#include "backup/rebuild.h"
#include "backup/source.h"
#include "store/message.h"
#include "store/store_test_util.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

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

TEST_MAIN(TEST(test_lost_bytes_come_again))

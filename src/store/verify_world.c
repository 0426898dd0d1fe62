/*
 * verify_world.c - see verify_world.h.
 */
#include "store/verify_world.h"

#include "store/arrival_int.h"
#include "store/message.h"
#include "store/row.h"
#include "store/undo_int.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char verify_dir[64];

bool
verify_dir_make(void)
{
	/* In memory when there is such a place: nothing here depends on the disk. */
	snprintf(verify_dir, sizeof(verify_dir), "%s/verify-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(verify_dir) != NULL;
}

/* ---- a store on the disk */

struct kv_options
verify_disk_options(bool read_only)
{
	/* Small buffers, so that there are many tables. */
	struct kv_options o = { .dir = verify_dir,
		.read_only = read_only,
		.write_buffer_bytes = 512 << 10,
		.cache_bytes = 4 << 20,
		.soft_floor_bytes = 1,
		.hard_floor_bytes = 1 };

	store_merge_functions(&o);
	return o;
}

enum err
verify_disk_open(struct fixture *f, struct buf *detail)
{
	struct kv_options o = verify_disk_options(false);
	struct store_options so = { .clock = clock_system(),
		.random = test_random,
		.retention_s = 86400,
		.stage_links = 2 };
	enum err e;

	*f = (struct fixture){ 0 };
	e = kv_rocks_open(&o, &f->kv, detail);
	if (e != ERR_OK)
		return e;
	blocker_init(&f->b, NULL);
	so.kv = f->kv;
	return store_open(&so, &f->store);
}

void
verify_disk_close(struct fixture *f)
{
	account_unref(f->account);
	f->account = NULL;
	fixture_done(f);
}

void
verify_user_open(struct fixture *f, const char *user)
{
	account_unref(f->account);
	f->account = NULL;
	CHECK(UNTIL_DONE(&f->b,
		  store_account_open(f->store, str_c(user), ACCOUNT_CREATE, &f->b.w, &f->account))
	    == ERR_OK);
}

/* ---- filling it */

static struct arrival *
message_make(struct fixture *f, unsigned number, size_t bytes)
{
	struct arrival *m = arrival_new(f->store);
	BUF_CLEAN struct buf text = BUF_MAX(VERIFY_BIG_BYTES * 2);
	struct str left;
	size_t taken;

	buf_printf(&text,
	    "From: Ann %u <ann%u@example.org>\r\nTo: joe@example.org\r\nSubject: number %u\r\n"
	    "Message-ID: <%u@example.org>\r\nDate: Mon, 5 Jan 2026 12:00:%02u +0100\r\n\r\n",
	    number, number, number, number, number % 60);
	for (unsigned i = 0; text.n < bytes; i++)
		buf_printf(&text, "Line %u of %u: %016llx\r\n", i, number,
		    (unsigned long long)hash_u64(number * 100000u + i));
	left = buf_str(&text);
	while (left.n != 0 && UNTIL_DONE(&f->b, arrival_write(m, left, &taken, &f->b.w)) == ERR_OK)
		left = str_sub(left, taken, left.n);
	CHECK(arrival_finish(m) == ERR_OK);
	return m;
}

void
verify_message_add(struct fixture *f, const char *box, unsigned number, size_t bytes)
{
	static const struct str keywords[] = { STR_INIT("$Work"),
		STR_INIT("a-keyword-of-some-length"), STR_INIT("$Later") };
	struct arrival *m = message_make(f, number, bytes);
	struct append add = { .arrival = m,
		.flags = number % 3 == 0 ? FLAG_SEEN : 0,
		.keywords = keywords,
		.keyword_count = number % 4,
		.has_internal_date = true,
		.internal_s = 1700000000 + number };
	struct snapshot *after = NULL;
	struct uid uid;
	uint32_t validity;

	if (number % 2 == 0)
		add.prefix = STR("Return-Path: <x@example.org>\r\nDelivered-To: joe\r\n");
	CHECK(UNTIL_DONE(&f->b,
		  messages_append(f->account, test_box(f, box), &add, 1, &f->b.w, &uid, &validity,
		      &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
	arrival_unref(m);
}

struct view *
verify_box_open(struct fixture *f, const char *box)
{
	struct snapshot *s = account_snapshot(f->account, NULL);
	struct mailbox_id id = snapshot_mailbox(s, str_c(box))->id;
	struct view *v = NULL;

	CHECK(UNTIL_DONE(&f->b, view_open(s, id, VIEW_READ_WRITE, &f->b.w, &v)) == ERR_OK);
	snapshot_unref(s);
	return v;
}

void
verify_flags_add(struct fixture *f, const char *box, const char *uids, uint16_t flags)
{
	struct view *v = verify_box_open(f, box);
	RANGESET_CLEAN struct rangeset set = test_set(uids), changed = RANGESET_NONE,
				       modified = RANGESET_NONE;
	struct flags_change change = { .op = FLAGS_ADD, .flags = flags };
	struct snapshot *after = NULL;
	uint32_t cursor = 0;

	CHECK(UNTIL_DONE(&f->b,
		  messages_store(v, &set, &change, &cursor, &f->b.w, &changed, &modified, &after))
	    == ERR_OK);
	if (after != NULL)
		test_wait_durable(f, after);
	snapshot_unref(after);
	view_close(v);
}

void
verify_expunge(struct fixture *f, const char *box, const char *uids)
{
	struct view *v;
	RANGESET_CLEAN struct rangeset gone = RANGESET_NONE;
	struct snapshot *after = NULL;
	uint32_t cursor = 0;

	verify_flags_add(f, box, uids, FLAG_DELETED);
	v = verify_box_open(f, box);
	CHECK(UNTIL_DONE(&f->b, messages_expunge(v, NULL, &cursor, &f->b.w, &gone, &after))
	    == ERR_OK);
	if (after != NULL)
		test_wait_durable(f, after);
	snapshot_unref(after);
	view_close(v);
}

/* What is there when the power went in the middle of a large copy: a message has a link too many. */
void
verify_copy_leave(struct fixture *f, uint64_t version)
{
	const struct msgno n = { 2 };
	struct row_key key = row_key_staged(version);
	BUF_CLEAN struct buf row = BUF_MAX(100);
	struct kv_txn *t =
	    kv_txn_new(f->kv, account_id(f->account), KV_UNVERSIONED, KV_UNVERSIONED);

	staged_row_encode(&n, 1, &row);
	kv_put(t, KV_LOG, row_key_str(&key), buf_str(&row));
	message_put_links(t, n, 1);
	CHECK(kv_commit_now(f->kv, &t, 1) == ERR_OK);
}

/* ---- findings */

static void
note(void *ctx, const struct verify_finding *f)
{
	struct findings *l = ctx;
	struct noted *n;
	BUF_CLEAN struct buf line = BUF_MAX(65536);

	l->f = xrealloc(l->f, (l->n + 1) * sizeof(*l->f));
	n = &l->f[l->n++];
	*n = (struct noted){ .kind = f->kind,
		.is_lost = f->is_lost,
		.is_repaired = f->is_repaired,
		.is_expunged = f->is_expunged,
		.account = f->account.v,
		.box = f->mailbox.v,
		.uid_first = f->uid_first,
		.uid_last = f->uid_last };
	snprintf(n->user, sizeof(n->user), "%.*s", STR_F(f->user));
	if (!l->is_told)
		return;
	verify_finding_text(f, &line);
	printf("#   %.*s\n", STR_F(buf_str(&line)));
}

enum err
verify_now(struct kv *kv, bool may_repair, struct findings *l, struct verify_result *result_out)
{
	struct verify_options o = { .kv = kv, .may_repair = may_repair, .found = note, .ctx = l };

	return verify_run(&o, result_out);
}

/* store_test.c - accounts, mailboxes, views and changes on the engine in memory. */
#include "store/account_int.h"
#include "store/message.h"
#include "store/store_test_util.h"
#include "store/view_int.h"

static void
test_creates_account(void)
{
	struct fixture f;
	struct snapshot *s;
	struct account *again = NULL;

	fixture_init(&f, false);
	s = account_snapshot(f.account, NULL);
	CHECK_U64(snapshot_version(s), 1);
	CHECK_STR(snapshot_mailbox_at(s, 0)->name, STR("INBOX"));
	CHECK_STR(snapshot_mailbox_at(s, 1)->name, STR("Archive"));
	CHECK_U64(snapshot_mailbox(s, STR("Sent"))->special_use, USE_SENT);
	CHECK(snapshot_mailbox(s, STR("inbox")) == snapshot_mailbox_at(s, 0));
	CHECK(snapshot_mailbox_at(s, 6) == NULL);
	CHECK(UNTIL_DONE(&f.b,
		  store_account_open(f.store, STR("ann"), ACCOUNT_EXISTING, &f.b.w, &again))
	    == ERR_NOTFOUND);
	CHECK(UNTIL_DONE(&f.b,
		  store_account_open(f.store, STR("joe"), ACCOUNT_EXISTING, &f.b.w, &again))
	    == ERR_OK);
	CHECK(again == f.account);
	account_unref(again);
	CHECK(UNTIL_DONE(&f.b,
		  store_account_open(f.store, STR("ann"), ACCOUNT_CREATE, &f.b.w, &again))
	    == ERR_OK);
	CHECK_U64(account_id(again).v, 2);
	account_unref(again);
	snapshot_unref(s);
	fixture_done(&f);
}

static void
test_appends_and_views(void)
{
	struct fixture f;
	struct snapshot *after;
	struct mailbox_id inbox;
	struct view_changes ch;
	struct entry e;
	struct view *v = NULL;

	fixture_init(&f, false);
	inbox = test_box(&f, "INBOX");
	CHECK_U64(test_append(&f, inbox, 0, NULL), 1);
	CHECK_U64(test_append(&f, inbox, FLAG_SEEN, &after), 2);
	CHECK(UNTIL_DONE(&f.b, view_open(after, inbox, VIEW_READ_WRITE, &f.b.w, &v)) == ERR_OK);
	CHECK_U64(view_exists(v), 2);
	CHECK_U64(view_recent(v), 2);
	CHECK_U64(view_first_unseen(v).v, 1);
	CHECK_U64(view_highestmodseq(v), snapshot_version(after));
	CHECK(view_entry(v, (struct uid){ 2 }, &e));
	CHECK_U64(e.flags, FLAG_SEEN);
	snapshot_unref(after);
	CHECK_U64(test_append(&f, inbox, 0, &after), 3);
	CHECK(view_is_stale(v, after));
	CHECK(UNTIL_DONE(&f.b, view_refresh(v, after, TELL_ALL, &f.b.w, &f.a, &ch)) == ERR_OK);
	CHECK(ch.is_exists_new);
	CHECK_U64(ch.exists, 3);
	CHECK_U64(ch.recent, 3);
	CHECK(!view_is_stale(v, after));
	snapshot_unref(after);
	view_close(v);
	fixture_done(&f);
}

static void
test_stores_and_expunges(void)
{
	const struct str keyword = STR("Later");
	struct flags_change add = { .op = FLAGS_ADD,
		.flags = FLAG_DELETED,
		.keywords = &keyword,
		.keyword_count = 1 };
	struct rangeset uids = test_set("2:3"), changed = RANGESET_NONE, modified = RANGESET_NONE,
			gone = RANGESET_NONE;
	struct snapshot *after = NULL;
	struct view *v = NULL, *other = NULL;
	struct view_changes ch;
	struct mailbox_id inbox;
	uint32_t cursor = 0;
	struct fixture f;
	struct entry e;

	fixture_init(&f, false);
	inbox = test_box(&f, "INBOX");
	for (int i = 0; i < 4; i++) {
		snapshot_unref(after);
		test_append(&f, inbox, 0, &after);
	}
	CHECK(UNTIL_DONE(&f.b, view_open(after, inbox, VIEW_READ_WRITE, &f.b.w, &v)) == ERR_OK);
	CHECK(UNTIL_DONE(&f.b, view_open(after, inbox, VIEW_READ_ONLY, &f.b.w, &other)) == ERR_OK);
	snapshot_unref(after);
	CHECK(UNTIL_DONE(&f.b,
		  messages_store(v, &uids, &add, &cursor, &f.b.w, &changed, &modified, &after))
	    == ERR_OK);
	CHECK_U64(cursor, UINT32_MAX);
	CHECK_U64(rangeset_count(&changed), 2);
	CHECK(UNTIL_DONE(&f.b, view_refresh(v, after, TELL_ALL, &f.b.w, &f.a, &ch)) == ERR_OK);
	CHECK_U64(ch.changed_count, 2);
	CHECK(ch.has_new_keywords);
	CHECK(view_entry(v, (struct uid){ 3 }, &e));
	CHECK_U64(e.flags, FLAG_DELETED);
	CHECK(keywords_has(e.keywords, 16));
	snapshot_unref(after);
	cursor = 0;
	CHECK(
	    UNTIL_DONE(&f.b, messages_expunge(v, NULL, &cursor, &f.b.w, &gone, &after)) == ERR_OK);
	CHECK_U64(rangeset_count(&gone), 2);
	CHECK(UNTIL_DONE(&f.b, view_refresh(other, after, TELL_NO_EXPUNGE, &f.b.w, &f.a, &ch))
	    == ERR_OK);
	CHECK(ch.vanished == NULL);
	CHECK_U64(view_exists(other), 4);
	CHECK_U64(view_seq(other, (struct uid){ 4 }).v, 4);
	CHECK(view_entry(other, (struct uid){ 3 }, &e) && e.is_ghost);
	CHECK(view_highestmodseq(other) < snapshot_version(after));
	CHECK(UNTIL_DONE(&f.b, view_refresh(other, after, TELL_ALL, &f.b.w, &f.a, &ch)) == ERR_OK);
	CHECK_U64(ch.expunge_count, 2);
	CHECK_U64(ch.expunge_seqs[0], 3);
	CHECK_U64(ch.expunge_seqs[1], 2);
	CHECK_U64(view_exists(other), 2);
	CHECK_U64(view_seq(other, (struct uid){ 4 }).v, 2);
	CHECK(view_highestmodseq(other) == snapshot_version(after));
	snapshot_unref(after);
	view_close(v);
	view_close(other);
	rangeset_done(&uids);
	rangeset_done(&changed);
	rangeset_done(&modified);
	rangeset_done(&gone);
	fixture_done(&f);
}

static void
test_copies_and_moves(void)
{
	struct rangeset uids = test_set("1,3");
	struct snapshot *after = NULL;
	struct copied copied = { 0 };
	struct mailbox_id inbox, trash;
	struct view *v = NULL;
	uint32_t cursor = 0;
	struct fixture f;

	fixture_init(&f, false);
	inbox = test_box(&f, "INBOX");
	trash = test_box(&f, "Trash");
	for (int i = 0; i < 3; i++) {
		snapshot_unref(after);
		test_append(&f, inbox, 0, &after);
	}
	CHECK(UNTIL_DONE(&f.b, view_open(after, inbox, VIEW_READ_WRITE, &f.b.w, &v)) == ERR_OK);
	snapshot_unref(after);
	CHECK(UNTIL_DONE(&f.b,
		  messages_copy(v, &uids, COPY_SKIPS_GONE, f.account, trash, &f.b.w, &f.a, &copied,
		      &after))
	    == ERR_OK);
	CHECK_U64(rangeset_count(copied.from), 2);
	CHECK_U64(rangeset_max(copied.to), 2);
	CHECK_U64(snapshot_mailbox_by_id(after, trash)->exists, 2);
	snapshot_unref(after);
	copied = (struct copied){ 0 };
	CHECK(UNTIL_DONE(&f.b,
		  messages_move(v, &uids, COPY_SKIPS_GONE, f.account, trash, &cursor, &f.b.w, &f.a,
		      &copied, &after))
	    == ERR_OK);
	CHECK_U64(snapshot_mailbox_by_id(after, trash)->exists, 4);
	CHECK_U64(snapshot_mailbox_by_id(after, inbox)->exists, 1);
	snapshot_unref(after);
	view_close(v);
	rangeset_done(&uids);
	fixture_done(&f);
}

static void
test_copies_across_accounts(void)
{
	struct rangeset all = test_set("1:90"), first = test_set("1:2");
	struct snapshot *after = NULL, *s;
	struct account *ann = NULL;
	struct copied copied = { 0 };
	struct mailbox_id inbox, theirs;
	struct message *m = NULL;
	struct view *v = NULL;
	uint32_t cursor = 0;
	struct fixture f;
	struct entry e;

	fixture_init(&f, true);
	CHECK(
	    UNTIL_DONE(&f.b, store_account_open(f.store, STR("ann"), ACCOUNT_CREATE, &f.b.w, &ann))
	    == ERR_OK);
	inbox = test_box(&f, "INBOX");
	s = account_snapshot(ann, NULL);
	theirs = snapshot_mailbox(s, STR("INBOX"))->id;
	snapshot_unref(s);
	for (int i = 0; i < 90; i++) {
		snapshot_unref(after);
		test_append(&f, inbox, i % 2 == 0 ? FLAG_SEEN : 0, &after);
	}
	CHECK(UNTIL_DONE(&f.b, view_open(after, inbox, VIEW_READ_WRITE, &f.b.w, &v)) == ERR_OK);
	snapshot_unref(after);
	CHECK(UNTIL_DONE(&f.b,
		  messages_copy(v, &first, COPY_SKIPS_GONE, ann, theirs, &f.b.w, &f.a, &copied,
		      &after))
	    == ERR_OK);
	CHECK(snapshot_account(after) == ann);
	CHECK_U64(snapshot_mailbox_by_id(after, theirs)->exists, 2);
	CHECK_U64(rangeset_count(copied.to), 2);
	snapshot_unref(after);
	copied = (struct copied){ 0 };

	/* Both or none: the engine refuses the set, and nothing has happened. */
	fixture_settle(&f);
	CHECK(UNTIL_DONE(&f.b,
		  messages_move(v, &all, COPY_SKIPS_GONE, ann, theirs, &cursor, &f.b.w, &f.a,
		      &copied, &after))
	    == ERR_OK);
	CHECK_U64(snapshot_mailbox_by_id(after, inbox)->exists, 0);
	kv_memory_fail_at(f.kv, 1, ERR_FULL);
	CHECK(UNTIL_DONE(&f.b, account_wait_durable(f.account, snapshot_version(after), &f.b.w))
	    == ERR_IO);
	snapshot_unref(after);
	s = account_snapshot(f.account, NULL);
	CHECK_U64(snapshot_mailbox_by_id(s, inbox)->exists, 90);
	snapshot_unref(s);
	s = account_snapshot(ann, NULL);
	CHECK_U64(snapshot_mailbox_by_id(s, theirs)->exists, 2);
	snapshot_unref(s);

	cursor = 0;
	copied = (struct copied){ 0 };
	CHECK(UNTIL_DONE(&f.b,
		  messages_move(v, &all, COPY_SKIPS_GONE, ann, theirs, &cursor, &f.b.w, &f.a,
		      &copied, &after))
	    == ERR_OK);
	CHECK_U64(cursor, UINT32_MAX);
	CHECK(snapshot_account(after) == f.account);
	test_wait_durable(&f, after);
	snapshot_unref(after);
	view_close(v);
	s = account_snapshot(ann, NULL);
	CHECK_U64(snapshot_mailbox_by_id(s, theirs)->exists, 92);
	CHECK_U64(snapshot_mailbox_by_id(s, theirs)->unseen, 46);
	CHECK(UNTIL_DONE(&f.b, view_open(s, theirs, VIEW_READ_WRITE, &f.b.w, &v)) == ERR_OK);
	CHECK(view_entry(v, (struct uid){ 92 }, &e));
	CHECK(UNTIL_DONE(&f.b, message_get(ann, e.msgno, MESSAGE_WHOLE, &f.b.w, &m)) == ERR_OK);
	CHECK_U64(m->size_bytes, e.size_bytes);
	message_unref(m);
	snapshot_unref(s);
	view_close(v);
	rangeset_done(&all);
	rangeset_done(&first);
	account_unref(ann);
	fixture_done(&f);
}

static uint64_t
links_of(struct fixture *f, const struct blob_id *id)
{
	uint64_t links = 99;

	CHECK(kv_blob_links(f->kv, id, &links) == ERR_OK);
	return links;
}

/* What is expunged stays until the retention ends, then goes wholly; copies keep the message. */
static void
test_retention(void)
{
	struct flags_change del = { .op = FLAGS_ADD, .flags = FLAG_DELETED };
	struct rangeset one = test_set("1"), changed = RANGESET_NONE, gone = RANGESET_NONE;
	struct snapshot *after = NULL;
	struct mailbox_id inbox, trash;
	struct copied copied;
	struct message *m = NULL;
	struct view *v = NULL;
	uint32_t cursor = 0;
	struct blob_id blob;
	struct fixture f;
	struct entry e;

	fixture_init(&f, false);
	inbox = test_box(&f, "INBOX");
	trash = test_box(&f, "Trash");
	test_append(&f, inbox, 0, &after);
	CHECK(UNTIL_DONE(&f.b, view_open(after, inbox, VIEW_READ_WRITE, &f.b.w, &v)) == ERR_OK);
	snapshot_unref(after);
	CHECK(view_entry(v, (struct uid){ 1 }, &e));
	CHECK(
	    UNTIL_DONE(&f.b, message_get(f.account, e.msgno, MESSAGE_WHOLE, &f.b.w, &m)) == ERR_OK);
	blob = m->blob;
	message_unref(m);
	CHECK(UNTIL_DONE(&f.b,
		  messages_copy(v, &one, COPY_SKIPS_GONE, f.account, trash, &f.b.w, &f.a, &copied,
		      &after))
	    == ERR_OK);
	snapshot_unref(after);
	CHECK(UNTIL_DONE(&f.b,
		  messages_store(v, &one, &del, &cursor, &f.b.w, &changed, &changed, &after))
	    == ERR_OK);
	snapshot_unref(after);
	cursor = 0;
	CHECK(
	    UNTIL_DONE(&f.b, messages_expunge(v, NULL, &cursor, &f.b.w, &gone, &after)) == ERR_OK);
	test_wait_durable(&f, after);
	snapshot_unref(after);
	view_close(v);
	store_tick(f.store);
	CHECK_U64(links_of(&f, &blob), 1); /* the copy */
	CHECK(mailbox_delete(f.account, STR("Trash"), &f.b.w, &after) == ERR_OK);
	test_wait_durable(&f, after);
	snapshot_unref(after);
	CHECK_U64(links_of(&f, &blob), 1);
	f.account->undo_oldest_ms = 0;
	store_tick(f.store);
	CHECK_U64(links_of(&f, &blob), 0);
	rangeset_done(&one);
	rangeset_done(&changed);
	rangeset_done(&gone);
	fixture_done(&f);
}

static void
count_user(void *ctx, struct account_id id, struct str user)
{
	CHECK(id.v != 0 && user.n == 3);
	++*(int *)ctx;
}

static void
test_deletes_account(void)
{
	struct account *ann = NULL;
	struct snapshot *after = NULL, *s;
	struct mailbox_id inbox;
	struct kv_range all = { .kind = KV_ROW };
	struct kv_rows *rows = NULL;
	struct fixture f;
	int users = 0;

	fixture_init(&f, false);
	CHECK(
	    UNTIL_DONE(&f.b, store_account_open(f.store, STR("ann"), ACCOUNT_CREATE, &f.b.w, &ann))
	    == ERR_OK);
	CHECK(store_accounts_each(f.store, count_user, &users) == ERR_OK);
	CHECK_U64(users, 2);
	s = account_snapshot(ann, NULL);
	inbox = snapshot_mailbox(s, STR("INBOX"))->id;
	snapshot_unref(s);
	account_unref(f.account);
	f.account = ann;
	test_append(&f, inbox, 0, &after);
	test_wait_durable(&f, after);
	snapshot_unref(after);
	CHECK(UNTIL_DONE(&f.b, store_account_delete(f.store, STR("ann"), &f.b.w)) == ERR_OK);
	s = account_snapshot(ann, NULL);
	CHECK(snapshot_mailbox_at(s, 0) == NULL);
	snapshot_unref(s);
	CHECK(UNTIL_DONE(&f.b,
		  store_account_open(f.store, STR("ann"), ACCOUNT_EXISTING, &f.b.w, &ann))
	    == ERR_NOTFOUND);
	users = 0;
	CHECK(store_accounts_each(f.store, count_user, &users) == ERR_OK);
	CHECK_U64(users, 1);
	account_unref(f.account);
	store_close(f.store);
	fixture_open_store(&f);
	store_tick(f.store);
	CHECK(kv_load_now(f.kv, (struct account_id){ 2 }, &all, 1, &rows) == ERR_OK);
	CHECK_U64(rows->ranges[0].count, 0);
	kv_rows_free(rows);
	CHECK(UNTIL_DONE(&f.b,
		  store_account_open(f.store, STR("joe"), ACCOUNT_EXISTING, &f.b.w, &f.account))
	    == ERR_OK);
	fixture_done(&f);
}

static void
test_mailboxes(void)
{
	struct snapshot *s = NULL;
	struct mailbox_id a_id;
	uint32_t validity;
	struct fixture f;

	fixture_init(&f, false);
	CHECK(mailbox_create(f.account, STR("a/b/c"), 0, &f.b.w, &s) == ERR_OK);
	CHECK(snapshot_mailbox(s, STR("a"))->has_children);
	CHECK(snapshot_mailbox(s, STR("a/b"))->has_children);
	CHECK(!snapshot_mailbox(s, STR("a/b/c"))->has_children);
	a_id = snapshot_mailbox(s, STR("a"))->id;
	validity = snapshot_mailbox(s, STR("a"))->uidvalidity;
	snapshot_unref(s);
	CHECK(mailbox_create(f.account, STR("a/b"), 0, &f.b.w, &s) == ERR_EXISTS);
	CHECK(mailbox_create(f.account, STR("a//b"), 0, &f.b.w, &s) == ERR_BADNAME);
	CHECK(mailbox_delete(f.account, STR("inbox"), &f.b.w, &s) == ERR_CANNOT);
	CHECK(mailbox_delete(f.account, STR("a"), &f.b.w, &s) == ERR_OK);
	CHECK(snapshot_mailbox(s, STR("a"))->is_noselect);
	CHECK(snapshot_mailbox_by_id(s, a_id) == NULL);
	snapshot_unref(s);
	CHECK(mailbox_delete(f.account, STR("a"), &f.b.w, &s) == ERR_HASCHILDREN);
	CHECK(mailbox_create(f.account, STR("a"), 0, &f.b.w, &s) == ERR_OK);
	CHECK(snapshot_mailbox(s, STR("a"))->uidvalidity != validity);
	snapshot_unref(s);
	CHECK(mailbox_rename(f.account, STR("a"), STR("x/y"), &f.b.w, &s) == ERR_OK);
	CHECK(snapshot_mailbox(s, STR("a")) == NULL);
	CHECK(snapshot_mailbox(s, STR("x/y/b/c")) != NULL);
	CHECK(!snapshot_mailbox(s, STR("x"))->is_noselect);
	snapshot_unref(s);
	CHECK(mailbox_rename(f.account, STR("x"), STR("x/z"), &f.b.w, &s) == ERR_CANNOT);
	CHECK(mailbox_subscribe(f.account, STR("no/such"), true, &f.b.w, &s) == ERR_OK);
	CHECK(snapshot_mailbox(s, STR("no/such"))->is_noselect);
	snapshot_unref(s);
	CHECK(mailbox_delete(f.account, STR("no"), &f.b.w, &s) == ERR_NOTFOUND);
	CHECK(mailbox_rename(f.account, STR("no"), STR("yes"), &f.b.w, &s) == ERR_NOTFOUND);
	CHECK(mailbox_rename(f.account, STR("no/such"), STR("yes"), &f.b.w, &s) == ERR_NOTFOUND);
	CHECK(mailbox_create(f.account, STR("one/such"), 0, &f.b.w, &s) == ERR_OK);
	snapshot_unref(s);
	CHECK(mailbox_rename(f.account, STR("one"), STR("no"), &f.b.w, &s) == ERR_OK);
	CHECK(!snapshot_mailbox(s, STR("no/such"))->is_noselect);
	CHECK(snapshot_mailbox(s, STR("no/such"))->is_subscribed);
	snapshot_unref(s);
	CHECK(mailbox_delete(f.account, STR("no/such"), &f.b.w, &s) == ERR_OK);
	snapshot_unref(s);
	CHECK(mailbox_delete(f.account, STR("no"), &f.b.w, &s) == ERR_OK);
	snapshot_unref(s);
	CHECK(mailbox_subscribe(f.account, STR("no/such"), false, &f.b.w, &s) == ERR_OK);
	CHECK(snapshot_mailbox(s, STR("no")) == NULL);
	test_wait_durable(&f, s);
	snapshot_unref(s);

	/* All of it is there after a restart. */
	account_unref(f.account);
	store_close(f.store);
	fixture_open_store(&f);
	CHECK(UNTIL_DONE(&f.b,
		  store_account_open(f.store, STR("joe"), ACCOUNT_EXISTING, &f.b.w, &f.account))
	    == ERR_OK);
	s = account_snapshot(f.account, NULL);
	CHECK(snapshot_mailbox(s, STR("x/y/b/c")) != NULL);
	CHECK(snapshot_mailbox(s, STR("x/y"))->has_children);
	CHECK(snapshot_mailbox(s, STR("Sent"))->is_subscribed);
	snapshot_unref(s);
	fixture_done(&f);
}

static void
test_renames_inbox(void)
{
	struct snapshot *s = NULL;
	struct mailbox_id inbox;
	struct fixture f;

	fixture_init(&f, false);
	inbox = test_box(&f, "INBOX");
	for (int i = 0; i < 3; i++) {
		snapshot_unref(s);
		test_append(&f, inbox, 0, &s);
	}
	snapshot_unref(s);
	CHECK(UNTIL_DONE(&f.b, mailbox_rename(f.account, STR("INBOX"), STR("old"), &f.b.w, &s))
	    == ERR_OK);
	CHECK_U64(snapshot_mailbox(s, STR("old"))->exists, 3);
	CHECK_U64(snapshot_mailbox(s, STR("INBOX"))->exists, 0);
	CHECK_U64(snapshot_mailbox(s, STR("INBOX"))->id.v, inbox.v);
	snapshot_unref(s);
	fixture_done(&f);
}

enum { MANY = 40 };

static void
never_woken(unused_arg struct waiter *w)
{
}

/* Opens all that are not yet open, once each. Returns how many have failed for good. */
static unsigned
open_many(struct fixture *f, struct account **accounts, struct waiter *waiters)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < MANY; i++) {
		char user[16];
		enum err e;

		if (accounts[i] != NULL)
			continue;
		snprintf(user, sizeof(user), "user%u", i);
		e = store_account_open(f->store, str_c(user), ACCOUNT_CREATE, &waiters[i],
		    &accounts[i]);
		failed += e != ERR_OK && e != ERR_WAIT;
	}
	return failed;
}

/*
 * Accounts that are made at the same time don't wait for each other; when one can't be made, the
 * others are all the same.
 */
static void
test_creates_many_accounts(void)
{
	static const uint64_t fails_at[] = { 0, 1, 30, 41, 45, 60, 81 };

	for (size_t n = 0; n < ARRAY_LEN(fails_at); n++) {
		struct account *accounts[MANY] = { NULL };
		struct waiter waiters[MANY];
		struct fixture f;
		unsigned rounds = 0;

		fixture_init_seed(&f, true, n + 1);
		for (unsigned i = 0; i < MANY; i++)
			waiter_init(&waiters[i], never_woken);
		CHECK_U64(open_many(&f, accounts, waiters), 0);
		kv_memory_fail_at(f.kv, fails_at[n], ERR_FULL);
		/* In turns: all ask, then everything that is on its way comes. */
		for (bool is_open = false; !is_open && rounds < 50; rounds++) {
			fixture_settle(&f);
			open_many(&f, accounts, waiters);
			is_open = true;
			for (unsigned i = 0; i < MANY; i++)
				is_open = is_open && accounts[i] != NULL;
			for (unsigned i = 0; i < MANY; i++)
				for (unsigned j = 0; is_open && j < i; j++)
					CHECK(
					    account_id(accounts[i]).v != account_id(accounts[j]).v);
		}
		CHECK(rounds < (fails_at[n] == 0 ? 8 : 20) || kv_is_failed(f.kv));
		for (unsigned i = 0; i < MANY; i++) {
			waiter_cancel(&waiters[i]);
			if (accounts[i] != NULL)
				account_unref(accounts[i]);
		}
		fixture_done(&f);
	}
}

TEST_MAIN(TEST(test_creates_account), TEST(test_creates_many_accounts),
    TEST(test_appends_and_views), TEST(test_stores_and_expunges), TEST(test_copies_and_moves),
    TEST(test_copies_across_accounts), TEST(test_retention), TEST(test_deletes_account),
    TEST(test_mailboxes), TEST(test_renames_inbox))

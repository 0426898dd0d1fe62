/*
 * sharing_test.c - the list of who shares something: what tests from outside can't bring about.
 */
#include "store/sharing.h"

#include "store/store_test_util.h"

#include <pthread.h>

static const struct identity bob = { .user = STR_INIT("bob") };

/* Joe shares his INBOX with bob. */
static void
share(struct fixture *f)
{
	struct snapshot *now = account_snapshot(f->account, NULL), *after = NULL;

	CHECK(mailbox_set_acl(f->account, snapshot_mailbox(now, STR("INBOX"))->id, STR("bob"),
		  ACL_REPLACE, RIGHT_L | RIGHT_R, &after)
	    == ERR_OK);
	snapshot_unref(now);
	snapshot_unref(after);
	fixture_settle(f);
}

static void
test_owners(void)
{
	struct shares *held = NULL;
	struct fixture f;
	struct str owner;

	fixture_init(&f, true);
	share(&f);
	CHECK(UNTIL_DONE(&f.b, shares_get(f.store, &bob, &f.b.w, &held)) == ERR_OK);
	CHECK(shares_owner(held, 0, &owner));
	CHECK_STR(owner, STR("joe"));
	CHECK(!shares_owner(held, 1, &owner));
	shares_drop(held);
	fixture_done(&f);
}

/* A client that has its answer and is gone before the load has let go of the list. */
struct hasty {
	struct waiter w;
	struct fixture *f;
	struct shares *held;
	enum err told;
};

static void *
ask_and_leave(void *arg)
{
	struct hasty *h = arg;

	h->told = shares_get(h->f->store, &bob, &h->w, &h->held);
	shares_drop(h->held);
	return NULL;
}

/* In a thread of its own, as a loop is: who wakes holds a lock. */
static void
on_loaded(struct waiter *w)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, ask_and_leave, container_of(w, struct hasty, w)) == 0);
	pthread_join(thread, NULL);
}

/* What was made of the rows meanwhile goes with them; a leak is for the sanitizer to see. */
static void
test_gone_before_the_load(void)
{
	struct fixture f;
	struct hasty h = { .f = &f, .told = ERR_BUG };

	fixture_init(&f, true);
	share(&f);
	waiter_init(&h.w, on_loaded);
	CHECK(shares_get(f.store, &bob, &h.w, &h.held) == ERR_WAIT);
	fixture_settle(&f);
	CHECK(h.told == ERR_OK);
	fixture_done(&f);
}

TEST_MAIN(TEST(test_owners), TEST(test_gone_before_the_load))

/*
 * steady_test.c - the clock jumps by ten years, and what was expunged is still kept for its time
 * and then goes.
 */
#include "store/account_int.h"
#include "store/message.h"
#include "store/store_test_util.h"

#define DAY_S (24 * 3600)
#define YEARS_S (3653 * (int64_t)DAY_S)

/* A machine whose clocks the test moves. */
static struct {
	struct clock clock;
	_Atomic int64_t wall_s, mono_s; /* the engine's thread reads them too */
} machine;

static int64_t
wall_ms(unused_arg struct clock *c)
{
	return machine.wall_s * 1000;
}

static int64_t
mono_us(unused_arg struct clock *c)
{
	return machine.mono_s * 1000000;
}

static void
open_store(struct fixture *f)
{
	struct store_options o = { .kv = f->kv,
		.clock = &machine.clock,
		.random = test_random,
		.retention_s = 7 * DAY_S };

	CHECK(store_open(&o, &f->store) == ERR_OK);
	CHECK(UNTIL_DONE(&f->b,
		  store_account_open(f->store, STR("joe"), ACCOUNT_CREATE, &f->b.w, &f->account))
	    == ERR_OK);
}

static void
close_store(struct fixture *f)
{
	account_unref(f->account);
	store_close(f->store);
}

/* Days of a running server, with housekeeping every hour. */
static void
run(struct fixture *f, int days)
{
	for (int hour = 0; hour < days * 24; hour++) {
		machine.wall_s += 3600;
		machine.mono_s += 3600;
		store_tick(f->store);
	}
}

/* A store in which a mailbox with a message was deleted just now; the message's blob. */
static struct blob_id
begin(struct fixture *f)
{
	struct kv_memory_options o = { .manual = false, .seed = 1 };
	struct snapshot *after = NULL;
	struct message *m = NULL;
	struct view *v = NULL;
	struct blob_id blob;
	struct entry e;

	*f = (struct fixture){ 0 };
	machine = (typeof(machine)){ .clock = { wall_ms, mono_us },
		.wall_s = 1800000000,
		.mono_s = 1000 };
	store_merge_functions(&o.base);
	CHECK(kv_memory_open(&o, &f->kv) == ERR_OK);
	blocker_init(&f->b, NULL);
	open_store(f);
	store_tick(f->store);
	test_append(f, test_box(f, "Trash"), 0, &after);
	CHECK(
	    UNTIL_DONE(&f->b, view_open(after, test_box(f, "Trash"), VIEW_READ_WRITE, &f->b.w, &v))
	    == ERR_OK);
	CHECK(view_entry(v, (struct uid){ 1 }, &e));
	CHECK(UNTIL_DONE(&f->b, message_get(f->account, e.msgno, MESSAGE_WHOLE, &f->b.w, &m))
	    == ERR_OK);
	blob = m->blob;
	message_unref(m);
	snapshot_unref(after);
	view_close(v);
	return blob;
}

static void
delete_trash(struct fixture *f)
{
	struct snapshot *after = NULL;

	CHECK(mailbox_delete(f->account, STR("Trash"), &f->b.w, &after) == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
}

static void
end(struct fixture *f)
{
	waiter_cancel(&f->b.w);
	close_store(f);
	kv_close(f->kv);
	arena_done(&f->a);
}

static bool
is_kept(struct fixture *f, const struct blob_id *blob)
{
	uint64_t links = 0;

	CHECK(kv_blob_links(f->kv, blob, &links) == ERR_OK);
	return links > 0;
}

static void
test_kept_for_its_time(void)
{
	struct fixture f;
	struct blob_id blob = begin(&f);

	delete_trash(&f);
	run(&f, 6);
	CHECK(is_kept(&f, &blob));
	run(&f, 2);
	CHECK(!is_kept(&f, &blob));
	CHECK_U64(store_clock_jump(f.store), 0);
	end(&f);
}

/* Time in which the server was switched off counts. */
static void
test_switched_off(void)
{
	struct fixture f;
	struct blob_id blob = begin(&f);

	delete_trash(&f);
	close_store(&f);
	machine.wall_s += 20 * DAY_S;
	machine.mono_s = 5;
	open_store(&f);
	store_tick(f.store);
	CHECK(!is_kept(&f, &blob));
	CHECK_U64(store_clock_jump(f.store), 0);
	end(&f);
}

static void
test_ten_years_ahead(void)
{
	struct fixture f;
	struct blob_id blob = begin(&f);

	delete_trash(&f);
	machine.wall_s += YEARS_S;
	store_tick(f.store);
	CHECK(store_clock_jump(f.store) == YEARS_S * 1000);
	run(&f, 3);
	CHECK(is_kept(&f, &blob));
	CHECK_U64(store_clock_jump(f.store), 0);
	/* The next process knows of it too. */
	close_store(&f);
	machine.mono_s = 5;
	open_store(&f);
	run(&f, 3);
	CHECK(is_kept(&f, &blob));
	run(&f, 2);
	CHECK(!is_kept(&f, &blob));
	end(&f);
}

/* A machine that starts with a wrong clock, which is set right a little later. */
static void
test_started_ten_years_ahead(void)
{
	struct fixture f;
	struct blob_id blob = begin(&f);

	delete_trash(&f);
	close_store(&f);
	machine.wall_s += YEARS_S;
	machine.mono_s = 5;
	open_store(&f);
	run(&f, 1);
	CHECK(is_kept(&f, &blob));
	machine.wall_s -= YEARS_S;
	run(&f, 6);
	CHECK(is_kept(&f, &blob));
	run(&f, 2);
	CHECK(!is_kept(&f, &blob));
	end(&f);
}

/* What was deleted before is of the future now, and goes when its time has surely passed. */
static void
test_ten_years_back(void)
{
	struct fixture f;
	struct blob_id blob = begin(&f);

	delete_trash(&f);
	machine.wall_s -= YEARS_S;
	store_tick(f.store);
	CHECK(store_clock_jump(f.store) == -YEARS_S * 1000);
	run(&f, 6);
	CHECK(is_kept(&f, &blob));
	run(&f, 2);
	CHECK(!is_kept(&f, &blob));
	end(&f);
}

/* Deleted while the clock was ten years behind, and set right. */
static void
test_deleted_in_the_past(void)
{
	struct fixture f;
	struct blob_id blob = begin(&f);

	machine.wall_s -= YEARS_S;
	run(&f, 1);
	delete_trash(&f);
	run(&f, 1);
	machine.wall_s += YEARS_S;
	run(&f, 6);
	CHECK(is_kept(&f, &blob));
	run(&f, 2);
	CHECK(!is_kept(&f, &blob));
	end(&f);
}

TEST_MAIN(TEST(test_kept_for_its_time), TEST(test_switched_off), TEST(test_ten_years_ahead),
    TEST(test_started_ten_years_ahead), TEST(test_ten_years_back), TEST(test_deleted_in_the_past))

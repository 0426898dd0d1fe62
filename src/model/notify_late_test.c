/*
 * notify_late_test.c - a client that asks for news by NOTIFY and then does not read (RFC 5465 5.8):
 * after so many changes nothing is kept for it any more, whatever its session was doing when the
 * output was full; and when it reads again it is told so.
 */
#include "model/sim.h"

#include "kv/kv.h"
#include "session/notify.h"
#include "store/account_int.h"

#include <malloc.h>

enum { FILL_MAX = 3000, LEVEL_BYTES = 400, BIG_BYTES = 2 * 1024 * 1024 };

enum { SELECTED_CHANGES = 10000, SELECTED_BYTES = 64 * 1024 };

#define ALL_NEWS "a NOTIFY SET (personal (MessageNew MessageExpunge FlagChange))"

static struct {
	struct sim sim;
	struct kv *kv;
	struct account *account;
	struct sim_conn deaf, other;
	uint32_t changes;
} world;

static bool
has(struct str line, const char *words)
{
	return memmem(line.p, line.n, words, strlen(words)) != NULL;
}

/* Takes all that has come; how many lines have these words. */
static uint32_t
lines_with(struct sim_conn *c, const char *words)
{
	struct str line;
	uint32_t n = 0;

	while (line = sim_line(c), line.p != NULL) {
		n += has(line, words);
		sim_consume(c, line);
	}
	return n;
}

static void
ask(struct sim_conn *c, const char *command)
{
	sim_send(c, str_c(command));
	sim_send(c, STR("\r\n"));
	sim_settle(&world.sim);
}

static void
must_do(struct sim_conn *c, const char *command)
{
	ask(c, command);
	if (!CHECK_U64(lines_with(c, "a OK "), 1))
		printf("#  %.60s\n", command);
}

static void
add_message(const char *mailbox, size_t bytes)
{
	BUF_CLEAN struct buf b = BUF_MAX(BIG_BYTES + 4096);

	buf_printf(&b, "a APPEND %s {%zu+}\r\n", mailbox, bytes);
	for (size_t i = 0; i < bytes; i++)
		buf_chr(&b, i % 64 == 63 ? '\n' : 'x');
	sim_send(&world.other, buf_str(&b));
	must_do(&world.other, "");
}

static void
change(void)
{
	must_do(&world.other,
	    world.changes++ % 2 == 0 ? "a STORE 1 +FLAGS.SILENT (\\Seen)"
				     : "a STORE 1 -FLAGS.SILENT (\\Seen)");
}

/* Whether somebody else holds it. */
static bool
is_held(const struct snapshot *s)
{
	return atomic_load(&s->refs) > 1;
}

static void
wake_nobody(unused_arg struct waiter *w)
{
}

static void
open_account(void)
{
	struct waiter w;

	waiter_init(&w, wake_nobody);
	while (store_account_open(world.sim.store, STR("joe"), ACCOUNT_EXISTING, &w, &world.account)
	    == ERR_WAIT)
		must(sim_wait(&world.sim));
	waiter_cancel(&w);
}

static void
name_long(char name[LEVEL_BYTES * 2 + 2])
{
	memset(name, 'n', LEVEL_BYTES * 2 + 1);
	name[LEVEL_BYTES] = '/';
	name[LEVEL_BYTES * 2 + 1] = '\0';
}

static void
select_long(struct sim_conn *c)
{
	char name[LEVEL_BYTES * 2 + 2], line[LEVEL_BYTES * 3];

	name_long(name);
	snprintf(line, sizeof(line), "a SELECT %s", name);
	must_do(c, line);
}

/* The other changes flags in a mailbox whose name makes long lines; the deaf one is in INBOX. */
static void
begin(const char *notify)
{
	char name[LEVEL_BYTES * 2 + 2], line[LEVEL_BYTES * 3];

	name_long(name);
	world.changes = 0;
	world.kv = sim_memory(1);
	sim_open(&world.sim, world.kv, true, 1);
	world.sim.patience = 0;
	sim_connect(&world.sim, &world.deaf);
	sim_connect(&world.sim, &world.other);
	must_do(&world.deaf, "a LOGIN joe secret");
	must_do(&world.other, "a LOGIN joe secret");
	open_account();
	add_message("INBOX", BIG_BYTES);
	snprintf(line, sizeof(line), "a CREATE %s", name);
	must_do(&world.other, line);
	add_message(name, 10);
	select_long(&world.other);
	must_do(&world.deaf, "a SELECT INBOX");
	must_do(&world.deaf, notify);
	world.deaf.is_deaf = true;
}

/*
 * What somebody holds is held until so many changes have gone by, and no longer. Then the client
 * reads, and is told of it once; and of nothing from then on, until it asks again.
 */
static void
check_given_up(struct snapshot *was)
{
	struct sim_conn *c = &world.deaf;

	for (uint32_t i = 0; i < NOTIFY_BEHIND_MAX; i++)
		change();
	CHECK(is_held(was));
	change();
	CHECK(!is_held(was));
	snapshot_unref(was);
	c->is_deaf = false;
	sim_settle(&world.sim);
	CHECK_U64(lines_with(c, "* OK [NOTIFICATIONOVERFLOW] "), 1);
	change();
	CHECK(sim_line(c).p == NULL);
}

static void
end(void)
{
	select_long(&world.other);
	must_do(&world.deaf, ALL_NEWS);
	change();
	CHECK_U64(lines_with(&world.deaf, "* STATUS "), 1);
	account_unref(world.account);
	sim_close(&world.sim);
	kv_close(world.kv);
}

/* Changes until what was before one stays with the client that does not take the news of it. */
static struct snapshot *
fill(void)
{
	for (uint32_t i = 0; i < FILL_MAX; i++) {
		struct snapshot *was = account_snapshot(world.account, NULL);

		change();
		if (is_held(was))
			return was;
		snapshot_unref(was);
	}
	must(false);
	return NULL;
}

static void
test_between_commands(void)
{
	begin(ALL_NEWS);
	check_given_up(fill());
	end();
}

static void
test_in_idle(void)
{
	begin(ALL_NEWS);
	ask(&world.deaf, "a IDLE");
	check_given_up(fill());
	ask(&world.deaf, "DONE");
	CHECK_U64(lines_with(&world.deaf, "a OK "), 1);
	end();
}

static void
test_in_command(void)
{
	begin(ALL_NEWS);
	ask(&world.deaf, "b FETCH 1 BODY.PEEK[]");
	check_given_up(account_snapshot(world.account, NULL));
	end();
}

/* Each command alone fits, and there is always another one. */
static void
test_pipelined(void)
{
	begin(ALL_NEWS);
	for (int i = 0; i < 20; i++)
		sim_send(&world.deaf, STR("b FETCH 1 BODY.PEEK[]<0.100000>\r\n"));
	sim_settle(&world.sim);
	check_given_up(account_snapshot(world.account, NULL));
	end();
}

static void
test_in_fetch_of_news(void)
{
	struct snapshot *was;

	begin("a NOTIFY SET (selected (MessageNew (UID BODY.PEEK[]) MessageExpunge)) "
	      "(personal (MessageNew MessageExpunge FlagChange))");
	was = account_snapshot(world.account, NULL);
	add_message("INBOX", BIG_BYTES);
	check_given_up(was);
	end();
}

/* A client that takes something now and then is late, and told all in the end. */
static void
test_slow(void)
{
	struct sim_conn *c = &world.deaf;

	begin(ALL_NEWS);
	ask(c, "b FETCH 1 BODY.PEEK[]");
	for (int i = 0; i < 3; i++) {
		for (uint32_t j = 0; j < NOTIFY_BEHIND_MAX - 1; j++)
			change();
		for (size_t from = c->in.n; c->in.n < from + STREAM_OUTPUT_HIGH * 2;) {
			sim_pull(c);
			sim_turn(&world.sim);
		}
	}
	c->is_deaf = false;
	sim_settle(&world.sim);
	CHECK_U64(lines_with(c, "NOTIFICATIONOVERFLOW"), 0);
	change();
	CHECK_U64(lines_with(c, "* STATUS "), 1);
	end();
}

/*
 * A client that is told of the selected mailbox only is never given up, for nothing heaps up: of
 * all that goes by its session holds the one version that it was told up to, as that of every
 * client does that has selected a mailbox.
 */
static void
check_nothing_heaps_up(void)
{
	struct sim_conn *c = &world.deaf;
	size_t before = 0, after;
	uint32_t told;

	for (uint32_t i = 0; i < 2 * SELECTED_CHANGES; i++) {
		change();
		if (i == SELECTED_CHANGES)
			before = mallinfo2().uordblks;
	}
	after = mallinfo2().uordblks;
	c->is_deaf = false;
	sim_settle(&world.sim);
	told = lines_with(c, "* 1 FETCH (FLAGS ");
	printf("# %d changes, of which %u were told: %zu bytes more than after half of them\n",
	    2 * SELECTED_CHANGES, told, after - MIN(before, after));
	CHECK(told > 0 && told < SELECTED_CHANGES);
	CHECK(after < before + SELECTED_BYTES);
	change();
	CHECK_U64(lines_with(c, "\\Seen"), 1);
	change();
	CHECK_U64(lines_with(c, "* 1 FETCH (FLAGS ("), 1);
}

#define SELECTED_NEWS "a NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))"

static void
test_selected_only(void)
{
	begin(SELECTED_NEWS);
	must_do(&world.other, "a SELECT INBOX");
	check_nothing_heaps_up();
	end();
}

static void
test_selected_only_in_idle(void)
{
	begin(SELECTED_NEWS);
	must_do(&world.other, "a SELECT INBOX");
	ask(&world.deaf, "a IDLE");
	check_nothing_heaps_up();
	ask(&world.deaf, "DONE");
	CHECK_U64(lines_with(&world.deaf, "a OK "), 1);
	end();
}

static void
test_selected_only_in_command(void)
{
	begin(SELECTED_NEWS);
	must_do(&world.other, "a SELECT INBOX");
	ask(&world.deaf, "b FETCH 1 BODY.PEEK[]");
	check_nothing_heaps_up();
	end();
}

TEST_MAIN(TEST(test_between_commands), TEST(test_in_idle), TEST(test_in_command),
    TEST(test_pipelined), TEST(test_in_fetch_of_news), TEST(test_slow), TEST(test_selected_only),
    TEST(test_selected_only_in_idle), TEST(test_selected_only_in_command))

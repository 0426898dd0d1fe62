/*
 * move_test.c - when a session goes aside and when it comes back, on a clock that the test moves:
 * what is counted are microseconds of it, so that nothing depends on the machine.
 */
#include "base/test.h"
#include "session/server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct test_clock {
	struct clock clock;
	int64_t now_us, work_us; /* work_us: what passes between two looks at it */
};

static int64_t
test_mono(struct clock *c)
{
	struct test_clock *t = container_of(c, struct test_clock, clock);

	t->now_us += t->work_us;
	return t->now_us;
}

static int64_t
test_wall(struct clock *c)
{
	return 1700000000000 + container_of(c, struct test_clock, clock)->now_us / 1000;
}

/* A server with one loop and one aside, both turned by the test, and one client. */
struct world {
	struct test_clock clock;
	struct kv *kv;
	struct store *store;
	struct loop *loop, *aside;
	struct server *server;
	int fd;
	unsigned answers;
};

static void
test_random(void *p, size_t n)
{
	memset(p, 7, n);
}

static void
never_woken(unused_arg struct waiter *w)
{
}

static struct account *
open_account(struct world *w)
{
	struct account *a = NULL;
	struct waiter waiter;

	waiter_init(&waiter, never_woken);
	must(store_account_open(w->store, STR("joe"), ACCOUNT_CREATE, &waiter, &a) == ERR_WAIT);
	while (store_account_open(w->store, STR("joe"), ACCOUNT_CREATE, &waiter, &a) == ERR_WAIT)
		loop_turn(w->loop, false);
	waiter_cancel(&waiter);
	return a;
}

static void
world_init(struct world *w)
{
	struct kv_memory_options kvo = { .seed = 1 };
	struct server_options o;
	int fds[2];

	*w = (struct world){ .clock = { .clock = { .mono_us = test_mono, .wall_ms = test_wall },
				 .now_us = 1000000 } };
	store_merge_functions(&kvo.base);
	kvo.base.clock = &w->clock.clock;
	must(kv_memory_open(&kvo, &w->kv) == ERR_OK);
	must(store_open(&(struct store_options){ .kv = w->kv,
			    .clock = &w->clock.clock,
			    .random = test_random },
		 &w->store)
	    == ERR_OK);
	w->loop = loop_new(&w->clock.clock);
	w->aside = loop_new(&w->clock.clock);
	o = (struct server_options){ .store = w->store,
		.loops = &w->loop,
		.loop_count = 1,
		.asides = &w->aside,
		.aside_count = 1 };
	w->server = server_new(&o);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	w->fd = fds[0];
	server_serve_preauth(w->server, w->loop, fds[1], STR("joe"), open_account(w));
}

static void
world_done(struct world *w)
{
	close(w->fd);
	server_free(w->server);
	loop_free(w->loop);
	loop_free(w->aside);
	store_close(w->store);
	kv_close(w->kv);
}

/* Counts the answers that came. */
static void
take(struct world *w)
{
	char data[4096];
	ssize_t n;

	while ((n = read(w->fd, data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < n; i++)
			w->answers += data[i] == 'K'; /* of "OK", one an answer */
}

static void
turn(struct world *w)
{
	loop_turn(w->loop, false);
	loop_turn(w->aside, false);
	take(w);
}

/* A NOOP is answered, in no time. */
static void
ask(struct world *w)
{
	const unsigned before = w->answers;

	must(write(w->fd, "1 NOOP\r\n", 8) == 8);
	for (int i = 0; i < 100 && w->answers == before; i++)
		turn(w);
	CHECK(w->answers > before);
	turn(w);
}

/* The client asks for so much that its session goes aside. When: between the two. */
static void
go_aside(struct world *w, int64_t *from_us, int64_t *to_us)
{
	w->clock.work_us = 10;
	for (int i = 0; i < 10000 && server_aside_count(w->server) == 0; i++) {
		if (write(w->fd, "1 NOOP\r\n1 NOOP\r\n1 NOOP\r\n", 24) < 0)
			must(errno == EAGAIN);
		*from_us = w->clock.now_us;
		loop_turn(w->loop, false);
		*to_us = w->clock.now_us;
		take(w);
	}
	w->clock.work_us = 0;
	CHECK_U64(server_aside_count(w->server), 1);
}

/* What it had asked for is answered there, in no time. */
static void
answer_the_rest(struct world *w)
{
	for (unsigned quiet = 0, before = w->answers; quiet < 3; before = w->answers) {
		turn(w);
		quiet = w->answers == before ? quiet + 1 : 0;
	}
}

/*
 * The loop aside does not know what the account has had before, so it stays for 20 ms in any case;
 * with the first command after that it goes back, and not before.
 */
static void
test_stays_for_20_ms(void)
{
	struct world w;
	int64_t from_us, to_us;

	world_init(&w);
	for (int round = 0; round < 2; round++) {
		go_aside(&w, &from_us, &to_us);
		CHECK(to_us - from_us < 500);
		answer_the_rest(&w);
		for (w.clock.now_us = to_us; w.clock.now_us < from_us + 20000;
		     w.clock.now_us += 1000) {
			ask(&w);
			CHECK_U64(server_aside_count(w.server), 1);
		}
		w.clock.now_us = from_us + 19999;
		ask(&w);
		CHECK_U64(server_aside_count(w.server), 1);
		w.clock.now_us = to_us + 20000;
		ask(&w);
		CHECK_U64(server_aside_count(w.server), 0);
		ask(&w);
		w.clock.now_us += 1000000; /* and rests */
	}
	world_done(&w);
}

/* Who goes on asking for much there stays for longer, until he has rested. */
static void
test_stays_until_it_rests(void)
{
	struct world w;
	int64_t from_us, to_us, until_us;

	world_init(&w);
	go_aside(&w, &from_us, &to_us);
	answer_the_rest(&w);
	w.clock.work_us = 100;
	while (w.clock.now_us < to_us + 60000)
		ask(&w);
	w.clock.work_us = 0;
	ask(&w);
	CHECK_U64(server_aside_count(w.server), 1);
	until_us = w.clock.now_us + 1000000;
	while (server_aside_count(w.server) > 0 && w.clock.now_us < until_us) {
		w.clock.now_us += 1000;
		ask(&w);
	}
	CHECK_U64(server_aside_count(w.server), 0);
	CHECK(w.clock.now_us > to_us + 60000);
	world_done(&w);
}

TEST_MAIN(TEST(test_stays_for_20_ms), TEST(test_stays_until_it_rests))

/* loop_test.c - tasks, timers on a virtual clock, jobs, address prefixes. */
#include "io/loop.h"

#include "base/arena.h"
#include "base/test.h"
#include "io/jobs.h"
#include "io/prefix.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

struct test_clock {
	struct clock clock;
	int64_t now_us;
};

static int64_t
test_mono(struct clock *c)
{
	return container_of(c, struct test_clock, clock)->now_us;
}

static char order[64];
static size_t order_n;

static void
note(char c)
{
	if (order_n < sizeof(order))
		order[order_n++] = c;
}

struct named_timer {
	struct loop_timer timer;
	char name;
};

static void
timer_note(struct loop_timer *t)
{
	note(container_of(t, struct named_timer, timer)->name);
}

static void
test_timers_in_order(void)
{
	struct test_clock c = { .clock = { .mono_us = test_mono, .wall_ms = test_mono } };
	struct loop *l = loop_new(&c.clock);
	struct named_timer t[26];
	static const int after[26] = { 9, 3, 25, 1, 14, 7, 7, 2, 30, 21, 5, 11, 28, 4, 19, 16, 8, 23, 13, 6, 27, 10, 12, 15, 29, 18 };

	order_n = 0;
	for (int i = 0; i < 26; i++) {
		t[i].name = (char)('a' + i);
		loop_timer_init(&t[i].timer, timer_note);
		loop_timer_set(l, &t[i].timer, after[i]);
	}
	loop_timer_cancel(l, &t[3].timer);	/* d: the first */
	loop_timer_cancel(l, &t[8].timer);	/* i: the last */
	loop_timer_set(l, &t[2].timer, 0);	/* c: from near the end to the front */
	for (int ms = 0; ms <= 40; ms++) {
		c.now_us = ms * 1000;
		loop_turn(l, false);
	}
	CHECK_U64(order_n, 24);
	CHECK(order[0] == 'c');
	for (size_t i = 2; i < order_n; i++)
		CHECK(after[order[i - 1] - 'a'] <= after[order[i] - 'a']);
	loop_free(l);
}

struct named_task {
	struct loop_task task;
	struct loop *loop;
	char name;
	int again;
};

static void
task_note(struct loop_task *t)
{
	struct named_task *n = container_of(t, struct named_task, task);

	note(n->name);
	if (n->again-- > 0)
		loop_post(n->loop, t);
}

static void
test_tasks_in_order_and_cancelled(void)
{
	struct loop *l = loop_new(clock_system());
	struct named_task t[4];

	order_n = 0;
	for (int i = 0; i < 4; i++) {
		t[i] = (struct named_task){ .loop = l, .name = (char)('a' + i), .again = i == 0 ? 2 : 0 };
		loop_task_init(&t[i].task, task_note);
		loop_post(l, &t[i].task);
		loop_post(l, &t[i].task);
	}
	loop_task_cancel(l, &t[3].task);
	loop_task_cancel(l, &t[1].task);
	loop_turn(l, false);
	CHECK_STR(str_make(order, order_n), STR("ac"));
	loop_turn(l, true);
	loop_turn(l, false);
	loop_turn(l, false);
	CHECK_STR(str_make(order, order_n), STR("acaa"));
	loop_post(l, &t[1].task);
	loop_task_cancel(l, &t[1].task);
	loop_post(l, &t[3].task);
	loop_turn(l, false);
	CHECK_STR(str_make(order, order_n), STR("acaad"));
	loop_free(l);
}

struct counter {
	struct loop_task task;
	struct loop *loop;
	int runs;
};

static void
count_run(struct loop_task *t)
{
	struct counter *c = container_of(t, struct counter, task);

	c->runs++;
}

static void *
post_many(void *arg)
{
	struct counter *c = arg;

	for (int i = 0; i < 10000; i++)
		loop_post(c->loop, &c->task);
	loop_stop(c->loop);
	return NULL;
}

static void
test_posts_from_threads(void)
{
	struct loop *l = loop_new(clock_system());
	struct counter c[3];
	pthread_t threads[3];

	for (int i = 0; i < 3; i++) {
		c[i] = (struct counter){ .loop = l };
		loop_task_init(&c[i].task, count_run);
		pthread_create(&threads[i], NULL, post_many, &c[i]);
	}
	loop_run(l);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	loop_turn(l, false);
	loop_turn(l, false);
	for (int i = 0; i < 3; i++) {
		CHECK(c[i].runs > 0);
		CHECK(!atomic_load(&c[i].task.is_posted));
	}
	loop_free(l);
}

struct square {
	struct job job;
	uint64_t n, result;
	uint64_t *sum;
	int *left;
};

static void
square_run(struct job *j)
{
	struct square *s = container_of(j, struct square, job);

	s->result = s->n * s->n;
}

static void
square_done(struct job *j)
{
	struct square *s = container_of(j, struct square, job);

	*s->sum += s->result;
	(*s->left)--;
	free(s);
}

static void
test_jobs_come_back(void)
{
	struct loop *l = loop_new(clock_system());
	struct jobs *p = jobs_new(2, 8);
	uint64_t sum = 0, want = 0;
	int left = 0;

	for (uint64_t i = 1; i <= 2000; ) {
		struct square *s = xcalloc(1, sizeof(*s));

		*s = (struct square){ .job = { .run = square_run, .done = square_done }, .n = i, .sum = &sum, .left = &left };
		left++;
		if (jobs_submit(p, &s->job, l) == ERR_OK) {
			want += i * i;
			i++;
			continue;
		}
		left--;
		free(s);
		loop_turn(l, true);	/* full: something will come back */
	}
	while (left > 0)
		loop_turn(l, true);
	CHECK_U64(sum, want);
	jobs_free(p);
	loop_free(l);
}

static struct io_addr
addr_of(const char *text)
{
	struct io_addr a = { .n = sizeof(struct sockaddr_in6) };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a.sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a.sa;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(143);
		a.n = sizeof(*v4);
	} else {
		inet_pton(AF_INET6, text, &v6->sin6_addr);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(993);
	}
	return a;
}

static void
test_addresses(void)
{
	char text[IO_ADDR_TEXT_MAX];
	struct io_addr a = addr_of("192.0.2.7"), mapped = addr_of("::ffff:192.0.2.7"), v6 = addr_of("2001:db8::1");

	CHECK_STR(io_addr_text(&a, true, text), STR("192.0.2.7:143"));
	CHECK_STR(io_addr_text(&mapped, false, text), STR("192.0.2.7"));
	CHECK_STR(io_addr_text(&v6, true, text), STR("[2001:db8::1]:993"));
	a = addr_of("127.1.2.3");
	CHECK(io_addr_is_local(&a));
	a = addr_of("::1");
	CHECK(io_addr_is_local(&a));
	CHECK(!io_addr_is_local(&v6));
}

static void
test_prefix_limit(void)
{
	struct prefix_limit *p = prefix_limit_new(2);
	struct io_addr a = addr_of("192.0.2.7"), b = addr_of("::ffff:192.0.2.7"), c = addr_of("2001:db8::1"),
		d = addr_of("2001:db8::2"), e = addr_of("2001:db8:0:1::2"), local = addr_of("127.0.0.1");

	CHECK(prefix_enter(p, &a));
	CHECK(prefix_enter(p, &b));
	CHECK(!prefix_enter(p, &a));
	CHECK(prefix_enter(p, &c));
	CHECK(prefix_enter(p, &d));
	CHECK(!prefix_enter(p, &d));
	CHECK(prefix_enter(p, &e));
	prefix_leave(p, &b);
	CHECK(prefix_enter(p, &a));
	for (int i = 0; i < 10; i++)
		CHECK(prefix_enter(p, &local));
	prefix_limit_free(p);
}

TEST_MAIN(TEST(test_timers_in_order), TEST(test_tasks_in_order_and_cancelled), TEST(test_posts_from_threads),
	TEST(test_jobs_come_back), TEST(test_addresses), TEST(test_prefix_limit))

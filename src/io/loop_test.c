/* loop_test.c - tasks, timers on a virtual clock, jobs, address prefixes. */
#include "io/loop.h"

#include "base/arena.h"
#include "base/lanes.h"
#include "base/test.h"
#include "io/jobs.h"
#include "io/prefix.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

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
	static const int after[26] = { 9, 3, 25, 1, 14, 7, 7, 2, 30, 21, 5, 11, 28, 4, 19, 16, 8,
		23, 13, 6, 27, 10, 12, 15, 29, 18 };

	order_n = 0;
	for (int i = 0; i < 26; i++) {
		t[i].name = (char)('a' + i);
		loop_timer_init(&t[i].timer, timer_note);
		loop_timer_set(l, &t[i].timer, after[i]);
	}
	loop_timer_cancel(l, &t[3].timer); /* d: the first */
	loop_timer_cancel(l, &t[8].timer); /* i: the last */
	loop_timer_set(l, &t[2].timer, 0); /* c: from near the end to the front */
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
		t[i] = (struct named_task){ .loop = l,
			.name = (char)('a' + i),
			.again = i == 0 ? 2 : 0 };
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

struct chained {
	struct loop_task task;
	struct loop *loop;
	struct chained *next;
	int runs;
};

static void
chain_run(struct loop_task *t)
{
	struct chained *c = container_of(t, struct chained, task);

	c->runs++;
	if (c->next != NULL)
		loop_post(c->loop, &c->next->task);
}

/* What comes of a task's run is done in the same turn, but no task runs twice in one. */
static void
test_rounds_of_tasks(void)
{
	struct loop *l = loop_new(clock_system());
	struct chained c[6];

	for (int i = 0; i < 6; i++) {
		c[i] = (struct chained){ .loop = l, .next = i < 5 ? &c[i + 1] : NULL };
		loop_task_init(&c[i].task, chain_run);
	}
	c[2].next = &c[0];
	loop_post(l, &c[0].task);
	loop_post(l, &c[4].task);
	loop_turn(l, false);
	for (int i = 0; i < 6; i++)
		CHECK(c[i].runs == (i != 3));
	c[2].next = NULL;
	loop_turn(l, false);
	CHECK(c[2].runs == 2);
	loop_post(l, &c[3].task);
	loop_task_cancel(l, &c[3].task);
	loop_turn(l, false);
	CHECK(c[3].runs == 0);
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

	for (uint64_t i = 1; i <= 2000;) {
		struct square *s = xcalloc(1, sizeof(*s));

		*s = (struct square){ .job = { .run = square_run, .done = square_done },
			.n = i,
			.sum = &sum,
			.left = &left };
		left++;
		if (jobs_submit(p, &s->job, l) == ERR_OK) {
			want += i * i;
			i++;
			continue;
		}
		left--;
		free(s);
		loop_turn(l, true); /* full: something will come back */
	}
	while (left > 0)
		loop_turn(l, true);
	CHECK_U64(sum, want);
	jobs_spend(p, 7, 1000000, 50000);
	CHECK(jobs_has_overspent(p, 7, 1100000));
	CHECK(!jobs_has_overspent(p, 8, 1100000));
	CHECK(!jobs_has_overspent(p, 7, 1300000));
	jobs_free(p);
	loop_free(l);
}

/* A job that waits until it may end. */
struct guest {
	struct job job;
	struct hall *hall;
};

struct hall {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned in[2], most[2], left; /* of each owner: now, and at any time */
	bool is_open;
};

static void
guest_run(struct job *j)
{
	struct guest *g = container_of(j, struct guest, job);
	struct hall *h = g->hall;

	pthread_mutex_lock(&h->lock);
	h->in[j->owner]++;
	h->most[j->owner] = MAX(h->most[j->owner], h->in[j->owner]);
	pthread_cond_broadcast(&h->changed);
	while (!h->is_open)
		pthread_cond_wait(&h->changed, &h->lock);
	h->in[j->owner]--;
	h->left--;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

/* However many jobs an owner has, there are threads for another's. */
static void
test_jobs_leave_threads_to_others(void)
{
	struct jobs *p = jobs_new_nice(4, 2, 100);
	struct hall h = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.left = 40 };
	struct guest guests[40];

	for (size_t i = 0; i < ARRAY_LEN(guests); i++) {
		guests[i] = (struct guest){ .job = { .run = guest_run, .owner = i < 35 ? 0 : 1 },
			.hall = &h };
		CHECK(jobs_submit(p, &guests[i].job, NULL) == ERR_OK);
	}
	pthread_mutex_lock(&h.lock);
	while (h.in[0] < 2 || h.in[1] < 2)
		pthread_cond_wait(&h.changed, &h.lock);
	h.is_open = true;
	pthread_cond_broadcast(&h.changed);
	while (h.left > 0)
		pthread_cond_wait(&h.changed, &h.lock);
	pthread_mutex_unlock(&h.lock);
	CHECK_U64(h.most[0], 2);
	CHECK_U64(h.most[1], 2);
	jobs_free(p);
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
	struct io_addr a = addr_of("192.0.2.7"), mapped = addr_of("::ffff:192.0.2.7"),
		       v6 = addr_of("2001:db8::1");

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
	struct io_addr a = addr_of("192.0.2.7"), b = addr_of("::ffff:192.0.2.7"),
		       c = addr_of("2001:db8::1"), d = addr_of("2001:db8::2"),
		       e = addr_of("2001:db8:0:1::2"), local = addr_of("127.0.0.1");

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

static char
taken(struct lanes *l, const struct lane_item *items)
{
	struct lane_item *i = lanes_take(l);

	return i == NULL ? '-' : (char)('a' + (i - items));
}

static void
test_lanes_rotate(void)
{
	static struct lanes l;
	struct lane_item items[8] = { 0 };

	for (int i = 0; i < 5; i++)
		lanes_add(&l, &items[i], 7);
	lanes_add(&l, &items[5], 9);
	lanes_add(&l, &items[6], 9);
	lanes_add(&l, &items[7], 11);
	lanes_add(&l, &items[7], 11); /* is there already */
	lanes_remove(&l, &items[1]);
	lanes_remove(&l, &items[4]); /* the last of its lane */
	for (const char *want = "afhcgd-"; *want != '\0'; want++)
		CHECK(taken(&l, items) == *want);
	CHECK(lanes_is_empty(&l));
	for (int i = 0; i < 3; i++)
		lanes_add(&l, &items[i], (uint64_t)i);
	for (int i = 2; i >= 0; i--)
		lanes_remove(&l, &items[i]);
	lanes_remove(&l, &items[0]);
	CHECK(lanes_is_empty(&l) && taken(&l, items) == '-');
}

static void
test_lanes_are_held(void)
{
	static struct lanes l;
	struct lane_item items[4] = { 0 };
	uint16_t held;

	lanes_add(&l, &items[0], 7);
	lanes_add(&l, &items[1], 7);
	held = items[0].lane;
	lanes_hold(&l, held);
	lanes_hold(&l, held);
	CHECK(lanes_is_empty(&l) && taken(&l, items) == '-');
	lanes_add(&l, &items[2], 9);
	lanes_add(&l, &items[3], 7);
	lanes_remove(&l, &items[1]);
	CHECK(taken(&l, items) == 'c' && taken(&l, items) == '-');
	CHECK(lanes_let_go(&l, held) && !lanes_let_go(&l, held));
	CHECK(taken(&l, items) == 'a');
	lanes_hold(&l, held);
	lanes_remove(&l, &items[3]);
	CHECK(!lanes_let_go(&l, held) && lanes_is_empty(&l));
	lanes_hold(&l, held);
	lanes_add(&l, &items[0], 7);
	CHECK(lanes_is_empty(&l) && lanes_let_go(&l, held) && taken(&l, items) == 'a');
}

static void
test_lanes_count_what_was_spent(void)
{
	static struct lanes l;

	lanes_spend(&l, 7, 1000000, 2000);
	CHECK(!lanes_has_overspent(&l, 7, 1000000));
	lanes_spend(&l, 7, 1000000, 1000);
	CHECK(lanes_has_overspent(&l, 7, 1000000));
	CHECK(!lanes_has_overspent(&l, 8, 1000000));
	CHECK(!lanes_has_overspent(&l, 7, 1000000 + 4 * 1000));
	lanes_spend(&l, 7, 1010000, 3600000000);
	CHECK(lanes_has_overspent(&l, 7, 1010000 + 300000));
	CHECK(!lanes_has_overspent(&l, 7, 1010000 + 500000));
	CHECK(lanes_has_rested(&l, 7, 1010000 + 500000));
	lanes_spend(&l, 7, 2000000, 20000);
	CHECK(!lanes_has_squandered(&l, 7, 2000000) && !lanes_has_rested(&l, 7, 2000000));
	lanes_spend(&l, 7, 2000000, 1000);
	CHECK(lanes_has_squandered(&l, 7, 2000000));
	CHECK(!lanes_has_rested(&l, 7, 2083990) && lanes_has_rested(&l, 7, 2084000));
}

struct long_work {
	struct loop_share share;
	struct loop *loop;
	uint64_t owner;
	int steps;
	char name;
};

static void
long_work_step(struct loop_share *s)
{
	struct long_work *w = container_of(s, struct long_work, share);

	note(w->name);
	if (--w->steps > 0)
		loop_share_post(w->loop, s, w->owner);
}

/* Long work of others costs a short task one step, however many of them there are. */
static void
test_shares_one_a_turn(void)
{
	struct test_clock c = { .clock = { .mono_us = test_mono, .wall_ms = test_mono } };
	struct loop *l = loop_new(&c.clock);
	struct long_work w[4];

	order_n = 0;
	for (int i = 0; i < 4; i++) {
		w[i] = (struct long_work){ .loop = l,
			.owner = i < 3 ? 1 : 2,
			.steps = 2,
			.name = (char)('a' + i) };
		loop_share_init(&w[i].share, long_work_step);
		loop_share_post(l, &w[i].share, w[i].owner);
	}
	loop_turn(l, true);
	CHECK_STR(str_make(order, order_n), STR("a"));
	loop_share_cancel(l, &w[1].share);
	for (int i = 0; i < 5; i++)
		loop_turn(l, true); /* does not block while there are shares */
	CHECK_STR(str_make(order, order_n), STR("adcdac"));
	loop_turn(l, false);
	CHECK_U64(order_n, 6);
	loop_free(l);
}

struct flood {
	struct loop_fd readable;
	int left, seen;
};

static void
flood_ready(struct loop_fd *f)
{
	struct flood *flood = container_of(f, struct flood, readable);
	char c;

	flood->seen++;
	if (--flood->left == 0)
		must(read(f->fd, &c, 1) == 1);
}

/* A descriptor that is always ready has one look a turn: tasks and timers have theirs between. */
static void
test_flood_leaves_turns(void)
{
	struct loop *l = loop_new(clock_system());
	struct named_task t = { .loop = l, .name = 't', .again = 3 };
	struct flood flood = { .left = 100 };
	int fds[2];

	order_n = 0;
	must(pipe(fds) == 0 && write(fds[1], "x", 1) == 1);
	loop_fd_init(l, &flood.readable, fds[0], false, flood_ready);
	loop_fd_on(&flood.readable);
	loop_task_init(&t.task, task_note);
	loop_post(l, &t.task);
	for (int i = 1; i <= 4; i++) {
		loop_turn(l, false);
		CHECK_U64(flood.seen, i);
		CHECK_U64(order_n, i);
	}
	loop_fd_off(&flood.readable);
	loop_free(l);
	close(fds[0]);
	close(fds[1]);
}

TEST_MAIN(TEST(test_flood_leaves_turns), TEST(test_lanes_rotate), TEST(test_lanes_are_held),
    TEST(test_lanes_count_what_was_spent), TEST(test_rounds_of_tasks), TEST(test_shares_one_a_turn),
    TEST(test_timers_in_order), TEST(test_tasks_in_order_and_cancelled),
    TEST(test_posts_from_threads), TEST(test_jobs_come_back),
    TEST(test_jobs_leave_threads_to_others), TEST(test_addresses), TEST(test_prefix_limit))

/*
 * loop.c - see loop.h. libevent waits for descriptors; tasks and timers are ours, because they must
 * cost nothing when idle and timers must follow the clock that was handed in.
 *
 * Posted tasks come in on a lock-free stack that any thread pushes to; the loop takes all of it at
 * once and turns it around. Only the push that found the stack empty wakes the loop, and the loop's
 * own pushes need not: it looks at the stack before it sleeps.
 */
#include "io/loop.h"

#include "base/arena.h"
#include "base/attr.h"
#include "base/bell.h"
#include "base/bin.h"
#include "base/buf.h"
#include "base/thread.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TASK_ROUNDS = 4 };

struct loop {
	struct event_base *base;
	struct clock *clock;
	_Atomic(struct loop_task *) posted;    /* newest first */
	struct loop_task *ready, **ready_tail; /* taken from there, oldest first */
	struct lanes shares;
	struct loop_timer **heap; /* earliest first; a timer knows its place */
	uint32_t heap_count, heap_cap;
	struct event wake_ev, timer_ev;
	struct bell bell;
	int wake_fd;
	int64_t armed_ms; /* when timer_ev goes off; INT64_MAX: not set */
	_Atomic(pthread_t) owner;
	atomic_bool has_owner, is_stopped;
	bool is_modest;
	struct buf spare;
	uint32_t turn; /* never 0: a task that has not run yet has that */
};

/* Watched for edges: each write is one, so the count need not be read back to 0. */
static void
wake_ready(int fd unused_arg, short what unused_arg, void *arg unused_arg)
{
}

static void
timer_ready(int fd unused_arg, short what unused_arg, void *arg)
{
	struct loop *l = arg;

	l->armed_ms = INT64_MAX;
}

static void
wake(struct bell *b)
{
	struct loop *l = container_of(b, struct loop, bell);
	const uint64_t one = 1;

	while (write(l->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

struct loop *
loop_new(struct clock *clock)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	struct event_config *cfg = event_config_new();

	must(cfg != NULL);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	must(l->base != NULL);
	l->clock = clock;
	l->ready_tail = &l->ready;
	l->armed_ms = INT64_MAX;
	l->bell.ring = wake;
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	must(l->wake_fd >= 0);
	event_assign(&l->wake_ev, l->base, l->wake_fd, EV_READ | EV_PERSIST | EV_ET, wake_ready, l);
	event_add(&l->wake_ev, NULL);
	event_assign(&l->timer_ev, l->base, -1, 0, timer_ready, l);
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	event_del(&l->wake_ev);
	event_del(&l->timer_ev);
	event_base_free(l->base);
	close(l->wake_fd);
	buf_done(&l->spare);
	free(l->heap);
	free(l);
}

struct buf *
loop_spare(struct loop *l)
{
	return &l->spare;
}

void
loop_set_modest(struct loop *l)
{
	l->is_modest = true;
}

struct clock *
loop_clock(const struct loop *l)
{
	return l->clock;
}

int64_t
loop_now_ms(const struct loop *l)
{
	return l->clock->mono_us(l->clock) / 1000;
}

static bool
is_own_thread(struct loop *l)
{
	return atomic_load_explicit(&l->has_owner, memory_order_acquire)
	    && pthread_equal(atomic_load_explicit(&l->owner, memory_order_relaxed), pthread_self());
}

/* --- Tasks --- */

void
loop_task_init(struct loop_task *t, void (*run)(struct loop_task *t))
{
	t->next = NULL;
	t->run = run;
	t->turn = 0;
	atomic_init(&t->is_posted, false);
}

void
loop_post(struct loop *l, struct loop_task *t)
{
	struct loop_task *head;

	if (atomic_exchange(&t->is_posted, true))
		return;
	head = atomic_load_explicit(&l->posted, memory_order_relaxed);
	do
		t->next = head;
	while (!atomic_compare_exchange_weak(&l->posted, &head, t));
	if (head == NULL && !is_own_thread(l))
		bell_ring(&l->bell);
}

/* Moves what was posted to the end of the ready list, in the order of posting. */
static void
take_posted(struct loop *l)
{
	struct loop_task *t = atomic_exchange(&l->posted, NULL), *reversed = NULL, *last = t;

	if (t == NULL)
		return;
	while (t != NULL) {
		struct loop_task *next = t->next;

		t->next = reversed;
		reversed = t;
		t = next;
	}
	*l->ready_tail = reversed;
	l->ready_tail = &last->next;
}

/*
 * Runs those that are ready now; what has run in this turn stays for the next. False when nothing
 * has run.
 */
static bool
run_round(struct loop *l)
{
	struct loop_task mark = { .next = NULL }; /* the end of this round */
	struct loop_task *t;
	bool has_run = false;

	take_posted(l);
	if (l->ready == NULL)
		return false;
	*l->ready_tail = &mark;
	l->ready_tail = &mark.next;
	while ((t = l->ready) != &mark) {
		l->ready = t->next;
		t->next = NULL;
		if (t->turn == l->turn) {
			*l->ready_tail = t;
			l->ready_tail = &t->next;
			continue;
		}
		t->turn = l->turn;
		/* first: who posts it from now on means another run */
		atomic_store(&t->is_posted, false);
		t->run(t);
		has_run = true;
	}
	l->ready = mark.next;
	if (l->ready == NULL)
		l->ready_tail = &l->ready;
	return has_run;
}

/*
 * What comes of a commit goes through a task or two before an answer is sent: a look at the
 * descriptors between them would cost more than they do.
 */
static bool
run_tasks(struct loop *l)
{
	bool has_run = false;

	l->turn += l->turn == UINT32_MAX ? 2 : 1;
	for (int round = 0; round < TASK_ROUNDS && run_round(l); round++)
		has_run = true;
	return has_run;
}

void
loop_task_cancel(struct loop *l, struct loop_task *t)
{
	if (!atomic_load(&t->is_posted))
		return;
	take_posted(l);
	for (struct loop_task **at = &l->ready; *at != NULL; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			if (l->ready_tail == &t->next)
				l->ready_tail = at;
			break;
		}
	}
	t->next = NULL;
	atomic_store(&t->is_posted, false);
}

/* --- Shares --- */

void
loop_share_init(struct loop_share *s, void (*run)(struct loop_share *s))
{
	*s = (struct loop_share){ .run = run };
}

void
loop_share_post(struct loop *l, struct loop_share *s, uint64_t owner)
{
	lanes_add(&l->shares, &s->item, owner);
}

void
loop_share_cancel(struct loop *l, struct loop_share *s)
{
	lanes_remove(&l->shares, &s->item);
}

void
loop_share_spend(struct loop *l, uint64_t owner, int64_t now_us, int64_t spent_us)
{
	lanes_spend(&l->shares, owner, now_us, spent_us);
}

bool
loop_share_is_due(const struct loop *l, uint64_t owner, int64_t now_us)
{
	return lanes_has_overspent(&l->shares, owner, now_us);
}

bool
loop_share_lasts(const struct loop *l, uint64_t owner, int64_t now_us)
{
	return lanes_has_squandered(&l->shares, owner, now_us);
}

bool
loop_share_has_rested(const struct loop *l, uint64_t owner, int64_t now_us)
{
	return lanes_has_rested(&l->shares, owner, now_us);
}

static bool
run_share(struct loop *l)
{
	struct lane_item *i = lanes_take(&l->shares);
	struct loop_share *s;

	if (i == NULL)
		return false;
	s = container_of(i, struct loop_share, item);
	s->run(s);
	if (l->is_modest)
		thread_step_aside();
	return true;
}

/* --- Timers --- */

static void
heap_put(struct loop *l, uint32_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->at = i + 1;
}

static void
heap_up(struct loop *l, uint32_t i, struct loop_timer *t)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / 2;

		if (l->heap[parent]->due_ms <= t->due_ms)
			break;
		heap_put(l, i, l->heap[parent]);
		i = parent;
	}
	heap_put(l, i, t);
}

static void
heap_down(struct loop *l, uint32_t i, struct loop_timer *t)
{
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= l->heap_count)
			break;
		if (child + 1 < l->heap_count
		    && l->heap[child + 1]->due_ms < l->heap[child]->due_ms)
			child++;
		if (t->due_ms <= l->heap[child]->due_ms)
			break;
		heap_put(l, i, l->heap[child]);
		i = child;
	}
	heap_put(l, i, t);
}

void
loop_timer_init(struct loop_timer *t, void (*fire)(struct loop_timer *t))
{
	t->fire = fire;
	t->due_ms = 0;
	t->at = 0;
}

void
loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	uint32_t i = t->at - 1;
	struct loop_timer *last;

	if (t->at == 0)
		return;
	must(i < l->heap_count && l->heap[i] == t);
	t->at = 0;
	last = l->heap[--l->heap_count];
	if (last == t)
		return;
	if (i > 0 && l->heap[(i - 1) / 2]->due_ms > last->due_ms)
		heap_up(l, i, last);
	else
		heap_down(l, i, last);
}

void
loop_timer_set(struct loop *l, struct loop_timer *t, int64_t after_ms)
{
	loop_timer_cancel(l, t);
	t->due_ms = loop_now_ms(l) + MAX(after_ms, 0);
	if (l->heap_count == l->heap_cap) {
		l->heap_cap = MAX(16u, l->heap_cap * 2);
		l->heap = xrealloc(l->heap, l->heap_cap * sizeof(l->heap[0]));
	}
	heap_up(l, l->heap_count++, t);
}

/* Runs those that are due by now; one that sets itself again waits for the next turn. */
static bool
run_timers(struct loop *l)
{
	bool has_run = false;
	int64_t now;

	if (l->heap_count == 0)
		return false;
	now = loop_now_ms(l);
	for (uint32_t left = l->heap_count;
	     left > 0 && l->heap_count > 0 && l->heap[0]->due_ms <= now; left--) {
		struct loop_timer *t = l->heap[0];

		loop_timer_cancel(l, t);
		t->fire(t);
		has_run = true;
	}
	return has_run;
}

/*
 * Makes libevent wake up for the earliest timer. A timer that was cancelled or moved back leaves an
 * early wake-up behind, once.
 */
static void
arm_timer(struct loop *l)
{
	int64_t due, after;
	struct timeval tv;

	if (l->heap_count == 0)
		return;
	due = l->heap[0]->due_ms;
	if (due >= l->armed_ms)
		return;
	after = MAX(due - loop_now_ms(l), 0);
	tv = (struct timeval){ .tv_sec = after / 1000, .tv_usec = (after % 1000) * 1000 + 500 };
	event_add(&l->timer_ev, &tv);
	l->armed_ms = due;
}

/* --- Turning --- */

static void
turn(struct loop *l, bool may_block, bool may_block_after_work)
{
	int flags = EVLOOP_ONCE;
	bool has_run;

	if (!is_own_thread(l)) {
		atomic_store(&l->owner, pthread_self());
		atomic_store_explicit(&l->has_owner, true, memory_order_release);
	}
	bells_turn();
	has_run = run_tasks(l);
	has_run = run_timers(l) || has_run;
	has_run = run_share(l) || has_run;
	arm_timer(l);
	if (!may_block || (has_run && !may_block_after_work) || l->ready != NULL
	    || atomic_load(&l->posted) != NULL || !lanes_is_empty(&l->shares)
	    || atomic_load(&l->is_stopped))
		/* once, too: else libevent goes on as long as any descriptor is ready */
		flags |= EVLOOP_NONBLOCK;
	bells_turn_end();
	bin_empty();
	event_base_loop(l->base, flags);
}

void
loop_turn(struct loop *l, bool may_block)
{
	turn(l, may_block, false);
	bells_turn_end();
}

void
loop_run(struct loop *l)
{
	bin_open();
	while (!atomic_load(&l->is_stopped))
		turn(l, true, true);
	bells_turn_end();
	bin_close();
	atomic_store(&l->is_stopped, false);
}

void
loop_stop(struct loop *l)
{
	atomic_store(&l->is_stopped, true);
	wake(&l->bell);
}

/* --- Descriptors and signals --- */

static void
fd_ready(int fd unused_arg, short what unused_arg, void *arg)
{
	struct loop_fd *f = arg;

	bells_turn();
	f->ready(f);
}

void
loop_fd_init(struct loop *l, struct loop_fd *f, int fd, bool for_write,
    void (*ready)(struct loop_fd *f))
{
	f->ready = ready;
	f->fd = fd;
	f->is_on = false;
	event_assign(&f->ev, l->base, fd, (short)((for_write ? EV_WRITE : EV_READ) | EV_PERSIST),
	    fd_ready, f);
}

void
loop_fd_on(struct loop_fd *f)
{
	if (f->is_on)
		return;
	event_add(&f->ev, NULL);
	f->is_on = true;
}

void
loop_fd_off(struct loop_fd *f)
{
	if (!f->is_on)
		return;
	event_del(&f->ev);
	f->is_on = false;
}

static void
signal_ready(int signo unused_arg, short what unused_arg, void *arg)
{
	struct loop_signal *s = arg;

	s->raised(s);
}

void
loop_signal_on(struct loop *l, struct loop_signal *s, int signo,
    void (*raised)(struct loop_signal *s))
{
	s->raised = raised;
	event_assign(&s->ev, l->base, signo, EV_SIGNAL | EV_PERSIST, signal_ready, s);
	event_add(&s->ev, NULL);
}

void
loop_signal_off(struct loop_signal *s)
{
	event_del(&s->ev);
}

/*
 * loop.h - one event loop a thread: descriptors, timers, signals, and tasks that any thread may
 * post.
 *
 * Everything here is called on the loop's own thread, except loop_post(), loop_stop() and
 * loop_clock(). Nodes (tasks, timers, descriptors) are embedded by their users, so none of this
 * allocates for a connection. One turn: posted tasks, timers that are due, one share, then
 * descriptors. What a turn's tasks post runs in the same turn, in up to four rounds, but no task
 * runs twice, so nothing starves the rest. A share is a step of long work: one a turn, of all
 * owners in rotation, so however many connections somebody has and whatever they ask for, the
 * others wait for one step.
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/clock.h"
#include "base/err.h"
#include "base/lanes.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

/**
 * @clock  borrowed; a virtual clock makes timers depend on it alone (then call loop_turn() after
 *         moving it).
 */
struct loop *loop_new(struct clock *clock);
/** Not while it runs. Tasks still posted are dropped without running. */
void loop_free(struct loop *l);
/** Before it runs: its thread is a modest one (base/thread.h), and says so after every share. */
void loop_set_modest(struct loop *l);
/** Runs turns until loop_stop(). The thread that calls it is the loop's. */
void loop_run(struct loop *l);
/** One turn. may_block: waits until something happens when nothing is ready. */
void loop_turn(struct loop *l, bool may_block);
/** Any thread: loop_run() returns after the current turn. */
void loop_stop(struct loop *l);
struct buf;
struct clock *loop_clock(const struct loop *l);
/**
 * Memory of the loop for who needs much for a turn or two, and would have the system make its pages each
 * time: empty, or with what was left here. Take it by its value and empty it, and leave it when done.
 */
struct buf *loop_spare(struct loop *l);
/** Milliseconds of the monotonic clock. */
int64_t loop_now_ms(const struct loop *l);

/*
 * A task is posted at most once at a time: posting it again before it runs does nothing. It may
 * post itself when it runs.
 */
struct loop_task {
	struct loop_task *next;
	void (*run)(struct loop_task *t);
	uint32_t turn; /* in which it ran last; the loop's own */
	atomic_bool is_posted;
};

void loop_task_init(struct loop_task *t, void (*run)(struct loop_task *t));
/** Any thread. The task must stay in memory until it ran or was cancelled. */
void loop_post(struct loop *l, struct loop_task *t);
/** Loop thread, once nobody else posts it any more: afterwards it is not posted. */
void loop_task_cancel(struct loop *l, struct loop_task *t);

/*
 * A step of long work, run once a posting; it posts itself again for the next one. At most a
 * millisecond is good manners.
 */
struct loop_share {
	struct lane_item item;
	void (*run)(struct loop_share *s);
};

void loop_share_init(struct loop_share *s, void (*run)(struct loop_share *s));
/** Posting what is posted does nothing. */
void loop_share_post(struct loop *l, struct loop_share *s, uint64_t owner);
/** Also fine when it is not posted. */
void loop_share_cancel(struct loop *l, struct loop_share *s);
/**
 * Notes what an owner used, in shares and otherwise; who has used much is to go on in shares: see
 * lanes.h.
 */
void loop_share_spend(struct loop *l, uint64_t owner, int64_t now_us, int64_t spent_us);
bool loop_share_is_due(const struct loop *l, uint64_t owner, int64_t now_us);
/** What it does lasts; and: it has had no more than its part lately (lanes.h). */
bool loop_share_lasts(const struct loop *l, uint64_t owner, int64_t now_us);
bool loop_share_has_rested(const struct loop *l, uint64_t owner, int64_t now_us);

/*
 * Timers to the millisecond, kept in a heap: setting one costs a few steps, an unused one nothing.
 */
struct loop_timer {
	void (*fire)(struct loop_timer *t);
	int64_t due_ms;
	uint32_t at; /* place in the heap + 1; 0: not set */
};

void loop_timer_init(struct loop_timer *t, void (*fire)(struct loop_timer *t));
/** Fires once, after_ms from now; setting it again moves it. */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t after_ms);
/** Also fine when it is not set. */
void loop_timer_cancel(struct loop *l, struct loop_timer *t);

static inline bool
loop_timer_is_set(const struct loop_timer *t)
{
	return t->at != 0;
}

/* A descriptor watched for one direction, level-triggered, until it is told to stop. */
struct loop_fd {
	struct event ev;
	void (*ready)(struct loop_fd *f);
	int fd;
	bool is_on;
};

void loop_fd_init(struct loop *l, struct loop_fd *f, int fd, bool for_write,
    void (*ready)(struct loop_fd *f));
void loop_fd_on(struct loop_fd *f);
/** Before the descriptor is closed and before the memory goes. */
void loop_fd_off(struct loop_fd *f);

/* A signal, delivered as an event of this loop. One loop of a process only. */
struct loop_signal {
	struct event ev;
	void (*raised)(struct loop_signal *s);
};

void loop_signal_on(struct loop *l, struct loop_signal *s, int signo,
    void (*raised)(struct loop_signal *s));
void loop_signal_off(struct loop_signal *s);

#endif

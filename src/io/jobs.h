/*
 * jobs.h - a bounded pool of threads for what must not run on a loop: disk reads, hashing, searches
 * over much text.
 *
 * A job gets plain data and leaves plain data in its own struct (embed struct job in it); it never
 * sees a session. Its done function runs on the loop that gave it. There is no cancelling: whoever
 * loses interest sets a flag of its own and frees the job in done.
 */
#ifndef IO_JOBS_H
#define IO_JOBS_H

#include "io/loop.h"

struct jobs;

struct job {
	void (*run)(struct job *j);  /* on a thread of the pool */
	void (*done)(struct job *j); /* on the loop; may free the job */
	/* jobs of several owners are run in rotation: see lanes.h */
	uint64_t owner;
	/* Private. */
	struct lane_item item;
	struct loop *loop;
	struct loop_task task;
};

/** @threads  how many run at a time, at least 1; they start with the first job
 *  @queue_max  jobs waiting beyond those running */
struct jobs *jobs_new(unsigned threads, size_t queue_max);
/**
 * The same with threads that only get the time that nobody else wants, or nearly (nice 10), and of
 * which an owner has so many at a time at most.
 */
struct jobs *jobs_new_nice(unsigned threads, unsigned owner_max, size_t queue_max);
/**
 * Runs what is queued, then ends the threads. Done functions that were posted run when their loops
 * turn.
 */
void jobs_free(struct jobs *p);
/**
 * Queues a job; any thread.
 *
 * @loop  where done runs; NULL: nowhere: run may have submitted or freed the job
 *
 * ERR_BUSY  the queue is full: nothing happened
 */
must_use enum err jobs_submit(struct jobs *p, struct job *j, struct loop *loop);

/**
 * Any thread: notes what an owner had of the pool; who has had much may be sent elsewhere: see
 * lanes.h.
 */
void jobs_spend(struct jobs *p, uint64_t owner, int64_t now_us, int64_t spent_us);
bool jobs_has_overspent(struct jobs *p, uint64_t owner, int64_t now_us);

#endif

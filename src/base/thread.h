/*
 * thread.h - what the kernel is told of a thread: its name, and how urgent it is.
 *
 * A thread that clients wait for asks for short turns of the processor, which the scheduler (Linux
 * 6.12 and later) then gives it soon, and takes from who has long ones; without that it may wait
 * for the next tick of the clock, four milliseconds. Older kernels don't know of it, and nothing is
 * lost.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#ifdef __cplusplus
extern "C" {
#endif

enum thread_pace {
	THREAD_PROMPT,  /* somebody waits for it, and it works for a moment */
	THREAD_STEADY,  /* somebody waits for it, and it works for longer */
	THREAD_MODEST,  /* the same, but it gives way to them: many may come at once */
	THREAD_PATIENT, /* work that lasts: it gets the time that nobody else wants, or nearly */
};

/** Of the calling thread. @name  up to 15 bytes; NULL: it keeps its name. */
void thread_begin(const char *name, enum thread_pace pace);

/**
 * A modest thread has done a piece of its work: whoever waits comes now. The scheduler would decide
 * of itself only at the next tick of the clock.
 */
void thread_step_aside(void);

#ifdef __cplusplus
}
#endif

#endif

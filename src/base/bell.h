/*
 * bell.h - waking another thread, once for many reasons.
 *
 * To ring costs a system call, and who is woken at once wants the locks that the waking thread still
 * holds. So a thread that brings news to many holds its bells meanwhile: each is rung once, at the
 * end.
 */
#ifndef BASE_BELL_H
#define BASE_BELL_H

/* Embedded by its owner, who outlives whoever may ring. */
struct bell {
	void (*ring)(struct bell *b);
};

/** Rings, or, between bells_hold() and bells_release() of this thread, at the latter. */
void bell_ring(struct bell *b);
/** Not nested. */
void bells_hold(void);
void bells_release(void);

/*
 * Turns of a thread that looks at what has come for many, and then waits. What has only to be told
 * when all of it was looked at, is told then.
 */
/** Rings at the end of the thread's turn; at once when it is in none. */
void bell_ring_later(struct bell *b);
/** A turn begins, unless it has begun. */
void bells_turn(void);
/** It is over, if one has begun. */
void bells_turn_end(void);

#endif

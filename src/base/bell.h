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

#endif

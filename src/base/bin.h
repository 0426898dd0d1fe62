/*
 * bin.h - memory goes back to the thread that made it.
 *
 * Who frees what another thread made takes the lock of that thread's heap, and waits for it when the other is at it: the
 * committer, for which everybody waits, did so for most of what loops had made for a commit. So a loop's thread has a bin: what
 * another one is done with is put there, and the loop takes it apart when its turn is over.
 */
#ifndef BASE_BIN_H
#define BASE_BIN_H

struct bin;

/* Embedded in what goes. */
struct bin_item {
	struct bin_item *next;
	void (*free)(struct bin_item *i);
};

/** That of this thread; NULL: it has none. What it makes may be put there by others. */
struct bin *bin_mine(void);
/**
 * Any thread. i->free(i) is called by the bin's thread, soon; here and now when there is none: b is NULL, or
 * was closed meanwhile. So it may do nothing that has a time or a thread.
 */
void bin_put(struct bin *b, struct bin_item *i);

/** This thread has one from now on, unless there are too many; it calls bin_empty() now and then. */
void bin_open(void);
void bin_empty(void);
/** Empties it for the last time. */
void bin_close(void);

#endif

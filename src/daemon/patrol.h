/*
 * patrol.h - proves the store in the background, now and then: a checkpoint of it is read as
 * `posthorn verify` would, slowly, and what is found wrong is logged. Where it was when the process
 * ended is where the next one goes on.
 */
#ifndef DAEMON_PATROL_H
#define DAEMON_PATROL_H

#include "kv/kv.h"

struct patrol;

/**
 * Begins; in the store's folder, which is the working directory. every_ms: from the beginning of
 * one run to that of the next, 0: never; rate: bytes a second. NULL when there is nothing to do.
 */
struct patrol *patrol_new(struct kv *kv, int64_t every_ms, uint64_t rate);
/** Stops, and waits for that. Takes NULL. */
void patrol_free(struct patrol *p);

#endif

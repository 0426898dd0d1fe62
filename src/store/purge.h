/* purge.h - removing many rows, some at a time. */
#ifndef STORE_PURGE_H
#define STORE_PURGE_H

#include "kv/kv.h"

/**
 * Removes the account's rows of that kind with from <= key < to (to.p NULL: to the end), in unversioned
 * transactions of some hundred rows, which free room. On a job thread. ERR_CORRUPT when damage hides
 * some, which stay, as the only ones; what the engine says of loads and commits.
 */
must_use enum err rows_purge(struct kv *kv, struct account_id account, enum kv_kind kind,
    struct str from, struct str to);

#endif

/*
 * remember.h - passwords that were verified a moment ago, so that a webmail that logs in for every
 * page need not wait for the hash each time. Kept as a digest keyed with a secret of this process
 * over name, stored verifier and password: a changed verifier no longer fits, so nothing has to be
 * forgotten by hand. A fixed number of places; newer ones push out older.
 */
#ifndef AUTH_REMEMBER_H
#define AUTH_REMEMBER_H

#include "base/str.h"

struct remember;

/** @keep_ms  0: nothing is remembered */
struct remember *remember_new(uint64_t keep_ms);
void remember_free(struct remember *r);
void remember_add(struct remember *r, struct str user, struct str verifier, struct str password,
    int64_t now_ms);
bool remember_has(const struct remember *r, struct str user, struct str verifier,
    struct str password, int64_t now_ms);

#endif

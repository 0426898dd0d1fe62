/*
 * throttle.h - who guesses passwords has to wait: a delay that doubles with each failure, per address prefix (IPv4 /32, IPv6
 * /64) and per account. Bounded: the table has a fixed size, and what was quiet for longest makes room.
 *
 * Addresses of this machine are not counted, for a webmail speaks for many people; accounts wait less than addresses, so that
 * a stranger can't lock their owner out. A failure is forgotten after a quarter of an hour.
 */
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include "base/err.h"
#include "base/str.h"

enum { THROTTLE_ENTRIES = 4096, THROTTLE_FREE = 3, THROTTLE_FORGET_MS = 15 * 60 * 1000 };

struct throttle;

/** @base_ms  delay after one failure; 0: no throttling at all */
struct throttle *throttle_new(uint64_t base_ms, uint64_t seed);
void throttle_free(struct throttle *t);
/** How long to wait before a password is looked at: 0 for the first THROTTLE_FREE failures, then base, doubled up to 16 times it. */
uint64_t throttle_before_ms(struct throttle *t, struct str peer, struct str account, int64_t now_ms);
/** Counts a failure; returns how long to hold the answer back. */
uint64_t throttle_failed_ms(struct throttle *t, struct str peer, struct str account, int64_t now_ms);
/** A success clears the account's failures, not the address's: an attacker may own an account too. */
void throttle_succeeded(struct throttle *t, struct str account);

#endif

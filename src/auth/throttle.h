/*
 * throttle.h - who guesses passwords has to wait: a delay that doubles with each failure, per
 * address, per network around it and per account. Bounded: the tables have a fixed size.
 *
 *     counted for               free before a wait    longest wait before a password is looked at
 *     IPv4 /32, IPv6 /64        3, known 20           16 × base
 *     IPv4 /24, IPv6 /48        24, known 100         16 × base
 *     account                   3                     2 × base, and none from where its owner is known
 *
 * Known is a network (/24, /48) from which somebody has logged in within a month; an account is
 * known there while no more than ten failures have followed its last success. So neither a flood of
 * guesses elsewhere nor one at the account keeps its owner out, and the guesser next door gains
 * little. Addresses of this machine are not counted, for a webmail speaks for many people. A
 * failure is forgotten after a quarter of an hour. When the table is full, those with the fewest
 * failures make room.
 */
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include "base/err.h"
#include "base/str.h"

enum {
	THROTTLE_ENTRIES = 16384,
	THROTTLE_KNOWN_ENTRIES = 16384,
	THROTTLE_FORGET_MS = 15 * 60 * 1000
};

struct throttle;

/** @base_ms  delay after one failure; 0: no throttling at all */
struct throttle *throttle_new(uint64_t base_ms, uint64_t seed);
void throttle_free(struct throttle *t);
void throttle_set_base(struct throttle *t, uint64_t base_ms);
/** How long this address has to wait before it is asked for credentials. */
uint64_t throttle_address_ms(struct throttle *t, struct str peer, int64_t now_ms);
/** How long to wait before a password for the account is looked at. */
uint64_t throttle_account_ms(struct throttle *t, struct str peer, struct str account,
    int64_t now_ms);
/**
 * Has the account logged in from there, and not failed often since? Its password may be looked at
 * before those of strangers.
 */
bool throttle_knows(struct throttle *t, struct str peer, struct str account, int64_t now_ms);
/** Counts a failure; returns how long to hold the answer back. */
uint64_t throttle_failed_ms(struct throttle *t, struct str peer, struct str account,
    int64_t now_ms);
/**
 * A success clears the account's failures, not the address's: an attacker may own an account too.
 */
void throttle_succeeded(struct throttle *t, struct str peer, struct str account, int64_t now_ms);

#endif

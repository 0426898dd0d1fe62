/*
 * known.h - addresses whose accounts the mail process was told a moment ago, so that a delivery to
 * the same one asks nobody.
 *
 * Thread-safe. What is known is forgotten after ten seconds, or when its place is taken.
 */
#ifndef AUTH_KNOWN_H
#define AUTH_KNOWN_H

#include "base/buf.h"
#include "base/clock.h"

#include <stdbool.h>

struct known_users;

/** The clock is borrowed. */
struct known_users *known_users_new(struct clock *clock);
void known_users_free(struct known_users *k);
void known_users_put(struct known_users *k, struct str address, struct str user);
/** Adds the account to user_out; false: it is not known. */
bool known_users_get(struct known_users *k, struct str address, struct buf *user_out);

#endif

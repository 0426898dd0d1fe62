/* users_db.h - the users database, opened by the tool itself, as its owner. */
#ifndef CTL_USERS_DB_H
#define CTL_USERS_DB_H

#include "auth/users.h"
#include "ctl/ctl.h"

/**
 * Opens the database of the configuration. As root the tool first becomes their owner, for good
 * (owner.h). NULL after telling what is wrong.
 */
struct users *ctl_users_open(struct ctl *c);
/** Tells an error of the database. Returns CTL_FAILED. */
int ctl_users_fail(struct users *u, enum err e);
/** The name in its one spelling; NULL after telling. */
const char *ctl_user_name(struct ctl *c, const char *name);
/** Fills in the verifiers for a password, at the cost that the configuration says. */
must_use enum err ctl_verifiers(struct ctl *c, struct str password, struct user_row *row);

#endif

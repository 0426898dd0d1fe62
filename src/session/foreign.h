/* foreign.h - a session and the accounts of others: see foreign.c. */
#ifndef SESSION_FOREIGN_H
#define SESSION_FOREIGN_H

#include "session/session.h"

struct shares;

/** "staff,sales": the groups of who has logged in, at most SHARING_GROUPS_MAX. */
void foreign_set_groups(struct session *s, struct str groups);
/**
 * What session_snapshot() and session_committed() are for accounts other than the session's own.
 */
struct snapshot *foreign_snapshot(struct session *s, struct account *a);
void foreign_committed(struct session *s, struct snapshot *after);
/** Where the session keeps the list of who shares something with it. */
struct shares **foreign_shares(struct session *s);
void foreign_free(struct session *s);

#endif

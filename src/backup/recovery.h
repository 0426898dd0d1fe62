/*
 * recovery.h - what was deleted comes back from undo records, into the account as it is: nothing
 * that is there is changed or doubled, what comes back gets new UIDs and keeps flags (but for
 * \Deleted), keywords and internal date.
 *
 * Request, as fields (wire.h): user, mailbox (empty: all), since, at (milliseconds; at IMAGE_NOW:
 * whatever was deleted since), UID it had (0: all), EMAILID (empty: all), 1 to only say what would
 * come back. For each message an answer I: mailbox, UID it had, when it went, size, EMAILID. At the
 * end D: how many came back, and how much there is that damage hides, of which verify says more:
 * all else comes back.
 */
#ifndef BACKUP_RECOVERY_H
#define BACKUP_RECOVERY_H

#include "backup/service_int.h"

must_use enum err recovery_run(struct connection *c);

#endif

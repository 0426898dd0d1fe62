/* owner.h - whom the tool becomes when root uses it, so that what it writes stays the server's. */
#ifndef CTL_OWNER_H
#define CTL_OWNER_H

#include "base/str.h"

#include <sys/types.h>

struct ctl_owner {
	uid_t uid;
	gid_t gid;
};

/**
 * Who a folder of the server's belongs to: its owner, for a server that root has not started runs as
 * that one, whatever the configuration names; where there is no folder yet, or it is root's, the
 * configuration's user. False when it names none that there is.
 */
bool ctl_owner_of(const char *folder, struct str user, struct ctl_owner *out);
/** Becomes that one, for good. False, with errno, when that is not allowed. */
bool ctl_owner_become(const struct ctl_owner *o);

#endif

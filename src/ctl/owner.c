/* owner.c - see owner.h. */
#include "ctl/owner.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

bool
ctl_owner_of(const char *folder, struct str user, struct ctl_owner *out)
{
	struct passwd *pw;
	struct stat st;

	if (stat(folder, &st) == 0 && st.st_uid != 0) {
		*out = (struct ctl_owner){ st.st_uid, st.st_gid };
		return true;
	}
	pw = user.n > 0 ? getpwnam(user.p) : NULL;
	if (pw != NULL)
		*out = (struct ctl_owner){ pw->pw_uid, pw->pw_gid };
	return pw != NULL;
}

bool
ctl_owner_become(const struct ctl_owner *o)
{
	return setgroups(1, &o->gid) == 0 && setresgid(o->gid, o->gid, o->gid) == 0
	    && setresuid(o->uid, o->uid, o->uid) == 0;
}

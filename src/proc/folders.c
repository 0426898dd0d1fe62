/* folders.c - see folders.h. */
#include "proc/folders.h"

#include "base/arena.h"
#include "proc/roles.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes the folder and gives it to the user, when we may. */
static bool
folder_make(const char *path, const char *user, mode_t mode, struct buf *why)
{
	struct passwd *pw = user != NULL && geteuid() == 0 ? getpwnam(user) : NULL;
	char *copy = xstrdup(str_c(path));
	bool ok;

	for (char *p = copy + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(copy, 0755);
		*p = '/';
	}
	free(copy);
	ok = mkdir(path, mode) == 0 || errno == EEXIST;
	if (ok && pw != NULL)
		ok = chown(path, pw->pw_uid, pw->pw_gid) == 0 && chmod(path, mode) == 0;
	if (!ok)
		buf_printf(why, "%s: %s", path, strerror(errno));
	else if (user != NULL && geteuid() == 0 && pw == NULL) {
		buf_printf(why, "there is no user \"%s\" (useradd --system %s)", user, user);
		ok = false;
	}
	return ok;
}

bool
folders_make(const struct config *c, struct buf *why)
{
	struct arena a = ARENA_NONE;
	bool ok = folder_make(c->data_dir.p, NULL, 0755, why)
	    && folder_make(c->run_dir.p, NULL, 0755, why);

	for (unsigned i = 0; ok && i < ROLE_COUNT; i++)
		ok = folder_make(role_folder(&a, i, c), role_user(i, c).p, 0700, why);
	arena_done(&a);
	return ok;
}

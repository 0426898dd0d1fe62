/* users_db.c - see users_db.h. */
#include "ctl/users_db.h"

#include "auth/name.h"
#include "auth/upgrade.h"
#include "ctl/owner.h"
#include "proc/roles.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder, when the daemon has not made it yet. */
static bool
folder_make(struct ctl *c, const char *folder, const struct ctl_owner *owner)
{
	mkdir(c->config->data_dir.p, 0755);
	if (mkdir(folder, 0700) != 0)
		return errno == EEXIST;
	return owner == NULL || chown(folder, owner->uid, owner->gid) == 0;
}

struct users *
ctl_users_open(struct ctl *c)
{
	const char *folder = role_folder(&c->arena, ROLE_AUTH, c->config);
	const char *path = arena_printf(&c->arena, "%s/users.db", folder).p;
	struct str user = role_user(ROLE_AUTH, c->config);
	struct ctl_owner owner, *other = NULL;
	struct users *u;
	enum err e;

	if (geteuid() == 0) {
		if (ctl_owner_of(folder, user, &owner)) {
			other = &owner;
		} else if (user.n > 0) {
			ctl_fail(
			    "there is no user \"%s\" (option auth_user); useradd --system %s makes it",
			    user.p, user.p);
			return NULL;
		}
	}
	if (!folder_make(c, folder, other)) {
		ctl_fail("%s: %s", folder, strerror(errno));
		return NULL;
	}
	/* From here on relative: that user may have no right to the folders above. */
	if (chdir(folder) != 0) {
		ctl_fail("%s: %s", folder, strerror(errno));
		return NULL;
	}
	if (other != NULL && !ctl_owner_become(other)) {
		ctl_fail("can't become the owner of %s: %s", folder, strerror(errno));
		return NULL;
	}
	e = sodium_init() < 0 ? ERR_BUG : users_open("users.db", &u);
	if (e == ERR_OK)
		return u;
	if (e == ERR_CORRUPT)
		ctl_fail("%s is no users database, or one of a newer version", path);
	else
		ctl_fail("%s can't be opened (%s)%s", path, err_name(e),
		    access("users.db", R_OK | W_OK) != 0 && geteuid() != 0
			? "; run this as root or as the user that posthornd runs as"
			: "");
	return NULL;
}

int
ctl_users_fail(struct users *u, enum err e)
{
	return ctl_fail("users database: %s (%s)", users_error(u), err_name(e));
}

const char *
ctl_user_name(struct ctl *c, const char *name)
{
	struct str normal;

	if (name_normalise(&c->arena, str_c(name), &normal) == ERR_OK)
		return normal.p;
	ctl_fail(
	    "\"%s\" is no name that a user can have: at most %d bytes of UTF-8 without spaces, slashes, quotes, * and %%",
	    name, NAME_MAX_BYTES);
	return NULL;
}

enum err
ctl_verifiers(struct ctl *c, struct str password, struct user_row *row)
{
	struct password_cost cost = { .memory_bytes = c->config->password_hash_memory,
		.passes = c->config->password_hash_passes,
		.scram_iterations = c->config->scram_iterations,
		.make_scram = c->config->scram };

	return verifiers_make(&c->arena, password, &cost, row);
}

/* roles.h - the tables of processes and of services. */
#ifndef PROC_ROLES_H
#define PROC_ROLES_H

#include "proc/config.h"

enum role {

#define ROLE(id, name, user, folder, calls, files, what) ROLE_##id,
#include "proc/roles.def"
#undef ROLE
	ROLE_COUNT
};

struct role_row {
	const char *name;
	size_t user_option; /* offset of its text in struct config */
	const char *folder;
	unsigned calls; /* enum filter_group */
	unsigned files; /* descriptors at most; 0: what it is given */
};
extern const struct role_row role_table[ROLE_COUNT];
/** ROLE_COUNT when there is no such role. */
enum role role_find(const char *name);
/** The folder that the role owns, in the arena. */
const char *role_folder(struct arena *a, enum role role, const struct config *c);
/** The user that the role runs as when the supervisor is root; NUL behind it. */
struct str role_user(enum role role, const struct config *c);

enum service {

#define SERVICE(id, name, option) SERVICE_##id,
#include "proc/services.def"
#undef SERVICE
	SERVICE_CONTROL, /* the tool's socket in run_dir */
	SERVICE_COUNT
};
extern const char *const service_names[SERVICE_COUNT];
/** Where it shall listen. Not for SERVICE_CONTROL. */
const struct config_list *service_addresses(enum service service, const struct config *c);

#endif

/*
 * landlock.c - see landlock.h. The C library has no functions for it, and Debian 12's headers know
 * it up to ABI 2.
 */
#include "proc/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FS_V1 ((1ull << 13) - 1)
#define FS_REFER (1ull << 13)     /* ABI 2: rename and link between folders */
#define FS_TRUNCATE (1ull << 14)  /* ABI 3 */
#define NET_TCP 3ull              /* ABI 4: bind and connect */
#define FS_IOCTL_DEV (1ull << 15) /* ABI 5 */
#define SCOPE_ABSTRACT 1ull       /* ABI 6: abstract unix sockets */
#define SCOPE_SIGNAL 2ull

struct attr_v6 {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

static const uint64_t folder_rights[] = {
	[LANDLOCK_READ] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	[LANDLOCK_WRITE] = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR
	    | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR
	    | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR
	    | LANDLOCK_ACCESS_FS_MAKE_REG | FS_REFER | FS_TRUNCATE,
	[LANDLOCK_EXECUTE] =
	    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE,
};
/* Those that may be given on a file. */
#define FILE_RIGHTS                                                                                \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE \
	    | FS_TRUNCATE)

static bool
allow(int ruleset, const struct landlock_rule *r, uint64_t handled)
{
	struct landlock_path_beneath_attr rule = { .allowed_access =
						       folder_rights[r->may] & handled };
	struct stat st;
	bool ok;

	rule.parent_fd = open(r->path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == EACCES;
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= FILE_RIGHTS;
	ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.parent_fd);
	return ok;
}

bool
landlock_enter(const struct landlock_rule *rules, size_t count, bool keeps_abstract_sockets)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct attr_v6 attr = { .handled_access_fs = FS_V1 };
	size_t size = sizeof(uint64_t);
	bool ok = true;
	int ruleset;

	if (abi < 1)
		return false;
	if (abi >= 2)
		attr.handled_access_fs |= FS_REFER;
	if (abi >= 3)
		attr.handled_access_fs |= FS_TRUNCATE;
	if (abi >= 4) {
		attr.handled_access_net = NET_TCP;
		size = 2 * sizeof(uint64_t);
	}
	if (abi >= 5)
		attr.handled_access_fs |= FS_IOCTL_DEV;
	if (abi >= 6) {
		attr.scoped = SCOPE_SIGNAL | (keeps_abstract_sockets ? 0 : SCOPE_ABSTRACT);
		size = sizeof(attr);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return false;
	for (size_t i = 0; ok && i < count; i++)
		ok = allow(ruleset, &rules[i], attr.handled_access_fs);
	ok = ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	close(ruleset);
	return ok;
}

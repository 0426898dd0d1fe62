/*
 * selftest_int.h - between selftest.c (processes, report) and what is tried, in four groups. Each act
 * fits on a line or in a short function. They are all harmless when they succeed, for they are also
 * run without a sandbox, to see that it is the sandbox that denies them.
 */
#ifndef DAEMON_SELFTEST_INT_H
#define DAEMON_SELFTEST_INT_H

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/syscall.h>

enum { BY_SUPERVISOR = 1, BY_CHILDREN = 2, BY_ALL = 3, BY_KEY = 4 };

/*
 * Where it is tried. The current folder is the role's, and has `own` and the symbolic links
 * `escape` and `sideways` in it.
 */
struct ground {
	/* a file that everybody may write, in a folder where everybody may */
	char outside[PATH_MAX];
	char neighbour[PATH_MAX]; /* a file in another role's folder */
};

struct act {
	const char *name;
	unsigned who;
	/*
	 * Returns 0 when it could be done, else errno. NULL: `call` with `args`, which do no harm
	 * where they are allowed.
	 */
	int (*run)(const struct ground *g);
	long call, args[5];
};

struct act_group {
	const struct act *acts;
	size_t count;
};
extern const struct act_group selftest_files, selftest_processes, selftest_sockets, selftest_kernel;

/* What run() returns of a call's result. */
static inline int
tried(long rc)
{
	return rc < 0 ? errno : 0;
}

#define CALL(who_, name_, call_, ...)                                                              \
	{                                                                                          \
		.who = (who_), .name = (name_), .call = SYS_##call_, .args = { __VA_ARGS__ }       \
	}
#define ACT(who_, name_, run_)                                                                     \
	{                                                                                          \
		.who = (who_), .name = (name_), .run = (run_)                                      \
	}
#define BAD_ADDRESS 1

#endif

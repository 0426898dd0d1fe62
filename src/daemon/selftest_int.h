/* selftest_int.h - between selftest.c (processes, report) and selftest_acts.c (what is tried). */
#ifndef DAEMON_SELFTEST_INT_H
#define DAEMON_SELFTEST_INT_H

#include <limits.h>
#include <stddef.h>

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
extern const struct act selftest_acts[];
extern const size_t selftest_act_count;

#endif

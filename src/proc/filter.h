/*
 * filter.h - which system calls a process may make: an allow-list (calls.def), enforced by seccomp.
 *
 * A call that is not on it is not made. If no server has a use for it, the process dies, for
 * somebody else commands it; any other fails with EPERM, so that what a new version of a library
 * tries does not take the mail down. Both are told in a log line that names the call,
 * `event=sandbox-denied call=execve result=killed`, once for each call.
 */
#ifndef PROC_FILTER_H
#define PROC_FILTER_H

#include "base/attr.h"

#include <stdbool.h>

enum filter_group {
	CALLS_COMMON = 1,
	CALLS_NETWORK = 2, /* accepts connections */
	CALLS_START = 4,   /* starts children; they inherit the filter */
	CALLS_SANITIZER = 8,
	CALLS_FILES = 16, /* opens files */
};

/**
 * For this process and all threads to come. False: the kernel has no seccomp; errno says why. Once
 * in a process.
 */
must_use bool filter_enter(unsigned groups);

#endif

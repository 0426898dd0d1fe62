/*
 * selftest.h - `posthornd --sandbox-selftest`: tries, as each of the processes, what none of them
 * may do.
 */
#ifndef DAEMON_SELFTEST_H
#define DAEMON_SELFTEST_H

#include "proc/config.h"

/**
 * Every act is tried by a process of its own that was confined as the role is; a line says how it
 * was denied.
 *
 * @c  its users and its `sandbox` count; data_dir is changed to a folder made for the test
 *
 * Returns the exit status: 0 when all was denied.
 */
int sandbox_selftest(struct config *c);

#endif

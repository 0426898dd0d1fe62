/*
 * sandbox.h - what a process gives up before it begins: its user, its capabilities, its way to new
 * privileges, the files, sockets and system calls that it has no business with, and its place in
 * core dumps. Called once, before any thread starts.
 */
#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H

#include "proc/roles.h"

/**
 * Before anything secret is read: no core dump holds it, and no process of the same user can look
 * at this one's memory. Not in builds with a sanitizer, which look for leaks in that way.
 */
void sandbox_hide_memory(void);

/**
 * Confines a child as roles.def says, with `sandbox` of the configuration deciding about Landlock
 * and seccomp. Its folder is the current one.
 *
 * @why  what this kernel can't do, for one log line; empty when all is done
 *
 * ERR_NOPERM  privileges could not be dropped, or `sandbox = require` and something could not be
 *             done: the process must end
 */
must_use enum err sandbox_enter(enum role role, const struct config *c, struct buf *why);

/**
 * The same for the supervisor, when it has bound its ports and read its certificates. It keeps what
 * starting children takes: fork and this very program, and, started by root, the right to make them
 * other users, to signal them and to read keys.
 */
must_use enum err sandbox_enter_supervisor(const struct config *c, struct buf *why);

#endif

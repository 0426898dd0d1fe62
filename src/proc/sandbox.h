/*
 * sandbox.h - what a process gives up before it begins: its user, its way to new privileges, the files, sockets and system
 * calls that it has no business with. Called once, before any thread starts.
 */
#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H

#include "proc/roles.h"

struct sandbox {
	const char *user;	/* to become; NULL: stays who it is */
	const char *folder;	/* the only one that may be read and written */
	bool is_confined;	/* Landlock and seccomp too */
};

/**
 * Becomes the user (all ids and groups), forbids new privileges and core dumps, and confines itself.
 *
 * @why  what the kernel could not do, or what failed, for one log line; empty when all is done
 *
 * ERR_NOPERM  the privileges could not be dropped: the process must end. That the kernel has no Landlock or seccomp is no error.
 */
must_use enum err sandbox_enter(const struct sandbox *s, struct buf *why);

#endif

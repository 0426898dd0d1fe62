/*
 * landlock.h - which files a process can reach, and that it has no way to the network: Landlock, as
 * much of it as the kernel has.
 */
#ifndef PROC_LANDLOCK_H
#define PROC_LANDLOCK_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

enum landlock_may {
	LANDLOCK_READ, /* files and folders beneath */
	/*
	 * read too, and make, remove and rename plain files and folders; no links by name, devices,
	 * pipes, sockets
	 */
	LANDLOCK_WRITE,
	LANDLOCK_EXECUTE, /* and read */
};

struct landlock_rule {
	/* a folder with all that is beneath it, or a file. One that is not there is no error */
	const char *path;
	enum landlock_may may;
};

/**
 * Confines this process and its children to come to what the rules name. New TCP connections and
 * listening sockets are refused where the kernel can (6.7), as are signals to processes that are
 * not confined with us, and abstract unix sockets (6.12).
 *
 * @keeps_abstract_sockets  it must reach such a one: systemd's
 *
 * False: the kernel has no Landlock (5.13), or it was switched off; errno says why.
 */
must_use bool landlock_enter(const struct landlock_rule *rules, size_t count,
    bool keeps_abstract_sockets);

#endif

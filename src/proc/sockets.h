/*
 * sockets.h - the listening sockets: bound by the supervisor before anything else happens, or taken
 * from systemd.
 */
#ifndef PROC_SOCKETS_H
#define PROC_SOCKETS_H

#include "proc/roles.h"

enum { SOCKETS_MAX = 48 }; /* no more than CHANNEL_FDS_MAX less a few */

struct bound {
	enum service service;
	int fd;
};

struct sockets {
	struct bound v[SOCKETS_MAX];
	size_t n;
	/* From systemd (LISTEN_FDS), not yet matched. */
	int inherited[SOCKETS_MAX];
	const char *inherited_names[SOCKETS_MAX];
	size_t inherited_count;
};

/** Takes over what systemd passed to this process, by the environment, which is cleared of it. */
void sockets_inherit(struct sockets *s);
/**
 * Binds everything that the configuration names, and the tool's socket in run_dir.
 *
 * @why  what could not be bound, and why
 *
 * ERR_CONFIG  nothing is left open but what systemd gave
 */
must_use enum err sockets_bind(struct sockets *s, const struct config *c, struct buf *why);
/** Closes them; socket files that we made stay, for the next start replaces them. */
void sockets_close(struct sockets *s);

#endif

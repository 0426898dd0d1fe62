/*
 * supervisor.h - the process that starts the others and starts them again when they die. It binds
 * the ports, holds the certificates' files and the users' switches, and never reads a byte of a
 * client.
 *
 *     start: ports bound ──► auth, mail started ──► each READY ──► "ready"
 *     a child dies: started again at once; while it keeps dying young, after 200 ms, 400 ms, … 1 s, and 10 s if it never serves
 *     SIGHUP: configuration and certificates are read again and sent to the children; nobody's session ends
 *     SIGTERM, SIGINT: mail says BYE and ends, then auth, then we
 */
#ifndef PROC_SUPERVISOR_H
#define PROC_SUPERVISOR_H

#include "proc/config.h"

struct supervisor_options {
	const char *config_path; /* NULL: defaults only, and nothing to reload */
	struct config *config;   /* read from it; taken over */
	/* written to stdout, with a line feed, when all serve; NULL: nothing */
	const char *announce;
};

/** Runs until it is told to end; returns the exit status of the process. */
int supervisor_run(const struct supervisor_options *o);

#endif

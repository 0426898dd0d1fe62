/*
 * admin_client.h - the tool's connection to the service that works on the store (backup/service.h):
 * the daemon's, or one of its own when no daemon runs.
 */
#ifndef CTL_ADMIN_CLIENT_H
#define CTL_ADMIN_CLIENT_H

#include "ctl/ctl.h"

#include "backup/wire.h"

/**
 * Connects to the running daemon: a socket on which frames are spoken. -1: no daemon runs (nothing
 * was told). -2: after telling.
 */
int admin_connect(struct ctl *c);
/** Receives a frame of that kind; anything else is told. */
int admin_expect(int fd, char kind, struct buf *body);
/** Tells what a frame X says. Returns CTL_FAILED. */
int admin_fail(struct str body);

#endif

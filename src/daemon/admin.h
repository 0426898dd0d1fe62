/*
 * admin.h - connections of the tool that work on the store for long (backup/service.h): each has a
 * thread of its own. On the first loop's thread.
 */
#ifndef DAEMON_ADMIN_H
#define DAEMON_ADMIN_H

#include "backup/service.h"

struct admin;

/** service: what it works on is borrowed. */
struct admin *admin_new(const struct service_store *service);
/** Ends the connections, waits for their threads. Takes NULL. */
void admin_free(struct admin *a);
/** Takes fd over; ERR_BUSY: too many are working, and fd is still the caller's. */
must_use enum err admin_serve(struct admin *a, int fd);

#endif

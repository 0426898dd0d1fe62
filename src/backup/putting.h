/*
 * putting.h - messages of a backup are put into mailboxes of an account that is in use: what comes
 * is added, nothing that is there changes. Frames A to K of service.h.
 */
#ifndef BACKUP_PUTTING_H
#define BACKUP_PUTTING_H

#include "backup/service_int.h"

/** Does what a frame asks. ERR_SYNTAX: no such frame, or not here. */
must_use enum err putting_run(struct connection *c, char kind);
/** Takes NULL. What was not durable yet may be there or not. */
void putting_free(struct putting *p);

#endif

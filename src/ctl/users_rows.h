/*
 * users_rows.h - the users database as rows in a buffer, for backups. It belongs to the auth
 * process's user, and the tool reads and writes it as that user only: in a process of its own, so
 * that it can do the rest as root.
 */
#ifndef CTL_USERS_ROWS_H
#define CTL_USERS_ROWS_H

#include "ctl/ctl.h"

/** All rows, as of one moment. */
int users_rows_read(struct ctl *c, struct buf *out);
/** Adds the users that are not there; only: one of them (empty: all). *added_out: how many. */
int users_rows_write(struct ctl *c, struct str rows, struct str only, uint64_t *added_out);

#endif

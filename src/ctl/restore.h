/* restore.h - the ways of restoring that posthorn restore chooses from. */
#ifndef CTL_RESTORE_H
#define CTL_RESTORE_H

#include "ctl/ctl.h"

#include "backup/check.h"

/* What shall be restored. */
struct restore {
	struct repo *repo;
	const char *backup; /* its name */
	struct manifest manifest;
	const char *account, *mailbox, *to, *message;
	uint32_t uid;  /* 0: all */
	int64_t at_ms; /* IMAGE_NOW: as it is in the backup */
	bool is_dry;
	bool is_added; /* to the mail that is there, of all accounts */
};

/** The whole backup, into a data directory that has no mail yet; no daemon runs. */
int restore_whole(struct ctl *c, const struct restore *r);
/** Mail of one account, or of all, is added to what the running server has. */
int restore_into(struct ctl *c, const struct restore *r);
/** Users that are not there, one of them or all; and how many, told. */
int restore_users(struct ctl *c, const struct restore *r, struct str only, uint64_t *added_out);

#endif

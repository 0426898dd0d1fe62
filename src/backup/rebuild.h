/*
 * rebuild.h - a whole backup becomes a store: every account with its UIDs, UIDVALIDITY and object
 * ids, in a new epoch. Clients have seen versions, UIDs, mailboxes and messages that came after the
 * backup and are gone; so that none of those numbers is given out again, each counter goes on
 * EPOCH_STEP further, versions EPOCH_VERSIONS. All that is there counts as changed by the restore
 * (its modseq is the restore's version), for flags may have been others meanwhile; and the change
 * log begins anew.
 */
#ifndef BACKUP_REBUILD_H
#define BACKUP_REBUILD_H

#include "backup/manifest.h"
#include "backup/repo.h"

#define EPOCH_STEP ((uint32_t)1 << 20)
#define EPOCH_VERSIONS ((uint64_t)1 << 32)

struct rebuild_progress {
	uint64_t accounts, messages;
	uint64_t lost; /* messages whose bytes are not in the backup; detail names them */
};

/**
 * kv: without any account. now_ms: the wall clock. detail gets lines for the operator. ERR_EXISTS:
 * it is not empty; ERR_CORRUPT: rows are missing or damaged; ERR_FULL, ERR_IO.
 */
must_use enum err rebuild_run(struct repo *from, const struct manifest *m, struct kv *kv,
    int64_t now_ms, struct rebuild_progress *progress, struct buf *detail);

#endif

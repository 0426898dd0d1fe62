/*
 * source.h - a backup is taken: every account of an engine that nobody changes (a checkpoint, or a
 * store that is not open) becomes objects of a repository. Rows are cut into objects where their
 * keys say so, not where they happen to lie, so that what has not changed makes the same objects
 * again and is not stored twice; messages are objects already.
 */
#ifndef BACKUP_SOURCE_H
#define BACKUP_SOURCE_H

#include "backup/manifest.h"
#include "backup/repo.h"

struct source_progress {
	uint64_t accounts, messages, new_messages;
	uint64_t damaged; /* messages whose bytes could not be read; detail names them */
	uint64_t gaps;    /* stretches of rows that could not; detail says whose */
};

/**
 * users: rows of the users database as the tool made them, opaque here. Fills in m->accounts and
 * m->users (in the arena); time and retention are the caller's. Then repo_finish() makes it a
 * backup. detail gets a line for each message that is damaged, which is left out, and for what made
 * it fail.
 */
must_use enum err source_run(struct kv *kv, struct repo *to, struct str users, struct arena *a,
    struct manifest *m, struct source_progress *progress, struct buf *detail);

/** Bytes of a blob, whole, checked against its name; waits. */
must_use enum err source_blob(struct kv *kv, const struct blob_id *id, uint64_t place,
    uint64_t bytes, struct buf *out);

#endif

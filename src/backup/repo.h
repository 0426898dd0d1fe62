/*
 * repo.h - a folder of backups, or a single stream of one: objects that are found by their names,
 * and manifests.
 *
 *     DEST/posthorn-backup    says what the folder is
 *     DEST/lock               writers alone, readers together
 *     DEST/packs/<name>.pack  objects; complete, synced, then renamed to this name
 *     DEST/backups/<time>     a manifest: written last, so that a backup is there whole or not at all
 *
 * A pack that is damaged is as one that is not there, but is told: a later backup writes its
 * objects again.
 */
#ifndef BACKUP_REPO_H
#define BACKUP_REPO_H

#include "backup/pack.h"

struct repo;

enum repo_how {
	REPO_READ,
	/* the folder is made when it is missing; leftovers of interrupted writers are removed */
	REPO_WRITE,
};

/**
 * path: a folder, or the file of a stream. detail gets a sentence for the operator. ERR_NOTFOUND,
 * ERR_INUSE, ERR_CORRUPT (not a backup), ERR_IO, ERR_FULL.
 */
must_use enum err repo_open(const char *path, enum repo_how how, struct repo **out,
    struct buf *detail);
/** A stream that is written to fd (borrowed): one pack, whose last object is the manifest. */
struct repo *repo_stream(int fd);
/** A stream to read; fd is a regular file and is taken over. */
must_use enum err repo_open_stream(int fd, struct repo **out, struct buf *detail);
/** Drops what was not finished. Takes NULL. */
void repo_close(struct repo *r);

/* Reading. */
/** NULL: there is none. */
const struct pack_entry *repo_find(const struct repo *r, const struct blob_id *id);
/** ERR_NOTFOUND, ERR_CORRUPT, ERR_IO. out is emptied first. */
must_use enum err repo_read(struct repo *r, const struct blob_id *id, struct buf *out);
/** Packs that could not be opened: file names. */
const char *repo_damaged_pack(const struct repo *r, size_t i);
/** Names of the backups, oldest first; NULL at the end. */
const char *repo_backup_name(const struct repo *r, size_t i);
/** A backup's manifest as text, into out. */
must_use enum err repo_backup_text(struct repo *r, const char *name, struct buf *out);
/** Calls fn for every object, file by file in their order. fn returns false to stop. */
typedef bool repo_each_fn(void *ctx, const char *pack, const struct pack_entry *entry, enum err e,
    struct str bytes);
/**
 * Every object is read and checked; those that fail come with e and no bytes. Gaps are an object of
 * kind 0.
 */
must_use enum err repo_check(struct repo *r, repo_each_fn *fn, void *ctx);

/* Writing. */
/** Adds an object unless it is there. */
must_use enum err repo_put(struct repo *r, enum object_kind kind, struct str bytes,
    struct blob_id *id_out);
/** All objects are there: syncs them, then writes the manifest. */
must_use enum err repo_finish(struct repo *r, const char *name, struct str manifest);
/** Bytes written so far, and objects. */
uint64_t repo_written(const struct repo *r, uint64_t *objects_out);
/** Removes a backup's manifest. */
must_use enum err repo_remove_backup(struct repo *r, const char *name);
/**
 * Removes packs of which nothing is wanted, and rewrites those of which less than half is. Whatever
 * happens meanwhile, what is wanted stays. freed_out: bytes. ERR_CORRUPT: all was done but for packs in
 * which something wanted is damaged.
 */
typedef bool repo_wants_fn(void *ctx, const struct blob_id *id);
must_use enum err repo_sweep(struct repo *r, repo_wants_fn *wants, void *ctx, uint64_t *freed_out);
/**
 * Writes the packs in which repo_check() has found damaged objects anew, without these: until a later
 * backup stores them again they are missing. packs_out: how many. ERR_FULL, ERR_IO: all packs are as
 * they were.
 */
must_use enum err repo_drop_damaged(struct repo *r, size_t *packs_out);

#endif

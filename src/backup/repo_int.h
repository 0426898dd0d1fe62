/*
 * repo_int.h - the inside of a repository: repo.c has its objects, repo_folder.c the files of a
 * folder, repo_write.c what is added and thrown away.
 */
#ifndef BACKUP_REPO_INT_H
#define BACKUP_REPO_INT_H

#include "backup/repo.h"
#include "base/arena.h"
#include "base/hash.h"

/* An object whose pack is being written. */
#define PACK_UNFINISHED SIZE_MAX
#define PATH_BUF BUF_MAX(8192)

struct pack {
	int fd;
	char *name;
	struct pack_entry *entries;
	size_t count;
	bool is_damaged;         /* its index */
	bool has_damaged_object; /* as repo_check() has found */
};

struct object {
	struct pack_entry entry;
	size_t pack;
};

struct repo {
	int dir_fd, lock_fd; /* -1: a stream */
	bool may_write, is_stream;
	struct arena arena;
	struct pack *packs;
	size_t pack_count;
	struct hash objects; /* struct object */
	char **backups;
	size_t backup_count;
	int out_fd; /* pack that is being written; -1: none */
	struct pack_writer *writer;
	uint64_t written_bytes, written_objects;
};

/* repo.c */
/** NULL: there is none. */
struct object *object_find(const struct repo *r, const struct blob_id *id);
/** It is known from now on; one that is known stays where it is, but for PACK_UNFINISHED. */
void object_note(struct repo *r, const struct pack_entry *e, size_t pack);
/** A pack and its objects, or one that is damaged; its place. Takes fd over; -1: it can't be read. */
size_t repo_add_pack(struct repo *r, int fd, struct str name);
/** "folder/name" of a file in the repository. */
const char *repo_path(struct buf *b, const char *folder, const char *name);
void repo_unlink(struct repo *r, const char *folder, const char *name);

/* repo_folder.c */
/** The folder is locked, and what is in it is known. detail: as in repo_open(). */
must_use enum err folder_open(struct repo *r, const char *path, struct buf *detail);
/** A small file, there whole or not at all. */
must_use enum err folder_put(struct repo *r, const char *folder, const char *name,
    struct str bytes);
must_use enum err folder_sync(struct repo *r, const char *name);

#endif

/*
 * disk.h - a disk that can lose its power: every file and folder as programs see it, and as it
 * would be found after a cut.
 *
 * The rules are POSIX's, not a file system's kindness. What was written to a file is there after a
 * cut only if the file was synced since; a name is there only if its folder was synced since it was
 * made. Of what was not synced, a cut keeps what chance picks: names in the order in which they
 * were made up to some point, data by pages, by sectors or up to some byte.
 */
#ifndef TESTS_DISK_H
#define TESTS_DISK_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct entry {
	char *name;
	struct node *node;
};

/* The names in a folder. */
struct names {
	struct entry *v;
	size_t n, cap;
};

/* The bytes of a file. */
struct content {
	char *p;
	size_t n, cap;
};

struct node {
	uint64_t ino;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	unsigned links;
	struct timespec changed;
	struct names names, disk_names;
	struct content data, disk_data;
	size_t dirty_from, dirty_to; /* bytes that differ at most, between data and disk_data */
	bool is_reachable;
};

enum cut {
	CUT_ALL,     /* nothing that was not synced is there */
	CUT_DATA,    /* all names, no data: a file system that delays what is written */
	CUT_PAGES,   /* 4096 bytes by 4096 bytes */
	CUT_SECTORS, /* 512 bytes by 512 bytes */
	CUT_TAIL,    /* data up to a byte, as if a write had been torn there */
	CUT_KINDS
};

struct disk;

struct disk *disk_new(void);
void disk_free(struct disk *d);
struct node *disk_root(struct disk *d);
/* NULL: there is none. */
struct node *disk_node(struct disk *d, uint64_t ino);
struct node *disk_find(const struct node *folder, const char *name);

/* They return 0 or an errno. */
must_use int disk_make(struct disk *d, struct node *folder, const char *name, mode_t mode,
    uid_t uid, gid_t gid, struct node **node_out);
must_use int disk_link(struct disk *d, struct node *node, struct node *folder, const char *name);
must_use int disk_remove(struct disk *d, struct node *folder, const char *name, bool is_folder);
must_use int disk_rename(struct disk *d, struct node *from, const char *old, struct node *to,
    const char *name);
void disk_write(struct node *file, size_t offset, const char *p, size_t n);
void disk_truncate(struct node *file, size_t n);
/* fsync() of a file or a folder. */
void disk_sync(struct disk *d, struct node *node);

/* The power goes, and comes back. How many bytes and names were lost. */
void disk_cut(struct disk *d, enum cut how, uint64_t seed, size_t *bytes_out, size_t *names_out);

#endif

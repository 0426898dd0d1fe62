/*
 * pack.h - the files of a backup: objects, each named by the SHA-256 of its bytes, compressed, one
 * behind the other, and an index at the end (docs/backup.md). A pack is written once, in order, so
 * it may be a pipe; it is never changed. Every byte of it is covered by a checksum or compared with
 * the index.
 */
#ifndef BACKUP_PACK_H
#define BACKUP_PACK_H

#include "base/buf.h"
#include "base/err.h"
#include "kv/kv.h"

enum object_kind {
	OBJECT_BLOB = 'b',     /* the bytes of a message */
	OBJECT_ROWS = 'r',     /* rows of an account */
	OBJECT_ACCOUNT = 'a',  /* which rows and blobs an account has */
	OBJECT_LIST = 'l',     /* names of blobs */
	OBJECT_USERS = 'u',    /* rows of the users database */
	OBJECT_MANIFEST = 'm', /* of the one backup in a stream */
};

struct pack_entry {
	struct blob_id id;
	uint64_t offset; /* of its header in the file */
	uint64_t stored_bytes, raw_bytes;
	uint32_t crc; /* CRC-32C of the stored bytes */
	uint8_t kind, codec;
};

/* An object of more bytes is not believed: messages have at most 4 GiB. */
#define OBJECT_MAX_BYTES ((uint64_t)UINT32_MAX + 4096)

void object_id(struct str bytes, struct blob_id *out);
bool object_id_eq(const struct blob_id *a, const struct blob_id *b);

enum { OBJECT_HEX_BYTES = 64 };

/** 64 digits; "out" has room for a NUL too. */
void object_id_hex(const struct blob_id *id, char out[OBJECT_HEX_BYTES + 1]);
bool object_id_parse(struct str hex, struct blob_id *out);

struct pack_writer;
/** fd is borrowed; it may be a pipe. */
struct pack_writer *pack_writer_new(int fd);
/** Takes NULL. */
void pack_writer_free(struct pack_writer *w);
/** ERR_FULL: no room; ERR_IO. errno says why. */
must_use enum err pack_add(struct pack_writer *w, enum object_kind kind, const struct blob_id *id,
    struct str bytes);
/** Copies an object of another pack as it is stored; ERR_CORRUPT when it is damaged. */
must_use enum err pack_copy(struct pack_writer *w, int from, const struct pack_entry *e);
/** Writes the index: nothing can be added any more. The name is the digest of the index. */
must_use enum err pack_end(struct pack_writer *w, struct blob_id *name_out);
uint64_t pack_bytes(const struct pack_writer *w);
/** What was added so far; valid until the next call. */
const struct pack_entry *pack_entries(const struct pack_writer *w, size_t *count_out);

/**
 * Reads the index of a whole pack; entries are malloc'ed. ERR_CORRUPT: not a pack, or one that is
 * not whole.
 */
must_use enum err pack_index(int fd, struct pack_entry **entries_out, size_t *count_out,
    struct blob_id *name_out);
/** Reads an object into out (emptied first). ERR_CORRUPT unless it is what was written. */
must_use enum err pack_read(int fd, const struct pack_entry *e, struct buf *out);
/** Whether the objects fill the file without a gap, so that no byte of it is unchecked. */
must_use enum err pack_check_gaps(int fd, const struct pack_entry *entries, size_t count);

/** Writes all of it, whatever the kind of file. ERR_FULL, ERR_IO. */
must_use enum err fd_write(int fd, const void *p, size_t n);
/** ERR_END when the file is shorter. */
must_use enum err fd_pread(int fd, void *p, size_t n, uint64_t offset);

#endif

/*
 * manifest.h - what a backup consists of: the text of its manifest, and the objects that say what
 * an account has. Layouts are in docs/backup.md. Readers trust nothing.
 */
#ifndef BACKUP_MANIFEST_H
#define BACKUP_MANIFEST_H

#include "backup/pack.h"
#include "base/arena.h"

struct manifest_account {
	struct account_id id; /* 0: the server's own rows */
	uint64_t version;
	uint64_t messages, size_bytes;
	struct blob_id object;
	struct str user; /* empty for account 0 */
};

/* The last format of rows that a manifest does not name. */
#define MANIFEST_FORMAT_UNSAID 6u

struct manifest {
	uint32_t format;       /* of its rows; 0: it does not say */
	int64_t time_ms;       /* of the moment that it shows */
	int64_t retention_ms;  /* how far back its undo records lead */
	struct blob_id *users; /* rows of the users database */
	size_t user_count;
	struct manifest_account *accounts;
	size_t account_count;
};

void manifest_format(const struct manifest *m, struct buf *out);
/** Everything lives in the arena. ERR_CORRUPT; ERR_NEWER: only the format is set. */
must_use enum err manifest_parse(struct arena *a, struct str text, struct manifest *out);

/** "2026-11-22T04:15:00.123Z", as backups are named. */
enum { TIME_TEXT_BYTES = 24 };

void time_format(int64_t ms, char out[TIME_TEXT_BYTES + 1]);
/** That, or with less behind the day, or "@" and seconds since 1970. UTC. */
bool time_parse(struct str s, int64_t *ms_out);

/* Lists of objects in an account's object. */
/* of objects that list blobs; the others are kinds of rows. Stored, so it never changes */
enum { LIST_BLOBS = 6 };

_Static_assert((int)KV_POSTING < (int)LIST_BLOBS, "a list for each kind of rows");

/* An account's object while it is made: append names to lists. */
struct account_lists {
	struct account_id id;
	uint64_t version;
	struct str user;
	struct buf lists[LIST_BLOBS + 1]; /* 32 bytes a name */
};

void account_lists_init(struct account_lists *l);
void account_lists_done(struct account_lists *l);
void account_lists_encode(const struct account_lists *l, struct buf *out);
/** Lists are copied; texts point into the object. ERR_CORRUPT. */
must_use enum err account_lists_decode(struct str object, struct account_lists *out);
size_t account_list_count(const struct account_lists *l, unsigned list);
struct blob_id account_list_at(const struct account_lists *l, unsigned list, size_t i);

/* An object of rows: key length 2, value length 4, key, value, over and over. */
void rows_add(struct buf *out, struct str key, struct str value);
/** False at the end, and at what makes no sense: then *rest is not empty. */
bool rows_next(struct str *rest, struct str *key_out, struct str *value_out);

#endif

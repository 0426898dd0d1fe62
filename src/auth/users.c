/* users.c - see users.h. */
#include "auth/users.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { SCHEMA_VERSION = 2, BUSY_TIMEOUT_MS = 5000 };

struct users {
	sqlite3 *db;
	sqlite3_vfs vfs;
	char vfs_name[32];
	sqlite3_stmt *find, *last_id, *from_id;
};

#define COLUMNS                                                                                    \
	"name, password, scram_sha1, scram_sha256, disabled, created_ms, changed_ms, member_of"

/* Step i brings a database of version i to i + 1. */
static const char *const migrations[SCHEMA_VERSION] = {
	"CREATE TABLE users ("
	"  id INTEGER PRIMARY KEY,"
	"  name TEXT NOT NULL UNIQUE,"
	"  password TEXT NOT NULL DEFAULT '',"
	"  scram_sha1 TEXT NOT NULL DEFAULT '',"
	"  scram_sha256 TEXT NOT NULL DEFAULT '',"
	"  disabled INTEGER NOT NULL DEFAULT 0,"
	"  created_ms INTEGER NOT NULL,"
	"  changed_ms INTEGER NOT NULL);"
	"CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
	"ALTER TABLE users ADD COLUMN member_of TEXT NOT NULL DEFAULT '';",
};

/*
 * SQLite makes paths absolute, and then needs the right to pass through every folder above. Ours
 * are relative to the working directory, which the process entered while it still might: so they
 * are left as they are.
 */
static int
keep_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
	(void)vfs;
	if ((size_t)size <= strlen(name))
		return SQLITE_CANTOPEN;
	strcpy(out, name);
	return SQLITE_OK;
}

/* The system's file functions with the one above, under a name of this handle's own. */
static enum err
vfs_register(struct users *u)
{
	const sqlite3_vfs *base;

	if (sqlite3_initialize() != SQLITE_OK || (base = sqlite3_vfs_find(NULL)) == NULL)
		return ERR_NOMEM;
	u->vfs = *base;
	u->vfs.xFullPathname = keep_path;
	u->vfs.zName = u->vfs_name;
	snprintf(u->vfs_name, sizeof(u->vfs_name), "posthorn-%p", (void *)u);
	return sqlite3_vfs_register(&u->vfs, 0) == SQLITE_OK ? ERR_OK : ERR_NOMEM;
}

static enum err
err_of(int rc)
{
	switch (rc & 0xFF) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return ERR_OK;
	case SQLITE_CONSTRAINT:
		return ERR_EXISTS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	default:
		return ERR_IO;
	}
}

static enum err
run(struct users *u, const char *sql)
{
	return err_of(sqlite3_exec(u->db, sql, NULL, NULL, NULL));
}

static void
stmt_done(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

#define STMT cleanup_with(stmt_done) sqlite3_stmt *

static enum err
prepare(struct users *u, const char *sql, sqlite3_stmt **out)
{
	return err_of(sqlite3_prepare_v2(u->db, sql, -1, out, NULL));
}

static void
bind_str(sqlite3_stmt *s, int at, struct str v)
{
	sqlite3_bind_text(s, at, v.p != NULL ? v.p : "", (int)v.n, SQLITE_STATIC);
}

static enum err
migrate(struct users *u)
{
	STMT s = NULL;
	int version;
	enum err e = prepare(u, "PRAGMA user_version", &s);

	if (e != ERR_OK)
		return e;
	if (sqlite3_step(s) != SQLITE_ROW)
		return ERR_IO;
	version = sqlite3_column_int(s, 0);
	sqlite3_reset(s);
	if (version == SCHEMA_VERSION)
		return ERR_OK;
	/* Looked at again under the lock: another process may have been quicker. */
	e = run(u, "BEGIN IMMEDIATE");
	if (e != ERR_OK)
		return e;
	version = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int(s, 0) : -1;
	sqlite3_reset(s);
	if (version < 0 || version > SCHEMA_VERSION)
		e = ERR_CORRUPT;
	for (int i = version; e == ERR_OK && i < SCHEMA_VERSION; i++)
		e = run(u, migrations[i]);
	if (e == ERR_OK)
		e = run(u, "PRAGMA user_version = 2");
	_Static_assert(SCHEMA_VERSION == 2, "write the version above");
	if (e == ERR_OK)
		return run(u, "COMMIT");
	ignore_err(run(u, "ROLLBACK"), "the first error is told");
	return e;
}

enum err
users_open(const char *path, struct users **out)
{
	struct users *u = xcalloc(1, sizeof(*u));
	mode_t mask = umask(077);
	enum err e = vfs_register(u);

	if (e == ERR_OK)
		e = err_of(sqlite3_open_v2(path, &u->db,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, u->vfs_name));
	if (e == ERR_OK) {
		sqlite3_extended_result_codes(u->db, 1);
		sqlite3_busy_timeout(u->db, BUSY_TIMEOUT_MS);
		e = run(u,
		    /* FULL: with NORMAL a power cut takes changes back that were acknowledged */
		    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
		    "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
	}
	if (e == ERR_OK)
		e = migrate(u);
	if (e == ERR_OK)
		e = err_of(
		    sqlite3_prepare_v3(u->db, "SELECT " COLUMNS " FROM users WHERE name = ?1", -1,
			SQLITE_PREPARE_PERSISTENT, &u->find, NULL));
	if (e == ERR_OK)
		e = err_of(sqlite3_prepare_v3(u->db, "SELECT max(id) FROM users", -1,
		    SQLITE_PREPARE_PERSISTENT, &u->last_id, NULL));
	if (e == ERR_OK)
		e = err_of(sqlite3_prepare_v3(u->db,
		    "SELECT scram_sha1, scram_sha256 FROM users WHERE id >= ?1 ORDER BY id LIMIT 1",
		    -1, SQLITE_PREPARE_PERSISTENT, &u->from_id, NULL));
	umask(mask);
	if (e != ERR_OK) {
		users_close(u);
		return e;
	}
	*out = u;
	return ERR_OK;
}

void
users_close(struct users *u)
{
	if (u == NULL)
		return;
	sqlite3_finalize(u->find);
	sqlite3_finalize(u->last_id);
	sqlite3_finalize(u->from_id);
	sqlite3_close(u->db);
	if (u->vfs_name[0] != '\0')
		sqlite3_vfs_unregister(&u->vfs);
	free(u);
}

const char *
users_error(struct users *u)
{
	return sqlite3_errmsg(u->db);
}

static struct str
column_str(struct arena *a, sqlite3_stmt *s, int at)
{
	const unsigned char *p = sqlite3_column_text(s, at);

	return arena_str(a,
	    str_make(p != NULL ? (const char *)p : "",
		p != NULL ? (size_t)sqlite3_column_bytes(s, at) : 0));
}

static void
row_read(struct arena *a, sqlite3_stmt *s, struct user_row *out)
{
	out->name = column_str(a, s, 0);
	out->password = column_str(a, s, 1);
	out->scram[SCRAM_SHA1] = column_str(a, s, 2);
	out->scram[SCRAM_SHA256] = column_str(a, s, 3);
	out->is_disabled = sqlite3_column_int(s, 4) != 0;
	out->created_ms = sqlite3_column_int64(s, 5);
	out->changed_ms = sqlite3_column_int64(s, 6);
	out->groups = column_str(a, s, 7);
}

enum err
users_find(struct users *u, struct arena *a, struct str name, struct user_row *out)
{
	int rc;
	enum err e;

	bind_str(u->find, 1, name);
	rc = sqlite3_step(u->find);
	if (rc == SQLITE_ROW) {
		row_read(a, u->find, out);
		e = ERR_OK;
	} else {
		e = rc == SQLITE_DONE ? ERR_UNKNOWN : err_of(rc);
	}
	sqlite3_reset(u->find);
	sqlite3_clear_bindings(u->find);
	return e;
}

/*
 * A number from 1 to last, by jump consistent hashing (Lamping and Veach, 2014): each as likely as
 * the other, and with last + 1 it is either the same or that.
 */
static int64_t
drawn_id(uint64_t draw, int64_t last_id)
{
	int64_t last = MIN(last_id, INT32_MAX), id = 0, next = 1;

	while (next <= last) {
		id = next;
		draw = draw * 2862933555777941757u + 1;
		next = (int64_t)(0x1p31 / (double)((draw >> 33) + 1) * (double)id) + 1;
	}
	return id;
}

enum err
users_drawn_scram(struct users *u, struct arena *a, enum scram_hash hash, uint64_t draw,
    struct str *out)
{
	int64_t last = 0;
	int rc = sqlite3_step(u->last_id);
	enum err e;

	if (rc == SQLITE_ROW)
		last = sqlite3_column_int64(u->last_id, 0); /* NULL of none: 0 */
	sqlite3_reset(u->last_id);
	if (rc != SQLITE_ROW || last < 1)
		return rc == SQLITE_ROW ? ERR_UNKNOWN : err_of(rc);
	sqlite3_bind_int64(u->from_id, 1, drawn_id(draw, last));
	rc = sqlite3_step(u->from_id);
	if (rc == SQLITE_ROW) {
		*out = column_str(a, u->from_id, (int)hash);
		e = ERR_OK;
	} else {
		e = rc == SQLITE_DONE ? ERR_UNKNOWN : err_of(rc);
	}
	sqlite3_reset(u->from_id);
	return e;
}

enum err
users_add(struct users *u, const struct user_row *row)
{
	STMT s = NULL;
	enum err e = prepare(u,
	    "INSERT INTO users (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", &s);

	if (e != ERR_OK)
		return e;
	bind_str(s, 1, row->name);
	bind_str(s, 2, row->password);
	bind_str(s, 3, row->scram[SCRAM_SHA1]);
	bind_str(s, 4, row->scram[SCRAM_SHA256]);
	sqlite3_bind_int(s, 5, row->is_disabled);
	sqlite3_bind_int64(s, 6, row->created_ms);
	sqlite3_bind_int64(s, 7, row->changed_ms);
	bind_str(s, 8, row->groups);
	return err_of(sqlite3_step(s));
}

/* After a statement that should have changed a row. */
static enum err
changed_one(struct users *u, int rc)
{
	enum err e = err_of(rc);

	if (e == ERR_OK && sqlite3_changes(u->db) == 0)
		return ERR_UNKNOWN;
	return e;
}

enum err
users_set_verifiers(struct users *u, const struct user_row *row, struct str if_password)
{
	STMT s = NULL;
	enum err e = prepare(u,
	    "UPDATE users SET password = ?2, scram_sha1 = ?3, scram_sha256 = ?4, changed_ms = ?5"
	    " WHERE name = ?1 AND (?6 = '' OR password = ?6)",
	    &s);

	if (e != ERR_OK)
		return e;
	bind_str(s, 1, row->name);
	bind_str(s, 2, row->password);
	bind_str(s, 3, row->scram[SCRAM_SHA1]);
	bind_str(s, 4, row->scram[SCRAM_SHA256]);
	sqlite3_bind_int64(s, 5, row->changed_ms);
	bind_str(s, 6, if_password);
	return changed_one(u, sqlite3_step(s));
}

enum err
users_set_disabled(struct users *u, struct str name, bool is_disabled, int64_t changed_ms)
{
	STMT s = NULL;
	enum err e =
	    prepare(u, "UPDATE users SET disabled = ?2, changed_ms = ?3 WHERE name = ?1", &s);

	if (e != ERR_OK)
		return e;
	bind_str(s, 1, name);
	sqlite3_bind_int(s, 2, is_disabled);
	sqlite3_bind_int64(s, 3, changed_ms);
	return changed_one(u, sqlite3_step(s));
}

enum err
users_set_groups(struct users *u, struct str name, struct str groups, int64_t changed_ms)
{
	STMT s = NULL;
	enum err e =
	    prepare(u, "UPDATE users SET member_of = ?2, changed_ms = ?3 WHERE name = ?1", &s);

	if (e != ERR_OK)
		return e;
	bind_str(s, 1, name);
	bind_str(s, 2, groups);
	sqlite3_bind_int64(s, 3, changed_ms);
	return changed_one(u, sqlite3_step(s));
}

enum err
users_delete(struct users *u, struct str name)
{
	STMT s = NULL;
	enum err e = prepare(u, "DELETE FROM users WHERE name = ?1", &s);

	if (e != ERR_OK)
		return e;
	bind_str(s, 1, name);
	return changed_one(u, sqlite3_step(s));
}

enum err
users_each(struct users *u, enum err (*fn)(void *arg, const struct user_row *row), void *arg)
{
	STMT s = NULL;
	enum err e = prepare(u, "SELECT " COLUMNS " FROM users ORDER BY name", &s);
	int rc = SQLITE_DONE;

	while (e == ERR_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct arena a = ARENA_NONE;
		struct user_row row;

		row_read(&a, s, &row);
		e = fn(arg, &row);
		arena_done(&a);
	}
	return e == ERR_OK && rc != SQLITE_DONE ? err_of(rc) : e;
}

enum err
users_begin(struct users *u)
{
	return run(u, "BEGIN IMMEDIATE");
}

enum err
users_commit(struct users *u)
{
	return run(u, "COMMIT");
}

enum err
users_secret(struct users *u, unsigned char out[32])
{
	unsigned char fresh[32];
	STMT insert = NULL;
	STMT select = NULL;
	enum err e = prepare(u,
	    "INSERT INTO secrets (name, value) VALUES ('fake-salts', ?1) ON CONFLICT DO NOTHING",
	    &insert);

	if (e == ERR_OK)
		e = prepare(u, "SELECT value FROM secrets WHERE name = 'fake-salts'", &select);
	if (e != ERR_OK)
		return e;
	if (sqlite3_step(select) != SQLITE_ROW) {
		randombytes_buf(fresh, sizeof(fresh));
		sqlite3_bind_blob(insert, 1, fresh, sizeof(fresh), SQLITE_STATIC);
		e = err_of(sqlite3_step(insert));
		sqlite3_reset(select);
		if (e != ERR_OK)
			return e;
		if (sqlite3_step(select) != SQLITE_ROW)
			return ERR_IO;
	}
	if (sqlite3_column_bytes(select, 0) != 32)
		return ERR_CORRUPT;
	memcpy(out, sqlite3_column_blob(select, 0), 32);
	return ERR_OK;
}

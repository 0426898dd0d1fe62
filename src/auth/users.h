/*
 * users.h - the users database: one SQLite file, in WAL mode, so that the tool changes it while the
 * auth process reads it.
 *
 * The schema has a version (PRAGMA user_version); an older one is brought up to date when it is
 * opened, a newer one is refused. Not thread-safe: one handle a thread.
 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H

#include "auth/scram.h"
#include "base/arena.h"
#include "base/err.h"

struct users;

struct user_row {
	struct str name; /* normalised */
	/* verifier with its scheme; empty: no login by password */
	struct str password;
	struct str scram[SCRAM_HASHES]; /* empty: none */
	/* "sales,staff": normalised names, sorted; empty: none */
	struct str groups;
	bool is_disabled;
	int64_t created_ms, changed_ms; /* wall clock */
};

/**
 * @path  made when it is missing, for the owner only; may be relative, and then no right to the
 *        folders above is needed. ERR_IO, ERR_CORRUPT (no users database, or one of a newer
 *        version).
 */
must_use enum err users_open(const char *path, struct users **out);
void users_close(struct users *u);
/** What SQLite said last, for a log line. */
const char *users_error(struct users *u);
/** The row lives in the arena. ERR_UNKNOWN: no such user. */
must_use enum err users_find(struct users *u, struct arena *a, struct str name,
    struct user_row *out);
/**
 * The SCRAM verifier of one user of all, each as likely as the other, but that those who are
 * deleted are drawn as the next one. The same for the same draw as long as that user is there, but
 * for one draw in as many as there are users, when one is added. Empty: that user has none.
 *
 * @draw  random bits
 *
 * ERR_UNKNOWN: there are no users.
 */
must_use enum err users_drawn_scram(struct users *u, struct arena *a, enum scram_hash hash,
    uint64_t draw, struct str *out);
/** ERR_EXISTS. */
must_use enum err users_add(struct users *u, const struct user_row *row);
/** Replaces the groups. ERR_UNKNOWN. */
must_use enum err users_set_groups(struct users *u, struct str name, struct str groups,
    int64_t changed_ms);
/**
 * Replaces the verifiers; state and groups stay, for somebody else may have changed them since the
 * row was read.
 *
 * @if_password  only when the stored verifier is still this one; empty: in any case
 *
 * ERR_UNKNOWN  no such user (with that verifier)
 */
must_use enum err users_set_verifiers(struct users *u, const struct user_row *row,
    struct str if_password);
/** Says who may log in; verifiers and groups stay. ERR_UNKNOWN. */
must_use enum err users_set_disabled(struct users *u, struct str name, bool is_disabled,
    int64_t changed_ms);
/** ERR_UNKNOWN. */
must_use enum err users_delete(struct users *u, struct str name);
/**
 * In order of name. fn returns anything but ERR_OK to stop, which is passed on; the row lives
 * during the call.
 */
must_use enum err users_each(struct users *u, enum err (*fn)(void *arg, const struct user_row *row),
    void *arg);
/** Several changes at once: all or none, and quicker. */
must_use enum err users_begin(struct users *u);
must_use enum err users_commit(struct users *u);
/** 32 random bytes that stay the same for the life of the database. */
must_use enum err users_secret(struct users *u, unsigned char out[32]);

#endif

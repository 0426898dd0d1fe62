/*
 * acl.h - who may do what with a mailbox (RFC 4314): a list of identifiers with rights, as it is
 * stored in the mailbox's row.
 *
 * Identifiers are names of users, "$" and the name of a group, and "anyone". One that begins with
 * "-" takes its rights away from whom the rest names. A user's rights are all that the entries give
 * that apply, less all that they take.
 *
 * The owner, the user whose account it is, has all rights as long as no entry names him; then he
 * has those of the entries, and keeps `l` and `a` in any case, so that nobody locks himself out.
 */
#ifndef STORE_ACL_H
#define STORE_ACL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

/* In the order in which they are told. As bits they are stored. */
enum rights {
	RIGHT_L = 1 << 0,  /* lookup: it is there, and listed */
	RIGHT_R = 1 << 1,  /* read: SELECT, STATUS */
	RIGHT_S = 1 << 2,  /* \Seen is kept */
	RIGHT_W = 1 << 3,  /* flags but \Seen and \Deleted */
	RIGHT_I = 1 << 4,  /* insert: APPEND, COPY into */
	RIGHT_P = 1 << 5,  /* post: mail to its address */
	RIGHT_K = 1 << 6,  /* mailboxes are made below it */
	RIGHT_X = 1 << 7,  /* it is deleted, renamed */
	RIGHT_T = 1 << 8,  /* \Deleted */
	RIGHT_E = 1 << 9,  /* expunge */
	RIGHT_A = 1 << 10, /* its list is read and changed */
	RIGHT_N = 1 << 11, /* shared annotations of messages are changed (RFC 5257 3.4) */
	RIGHTS_ALL = (1 << 12) - 1,
	RIGHTS_OWNER = RIGHT_L | RIGHT_A, /* what the owner never loses */
};

enum { ACL_ENTRIES_MAX = 128, ACL_IDENTIFIER_MAX = 255, ACL_BYTES_MAX = 8192 };

/* Who asks. */
struct identity {
	struct str user;
	const struct str *groups; /* without "$" */
	size_t group_count;
};

/**
 * "lrswkcd": letters, "c" and "d" for what they stand for (RFC 4314 2.1.1). False for anything
 * else.
 */
bool rights_parse(struct str text, unsigned *out);
/** Appends the letters, with "c" and "d" when a member of theirs is there. */
void rights_format(unsigned rights, struct buf *out);

/** Takes the first entry of a list off it; false at its end. */
bool acl_next(struct str *list, struct str *identifier_out, unsigned *rights_out);
/** Whether bytes are a list: for what was stored. */
bool acl_is_valid(struct str list);
/** The rights of an identifier's own entry; false when it has none. */
bool acl_find(struct str list, struct str identifier, unsigned *rights_out);
/**
 * Writes the list with the entry of an identifier as given, or without it (is_kept false). Rights 0
 * make an entry too. ERR_LIMIT.
 */
must_use enum err acl_set(struct str list, struct str identifier, unsigned rights, bool is_kept,
    struct buf *out);
/** What somebody may do. owner: whose account it is. */
unsigned acl_rights(struct str list, struct str owner, const struct identity *who);
/** Whether an identifier applies: its name, its group, anyone. Without "-". */
bool acl_applies(struct str identifier, const struct identity *who);

#endif

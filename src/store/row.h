/*
 * row.h - keys and values of the rows of accounts and mailboxes (docs/file-format.md). Keys are a
 * letter and big-endian numbers, so that what belongs together lies together. Decoders trust
 * nothing: ERR_CORRUPT for what was not encoded here.
 */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include "base/arena.h"
#include "base/buf.h"
#include "imap/seqset.h"
#include "store/acl.h"
#include "store/ids.h"
#include "store/store.h"

enum { ANNOTATIONS_MAX_BYTES = 262144, MAILBOX_ROW_MAX_BYTES = 65536 + ANNOTATIONS_MAX_BYTES };

enum {
	ROW_KEY_MAX = 32,
	MAILBOX_NAME_MAX = 1000,
	MAILBOX_DEPTH_MAX = 64,
	USER_NAME_MAX = 255,
	ACCOUNT_ROW_MAX_BYTES = 64 + USER_NAME_MAX
};

/* ---- keys ------------------------------------------------------------------------------------ */

struct row_key {
	char bytes[ROW_KEY_MAX];
	size_t n;
};

static inline struct str
row_key_str(const struct row_key *k)
{
	return str_make(k->bytes, k->n);
}

struct row_key row_key_account(void);                             /* KV_ROW "A" */
struct row_key row_key_limits(void);                              /* KV_ROW "L" */
struct row_key row_key_mailbox(struct mailbox_id id);             /* KV_ROW "M" id */
struct row_key row_key_status(struct mailbox_id id);              /* KV_ROW "S" id */
struct row_key row_key_page(struct mailbox_id id, uint32_t page); /* KV_PAGE "P" id page */
/* KV_PAGE "P" id page place: right behind its page */
struct row_key row_key_notes(struct mailbox_id id, uint32_t uid);
/* KV_PAGE "Q" id user page */
struct row_key row_key_private(struct mailbox_id id, uint64_t user, uint32_t page);
/* KV_ROW "Q" id user */
struct row_key row_key_private_sums(struct mailbox_id id, uint64_t user);
/* KV_LOG "V" id version */
struct row_key row_key_vanished(struct mailbox_id id, uint64_t version);
struct row_key row_key_undo(uint64_t version);   /* KV_LOG "U" version */
struct row_key row_key_staged(uint64_t version); /* KV_LOG "C" version */
struct row_key row_key_clock(void);              /* ACCOUNT_SYSTEM, KV_ROW "T" */
struct row_key row_key_next_account(void);       /* ACCOUNT_SYSTEM, KV_ROW "N" */
/* ACCOUNT_SYSTEM, KV_ROW "D" account */
struct row_key row_key_dying(uint64_t account);
/*
 * ACCOUNT_SYSTEM, KV_ROW "G" identifier NUL owner: made in a buffer; without owner it is where the
 * identifier's rows begin.
 */
void row_key_share(struct buf *out, struct str identifier, struct str owner);
/*
 * ACCOUNT_SYSTEM, KV_ROW "U" user: the user's name follows the letter, so this key is made in a
 * buffer.
 */
void row_key_user(struct buf *out, struct str user);

/** The numbers behind the letter; false when the key has another length. */
bool row_key_parse_mailbox(struct str key, struct mailbox_id *id_out);
bool row_key_parse_page(struct str key, struct mailbox_id *id_out, uint32_t *page_out);
bool row_key_parse_notes(struct str key, struct mailbox_id *id_out, uint32_t *uid_out);
bool row_key_parse_private(struct str key, struct mailbox_id *id_out, uint64_t *user_out,
    uint32_t *page_out);
bool row_key_parse_private_sums(struct str key, struct mailbox_id *id_out, uint64_t *user_out);
bool row_key_parse_vanished(struct str key, struct mailbox_id *id_out, uint64_t *version_out);
bool row_key_parse_undo(struct str key, uint64_t *version_out);
bool row_key_parse_staged(struct str key, uint64_t *version_out);
bool row_key_parse_dying(struct str key, uint64_t *account_out);

/* ---- values ---------------------------------------------------------------------------------- */

/* What belongs to the account as a whole. */
struct account_row {
	uint64_t next_mailbox; /* id of the next mailbox */
	uint32_t next_msgno;
	uint32_t next_uidvalidity; /* lowest that may be given */
	uint64_t size_bytes;       /* sum over all entries */
	uint64_t messages;         /* all entries */
	uint64_t log_floor;        /* rows "V" of this version and older may be gone */
	uint64_t undo_floor;       /* rows "U" of this version and older are gone */
	uint64_t log_rows;         /* rows "V", about */
	bool has_limits;           /* it has a row "L" of its own, in which */
	struct quota_limits limits;
	struct str user; /* borrowed */
};

void account_row_encode(const struct account_row *r, struct buf *out);
must_use enum err account_row_decode(struct str row, struct account_row *out);

void limits_row_encode(const struct quota_limits *l, struct buf *out);
must_use enum err limits_row_decode(struct str row, struct quota_limits *out);

/* What a mailbox is. Changes seldom. */
struct mailbox_row {
	uint64_t parent; /* 0: top level */
	uint32_t uidvalidity;
	uint32_t special_use;
	bool is_noselect;
	bool is_subscribed;
	bool is_seen_private; /* each user has his own \Seen (seen_int.h) */
	/* that was said by hand: the access control list does not change it */
	bool is_seen_fixed;
	uint64_t seen_since; /* modseq of the last change of is_seen_private; 0: never */
	struct str name;     /* last level of it */
	/* slots in use; the first KEYWORDS_REGISTERED have names of their own */
	uint32_t keyword_count;
	const struct str *keywords; /* by slot; borrowed */
	struct str acl;             /* acl.h; borrowed */
	struct str annotations;     /* annotation.h; borrowed */
};

void mailbox_row_encode(const struct mailbox_row *r, struct buf *out);
/** Texts point into row, out->keywords to the array. */
must_use enum err mailbox_row_decode(struct str row, struct mailbox_row *out,
    struct str keywords[KEYWORDS_MAX]);
/** A row of a mailbox without keywords of its own. */
void mailbox_row_set_registered(struct mailbox_row *r, struct str keywords[KEYWORDS_MAX]);

/* What a mailbox holds. Changes with every commit that changes it. */
struct status_row {
	uint64_t highestmodseq;
	uint32_t uidnext;
	uint32_t recent_from;
	uint32_t exists, unseen, deleted;
	uint64_t size_bytes, deleted_bytes;
	uint32_t notes_bytes; /* of its messages' notes (notes.h) */
};

enum { STATUS_ROW_BYTES = 52 };

void status_row_encode(const struct status_row *r, struct buf *out);
must_use enum err status_row_decode(struct str row, struct status_row *out);

/* What a user has seen of a mailbox for himself. */
struct seen_row {
	uint32_t seen;   /* messages */
	uint64_t modseq; /* none of his is above */
};

enum { SEEN_ROW_BYTES = 16 };

void seen_row_encode(const struct seen_row *r, struct buf *out);
must_use enum err seen_row_decode(struct str row, struct seen_row *out);

/* Vanished UIDs: ranges as varints of gaps and lengths. */
void vanished_row_encode(const struct rangeset *uids, struct buf *out);
/** Adds to out. */
must_use enum err vanished_row_decode(struct str row, struct rangeset *out);

/* Messages that have a link too many, unless the copy behind it is made (commit_stage.c). */
struct staged {
	const char *p; /* borrowed */
	size_t count;
};

enum { STAGED_ENTRY_BYTES = 4 };

void staged_row_encode(const struct msgno *numbers, uint32_t count, struct buf *out);
must_use enum err staged_row_decode(struct str row, struct staged *out);
struct msgno staged_at(const struct staged *s, size_t i);

void u64_row_encode(uint64_t v, struct buf *out);
must_use enum err u64_row_decode(struct str row, uint64_t *out);

#endif

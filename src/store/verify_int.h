/*
 * verify_int.h - the parts of verify.
 *
 *     verify.c           the run: engine, directory, accounts, links
 *     verify_rows.c      rows as far as they can be read
 *     verify_account.c   an account and its own row
 *     verify_box.c       its mailboxes: names and status
 *     verify_page.c      their pages, and the notes of their messages
 *     verify_log.c       its change log and undo records
 *     verify_message.c   records of messages and their bytes
 *     verify_digest.c    what is stored of them for SORT, THREAD and SEARCH
 *     verify_lost.c      messages whose record is lost look for their bytes
 *     verify_seen.c      what users have seen for themselves
 *     verify_sharing.c   the index of its access control lists, and its limits
 *     verify_text.c      a finding in words
 */
#ifndef STORE_VERIFY_INT_H
#define STORE_VERIFY_INT_H

#include "base/hash.h"
#include "imap/seqset.h"
#include "store/message_record.h"
#include "store/page.h"
#include "store/row.h"
#include "store/verify.h"

/* A blob, by the first bytes of its name, and how many messages were seen to name it. */
struct verify_blob {
	uint64_t name;
	uint64_t found;
};

/* A message whose summary is lost, and whose bytes may be found among blobs that nobody names. */
struct verify_lost;

struct verify {
	const struct verify_options *o;
	struct kv *kv;
	struct verify_result result;
	bool is_stopped, is_unwritten;
	bool are_links_known;      /* whatever names a blob could be read */
	struct verify_blob *blobs; /* sorted */
	size_t blob_count, blob_cap;
	struct hash made; /* names of blobs whose rows this run makes anew; own memory */
	struct verify_lost *lost;
};

/* A mailbox: in the account, or deleted and kept by an undo record. */
struct verify_box {
	struct mailbox_id id;
	bool has_row, has_status, is_dropped;
	struct mailbox_row row; /* texts in the arena */
	struct status_row status;
	struct str name;       /* all levels; in the arena */
	struct page_sums sums; /* of its pages, as they are */
	uint64_t notes_bytes;  /* the same of notes */
	uint32_t uid_highest;
	bool has_lost_pages, has_lost_notes;
	struct rangeset uids, vanished;
};

/*
 * Where a message is shown: mailbox and UID, or an undo record's page of that mailbox. UID 0: it has
 * a link for a copy that is not made.
 */
struct verify_ref {
	struct msgno n;
	uint32_t uid;
	struct mailbox_id box;
	bool is_expunged;
	uint64_t size_bytes;
};

struct verify_seen;

/* The account that is being proved. */
struct verify_account {
	struct verify *v;
	struct account_id id;
	struct str user;
	uint64_t version;
	struct arena arena;
	bool has_row, is_row_changed;
	struct account_row row;
	struct verify_box *boxes; /* sorted by id */
	size_t box_count, box_cap;
	struct verify_ref *refs; /* sorted by number from verify_messages() on */
	size_t ref_count, ref_cap;
	bool are_refs_whole; /* all that show a message are known */
	bool has_lost_log;
	bool has_hidden_notes; /* there are gaps between pages, where some may be */
	/* whose message was not seen before them: it may be in a gap */
	struct verify_ref *notes;
	size_t note_count;
	struct verify_seen *seen; /* verify_seen.c; sorted by mailbox and user */
	size_t seen_count, seen_cap;
	struct kv_txn *txn; /* repairs */
};

/* ---- verify.c */

/** Tells; counts. */
void verify_tell(struct verify *v, struct verify_finding *f);
/** False: stop. */
bool verify_pace(struct verify *v, uint64_t bytes);
/** The version of an account is lost: it gets a later one. False: it could not, or may not. */
bool verify_version_set(struct verify *v, struct account_id id);
/** A message names it. */
void verify_blob_named(struct verify *v, const struct blob_id *id);
/** Its row is made anew. */
void verify_blob_make(struct verify *v, const struct blob_id *id);
bool verify_blob_is_made(const struct verify *v, const struct blob_id *id);

/* ---- verify_rows.c */

typedef void verify_row_fn(void *ctx, struct str key, struct str value);

/* Keys with from <= key < to can't be read together; maybe alone. */
struct verify_gaps {
	struct kv_gap *g;
	size_t n, cap;
};

void verify_gaps_done(struct verify_gaps *g);
bool verify_gaps_have(const struct verify_gaps *g, struct str key);
/** Gives the rows of a range, ascending, and says where there are gaps. */
void verify_rows(struct verify *v, struct account_id account, enum kv_kind kind, struct str from,
    struct str to, verify_row_fn *fn, void *ctx, struct verify_gaps *gaps_out);
/** One row, copied into the arena; value_out->p is NULL when there is none. */
must_use enum err verify_row(struct verify *v, struct arena *a, struct account_id account,
    enum kv_kind kind, struct str key, struct str *value_out);

/* ---- verify_sharing.c */

/** A8: each list of the account's mailboxes is in the index. */
void verify_sharing(struct verify_account *a);
/** A row "L". */
void verify_limits(struct verify_account *a, struct str key, struct str value);

/* ---- verify_seen.c */

/** A row "Q" of KV_ROW. */
void verify_seen_row(struct verify_account *a, struct str key, struct str value);
/** A row "Q" of KV_PAGE. After all the mailboxes' own pages. */
void verify_seen_page(struct verify_account *a, struct str key, struct str value);
/** A10, when both were given. */
void verify_seen_check(struct verify_account *a);

/* ---- verify_account.c */

/** Proves an account. user: what the directory says, or empty. */
void verify_account(struct verify *v, struct account_id id, struct str user);
/** A finding of the account, or of a mailbox in it. */
struct verify_finding verify_finding_of(struct verify_account *a, enum verify_kind kind,
    const struct verify_box *b);
/** Tells one that is about no UIDs. */
void verify_tell_of(struct verify_account *a, enum verify_kind kind, const struct verify_box *b,
    bool is_lost, bool is_repaired, const char *detail);
/** The transaction that repairs go into; NULL when nothing may be repaired. */
struct kv_txn *verify_repair(struct verify_account *a);
/** Writes what was repaired. */
void verify_repair_end(struct verify_account *a);

/* ---- verify_box.c */

/* A uidnext that was lost is guessed that far above what is known. */
enum { VERIFY_UIDS_APART = 1 << 16 };

struct verify_box *verify_box_find(struct verify_account *a, struct mailbox_id id);
/** Makes one when there is none. */
struct verify_box *verify_box_add(struct verify_account *a, struct mailbox_id id);
/** Each has a name and a place. */
void verify_names(struct verify_account *a);
/** Each has a status that says what its pages have. After pages and change log. */
void verify_boxes(struct verify_account *a);

/* ---- verify_page.c */

/** Takes all pages and notes. */
void verify_pages(struct verify_account *a);
/** Tells that notes of these messages are lost. */
void verify_notes_lost(struct verify_account *a, struct verify_box *b, uint32_t uid_first,
    uint32_t uid_last, bool is_repaired, const char *detail);
void verify_ref_add(struct verify_account *a, const struct verify_ref *ref);
/**
 * The entries of a page of a mailbox are added to the refs, and to the UIDs of b (NULL: to none).
 */
void verify_page_refs(struct verify_account *a, struct mailbox_id id, struct verify_box *b,
    uint32_t page, struct str bytes, bool is_expunged);

/* ---- verify_log.c */

/** Undo records, and copies that were begun: what they hold. Before pages are looked at. */
void verify_undo(struct verify_account *a);
/** Vanished UIDs. After the pages. */
void verify_change_log(struct verify_account *a);

/* ---- verify_message.c */

void verify_messages(struct verify_account *a);

/* ---- verify_digest.c */

void verify_digests(struct verify_account *a);

/* ---- verify_lost.c */

/**
 * A message's summary is lost; header_row.p is NULL when that is lost too. refs are those that show
 * the message.
 */
void verify_lost_add(struct verify_account *a, struct msgno n, const struct verify_ref *refs,
    size_t count, struct str header_row);
/** A blob has more links than messages were found: is it that of one that is lost? */
void verify_lost_try(struct verify *v, const struct kv_blob *b);
/** Tells what has come of them, and repairs. How many stay lost. */
size_t verify_lost_end(struct verify *v);

#endif

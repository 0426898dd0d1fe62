/*
 * message_record.h - the rows of a message in an account: summary, header block, links of its
 * copies, threads. Their layouts are in docs/file-format.md, "Message record". Everything of kind
 * KV_MESSAGE is described here.
 */
#ifndef STORE_MESSAGE_RECORD_H
#define STORE_MESSAGE_RECORD_H

#include "base/buf.h"
#include "base/err.h"
#include "kv/kv.h"
#include "store/ids.h"

/*
 * A row's key, with the letter of its sort and a big-endian number, so that messages lie in the
 * order of arrival.
 */
struct message_key {
	char bytes[9];
	uint8_t n;
};

static inline struct str
message_key_str(const struct message_key *k)
{
	return str_make(k->bytes, k->n);
}

/** KV_MESSAGE: the summary. */
struct message_key message_summary_key(struct msgno n);
/** KV_MESSAGE: prefix and header block. */
struct message_key message_header_key(struct msgno n);
/** KV_COUNTER: entries with this message in the account, less one. No row: exactly one. */
struct message_key message_copies_key(struct msgno n);
/**
 * By which the rows of threads are found: of a message-id without its brackets. Stored, so it never
 * changes.
 */
uint64_t message_id_hash(struct str id);
/** KV_MESSAGE: message-id (its hash) → thread. */
struct message_key message_thread_key(uint64_t msgid_hash);

/*
 * Who first numbered a message or thread: the account and the message's number there. Carried by
 * copies everywhere.
 */
struct object_id {
	uint64_t account;
	uint32_t n;
};

enum { OBJECT_ID_BYTES = 12, OBJECT_ID_TEXT_MAX = 32 };

/* A record as it is encoded and decoded; texts are borrowed. */
struct message_record {
	struct blob_id blob;
	uint64_t blob_bytes;
	uint32_t prefix_bytes; /* the first bytes of the header row */
	uint32_t header_bytes; /* of the header row, prefix included */
	bool is_header_cut;
	struct object_id email, thread;
	bool has_place; /* the row ends with it, which records of format 5 and before don't */
	uint64_t place; /* of the blob's bytes, as kv_put_placed() gives it; 0: not known */
	struct str envelope, bodystructure, structure, sortkeys, preview;
};

void message_summary_encode(const struct message_record *r, struct buf *out);
/** The row, with has_place one that says where the bytes are. */
void message_summary_put(struct kv_txn *t, struct msgno n, const struct message_record *r);
/** A row as it would be in a store that knows no places: for what is compared between stores. */
void message_summary_unplace(struct str row, struct buf *out);
/** ERR_CORRUPT: damaged, or of a version that we don't know. Texts point into row. */
must_use enum err message_summary_decode(struct str row, struct message_record *out);
/** The header row: prefix, then the blob's header block. */
void message_header_encode(struct str prefix, struct str header, struct buf *out);
/** Whether it begins as a header row does: the block follows the first byte. */
bool message_header_is_known(struct str row);
/**
 * The whole block, whose first r->prefix_bytes are the prefix. ERR_CORRUPT when it does not belong
 * to the summary.
 */
must_use enum err message_header_decode(struct str row, const struct message_record *r,
    struct str *header_out);

void object_id_encode(struct object_id id, char out[OBJECT_ID_BYTES]);
must_use enum err object_id_decode(struct str row, struct object_id *out);
/** "M1-2a": EMAILID and THREADID (RFC 8474), JMAP ids; letter is 'M' or 'T'. */
struct str object_id_text(struct object_id id, char letter, char out[OBJECT_ID_TEXT_MAX]);

#endif

/*
 * message.h - reading messages: the record made at arrival, and the bytes.
 *
 * A record has two rows. The summary is what lists and bodies are made of, about 1 KiB; the header
 * block is some KiB more. So FETCH (ENVELOPE BODYSTRUCTURE), SORT and THREAD read only the first,
 * and say so.
 */
#ifndef STORE_MESSAGE_H
#define STORE_MESSAGE_H

#include "store/store.h"

/*
 * A message's record, decoded without copying; immutable, shared by reference count, the same for
 * all copies in the account. The message is the prefix followed by the blob; `structure`
 * (mime/structure.h) has offsets relative to the blob.
 */
struct message {
	struct msgno msgno;
	uint64_t size_bytes; /* prefix and blob: RFC822.SIZE */
	struct blob_id blob;
	uint64_t blob_bytes;
	uint64_t blob_place;   /* for kv_blob_read() */
	uint32_t prefix_bytes; /* at most MESSAGE_PREFIX_MAX */
	uint32_t header_bytes; /* of `header` */
	/* the header block is longer than is kept: read it from the blob */
	bool is_header_cut;
	bool has_header; /* prefix and header are there: got with MESSAGE_WHOLE */
	struct str prefix;
	/* the whole header block: prefix, then the blob's, with its closing blank line */
	struct str header;
	struct str envelope; /* ENVELOPE, ready to send */
	/* BODYSTRUCTURE, ready to send; BODY: mime_body_from_bodystructure() */
	struct str bodystructure;
	struct str structure;         /* encoded part tree */
	struct str sortkeys;          /* encoded, mime/sortkeys.h */
	struct str preview;           /* RFC 8970, UTF-8 */
	struct str emailid, threadid; /* RFC 8474 */
};

enum { MESSAGE_PREFIX_MAX = 4096 };

/* What of it is asked for. */
enum message_need {
	MESSAGE_SUMMARY, /* prefix and header may be absent */
	MESSAGE_WHOLE,
};

/**
 * ERR_WAIT while the record is loaded. Referenced. ERR_CORRUPT when it is damaged or missing;
 * ERR_IO. The record of a message whose append is not durable yet is there when it is.
 */
must_use enum err message_get(struct account *a, struct msgno n, enum message_need need,
    struct waiter *w, struct message **out);
struct message *message_ref(struct message *m);
/** Takes NULL. */
void message_unref(struct message *m);
/**
 * Begins to load records that will be asked for, together: some hundred at a time is best. Never
 * waits.
 */
void message_prefetch(struct account *a, const struct msgno *numbers, size_t count,
    enum message_need need);

/* Reads a message's bytes piece by piece. One thread at a time. */
struct message_reader;
/** Holds the message (a reference is taken) and the account. */
struct message_reader *message_reader_new(struct account *a, struct message *m);
/** Takes NULL. Its waiter must not be waiting any more. */
void message_reader_free(struct message_reader *r);
/**
 * Bytes from offset (of the whole message: prefix, then blob), as many as are at hand, at most
 * `length`; referenced by *bytes_out. Of the prefix *bytes_out is NULL, and the data is valid as
 * long as the reader: copy it, it is short. ERR_WAIT; ERR_END behind the end; ERR_CORRUPT; ERR_IO.
 * Ask for all that is wanted: it reads ahead when `length` goes beyond what it gives, and holds at
 * most two pieces of 256 KiB.
 */
must_use enum err message_reader_get(struct message_reader *r, uint64_t offset, size_t length,
    struct waiter *w, struct kv_bytes **bytes_out, struct str *data_out);

#endif

/*
 * message.h - reading messages: the record made at arrival, and the bytes.
 */
#ifndef STORE_MESSAGE_H
#define STORE_MESSAGE_H

#include "store/store.h"

/*
 * A message's record, decoded without copying; immutable, shared by reference count, the same for all copies in the account.
 * The message is the prefix followed by the blob; `structure` (mime/structure.h) has offsets relative to the blob.
 */
struct message {
	struct msgno msgno;
	uint64_t size_bytes;		/* prefix and blob: RFC822.SIZE */
	struct str prefix;
	struct blob_id blob;
	uint64_t blob_bytes;
	struct str header;		/* the whole header block: prefix, then the blob's, with its closing blank line */
	bool is_header_cut;		/* longer than is kept (256 KiB): read the rest from the blob */
	struct str envelope;		/* ENVELOPE, ready to send */
	struct str body;		/* BODY, ready to send */
	struct str bodystructure;	/* BODYSTRUCTURE, ready to send */
	struct str structure;		/* encoded part tree */
	struct str sortkeys;		/* encoded, mime/sortkeys.h */
	struct str preview;		/* RFC 8970, UTF-8 */
	struct str emailid, threadid;	/* RFC 8474 */
};

/** ERR_WAIT while the record is loaded. Referenced. ERR_CORRUPT when it is damaged or missing. */
must_use enum err message_get(struct account *a, struct msgno n, struct waiter *w, struct message **out);
struct message *message_ref(struct message *m);
void message_unref(struct message *m);
/** Begins to load records that will be asked for, together. Never waits. */
void message_prefetch(struct account *a, const struct msgno *numbers, size_t count);

/* Reads a message's bytes piece by piece. One thread at a time. */
struct message_reader;
/** Holds the message (a reference is taken). */
struct message_reader *message_reader_new(struct account *a, struct message *m);
void message_reader_free(struct message_reader *r);
/**
 * Bytes from offset (of the whole message: prefix, then blob), as many as are at hand, at most `length`; referenced.
 * ERR_WAIT; ERR_END behind the end; ERR_CORRUPT. It reads ahead when asked in order.
 */
must_use enum err message_reader_get(struct message_reader *r, uint64_t offset, size_t length, struct waiter *w,
    struct kv_bytes **bytes_out, struct str *data_out);

#endif

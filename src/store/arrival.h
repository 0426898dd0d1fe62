/*
 * arrival.h - a message on its way in: its bytes stream through the engine's staging, the MIME
 * parser, the preview and the digest at once; when it has ended, all that will ever be asked of it
 * is computed. It can then be appended to any number of mailboxes and accounts, whose copies share
 * the bytes.
 */
#ifndef STORE_ARRIVAL_H
#define STORE_ARRIVAL_H

#include "store/store.h"

struct arrival;

/** Memory stays bounded (one chunk and the parser) whatever the message's size. */
struct arrival *arrival_new(struct store *s);
/**
 * Takes some of data. ERR_WAIT: nothing taken. ERR_TOOBIG: over store_options.message_max_bytes;
 * ERR_FULL, ERR_IO.
 */
must_use enum err arrival_write(struct arrival *m, struct str data, size_t *taken_out,
    struct waiter *w);
/**
 * All bytes are in: it can be appended, from any thread. After an error of arrival_write() the same
 * error.
 */
must_use enum err arrival_finish(struct arrival *m);
/** Bytes taken so far. */
uint64_t arrival_size(const struct arrival *m);
/** Of a finished one: the name of its bytes. */
struct blob_id arrival_blob(const struct arrival *m);
/** Of a finished one: as in struct message. */
struct str arrival_bodystructure(const struct arrival *m);
struct arrival *arrival_ref(struct arrival *m);
/** Takes NULL. Without an append its bytes are dropped. */
void arrival_unref(struct arrival *m);

#endif

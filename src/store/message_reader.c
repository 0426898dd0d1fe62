/*
 * message_reader.c - see message.h. Two pieces of the blob at most: the one that is being given
 * out, and the next, which is asked of the engine as soon as the reader sees that it is read in
 * order.
 */
#include "store/account_int.h"
#include "store/arrival_int.h"
#include "store/message.h"

#include <stdlib.h>

enum { PIECE_BYTES = 256 * 1024 };

struct piece {
	struct kv_bytes *bytes; /* NULL: none */
	uint64_t offset;        /* in the blob */
};

struct message_reader {
	struct account *account;
	struct message *m;
	struct piece now;
	pthread_mutex_t lock; /* what follows: the engine's callback shares it */
	struct piece next;    /* has come, or is on its way */
	bool is_loading, is_closed;
	enum err error; /* of the last load */
	struct waitlist loaded;
};

struct message_reader *
message_reader_new(struct account *a, struct message *m)
{
	struct message_reader *r = xcalloc(1, sizeof(*r));

	r->account = account_ref(a);
	r->m = message_ref(m);
	pthread_mutex_init(&r->lock, NULL);
	waitlist_init(&r->loaded);
	return r;
}

static void
piece_drop(struct piece *p)
{
	if (p->bytes != NULL)
		kv_bytes_unref(p->bytes);
	p->bytes = NULL;
}

static void
reader_destroy(struct message_reader *r)
{
	piece_drop(&r->now);
	piece_drop(&r->next);
	message_unref(r->m);
	account_unref(r->account);
	waitlist_done(&r->loaded);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void
message_reader_free(struct message_reader *r)
{
	bool is_loading;

	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->is_closed = true;
	is_loading = r->is_loading;
	pthread_mutex_unlock(&r->lock);
	if (!is_loading)
		reader_destroy(r);
}

static void
piece_loaded(void *ctx, enum err e, struct kv_bytes *bytes)
{
	struct message_reader *r = ctx;
	bool is_closed;

	pthread_mutex_lock(&r->lock);
	r->is_loading = false;
	r->error = e;
	r->next.bytes = bytes;
	is_closed = r->is_closed;
	if (!is_closed)
		waitlist_wake_all(&r->loaded); /* with the lock, so that r is still there */
	pthread_mutex_unlock(&r->lock);
	if (is_closed)
		reader_destroy(r);
}

/*
 * With the lock, while nothing is loading: asks for the piece at offset. It is there at once, fails
 * at once, or comes.
 */
static void
piece_load(struct message_reader *r, uint64_t offset)
{
	struct kv_bytes *bytes = NULL;
	enum err e;

	piece_drop(&r->next);
	r->next.offset = offset;
	r->error = ERR_OK;
	r->is_loading = true;
	e = kv_blob_read(r->account->kv, &r->m->blob, r->m->blob_place, offset, PIECE_BYTES, &bytes,
	    piece_loaded, r);
	if (e == ERR_WAIT)
		return;
	r->is_loading = false;
	r->error = e;
	r->next.bytes = bytes;
}

static bool
piece_has(const struct piece *p, uint64_t offset)
{
	return p->bytes != NULL && offset >= p->offset
	    && offset - p->offset < kv_bytes_str(p->bytes).n;
}

/* With the lock: makes `now` the piece that has the offset. */
static enum err
piece_find(struct message_reader *r, uint64_t offset, struct waiter *w)
{
	bool has_asked = false;

	while (!piece_has(&r->now, offset)) {
		if (r->is_loading) {
			waiter_wait(w, &r->loaded);
			return ERR_WAIT;
		}
		if (piece_has(&r->next, offset)) {
			piece_drop(&r->now);
			r->now = r->next;
			r->next.bytes = NULL;
			break;
		}
		if (r->next.offset == offset && r->error != ERR_OK) {
			enum err e = r->error;

			r->error = ERR_OK;
			return e == ERR_END ? ERR_CORRUPT : e; /* the record knows the length */
		}
		if (has_asked)
			return ERR_CORRUPT; /* nothing came, and no error */
		has_asked = true;
		piece_load(r, offset);
	}
	return ERR_OK;
}

/* The prefix, from the record; the record is got again when the reader was given its summary. */
static enum err
prefix_get(struct message_reader *r, uint64_t offset, size_t length, struct waiter *w,
    struct str *data_out)
{
	struct message *whole;
	enum err e;

	if (!r->m->has_header) {
		e = message_get(r->account, r->m->msgno, MESSAGE_WHOLE, w, &whole);
		if (e != ERR_OK)
			return e;
		message_unref(r->m);
		r->m = whole;
	}
	*data_out =
	    str_sub(r->m->prefix, (size_t)offset, (size_t)offset + MIN(length, r->m->prefix.n));
	return ERR_OK;
}

enum err
message_reader_get(struct message_reader *r, uint64_t offset, size_t length, struct waiter *w,
    struct kv_bytes **bytes_out, struct str *data_out)
{
	uint64_t at, end;
	struct str piece;
	enum err e;

	if (offset >= r->m->size_bytes)
		return ERR_END;
	if (offset < r->m->prefix_bytes) {
		*bytes_out = NULL;
		return prefix_get(r, offset, length, w, data_out);
	}
	at = offset - r->m->prefix_bytes;
	pthread_mutex_lock(&r->lock);
	e = piece_find(r, at, w);
	if (e == ERR_OK) {
		piece = kv_bytes_str(r->now.bytes);
		end = r->now.offset + piece.n;
		if (length > end - at && end < r->m->blob_bytes && !r->is_loading
		    && !piece_has(&r->next, end))
			piece_load(r, end);
		at -= r->now.offset;
		*bytes_out = kv_bytes_ref(r->now.bytes);
		*data_out = str_make(piece.p + at, MIN(length, piece.n - at));
	}
	pthread_mutex_unlock(&r->lock);
	return e;
}

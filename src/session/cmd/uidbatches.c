/*
 * uidbatches.c - UIDBATCHES: ranges of UIDs that part a mailbox into batches of equal size, the
 * newest first (RFC 10022).
 *
 * Batch n of size N has the messages from number M - (n - 1) N down to M - n N + 1, of M; a batch
 * reaches down to right above the next one, and the last to UID 1, so that together they cover all.
 * A place in the view is found in logarithmic time, so what a client could wear out is the output:
 * it is refused the same batches until half a batch has changed.
 */
#include "session/cmd/commands.h"

#include "session/session.h"

#include <stdlib.h>

enum { BATCH_MIN = 500, RANGE_MAX = 100000 };

/* Which batches the client has of the selected mailbox. */
struct batches {
	uint32_t size;
	uint32_t exists, last_uid; /* when it asked first */
	struct rangeset had;
};

struct uidbatches_ctx {
	uint32_t size, first, last;
	bool has_range;
	uint32_t at;     /* the next batch that is written; 0: nothing yet */
	uint32_t exists; /* when the first was */
};

static enum err
uidbatches_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct uidbatches_ctx *x = c->ctx;

	x->first = 1;
	x->last = UINT32_MAX;
	if (!imap_scan_nz_number(in, &x->size))
		return imap_scan_err(in);
	x->has_range = !imap_scan_is_end(in);
	if (x->has_range
	    && (!imap_scan_sp(in) || !imap_scan_nz_number(in, &x->first) || !imap_scan_chr(in, ':')
		|| !imap_scan_nz_number(in, &x->last)))
		return imap_scan_err(in);
	if (!imap_scan_end(in))
		return imap_scan_err(in);
	if (x->first > x->last) {
		c->text = STR("Invalid batch range: the lower number comes first.");
		return ERR_CLIENTBUG;
	}
	return ERR_OK;
}

/* ---- what it has already -------------------------------------------------------------------- */

void
batches_free(struct batches *b)
{
	if (b == NULL)
		return;
	rangeset_done(&b->had);
	free(b);
}

/* More than half a batch came or went since. */
static bool
is_outdated(const struct batches *b, const struct view *v)
{
	struct seqnum next = { 0 };
	struct entry e;
	uint32_t left = view_exists(v);

	if (b->last_uid != UINT32_MAX && view_next(v, b->last_uid + 1, &e, &next))
		left = next.v - 1;
	return view_exists(v) - left > b->size / 2
	    || b->exists - MIN(left, b->exists) > b->size / 2;
}

/*
 * Takes note of what is asked for; false when the client has it, and it is still good (RFC 10022
 * 3.1.1).
 */
static bool
take_note(struct session *s, const struct uidbatches_ctx *x, uint32_t last)
{
	struct batches *b = s->batches;
	size_t had;

	if (b == NULL)
		b = s->batches = xcalloc(1, sizeof(*b));
	if (b->size != x->size || is_outdated(b, s->view)) {
		rangeset_done(&b->had);
		*b = (struct batches){ .size = x->size,
			.exists = view_exists(s->view),
			.last_uid = view_last_uid(s->view).v };
	}
	if (x->first > last)
		return true;
	last = x->has_range ? last : UINT32_MAX;
	had = rangeset_find(&b->had, x->first);
	if (had < b->had.n && b->had.r[had].first <= x->first && b->had.r[had].last >= last)
		return false;
	rangeset_add(&b->had, x->first, last);
	return true;
}

/* ---- answering ------------------------------------------------------------------------------ */

static uint32_t
batch_count(const struct uidbatches_ctx *x)
{
	return x->exists / x->size + (x->exists % x->size != 0);
}

/* UID of the newest message of a batch; 0: there is no such batch. */
static uint32_t
batch_top(const struct session *s, const struct uidbatches_ctx *x, uint32_t batch)
{
	struct uid uid;

	if (batch > batch_count(x)
	    || !view_uid(s->view, (struct seqnum){ x->exists - (batch - 1) * x->size }, &uid))
		return 0;
	return uid.v;
}

static enum err
write_batches(struct session *s, struct uidbatches_ctx *x, uint32_t last)
{
	struct buf *b = session_out(s);

	for (; x->at <= last; x->at++) {
		if (session_is_full(s))
			return session_wait_output(s);
		buf_chr(b, x->at == x->first ? ' ' : ',');
		reply_number(b, batch_top(s, x, x->at));
		buf_chr(b, ':');
		reply_number(b, batch_top(s, x, x->at + 1) + 1);
	}
	reply_end(b);
	return ERR_OK;
}

static enum err
uidbatches_run(struct session *s, struct command *c)
{
	struct uidbatches_ctx *x = c->ctx;
	uint32_t last;

	if (x->size < BATCH_MIN)
		return ERR_TOOFEW;
	if (x->has_range && ((uint64_t)x->last - x->first + 1) * x->size > RANGE_MAX)
		return ERR_TOOMANY;
	if (x->at == 0)
		x->exists = view_exists(s->view);
	last = MIN(x->last, batch_count(x));
	if (x->at == 0) {
		if (!take_note(s, x, last)) {
			c->text = STR("You have these batches, and little has changed since.");
			return ERR_LIMIT;
		}
		reply_untagged(session_out(s));
		buf_lit(session_out(s), "UIDBATCHES (TAG ");
		reply_string(session_out(s), c->tag, REPLY_ASCII);
		buf_chr(session_out(s), ')');
		x->at = x->first;
	}
	return write_batches(s, x, last);
}

const struct imap_command cmd_uidbatches = {
	.name = "UIDBATCHES",
	.states = IN_SELECTED,
	.capability = CAP_UIDBATCHES,
	.args = "nz-number [nz-number \":\" nz-number]",
	.spec = "RFC 10022",
	.summary = "Tell ranges of UIDs that have so many messages each.",
	.ctx_size = sizeof(struct uidbatches_ctx),
	.parse = uidbatches_parse,
	.run = uidbatches_run,
};

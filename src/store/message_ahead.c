/*
 * message_ahead.c - see message_ahead.h.
 *
 *     begin --> the engine loads the rows --> (in its thread) messages are made of them --> the engine reads the blobs --> ready
 *
 * What a batch lacks when it is ready (its row is damaged or not committed yet, its bytes are many
 * or can't be read) is asked for alone when its turn comes, and whoever asks is told what is wrong.
 */
#include "store/message_ahead.h"

#include "base/list.h"
#include "base/size.h"
#include "store/account_int.h"
#include "store/message_held.h"

#include <stdlib.h>

struct batch {
	struct list node;
	struct message_ahead *of;
	size_t count, at;                     /* at: the next that will be asked for */
	uint64_t text_bytes;                  /* that will be read */
	struct msgno numbers[AHEAD_MESSAGES]; /* in the order of asking */
	uint32_t place[AHEAD_MESSAGES];       /* of each in `block` */
	bool has_message[AHEAD_MESSAGES];     /* by place, as what follows */
	uint32_t blob_at[AHEAD_MESSAGES];     /* in `blobs`; UINT32_MAX: not asked for */
	enum message_need need;
	size_t unique, summary_ranges;
	struct msgno sorted[AHEAD_MESSAGES];
	struct held_block *block; /* NULL: nothing came */
	struct kv_blobs *blobs;
	bool is_ready; /* with the reader's lock */
};

struct message_ahead {
	struct account *account;
	enum message_need need;
	bool with_bytes;
	bool is_header_only;  /* summaries are not read */
	struct list batches;  /* oldest first */
	struct batch *making; /* not begun yet; NULL: none */
	unsigned batch_count;
	bool has_begun;       /* some batch */
	pthread_mutex_t lock; /* what follows: the engine's callbacks share it */
	unsigned loading;
	bool is_closed, has_prefixes;
	struct waitlist loaded;
};

struct message_ahead *
message_ahead_new(struct account *a, enum message_need need, bool with_bytes)
{
	struct message_ahead *r = xcalloc(1, sizeof(*r));

	r->account = account_ref(a);
	r->need = need;
	r->with_bytes = with_bytes;
	list_init(&r->batches);
	pthread_mutex_init(&r->lock, NULL);
	waitlist_init(&r->loaded);
	return r;
}

void
message_ahead_headers_only(struct message_ahead *r)
{
	r->is_header_only = true;
}

static void
batch_free(struct batch *b)
{
	list_remove(&b->node);
	b->of->batch_count--;
	held_block_unref(b->block);
	kv_blobs_free(b->of->account->kv, b->blobs);
	free(b);
}

static void
ahead_destroy(struct message_ahead *r)
{
	list_each(&r->batches, b, struct batch, node) batch_free(b);
	free(r->making);
	account_unref(r->account);
	waitlist_done(&r->loaded);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void
message_ahead_free(struct message_ahead *r)
{
	bool is_loading;

	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->is_closed = true;
	is_loading = r->loading > 0;
	pthread_mutex_unlock(&r->lock);
	if (!is_loading)
		ahead_destroy(r);
}

/* ---- loading --------------------------------------------------------------------------------- */

static void
batch_ready(struct batch *b)
{
	struct message_ahead *r = b->of;
	bool is_over;

	pthread_mutex_lock(&r->lock);
	b->is_ready = true;
	r->loading--;
	is_over = r->is_closed && r->loading == 0;
	if (!r->is_closed)
		waitlist_wake_all(&r->loaded); /* with the lock, so that r is still there */
	pthread_mutex_unlock(&r->lock);
	if (is_over)
		ahead_destroy(r);
}

static void
blobs_loaded(void *ctx, struct kv_blobs *blobs)
{
	struct batch *b = ctx;

	b->blobs = blobs;
	batch_ready(b);
}

/*
 * Asks for the bytes of the messages that are small, as long as there is room. True: they will
 * come.
 */
static bool
blobs_begin(struct batch *b)
{
	struct kv_blob_ref refs[AHEAD_MESSAGES];
	uint64_t total = 0;
	uint32_t count = 0;

	for (size_t i = 0; i < b->unique; i++) {
		const struct message *m = &b->block->messages[i].m;

		b->blob_at[i] = UINT32_MAX;
		if (!b->has_message[i] || m->blob_bytes > AHEAD_BLOB_BYTES
		    || total + m->blob_bytes > AHEAD_BYTES)
			continue;
		total += m->blob_bytes;
		b->blob_at[i] = count;
		refs[count++] = (struct kv_blob_ref){ m->blob, m->blob_bytes, m->blob_place };
	}
	if (count == 0)
		return false;
	return kv_blobs_load(b->of->account->kv, b->of->account->id, refs, count, &b->blobs,
		   blobs_loaded, b)
	    == ERR_WAIT;
}

/* Makes the messages of the rows, which it takes over. */
static void
messages_make(struct batch *b, struct kv_rows *rows)
{
	struct row_cursor summaries = { .ranges = rows->ranges, .range_count = b->summary_ranges };
	struct row_cursor headers = { .ranges = rows->ranges + b->summary_ranges,
		.range_count = rows->range_count - b->summary_ranges };
	bool has_prefixes = false;

	b->block = held_block_new(b->unique, rows);
	for (size_t i = 0; i < b->unique; i++) {
		struct str summary = row_cursor_find(&summaries, b->sorted[i]), header = STR_NONE;

		if (b->of->is_header_only) {
			header = row_cursor_find(&headers, b->sorted[i]);
			b->has_message[i] =
			    held_block_set_header(b->block, i, b->sorted[i], header);
			continue;
		}
		if (b->need == MESSAGE_WHOLE)
			header = row_cursor_find(&headers, b->sorted[i]);
		b->has_message[i] = summary.p != NULL
		    && (header.p != NULL || b->need == MESSAGE_SUMMARY)
		    && held_block_set(b->block, i, b->sorted[i], summary, header) == ERR_OK;
		has_prefixes |= b->has_message[i] && b->block->messages[i].m.prefix_bytes > 0;
	}
	if (!has_prefixes || !b->of->with_bytes)
		return;
	/* Prefixes are in the header rows: from now on these are read too. */
	pthread_mutex_lock(&b->of->lock);
	b->of->has_prefixes = true;
	pthread_mutex_unlock(&b->of->lock);
}

/* Whoever reads may have gone while the batch waited for its turn. */
static bool
batch_is_wanted(void *ctx)
{
	struct message_ahead *r = ((struct batch *)ctx)->of;
	bool is_wanted;

	pthread_mutex_lock(&r->lock);
	is_wanted = !r->is_closed;
	pthread_mutex_unlock(&r->lock);
	return is_wanted;
}

static void
rows_loaded(void *ctx, enum err e, struct kv_rows *rows)
{
	struct batch *b = ctx;

	if (e == ERR_OK)
		messages_make(b, rows);
	if (b->block != NULL && b->of->with_bytes && batch_is_wanted(b) && blobs_begin(b))
		return;
	batch_ready(b);
}

static int
number_order(const void *a, const void *b)
{
	uint32_t x = ((const struct msgno *)a)->v, y = ((const struct msgno *)b)->v;

	return (x > y) - (x < y);
}

/* The numbers of a batch ascending, each once, and where each of them is. */
static void
batch_sort(struct batch *b)
{
	memcpy(b->sorted, b->numbers, b->count * sizeof(b->sorted[0]));
	for (size_t i = 1; i < b->count; i++) {
		if (b->sorted[i - 1].v > b->sorted[i].v) {
			qsort(b->sorted, b->count, sizeof(b->sorted[0]), number_order);
			break;
		}
	}
	b->unique = 0;
	for (size_t i = 0; i < b->count; i++)
		if (i == 0 || b->sorted[i].v != b->sorted[b->unique - 1].v)
			b->sorted[b->unique++] = b->sorted[i];
	for (size_t i = 0; i < b->count; i++) {
		const struct msgno *p = bsearch(&b->numbers[i], b->sorted, b->unique,
		    sizeof(b->sorted[0]), number_order);

		b->place[i] = (uint32_t)(p - b->sorted);
	}
}

bool
message_ahead_is_full(const struct message_ahead *r)
{
	return r->batch_count
	    == (r->with_bytes ? (unsigned)AHEAD_BATCHES_OF_BYTES : (unsigned)AHEAD_BATCHES);
}

bool
message_ahead_add(struct message_ahead *r, struct msgno n, uint64_t size_bytes)
{
	uint64_t text = r->with_bytes && size_bytes <= AHEAD_BLOB_BYTES ? size_bytes : 0;
	struct batch *b = r->making;

	must(!message_ahead_is_full(r));
	if (b == NULL) {
		b = r->making = xcalloc(1, sizeof(*b));
		b->of = r;
		list_init(&b->node);
	}
	if (b->count == (r->has_begun ? (size_t)AHEAD_MESSAGES : (size_t)AHEAD_FIRST)
	    || b->text_bytes + text > AHEAD_BYTES)
		return false;
	b->text_bytes += text;
	b->numbers[b->count++] = n;
	return true;
}

void
message_ahead_begin(struct message_ahead *r)
{
	struct kv_range ranges[2 * AHEAD_MESSAGES];
	struct message_key keys[4 * AHEAD_MESSAGES];
	struct kv_rows *rows = NULL;
	struct batch *b = r->making;
	const bool is_bulk = r->has_begun;
	size_t n;
	enum err e;

	if (b == NULL)
		return;
	r->making = NULL;
	r->has_begun = true;
	batch_sort(b);
	list_add_tail(&r->batches, &b->node);
	r->batch_count++;
	pthread_mutex_lock(&r->lock);
	r->loading++;
	b->need = r->has_prefixes ? MESSAGE_WHOLE : r->need;
	pthread_mutex_unlock(&r->lock);
	n = b->summary_ranges = r->is_header_only
	    ? 0
	    : message_ranges(b->sorted, b->unique, message_summary_key, ranges, keys);
	if (b->need == MESSAGE_WHOLE)
		n += message_ranges(b->sorted, b->unique, message_header_key, ranges + n,
		    keys + 2 * n);
	ranges[0].is_timeless = true;
	/*
	 * Unpacking a block again costs less than the new memory that it would take in the engine's
	 * cache; the first batch, which may be all that a client looks at, stays there.
	 */
	for (size_t i = 0; i < n; i++)
		ranges[i].is_bulk = is_bulk;
	e = kv_load_ahead(r->account->kv, r->account->id, ranges, n, &rows, batch_is_wanted,
	    rows_loaded, b);
	if (e != ERR_WAIT)
		rows_loaded(b, e, rows);
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* The batch in which n comes next; what comes before it is passed over. NULL: in none. */
static struct batch *
batch_find(struct message_ahead *r, struct msgno n)
{
	list_each(&r->batches, b, struct batch, node)
	{
		size_t at = b->at;

		while (at < b->count && b->numbers[at].v != n.v)
			at++;
		if (at < b->count) {
			b->at = at;
			return b;
		}
	}
	return NULL;
}

static bool
is_ready(struct message_ahead *r, const struct batch *b, struct waiter *w)
{
	bool ready;

	pthread_mutex_lock(&r->lock);
	ready = b->is_ready;
	if (!ready)
		waiter_wait(w, &r->loaded);
	pthread_mutex_unlock(&r->lock);
	return ready;
}

/* Batches before `found`, which nobody will ask for: those that are still loading go later. */
static void
drop_before(struct message_ahead *r, const struct batch *found)
{
	list_each(&r->batches, b, struct batch, node)
	{
		bool ready;

		if (b == found)
			return;
		pthread_mutex_lock(&r->lock);
		ready = b->is_ready;
		pthread_mutex_unlock(&r->lock);
		if (ready)
			batch_free(b);
	}
}

enum err
message_ahead_get(struct message_ahead *r, struct msgno n, struct waiter *w, struct message **out,
    struct str *blob_out)
{
	struct batch *b = batch_find(r, n);
	uint32_t place;

	*blob_out = STR_NONE;
	if (b == NULL)
		return message_get(r->account, n, r->need, w, out);
	if (!is_ready(r, b, w))
		return ERR_WAIT;
	drop_before(r, b);
	place = b->place[b->at];
	if (b->block == NULL || !b->has_message[place])
		return message_get(r->account, n, r->need, w, out);
	b->at++;
	*out = message_ref(&b->block->messages[place].m);
	if (b->blobs != NULL && b->blob_at[place] != UINT32_MAX)
		*blob_out = b->blobs->bytes[b->blob_at[place]];
	return ERR_OK;
}

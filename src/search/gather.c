/* gather.c - see gather.h. */
#include "search/gather.h"

#include "base/big.h"
#include "base/bytes.h"
#include "base/size.h"
#include "mime/sortkeys.h"

#include <stdlib.h>

enum { STEP_MESSAGES = 256, PREFETCH = 128 };

void
gather_init(struct gather *g, struct account *a, enum mime_collation by)
{
	*g = (struct gather){ .account = a, .collation = by };
}

void
gather_done(struct gather *g)
{
	digest_reader_free(g->reader);
	order_done(&g->by_number);
	arena_done(&g->scratch);
	free(g->numbers);
	big_free(g->messages);
	*g = (struct gather){ 0 };
}

void
gather_expect(struct gather *g, size_t count)
{
	if (count <= g->cap)
		return;
	g->messages = big_grow(g->messages, g->count * sizeof(*g->messages),
	    size_mul(count, sizeof(*g->messages)));
	g->cap = count;
}

void
gather_add(struct gather *g, const struct entry *e, struct seqnum seq)
{
	if (g->count == g->cap)
		gather_expect(g, MAX(2 * g->cap, (size_t)64));
	if (g->count > 0 && g->messages[g->count - 1].msgno.v >= e->msgno.v)
		g->is_unordered = true;
	g->messages[g->count++] = (struct sort_message){ .uid = e->uid,
		.seq = seq,
		.msgno = e->msgno,
		.internal_s = e->internal_s,
		.size_bytes = e->size_bytes };
}

static size_t
index_of(const struct gather *g, size_t at)
{
	return g->is_unordered ? g->by_number.items[at].index : at;
}

static void
begin_order(struct gather *g)
{
	order_init(&g->by_number, g->count, NULL, NULL);
	for (size_t i = 0; i < g->count; i++)
		g->by_number.items[i] = (struct order_item){ g->messages[i].msgno.v, (uint32_t)i };
	g->has_order = true;
}

static void
begin_reading(struct gather *g)
{
	g->numbers = xmalloc(size_mul(g->count + 1, sizeof(*g->numbers)));
	for (size_t i = 0; i < g->count; i++)
		g->numbers[i] = g->messages[index_of(g, i)].msgno;
	g->reader = digest_reader_new(g->account, g->columns, g->numbers, g->count);
}

/* Which columns are texts. */
static bool
has_texts(unsigned columns)
{
	return (columns & ~(1u << DIGEST_DATE | 1u << DIGEST_IDS)) != 0;
}

/* From the header of the message. What can't be read has empty texts. */
static enum err
digest_by(struct gather *g, struct waiter *w, struct digest *out)
{
	const bool is_batch = g->at % PREFETCH == 0;
	struct mime_sortkeys keys;
	struct message *m;
	enum err e;

	if (is_batch)
		message_prefetch(g->account, g->numbers + g->at,
		    MIN(g->count - g->at, (size_t)PREFETCH), MESSAGE_WHOLE);
	e = message_get(g->account, g->numbers[g->at], MESSAGE_WHOLE, w, &m);
	if (e == ERR_WAIT)
		return e;
	*out = (struct digest){ 0 };
	arena_reset(&g->scratch);
	if (e != ERR_OK)
		return ERR_OK;
	mime_sortkeys_parse_by(&g->scratch, g->collation, m->header, &keys);
	digest_make(&g->scratch, &keys, g->columns, out);
	message_unref(m);
	return ERR_OK;
}

static enum err
next_digest(struct gather *g, struct waiter *w, struct digest *out)
{
	if (g->columns == 0)
		return ERR_OK;
	if (g->collation != COLLATION_UNICODE_CASEMAP && has_texts(g->columns))
		return digest_by(g, w, out);
	return digest_reader_next(g->reader, w, out);
}

enum err
gather_run(struct gather *g, struct waiter *w, sort_should_yield_fn *should_yield, void *ctx,
    gather_fn *fn, void *fn_ctx)
{
	if (g->reader == NULL && g->is_unordered) {
		if (!g->has_order)
			begin_order(g);
		while (!order_step(&g->by_number)) {
			if (should_yield(ctx))
				return ERR_WAIT;
		}
	}
	if (g->reader == NULL)
		begin_reading(g);
	while (g->at < g->count) {
		struct digest d = { 0 };
		enum err e = next_digest(g, w, &d);

		if (e != ERR_OK)
			return e;
		fn(fn_ctx, index_of(g, g->at), &d);
		g->at++;
		if (g->at % STEP_MESSAGES == 0 && should_yield(ctx))
			return ERR_WAIT;
	}
	return ERR_OK;
}

int64_t
gather_sent_ms(const struct sort_message *m, const struct digest *d)
{
	struct str date = d->column[DIGEST_DATE];

	return date.n == 8 ? (int64_t)get_le64(date.p) : m->internal_s * 1000;
}

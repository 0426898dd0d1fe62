/*
 * load_parts.c - the pages of a large mailbox, a part at a time: two readers of the engine work on
 * two parts, and the rows of a part are given back before the next is read, so that they are not
 * all in memory beside the pages that are made of them.
 *
 *     parts_load() --> slot: takes the next part --> the engine loads it --> rows become pages --+
 *                        ^                                                                       |
 *                        +-----------------------------------------------------------------------+
 *
 * All parts must be of one version of the account, and nothing damaged: else the mailbox is loaded
 * whole.
 */
#include "store/load_int.h"

#include <stdlib.h>

enum { SLOTS = 2 };

struct parts {
	struct account *account;
	struct mailbox_id id;
	uint32_t count; /* parts; the last has all pages from its first on */
	parts_fn *fn;
	void *ctx;
	pthread_mutex_t lock; /* what follows */
	uint32_t next;        /* part that nobody has taken yet */
	unsigned slots;       /* at work */
	bool has_version;
	uint64_t version;
	enum err error;
	struct tree_edit edit;
};

uint32_t
parts_count(const struct store *s, const struct mailbox_info *info)
{
	const uint32_t uids = s->o.load_pages * PAGE_UIDS;
	const uint32_t count = info->uidnext / uids + 1;

	/* Not for the sake of UIDs that are not there any more. */
	return info->exists > uids && count <= 4 * (info->exists / uids + 1) ? count : 1;
}

static void
rows_take(struct parts *p, enum err e, struct kv_rows *rows)
{
	pthread_mutex_lock(&p->lock);
	if (e == ERR_OK
	    && (rows->ranges[0].gap_count > 0 || (p->has_version && p->version != rows->version)))
		e = ERR_BUSY;
	if (p->error == ERR_OK)
		p->error = e;
	if (p->error == ERR_OK) {
		p->has_version = true;
		p->version = rows->version;
		pages_put(p->account->store, &p->edit, &rows->ranges[0]);
	}
	pthread_mutex_unlock(&p->lock);
	kv_rows_free(rows);
}

/* False: there is none for this slot, which ends. */
static bool
part_next(struct parts *p, uint32_t *part_out)
{
	bool has_part;

	pthread_mutex_lock(&p->lock);
	has_part = p->error == ERR_OK && p->next < p->count;
	if (has_part)
		*part_out = p->next++;
	pthread_mutex_unlock(&p->lock);
	return has_part;
}

static void
slot_end(struct parts *p)
{
	struct tree *tree;
	bool is_last;

	pthread_mutex_lock(&p->lock);
	is_last = --p->slots == 0;
	pthread_mutex_unlock(&p->lock);
	if (!is_last)
		return;
	tree = tree_edit_end(&p->edit);
	if (p->error != ERR_OK) {
		tree_unref(tree);
		tree = NULL;
	}
	p->fn(p->ctx, p->error, tree, p->version);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void slot_loaded(void *ctx, enum err e, struct kv_rows *rows);

/* When it has begun a load that waits, p is the callback's. */
static void
slot_run(struct parts *p)
{
	uint32_t part;

	while (part_next(p, &part)) {
		const uint32_t pages = p->account->store->o.load_pages;
		struct row_key from = row_key_page(p->id, part * pages),
			       to = part + 1 < p->count
		    ? row_key_page(p->id, (part + 1) * pages)
		    : row_key_page((struct mailbox_id){ p->id.v + 1 }, 0);
		const struct kv_range range = { .kind = KV_PAGE,
			.from = row_key_str(&from),
			.to = row_key_str(&to),
			.is_bulk = true,
			.is_awaited = true, /* mailboxes are opened by it */
			.may_have_gaps = true };
		struct kv_rows *rows = NULL;
		enum err e = kv_load_ahead(p->account->kv, p->account->id, &range, 1, &rows, NULL,
		    slot_loaded, p);

		if (e == ERR_WAIT)
			return;
		rows_take(p, e, rows);
	}
	slot_end(p);
}

static void
slot_loaded(void *ctx, enum err e, struct kv_rows *rows)
{
	struct parts *p = ctx;

	rows_take(p, e, rows);
	slot_run(p);
}

void
parts_load(struct account *a, struct mailbox_id id, uint32_t count, parts_fn *fn, void *ctx)
{
	struct parts *p = xcalloc(1, sizeof(*p));

	*p = (struct parts){ .account = a,
		.id = id,
		.count = count,
		.fn = fn,
		.ctx = ctx,
		.slots = SLOTS,
		.error = ERR_OK };
	pthread_mutex_init(&p->lock, NULL);
	for (unsigned i = 0; i < SLOTS; i++)
		slot_run(p); /* it is there until all slots have ended */
}

/*
 * view_log.c - what vanished since a modseq (RFC 7162 3.2.5.2): the rows of the change log, what
 * queued commits took out, and never anything that the view still has. Where the log does not reach
 * back, everything that is not there.
 */
#include "store/commit_int.h"

#include "store/view_int.h"

#include <stdlib.h>

/* A load of the change log. Counted by the view and by the engine's callback. */
struct log_load {
	_Atomic(uint32_t) refs;
	struct account *account; /* referenced */
	uint64_t modseq;
	struct rangeset queued; /* what commits that were not durable when it began took out */
	bool is_done;           /* under account->lock; what follows */
	enum err error;
	struct kv_rows *rows;
};

void
log_load_drop(struct log_load *l)
{
	if (l == NULL || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	if (l->rows != NULL)
		kv_rows_free(l->rows);
	rangeset_done(&l->queued);
	account_unref(l->account);
	free(l);
}

static void
log_loaded(void *ctx, enum err e, struct kv_rows *rows)
{
	struct log_load *l = ctx;
	struct account *a = l->account;

	pthread_mutex_lock(&a->lock);
	l->error = e;
	l->rows = rows;
	l->is_done = true;
	pthread_mutex_unlock(&a->lock);
	waitlist_wake_all(&a->loaded);
	log_load_drop(l);
}

/* What queued and kept commits took out. */
static void
add_queued(const struct view *v, uint64_t modseq, struct rangeset *out)
{
	pthread_mutex_lock(&v->account->lock);
	list_each(&v->account->commits, c, struct commit, node)
	{
		for (uint32_t i = 0; i < c->change_count; i++) {
			const struct mailbox_change *m = &c->changes[i];

			if (c->is_failed || c->version <= modseq || m->id.v != v->id.v)
				continue;
			for (size_t k = 0; k < m->vanished.n; k++)
				rangeset_add(out, m->vanished.r[k].first, m->vanished.r[k].last);
		}
	}
	pthread_mutex_unlock(&v->account->lock);
}

/* Rows of the log above modseq; they belong to v->log. */
static enum err
load_log(struct view *v, uint64_t modseq, struct waiter *w)
{
	struct row_key from = row_key_vanished(v->id, modseq + 1),
		       to = row_key_vanished((struct mailbox_id){ v->id.v + 1 }, 0);
	struct kv_range range = { .kind = KV_LOG,
		.from = row_key_str(&from),
		.to = row_key_str(&to) };
	struct account *a = v->account;
	struct kv_rows *rows = NULL;
	struct log_load *l = v->log;
	enum err e = ERR_WAIT;

	if (l == NULL || l->modseq != modseq) {
		log_load_drop(l);
		l = v->log = xcalloc(1, sizeof(*l));
		*l = (struct log_load){ .account = account_ref(a), .modseq = modseq };
		atomic_init(&l->refs, 2);
		/*
		 * Before the load: what the view lacks is in the engine's rows or here, whatever
		 * becomes durable meanwhile.
		 */
		add_queued(v, modseq, &l->queued);
		e = kv_load(a->kv, a->id, &range, 1, &rows, log_loaded, l);
		if (e != ERR_WAIT)
			log_loaded(l, e, rows);
	}
	pthread_mutex_lock(&a->lock);
	if (!l->is_done)
		waiter_wait(w, &a->loaded);
	e = l->is_done ? l->error : ERR_WAIT;
	pthread_mutex_unlock(&a->lock);
	return e;
}

static void
add_run(void *ctx, uint32_t first, uint32_t last)
{
	rangeset_add(ctx, first, last);
}

/*
 * UIDs that are there, of the pages that `gone` lies in: what a client has missed costs the same in
 * a large mailbox.
 */
static void
add_there(const struct tree *t, const struct rangeset *gone, struct rangeset *out)
{
	uint64_t done = 0; /* below it all has been looked at */
	struct tree_at at;

	for (size_t i = 0; i < gone->n; i++) {
		uint64_t from = MAX(done, (uint64_t)gone->r[i].first);

		while (from <= gone->r[i].last && tree_next(t, (uint32_t)from, TREE_ANY, &at)
		    && at.uid <= gone->r[i].last) {
			tree_page_runs(at.uid / PAGE_UIDS, at.page, add_run, out);
			done = from = ((uint64_t)at.uid / PAGE_UIDS + 1) * PAGE_UIDS;
		}
	}
}

/* The log of this version and older may be gone. It is raised before the rows go. */
static uint64_t
log_floor(struct account *a)
{
	uint64_t floor;

	pthread_mutex_lock(&a->lock);
	floor = a->latest->row.log_floor;
	pthread_mutex_unlock(&a->lock);
	return floor;
}

enum err
view_vanished_since(struct view *v, uint64_t modseq, const struct rangeset *known, struct waiter *w,
    struct arena *a, struct rangeset **out)
{
	RANGESET_CLEAN struct rangeset gone = RANGESET_NONE;
	RANGESET_CLEAN struct rangeset there = RANGESET_NONE;
	RANGESET_CLEAN struct rangeset left = RANGESET_NONE;
	enum err e = ERR_OK;

	if (modseq >= log_floor(v->account) && modseq < v->info.highestmodseq) {
		e = load_log(v, modseq, w);
		if (e == ERR_WAIT)
			return e;
		if (e != ERR_OK && e != ERR_CORRUPT) {
			log_load_drop(v->log);
			v->log = NULL;
			return e;
		}
		rangeset_copy(&gone, &v->log->queued);
		for (size_t i = 0; e == ERR_OK && i < v->log->rows->ranges[0].count; i++)
			e = vanished_row_decode(v->log->rows->ranges[0].rows[i].value, &gone);
		log_load_drop(v->log);
		v->log = NULL;
	}
	/* Asked again: it may have been raised while the rows were loaded. */
	if (modseq < log_floor(v->account) || e == ERR_CORRUPT) {
		rangeset_clear(&gone);
		if (v->info.uidnext > 1)
			rangeset_add(&gone, 1, v->info.uidnext - 1);
		e = ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	if (known != NULL) {
		rangeset_intersect(&left, &gone, known);
		rangeset_copy(&gone, &left);
	}
	add_there(v->tree, &gone, &there);
	rangeset_subtract(&left, &gone, &there);
	*out = arena_new(a, struct rangeset);
	(*out)->r = arena_alloc(a, left.n * sizeof(*left.r));
	(*out)->n = left.n;
	if (left.n != 0)
		memcpy((*out)->r, left.r, left.n * sizeof(*left.r));
	return ERR_OK;
}

/* put_back.c - see put_back.h. */
#include "store/put_back.h"

#include "store/arrival_int.h"
#include "store/change_int.h"
#include "store/seen_int.h"

#include <stdlib.h>

void
account_past_hold(struct account *a)
{
	pthread_mutex_lock(&a->past_lock);
}

void
account_past_release(struct account *a)
{
	pthread_mutex_unlock(&a->past_lock);
}

bool
account_restore_begin(struct account *a)
{
	return !atomic_exchange(&a->is_restored, true);
}

void
account_restore_end(struct account *a)
{
	atomic_store(&a->is_restored, false);
}

enum err
account_rows(struct account *a, const struct kv_range *ranges, size_t count,
    struct kv_rows **rows_out)
{
	return kv_load_now(a->kv, a->id, ranges, count, rows_out);
}

enum err
account_rows_readable(struct account *a, const struct kv_range *range, struct kv_rows **rows_out,
    bool *is_last_out)
{
	return kv_load_readable(a->kv, a->id, range, rows_out, is_last_out);
}

struct snapshot *
account_latest(struct account *a)
{
	struct snapshot *s;

	pthread_mutex_lock(&a->lock);
	s = snapshot_ref(a->latest);
	pthread_mutex_unlock(&a->lock);
	return s;
}

uint32_t
snapshot_message_numbers(const struct snapshot *s)
{
	return s->row.next_msgno;
}

enum err
account_put_bytes_back(struct account *a, const struct arrival *m)
{
	const struct arrival_content *c = arrival_content(m);
	struct kv_txn *t = kv_txn_new(a->kv, a->id, KV_UNVERSIONED, KV_UNVERSIONED);
	struct kv_blob was;

	/*
	 * A link brings them, and goes again. Of bytes whose row is lost nobody knows how many links
	 * they had: they keep this one, so that they stay.
	 */
	kv_link(t, &c->blob, 1, c->stage);
	if (kv_blob_get(a->kv, &c->blob, &was) == ERR_OK)
		kv_unlink(t, &c->blob, 1);
	return kv_commit_now(a->kv, &t, 1);
}

/* ---- putting back ---------------------------------------------------------------------------- */

static enum err
put_back_all(struct commit *c, uint32_t at, const struct put_back *items, uint32_t count)
{
	struct clock *clock = c->account->store->o.clock;
	int64_t now_s = clock->wall_ms(clock) / 1000;
	struct mailbox_change *m = commit_mailbox(c, at);
	struct appender p;
	enum err e = ERR_OK;

	if (m->state->info.uidnext > UINT32_MAX - count - 1)
		return ERR_LIMIT;
	appender_begin(&p, c, at);
	for (uint32_t i = 0; e == ERR_OK && i < count; i++) {
		struct page_entry entry = {
			.modseq = c->version,
			.size_bytes = items[i].size_bytes,
			.internal_s = items[i].internal_s,
			.internal_zone_min = items[i].internal_zone_min,
			.saved_s = now_s,
			.msgno = items[i].msgno,
			.flags = items[i].flags & FLAGS_STORABLE,
		};
		uint32_t uid;

		e = change_keywords(commit_mailbox(c, at), items[i].keywords,
		    items[i].keyword_count, true, &entry.keywords);
		if (e == ERR_LIMIT) /* better without a keyword than not at all */
			e = change_keywords(commit_mailbox(c, at), items[i].keywords,
			    items[i].keyword_count, false, &entry.keywords);
		if (e == ERR_OK) {
			uid = appender_add(&p, &entry);
			must(uid != 0);
			if (items[i].notes.n != 0)
				appender_add_notes(&p, uid, items[i].notes);
			message_put_links(c->txn, (struct msgno){ entry.msgno }, 1);
		}
	}
	appender_end(&p);
	return e;
}

enum err
messages_put_back(struct account *a, struct mailbox_id dest, const struct put_back *items,
    uint32_t count, struct waiter *w, struct snapshot **after_out)
{
	struct commit *c = NULL;
	int64_t at;
	enum err e = ERR_OK;

	(void)w;
	if (count > COPY_MAX)
		return ERR_LIMIT;
	if (kv_space(a->kv) != KV_SPACE_OK)
		return ERR_FULL;
	pthread_mutex_lock(&a->lock);
	at = snapshot_find_id(a->latest, dest);
	if (at < 0)
		e = ERR_NOTFOUND;
	else if (snapshot_state(a->latest, (uint32_t)at)->info.is_noselect)
		e = ERR_NOSELECT;
	if (e == ERR_OK)
		e = commit_begin(a, &c);
	if (e == ERR_OK)
		e = put_back_all(c, (uint32_t)at, items, count);
	if (e == ERR_OK)
		e = commit_check_quota(c);
	if (e == ERR_OK)
		*after_out = commit_publish_one(c);
	else
		commit_abort(c);
	pthread_mutex_unlock(&a->lock);
	return e;
}

/* ---- what is there --------------------------------------------------------------------------- */

static int
number_cmp(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static size_t
each_once(uint32_t *numbers, size_t count)
{
	size_t n = 0;

	if (count > 1)
		qsort(numbers, count, sizeof(*numbers), number_cmp);
	for (size_t i = 0; i < count; i++) {
		if (n == 0 || numbers[n - 1] != numbers[i])
			numbers[n++] = numbers[i];
	}
	return n;
}

enum err
mailbox_numbers(struct account *a, struct mailbox_id id, struct waiter *w, uint32_t **numbers_out,
    size_t *count_out)
{
	struct mailbox_state *state = NULL;
	struct snapshot *s = account_latest(a), *of = NULL;
	struct tree *tree = NULL, *seen = NULL;
	struct tree_at at;
	uint32_t *numbers;
	size_t n = 0;
	enum err e;

	e = account_state_at(a, s, id, SEEN_OWNER, w, &state, &tree, &seen, &of);
	if (e == ERR_OK) {
		numbers = xcalloc((size_t)tree_sums(tree)->count + 1, sizeof(*numbers));
		for (uint32_t uid = 1; tree_next(tree, uid, TREE_ANY, &at) && at.uid < UINT32_MAX;
		     uid = at.uid + 1)
			numbers[n++] = page_msgno(at.page, at.index);
		*count_out = each_once(numbers, n);
		*numbers_out = numbers;
	}
	mailbox_state_unref(state);
	tree_unref(tree);
	tree_unref(seen);
	snapshot_unref(of);
	snapshot_unref(s);
	return e;
}

/* change.c - what all changes begin and end with; keywords; new entries. */
#include "store/change_int.h"

enum err
change_begin(struct account *a, struct mailbox_id id, bool frees_room, struct waiter *w,
    struct commit **out, uint32_t *at_out)
{
	enum kv_space space = kv_space(a->kv);

	if (space == KV_SPACE_HARD && !frees_room)
		return ERR_FULL;
	for (;;) {
		enum err e = account_load_tree(a, id, w);
		int64_t at;

		if (e != ERR_OK)
			return e;
		pthread_mutex_lock(&a->lock);
		at = snapshot_find_id(a->latest, id);
		if (at >= 0 && snapshot_state(a->latest, (uint32_t)at)->has_tree) {
			e = commit_begin(a, out);
			if (e != ERR_OK) {
				pthread_mutex_unlock(&a->lock);
				return e;
			}
			(*out)->frees_room = frees_room;
			*at_out = (uint32_t)at;
			return ERR_OK;
		}
		pthread_mutex_unlock(&a->lock); /* changed in between: again */
	}
}

void
change_end(struct commit *c, bool is_changed, struct snapshot **after_out)
{
	struct account *a = c->account;

	*after_out = NULL;
	if (is_changed)
		*after_out = commit_publish_one(c);
	else
		commit_abort(c);
	pthread_mutex_unlock(&a->lock);
}

void
change_abort(struct commit *c)
{
	struct account *a = c->account;

	commit_abort(c);
	pthread_mutex_unlock(&a->lock);
}

/* ---- keywords -------------------------------------------------------------------------------- */

/* A slot for a new name, or -1. */
static int
keyword_add(struct mailbox_change *m, struct str name)
{
	const struct mailbox_desc *d = m->state->desc;
	struct mailbox_row row = d->row;
	struct str keywords[KEYWORDS_MAX];

	if (row.keyword_count >= KEYWORDS_MAX || name.n == 0 || name.n > KEYWORD_NAME_MAX)
		return -1;
	memcpy(keywords, row.keywords, row.keyword_count * sizeof(keywords[0]));
	keywords[row.keyword_count++] = name;
	row.keywords = keywords;
	mailbox_state_set_desc(m->state, mailbox_desc_new(d->id, &row, d->name));
	m->has_new_desc = true;
	return (int)row.keyword_count - 1;
}

enum err
change_keywords(struct mailbox_change *m, const struct str *names, uint32_t count, bool may_add,
    struct keywords *out)
{
	*out = (struct keywords){ { 0, 0 } };
	for (uint32_t i = 0; i < count; i++) {
		int slot = mailbox_keyword_slot(&m->state->info, names[i]);

		if (slot < 0 && may_add) {
			slot = keyword_add(m, names[i]);
			if (slot < 0)
				return ERR_LIMIT;
		}
		if (slot >= 0)
			keywords_set(out, (unsigned)slot);
	}
	return ERR_OK;
}

/* ---- new entries ----------------------------------------------------------------------------- */

void
appender_begin(struct appender *p, struct commit *c, uint32_t at)
{
	*p = (struct appender){ .c = c, .at = at, .op = BUF_MAX(65536) };
}

static void
appender_flush(struct appender *p)
{
	if (p->is_open)
		commit_merge_page(p->c, commit_mailbox(p->c, p->at), p->page, buf_str(&p->op));
	for (uint32_t i = 0; i < p->mark_count; i++) {
		const struct appender_mark *k = &p->marks[i];

		/* False when there is no room for this user; others may have pages. */
		commit_see(p->c, commit_mailbox(p->c, p->at), k->user, p->page, k->mask, k->mask);
	}
	p->mark_count = 0;
	p->is_open = false;
}

void
appender_see(struct appender *p, uint64_t user, uint32_t uid)
{
	const uint64_t bit = (uint64_t)1 << uid % PAGE_UIDS;

	for (uint32_t i = 0; i < p->mark_count; i++) {
		if (p->marks[i].user == user) {
			p->marks[i].mask |= bit;
			return;
		}
	}
	if (p->mark_count == p->mark_cap) {
		uint32_t cap = p->mark_cap == 0 ? 4 : p->mark_cap * 2;
		struct appender_mark *grown = arena_array(&p->c->memory, struct appender_mark, cap);

		if (p->mark_count != 0)
			memcpy(grown, p->marks, p->mark_count * sizeof(*grown));
		p->marks = grown;
		p->mark_cap = cap;
	}
	p->marks[p->mark_count++] = (struct appender_mark){ user, bit };
}

uint32_t
appender_add(struct appender *p, const struct page_entry *e)
{
	struct mailbox_change *m = commit_mailbox(p->c, p->at);
	struct mailbox_info *info = &m->state->info;
	uint32_t uid = info->uidnext, page = uid / PAGE_UIDS;

	if (uid == UINT32_MAX)
		return 0;
	if ((p->is_open || p->mark_count != 0) && page != p->page)
		appender_flush(p);
	if (!p->is_open) {
		page_op_append(&p->op);
		p->page = page;
		p->is_open = true;
	}
	page_op_append_entry(&p->op, uid % PAGE_UIDS, e);
	info->uidnext++;
	/* What the tree's sums will say, for mailboxes whose pages are not in memory. */
	info->exists++;
	info->size_bytes += e->size_bytes;
	if ((e->flags & FLAG_SEEN) == 0)
		info->unseen++;
	if ((e->flags & FLAG_DELETED) != 0) {
		info->deleted++;
		info->deleted_bytes += e->size_bytes;
	}
	return uid;
}

void
appender_add_notes(struct appender *p, uint32_t uid, struct str notes)
{
	appender_flush(p);
	commit_set_notes(p->c, commit_mailbox(p->c, p->at), uid, notes);
}

void
appender_end(struct appender *p)
{
	appender_flush(p);
	buf_done(&p->op);
}

uint64_t
rangeset_page_mask(const struct rangeset *uids, size_t *i, uint32_t page)
{
	uint32_t first = page * PAGE_UIDS, last = first + PAGE_UIDS - 1;
	uint64_t mask = 0;

	while (*i < uids->n && uids->r[*i].last < first)
		(*i)++;
	for (size_t k = *i; k < uids->n && uids->r[k].first <= last; k++) {
		uint32_t from = MAX(uids->r[k].first, first) - first,
			 to = MIN(uids->r[k].last, last) - first;

		mask |= (~(uint64_t)0 >> (63 - (to - from))) << from;
	}
	return mask;
}

/* change_store.c - STORE: flags and keywords; EXPUNGE. */
#include "store/change_int.h"

#include "store/undo_int.h"
#include "store/view_int.h"

/* One STORE on its way through the pages. */
struct storing {
	const struct flags_change *change;
	struct keywords keywords;
	struct commit *c;
	uint32_t at;
	const struct tree *tree; /* before */
	uint64_t user;           /* seen_int.h */
	struct seen_as as;       /* before */
	bool is_private;         /* \Seen is */
	struct rangeset *changed, *modified;
	uint32_t pages; /* changed so far */
};

static bool
apply_change(const struct storing *s, struct page_entry *e)
{
	uint16_t flags = e->flags;
	struct keywords k = e->keywords;

	switch (s->change->op) {
	case FLAGS_SET:
		flags = s->change->flags & FLAGS_STORABLE;
		k = s->keywords;
		break;
	case FLAGS_ADD:
		flags |= s->change->flags & FLAGS_STORABLE;
		k.w[0] |= s->keywords.w[0];
		k.w[1] |= s->keywords.w[1];
		break;
	case FLAGS_REMOVE:
		flags &= (uint16_t)~s->change->flags;
		k.w[0] &= ~s->keywords.w[0];
		k.w[1] &= ~s->keywords.w[1];
		break;
	}
	flags = (uint16_t)((flags & ~s->change->fixed) | (e->flags & s->change->fixed));
	if (s->change->keeps_keywords)
		k = e->keywords;
	if (flags == e->flags && keywords_eq(k, e->keywords))
		return false;
	e->flags = flags;
	e->keywords = k;
	return true;
}

/* Entries of a page that get other flags. */
struct flags_op_set {
	uint64_t mask;
	unsigned n;
	bool is_same;
	uint16_t flags[PAGE_UIDS];
	struct keywords keywords[PAGE_UIDS];
};

static void
op_set_add(struct flags_op_set *o, unsigned bit, uint16_t flags, struct keywords keywords)
{
	o->mask |= (uint64_t)1 << bit;
	o->flags[o->n] = flags;
	o->keywords[o->n] = keywords;
	if (o->n == 0)
		o->is_same = true;
	else if (flags != o->flags[0] || !keywords_eq(keywords, o->keywords[0]))
		o->is_same = false;
	o->n++;
}

static void
op_set_write(struct storing *s, uint32_t page, const struct flags_op_set *o, uint64_t modseq)
{
	char space[16 + 8 + PAGE_UIDS * (2 + PAGE_KEYWORD_BYTES)];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	if (o->n == 0)
		return;
	page_op_set(&op, modseq, o->mask, o->flags, o->keywords, o->is_same);
	if (modseq == MODSEQ_KEPT)
		commit_merge_page_quietly(s->c, commit_mailbox(s->c, s->at), page, buf_str(&op));
	else
		commit_merge_page(s->c, commit_mailbox(s->c, s->at), page, buf_str(&op));
}

/*
 * What changes in a page: `loud` for all to see; `quiet`, \Seen of the owner, which others are not
 * to notice; \Seen of the user himself (mask, and those that have it now).
 */
struct page_change {
	struct flags_op_set loud, quiet;
	uint64_t own, own_seen;
};

/* before: as the page has it; e: as the user wants to see it. */
static void
split_change(const struct storing *s, struct page_change *ch, unsigned bit,
    const struct page_entry *before, bool was_seen, const struct page_entry *e)
{
	bool is_seen = (e->flags & FLAG_SEEN) != 0;
	uint16_t shared = e->flags;

	if (!s->is_private) {
		op_set_add(&ch->loud, bit, e->flags, e->keywords);
		return;
	}
	if (s->user != SEEN_OWNER)
		shared = (uint16_t)((shared & ~FLAG_SEEN) | (before->flags & FLAG_SEEN));
	if (((shared ^ before->flags) & ~FLAG_SEEN) != 0
	    || !keywords_eq(e->keywords, before->keywords)) {
		op_set_add(&ch->loud, bit, shared, e->keywords);
		if (s->user == SEEN_OWNER)
			return;
	} else if (shared != before->flags) {
		op_set_add(&ch->quiet, bit, shared, e->keywords);
	}
	if (is_seen != was_seen) {
		ch->own |= (uint64_t)1 << bit;
		ch->own_seen |= (uint64_t)(is_seen ? 1 : 0) << bit;
	}
}

static void
store_page(struct storing *s, uint32_t page, struct str bytes, uint64_t wanted)
{
	struct page_change ch;
	uint64_t mask = page_mask(bytes);

	ch.loud.mask = ch.quiet.mask = ch.own = ch.own_seen = 0;
	ch.loud.n = ch.quiet.n = 0;
	for (uint64_t m = mask & wanted; m != 0; m &= m - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(m);
		struct page_entry before, e;
		bool was_seen;

		page_entry(bytes, page_index(mask, bit), &before);
		e = before;
		seen_apply(&s->as, page * PAGE_UIDS + bit, &e);
		/*
		 * Flags of a page that is lost (load.c) can't be changed: the client is told that
		 * they were not.
		 */
		if (e.msgno == 0
		    || (s->change->has_unchangedsince && e.modseq > s->change->unchangedsince)) {
			rangeset_add_one(s->modified, page * PAGE_UIDS + bit);
			continue;
		}
		was_seen = (e.flags & FLAG_SEEN) != 0;
		if (!apply_change(s, &e))
			continue;
		rangeset_add_one(s->changed, page * PAGE_UIDS + bit);
		split_change(s, &ch, bit, &before, was_seen, &e);
	}
	if ((ch.loud.mask | ch.own) == 0)
		return;
	op_set_write(s, page, &ch.loud, s->c->version);
	op_set_write(s, page, &ch.quiet, MODSEQ_KEPT);
	/* That there is room for him was seen before. */
	if (ch.own != 0)
		must(commit_see(s->c, commit_mailbox(s->c, s->at), s->user, page, ch.own,
		    ch.own_seen));
	s->pages++;
}

/* Goes through the pages from *cursor on, until it has seen or changed enough. */
static void
store_pages(struct storing *s, const struct rangeset *uids, uint32_t *cursor)
{
	size_t i = 0;

	for (unsigned looks = 0; *cursor != UINT32_MAX && looks < STORE_PAGES_MAX; looks++) {
		uint32_t uid = rangeset_next(uids, MAX(*cursor, 1));
		struct tree_at at;

		if (uid == 0 || !tree_next(s->tree, uid, TREE_ANY, &at)) {
			*cursor = UINT32_MAX;
			return;
		}
		uid = at.uid & ~(uint32_t)(PAGE_UIDS - 1);
		store_page(s, at.uid / PAGE_UIDS, at.page,
		    rangeset_page_mask(uids, &i, at.uid / PAGE_UIDS)
			& (*cursor > uid ? ~(uint64_t)0 << *cursor % PAGE_UIDS : ~(uint64_t)0));
		*cursor = uid > UINT32_MAX - PAGE_UIDS ? UINT32_MAX : uid + PAGE_UIDS;
	}
}

/* Refuses a change on a view that can't have any. */
static enum err
check_view(const struct view *v)
{
	if (v->access == VIEW_READ_ONLY)
		return ERR_READONLY;
	return v->is_gone ? ERR_NOTFOUND : ERR_OK;
}

/* On a full disk mail must still go, and \Deleted is how it begins. */
static bool
only_deletes(const struct flags_change *change)
{
	return change->op == FLAGS_ADD && change->flags == FLAG_DELETED
	    && change->keyword_count == 0;
}

/* How the user sees what is to be changed. */
static void
see_as(struct storing *s, const struct view *v)
{
	const struct mailbox_state *state = snapshot_state(s->c->base, s->at);

	s->tree = state->tree;
	s->user = v->reader;
	s->as = seen_as_of(&state->info, v->reader, seen_tree(state, v->reader));
	s->is_private = state->info.is_seen_private;
}

enum err
messages_store(struct view *v, const struct rangeset *uids, const struct flags_change *change,
    uint32_t *cursor, struct waiter *w, struct rangeset *changed_out, struct rangeset *modified_out,
    struct snapshot **after_out)
{
	struct storing s = { .change = change, .changed = changed_out, .modified = modified_out };
	enum err e;

	*after_out = NULL;
	e = check_view(v);
	if (e != ERR_OK)
		return e;
	e = change_begin(v->account, v->id, only_deletes(change), w, &s.c, &s.at);
	if (e != ERR_OK)
		return e;
	see_as(&s, v);
	e = change_keywords(commit_mailbox(s.c, s.at), change->keywords,
	    change->keeps_keywords ? 0 : change->keyword_count, change->op != FLAGS_REMOVE,
	    &s.keywords);
	if (e == ERR_OK && s.is_private && (FLAG_SEEN & ~change->fixed) != 0
	    && !commit_may_see(commit_mailbox(s.c, s.at), s.user))
		e = ERR_LIMIT;
	if (e != ERR_OK) {
		change_abort(s.c);
		return e;
	}
	store_pages(&s, uids, cursor);
	change_end(s.c, s.pages != 0, after_out);
	return ERR_OK;
}

/* ---- EXPUNGE --------------------------------------------------------------------------------- */

enum err
messages_expunge(struct view *v, const struct rangeset *uids, uint32_t *cursor, struct waiter *w,
    struct rangeset *expunged_out, struct snapshot **after_out)
{
	const struct tree_want want = { .set = FLAG_DELETED };
	const struct tree *tree;
	uint32_t at_mailbox, pages = 0;
	struct commit *c;
	size_t i = 0;
	enum err e;

	*after_out = NULL;
	e = check_view(v);
	if (e == ERR_OK)
		e = change_begin(v->account, v->id, true, w, &c, &at_mailbox);
	if (e != ERR_OK)
		return e;
	tree = snapshot_state(c->base, at_mailbox)->tree;
	while (*cursor != UINT32_MAX && pages < v->account->store->o.commit_pages
	    && c->seen_pages < COMMIT_SEEN_PAGES_MAX) {
		uint32_t uid = uids == NULL ? *cursor : rangeset_next(uids, MAX(*cursor, 1)), base;
		uint64_t gone = 0, mask;
		struct tree_at at;

		if ((uids != NULL && uid == 0) || !tree_next(tree, uid, want, &at)) {
			*cursor = UINT32_MAX;
			break;
		}
		base = at.uid & ~(uint32_t)(PAGE_UIDS - 1);
		mask = page_mask(at.page)
		    & (uids == NULL ? ~(uint64_t)0
				    : rangeset_page_mask(uids, &i, base / PAGE_UIDS));
		for (uint64_t m = mask; m != 0; m &= m - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(m);

			if ((page_flags(at.page, page_index(page_mask(at.page), bit))
				& FLAG_DELETED)
			    == 0)
				continue;
			gone |= (uint64_t)1 << bit;
			rangeset_add_one(expunged_out, base + bit);
		}
		if (gone != 0) {
			commit_remove(c, commit_mailbox(c, at_mailbox), base / PAGE_UIDS, gone,
			    'R');
			pages++;
		}
		*cursor = base > UINT32_MAX - PAGE_UIDS ? UINT32_MAX : base + PAGE_UIDS;
	}
	change_end(c, pages != 0, after_out);
	return ERR_OK;
}

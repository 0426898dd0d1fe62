/*
 * change_copy.c - COPY and MOVE. Inside an account a copy is one more entry of the same message;
 * change_across.c has the rest.
 */
#include "store/change_int.h"

#include "store/arrival_int.h"
#include "store/notes.h"
#include "store/view_int.h"

/* Maps a keyword set by name. */
static enum err
map_keywords(struct copying *p, struct keywords k, struct keywords *out)
{
	*out = (struct keywords){ { 0, 0 } };
	for (unsigned w = 0; w < 2; w++) {
		for (uint64_t m = k.w[w]; m != 0; m &= m - 1) {
			unsigned slot = w * 64 + (unsigned)__builtin_ctzll(m);
			struct keywords one;
			enum err e;

			if (slot >= p->from_info->keyword_count)
				continue;
			if (p->slots[slot] < 0) {
				e = change_keywords(commit_mailbox(p->to, p->to_at),
				    &p->from_info->keywords[slot], 1, true, &one);
				if (e != ERR_OK)
					return e;
				p->slots[slot] =
				    (int8_t)(one.w[0] != 0 ? __builtin_ctzll(one.w[0])
							   : 64 + __builtin_ctzll(one.w[1]));
			}
			keywords_set(out, (unsigned)p->slots[slot]);
		}
	}
	return ERR_OK;
}

/* What goes along of the notes of the source's message (RFC 5257 4.6). */
static void
copy_notes(struct copying *p, uint32_t uid, uint32_t new_uid)
{
	struct str notes = tree_notes(p->tree, uid);

	if (notes.n == 0)
		return;
	buf_clear(&p->notes);
	if (p->is_for_all)
		buf_str_add(&p->notes, notes);
	else
		notes_copy(notes, p->who.v, p->rights, &p->notes);
	if (p->notes.n != 0)
		appender_add_notes(&p->out, new_uid, buf_str(&p->notes));
}

/*
 * \Seen goes along for who copies. Where it is private in the destination, it is his alone; a move
 * inside an account takes along what everybody else has seen, for the messages are still the same.
 */
static void
copy_seen(const struct copying *p, bool is_seen, struct page_entry *e)
{
	const struct mailbox_info *to = &snapshot_state(p->to->base, p->to_at)->info;
	bool is_owner = seen_user_in(p->to->account, p->who) == SEEN_OWNER,
	     keeps = p->moves && p->held == NULL;

	if (to->is_seen_private && !is_owner)
		is_seen = keeps && (e->flags & FLAG_SEEN) != 0;
	e->flags = (uint16_t)((e->flags & ~FLAG_SEEN) | (is_seen ? FLAG_SEEN : 0));
}

static void
mark_seen(struct copying *p, uint32_t uid, bool is_seen, uint32_t new_uid)
{
	const struct mailbox_info *to = &snapshot_state(p->to->base, p->to_at)->info;
	uint64_t user = seen_user_in(p->to->account, p->who);

	if (!to->is_seen_private)
		return;
	if (is_seen && user != SEEN_OWNER)
		appender_see(&p->out, user, new_uid);
	for (uint32_t i = 0; i < p->other_count; i++) {
		if ((p->others[i].mask >> uid % PAGE_UIDS & 1) != 0)
			appender_see(&p->out, p->others[i].user, new_uid);
	}
}

/* What others than who moves them have seen of a page's messages. */
static void
note_others(struct copying *p, uint32_t page)
{
	const struct mailbox_state *from =
	    p->from == NULL ? NULL : snapshot_state(p->from->base, p->from_at);

	p->other_count = 0;
	if (!p->moves || p->held != NULL || !from->info.is_seen_private || from->seen_trees == NULL)
		return;
	if (p->others == NULL)
		p->others = arena_array(&p->to->memory, struct appender_mark, from->seen->count);
	for (uint32_t i = 0; i < from->seen->count; i++) {
		uint64_t user = from->seen->u[i].user,
			 seen = page_private_seen(tree_page(from->seen_trees[i], page));

		if (seen != 0 && user != SEEN_OWNER && user != seen_user_in(p->to->account, p->who))
			p->others[p->other_count++] = (struct appender_mark){ user, seen };
	}
}

static enum err
copy_entry(struct copying *p, uint32_t uid, struct page_entry e)
{
	struct page_entry seen = e;
	bool is_seen;
	uint32_t new_uid;
	enum err r;

	if (e.msgno == 0)
		return ERR_CORRUPT; /* of a page that is lost (load.c) */
	r = map_keywords(p, (p->rights & RIGHT_W) != 0 ? e.keywords : (struct keywords){ { 0, 0 } },
	    &e.keywords);
	if (r != ERR_OK)
		return r;
	seen_apply(&p->as, uid, &seen);
	is_seen = (seen.flags & FLAG_SEEN) != 0 && (p->rights & RIGHT_S) != 0;
	copy_seen(p, is_seen, &e);
	if ((p->rights & RIGHT_T) == 0)
		e.flags &= (uint16_t)~FLAG_DELETED;
	if ((p->rights & RIGHT_W) == 0)
		e.flags &= FLAG_SEEN | FLAG_DELETED;
	e.modseq = p->to->version;
	e.saved_s = p->now_s;
	if (p->held != NULL) {
		struct msgno n = account_next_msgno(p->to->account);

		message_put_copy(p->to->txn, n, held_message(p->held, uid));
		e.msgno = n.v;
		p->to->row.next_msgno = n.v;
		p->to->is_row_changed = true;
	} else if (!p->moves) {
		commit_link(p->to, (struct msgno){ e.msgno });
	}
	new_uid = appender_add(&p->out, &e);
	if (new_uid == 0)
		return ERR_LIMIT;
	copy_notes(p, uid, new_uid);
	mark_seen(p, uid, is_seen, new_uid);
	rangeset_add_one(p->from_uids, uid);
	rangeset_add_one(p->to_uids, new_uid);
	return ERR_OK;
}

static enum err
copy_page(struct copying *p, uint32_t page, struct str bytes, uint64_t wanted)
{
	uint64_t mask = page_mask(bytes), went = 0;
	enum err e = ERR_OK;

	note_others(p, page);
	for (uint64_t m = mask & wanted; m != 0 && e == ERR_OK; m &= m - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(m);
		struct page_entry entry;

		if (p->held != NULL && held_message(p->held, page * PAGE_UIDS + bit) == NULL)
			continue; /* came after the records were loaded */
		page_entry(bytes, page_index(mask, bit), &entry);
		e = copy_entry(p, page * PAGE_UIDS + bit, entry);
		went |= (uint64_t)1 << bit;
	}
	if (e != ERR_OK || went == 0)
		return e;
	p->pages++;
	if (p->moves)
		commit_remove(p->from, commit_mailbox(p->from, p->from_at), page, went,
		    p->held == NULL ? 'M' : 'R');
	return ERR_OK;
}

enum err
copying_run(struct copying *p, const struct rangeset *uids, uint32_t *cursor, uint32_t pages_max)
{
	size_t i = 0;
	enum err e = ERR_OK;

	while (e == ERR_OK && *cursor != UINT32_MAX
	    && (pages_max == 0
		|| (p->pages < pages_max && p->to->seen_pages < COMMIT_SEEN_PAGES_MAX))) {
		uint32_t uid = uids == NULL ? *cursor : rangeset_next(uids, MAX(*cursor, 1)), base;
		struct tree_at at;

		if ((uids != NULL && uid == 0) || !tree_next(p->tree, uid, TREE_ANY, &at)) {
			*cursor = UINT32_MAX;
			break;
		}
		base = at.uid & ~(uint32_t)(PAGE_UIDS - 1);
		if (p->held != NULL && base >= p->held->until) {
			*cursor = base;
			break;
		}
		e = copy_page(p, base / PAGE_UIDS, at.page,
		    uids == NULL ? ~(uint64_t)0 : rangeset_page_mask(uids, &i, base / PAGE_UIDS));
		*cursor = base > UINT32_MAX - PAGE_UIDS ? UINT32_MAX : base + PAGE_UIDS;
	}
	appender_end(&p->out);
	buf_done(&p->notes);
	return e;
}

void
copying_init(struct copying *p, const struct mailbox_state *from, const struct tree *seen,
    struct commit *to, uint32_t to_at)
{
	struct clock *clock = to->account->store->o.clock;

	p->tree = from->tree;
	p->from_info = &from->info;
	p->as = seen_as_of(&from->info, p->from_user, seen);
	p->to = to;
	p->to_at = to_at;
	p->notes = BUF_MAX(NOTES_MAX_BYTES);
	p->now_s = clock->wall_ms(clock) / 1000;
	memset(p->slots, -1, sizeof(p->slots));
	for (int i = 0; i < KEYWORDS_REGISTERED; i++)
		p->slots[i] = (int8_t)i;
	appender_begin(&p->out, to, to_at);
}

uint64_t
copying_count(const struct tree *tree, const struct rangeset *uids)
{
	uint64_t n = 0;

	for (size_t i = 0; i < uids->n; i++)
		n += tree_rank(tree, (uint64_t)uids->r[i].last + 1)
		    - tree_rank(tree, uids->r[i].first);
	return n;
}

enum err
copying_find(const struct commit *c, struct mailbox_id dest, uint32_t *at_out,
    uint32_t *uidvalidity_out)
{
	int64_t at = snapshot_find_id(c->base, dest);

	if (at < 0)
		return ERR_TRYCREATE;
	if (snapshot_state(c->base, (uint32_t)at)->info.is_noselect)
		return ERR_NOSELECT;
	*at_out = (uint32_t)at;
	*uidvalidity_out = snapshot_state(c->base, (uint32_t)at)->info.uidvalidity;
	return ERR_OK;
}

/* Both mailboxes are in this account, whose mutex is held. */
static enum err
copy_inside(struct commit *c, uint32_t from_at, struct account_id who, struct mailbox_id dest,
    const struct rangeset *uids, unsigned rights, bool is_for_all, uint32_t *cursor, bool moves,
    struct rangeset *from_uids, struct rangeset *to_uids, uint32_t *uidvalidity_out)
{
	const struct mailbox_state *from = snapshot_state(c->base, from_at);
	struct copying p = { .from = c,
		.rights = rights,
		.is_for_all = is_for_all,
		.who = who,
		.from_user = seen_user_in(c->account, who),
		.from_at = from_at,
		.moves = moves,
		.from_uids = from_uids,
		.to_uids = to_uids };
	uint64_t count = moves ? 0 : copying_count(from->tree, uids);
	uint32_t to_at;
	enum err e;

	e = copying_find(c, dest, &to_at, uidvalidity_out);
	if (e == ERR_OK && count > COPY_MAX)
		e = ERR_LIMIT;
	if (e != ERR_OK)
		return e;
	commit_stage(c, count);
	copying_init(&p, from, seen_tree(from, p.from_user), c, to_at);
	return copying_run(&p, uids, cursor, moves ? c->account->store->o.commit_pages : 0);
}

void
copied_add(struct copied *out, uint32_t uidvalidity, struct arena *a, const struct rangeset *from,
    const struct rangeset *to)
{
	struct rangeset all = RANGESET_NONE;

	out->uidvalidity = uidvalidity;
	if (rangeset_is_empty(from))
		return;
	for (int side = 0; side < 2; side++) {
		struct rangeset **into = side == 0 ? &out->from : &out->to;
		const struct rangeset *more = side == 0 ? from : to;

		if (*into != NULL)
			rangeset_union(&all, *into, more);
		else
			rangeset_copy(&all, more);
		*into = arena_new(a, struct rangeset);
		(*into)->r = arena_alloc(a, all.n * sizeof(*all.r));
		(*into)->n = all.n;
		memcpy((*into)->r, all.r, all.n * sizeof(*all.r));
	}
	rangeset_done(&all);
}

static enum err
copy_or_move_inside(struct view *v, const struct rangeset *uids, enum copy_gone gone,
    struct mailbox_id dest, bool moves, unsigned rights, uint32_t *cursor, struct waiter *w,
    struct arena *a, struct copied *out, struct snapshot **after_out)
{
	RANGESET_CLEAN struct rangeset from = RANGESET_NONE;
	RANGESET_CLEAN struct rangeset to = RANGESET_NONE;
	uint32_t at, uidvalidity = 0, went = *cursor;
	struct commit *c;
	enum err e;

	e = change_begin(v->account, v->id, moves, w, &c, &at);
	if (e != ERR_OK)
		return e;
	/* Of a MOVE in several commits only the first can still refuse. */
	if (gone == COPY_WHOLE && went == 0
	    && copying_count(snapshot_state(c->base, at)->tree, uids)
		< copying_count(v->tree, uids))
		e = ERR_EXPUNGED;
	else
		e = copy_inside(c, at, view_user(v), dest, uids, rights, false, &went, moves, &from,
		    &to, &uidvalidity);
	if (e == ERR_OK)
		e = commit_check_quota(c);
	if (e != ERR_OK) {
		change_abort(c);
		return e;
	}
	change_end(c, !rangeset_is_empty(&from), after_out);
	*cursor = went;
	copied_add(out, uidvalidity, a, &from, &to);
	return ERR_OK;
}

enum err
messages_copy_as(struct view *v, const struct rangeset *uids, enum copy_gone gone,
    struct account *to, struct mailbox_id dest, unsigned rights, struct waiter *w, struct arena *a,
    struct copied *out, struct snapshot **after_out)
{
	uint32_t cursor = 0;
	enum err e;

	*after_out = NULL;
	*out = (struct copied){ 0 };
	if (v->is_gone)
		return ERR_NOTFOUND;
	if (kv_space(v->account->kv) != KV_SPACE_OK)
		return ERR_FULL;
	if (to != v->account)
		e = copy_across(v, uids, gone, to, dest, rights, w, a, out, after_out);
	else
		e = copy_or_move_inside(v, uids, gone, dest, false, rights, &cursor, w, a, out,
		    after_out);
	return e == ERR_OK && out->from == NULL ? ERR_EXPUNGED : e;
}

enum err
messages_move_as(struct view *v, const struct rangeset *uids, enum copy_gone gone,
    struct account *to, struct mailbox_id dest, unsigned rights, uint32_t *cursor, struct waiter *w,
    struct arena *a, struct copied *out, struct snapshot **after_out, struct snapshot **into_out)
{
	*after_out = *into_out = NULL;
	if (v->access == VIEW_READ_ONLY)
		return ERR_READONLY;
	if (v->is_gone)
		return ERR_NOTFOUND;
	if (to != v->account)
		return move_across(v, uids, to, dest, rights, cursor, w, a, out, after_out,
		    into_out);
	return copy_or_move_inside(v, uids, gone, dest, true, rights, cursor, w, a, out, after_out);
}

enum err
messages_move_all(struct account *a, struct mailbox_id from, struct mailbox_id to,
    struct snapshot **after_out)
{
	uint32_t cursor = 0;
	enum err e = ERR_OK;

	*after_out = NULL;
	while (e == ERR_OK && cursor != UINT32_MAX) {
		RANGESET_CLEAN struct rangeset went = RANGESET_NONE;
		RANGESET_CLEAN struct rangeset got = RANGESET_NONE;
		struct snapshot *after;
		uint32_t at, uidvalidity;
		struct waiter w;
		struct commit *c;

		waiter_init(&w, NULL);
		e = change_begin(a, from, true, &w, &c, &at);
		if (e != ERR_OK)
			break;
		e = copy_inside(c, at, a->id, to, NULL, RIGHTS_ALL, true, &cursor, true, &went,
		    &got, &uidvalidity);
		if (e != ERR_OK) {
			change_abort(c);
			break;
		}
		change_end(c, !rangeset_is_empty(&went), &after);
		if (after != NULL) {
			snapshot_unref(*after_out);
			*after_out = after;
		}
	}
	if (e != ERR_OK) {
		snapshot_unref(*after_out);
		*after_out = NULL;
	}
	return e;
}

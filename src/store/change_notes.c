/* change_notes.c - STORE ANNOTATION: the notes of messages change, and with them their modseq. */
#include "store/notes.h"

#include "store/change_int.h"
#include "store/view_int.h"

enum { COMMIT_NOTES_BYTES = 4 << 20 }; /* of notes that one commit writes, about */

/* One change on its way through the pages. */
struct noting {
	const struct notes_change *change;
	struct commit *c;
	uint32_t at;
	const struct tree *tree; /* before */
	struct seen_as as;       /* how the user sees it */
	struct rangeset *changed, *modified;
	struct buf list; /* of the message at hand */
	uint32_t pages;  /* changed so far */
	size_t bytes;
};

/* The list that a message gets, in n->list. */
static enum err
change_list(struct noting *n, uint32_t uid, bool *is_changed_out)
{
	struct str before = tree_notes(n->tree, uid);
	enum err e;

	buf_clear(&n->list);
	e = notes_change(before, n->change->changes, n->change->count, &n->list);
	*is_changed_out = !str_eq(before, buf_str(&n->list));
	return e;
}

static enum err
note_page(struct noting *n, uint32_t page, struct str bytes, uint64_t wanted)
{
	char space[16 + 8 + PAGE_UIDS * (2 + PAGE_KEYWORD_BYTES)];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };
	struct keywords keywords[PAGE_UIDS];
	uint16_t flags[PAGE_UIDS];
	uint64_t mask = page_mask(bytes), changed = 0;
	unsigned count = 0;

	for (uint64_t m = mask & wanted; m != 0; m &= m - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(m);
		uint32_t uid = page * PAGE_UIDS + bit;
		struct page_entry entry, as_seen;
		bool is_changed;
		enum err e;

		page_entry(bytes, page_index(mask, bit), &entry);
		as_seen = entry;
		seen_apply(&n->as, uid, &as_seen);
		if (entry.msgno == 0
		    || (n->change->has_unchangedsince
			&& as_seen.modseq > n->change->unchangedsince)) {
			rangeset_add_one(n->modified, uid);
			continue;
		}
		e = change_list(n, uid, &is_changed);
		if (e != ERR_OK)
			return e;
		if (!is_changed)
			continue;
		commit_set_notes(n->c, commit_mailbox(n->c, n->at), uid, buf_str(&n->list));
		rangeset_add_one(n->changed, uid);
		n->bytes += n->list.n;
		changed |= (uint64_t)1 << bit;
		flags[count] = entry.flags;
		keywords[count++] = entry.keywords;
	}
	if (count == 0)
		return ERR_OK;
	page_op_set(&op, n->c->version, changed, flags, keywords, false);
	commit_merge_page(n->c, commit_mailbox(n->c, n->at), page, buf_str(&op));
	n->pages++;
	return ERR_OK;
}

/* Goes through the pages from *cursor on, until it has seen or changed enough. */
static enum err
note_pages(struct noting *n, const struct rangeset *uids, uint32_t *cursor)
{
	size_t i = 0;

	for (unsigned looks = 0;
	     *cursor != UINT32_MAX && looks < STORE_PAGES_MAX && n->bytes < COMMIT_NOTES_BYTES;
	     looks++) {
		uint32_t uid = rangeset_next(uids, MAX(*cursor, 1));
		struct tree_at at;
		enum err e;

		if (uid == 0 || !tree_next(n->tree, uid, TREE_ANY, &at)) {
			*cursor = UINT32_MAX;
			break;
		}
		uid = at.uid & ~(uint32_t)(PAGE_UIDS - 1);
		e = note_page(n, at.uid / PAGE_UIDS, at.page,
		    rangeset_page_mask(uids, &i, at.uid / PAGE_UIDS)
			& (*cursor > uid ? ~(uint64_t)0 << *cursor % PAGE_UIDS : ~(uint64_t)0));
		if (e != ERR_OK)
			return e;
		*cursor = uid > UINT32_MAX - PAGE_UIDS ? UINT32_MAX : uid + PAGE_UIDS;
	}
	return ERR_OK;
}

/* Whether all of it can be done, before the first commit. */
static enum err
check_all(struct noting *n, const struct rangeset *uids)
{
	int64_t one, more;
	uint32_t uid = 1;
	bool is_changed;
	enum err e;

	buf_clear(&n->list);
	e = notes_change(STR_NONE, n->change->changes, n->change->count, &n->list);
	one = (int64_t)n->list.n;
	more = (int64_t)copying_count(n->tree, uids) * one;
	while (e == ERR_OK && (uid = rangeset_next(uids, uid)) != 0
	    && (uid = tree_next_noted(n->tree, uid)) != 0) {
		if (rangeset_contains(uids, uid)) {
			e = change_list(n, uid, &is_changed);
			more += (int64_t)n->list.n - (int64_t)tree_notes(n->tree, uid).n - one;
		}
		uid++;
	}
	return e != ERR_OK || more <= 0 ? e : commit_check_notes(n->c, (uint64_t)more);
}

/* What only takes away is allowed on a full disk. */
static bool
only_removes(const struct notes_change *change)
{
	for (size_t i = 0; i < change->count; i++) {
		if (change->changes[i].value.p != NULL)
			return false;
	}
	return true;
}

enum err
messages_annotate(struct view *v, const struct rangeset *uids, const struct notes_change *change,
    uint32_t *cursor, struct waiter *w, struct rangeset *changed_out, struct rangeset *modified_out,
    struct snapshot **after_out)
{
	struct noting n = { .change = change,
		.changed = changed_out,
		.modified = modified_out,
		.list = BUF_MAX(2 * NOTES_MAX_BYTES) };
	const struct mailbox_state *state;
	enum err e;

	*after_out = NULL;
	if (v->is_gone)
		return ERR_NOTFOUND;
	e = change_begin(v->account, v->id, only_removes(change), w, &n.c, &n.at);
	if (e != ERR_OK)
		return e;
	state = snapshot_state(n.c->base, n.at);
	n.tree = state->tree;
	n.as = seen_as_of(&state->info, v->reader, seen_tree(state, v->reader));
	if (state->info.notes_bytes != tree_sums(n.tree)->notes_bytes)
		e = ERR_CORRUPT; /* what is there could be overwritten unseen */
	if (e == ERR_OK && *cursor == 0)
		e = check_all(&n, uids);
	if (e == ERR_OK)
		e = note_pages(&n, uids, cursor);
	buf_done(&n.list);
	if (e != ERR_OK) {
		change_abort(n.c);
		return e;
	}
	change_end(n.c, n.pages != 0, after_out);
	return ERR_OK;
}

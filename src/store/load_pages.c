/* load_pages.c - the pages of a mailbox from rows and operands: see load_int.h. */
#include "store/load_int.h"

#include "store/notes.h"

#include <stdlib.h>

void
pages_done(struct pages *p)
{
	tree_unref(p->tree);
	for (uint32_t i = 0; p->users != NULL && i < p->users->count; i++)
		tree_unref(p->trees[i]);
	free(p->trees);
	seen_users_unref(p->users);
}

size_t
pages_bytes(const struct pages *p)
{
	size_t n = tree_bytes(p->tree);

	for (uint32_t i = 0; p->users != NULL && i < p->users->count; i++)
		n += tree_bytes(p->trees[i]);
	return n;
}

/* The tree of a user, who gets one. */
static struct tree **
pages_of(struct pages *p, uint64_t user)
{
	uint32_t at = seen_users_place(p->users, user),
		 count = p->users == NULL ? 0 : p->users->count;

	if (at < count && p->users->u[at].user == user)
		return &p->trees[at];
	if (count == 0)
		p->users = seen_users_new(0);
	p->users = xrealloc(p->users, sizeof(*p->users) + (count + 1) * sizeof(p->users->u[0]));
	p->trees = xrealloc(p->trees, (count + 1) * sizeof(struct tree *));
	memmove(&p->users->u[at + 1], &p->users->u[at], (count - at) * sizeof(p->users->u[0]));
	memmove(&p->trees[at + 1], &p->trees[at], (count - at) * sizeof(struct tree *));
	p->users->u[at] = (struct seen_user){ .user = user };
	p->trees[at] = NULL;
	p->users->count = count + 1;
	return &p->trees[at];
}

/* One operand on a user's pages. */
static void
fold_private(struct pages *p, const struct page_op *op)
{
	struct tree **tree = pages_of(p, op->user);
	struct tree_edit edit = { .root = *tree };

	tree_edit_merge(&edit, op->page, op->operand);
	*tree = tree_edit_end(&edit);
}

void
pages_fold(struct pages *p, const struct commit *c, struct mailbox_id id)
{
	struct tree_edit edit = { .root = p->tree };
	bool is_changed = false;

	for (const struct page_op *op = c->ops; op != NULL; op = op->next) {
		if (op->id.v != id.v)
			continue;
		if (op->is_private) {
			fold_private(p, op);
			continue;
		}
		if (op->noted != 0)
			tree_edit_notes(&edit, op->noted, op->operand);
		else
			tree_edit_merge(&edit, op->page, op->operand);
		is_changed = true;
	}
	if (is_changed)
		p->tree = tree_edit_end(&edit);
}

/* ---- from rows ------------------------------------------------------------------------------- */

void
pages_put(struct store *store, struct tree_edit *edit, const struct kv_row_list *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct mailbox_id id;
		struct str notes;
		uint32_t page, uid;

		if (row_key_parse_page(rows->rows[i].key, &id, &page)
		    && page_is_valid(rows->rows[i].value))
			tree_edit_put(edit, page, rows->rows[i].value);
		else if (row_key_parse_notes(rows->rows[i].key, &id, &uid)
		    && notes_row_decode(rows->rows[i].value, &notes) == ERR_OK)
			tree_edit_notes(edit, uid, notes);
		else
			atomic_fetch_add(&store->damaged, 1);
	}
}

/* The private pages of all users; what can't be read of them, or makes no sense, is unseen. */
static void
private_rows_put(struct store *store, struct pages *p, const struct kv_row_list *rows)
{
	struct tree_edit edit = { .root = NULL };
	uint64_t user, last = UINT64_MAX;
	struct mailbox_id id;
	uint32_t page;

	for (size_t i = 0; i < rows->count; i++) {
		struct str value = rows->rows[i].value;

		if (!row_key_parse_private(rows->rows[i].key, &id, &user, &page)
		    || !page_private_is_valid(value) || value.n == 0) {
			atomic_fetch_add(&store->damaged, 1);
			continue;
		}
		if (user != last && edit.root != NULL)
			*pages_of(p, last) = tree_edit_end(&edit);
		last = user;
		tree_edit_put(&edit, page, value);
	}
	if (edit.root != NULL)
		*pages_of(p, last) = tree_edit_end(&edit);
	if (rows->gap_count > 0)
		atomic_fetch_add(&store->damaged, 1);
}

/* ---- pages that are lost --------------------------------------------------------------------- */

/*
 * A page whose entries are known to be there, and nothing else of them: no message number, no
 * flags.
 */
static void
lost_page_put(struct tree_edit *edit, uint32_t page, uint64_t mask)
{
	char space[8 + PAGE_UIDS * (8 + PAGE_ENTRY_BYTES + PAGE_KEYWORD_BYTES)],
	    made[PAGE_MAX_BYTES];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };
	struct buf out = { .p = made, .cap = sizeof(made), .max = sizeof(made) };
	struct page_entry nothing = { .modseq = 1 };
	struct str operand;

	page_op_append(&op);
	for (uint64_t m = mask; m != 0; m &= m - 1)
		page_op_append_entry(&op, (unsigned)__builtin_ctzll(m), &nothing);
	operand = buf_str(&op);
	page_merge(STR_NONE, &operand, 1, &out);
	out.p[1] |= PAGE_IS_DAMAGED;
	tree_edit_put(edit, page, buf_str(&out));
}

/*
 * Pages that can't be read: their messages are those below uidnext that are not in the change log,
 * when these are as many as are missing. Then they are shown as messages of which nothing is known;
 * otherwise nobody can say which UIDs are there, and the mailbox is refused: a client would take
 * them for expunged.
 */
static enum err
lost_pages_put(struct store *store, struct tree_edit *edit, const struct kv_rows *rows,
    size_t alone, const struct mailbox_info *info)
{
	const struct kv_row_list *log = &rows->ranges[rows->range_count - 1];
	RANGESET_CLEAN struct rangeset vanished = RANGESET_NONE;
	uint64_t there = tree_sums(edit->root)->count, missing = 0;
	enum err e = log->gap_count > 0 ? ERR_CORRUPT : ERR_OK;

	for (size_t i = 0; i < log->count && e == ERR_OK; i++)
		e = vanished_row_decode(log->rows[i].value, &vanished);
	for (size_t i = alone; i + 1 < rows->range_count && e == ERR_OK; i++) {
		struct mailbox_id id;
		uint64_t mask = 0;
		uint32_t page;

		if (rows->ranges[i].gap_count == 0
		    || !row_key_parse_page(rows->ranges[i].gaps[0].from, &id, &page))
			continue;
		for (unsigned bit = 0; bit < PAGE_UIDS; bit++) {
			uint32_t uid = page * PAGE_UIDS + bit;

			if (uid != 0 && uid < info->uidnext && !rangeset_contains(&vanished, uid))
				mask |= (uint64_t)1 << bit;
		}
		if (mask != 0)
			lost_page_put(edit, page, mask);
		missing += bits_count(mask);
	}
	if (missing > 0 || e != ERR_OK)
		atomic_fetch_add(&store->damaged, 1);
	return e == ERR_OK && missing > 0 && there + missing != info->exists ? ERR_CORRUPT : e;
}

enum err
pages_from_rows(struct store *store, const struct kv_rows *rows, bool has_seen,
    const struct mailbox_info *info, struct pages *out)
{
	size_t alone = has_seen ? 2 : 1;
	struct tree_edit edit = { .root = NULL };
	enum err e = ERR_OK;

	pages_put(store, &edit, &rows->ranges[0]);
	for (size_t i = alone; i + 1 < rows->range_count; i++)
		pages_put(store, &edit, &rows->ranges[i]);
	if (rows->range_count > alone && info != NULL)
		e = lost_pages_put(store, &edit, rows, alone, info);
	out->tree = tree_edit_end(&edit);
	if (has_seen)
		private_rows_put(store, out, &rows->ranges[1]);
	return e;
}

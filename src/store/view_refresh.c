/*
 * view_refresh.c - a view goes to a later version: the difference of two trees, with ghosts put
 * into the new one when what vanished may not be told yet.
 */
#include "store/notes.h"
#include "store/view_int.h"

#include <stdlib.h>

/* The comparison of the view's tree with that of the mailbox now. */
struct differ {
	struct rangeset vanished; /* of the view: ghosts too */
	uint32_t *changed;
	size_t changed_count, changed_cap;
	const struct tree *before, *after; /* the mailbox's */
	uint64_t known;                    /* modseqs up to it are */
	bool has_new;
	bool keeps_ghosts;
	struct tree_edit ghosts; /* the tree now, and the ghosts */
};

static void
add_changed(struct differ *d, uint32_t uid)
{
	if (d->changed_count == d->changed_cap) {
		d->changed_cap = MAX(64, d->changed_cap * 2);
		d->changed = xrealloc(d->changed, d->changed_cap * sizeof(*d->changed));
	}
	d->changed[d->changed_count++] = uid;
}

static bool
compare_pages(void *ctx, uint32_t page, struct str before, struct str after)
{
	struct differ *d = ctx;
	uint64_t was = page_mask(before), is = page_mask(after), gone = was & ~is;
	uint32_t base = page * PAGE_UIDS;

	for (uint64_t m = was & is; m != 0; m &= m - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(m);

		if (page_modseq(before, page_index(was, bit))
		    != page_modseq(after, page_index(is, bit)))
			add_changed(d, base + bit);
	}
	if ((is & ~was) != 0)
		d->has_new = true;
	for (uint64_t m = gone; m != 0; m &= m - 1)
		rangeset_add_one(&d->vanished, base + (uint32_t)__builtin_ctzll(m));
	if (gone != 0 && d->keeps_ghosts) {
		char space[PAGE_MAX_BYTES];
		struct buf out = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

		page_with_ghosts(after, before, gone, &out);
		tree_edit_put(&d->ghosts, page, buf_str(&out));
	}
	return true;
}

/* The user's own pages: what has changed in them since, of messages that the view had and has. */
static bool
compare_seen(void *ctx, uint32_t page, struct str before, struct str after)
{
	struct differ *d = ctx;
	uint64_t mask = page_mask(after),
		 both =
		     page_mask(tree_page(d->before, page)) & page_mask(tree_page(d->after, page));
	unsigned i = 0;

	(void)before;
	for (uint64_t m = mask; m != 0; m &= m - 1, i++) {
		unsigned bit = (unsigned)__builtin_ctzll(m);

		if ((both >> bit & 1) != 0 && page_private_modseq(after, i) > d->known)
			add_changed(d, page * PAGE_UIDS + bit);
	}
	return true;
}

/* \Seen has become the user's own, or is no more: everything has a new modseq. */
static bool
change_all(void *ctx, uint32_t page, struct str before, struct str after)
{
	struct differ *d = ctx;

	(void)before;
	for (uint64_t m = page_mask(after) & page_mask(tree_page(d->before, page)); m != 0;
	     m &= m - 1)
		add_changed(d, page * PAGE_UIDS + (uint32_t)__builtin_ctzll(m));
	return true;
}

static int
uid_cmp(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Ascending, each once. */
static void
sort_changed(struct differ *d)
{
	size_t n = 0;

	if (d->changed_count > 1)
		qsort(d->changed, d->changed_count, sizeof(*d->changed), uid_cmp);
	for (size_t i = 0; i < d->changed_count; i++) {
		if (n == 0 || d->changed[n - 1] != d->changed[i])
			d->changed[n++] = d->changed[i];
	}
	d->changed_count = n;
}

/* What differs besides the mailbox's own pages, because of what the user has seen. */
static void
compare_own(const struct view *v, struct differ *d, const struct mailbox_state *state,
    const struct tree *seen)
{
	size_t shared = d->changed_count;

	if (v->reader != SEEN_OWNER && state->info.seen_since > d->known)
		tree_diff(NULL, d->after, change_all, d);
	else if (v->seen != seen)
		tree_diff(v->seen, seen, compare_seen, d);
	if (d->changed_count != shared)
		sort_changed(d);
}

/* Sequence numbers in the tree before, highest first: so each is right when it is told. */
static void
number_vanished(const struct tree *before, const struct rangeset *vanished, struct arena *a,
    struct view_changes *out)
{
	uint32_t n = 0;

	out->expunge_count = (uint32_t)rangeset_count(vanished);
	out->expunge_seqs = arena_array(a, uint32_t, out->expunge_count);
	for (size_t i = vanished->n; i != 0; i--) {
		uint32_t first = vanished->r[i - 1].first, last = vanished->r[i - 1].last;
		uint32_t seq = tree_rank(before, (uint64_t)last + 1);

		/* All of a range were there, one after the other. */
		for (uint32_t uid = last; uid >= first; uid--)
			out->expunge_seqs[n++] = seq--;
	}
}

static struct rangeset *
rangeset_in(struct arena *a, const struct rangeset *s)
{
	struct rangeset *out = arena_new(a, struct rangeset);

	out->r = arena_alloc(a, s->n * sizeof(*s->r));
	out->n = s->n;
	memcpy(out->r, s->r, s->n * sizeof(*s->r));
	return out;
}

static void
report(struct view *v, const struct differ *d, bool is_gone, struct arena *a,
    struct view_changes *out)
{
	if (!d->keeps_ghosts && !rangeset_is_empty(&d->vanished)) {
		RANGESET_CLEAN struct rangeset left = RANGESET_NONE;

		out->vanished = rangeset_in(a, &d->vanished);
		number_vanished(v->tree, &d->vanished, a, out);
		if (!rangeset_is_empty(&v->recent)) {
			rangeset_subtract(&left, &v->recent, &d->vanished);
			rangeset_copy(&v->recent, &left);
		}
	}
	if (d->keeps_ghosts && !rangeset_is_empty(&d->vanished))
		out->ghosts = rangeset_in(a, &d->vanished);
	out->is_gone = is_gone && !d->keeps_ghosts;
	v->is_gone_told = v->is_gone_told || out->is_gone;
	out->changed_count = (uint32_t)d->changed_count;
	out->changed = arena_array(a, struct uid, d->changed_count);
	for (size_t i = 0; i < d->changed_count; i++)
		out->changed[i].v = d->changed[i];
}

/* Which notes have changed of the messages that are told. */
static void
report_notes(const struct view *v, const struct tree *before, const struct tree *after,
    struct arena *a, struct view_changes *out)
{
	BUF_CLEAN struct buf names = BUF_MAX(2 * NOTES_MAX_BYTES);

	if (!v->tells_notes
	    || (tree_sums(before)->notes_bytes == 0 && tree_sums(after)->notes_bytes == 0))
		return;
	for (uint32_t i = 0; i < out->changed_count; i++) {
		struct str was = tree_notes(before, out->changed[i].v),
			   is = tree_notes(after, out->changed[i].v);

		if (str_eq(was, is))
			continue;
		buf_clear(&names);
		notes_diff(was, is, v->user, &names);
		if (names.n == 0)
			continue;
		if (out->notes == NULL)
			out->notes = memset(arena_array(a, struct str, out->changed_count), 0,
			    out->changed_count * sizeof(struct str));
		out->notes[i] = arena_str(a, buf_str(&names));
	}
}

/*
 * The view becomes that of `state`, whose pages are `tree` and, of the user, `seen` (both taken
 * over); state is NULL when the mailbox is gone.
 */
static void
move(struct view *v, struct mailbox_state *state, struct tree *tree, struct tree *seen,
    uint64_t version, enum view_tell tell, struct arena *a, struct view_changes *out)
{
	struct differ d = { .keeps_ghosts = tell == TELL_NO_EXPUNGE };
	uint32_t recent = view_recent(v), uidnext = v->info.uidnext;
	bool was_bare = v->is_resting && v->was_bare;

	if (v->is_resting)
		view_wake(v, tree);

	tree_edit_begin(&d.ghosts, tree);
	tree_diff(v->tree, tree, compare_pages, &d);
	d.before = v->tree;
	d.after = tree;
	d.known = v->version;
	if (state != NULL)
		compare_own(v, &d, state, seen);
	report(v, &d, state == NULL, a, out);
	report_notes(v, was_bare ? NULL : v->tree, tree, a, out);
	if (d.keeps_ghosts && !rangeset_is_empty(&d.vanished)) {
		if (v->ghosts == 0)
			v->ghost_floor = v->info.highestmodseq;
		v->ghosts = (uint32_t)rangeset_count(&d.vanished);
	} else {
		v->ghosts = 0;
	}
	tree_unref(v->tree);
	tree_unref(tree);
	v->tree = tree_edit_end(&d.ghosts);
	v->at->uid = 0;
	v->version = version;
	v->is_gone = v->is_gone || state == NULL;
	if (state != NULL) {
		out->has_new_keywords = state->info.keyword_count != v->info.keyword_count;
		view_set_info(v, state, seen);
		if (d.has_new)
			view_take_recent(v, uidnext);
	}
	out->is_exists_new = d.has_new;
	v->info.exists = out->exists = view_exists(v);
	out->recent = view_recent(v);
	out->is_recent_new = out->recent > recent;
	rangeset_done(&d.vanished);
	free(d.changed);
}

static bool
has_news(const struct view *v, const struct snapshot *s)
{
	const struct account_id reader = { v->reader };
	const struct mailbox_info *m;

	if (v->is_gone)
		return false;
	if (v->is_revoked)
		return true;
	if (s->version <= v->version)
		return false;
	m = snapshot_mailbox_by_id(s, v->id);
	return m == NULL || m->is_noselect
	    || mailbox_highestmodseq(m, reader) != v->info.highestmodseq
	    || m->keyword_count != v->info.keyword_count || !str_eq(m->acl, v->info.acl)
	    || m->annotations.p != v->info.annotations.p || m->special_use != v->info.special_use;
}

bool
view_is_stale(const struct view *v, const struct snapshot *s)
{
	return v->ghosts != 0 || v->is_gone != v->is_gone_told || has_news(v, s);
}

/* A state with what the view knows already. */
static struct mailbox_state *
view_own_state(const struct view *v)
{
	struct mailbox_state *s =
	    mailbox_state_new(mailbox_desc_ref(v->desc), &(struct status_row){ 0 });

	s->info = v->info;
	s->info.state = s;
	return s;
}

enum err
view_refresh(struct view *v, struct snapshot *s, enum view_tell tell, struct waiter *w,
    struct arena *a, struct view_changes *out)
{
	struct snapshot *use = NULL;
	struct mailbox_state *state = NULL;
	struct tree *tree = NULL, *seen = NULL;
	uint64_t version = s->version;
	enum err e;

	*out = (struct view_changes){ .exists = view_exists(v), .recent = view_recent(v) };
	if (!v->is_resting && !has_news(v, s)
	    && (tell == TELL_NO_EXPUNGE || (v->ghosts == 0 && v->is_gone == v->is_gone_told))) {
		v->version = MAX(v->version, s->version);
		return ERR_OK;
	}
	if (v->is_revoked) {
		version = MAX(version, v->version);
	} else if (v->is_resting || has_news(v, s)) {
		e = account_state_at(v->account, s, v->id, v->reader, w, &state, &tree, &seen,
		    &use);
		if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_NOSELECT)
			return e;
		version = use->version;
		snapshot_unref(use);
		if (version < v->version) {
			mailbox_state_unref(state);
			tree_unref(tree);
			tree_unref(seen);
			/* what it knew was taken back: the session is about to end */
			return ERR_IO;
		}
	} else if (!v->is_gone) {
		/* Only ghosts to tell. */
		state = view_own_state(v);
		tree = view_live_tree(v);
		seen = tree_ref(v->seen);
		version = MAX(version, v->version);
	}
	move(v, state, tree, seen, version, tell, a, out);
	mailbox_state_unref(state);
	return ERR_OK;
}

static bool
drop_ghosts(void *ctx, uint32_t page, struct str before, struct str after)
{
	struct tree_edit *edit = ctx;
	uint64_t mask = page_mask(after), ghosts = 0;
	char space[16];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };
	unsigned i = 0;

	(void)before;
	for (uint64_t m = mask; m != 0; m &= m - 1, i++) {
		if ((page_flags(after, i) & FLAG_GHOST) != 0)
			ghosts |= m & -m;
	}
	if (ghosts != 0) {
		page_op_remove(&op, ghosts);
		tree_edit_merge(edit, page, buf_str(&op));
	}
	return true;
}

struct tree *
view_live_tree(const struct view *v)
{
	struct tree_edit edit;

	tree_edit_begin(&edit, v->tree);
	if (v->ghosts != 0)
		tree_diff(NULL, v->tree, drop_ghosts, &edit);
	return tree_edit_end(&edit);
}

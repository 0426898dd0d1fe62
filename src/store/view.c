/*
 * view.c - opening a view and looking into it. All questions go to one tree, which is the mailbox's
 * own or, while there are ghosts, a version of it with their entries put back and marked.
 */
#include "store/view_int.h"

#include "store/change_int.h"
#include "store/notes.h"

#include <stdlib.h>

/*
 * The UIDs that nobody was told of, from `from` on; claimed by the first read-write view that asks.
 */
void
view_take_recent(struct view *v, uint32_t from)
{
	struct account *a = v->account;
	uint32_t first, next = v->info.uidnext;

	pthread_mutex_lock(&a->lock);
	first = MAX(from, account_recent_from(a, &v->info));
	if (first < next && v->access == VIEW_READ_WRITE)
		account_recent_claim(a, v->id, next);
	pthread_mutex_unlock(&a->lock);
	if (first < next)
		rangeset_add(&v->recent, first, next - 1);
}

void
view_set_info(struct view *v, const struct mailbox_state *state, struct tree *seen)
{
	const struct account_id reader = { v->reader };

	mailbox_desc_unref(v->desc);
	v->desc = mailbox_desc_ref(state->desc);
	v->info = state->info;
	v->info.highestmodseq = mailbox_highestmodseq(&state->info, reader);
	v->info.state = NULL;
	tree_unref(v->seen);
	v->seen = seen;
	v->as = seen_as_of(&v->info, v->reader, seen);
}

enum err
view_open_as(struct snapshot *s, struct mailbox_id id, struct account_id who,
    enum view_access access, struct waiter *w, struct view **out)
{
	const uint64_t reader = seen_user_in(s->account, who);
	struct snapshot *use = NULL;
	struct mailbox_state *state = NULL;
	struct tree *tree = NULL, *seen = NULL;
	struct view *v;
	enum err e;

	e = account_state_at(s->account, s, id, reader, w, &state, &tree, &seen, &use);
	if (e != ERR_OK) {
		snapshot_unref(use);
		return e;
	}
	v = xcalloc(1, sizeof(*v));
	atomic_init(&v->refs, 1);
	v->account = account_ref(s->account);
	v->id = id;
	v->access = access;
	v->user = who.v;
	v->reader = reader;
	view_set_info(v, state, seen);
	mailbox_state_unref(state);
	v->info.exists = tree_sums(tree)->count;
	v->tree = tree;
	v->version = use->version;
	v->at = xcalloc(1, sizeof(*v->at));
	snapshot_unref(use);
	view_take_recent(v, 1);
	*out = v;
	return ERR_OK;
}

void
view_tell_notes(struct view *v)
{
	v->tells_notes = true;
}

struct view *
view_ref(struct view *v)
{
	atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
	return v;
}

void
view_close(struct view *v)
{
	if (v == NULL || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
		return;
	log_load_drop(v->log);
	held_free(v->held);
	tree_unref(v->tree);
	tree_unref(v->seen);
	mailbox_desc_unref(v->desc);
	rangeset_done(&v->recent);
	rangeset_done(&v->resting);
	free(v->at);
	account_unref(v->account);
	free(v);
}

const struct mailbox_info *
view_mailbox(const struct view *v)
{
	return &v->info;
}

struct account *
view_account(const struct view *v)
{
	return v->account;
}

struct account_id
view_user(const struct view *v)
{
	return (struct account_id){ v->user };
}

uint64_t
view_version(const struct view *v)
{
	return v->version;
}

bool
view_is_read_only(const struct view *v)
{
	return v->access == VIEW_READ_ONLY;
}

bool
view_is_shown_read_only(const struct view *v)
{
	return v->access != VIEW_READ_WRITE;
}

void
view_revoke(struct view *v)
{
	v->is_revoked = true;
}

bool
view_is_gone(const struct view *v)
{
	return v->is_gone;
}

bool
view_is_resting(const struct view *v)
{
	return v->is_resting;
}

uint32_t
view_ghosts(const struct view *v)
{
	return v->ghosts;
}

uint32_t
view_exists(const struct view *v)
{
	return v->is_resting ? v->info.exists : tree_sums(v->tree)->count;
}

uint32_t
view_recent(const struct view *v)
{
	uint32_t n = 0;

	if (v->is_resting)
		return v->resting_recent;
	for (size_t i = 0; i < v->recent.n; i++)
		n += tree_rank(v->tree, (uint64_t)v->recent.r[i].last + 1)
		    - tree_rank(v->tree, v->recent.r[i].first);
	return n;
}

uint64_t
view_highestmodseq(const struct view *v)
{
	return v->ghosts != 0 ? MIN(v->info.highestmodseq, v->ghost_floor) : v->info.highestmodseq;
}

bool
view_uid(const struct view *v, struct seqnum seq, struct uid *uid_out)
{
	uint32_t uid = seq.v == 0 ? 0 : tree_select(v->tree, seq.v - 1);

	if (uid == 0)
		return false;
	uid_out->v = uid;
	return true;
}

struct seqnum
view_seq(const struct view *v, struct uid uid)
{
	struct str page = tree_page(v->tree, uid.v / PAGE_UIDS);

	if ((page_mask(page) >> uid.v % PAGE_UIDS & 1) == 0)
		return (struct seqnum){ 0 };
	return (struct seqnum){ tree_rank(v->tree, uid.v) + 1 };
}

void
view_entry_from(const struct view *v, uint32_t uid, struct str page, unsigned index,
    struct entry *out)
{
	struct page_entry e;

	page_entry(page, index, &e);
	seen_apply(&v->as, uid, &e);
	*out = (struct entry){
		.uid = { uid },
		.msgno = { e.msgno },
		.flags = e.flags & FLAGS_STORABLE,
		.is_recent = !rangeset_is_empty(&v->recent) && rangeset_contains(&v->recent, uid),
		.is_ghost = (e.flags & FLAG_GHOST) != 0,
		.keywords = e.keywords,
		.modseq = e.modseq,
		.size_bytes = e.size_bytes,
		.internal_s = e.internal_s,
		.internal_zone_min = e.internal_zone_min,
		.saved_s = e.saved_s,
	};
}

bool
view_entry(const struct view *v, struct uid uid, struct entry *out)
{
	struct str page = tree_page(v->tree, uid.v / PAGE_UIDS);
	uint64_t mask = page_mask(page);

	if ((mask >> uid.v % PAGE_UIDS & 1) == 0)
		return false;
	view_entry_from(v, uid.v, page, page_index(mask, uid.v % PAGE_UIDS), out);
	return true;
}

/* The entry behind the last one, when it lies in the same page: the usual way through a mailbox. */
static bool
next_in_page(struct tree_at *at, uint32_t from)
{
	uint64_t left;

	if (at->uid == 0 || from != at->uid + 1 || from % PAGE_UIDS == 0)
		return false;
	left = page_mask(at->page) >> from % PAGE_UIDS;
	if (left == 0)
		return false;
	at->uid = from + (uint32_t)__builtin_ctzll(left);
	at->before++;
	at->index++;
	return true;
}

bool
view_next_candidate(const struct view *v, uint32_t from, struct tree_want want, struct tree_at *at)
{
	struct tree_want in_tree = want, in_seen = { .modseq_above = want.modseq_above };
	uint64_t mine = tree_sums(v->seen)->modseq;
	struct tree_at own;
	bool has;

	if (v->as.is_own) {
		in_tree.set &= (uint16_t)~FLAG_SEEN;
		in_tree.unset &= (uint16_t)~FLAG_SEEN;
	}
	if (v->as.since > want.modseq_above)
		in_tree.modseq_above = 0;
	has = tree_next(v->tree, from, in_tree, at);
	if (in_tree.modseq_above == 0 || mine <= in_tree.modseq_above
	    || !tree_next(v->seen, from, in_seen, &own) || (has && at->uid <= own.uid))
		return has;
	/* Of what comes before, only the user's own pages tell that it has changed. */
	return tree_next(v->tree, own.uid, TREE_ANY, at);
}

/* The UIDs of a page that may be wanted for being seen or unseen by the user. */
static uint64_t
seen_mask(const struct view *v, uint32_t page, struct tree_want want)
{
	uint64_t seen;

	if (!v->as.is_own || ((want.set | want.unset) & FLAG_SEEN) == 0)
		return ~(uint64_t)0;
	seen = page_private_seen(tree_page(v->seen, page));
	return ((want.set & FLAG_SEEN) != 0 ? seen : ~(uint64_t)0)
	    & ((want.unset & FLAG_SEEN) != 0 ? ~seen : ~(uint64_t)0);
}

/*
 * The tree's sums say where to look; where \Seen is the user's own, the masks of his pages do for
 * it.
 */
static bool
next(const struct view *v, uint32_t from, struct tree_want want, struct entry *out,
    struct seqnum *seq_out)
{
	struct tree_at at;

	while (view_next_candidate(v, from, want, &at)) {
		uint64_t mask = seen_mask(v, at.uid / PAGE_UIDS, want) >> at.uid % PAGE_UIDS;

		if ((mask & 1) != 0) {
			view_entry_from(v, at.uid, at.page, at.index, out);
			if (out->modseq > want.modseq_above && (out->flags & want.set) == want.set
			    && (out->flags & want.unset) == 0) {
				if (seq_out != NULL)
					seq_out->v = at.before + 1;
				return true;
			}
			mask &= ~(uint64_t)1;
		}
		from = mask != 0 ? at.uid + (uint32_t)__builtin_ctzll(mask)
				 : (at.uid | (PAGE_UIDS - 1)) + 1;
		if (from == 0)
			break;
	}
	return false;
}

bool
view_next(const struct view *v, uint32_t from, struct entry *out, struct seqnum *seq_out)
{
	struct tree_at *at = v->at;

	if (!next_in_page(at, from) && !tree_next(v->tree, from, TREE_ANY, at))
		return false;
	view_entry_from(v, at->uid, at->page, at->index, out);
	if (seq_out != NULL)
		seq_out->v = at->before + 1;
	return true;
}

bool
view_next_changed(const struct view *v, uint32_t from, uint64_t since, struct entry *out,
    struct seqnum *seq_out)
{
	return next(v, from, (struct tree_want){ .modseq_above = since }, out, seq_out);
}

bool
view_next_flags(const struct view *v, uint32_t from, uint16_t set, uint16_t unset,
    struct entry *out, struct seqnum *seq_out)
{
	return next(v, from, (struct tree_want){ .set = set, .unset = unset }, out, seq_out);
}

struct str
view_notes(const struct view *v, struct uid uid)
{
	return tree_notes(v->tree, uid.v);
}

uint32_t
view_next_noted(const struct view *v, uint32_t from)
{
	return tree_next_noted(v->tree, from);
}

bool
view_has_lost_notes(const struct view *v)
{
	return !v->is_gone && tree_sums(v->tree)->notes_bytes != v->info.notes_bytes;
}

struct uid
view_last_uid(const struct view *v)
{
	return (struct uid){ tree_last(v->tree) };
}

struct seqnum
view_first_unseen(const struct view *v)
{
	struct seqnum seq = { 0 };
	struct entry e;

	return view_next_flags(v, 0, 0, FLAG_SEEN, &e, &seq) ? seq : (struct seqnum){ 0 };
}

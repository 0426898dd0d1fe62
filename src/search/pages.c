/*
 * pages.c - programs that entries decide, on 64 messages at once: keys are sets of bits, and AND, OR
 * and NOT what they are for bits.
 */
#include "search/search_int.h"

/* A page is judged without a look at the clock. */
enum { KEYS_MAX = 64 };

bool
search_is_of_entries(const struct search *s)
{
	return s->deepest == LEVEL_ENTRY && s->key_count <= KEYS_MAX && !s->has_annotations
	    && !s->program->has_modseq && !s->program->has_fuzzy;
}

/* Keys that are asked of one message after the other. */
static uint64_t
one_by_one(struct search *s, struct node *n, const struct view_page *p, uint64_t of)
{
	uint64_t bits = 0;

	for (; of != 0; of &= of - 1) {
		struct entry e;

		view_page_entry(s->view, p, (unsigned)__builtin_ctzll(of), &e);
		if (search_judge_leaf(s, n, &e) == IS_YES)
			bits |= of & -of;
	}
	return bits;
}

static uint64_t
leaf(struct search *s, struct node *n, const struct view_page *p, uint64_t of)
{
	const enum imap_search_kind kind = n->key->kind;

	if (kind == SEARCH_ALL)
		return of;
	if (kind == SEARCH_SEQ || kind == SEARCH_UID)
		return of & rangeset_bits(&n->uids, p->first);
	if (kind != SEARCH_FLAG)
		return one_by_one(s, n, p, of);
	return of
	    & (n->key->flags == FLAG_RECENT ? view_page_recent(s->view, p)
					    : view_page_flags(s->view, p, (uint16_t)n->key->flags));
}

/* Those of `of` that match. Depth: see compile(). */
static uint64_t
matches(struct search *s, struct node *n, const struct view_page *p, uint64_t of)
{
	uint64_t left = of, bits;

	if (n->key->kind == SEARCH_AND) {
		for (struct node *c = n->children; c != NULL && left != 0; c = c->next)
			left = matches(s, c, p, left);
		bits = left;
	} else if (n->key->kind == SEARCH_OR) {
		for (struct node *c = n->children; c != NULL && left != 0; c = c->next)
			left &= ~matches(s, c, p, left);
		bits = of & ~left;
	} else {
		bits = leaf(s, n, p, of);
	}
	return n->key->is_not ? of & ~bits : bits;
}

bool
search_page(struct search *s, uint32_t from, struct view_page *page_out, uint64_t *matches_out)
{
	uint64_t of;

	if (s->has_uids)
		from = rangeset_next(&s->uids, from);
	if ((s->has_uids && from == 0)
	    || !view_next_page(s->view, from, s->flags_set, s->flags_unset, page_out))
		return false;
	of = page_out->known;
	if (s->has_uids)
		of &= rangeset_bits(&s->uids, page_out->first);
	if (from > page_out->first)
		of &= UINT64_MAX << (from - page_out->first);
	*matches_out = of == 0 ? 0 : matches(s, s->root, page_out, of);
	return true;
}

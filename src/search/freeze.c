/*
 * freeze.c - see freeze.h. A compiled program has the shape of its keys, and knows what their sets
 * were.
 */
#include "search/freeze.h"

#include "search/search_int.h"

static struct seqset
set_of(struct arena *a, const struct rangeset *uids)
{
	struct seqset set = { .r = arena_array(a, struct range, uids->n), .n = uids->n };

	if (uids->n > 0)
		memcpy(set.r, uids->r, uids->n * sizeof(*set.r));
	return set;
}

static struct seqset
copy_set(struct arena *a, const struct seqset *from)
{
	struct seqset set = { .r = arena_array(a, struct range, from->n),
		.n = from->n,
		.has_star = from->has_star };

	if (from->n > 0)
		memcpy(set.r, from->r, from->n * sizeof(*set.r));
	return set;
}

/* The depth of a program is bounded by its parser. */
static struct imap_search_key *
copy(struct arena *a, const struct node *n, bool *has_star_out)
{
	struct imap_search_key *k = arena_new(a, struct imap_search_key);
	struct imap_search_key **tail = &k->children;

	*k = *n->key;
	k->next = k->children = NULL;
	k->text = k->text.p == NULL ? STR_NONE : arena_str(a, k->text);
	k->field = arena_str(a, k->field);
	if (k->kind == SEARCH_SEQ || (k->kind == SEARCH_UID && k->set.has_saved)) {
		k->kind = SEARCH_UID;
		k->set = set_of(a, &n->uids);
	} else if (k->kind == SEARCH_UID) {
		k->set = copy_set(a, &k->set);
		*has_star_out = *has_star_out || k->set.has_star;
	}
	for (const struct node *c = n->children; c != NULL; c = c->next) {
		*tail = copy(a, c, has_star_out);
		tail = &(*tail)->next;
	}
	return k;
}

void
search_freeze(const struct search *s, struct arena *a, struct imap_search *out, bool *has_star_out)
{
	*has_star_out = false;
	*out = *s->program;
	out->returns = 0;
	out->has_return = out->has_saved = out->has_seqs = false;
	out->root = copy(a, s->root, has_star_out);
}

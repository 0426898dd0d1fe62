/*
 * absent.c - text keys whose text is known not to be in a message (store/trigrams.h), and what a
 * search that reads a message's texts leaves for those after it.
 */
#include "search/search_int.h"

#include "mime/collation.h"

#include <stdlib.h>

struct absence {
	/* for the message at hand, and for those that are read ahead of it */
	struct trigram_reader here, ahead;
	bool has_header_keys; /* TEXT: the header block is read as well */
	bool is_known;        /* what there is to know of the message at hand */
	bool is_collecting;
	struct trigram_tail text, source;
	struct trigram_set *set; /* made with the first message that is read */
};

void
absence_init(struct search *s)
{
	struct absence *a;

	if (s->text_count == 0 || s->program->collation != COLLATION_UNICODE_CASEMAP)
		return;
	a = s->absence = arena_new(s->arena, struct absence);
	*a = (struct absence){ 0 };
	trigram_reader_init(&a->here, view_account(s->view));
	trigram_reader_init(&a->ahead, view_account(s->view));
	for (uint32_t i = 0; i < s->text_count; i++) {
		struct node *n = s->text_nodes[i];

		a->has_header_keys |= n->key->kind == SEARCH_TEXT;
		if (n->fuzzy == NULL)
			trigram_needle_init(&n->needle, n->folded);
	}
}

void
absence_done(struct search *s)
{
	struct absence *a = s->absence;

	if (a == NULL)
		return;
	trigram_reader_done(&a->here);
	trigram_reader_done(&a->ahead);
	free(a->set);
	a->set = NULL;
}

enum truth
absence_judge(struct search *s, const struct entry *e)
{
	const struct trigram_filter *f = NULL;
	enum truth t = search_judge(s, e);
	struct absence *a = s->absence;

	if (t != IS_UNKNOWN || a == NULL)
		return t;
	f = trigram_reader_find(e->uid.v == s->at.v ? &a->here : &a->ahead, e->msgno);
	if (e->uid.v == s->at.v)
		a->is_known = f != NULL && (!a->has_header_keys || trigram_filter_has_header(f));
	if (f == NULL)
		return t;
	for (uint32_t i = 0; i < s->text_count; i++) {
		struct node *n = s->text_nodes[i];

		n->is_absent = (n->key->kind == SEARCH_BODY || trigram_filter_has_header(f))
		    && trigram_filter_lacks(f, &n->needle);
		s->has_absences |= n->is_absent;
	}
	if (s->has_absences)
		t = search_judge(s, e);
	s->has_absences = false;
	return t;
}

void
absence_begin(struct search *s, const struct entry *e)
{
	struct absence *a = s->absence;

	if (a == NULL)
		return;
	a->is_collecting = !a->is_known;
	if (!a->is_collecting)
		return;
	if (a->set == NULL)
		a->set = xmalloc(sizeof(*a->set));
	trigram_set_clear(a->set, e->size_bytes);
}

void
absence_read(struct search *s, struct str folded, bool is_first, bool is_source)
{
	struct absence *a = s->absence;
	struct trigram_tail *tail;

	if (a == NULL || !a->is_collecting)
		return;
	tail = is_source ? &a->source : &a->text;
	if (is_first)
		*tail = (struct trigram_tail){ 0 };
	trigram_set_add(a->set, tail, folded);
}

void
absence_end(struct search *s, struct msgno n)
{
	struct absence *a = s->absence;

	if (a == NULL || !a->is_collecting)
		return;
	a->is_collecting = false;
	trigrams_keep(view_account(s->view), n, a->set, a->has_header_keys);
}

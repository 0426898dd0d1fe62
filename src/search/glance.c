/*
 * glance.c - judges messages by their digests (store/digest.h), where the program has keys of
 * fields that are in them. The next candidates that their entries don't decide are judged together:
 * most are decided so, and the records of the others are asked for with one load.
 */
#include "search/search_int.h"

#include <stdlib.h>

enum { GLANCE_MESSAGES = 256 };

struct glance {
	struct digest_reader *reader;
	/* candidates; of them those that are judged; the next that is asked for */
	size_t count, read, at;
	struct entry entries[GLANCE_MESSAGES];
	struct msgno numbers[GLANCE_MESSAGES];
	enum truth truths[GLANCE_MESSAGES];
};

void
glance_free(struct glance *g)
{
	if (g == NULL)
		return;
	digest_reader_free(g->reader);
	free(g);
}

enum truth
glance_field(const struct digest *d, const struct node *n)
{
	struct str text = d->column[n->column];

	if (text.n == 0)
		return IS_NO;
	if (text.p[0] != DIGEST_TEXT_WHOLE)
		return IS_UNKNOWN;
	return match_contains(str_sub(text, 1, text.n), n->folded) ? IS_YES : IS_NO;
}

/* The candidates from e on. */
static void
glance_begin(struct search *s, const struct entry *e)
{
	struct glance *g = s->glance;
	struct entry next = *e;
	struct seqnum seq;

	if (g == NULL)
		g = s->glance = xcalloc(1, sizeof(*g));
	digest_reader_free(g->reader);
	g->read = g->at = 0;
	g->count = 1;
	g->entries[0] = next;
	for (int looked = 0; g->count < GLANCE_MESSAGES && looked < 16 * GLANCE_MESSAGES
	     && next.uid.v != UINT32_MAX;
	     looked++) {
		if (!search_candidate(s, next.uid.v + 1, &next, &seq))
			break;
		if (next.msgno.v != 0 && search_judge(s, &next) == IS_UNKNOWN)
			g->entries[g->count++] = next;
	}
	for (size_t i = 0; i < g->count; i++)
		g->numbers[i] = g->entries[i].msgno;
	g->reader = digest_reader_new(view_account(s->view), s->columns, g->numbers, g->count);
}

/* Judges all of them, and asks for the records of those that this does not decide. */
static enum err
glance_read(struct search *s, struct waiter *w)
{
	struct glance *g = s->glance;
	struct msgno undecided[GLANCE_MESSAGES];
	size_t n = 0;

	while (g->read < g->count) {
		struct digest d;
		enum err e = digest_reader_next(g->reader, w, &d);

		if (e == ERR_WAIT)
			return e;
		if (e != ERR_OK) { /* the messages themselves say what is wrong */
			while (g->read < g->count)
				g->truths[g->read++] = IS_UNKNOWN;
			break;
		}
		s->digest = &d;
		g->truths[g->read] = search_judge(s, &g->entries[g->read]);
		s->digest = NULL;
		g->read++;
	}
	for (size_t i = 0; i < g->count; i++)
		if (g->truths[i] == IS_UNKNOWN)
			undecided[n++] = g->numbers[i];
	if (n > 0)
		message_prefetch(view_account(s->view), undecided, n, MESSAGE_WHOLE);
	return ERR_OK;
}

enum err
glance_at(struct search *s, const struct entry *e, struct waiter *w, enum truth *out)
{
	struct glance *g = s->glance;
	enum err err = ERR_OK;

	while (g != NULL && g->at < g->count && g->entries[g->at].uid.v < e->uid.v)
		g->at++;
	if (g == NULL || g->at == g->count || g->entries[g->at].uid.v != e->uid.v) {
		glance_begin(s, e);
		g = s->glance;
	}
	if (g->read < g->count)
		err = glance_read(s, w);
	if (err == ERR_OK)
		*out = g->truths[g->at];
	return err;
}

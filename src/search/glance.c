/*
 * glance.c - judges messages by their digests (store/digest.h), where the program has keys of
 * fields that are in them. The next candidates that their entries don't decide are judged together:
 * most are decided so, and the records of the others are asked for with one load. They are few at
 * first, for whoever has a small mailbox, and then more than digests are loaded ahead: what is not
 * in memory comes while what came before is judged.
 */
#include "search/search_int.h"

#include "base/size.h"

#include <stdlib.h>

enum { GLANCE_STEP = 256, GLANCE_MAX = 4096, LOOKED_MAX = 16 * GLANCE_STEP };

struct glanced {
	struct entry entry;
	enum truth truth;
};

struct glance {
	struct digest_reader *reader;
	size_t cap;
	/* candidates; of them those that are judged; the next that is asked for */
	size_t count, read, at;
	struct glanced *messages;
	struct msgno *numbers;
};

void
glance_free(struct glance *g)
{
	if (g == NULL)
		return;
	digest_reader_free(g->reader);
	free(g->messages);
	free(g->numbers);
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

/* Room for as many as the last time, and as many again. */
static void
glance_grow(struct glance *g)
{
	size_t cap = MIN(MAX(2 * g->cap, (size_t)GLANCE_STEP), (size_t)GLANCE_MAX);

	if (cap == g->cap)
		return;
	g->messages = xrealloc(g->messages, size_mul(cap, sizeof(*g->messages)));
	g->numbers = xrealloc(g->numbers, size_mul(cap, sizeof(*g->numbers)));
	g->cap = cap;
}

static void
glance_add(struct glance *g, const struct entry *e)
{
	g->messages[g->count].entry = *e;
	g->numbers[g->count++] = e->msgno;
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
	glance_grow(g);
	g->count = g->read = g->at = 0;
	glance_add(g, e);
	for (int looked = 0; g->count < g->cap && looked < LOOKED_MAX && next.uid.v != UINT32_MAX;
	     looked++) {
		if (!search_candidate(s, next.uid.v + 1, &next, &seq))
			break;
		if (next.msgno.v != 0 && absence_judge(s, &next) == IS_UNKNOWN)
			glance_add(g, &next);
	}
	g->reader = digest_reader_new(view_account(s->view), s->columns, g->numbers, g->count);
}

/* Judges the next of them, and asks for the records of those that this does not decide. */
static enum err
glance_read(struct search *s, struct waiter *w)
{
	struct glance *g = s->glance;
	const size_t first = g->at / GLANCE_STEP * GLANCE_STEP;
	const size_t end = MIN(first + GLANCE_STEP, g->count);
	struct msgno undecided[GLANCE_STEP];
	size_t n = 0;

	while (g->read < end) {
		struct digest d;
		enum err e = digest_reader_next(g->reader, w, &d);

		if (e == ERR_WAIT)
			return e;
		if (e != ERR_OK) { /* the messages themselves say what is wrong */
			while (g->read < g->count)
				g->messages[g->read++].truth = IS_UNKNOWN;
			break;
		}
		s->digest = &d;
		g->messages[g->read].truth = absence_judge(s, &g->messages[g->read].entry);
		s->digest = NULL;
		g->read++;
	}
	for (size_t i = first; i < end; i++)
		if (g->messages[i].truth == IS_UNKNOWN)
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

	while (g != NULL && g->at < g->count && g->messages[g->at].entry.uid.v < e->uid.v)
		g->at++;
	if (g == NULL || g->at == g->count || g->messages[g->at].entry.uid.v != e->uid.v) {
		glance_begin(s, e);
		g = s->glance;
	}
	if (g->at >= g->read)
		err = glance_read(s, w);
	if (err == ERR_OK)
		*out = g->messages[g->at].truth;
	return err;
}

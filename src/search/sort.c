/*
 * sort.c - see sort.h. The first criterion, or the beginning of its text, is the number that most
 * comparisons are decided by.
 */
#include "search/sort.h"

#include "base/big.h"
#include "base/bytes.h"
#include "base/size.h"
#include "search/gather.h"
#include "store/notes.h"

#include <stdlib.h>

/* The value of one criterion of one message: a number, or a text in the arena. */
union value {
	uint64_t number;
	struct str text;
};

enum sort_step { SORT_GATHER, SORT_ORDER, SORT_READY };

struct sort {
	struct view *view;
	const struct imap_sort *sort;
	struct gather gather;
	struct arena texts;
	union value *values; /* sort->n a message */
	struct order order;
	enum sort_step step;
};

static const struct {
	bool is_text;
	int column; /* enum digest_column; -1: the entry has it */
} sources[SORT_KEYS] = {
	[SORT_ANNOTATION] = { true, -1 },
	[SORT_ARRIVAL] = { false, -1 },
	[SORT_CC] = { true, DIGEST_CC },
	[SORT_DATE] = { false, DIGEST_DATE },
	[SORT_DISPLAYFROM] = { true, DIGEST_FROM_NAME },
	[SORT_DISPLAYTO] = { true, DIGEST_TO_NAME },
	[SORT_FROM] = { true, DIGEST_FROM },
	[SORT_RELEVANCY] = { false, -1 },
	[SORT_SIZE] = { false, -1 },
	[SORT_SUBJECT] = { true, DIGEST_SUBJECT },
	[SORT_TO] = { true, DIGEST_TO },
};

struct sort *
sort_new(struct view *v, const struct imap_sort *sort)
{
	struct sort *s = xcalloc(1, sizeof(*s));

	s->view = v;
	s->sort = sort;
	gather_init(&s->gather, view_account(v), sort->search.collation);
	for (size_t i = 0; i < sort->n; i++)
		if (sources[sort->criteria[i].key].column >= 0)
			s->gather.columns |= 1u << sources[sort->criteria[i].key].column;
	return s;
}

void
sort_free(struct sort *s)
{
	if (s == NULL)
		return;
	gather_done(&s->gather);
	order_done(&s->order);
	arena_done(&s->texts);
	big_free(s->values);
	free(s);
}

void
sort_expect(struct sort *s, size_t count)
{
	gather_expect(&s->gather, count);
}

void
sort_add(struct sort *s, const struct entry *e, struct seqnum seq, unsigned relevancy)
{
	gather_add(&s->gather, e, seq);
	s->gather.messages[s->gather.count - 1].relevancy = (uint8_t)relevancy;
}

/* In the form that compares; of what it has not, the empty text, which comes first. */
static union value
annotation_of(struct sort *s, const struct imap_sort_criterion *c, struct uid uid)
{
	const struct annotation key = {
		.scope = c->is_shared ? ANNOTATION_SHARED : ANNOTATION_PRIVATE,
		.user = c->is_shared ? 0 : view_user(s->view).v,
		.name = c->entry,
	};
	BUF_CLEAN struct buf folded = BUF_MAX(16 * NOTE_VALUE_MAX);
	struct str value;

	if (notes_find(view_notes(s->view, uid), &key, &value))
		mime_collate(s->sort->search.collation, value, &folded);
	return (union value){ .text = folded.n == 0 ? STR("")
						    : arena_str(&s->texts, buf_str(&folded)) };
}

static union value
value_of(struct sort *s, const struct imap_sort_criterion *c, const struct sort_message *m,
    const struct digest *d)
{
	struct str text;

	switch (c->key) {
	case SORT_ANNOTATION:
		return annotation_of(s, c, m->uid);
	case SORT_ARRIVAL:
		return (union value){ .number = order_key_signed(m->internal_s) };
	case SORT_DATE:
		return (union value){ .number = order_key_signed(gather_sent_ms(m, d)) };
	case SORT_RELEVANCY:
		return (union value){ .number = 100u - m->relevancy };
	case SORT_SIZE:
		return (union value){ .number = m->size_bytes };
	case SORT_SUBJECT:
		text = digest_subject(d);
		break;
	case SORT_CC:
	case SORT_DISPLAYFROM:
	case SORT_DISPLAYTO:
	case SORT_FROM:
	case SORT_TO:
	case SORT_KEYS:
		text = d->column[sources[c->key].column];
		break;
	}
	return (union value){ .text = text.n == 0 ? STR("") : arena_str(&s->texts, text) };
}

static void
take(void *ctx, size_t index, const struct digest *d)
{
	struct sort *s = ctx;

	for (size_t i = 0; i < s->sort->n; i++)
		s->values[index * s->sort->n + i] =
		    value_of(s, &s->sort->criteria[i], &s->gather.messages[index], d);
}

/* The first eight bytes, as a number that compares as they do. */
static uint64_t
text_key(struct str text)
{
	char bytes[8] = { 0 };

	memcpy(bytes, text.p, MIN(text.n, sizeof(bytes)));
	return (uint64_t)get_be32(bytes) << 32 | get_be32(bytes + 4);
}

static int
compare(const void *ctx, uint32_t a, uint32_t b)
{
	const struct sort *s = ctx;
	const size_t n = s->sort->n;

	for (size_t i = 0; i < n; i++) {
		const union value *x = &s->values[a * n + i], *y = &s->values[b * n + i];
		const struct imap_sort_criterion *c = &s->sort->criteria[i];
		int order = sources[c->key].is_text
		    ? str_cmp(x->text, y->text)
		    : (x->number > y->number) - (x->number < y->number);

		if (order != 0)
			return c->is_reverse ? -order : order;
	}
	return 0;
}

static void
begin_order(struct sort *s)
{
	const struct imap_sort_criterion *first = &s->sort->criteria[0];

	const bool is_decided = s->sort->n == 1 && !sources[first->key].is_text;

	order_init(&s->order, s->gather.count, is_decided ? NULL : compare, s);
	for (size_t i = 0; i < s->gather.count; i++) {
		const union value *v = &s->values[i * s->sort->n];
		uint64_t key = sources[first->key].is_text ? text_key(v->text) : v->number;

		s->order.items[i] =
		    (struct order_item){ first->is_reverse ? ~key : key, (uint32_t)i };
	}
}

enum err
sort_run(struct sort *s, struct waiter *w, sort_should_yield_fn *should_yield, void *ctx)
{
	if (s->step == SORT_GATHER) {
		enum err e;

		if (s->values == NULL)
			s->values = big_alloc(size_mul(s->gather.count + 1, s->sort->n),
			    sizeof(*s->values));
		e = gather_run(&s->gather, w, should_yield, ctx, take, s);
		if (e != ERR_OK)
			return e;
		begin_order(s);
		s->step = SORT_ORDER;
	}
	while (s->step == SORT_ORDER) {
		if (order_step(&s->order))
			s->step = SORT_READY;
		else if (should_yield(ctx))
			return ERR_WAIT;
	}
	return ERR_OK;
}

size_t
sort_count(const struct sort *s)
{
	return s->gather.count;
}

const struct sort_message *
sort_message(const struct sort *s, size_t i)
{
	return &s->gather.messages[s->order.items[i].index];
}

/* NUL is escaped and two of them end it, so that what begins another text comes before it. */
static void
add_text(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		buf_chr(out, text.p[i]);
		if (text.p[i] == '\0')
			buf_chr(out, '\xff');
	}
	buf_add(out, "\0", 2);
}

static void
add_number(uint64_t v, size_t bytes, struct buf *out)
{
	while (bytes-- > 0)
		buf_chr(out, (char)(v >> 8 * bytes));
}

void
sort_key(const struct sort *s, size_t i, struct buf *out)
{
	const uint32_t index = s->order.items[i].index;

	for (size_t c = 0; c < s->sort->n; c++) {
		const struct imap_sort_criterion *by = &s->sort->criteria[c];
		const union value *v = &s->values[index * s->sort->n + c];
		size_t from = out->n;

		if (sources[by->key].is_text)
			add_text(v->text, out);
		else
			add_number(v->number, 8, out);
		for (; by->is_reverse && from < out->n; from++)
			out->p[from] = (char)~out->p[from];
	}
	/* Where all is equal mailbox order decides, even in REVERSE. */
	add_number(s->gather.messages[index].uid.v, 4, out);
}

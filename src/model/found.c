/* found.c - what SEARCH and SORT find, and what of it is kept up to date (RFC 5267), held against the model. */
#include "model/run.h"

#include <stdlib.h>

/* ---- what is to be found ---- */

static bool
key_matches(struct run *r, const struct plan_key *k, const struct seen *m, uint32_t content)
{
	bool is_match = false;

	switch (k->kind) {
	case KEY_ALL:
		is_match = true;
		break;
	case KEY_FLAG:
		is_match = (m->flags & k->flag) != 0;
		break;
	case KEY_UIDS:
		is_match = m->uid >= k->first && m->uid <= k->last;
		break;
	case KEY_LARGER:
		is_match = r->contents.size[content] > k->number;
		break;
	case KEY_SUBJECT:
		is_match = content == k->number;
		break;
	case KEY_MODSEQ:
		is_match = m->modseq >= k->number;
		break;
	}
	return is_match != k->is_not;
}

/* What is found, and by what it is sorted. */
struct hit {
	struct run *r;
	const struct plan_sort *sorts;
	uint32_t sort_count, uid, number;
	const struct state_message *m;
};

static uint32_t
sort_value(const struct hit *h, const struct plan_sort *s)
{
	switch (s->by) {
	case BY_FROM:
		return 0;
	case BY_SIZE:
		return h->r->contents.size[h->m->content];
	case BY_SUBJECT:
		return h->m->content;
	case BY_NOTE:
		return annotated_value(&h->m->notes, s->note);
	}
	return 0;
}

/* Those that are the same otherwise stand as they do in the mailbox, in REVERSE too (RFC 5256 3). */
static int
compare_hits(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;

	for (uint32_t i = 0; i < x->sort_count; i++) {
		uint32_t one = sort_value(x, &x->sorts[i]), other = sort_value(y, &y->sorts[i]);

		if (one != other)
			return (one < other) == x->sorts[i].is_reverse ? 1 : -1;
	}
	return x->uid < y->uid ? -1 : 1;
}

static bool
is_match(struct run *r, const struct plan_key *keys, uint32_t n, const struct seen *m,
    uint32_t content)
{
	bool matches = true;

	for (uint32_t i = 0; i < n; i++)
		matches &= key_matches(r, &keys[i], m, content);
	return matches;
}

/* ---- what is told ---- */

/* "5,3,7:9" or "5 3 7": in this order. */
static void
take_order(struct run *r, struct str text, uint32_t *list, uint32_t *n)
{
	struct str piece, rest = text;
	char by = str_chr(text, ',') != SIZE_MAX ? ',' : ' ';

	while (rest.n > 0 && str_split(&rest, by, &piece)) {
		size_t colon = str_chr(piece, ':');
		uint32_t first, last;

		if (!str_to_u32(str_sub(piece, 0, MIN(colon, piece.n)), &first)
		    || !str_to_u32(colon == SIZE_MAX ? piece : str_sub(piece, colon + 1, piece.n),
			&last)
		    || first > last || last - first >= PICTURE_MAX - *n)
			run_fail(r, "no numbers: %.*s", STR_F(text));
		while (first <= last)
			list[(*n)++] = first++;
	}
}

static void
take_set(struct run *r, struct answer *a, struct str set)
{
	take_order(r, set, a->order, &a->order_count);
	for (uint32_t i = 0; i < a->order_count; i++)
		rangeset_add_one(&a->uids, a->order[i]);
}

static struct kept *
kept_find(struct player *p, uint32_t tag)
{
	for (unsigned i = 0; i < KEPT; i++) {
		if (p->kept[i].tag == tag)
			return &p->kept[i];
	}
	return NULL;
}

static void
kept_begin(struct player *p, const struct plan *plan, uint32_t tag, const struct answer *a)
{
	struct kept *k = kept_find(p, 0);

	*k = (struct kept){ .tag = tag,
		.is_uid = plan->act.is_uid,
		.key_count = plan->key_count,
		.sort_count = plan->sort_count,
		.n = a->order_count };
	memcpy(k->keys, plan->keys, sizeof(k->keys));
	memcpy(k->sorts, plan->sorts, sizeof(k->sorts));
	memcpy(k->list, a->order, sizeof(k->list));
}

static uint32_t
kept_place(const struct kept *k, uint32_t number)
{
	uint32_t i = 0;

	while (i < k->n && k->list[i] != number)
		i++;
	return i;
}

static void
kept_add(struct run *r, struct kept *k, uint32_t at, const uint32_t *numbers, uint32_t n)
{
	if (k->n + n > PICTURE_MAX || (at > 0 && at - 1 > k->n))
		run_fail(r, "t%u: place %u of %u", k->tag, at, k->n);
	for (uint32_t i = 0; i < n; i++) {
		if (kept_place(k, numbers[i]) < k->n)
			run_fail(r, "t%u: %u is in the result already", k->tag, numbers[i]);
	}
	/* In the order of the mailbox that of a SEARCH is put by who looks at it. */
	at = at > 0 ? at - 1 : k->n;
	memmove(&k->list[at + n], &k->list[at], (k->n - at) * sizeof(*k->list));
	memcpy(&k->list[at], numbers, n * sizeof(*numbers));
	k->n += n;
}

static void
kept_remove(struct run *r, struct kept *k, uint32_t at, const uint32_t *numbers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t place = kept_place(k, numbers[i]);

		if (place == k->n || (at > 0 && place != at - 1))
			run_fail(r, "t%u: %u is not in the result%s", k->tag, numbers[i],
			    place < k->n ? " there" : "");
		k->n--;
		memmove(&k->list[place], &k->list[place + 1], (k->n - place) * sizeof(*k->list));
	}
}

/* (TAG "t7") UID ADDTO (1 5:7 3 9). */
static void
take_news(struct run *r, struct player *p, bool is_add, bool is_uid, uint32_t tag, struct str list)
{
	struct kept *k = kept_find(p, tag);

	if (k == NULL || k->is_uid != is_uid)
		run_fail(r, "who asked for news of t%u?", tag);
	while (list.n > 0) {
		uint32_t numbers[PICTURE_MAX], n = 0, at;

		if (!str_to_u32(picture_word(&list), &at) || (at == 0) != (k->sort_count == 0))
			run_fail(r, "no place of t%u", tag);
		take_order(r, picture_word(&list), numbers, &n);
		for (uint32_t i = 0; i < n; i++) {
			if (!is_uid && numbers[i] > p->pic.n)
				run_fail(r, "t%u: message %u of %u", tag, numbers[i], p->pic.n);
		}
		if (is_add)
			kept_add(r, k, at, numbers, n);
		else
			kept_remove(r, k, at, numbers, n);
	}
}

/* PARTIAL (2:5 7,3) */
static void
take_part(struct run *r, const struct plan *plan, struct answer *a, struct str *rest)
{
	struct str range = picture_word(rest), set = picture_word(rest);
	char want[40];

	snprintf(want, sizeof(want), "(%d:%d", plan->part_first, plan->part_last);
	if (!str_eq(range, str_c(want)) || !str_ends(set, STR(")")))
		run_fail(r, "part %.*s %.*s", STR_F(range), STR_F(set));
	set.n--;
	if (!str_eq(set, STR("NIL")))
		take_set(r, a, set);
}

void
found_take(struct run *r, struct player *p, const struct plan *plan, uint32_t tag, struct answer *a,
    const struct told *t)
{
	struct str rest = t->rest, w;
	bool is_uid = false;
	uint32_t of;

	if (t->kind == TOLD_SEARCH) {
		size_t at = str_chr(rest, '(');

		if (a == NULL)
			run_fail(r, "who asked? %.*s", STR_F(t->line));
		if (at != SIZE_MAX)
			rest = str_sub(rest, 0, at > 0 ? at - 1 : 0);
		take_set(r, a, rest);
		a->has_search = true;
		return;
	}
	w = picture_word(&rest);
	w = picture_word(&rest);
	if (!str_starts(w, STR("\"t")) || w.n < 4 || !str_to_u32(str_sub(w, 2, w.n - 2), &of))
		run_fail(r, "no tag: %.*s", STR_F(t->line));
	while ((w = picture_word(&rest)).n > 0) {
		bool is_add = str_eq(w, STR("ADDTO"));

		if (is_add || str_eq(w, STR("REMOVEFROM"))) {
			take_news(r, p, is_add, is_uid, of, str_sub(rest, 1, rest.n - 1));
			return;
		}
		if (str_eq(w, STR("UID"))) {
			is_uid = true;
			continue;
		}
		if (a == NULL || of != tag)
			run_fail(r, "who asked? %.*s", STR_F(t->line));
		if (str_eq(w, STR("ALL")))
			take_set(r, a, picture_word(&rest));
		else if (str_eq(w, STR("PARTIAL")))
			take_part(r, plan, a, &rest);
	}
	a->has_search = true;
	if (plan->is_context)
		kept_begin(p, plan, tag, a);
}

void
kept_expunge(struct run *r, struct player *p, uint32_t number)
{
	for (unsigned i = 0; i < KEPT; i++) {
		struct kept *k = &p->kept[i];

		if (k->tag == 0 || k->is_uid)
			continue;
		if (kept_place(k, number) < k->n)
			run_fail(r, "message %u is gone, and was not told to leave t%u", number,
			    k->tag);
		for (uint32_t j = 0; j < k->n; j++)
			k->list[j] -= k->list[j] > number;
	}
}

void
kept_refused(struct run *r, struct player *p, struct str tag)
{
	uint32_t number;
	struct kept *k;

	if (!str_starts(tag, STR("\"t")) || !str_to_u32(str_sub(tag, 2, tag.n - 1), &number))
		run_fail(r, "no tag: %.*s", STR_F(tag));
	k = kept_find(p, number);
	if (k != NULL)
		*k = (struct kept){ 0 };
}

void
kept_forget(struct player *p, unsigned which)
{
	for (unsigned i = 0; i < KEPT; i++) {
		if ((which >> i & 1) != 0)
			p->kept[i] = (struct kept){ 0 };
	}
}

/* ---- what must have been told ---- */

/* From the `first`-th of n on, up to the `last`-th: what PARTIAL names. */
static void
part_bounds(const struct plan *plan, uint32_t n, int64_t *first, int64_t *last)
{
	*first = plan->part_first > 0 ? plan->part_first : (int64_t)n + 1 + plan->part_last;
	*last = plan->part_first > 0 ? plan->part_last : (int64_t)n + 1 + plan->part_first;
	*first = MAX(*first, (int64_t)1);
	*last = MIN(*last, (int64_t)n);
}

static void
check_order(struct run *r, const struct plan *plan, const struct answer *a, struct hit *hits,
    uint32_t n)
{
	int64_t first = 1, last = n;

	qsort(hits, n, sizeof(*hits), compare_hits);
	if (plan->part_first != 0)
		part_bounds(plan, n, &first, &last);
	if (a->order_count != (uint32_t)MAX(last - first + 1, (int64_t)0))
		run_fail(r, "%u are found, want %lld:%lld of %u", a->order_count, (long long)first,
		    (long long)last, n);
	for (uint32_t i = 0; i < a->order_count; i++) {
		if (a->order[i] != hits[first - 1 + i].number)
			run_fail(r, "the result has %u as number %u, want %u", a->order[i], i + 1,
			    hits[first - 1 + i].number);
	}
}

/* How many of these are below x. */
static uint32_t
count_below(const uint32_t *numbers, uint32_t n, uint32_t x)
{
	uint32_t below = 0;

	for (uint32_t i = 0; i < n; i++)
		below += numbers[i] < x;
	return below;
}

static bool
is_among(const uint32_t *numbers, uint32_t n, uint32_t x)
{
	return count_below(numbers, n, x + 1) != count_below(numbers, n, x);
}

/* What may and what must be in a result. */
struct choice {
	uint32_t hits[PICTURE_MAX], ghosts[PICTURE_MAX]; /* numbers, ascending */
	uint32_t hit_count, ghost_count;
};

/*
 * A part of what was found, in the mailbox's order. What is gone and was not told so may have been
 * found: there must be some of it, or none, with which the part is what was asked for.
 */
static void
check_part(struct run *r, const struct plan *plan, const struct answer *a, const struct choice *c)
{
	bool is_from_end = plan->part_first < 0;
	uint32_t n = a->order_count, known, unknown, beyond, inside;
	int64_t size = is_from_end ? (int64_t)plan->part_first - plan->part_last + 1
				   : (int64_t)plan->part_last - plan->part_first + 1,
		skipped = is_from_end ? -(int64_t)plan->part_first - 1 : plan->part_first - 1;

	if (n == 0) {
		if (c->hit_count > skipped)
			run_fail(r, "nothing is found, want a part of %u", c->hit_count);
		return;
	}
	inside = 0;
	for (uint32_t i = 0; i < n; i++) {
		bool is_hit = is_among(c->hits, c->hit_count, a->order[i]);

		if ((i > 0 && a->order[i] <= a->order[i - 1])
		    || (!is_hit && !is_among(c->ghosts, c->ghost_count, a->order[i])))
			run_fail(r, "the part has %u as number %u", a->order[i], i + 1);
		inside += is_hit;
	}
	known = count_below(c->hits, c->hit_count, a->order[0]);
	unknown = count_below(c->ghosts, c->ghost_count, a->order[0]);
	beyond = c->hit_count - count_below(c->hits, c->hit_count, a->order[n - 1] + 1);
	if (known + inside + beyond != c->hit_count)
		run_fail(r, "the part from %u to %u has %u of those found, want %u", a->order[0],
		    a->order[n - 1], inside, c->hit_count - known - beyond);
	if (is_from_end) {
		uint32_t before = known;

		known = beyond;
		unknown =
		    c->ghost_count - count_below(c->ghosts, c->ghost_count, a->order[n - 1] + 1);
		beyond = before;
	}
	if (skipped < known || skipped > (int64_t)known + unknown)
		run_fail(r, "the part is behind %u, or %u more, want it behind %lld", known,
		    unknown, (long long)skipped);
	if (n > size || (n < size && beyond > 0))
		run_fail(r, "the part has %u, want %lld; there are %u more", n, (long long)size,
		    beyond);
}

void
found_check(struct run *r, struct player *p, const struct plan *plan, const struct answer *a,
    const struct seen *before, uint32_t n)
{
	const struct state_box *b = state_box_by_id(&r->state, p->box);
	RANGESET_CLEAN struct rangeset left = RANGESET_NONE;
	bool tells = !plan->saves || plan->is_extended, has_ghosts = false, is_noted = false;
	struct hit hits[PICTURE_MAX];
	struct choice choice = { .hit_count = 0 };
	uint32_t hit_count = 0;

	if (a->has_search != tells)
		run_fail(r, "%s answer of a search", tells ? "no" : "an");
	if (plan->saves)
		rangeset_clear(&p->saved);
	rangeset_copy(&left, &a->uids);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = plan->act.is_uid ? before[i].uid : i + 1;
		int at = b != NULL ? state_message(b, before[i].uid) : -1;
		bool is_hit = at >= 0 && before[i].uid >= plan->limit_uid
		    && is_match(r, plan->keys, plan->key_count, &before[i], b->m[at].content),
		     is_found = rangeset_contains(&left, number);

		has_ghosts |= at < 0;
		if (is_hit)
			choice.hits[choice.hit_count++] = number;
		else if (at < 0)
			choice.ghosts[choice.ghost_count++] = number;
		if (plan->saves && is_hit)
			rangeset_add_one(&p->saved, before[i].uid);
		if (is_hit)
			hits[hit_count++] = (struct hit){ r, plan->sorts, plan->sort_count,
				before[i].uid, number, &b->m[at] };
		if (tells && at >= 0 && is_hit != is_found && plan->part_first == 0)
			run_fail(r, "message %u, UID %u, flags %x: should%s be found", i + 1,
			    before[i].uid, before[i].flags, is_hit ? "" : " not");
		if (is_found)
			rangeset_remove(&left, number, number);
	}
	if (!rangeset_is_empty(&left))
		run_fail(r, "found %u, which is not there", rangeset_min(&left));
	for (uint32_t i = 0; i < plan->sort_count; i++)
		is_noted |= plan->sorts[i].by == BY_NOTE;
	if (tells && !has_ghosts && !is_noted && (plan->sort_count > 0 || plan->part_first != 0))
		check_order(r, plan, a, hits, hit_count);
	else if (tells && plan->sort_count == 0 && plan->part_first != 0)
		check_part(r, plan, a, &choice);
	if (plan->saves && plan->part_first != 0) {
		rangeset_clear(&p->saved);
		for (uint32_t i = 0; i < a->order_count; i++)
			rangeset_add_one(&p->saved,
			    plan->act.is_uid ? a->order[i] : before[a->order[i] - 1].uid);
	}
	/* What is gone and was not told so may have been found too: nobody can say what "$" is. */
	if (plan->saves && has_ghosts)
		rangeset_clear(&p->saved);
}

static void
check_kept(struct run *r, const struct player *p, const struct kept *k, const struct state_box *b)
{
	struct hit hits[PICTURE_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->pic.n; i++) {
		const struct seen *m = &p->pic.m[i];
		uint32_t number = k->is_uid ? m->uid : i + 1;
		bool is_in = kept_place(k, number) < k->n;

		if (is_match(r, k->keys, k->key_count, m, b->m[i].content) != is_in)
			run_fail(r, "UID %u should%s be in the result of t%u", m->uid,
			    is_in ? " not" : "", k->tag);
		if (is_in)
			hits[n++] =
			    (struct hit){ r, k->sorts, k->sort_count, m->uid, number, &b->m[i] };
	}
	if (n != k->n)
		run_fail(r, "t%u has %u messages, %u of which are there", k->tag, k->n, n);
	qsort(hits, n, sizeof(*hits), compare_hits);
	for (uint32_t i = 0; i < n && k->sort_count > 0; i++) {
		if (k->list[i] != hits[i].number)
			run_fail(r, "the result of t%u has %u at place %u, want %u", k->tag,
			    k->list[i], i + 1, hits[i].number);
	}
	r->contexts++;
	r->sorted += k->sort_count > 0;
}

void
kept_check(struct run *r, const struct player *p, const struct state_box *b)
{
	for (unsigned i = 0; i < KEPT; i++) {
		if (p->kept[i].tag != 0)
			check_kept(r, p, &p->kept[i], b);
	}
}

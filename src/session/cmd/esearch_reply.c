/*
 * esearch_reply.c - see esearch_reply.h. The lists come last in the response, so that they can be
 * written in steps.
 */
#include "session/cmd/esearch_reply.h"

#include "search/order.h"

enum { STEP_HEAD, STEP_LIST, STEP_SCORES };

enum { NUMBERS_TOGETHER = 256 };

uint64_t
numbers_count(const struct numbers *n)
{
	return n->set != NULL ? rangeset_count(n->set) : n->n;
}

static uint32_t
numbers_first(const struct numbers *n)
{
	return n->set != NULL ? rangeset_min(n->set) : n->list[0];
}

static uint32_t
numbers_last(const struct numbers *n)
{
	return n->set != NULL ? rangeset_max(n->set) : n->list[n->n - 1];
}

/* The at-th range, and the at after it: ranges go upwards (RFC 5267 3.2). False behind the last. */
static bool
numbers_range(const struct numbers *n, size_t *at, struct range *out)
{
	if (n->set != NULL) {
		if (*at == n->set->n)
			return false;
		*out = n->set->r[(*at)++];
		return true;
	}
	if (*at == n->n)
		return false;
	out->first = out->last = n->list[(*at)++];
	while (*at < n->n && out->last != UINT32_MAX && n->list[*at] == out->last + 1)
		out->last = n->list[(*at)++];
	return true;
}

/* The next numbers; of the range *at_number are taken. Fewer than there is room for: all are. */
static size_t
numbers_next(const struct numbers *n, size_t *at, uint32_t *at_number,
    uint32_t out[NUMBERS_TOGETHER])
{
	size_t count = 0;

	if (n->set == NULL) {
		while (count < NUMBERS_TOGETHER && *at < n->n)
			out[count++] = n->list[(*at)++];
		return count;
	}
	for (; *at < n->set->n; ++*at, *at_number = 0) {
		const struct range r = n->set->r[*at];

		while (count < NUMBERS_TOGETHER && *at_number <= r.last - r.first)
			out[count++] = r.first + (*at_number)++;
		if (count == NUMBERS_TOGETHER)
			break;
	}
	return count;
}

enum err
numbers_reply_write(struct session *s, struct numbers_reply *r, const char *head,
    const struct numbers *n, uint64_t modseq)
{
	struct buf *b = session_out(s);
	uint32_t some[NUMBERS_TOGETHER];
	size_t count;

	if (!r->has_head)
		buf_c(b, head);
	r->has_head = true;
	do {
		if (session_is_full(s))
			return session_wait_output(s);
		count = numbers_next(n, &r->at, &r->at_number, some);
		buf_u32s(b, ' ', some, count);
	} while (count == NUMBERS_TOGETHER);
	if (modseq != 0) {
		buf_lit(b, " (MODSEQ ");
		reply_number(b, modseq);
		buf_chr(b, ')');
	}
	reply_end(b);
	return ERR_OK;
}

/* "1:3,7", without a space. */
static enum err
write_set(struct session *s, const struct numbers *n, size_t *at)
{
	struct buf *b = session_out(s);
	struct range r;

	for (;;) {
		size_t next = *at;

		if (session_is_full(s))
			return session_wait_output(s);
		if (!numbers_range(n, &next, &r))
			return ERR_OK;
		if (*at > 0)
			buf_chr(b, ',');
		reply_rangeset(b, &(struct rangeset){ .r = &r, .n = 1 });
		*at = next;
	}
}

/* Those of a set from the first-th to the last-th, counted from 0. */
static void
set_part(const struct rangeset *all, uint64_t first, uint64_t last, struct rangeset *out)
{
	uint64_t before = 0;

	for (size_t i = 0; i < all->n && before <= last; i++) {
		struct range r = all->r[i];
		uint64_t n = (uint64_t)r.last - r.first + 1;
		uint64_t from = MAX(first, before) - before,
			 to = MIN(last, before + n - 1) - before;

		if (first < before + n)
			rangeset_add(out, r.first + (uint32_t)from, r.first + (uint32_t)to);
		before += n;
	}
}

/* Counted from 0, both inclusive; false when nothing is there. */
static bool
part_bounds(uint64_t count, const struct imap_partial *p, uint64_t *first, uint64_t *last)
{
	*first = p->first - 1;
	*last = p->last - 1;
	if (p->is_from_end) {
		if (p->first > count)
			return false;
		*first = p->last > count ? 0 : count - p->last;
		*last = count - p->first;
	}
	*last = MIN(*last, count - 1);
	return *first < count;
}

struct numbers
numbers_part(const struct numbers *all, const struct imap_partial *p, struct rangeset *set)
{
	struct numbers part = { .set = all->set != NULL ? set : NULL };
	uint64_t first, last;

	if (!part_bounds(numbers_count(all), p, &first, &last))
		return part;
	if (all->set != NULL) {
		set_part(all->set, first, last, set);
	} else {
		part.list = all->list + first;
		part.n = last - first + 1;
	}
	return part;
}

/* Their own order first: a set that takes them in that of a list moves what is behind for each. */
static void
save_list(struct session *s, const struct numbers *n)
{
	struct order o;

	order_init(&o, n->n, NULL, NULL);
	for (size_t i = 0; i < n->n; i++)
		o.items[i] = (struct order_item){ n->list[i], (uint32_t)i };
	while (!order_step(&o))
		;
	for (size_t i = 0; i < n->n; i++)
		rangeset_add_one(&s->saved, (uint32_t)o.items[i].key);
	order_done(&o);
}

static void
save_part(struct session *s, const struct numbers *uids, const struct imap_partial *p)
{
	RANGESET_CLEAN struct rangeset set = RANGESET_NONE;
	struct numbers part = numbers_part(uids, p, &set);

	if (part.set != NULL)
		rangeset_copy(&s->saved, part.set);
	else
		save_list(s, &part);
}

void
esearch_save(struct session *s, const struct imap_search *args, const struct numbers *uids,
    const struct rangeset *all)
{
	const unsigned returns = args->returns;
	const unsigned some = RETURN_MIN | RETURN_MAX | RETURN_PARTIAL;

	if ((returns & RETURN_SAVE) == 0)
		return;
	rangeset_clear(&s->saved);
	if ((returns & (RETURN_ALL | RETURN_COUNT)) != 0 || (returns & some) == 0) {
		rangeset_copy(&s->saved, all);
		return;
	}
	if (numbers_count(uids) == 0)
		return;
	if ((returns & RETURN_PARTIAL) != 0)
		save_part(s, uids, &args->partial);
	if ((returns & RETURN_MIN) != 0)
		rangeset_add_one(&s->saved, numbers_first(uids));
	if ((returns & RETURN_MAX) != 0)
		rangeset_add_one(&s->saved, numbers_last(uids));
}

static void
item(struct session *s, const char *name, uint64_t value)
{
	buf_chr(session_out(s), ' ');
	buf_c(session_out(s), name);
	buf_chr(session_out(s), ' ');
	reply_number(session_out(s), value);
}

static void
write_head(struct session *s, struct command *c, const struct esearch_reply *r)
{
	const unsigned returns = r->args->returns;
	const bool is_empty = numbers_count(&r->all) == 0;

	reply_untagged(session_out(s));
	buf_lit(session_out(s), "ESEARCH (TAG ");
	reply_string(session_out(s), c->tag, REPLY_ASCII);
	if (r->mailbox.n > 0) {
		buf_lit(session_out(s), " MAILBOX ");
		reply_mailbox(session_out(s), r->mailbox, session_form(s));
		buf_lit(session_out(s), " UIDVALIDITY ");
		reply_number(session_out(s), r->uidvalidity);
	}
	buf_chr(session_out(s), ')');
	if (r->is_uid)
		buf_lit(session_out(s), " UID");
	if ((returns & RETURN_MIN) != 0 && !is_empty)
		item(s, "MIN", numbers_first(&r->all));
	if ((returns & RETURN_MAX) != 0 && !is_empty)
		item(s, "MAX", numbers_last(&r->all));
	if ((returns & RETURN_COUNT) != 0)
		item(s, "COUNT", numbers_count(&r->all));
	if (r->modseq != 0)
		item(s, "MODSEQ", r->modseq);
}

/* " PARTIAL (1:500 ": the range as it was asked for (RFC 9394 3.1, RFC 5267 4.4). */
static void
open_partial(struct session *s, struct esearch_reply *r)
{
	const struct imap_partial *p = &r->args->partial;
	const char *sign = p->is_from_end ? "-" : "";
	const uint32_t from = p->is_turned ? p->last : p->first,
		       to = p->is_turned ? p->first : p->last;

	buf_printf(session_out(s), " PARTIAL (%s%u:%s%u ", sign, from, sign, to);
	r->part = numbers_part(&r->all, p, &r->part_set);
	if (numbers_count(&r->part) == 0)
		buf_lit(session_out(s), "NIL");
}

static void
open_list(struct session *s, struct esearch_reply *r)
{
	const unsigned returns = r->args->returns;

	if ((returns & RETURN_PARTIAL) != 0)
		open_partial(s, r);
	else if ((returns & RETURN_ALL) != 0 && numbers_count(&r->all) > 0)
		buf_lit(session_out(s), " ALL ");
}

/* Of what is told: the part, or all. */
static enum err
write_scores(struct session *s, struct esearch_reply *r)
{
	const uint64_t count = numbers_count(&r->all);
	uint64_t first = 0, last = count - 1;

	if (count == 0
	    || ((r->args->returns & RETURN_PARTIAL) != 0
		&& !part_bounds(count, &r->args->partial, &first, &last)))
		return ERR_OK;
	for (; first + r->at <= last; r->at++) {
		if ((r->at & 1023) == 1023 && session_is_full(s))
			return session_wait_output(s);
		if (r->at > 0)
			buf_chr(session_out(s), ' ');
		reply_number(session_out(s), r->relevancy[first + r->at]);
	}
	return ERR_OK;
}

enum err
esearch_reply_write(struct session *s, struct command *c, struct esearch_reply *r)
{
	const unsigned returns = r->args->returns;
	enum err e;

	if (r->step == STEP_HEAD) {
		write_head(s, c, r);
		open_list(s, r);
		r->step = STEP_LIST;
	}
	if (r->step == STEP_LIST && (returns & (RETURN_ALL | RETURN_PARTIAL)) != 0) {
		e = write_set(s, (returns & RETURN_PARTIAL) != 0 ? &r->part : &r->all, &r->at);
		if (e != ERR_OK)
			return e;
	}
	if (r->step == STEP_LIST) {
		if ((returns & RETURN_PARTIAL) != 0)
			buf_chr(session_out(s), ')');
		if ((returns & RETURN_RELEVANCY) != 0)
			buf_lit(session_out(s), " RELEVANCY (");
		r->at = 0;
		r->step = STEP_SCORES;
	}
	if ((returns & RETURN_RELEVANCY) != 0) {
		e = write_scores(s, r);
		if (e != ERR_OK)
			return e;
		buf_chr(session_out(s), ')');
	}
	reply_end(session_out(s));
	return ERR_OK;
}

void
esearch_reply_done(struct esearch_reply *r)
{
	rangeset_done(&r->part_set);
}

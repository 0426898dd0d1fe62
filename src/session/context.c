/*
 * context.c - see context.h. The contexts of a session, and the writing of ADDTO and REMOVEFROM;
 * context_update.c finds what to write.
 */
#include "session/context_int.h"

#include "search/freeze.h"
#include "session/core.h"

#include <stdlib.h>

enum { LINE_NUMBERS = 1024 }; /* told in one response */

/* ---- which there are ---- */

static struct context *
find(const struct session *s, struct str tag)
{
	struct context *x = s->contexts == NULL ? NULL : s->contexts->first;

	while (x != NULL && !str_eq(x->tag, tag))
		x = x->next;
	return x;
}

bool
contexts_have(const struct session *s, struct str tag)
{
	return find(s, tag) != NULL;
}

static size_t
context_bytes(const struct context *x)
{
	return sizeof(*x) + x->arena.total_bytes + x->told.cap * sizeof(*x->told.r)
	    + ranking_bytes(&x->ranking);
}

size_t
contexts_bytes(const struct contexts *c)
{
	size_t bytes = 0;

	for (const struct context *x = c->first; x != NULL; x = x->next)
		bytes += context_bytes(x);
	return bytes;
}

static void
context_free(struct context *x)
{
	rangeset_done(&x->told);
	rangeset_done(&x->fetched);
	ranking_done(&x->ranking);
	arena_done(&x->arena);
	free(x);
}

void
context_end(struct contexts *c, struct context *x)
{
	struct context **at = &c->first;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	if (c->cursor == x)
		c->cursor = x->next;
	c->count--;
	context_free(x);
}

bool
context_cancel(struct session *s, struct str tag)
{
	struct context *x = find(s, tag);

	if (x == NULL)
		return false;
	context_end(s->contexts, x);
	return true;
}

void
context_refuse(struct session *s, struct str tag, struct str why)
{
	BUF_CLEAN struct buf code = BUF_MAX(SIZE_MAX / 2);

	buf_lit(&code, "NOUPDATE ");
	reply_string(&code, tag, REPLY_ASCII);
	session_untagged(s, "NO", buf_str(&code), why);
}

void
contexts_forget_numbered(struct session *s)
{
	struct context *next;

	for (struct context *x = s->contexts == NULL ? NULL : s->contexts->first; x != NULL;
	     x = next) {
		next = x->next;
		if (x->is_uid)
			continue;
		context_refuse(s, x->tag, STR("Message numbers are not told any more."));
		context_end(s->contexts, x);
	}
}

void
contexts_free(struct session *s)
{
	struct contexts *c = s->contexts;

	if (c == NULL)
		return;
	/* The pool may be searching by a program, which then lives as long as it needs it. */
	if (c->cursor != NULL)
		arena_join(&c->scratch, &c->cursor->arena);
	context_update_drop(s, c);
	while (c->first != NULL)
		context_end(c, c->first);
	loop_timer_cancel(s->core->loop, &c->timer);
	rangeset_done(&c->gone);
	rangeset_done(&c->changed);
	free(c);
	s->contexts = NULL;
}

/* ---- beginning one ---- */

/*
 * An idling client is told when OLDER and YOUNGER change their answer: IDLE tells all that there is
 * to tell.
 */
static void
timer_fired(struct loop_timer *t)
{
	struct contexts *c = container_of(t, struct contexts, timer);

	if (c->session->core->is_idling && context_is_due(c->session))
		session_wake(c->session);
	else
		contexts_set_timer(c->session);
}

void
contexts_stop_timer(struct session *s)
{
	loop_timer_cancel(s->core->loop, &s->contexts->timer);
}

static struct contexts *
contexts_of(struct session *s)
{
	if (s->contexts == NULL) {
		s->contexts = xcalloc(1, sizeof(*s->contexts));
		s->contexts->session = s;
		loop_timer_init(&s->contexts->timer, timer_fired);
	}
	return s->contexts;
}

/* "(TAG "a1")" */
static struct str
make_correlator(struct session *s, struct arena *a, const struct context_options *o)
{
	BUF_CLEAN struct buf b = BUF_MAX(SIZE_MAX / 2);

	buf_lit(&b, "(TAG ");
	reply_string(&b, o->tag, REPLY_ASCII);
	if (o->mailbox.n > 0) {
		buf_lit(&b, " MAILBOX ");
		reply_mailbox(&b, o->mailbox, session_form(s));
		buf_lit(&b, " UIDVALIDITY ");
		reply_number(&b, o->uidvalidity);
	}
	buf_chr(&b, ')');
	return arena_str(a, buf_str(&b));
}

void
context_rank(const struct sort *sort, struct ranking *out)
{
	BUF_CLEAN struct buf key = BUF_MAX(CONTEXTS_MAX_BYTES);

	for (size_t i = 0; i < sort_count(sort); i++) {
		buf_clear(&key);
		sort_key(sort, i, &key);
		ranking_append(out, sort_message(sort, i)->uid.v, buf_str(&key));
	}
}

/* The items were parsed once, so they are good. */
static struct imap_fetch *
keep_items(struct arena *a, struct str items)
{
	struct imap_fetch *fetch = arena_new(a, struct imap_fetch);
	struct imap_scan in;

	if (items.n == 0)
		return NULL;
	imap_scan_init(&in, a, arena_str(a, items), true);
	return imap_fetch_items(&in, fetch) ? fetch : NULL;
}

static struct context *
make(struct session *s, const struct context_options *o)
{
	struct context *x = xcalloc(1, sizeof(*x));

	x->tag = arena_str(&x->arena, o->tag);
	x->correlator = make_correlator(s, &x->arena, o);
	x->is_uid = o->is_uid;
	x->is_sorted = o->criteria != NULL;
	x->sort = arena_new(&x->arena, struct imap_sort);
	if (x->is_sorted)
		*x->sort = *o->criteria;
	for (size_t i = 0; i < x->sort->n; i++)
		x->sort->criteria[i].entry = arena_str(&x->arena, x->sort->criteria[i].entry);
	search_freeze(o->search, &x->arena, &x->sort->search, &x->has_star);
	x->fetch = keep_items(&x->arena, x->sort->search.update_items);
	rangeset_copy(&x->told, o->uids);
	ranking_init(&x->ranking, CONTEXTS_MOST_BYTES);
	if (x->is_sorted)
		context_rank(o->sort, &x->ranking);
	context_find_delays(x, x->sort->search.root);
	x->judged_s = search_now_s(o->search);
	return x;
}

void
context_begin(struct session *s, const struct context_options *o)
{
	struct contexts *c = contexts_of(s);
	struct context *x;

	if (c->count == CONTEXTS_MAX) {
		context_refuse(s, o->tag, STR("Too many searches are being updated."));
		return;
	}
	x = make(s, o);
	if (contexts_bytes(c) + context_bytes(x) > CONTEXTS_MAX_BYTES
	    || ranking_is_over(&x->ranking) || x->has_many_delays) {
		context_free(x);
		context_refuse(s, o->tag, STR("This search takes too much to be updated."));
		return;
	}
	x->next = c->first;
	c->first = x;
	c->count++;
	c->next_uid = view_mailbox(s->view)->uidnext;
	c->last_uid = view_last_uid(s->view).v;
}

/* ---- writing ---- */

/* The numbers of a set in their order, with ranges that ascend (RFC 5267 3.2). */
static void
write_numbers(struct buf *b, const struct place *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t end = i + 1;

		while (end < n && p[end].number == p[end - 1].number + 1)
			end++;
		if (i > 0)
			buf_chr(b, ',');
		reply_rangeset(b,
		    &(struct rangeset){ .r = &(struct range){ p[i].number, p[end - 1].number },
			.n = 1 });
		i = end;
	}
}

/*
 * How many from here on stand one behind the other, so that one position is enough for all: when
 * they are added, or removed.
 */
static size_t
run_length(const struct context_places *w, size_t max)
{
	const struct place *p = &w->list[w->at];
	size_t n = 1;

	while (n < max && w->at + n < w->n
	    && p[n].at == (p->at == 0 || !w->is_add ? p->at : p->at + (uint32_t)n))
		n++;
	return n;
}

enum err
context_places_write(struct session *s, const struct context *x, struct context_places *w)
{
	struct buf *b = session_out(s);

	while (w->at < w->n) {
		bool is_first;

		if (session_is_full(s))
			return session_wait_output(s);
		buf_lit(b, "* ESEARCH ");
		buf_str_add(b, x->correlator);
		buf_c(b, x->is_uid ? " UID" : "");
		buf_c(b, w->is_add ? " ADDTO " : " REMOVEFROM ");
		reply_list_open(b, &is_first);
		for (size_t left = LINE_NUMBERS; left > 0 && w->at < w->n;) {
			size_t n = run_length(w, left);

			reply_item(b, &is_first);
			reply_number(b, w->list[w->at].at);
			buf_chr(b, ' ');
			write_numbers(b, &w->list[w->at], n);
			w->at += n;
			left -= n;
		}
		reply_list_close(b);
		reply_end(b);
	}
	context_places_done(w);
	return ERR_OK;
}

void
context_places_done(struct context_places *w)
{
	free(w->list);
	*w = (struct context_places){ 0 };
}

/* listener.c - see listener.h. */
#include "model/listener.h"

#include "model/told.h"

#include <stdarg.h>

static void wrong(struct listener *l, const char *fmt, ...) printf_like(2, 3);

static void
wrong(struct listener *l, const char *fmt, ...)
{
	va_list ap;

	if (l->wrong[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(l->wrong, sizeof(l->wrong), fmt, ap);
	va_end(ap);
}

/* ---- what is told ---- */

/* LISTENER_BOXES: none of those that are watched. */
static unsigned
find(const struct listener *l, struct str name)
{
	struct str prefix = str_c(l->prefix);
	unsigned i = 0;

	if (!str_starts(name, prefix))
		return LISTENER_BOXES;
	name = str_sub(name, prefix.n, name.n);
	while (i < LISTENER_BOXES && !(l->is_asked[i] && str_eq(name, str_c(l->names[i]))))
		i++;
	return i;
}

static void
take_list(struct listener *l, const struct told *t)
{
	struct told_list list;
	unsigned i;

	if (!told_list(t, &list)) {
		wrong(l, "cannot read %.*s", STR_F(t->line));
		return;
	}
	i = find(l, list.name);
	if (i == LISTENER_BOXES) {
		/* Who asks for names is told of the levels above them, too. */
		if (!l->wants_names || !str_starts(str_c(l->prefix), list.name) || list.name.n == 0)
			wrong(l, "not asked for: %.*s", STR_F(t->line));
		return;
	}
	if (l->news[i].has_list)
		wrong(l, "told twice: %.*s", STR_F(t->line));
	l->news[i].has_list = true;
	l->news[i].is_refused = told_has(list.attributes, "\\NoAccess");
	l->news[i].is_missing = told_has(list.attributes, "\\NonExistent");
}

/* name (MESSAGES 1 ...): what is not told is as it was. */
static void
take_status(struct listener *l, const struct told *t)
{
	struct str rest = t->rest, name = told_name(&rest);
	unsigned i = find(l, name);
	struct told_status now;
	struct heard *h;

	/* Of one's own all are told at the beginning. */
	if (i == LISTENER_BOXES && l->is_first && l->prefix[0] == '\0')
		return;
	if (i == LISTENER_BOXES) {
		wrong(l, "not asked for: %.*s", STR_F(t->line));
		return;
	}
	h = &l->news[i].status;
	if (!l->news[i].has_status)
		*h = l->known[i];
	l->news[i].has_status = true;
	now = (struct told_status){ .messages = h->messages,
		.uidnext = h->uidnext,
		.unseen = h->unseen };
	if (!told_status(rest, &now))
		wrong(l, "no number: %.*s", STR_F(t->line));
	h->messages = now.messages;
	h->uidnext = now.uidnext;
	h->unseen = now.unseen;
}

void
listener_take(struct listener *l, const struct told *t)
{
	l->told++;
	if (t->kind == TOLD_LIST)
		take_list(l, t);
	else if (t->kind == TOLD_STATUS)
		take_status(l, t);
	else
		wrong(l, "told without being asked: %.*s", STR_F(t->line));
}

/* ---- what must have been told ---- */

static bool
is_same(const struct heard *a, const struct heard *b)
{
	return a->messages == b->messages && a->unseen == b->unseen && a->uidnext == b->uidnext;
}

/* Whether a LIST is due. */
static bool
is_list_due(const struct listener *l, unsigned i, enum heard_access had, enum heard_access is)
{
	if (l->is_first)
		return is == HEARD_LISTED;
	if (had == is)
		return false;
	if (l->wants_names || had == HEARD_READ)
		return true;
	/* Who asked for messages alone hears of names that may be read again. */
	return is == HEARD_READ && (had == HEARD_LISTED || l->is_refused[i]);
}

static void
check_list(struct listener *l, unsigned i, enum heard_access had, enum heard_access is)
{
	bool is_due = is_list_due(l, i, had, is);

	if (l->news[i].has_list != is_due)
		wrong(l, "%s, which was %d and is %d: %s LIST", l->names[i], had, is,
		    is_due ? "no" : "a");
	if (!l->news[i].has_list)
		return;
	if ((is == HEARD_READ && (l->news[i].is_refused || l->news[i].is_missing))
	    || (is == HEARD_LISTED && (!l->news[i].is_refused || l->news[i].is_missing))
	    || (is == HEARD_NONE && !l->news[i].is_refused && !l->news[i].is_missing))
		wrong(l, "%s, which was %d and is %d, is told%s%s", l->names[i], had, is,
		    l->news[i].is_refused ? " \\NoAccess" : "",
		    l->news[i].is_missing ? " \\NonExistent" : "");
}

/* What may be read anew is counted only if there is something in it. */
static void
check_status(struct listener *l, unsigned i, const struct heard *had, const struct heard *is)
{
	const struct heard *told = &l->news[i].status;
	bool is_due = is->access == HEARD_READ
	    && (had->access == HEARD_READ ? !is_same(had, is) : is->messages != 0);

	if (l->news[i].has_status != is_due)
		wrong(l,
		    "%s, %u messages, %u unseen, uidnext %u, access %d, which was %d: %s STATUS",
		    l->names[i], is->messages, is->unseen, is->uidnext, is->access, had->access,
		    is_due ? "no" : "a");
	else if (is_due && !is_same(told, is))
		wrong(l, "%s has %u messages, %u unseen, uidnext %u; told is %u %u %u", l->names[i],
		    is->messages, is->unseen, is->uidnext, told->messages, told->unseen,
		    told->uidnext);
}

void
listener_check(struct listener *l, const struct heard *now)
{
	for (unsigned i = 0; i < LISTENER_BOXES; i++) {
		const struct heard had = l->known[i];

		if (l->is_asked[i]) {
			check_list(l, i, had.access, now[i].access);
			check_status(l, i, &had, &now[i]);
		}
		if (now[i].access == HEARD_READ)
			l->is_refused[i] = false;
		else if (had.access == HEARD_READ)
			l->is_refused[i] = true;
		l->known[i] = now[i];
	}
	l->is_first = false;
	memset(l->news, 0, sizeof(l->news));
}

void
listener_begin(struct listener *l, const bool *is_asked, bool wants_names, bool wants_status,
    const struct heard *now)
{
	l->wants_names = wants_names;
	l->is_first = true;
	memset(l->news, 0, sizeof(l->news));
	for (unsigned i = 0; i < LISTENER_BOXES; i++) {
		l->is_asked[i] = is_asked[i];
		l->is_refused[i] = now[i].access == HEARD_LISTED;
		l->known[i] = now[i];
		/* As if it had known nothing; what it may not read it is told not to be readable. */
		if (wants_status)
			l->known[i].messages = l->known[i].unseen = l->known[i].uidnext =
			    UINT32_MAX;
	}
}

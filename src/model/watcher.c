/* watcher.c - see watcher.h. */
#include "model/watcher.h"

#include "imap/flags.h"

#include <stdarg.h>

static void wrong(struct watcher *w, const char *fmt, ...) printf_like(2, 3);

static void
wrong(struct watcher *w, const char *fmt, ...)
{
	va_list ap;

	if (w->wrong[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(w->wrong, sizeof(w->wrong), fmt, ap);
	va_end(ap);
}

static struct watched *
find(struct watcher *w, struct str name)
{
	for (uint32_t i = 0; i < w->n; i++) {
		if (str_eq(str_c(w->names[i].name), name))
			return &w->names[i];
	}
	return NULL;
}

static struct watched *
find_or_add(struct watcher *w, struct str name)
{
	struct watched *x = find(w, name);

	if (x != NULL)
		return x;
	must(w->n < WATCHED_MAX && name.n < STATE_NAME);
	x = &w->names[w->n++];
	*x = (struct watched){ 0 };
	memcpy(x->name, name.p, name.n);
	return x;
}

static void
forget(struct watcher *w, struct watched *x)
{
	*x = w->names[--w->n];
}

/* ---- what is told ---- */

static bool
is_in(const struct watched *x, struct str top)
{
	struct str name = str_c(x->name);

	return str_starts(name, top) && (name.n == top.n || name.p[top.n] == '/');
}

/* It is a mailbox, or above one; else it is there for subscriptions only. */
static bool
is_there(const struct watcher *w, struct str name)
{
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->names[i].is_mailbox && is_in(&w->names[i], name))
			return true;
	}
	return false;
}

/* Subscriptions are to names, and stay (RFC 9051 6.3.6). What was only that goes. */
static uint32_t
take_subscriptions(struct watcher *w, struct str top, char taken[][STATE_NAME], uint32_t n)
{
	for (uint32_t i = 0; i < w->n;) {
		struct watched *x = &w->names[i];

		if (is_in(x, top) && x->is_subscribed) {
			memcpy(taken[n++], x->name, STATE_NAME);
			x->is_subscribed = false;
		}
		if (is_in(x, top) && !is_there(w, str_c(x->name)))
			forget(w, x);
		else
			i++;
	}
	return n;
}

/* A name and all below it have another one now. */
static void
rename_all(struct watcher *w, struct str from, struct str to)
{
	char taken[2 * WATCHED_MAX][STATE_NAME];
	uint32_t n = take_subscriptions(w, to, taken, 0);

	n = take_subscriptions(w, from, taken, n);
	for (uint32_t i = 0; i < w->n; i++) {
		struct watched *x = &w->names[i];
		char space[2 * STATE_NAME];

		if (!is_in(x, from))
			continue;
		snprintf(space, sizeof(space), "%.*s%s", STR_F(to), x->name + from.n);
		must(strlen(space) < STATE_NAME);
		memcpy(x->name, space, strlen(space) + 1);
	}
	for (uint32_t i = 0; i < n; i++)
		find_or_add(w, str_c(taken[i]))->is_subscribed = true;
}

/* INBOX only gives its messages away (RFC 9051 6.3.6). */
static void
take_old_name(struct watcher *w, struct str old, struct str name)
{
	if (find(w, old) == NULL)
		wrong(w, "%.*s was not there", STR_F(old));
	if (!str_eq(old, STR("INBOX")))
		rename_all(w, old, name);
}

static void
take_list(struct watcher *w, const struct told *t)
{
	struct told_list l;
	struct str key, old;
	bool is_mailbox;
	struct watched *x;

	if (!told_list(t, &l)) {
		wrong(w, "cannot read %.*s", STR_F(t->line));
		return;
	}
	is_mailbox =
	    !told_has(l.attributes, "\\NonExistent") && !told_has(l.attributes, "\\Noselect");
	key = picture_word(&l.rest);
	if (str_eq(key, STR("(\"OLDNAME\""))) {
		old = str_sub(l.rest, 1, l.rest.n - 2);
		take_old_name(w, told_name(&old), l.name);
	}
	x = find_or_add(w, l.name);
	if (x->is_mailbox != is_mailbox)
		x->status = (struct told_status){ 0 };
	if (x->is_mailbox && !is_mailbox)
		x->annotations = (struct annotated){ 0 };
	x->is_mailbox = is_mailbox;
	x->is_subscribed = told_has(l.attributes, "\\Subscribed");
}

static void
take_status(struct watcher *w, const struct told *t)
{
	struct str rest = t->rest, name = told_name(&rest);
	struct watched *x = find(w, name);

	if (x == NULL || !x->is_mailbox)
		wrong(w, "STATUS of what is not there: %.*s", STR_F(t->line));
	else if (!told_status(rest, &x->status))
		wrong(w, "no number: %.*s", STR_F(t->line));
}

/* name /private/comment ... */
static void
take_metadata(struct watcher *w, const struct told *t)
{
	struct str rest = t->rest, name = told_name(&rest), entry;
	struct watched *x = name.n > 0 ? find_or_add(w, name) : NULL;

	while (str_split(&rest, ' ', &entry)) {
		for (unsigned i = 0; i < ANNOTATED_ENTRIES_ALL; i++) {
			if (annotated_entries[i].is_server != (x == NULL)
			    || !str_eq(entry, str_c(annotated_entries[i].name)))
				continue;
			if (x != NULL)
				x->changed |= 1u << i;
			else
				w->server_changed |= 1u << i;
		}
	}
}

void
watcher_take(struct watcher *w, const struct told *t)
{
	w->told++;
	if (t->kind == TOLD_LIST)
		take_list(w, t);
	else if (t->kind == TOLD_STATUS)
		take_status(w, t);
	else if (t->kind == TOLD_METADATA)
		take_metadata(w, t);
	else
		wrong(w, "told without being asked: %.*s", STR_F(t->line));
}

/* ---- what must be so ---- */

static void
check_numbers(struct watcher *w, const struct watched *x, const struct state_box *b)
{
	uint32_t unseen = 0;

	for (uint32_t i = 0; i < b->n; i++)
		unseen += (b->m[i].flags & FLAG_SEEN) == 0;
	if (x->status.messages != b->n || x->status.unseen != unseen
	    || (x->status.uidnext != 0 && x->status.uidnext != b->uidnext)
	    || (x->status.validity != 0 && b->validity != 0 && x->status.validity != b->validity)
	    || (x->status.highest != 0 && x->status.highest != b->highest))
		wrong(w,
		    "%s: believes in %u messages, %u unseen, uidnext %u, validity %u, highest %llu; it is %u %u %u %u %llu",
		    b->name, x->status.messages, x->status.unseen, x->status.uidnext,
		    x->status.validity, (unsigned long long)x->status.highest, b->n, unseen,
		    b->uidnext, b->validity, (unsigned long long)b->highest);
}

/* Of the entries that differ each was told. */
static void
check_annotations(struct watcher *w, struct watched *x, const struct state_box *b)
{
	unsigned told = x->changed | w->server_changed;

	for (unsigned i = 0; i < ANNOTATED_ENTRIES_ALL; i++) {
		if (annotated_value(&x->annotations, i) != annotated_value(&b->annotations, i)
		    && (told >> i & 1) == 0)
			wrong(w, "%s of %s has changed and was not told so",
			    annotated_entries[i].name, b->name);
	}
	x->annotations = b->annotations;
}

static void
check_box(struct watcher *w, const struct state_box *b)
{
	struct watched *x = find_or_add(w, str_c(b->name));

	if (x->is_mailbox == b->is_level)
		wrong(w, "%s is%s a mailbox and was not told so", b->name,
		    b->is_level ? " not" : "");
	if (x->is_subscribed != b->is_subscribed)
		wrong(w, "%s is%s subscribed to and was not told so", b->name,
		    b->is_subscribed ? "" : " not");
	if (!b->is_level)
		check_numbers(w, x, b);
	check_annotations(w, x, b);
}

void
watcher_check(struct watcher *w, const struct state *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		check_box(w, &s->box[i]);
	for (uint32_t i = 0; i < w->n;) {
		struct watched *x = &w->names[i];

		x->changed = 0;
		if (state_box((struct state *)s, x->name) != NULL) {
			i++;
			continue;
		}
		if (x->is_mailbox || x->is_subscribed)
			wrong(w, "%s is gone and was not told so", x->name);
		forget(w, x);
	}
	w->server_changed = 0;
}

void
watcher_begin(struct watcher *w, struct sim *sim, const struct state *s)
{
	*w = (struct watcher){ .is_there = true };
	sim_connect(sim, &w->pic.conn);
	for (uint32_t i = 0; i < s->n; i++) {
		const struct state_box *b = &s->box[i];
		struct watched *x = find_or_add(w, str_c(b->name));

		must(b->n == 0);
		x->is_mailbox = !b->is_level;
		x->is_subscribed = b->is_subscribed;
		x->annotations = b->annotations;
	}
}

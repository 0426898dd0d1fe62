/* state.c - see state.h. */
#include "model/state.h"

#include "imap/flags.h"
#include "model/picture.h"
#include "store/mailbox.h"
#include "store/notes.h"
#include "store/view.h"

#include <stdio.h>

/* ---- looking ---- */

struct state_box *
state_box(struct state *s, const char *name)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (strcmp(s->box[i].name, name) == 0)
			return &s->box[i];
	}
	return NULL;
}

struct state_box *
state_box_by_id(struct state *s, uint64_t id)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->box[i].id == id)
			return &s->box[i];
	}
	return NULL;
}

static bool
is_below(const char *name, const char *above)
{
	size_t n = strlen(above);

	return strncmp(name, above, n) == 0 && name[n] == '/';
}

bool
state_has_below(const struct state *s, const char *name)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (is_below(s->box[i].name, name))
			return true;
	}
	return false;
}

int
state_message(const struct state_box *b, uint32_t uid)
{
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->m[i].uid == uid)
			return (int)i;
	}
	return -1;
}

static bool
is_named(const struct act *a, uint32_t uid)
{
	for (uint32_t i = 0; i < a->n; i++) {
		if (a->uids[i] == uid)
			return true;
	}
	return false;
}

/* ---- messages ---- */

/* like: what it has; NULL: it is new. */
static uint32_t
add(struct state *s, struct state_box *b, uint32_t content, uint16_t flags,
    const struct state_message *like)
{
	must(b->n < STATE_MESSAGES);
	b->m[b->n++] = (struct state_message){ .uid = b->uidnext,
		.content = content,
		.flags = flags,
		.modseq = s->version };
	if (like != NULL)
		b->m[b->n - 1].notes = like->notes; /* RFC 5257 4.6 */
	b->highest = s->version;
	return b->uidnext++;
}

static void
remove_at(struct state *s, struct state_box *b, uint32_t i)
{
	b->n--;
	memmove(&b->m[i], &b->m[i + 1], (b->n - i) * sizeof(*b->m));
	b->highest = s->version;
}

/* The pages of messages that go; {0}: none yet. */
struct pages {
	uint32_t n, last;
};

/* A message goes, the last of those so far: with it, or not, a new version begins. */
static void
go_at(struct state *s, struct pages *p, uint32_t uid)
{
	const uint32_t page = uid / STATE_PAGE_UIDS;

	if (p->n > 0 && page == p->last)
		return;
	if (p->n == 0 || (s->commit_pages != 0 && p->n % s->commit_pages == 0))
		s->version++;
	p->n++;
	p->last = page;
}

static void
refuse(struct outcome *out, const char *code)
{
	out->condition = "NO";
	out->code = code;
}

static void
append(struct state *s, const struct act *a, struct outcome *out)
{
	struct state_box *b = state_box(s, a->name);

	if (b == NULL || b->is_level) {
		refuse(out, "TRYCREATE");
		return;
	}
	s->version++;
	out->has_changed = true;
	out->code = "APPENDUID";
	out->validity = b->validity;
	for (uint32_t i = 0; i < a->add_count; i++)
		out->to[out->n++] = add(s, b, a->add[i].content, a->add[i].flags, NULL);
}

static uint16_t
new_flags(const struct act *a, uint16_t old)
{
	switch (a->how) {
	case HOW_SET:
		return a->flags;
	case HOW_ADD:
		return old | a->flags;
	case HOW_REMOVE:
		return (uint16_t)(old & ~a->flags);
	}
	return old;
}

/* False: it is so already. */
static bool
change_message(const struct act *a, struct state_message *m)
{
	uint16_t flags = new_flags(a, m->flags);

	if (a->op == ACT_ANNOTATE)
		return annotated_set(&m->notes, &a->list);
	if (flags == m->flags)
		return false;
	m->flags = flags;
	return true;
}

static void
store(struct state *s, const struct act *a, struct outcome *out)
{
	struct state_box *b = state_box_by_id(s, a->box);
	uint64_t version = s->version + 1;

	if (a->op == ACT_FETCH && a->is_read_only)
		return;
	if (a->is_read_only) {
		refuse(out, "NOPERM");
		return;
	}
	if (b == NULL && a->op != ACT_FETCH) {
		refuse(out, "NONEXISTENT");
		return;
	}
	for (uint32_t i = 0; i < a->n; i++) {
		int at = b != NULL ? state_message(b, a->uids[i]) : -1;
		struct state_message *m = at >= 0 ? &b->m[at] : NULL;

		if (m == NULL) {
			out->may_be_refused = true;
			continue;
		}
		if (a->has_unchangedsince && m->modseq > a->unchangedsince
		    && m->modseq != version) {
			out->modified[out->modified_count++] = m->uid;
			continue;
		}
		if (!change_message(a, m))
			continue;
		m->modseq = b->highest = version;
		out->has_changed = true;
	}
	if (out->modified_count > 0)
		out->code = "MODIFIED";
	if (out->has_changed)
		s->version = version;
}

static void
copy(struct state *s, const struct act *a, struct outcome *out)
{
	struct state_box *from = state_box_by_id(s, a->box), *to = state_box(s, a->name);
	struct state_message m[STATE_MESSAGES * 2];
	struct pages went = { 0 };
	bool is_partial = false;

	if (a->op == ACT_MOVE && a->is_read_only) {
		refuse(out, "NOPERM");
		return;
	}
	if (to == NULL || to->is_level) {
		/* When both are gone either is said. */
		refuse(out, from != NULL ? "TRYCREATE" : NULL);
		return;
	}
	for (uint32_t i = 0; i < a->n; i++) {
		int at = from != NULL ? state_message(from, a->uids[i]) : -1;

		if (at < 0)
			is_partial = true;
		else
			m[out->n++] = from->m[at];
	}
	if (from == NULL) {
		refuse(out, NULL);
		out->n = 0;
		return;
	}
	if (a->is_over) {
		refuse(out, is_partial && !a->is_uid ? NULL : "MESSAGELIMIT");
		out->n = 0;
		return;
	}
	/*
	 * Some of the messages that the numbers mean are gone: a copy is whole or refused (RFC 2180
	 * 4.4).
	 */
	if (is_partial && !a->is_uid) {
		refuse(out, "EXPUNGEISSUED");
		out->n = 0;
		return;
	}
	if (out->n == 0)
		return;
	if (a->op == ACT_COPY && out->n > STATE_STAGE_LINKS) /* in stages, each a version */
		s->version += (out->n + STATE_STAGE_LINKS - 1) / STATE_STAGE_LINKS;
	if (a->op == ACT_COPY)
		s->version++;
	out->has_changed = true;
	out->validity = to->validity;
	for (uint32_t i = 0; i < out->n; i++) {
		if (a->op == ACT_MOVE)
			go_at(s, &went, m[i].uid);
		out->from[i] = m[i].uid;
		out->to[i] = add(s, to, m[i].content, m[i].flags, &m[i]);
		if (a->op == ACT_MOVE)
			remove_at(s, from, (uint32_t)state_message(from, m[i].uid));
	}
	if (a->op == ACT_COPY)
		out->code = "COPYUID";
}

static void
expunge(struct state *s, const struct act *a, struct outcome *out)
{
	struct state_box *b = state_box_by_id(s, a->box);
	struct pages went = { 0 };

	if (a->is_read_only) {
		if (a->op == ACT_EXPUNGE)
			refuse(out, "NOPERM");
		return;
	}
	if (b == NULL) {
		if (a->op == ACT_EXPUNGE)
			refuse(out, "NONEXISTENT");
		return;
	}
	for (uint32_t i = 0; i < b->n;) {
		if ((b->m[i].flags & FLAG_DELETED) == 0
		    || (a->is_uid && !is_named(a, b->m[i].uid))) {
			i++;
			continue;
		}
		go_at(s, &went, b->m[i].uid);
		remove_at(s, b, i);
		out->has_changed = true;
	}
}

/* ---- mailboxes ---- */

static void
parent_of(const char *name, char *out)
{
	const char *slash = strrchr(name, '/');
	size_t n = slash != NULL ? (size_t)(slash - name) : 0;

	memcpy(out, name, n);
	out[n] = '\0';
}

static struct state_box *
new_box(struct state *s, const char *name, bool is_level)
{
	struct state_box *b = &s->box[s->n++];

	must(s->n <= STATE_BOXES);
	*b = (struct state_box){ .id = ++s->next_id,
		.is_level = is_level,
		.uidnext = 1,
		.highest = s->version };
	snprintf(b->name, sizeof(b->name), "%s", name);
	return b;
}

static void
remove_box(struct state *s, struct state_box *b)
{
	*b = s->box[--s->n];
}

/* A name with all above it. */
static void
add_levels(struct state *s, const char *name, bool is_level)
{
	char above[STATE_NAME];

	if (name[0] == '\0' || state_box(s, name) != NULL)
		return;
	parent_of(name, above);
	add_levels(s, above, is_level);
	new_box(s, name, is_level);
}

/* Levels that hold nothing go. */
static void
prune(struct state *s, const char *name)
{
	struct state_box *b = name[0] != '\0' ? state_box(s, name) : NULL;
	char above[STATE_NAME];

	if (b == NULL || !b->is_level || b->is_subscribed || state_has_below(s, name))
		return;
	parent_of(name, above);
	remove_box(s, b);
	prune(s, above);
}

/* There is a mailbox of the name, or one below: not only subscriptions. */
static bool
is_there(const struct state *s, const struct state_box *b)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->box[i].is_level && (&s->box[i] == b || is_below(s->box[i].name, b->name)))
			return true;
	}
	return false;
}

static void
create(struct state *s, const struct act *a, struct outcome *out)
{
	struct state_box *b = state_box(s, a->name);

	if (b != NULL && !b->is_level) {
		refuse(out, "ALREADYEXISTS");
		return;
	}
	s->version++;
	out->has_changed = true;
	if (b == NULL) {
		add_levels(s, a->name, false);
		return;
	}
	b->is_level = false;
	b->highest = s->version;
	b->validity = 0;
}

static void delete (struct state *s, const struct act *a, struct outcome *out)
{
	struct state_box *b = state_box(s, a->name);
	char above[STATE_NAME];

	if (strcmp(a->name, "INBOX") == 0) {
		refuse(out, "CANNOT");
		return;
	}
	if (b == NULL || b->is_level) {
		refuse(out, b != NULL && is_there(s, b) ? "HASCHILDREN" : "NONEXISTENT");
		return;
	}
	s->version++;
	out->has_changed = true;
	if (b->is_subscribed || state_has_below(s, a->name)) {
		bool is_subscribed = b->is_subscribed;

		remove_box(s, b);
		new_box(s, a->name, true)->is_subscribed = is_subscribed;
		return;
	}
	remove_box(s, b);
	parent_of(a->name, above);
	prune(s, above);
}

static void
rename_inbox(struct state *s, const struct act *a, struct outcome *out)
{
	struct act make = { .op = ACT_CREATE }, move = { .op = ACT_MOVE, .is_uid = true };
	struct state_box *inbox = state_box(s, "INBOX");

	snprintf(make.name, sizeof(make.name), "%s", a->to);
	create(s, &make, out);
	if (!out->has_changed)
		return;
	/* They are on both afterwards (RFC 5464 4.1); the account's are INBOX's still. */
	inbox = state_box(s, "INBOX");
	state_box(s, a->to)->annotations = annotated_of_mailbox(&inbox->annotations);
	if (inbox->n == 0)
		return;
	move.box = inbox->id;
	for (uint32_t i = 0; i < inbox->n; i++)
		move.uids[move.n++] = inbox->m[i].uid;
	snprintf(move.name, sizeof(move.name), "%s", a->to);
	copy(s, &move, out);
	out->n = 0;
}

static void
subscribe_name(struct state *s, const char *name)
{
	add_levels(s, name, true);
	state_box(s, name)->is_subscribed = true;
}

/* Takes the name out, and what is below; the names that were subscribed to are added. */
static uint32_t
take_subscriptions(struct state *s, const char *name, char taken[STATE_BOXES][STATE_NAME],
    uint32_t n)
{
	for (uint32_t i = 0; i < s->n;) {
		struct state_box *b = &s->box[i];

		if (strcmp(b->name, name) != 0 && !is_below(b->name, name)) {
			i++;
			continue;
		}
		if (b->is_subscribed)
			memcpy(taken[n++], b->name, STATE_NAME);
		remove_box(s, b);
	}
	return n;
}

/* Subscriptions are to names: what is there is not subscribed to under its new one. */
static uint32_t
leave_subscriptions(struct state *s, const char *name, char taken[STATE_BOXES][STATE_NAME],
    uint32_t n)
{
	for (uint32_t i = 0; i < s->n;) {
		struct state_box *b = &s->box[i];

		if ((strcmp(b->name, name) != 0 && !is_below(b->name, name))
		    || (is_there(s, b) && !b->is_subscribed)) {
			i++;
			continue;
		}
		if (b->is_subscribed)
			memcpy(taken[n++], b->name, STATE_NAME);
		b->is_subscribed = false;
		if (!is_there(s, b))
			remove_box(s, b);
		else
			i++;
	}
	return n;
}

static void
rename_box(struct state *s, const struct act *a, struct outcome *out)
{
	char taken[STATE_BOXES][STATE_NAME];
	uint32_t taken_count;
	struct state_box *from = state_box(s, a->name), *to = state_box(s, a->to);
	char above[STATE_NAME];

	if (strcmp(a->name, "INBOX") == 0) {
		rename_inbox(s, a, out);
		return;
	}
	if (from == NULL || !is_there(s, from)) {
		refuse(out, "NONEXISTENT");
		return;
	}
	if (strcmp(a->name, a->to) == 0 || (to != NULL && is_there(s, to))) {
		refuse(out, "ALREADYEXISTS");
		return;
	}
	if (is_below(a->to, a->name)) {
		refuse(out, "CANNOT");
		return;
	}
	s->version++;
	out->has_changed = true;
	taken_count = take_subscriptions(s, a->to, taken, 0);
	taken_count = leave_subscriptions(s, a->name, taken, taken_count);
	parent_of(a->to, above);
	add_levels(s, above, false);
	for (uint32_t i = 0; i < s->n; i++) {
		struct state_box *b = &s->box[i];
		char name[2 * STATE_NAME];

		if (strcmp(b->name, a->name) != 0 && !is_below(b->name, a->name))
			continue;
		snprintf(name, sizeof(name), "%s%s", a->to, b->name + strlen(a->name));
		must(strlen(name) < STATE_NAME);
		memcpy(b->name, name, strlen(name) + 1);
	}
	parent_of(a->name, above);
	prune(s, above);
	for (uint32_t i = 0; i < taken_count; i++)
		subscribe_name(s, taken[i]);
}

static void
subscribe(struct state *s, const struct act *a, struct outcome *out)
{
	struct state_box *b = state_box(s, a->name);
	bool is_on = a->op == ACT_SUBSCRIBE;

	if (b == NULL ? !is_on : b->is_subscribed == is_on)
		return;
	s->version++;
	out->has_changed = true;
	if (b == NULL)
		add_levels(s, a->name, true);
	state_box(s, a->name)->is_subscribed = is_on;
	prune(s, a->name);
}

static void
set_metadata(struct state *s, const struct act *a, struct outcome *out)
{
	/* What a user has noted of the server is kept with INBOX. */
	struct state_box *b = state_box(s, a->name[0] != '\0' ? a->name : "INBOX");

	if (b == NULL) {
		refuse(out, "NONEXISTENT");
		return;
	}
	out->has_changed = annotated_set(&b->annotations, &a->list);
	s->version += out->has_changed;
	if (out->has_changed && a->name[0] != '\0')
		b->highest = s->version; /* RFC 7162 3.2 */
}

void
state_apply(struct state *s, const struct act *a, struct outcome *out)
{
	*out = (struct outcome){ .condition = "OK" };
	switch (a->op) {
	case ACT_APPEND:
		append(s, a, out);
		break;
	case ACT_STORE:
	case ACT_ANNOTATE:
		store(s, a, out);
		break;
	case ACT_FETCH:
		if (a->sees)
			store(s, a, out);
		break;
	case ACT_COPY:
	case ACT_MOVE:
		copy(s, a, out);
		break;
	case ACT_EXPUNGE:
	case ACT_CLOSE:
		expunge(s, a, out);
		break;
	case ACT_CREATE:
		create(s, a, out);
		break;
	case ACT_DELETE:
		delete (s, a, out);
		break;
	case ACT_RENAME:
		rename_box(s, a, out);
		break;
	case ACT_SUBSCRIBE:
	case ACT_UNSUBSCRIBE:
		subscribe(s, a, out);
		break;
	case ACT_SETMETADATA:
		set_metadata(s, a, out);
		break;
	case ACT_GETMETADATA:
	case ACT_SEARCH:
	case ACT_NOOP:
	case ACT_CANCEL:
	case ACT_STATUS:
	case ACT_LIST:
	case ACT_SELECT:
	case ACT_UNSELECT:
	case ACT_IDLE:
	case ACT_DONE:
	case ACT_OPS_THAT_CHANGE:
		break;
	}
}

/* ---- what there really is ---- */

static void
no_wake(unused_arg struct waiter *w)
{
}

uint32_t
contents_find(const struct contents *c, uint64_t size)
{
	/* Most sizes say their number. */
	if (size >= 64 && size - 64 < c->n && c->size[size - 64] == size)
		return (uint32_t)size - 64;
	for (uint32_t i = 0; i < c->n; i++) {
		bool is_delivered = c->size[i] >= DELIVERED_MIN && c->size[i] <= DELIVERED_MAX;

		if (c->size[i] == size
		    || (is_delivered && size > c->size[i] && size < c->size[i] + PREFIX_MAX))
			return i;
	}
	return UINT32_MAX;
}

static uint16_t
flags_of(const struct mailbox_info *info, const struct entry *e)
{
	uint16_t flags = e->flags & FLAGS_STORABLE;

	for (unsigned i = 0; i < SEEN_KEYWORDS; i++) {
		int slot = mailbox_keyword_slot(info, str_c(seen_keywords[i]));

		if (slot >= 0 && keywords_has(e->keywords, (unsigned)slot))
			flags |= (uint16_t)(1u << (SEEN_KEYWORD_SHIFT + i));
	}
	return flags;
}

static enum err
read_box(struct snapshot *snapshot, const struct mailbox_info *info,
    const struct contents *contents, bool (*wait)(void *ctx), void *ctx, struct state_box *b)
{
	struct view *v = NULL;
	struct waiter w;
	struct entry e;
	enum err r;

	waiter_init(&w, no_wake);
	while ((r = view_open(snapshot, info->id, VIEW_READ_ONLY, &w, &v)) == ERR_WAIT && wait(ctx))
		continue;
	waiter_cancel(&w);
	if (r != ERR_OK)
		return r;
	for (uint32_t uid = 0; view_next(v, uid, &e, NULL); uid = e.uid.v + 1) {
		must(b->n < STATE_MESSAGES);
		b->m[b->n++] = (struct state_message){ .uid = e.uid.v,
			.content = contents_find(contents, e.size_bytes),
			.flags = flags_of(info, &e),
			.modseq = e.modseq };
		if (!annotated_read(view_notes(v, e.uid), annotated_notes, ANNOTATED_NOTES,
			&b->m[b->n - 1].notes))
			r = ERR_CORRUPT;
	}
	view_close(v);
	return r;
}

enum err
state_read(struct account *account, const struct contents *contents, bool (*wait)(void *ctx),
    void *ctx, struct state *out)
{
	struct snapshot *snapshot = account_snapshot(account, NULL);
	const struct mailbox_info *info;
	enum err e = ERR_OK;

	out->version = snapshot_version(snapshot);
	out->next_id = 0;
	out->n = 0;
	for (uint32_t i = 0; e == ERR_OK && (info = snapshot_mailbox_at(snapshot, i)) != NULL;
	     i++) {
		struct state_box *b = &out->box[out->n++];

		must(out->n <= STATE_BOXES && info->name.n < STATE_NAME);
		b->id = 0;
		memcpy(b->name, info->name.p, info->name.n);
		b->name[info->name.n] = '\0';
		b->is_level = info->is_noselect;
		b->is_subscribed = info->is_subscribed;
		b->validity = info->uidvalidity;
		b->uidnext = info->uidnext;
		b->highest = info->highestmodseq;
		b->n = 0;
		if (!annotated_read(info->annotations, annotated_entries, ANNOTATED_ENTRIES_ALL,
			&b->annotations))
			e = ERR_CORRUPT;
		else if (!b->is_level)
			e = read_box(snapshot, info, contents, wait, ctx, b);
	}
	snapshot_unref(snapshot);
	return e;
}

static bool
box_equals(struct state_box *a, const struct state_box *b, char *why, size_t size)
{
	if (a->is_level != b->is_level || a->is_subscribed != b->is_subscribed)
		return snprintf(why, size, "%s: level %d, subscribed %d; want %d, %d", a->name,
			   b->is_level, b->is_subscribed, a->is_level, a->is_subscribed)
		    < 0;
	if (!annotated_eq(&a->annotations, &b->annotations))
		return snprintf(why, size, "%s: other annotations", a->name) < 0;
	if (a->is_level)
		return true;
	if ((a->validity != 0 && a->validity != b->validity) || a->uidnext != b->uidnext
	    || a->highest != b->highest || a->n != b->n)
		return snprintf(why, size,
			   "%s: validity %u uidnext %u highest %llu messages %u; want %u %u %llu %u",
			   a->name, b->validity, b->uidnext, (unsigned long long)b->highest, b->n,
			   a->validity, a->uidnext, (unsigned long long)a->highest, a->n)
		    < 0;
	for (uint32_t i = 0; i < a->n; i++) {
		const struct state_message *x = &a->m[i], *y = &b->m[i];

		if (x->uid != y->uid || x->flags != y->flags || x->modseq != y->modseq
		    || x->content != y->content)
			return snprintf(why, size,
				   "%s: message %u: uid %u flags %x modseq %llu content %u; want %u %x %llu %u",
				   a->name, i + 1, y->uid, y->flags, (unsigned long long)y->modseq,
				   y->content, x->uid, x->flags, (unsigned long long)x->modseq,
				   x->content)
			    < 0;
		if (!annotated_eq(&x->notes, &y->notes))
			return snprintf(why, size, "%s: message %u has other annotations", a->name,
				   i + 1)
			    < 0;
	}
	return true;
}

bool
state_equals(struct state *model, const struct state *real, char *why, size_t size)
{
	if (model->version != real->version || model->n != real->n)
		return snprintf(why, size, "version %llu, %u mailboxes; want %llu, %u",
			   (unsigned long long)real->version, real->n,
			   (unsigned long long)model->version, model->n)
		    < 0;
	for (uint32_t i = 0; i < real->n; i++) {
		struct state_box *b = state_box(model, real->box[i].name);

		if (b == NULL)
			return snprintf(why, size, "%s: there should be none", real->box[i].name)
			    < 0;
		if (!box_equals(b, &real->box[i], why, size))
			return false;
	}
	return true;
}

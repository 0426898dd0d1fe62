/* plan.c - random commands, as a client with such a picture of its mailbox might send them. */
#include "model/run.h"

#include "imap/flags.h"

static const char *const names[] = {
	"INBOX",
	"INBOX",
	"INBOX",
	"Sent",
	"Archive",
	"a",
	"a",
	"b",
	"a/x",
	"a/y",
	"a/x/z",
	"b/q/r",
	"c",
	"Sent/old",
};

static uint64_t
rnd(struct run *r, uint64_t n)
{
	return sim_random(&r->sim, n);
}

const char *
plan_name(struct run *r)
{
	return names[rnd(r, ARRAY_LEN(names))];
}

static uint16_t
random_flags(struct run *r)
{
	uint16_t flags = 0;

	for (unsigned i = 0; i < 1 + rnd(r, 2); i++) {
		unsigned bit = (unsigned)rnd(r, 5 + SEEN_KEYWORDS + 2);

		flags |= (uint16_t)(bit < 5 ? 1u << bit
			: bit < 7           ? FLAG_DELETED
					    : 1u << (SEEN_KEYWORD_SHIFT + bit - 7));
	}
	return flags;
}

/*
 * "$": what the last search with SAVE found. False: that is nothing, or some of it is gone, of
 * which one server may say so and another not.
 */
static bool
name_saved(struct run *r, const struct player *p, bool *is_named)
{
	const struct state_box *b = state_box_by_id(&r->state, p->box);
	bool has_some = false;

	for (uint32_t i = 0; i < p->pic.n; i++) {
		is_named[i] = rangeset_contains(&p->saved, p->pic.m[i].uid);
		has_some |= is_named[i];
		if (is_named[i] && (b == NULL || state_message(b, p->pic.m[i].uid) < 0))
			return false;
	}
	return has_some;
}

/* Some pieces of the mailbox, by number or by UID. */
static void
name_pieces(struct run *r, const struct player *p, struct plan *out, bool *is_named)
{
	const struct picture *pic = &p->pic;
	uint32_t pieces = 1 + (uint32_t)rnd(r, 3);

	for (uint32_t k = 0; k < pieces; k++) {
		uint32_t first = (uint32_t)rnd(r, pic->n),
			 more = (uint32_t)rnd(r, rnd(r, 4) == 0 ? 20 : 3);
		uint32_t last = MIN(pic->n - 1, first + more);

		if (rnd(r, 20) == 0) {
			first = 0;
			last = pic->n - 1;
		}
		buf_c(&out->text, k == 0 ? "" : ",");
		if (out->act.is_uid)
			buf_printf(&out->text, "%u:%u", pic->m[first].uid, pic->m[last].uid);
		else if (first == last)
			buf_printf(&out->text, "%u", first + 1);
		else
			buf_printf(&out->text, "%u:%u", last + 1, first + 1);
		for (uint32_t i = first; i <= last; i++)
			is_named[i] = true;
	}
}

/* A set of the picture's messages; what it names goes to the act. */
static void
random_set(struct run *r, const struct player *p, struct plan *out)
{
	const struct picture *pic = &p->pic;
	bool is_named[PICTURE_MAX] = { false };

	if (out->may_use_saved && rnd(r, 3) == 0 && name_saved(r, p, is_named)) {
		buf_lit(&out->text, "$");
	} else {
		memset(is_named, 0, sizeof(is_named));
		name_pieces(r, p, out, is_named);
	}
	for (uint32_t i = 0; i < pic->n; i++) {
		if (!is_named[i])
			continue;
		out->targets[out->target_count++] = pic->m[i].uid;
		must(out->act.n < STATE_MESSAGES * 2);
		out->act.uids[out->act.n++] = pic->m[i].uid;
	}
}

/*
 * MESSAGELIMIT: of more than a command may be about it is done of the last ones. What counts is
 * what the session knows, and that is what its client was told.
 */
static void
cut(const struct run *r, struct plan *out)
{
	uint32_t over = out->target_count - r->limit;

	if (r->limit == 0 || out->target_count <= r->limit)
		return;
	out->limit_uid = out->targets[over];
	if (out->act.op == ACT_COPY) {
		out->act.is_over = true;
		return;
	}
	memmove(out->targets, out->targets + over, r->limit * sizeof(*out->targets));
	memcpy(out->act.uids, out->targets, r->limit * sizeof(*out->targets));
	out->target_count = out->act.n = r->limit;
}

void
plan_messages(struct run *r, const struct player *p, struct plan *out)
{
	random_set(r, p, out);
	cut(r, out);
}

static bool
is_target(const struct plan *p, uint32_t uid)
{
	for (uint32_t i = 0; i < p->target_count; i++) {
		if (p->targets[i] == uid)
			return true;
	}
	return false;
}

/* ---- messages ---- */

uint32_t
plan_message(struct run *r, bool is_delivered, struct buf *b)
{
	uint32_t content = r->contents.n++;
	size_t begin = b->n, size;

	must(content < CONTENTS_MAX);
	buf_printf(b, "From: " PLAN_SECRET "@example.org\r\nSubject: s%05u\r\n\r\n", content);
	/* Each has a size of its own; what is delivered gets lines in front. */
	size = is_delivered ? DELIVERED_MIN + 2 * PREFIX_MAX * (size_t)r->deliveries++
	    : rnd(r, r->is_calm ? 12 : 400) == 0 ? 300000 + content
						 : 64 + content;
	while (b->n - begin + 2 < size)
		buf_chr(b, (b->n - begin) % 70 == 69 ? ' ' : 'x');
	buf_lit(b, "\r\n");
	r->contents.size[content] = (uint32_t)(b->n - begin);
	return content;
}

static void
plan_append(struct run *r, struct plan *out)
{
	uint32_t count = rnd(r, 4) == 0 ? 1 + (uint32_t)rnd(r, STATE_ADDS) : 1;

	out->act.op = ACT_APPEND;
	snprintf(out->act.name, sizeof(out->act.name), "%s", plan_name(r));
	buf_printf(&out->text, "APPEND %s", out->act.name);
	for (uint32_t i = 0; i < count; i++) {
		BUF_CLEAN struct buf message = BUF_MAX(1 << 20);
		uint16_t flags = rnd(r, 2) == 0 ? random_flags(r) : 0;

		out->act.add[i].flags = flags;
		out->act.add[i].content = plan_message(r, false, &message);
		if (flags != 0) {
			buf_lit(&out->text, " (");
			seen_flags_format(flags, &out->text);
			buf_lit(&out->text, ")");
		}
		if (rnd(r, 4) == 0)
			buf_lit(&out->text, " \"17-Jul-1996 02:44:25 -0700\"");
		buf_printf(&out->text, " {%zu+}\r\n", message.n);
		buf_str_add(&out->text, buf_str(&message));
	}
	out->act.add_count = count;
}

/* ---- the selected mailbox ---- */

static void
plan_store(struct run *r, struct player *p, struct plan *out)
{
	static const char *const how[] = { [HOW_SET] = "", [HOW_ADD] = "+", [HOW_REMOVE] = "-" };
	struct act *a = &out->act;

	a->op = ACT_STORE;
	a->is_uid = rnd(r, 2) == 0;
	out->may_expunge = a->is_uid;
	a->how = (enum act_how)rnd(r, 3);
	a->flags = rnd(r, 15) == 0 && a->how == HOW_SET ? 0 : random_flags(r);
	a->is_silent = rnd(r, 3) == 0;
	buf_c(&out->text, a->is_uid ? "UID STORE " : "STORE ");
	plan_messages(r, p, out);
	if (p->pic.is_condstore && rnd(r, 4) == 0) {
		a->has_unchangedsince = true;
		a->unchangedsince =
		    rnd(r, 3) == 0 ? rnd(r, p->pic.known + 2) : p->pic.m[rnd(r, p->pic.n)].modseq;
		buf_printf(&out->text, " (UNCHANGEDSINCE %llu)",
		    (unsigned long long)a->unchangedsince);
	}
	buf_printf(&out->text, " %sFLAGS%s (", how[a->how], a->is_silent ? ".SILENT" : "");
	seen_flags_format(a->flags, &out->text);
	buf_lit(&out->text, ")");
}

static void
plan_fetch(struct run *r, struct player *p, bool only_changes, bool is_first, struct plan *out)
{
	static const struct {
		const char *text;
		unsigned told;
		bool sees;
	} items[] = {
		{ "FLAGS", TOLD_FLAGS, false },
		{ "UID", TOLD_UID, false },
		{ "RFC822.SIZE", TOLD_SIZE, false },
		{ "BODY.PEEK[HEADER.FIELDS (SUBJECT)]", TOLD_BODY, false },
		{ "BODY[]", TOLD_BODY, true },
		{ "INTERNALDATE", TOLD_DATE, false },
		{ "ENVELOPE", 0, false },
		{ "BODYSTRUCTURE", 0, false },
		{ "MODSEQ", TOLD_MODSEQ, false },
	};
	struct act *a = &out->act;
	size_t some = is_first ? rnd(r, 5) : rnd(r, 4);

	a->op = ACT_FETCH;
	a->is_uid = rnd(r, 2) == 0;
	out->may_expunge = a->is_uid;
	buf_c(&out->text, a->is_uid ? "UID FETCH " : "FETCH ");
	plan_messages(r, p, out);
	if (only_changes && is_first)
		some = 4;
	buf_lit(&out->text, " (");
	out->items = items[some].told | (a->is_uid ? TOLD_UID : 0);
	buf_c(&out->text, items[some].text);
	a->sees = items[some].sees;
	for (size_t i = 0; i < 2; i++) {
		some = rnd(r, ARRAY_LEN(items));
		if ((items[some].told & out->items) != 0
		    || (items[some].told & (TOLD_BODY | TOLD_MODSEQ)) != 0)
			continue;
		out->items |= items[some].told;
		buf_printf(&out->text, " %s", items[some].text);
	}
	if (r->has_notes && rnd(r, 3) == 0) {
		out->items |= TOLD_NOTES;
		buf_lit(&out->text, " " PLAN_NOTES);
	}
	buf_lit(&out->text, ")");
	if (!a->sees)
		return;
	/* \Seen is set where the client does not know it to be. */
	a->how = HOW_ADD;
	a->flags = FLAG_SEEN;
	a->n = 0;
	for (uint32_t i = 0; i < p->pic.n; i++) {
		if ((p->pic.m[i].flags & FLAG_SEEN) == 0 && is_target(out, p->pic.m[i].uid))
			a->uids[a->n++] = p->pic.m[i].uid;
	}
}

static void
plan_copy(struct run *r, struct player *p, bool moves, struct plan *out)
{
	out->act.op = moves ? ACT_MOVE : ACT_COPY;
	out->act.is_uid = rnd(r, 2) == 0;
	out->may_expunge = moves || out->act.is_uid;
	buf_printf(&out->text, "%s%s ", out->act.is_uid ? "UID " : "", moves ? "MOVE" : "COPY");
	plan_messages(r, p, out);
	snprintf(out->act.name, sizeof(out->act.name), "%s", plan_name(r));
	buf_printf(&out->text, " %s", out->act.name);
}

/* UID EXPUNGE: what is \Deleted counts, as the client knows it. Of what is gone nobody can say. */
static void
cut_expunge(const struct run *r, const struct player *p, struct plan *out)
{
	const struct state_box *b = state_box_by_id((struct state *)&r->state, p->box);
	uint32_t n = 0;

	if (r->limit == 0 || out->target_count <= r->limit)
		return;
	for (uint32_t i = 0; i < p->pic.n; i++) {
		const struct seen *m = &p->pic.m[i];

		if (!is_target(out, m->uid))
			continue;
		if (b == NULL || state_message(b, m->uid) < 0)
			out->is_vague = true;
		if ((m->flags & FLAG_DELETED) != 0)
			out->targets[n++] = m->uid;
	}
	if (n <= r->limit)
		return;
	out->target_count = n;
	cut(r, out);
}

static void
plan_expunge(struct run *r, struct player *p, struct plan *out)
{
	out->act.op = ACT_EXPUNGE;
	out->act.is_uid = p->pic.n > 0 && rnd(r, 2) == 0;
	out->may_expunge = true;
	buf_c(&out->text, out->act.is_uid ? "UID EXPUNGE " : "EXPUNGE");
	if (!out->act.is_uid)
		return;
	random_set(r, p, out);
	cut_expunge(r, p, out);
}

/* ---- mailboxes ---- */

static void
plan_mailbox(struct run *r, struct plan *out)
{
	static const struct {
		const char *name;
		enum act_op op;
	} ops[] = {
		{ "CREATE", ACT_CREATE },
		{ "CREATE", ACT_CREATE },
		{ "DELETE", ACT_DELETE },
		{ "RENAME", ACT_RENAME },
		{ "SUBSCRIBE", ACT_SUBSCRIBE },
		{ "UNSUBSCRIBE", ACT_UNSUBSCRIBE },
	};

	size_t some = rnd(r, ARRAY_LEN(ops));

	out->act.op = ops[some].op;
	out->may_expunge = true;
	snprintf(out->act.name, sizeof(out->act.name), "%s", plan_name(r));
	buf_printf(&out->text, "%s %s", ops[some].name, out->act.name);
	if (out->act.op == ACT_RENAME) {
		snprintf(out->act.to, sizeof(out->act.to), "%s", plan_name(r));
		buf_printf(&out->text, " %s", out->act.to);
	}
}

static void
plan_select(struct run *r, struct plan *out)
{
	out->act.op = ACT_SELECT;
	out->is_examine = rnd(r, 5) == 0;
	snprintf(out->act.name, sizeof(out->act.name), "%s", plan_name(r));
	buf_printf(&out->text, "%s %s", out->is_examine ? "EXAMINE" : "SELECT", out->act.name);
}

static void
plan_list(struct run *r, struct plan *out)
{
	static const char *const texts[] = { [LIST_ALL] = "LIST \"\" ",
		[LIST_SUBSCRIBED] = "LIST (SUBSCRIBED) \"\" ",
		[LIST_OLD] = "LSUB \"\" " };

	out->act.op = ACT_LIST;
	out->may_expunge = true;
	out->list = rnd(r, 3);
	buf_c(&out->text, texts[out->list]);
	/* LSUB of one level has rules of its own (RFC 3501 6.3.9). */
	out->has_percent = out->list != LIST_OLD && rnd(r, 2) == 0;
	if (out->has_percent && rnd(r, 2) == 0) {
		snprintf(out->above, sizeof(out->above), "%s", plan_name(r));
		buf_printf(&out->text, "%s/", out->above);
	}
	buf_c(&out->text, out->has_percent ? "%" : "*");
}

static void
plan_status(struct run *r, struct plan *out)
{
	out->act.op = ACT_STATUS;
	out->may_expunge = true;
	snprintf(out->act.name, sizeof(out->act.name), "%s", plan_name(r));
	buf_printf(&out->text, "STATUS %s (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED)",
	    out->act.name);
}

/* ---- */

static void
plan_plain(struct plan *out, enum act_op op, const char *text)
{
	out->act.op = op;
	out->may_expunge = true;
	buf_c(&out->text, text);
}

static void
plan_in_mailbox(struct run *r, struct player *p, uint64_t what, bool only_changes, bool is_first,
    struct plan *out)
{
	bool is_empty = p->pic.n == 0;

	if (what < 8)
		plan_expunge(r, p, out);
	else if (what < 12 && !only_changes && is_first)
		plan_plain(out, ACT_CLOSE, "CLOSE");
	else if (what < 13 && !only_changes && is_first)
		plan_plain(out, ACT_UNSELECT, "UNSELECT");
	else if (what < 20)
		plan_plain(out, ACT_NOOP, rnd(r, 3) == 0 ? "CHECK" : "NOOP");
	else if (is_empty)
		plan_append(r, out);
	else if (what < 45)
		plan_store(r, p, out);
	else if (what < 65)
		plan_fetch(r, p, only_changes, is_first, out);
	else if (what < 67 && !only_changes && plan_cancel(r, p, out))
		return;
	else if (what < 78 && !only_changes)
		plan_search(r, p, !is_first, out);
	else if (what < 88)
		plan_copy(r, p, false, out);
	else
		plan_copy(r, p, true, out);
}

/* It is done in several commits, between which those of others may come. */
static bool
is_in_parts(struct run *r, const struct act *a)
{
	const struct state_box *b = state_box_by_id(&r->state, a->box);

	if (r->state.commit_pages == 0 || b == NULL || b->n == 0
	    || (a->op != ACT_EXPUNGE && a->op != ACT_MOVE))
		return false;
	return b->m[0].uid / STATE_PAGE_UIDS != (b->uidnext - 1) / STATE_PAGE_UIDS;
}

/*
 * Mailboxes stay small: what would make one too large is not sent. Nor is what FETCH does to \Seen
 * in several commits, nor what names a UID that the client does not know.
 */
static bool
fits(struct run *r, const struct plan *p, bool is_one_of_many)
{
	const struct act *a = &p->act;
	const struct state_box *to = state_box(&r->state, a->name);
	uint32_t more = a->op == ACT_APPEND          ? a->add_count
	    : a->op == ACT_COPY || a->op == ACT_MOVE ? a->n
						     : 0;

	if (a->sees && p->target_count > 60)
		return false;
	/* Of a mailbox that was deleted at once a UID may never be told. */
	if (a->is_uid && p->target_count > 0 && p->targets[p->target_count - 1] == 0)
		return false;
	if (is_one_of_many && is_in_parts(r, a))
		return false;
	return to == NULL || more == 0 || to->n + more * (is_one_of_many ? 6 : 1) <= 100;
}

static void
make(struct run *r, struct player *p, bool only_changes, bool is_first, struct plan *out)
{
	uint64_t what = rnd(r, 100);

	*out = (struct plan){ .text = BUF_MAX(4 << 20), .may_expunge = true };
	out->act.box = p->phase == PLAYER_SELECTED ? p->box : 0;
	out->act.is_read_only = p->is_read_only;
	out->may_use_saved = is_first && !only_changes;
	if (r->has_notes && rnd(r, 6) == 0) {
		plan_noted(r, p, only_changes, out);
		return;
	}
	if (p->phase == PLAYER_SELECTED && what >= 35) {
		plan_in_mailbox(r, p, rnd(r, 100), only_changes, is_first, out);
		return;
	}
	if (what < 12)
		plan_append(r, out);
	else if (what < 18)
		plan_mailbox(r, out);
	else if (only_changes)
		plan_append(r, out);
	else if (what < 22)
		plan_list(r, out);
	else if (what < 26)
		plan_status(r, out);
	else if (is_first)
		plan_select(r, out);
	else
		plan_plain(out, ACT_NOOP, "NOOP");
}

/*
 * A client may not send sequence numbers while a command is in progress during which EXPUNGE may be
 * told (RFC 9051 5.5). The server is kinder: it looks at what comes next, if that is there.
 */
static bool
may_follow(const struct player *p, const struct plan *out, uint32_t at)
{
	const struct plan *before = out - at;

	/* Nor at all when it may be told at any time (RFC 5465 5.3). */
	if (p->pic.is_immediate && !out->act.is_uid && out->target_count > 0)
		return false;
	if (out->act.is_uid || out->target_count == 0)
		return true;
	for (uint32_t i = 0; i < at; i++) {
		if (before[i].may_expunge && (i + 1 < at || before[i].act.op == ACT_APPEND))
			return false;
	}
	return true;
}

/*
 * What comes behind a command that may be told changes is about what the client does not know yet,
 * so it names no more than the limit; nor does who may be told them at any time (RFC 5465 5.3).
 */
static bool
is_clear(const struct run *r, const struct player *p, const struct plan *out, uint32_t at)
{
	if (out->is_vague)
		return false;
	return (at == 0 && !p->pic.is_immediate) || r->limit == 0
	    || (out->limit_uid == 0 && out->target_count <= r->limit);
}

void
plan_make(struct run *r, struct player *p, bool only_changes, uint32_t at, struct plan *out)
{
	make(r, p, only_changes, at == 0, out);
	while (!fits(r, out, only_changes) || !may_follow(p, out, at) || !is_clear(r, p, out, at)) {
		plan_done(out);
		make(r, p, only_changes, at == 0, out);
	}
	r->limited += out->limit_uid != 0;
}

void
plan_done(struct plan *p)
{
	buf_done(&p->text);
}

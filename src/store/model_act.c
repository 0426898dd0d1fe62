/*
 * model_act.c - commands done to the store and to the model.
 */
#include "store/model.h"

/* What a command of a session made becomes a version of the model. */
static struct m_state *
note(struct model *m, struct m_session *s, struct snapshot *after)
{
	struct m_state *state = model_push(m, snapshot_version(after));

	if (s != NULL) {
		snapshot_unref(s->own);
		s->own = after;
	} else {
		snapshot_unref(after);
	}
	return state;
}

static struct m_box *
random_box(struct model *m)
{
	for (;;) {
		struct m_box *b = &model_latest(m)->box[model_random(m, BOXES)];

		if (b->id != 0)
			return b;
	}
}

static struct m_session *
random_session(struct model *m)
{
	return &m->s[model_random(m, SESSIONS)];
}

/* An error that an injected failure explains; false: none. */
static bool
failed(struct model *m, enum err e)
{
	MUST(m, e == ERR_OK || e == ERR_IO || e == ERR_CONFLICT || e == ERR_FULL);
	model_take_back(m);
	return e != ERR_OK;
}

void
model_do_append(struct model *m)
{
	struct m_box *b = random_box(m);
	uint32_t count = 1 + (uint32_t)model_random(m, model_random(m, 8) == 0 ? 90 : 3), validity;
	struct append *add = arena_array(&m->f.a, struct append, count);
	struct arrival *arrival = test_message(&m->f, "model");
	uint16_t flags = (uint16_t)model_random(m, 32);
	uint8_t keywords = (uint8_t)(model_random(m, 3) == 0 ? 1 << model_random(m, KEYWORDS) : 0);
	char name[3] = { 'k', (char)('0' + (keywords ? __builtin_ctz(keywords) : 0)), 0 };
	struct str keyword = str_c(name);
	BUF_CLEAN struct buf list = BUF_MAX(4096);
	uint8_t notes = (uint8_t)(model_random(m, 3) == 0 ? model_random(m, 256) : 0);
	struct annotation changes[3];
	struct m_session *s = random_session(m);
	struct snapshot *after = NULL;
	struct uid first;
	struct m_state *state;
	uint64_t id = b->id;
	enum err e;

	MUST(m,
	    notes_change(STR_NONE, changes, model_note_changes(m, notes, false, changes), &list)
		== ERR_OK);
	for (uint32_t i = 0; i < count; i++)
		add[i] = (struct append){ .arrival = arrival,
			.notes = buf_str(&list),
			.flags = flags,
			.keywords = &keyword,
			.keyword_count = keywords != 0 };
	e = UNTIL_DONE(&m->f.b,
	    messages_append(m->f.account, (struct mailbox_id){ id }, add, count, &m->f.b.w, &first,
		&validity, &after));
	arrival_unref(arrival);
	if (failed(m, e))
		return;
	state = note(m, s, after);
	b = model_box_of(state, id);
	MUST(m, first.v == b->uidnext);
	b->highestmodseq = state->version;
	for (uint32_t i = 0; i < count; i++)
		model_box_add(m, b,
		    (struct m_entry){ .flags = flags,
			.keywords = keywords,
			.notes = notes,
			.modseq = state->version });
	SAY(m, "append %u to %s: version %llu\n", count, b->name,
	    (unsigned long long)state->version);
}

void
model_do_open(struct model *m)
{
	struct m_session *s = random_session(m);
	struct m_box *b = random_box(m);
	struct snapshot *at;
	struct m_state *state;
	uint64_t id = b->id;
	enum err e;

	view_close(s->view);
	s->view = NULL;
	at = account_snapshot(m->f.account, s->own);
	e = UNTIL_DONE(&m->f.b,
	    view_open(at, (struct mailbox_id){ id }, VIEW_READ_WRITE, &m->f.b.w, &s->view));
	snapshot_unref(at);
	model_take_back(m);
	if (e != ERR_OK) {
		MUST(m, e == ERR_NOTFOUND || e == ERR_IO || e == ERR_FULL || e == ERR_CONFLICT);
		return;
	}
	if (s->view == NULL)
		return; /* taken back */
	state = model_state_of(m, view_version(s->view));
	MUST(m, state != NULL);
	b = model_box_of(state, id);
	MUST(m, b != NULL);
	s->box = id;
	s->is_gone = false;
	s->told_count = b->count;
	s->told = arena_array(&m->f.a, struct m_entry, b->count + 1);
	if (b->count != 0)
		memcpy(s->told, b->e, b->count * sizeof(*s->told));
	SAY(m, "open %s at %llu\n", b->name, (unsigned long long)state->version);
	model_compare_view(m, s);
}

/* What the client ends up with when it believes what it is told. */
static void
check_told(struct model *m, struct m_session *s, const struct view_changes *ch,
    const struct m_entry *now, uint32_t count)
{
	uint32_t changed = 0;

	for (uint32_t i = 0; i < ch->expunge_count; i++) {
		uint32_t seq = ch->expunge_seqs[i];

		MUST(m, seq >= 1 && seq <= s->told_count);
		MUST(m, rangeset_contains(ch->vanished, s->told[seq - 1].uid));
		s->told_count--;
		memmove(&s->told[seq - 1], &s->told[seq],
		    (s->told_count - (seq - 1)) * sizeof(*s->told));
	}
	MUST(m, ch->exists == count);
	MUST(m, s->told_count <= count);
	MUST(m, ch->is_exists_new == (s->told_count < count));
	for (uint32_t i = 0; i < s->told_count; i++) {
		MUST(m, s->told[i].uid == now[i].uid);
		if (s->told[i].modseq == now[i].modseq)
			continue;
		MUST(m, changed < ch->changed_count && ch->changed[changed].v == now[i].uid);
		changed++;
	}
	MUST(m, changed == ch->changed_count);
}

void
model_do_refresh(struct model *m)
{
	struct m_session *s = random_session(m);
	enum view_tell tell = model_random(m, 2) == 0 ? TELL_ALL : TELL_NO_EXPUNGE;
	struct snapshot *at;
	struct view_changes ch;
	struct m_entry *now;
	struct m_state *state;
	struct m_box *b;
	uint32_t count = 0;
	enum err e;

	if (s->view == NULL)
		return;
	if (s->view->is_resting)
		tell = TELL_ALL;
	at = account_snapshot(m->f.account, s->own);
	if (snapshot_version(at) < view_version(s->view)
	    && account_durability(m->f.account, view_version(s->view)) == VERSION_FAILED) {
		snapshot_unref(at);
		return;
	}
	e = UNTIL_DONE(&m->f.b, view_refresh(s->view, at, tell, &m->f.b.w, &m->f.a, &ch));
	snapshot_unref(at);
	model_take_back(m);
	if (s->view == NULL || e == ERR_IO || e == ERR_FULL || e == ERR_CONFLICT)
		return;
	MUST(m, e == ERR_OK);
	state = model_state_of(m, view_version(s->view));
	MUST(m, state != NULL);
	b = model_box_of(state, s->box);
	now = arena_array(&m->f.a, struct m_entry, s->told_count + (b != NULL ? b->count : 0) + 1);
	for (uint32_t i = 0, k = 0; i < s->told_count || (b != NULL && k < b->count);) {
		if (b != NULL && k < b->count
		    && (i == s->told_count || b->e[k].uid <= s->told[i].uid)) {
			i += i < s->told_count && b->e[k].uid == s->told[i].uid;
			now[count++] = b->e[k++];
			continue;
		}
		if (tell == TELL_NO_EXPUNGE) {
			now[count] = s->told[i];
			now[count++].is_ghost = true;
		}
		i++;
	}
	MUST(m, tell == TELL_ALL || ch.vanished == NULL);
	MUST(m, view_is_gone(s->view) == (b == NULL));
	check_told(m, s, &ch, now, count);
	s->told = now;
	s->told_count = count;
	SAY(m, "refresh to %llu: %u\n", (unsigned long long)state->version, count);
	model_compare_view(m, s);
	for (uint32_t i = 0; i < count; i++) {
		if (now[i].is_ghost)
			MUST(m, view_highestmodseq(s->view) < state->version);
	}
}

static struct rangeset
random_uids(struct model *m, uint32_t uidnext)
{
	struct rangeset set = RANGESET_NONE;
	uint32_t n = 1 + (uint32_t)model_random(m, 4);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = 1 + (uint32_t)model_random(m, uidnext + 3),
			 last =
			     first + (uint32_t)model_random(m, model_random(m, 3) == 0 ? 100 : 4);

		rangeset_add(&set, first, last);
	}
	return set;
}

/* What is asked for of a session's messages: flags and a keyword, or notes when `notes` is set. */
struct asked {
	struct flags_change flags;
	uint8_t keywords;
	const struct notes_change *notes;
	uint8_t note_bits;
};

static enum err
change_some(struct model *m, struct m_session *s, const struct asked *a,
    const struct rangeset *uids, uint32_t *cursor, struct rangeset *changed,
    struct rangeset *modified, struct snapshot **after)
{
	struct waiter *w = &m->f.b.w;

	if (a->notes != NULL)
		return UNTIL_DONE(&m->f.b,
		    messages_annotate(s->view, uids, a->notes, cursor, w, changed, modified,
			after));
	return UNTIL_DONE(&m->f.b,
	    messages_store(s->view, uids, &a->flags, cursor, w, changed, modified, after));
}

/* The same in the model; true: it differs now. */
static bool
entry_change(struct m_entry *x, const struct asked *a)
{
	const struct m_entry was = *x;

	if (a->notes != NULL) {
		x->notes = a->note_bits;
	} else if (a->flags.op == FLAGS_SET) {
		x->flags = a->flags.flags;
		x->keywords = a->keywords;
	} else if (a->flags.op == FLAGS_ADD) {
		x->flags |= a->flags.flags;
		x->keywords |= a->keywords;
	} else {
		x->flags &= (uint16_t)~a->flags.flags;
		x->keywords &= (uint8_t)~a->keywords;
	}
	return x->flags != was.flags || x->keywords != was.keywords || x->notes != was.notes;
}

static void
change(struct model *m, struct m_session *s, const struct asked *a, bool has_since, uint64_t since)
{
	struct rangeset uids = random_uids(m, view_mailbox(s->view)->uidnext),
			changed = RANGESET_NONE, modified = RANGESET_NONE;
	uint32_t cursor = 0;

	while (cursor != UINT32_MAX && s->view != NULL) {
		struct snapshot *after = NULL;
		struct m_state *state;
		uint64_t box = s->box;
		struct m_box *b;
		enum err e = change_some(m, s, a, &uids, &cursor, &changed, &modified, &after);

		if (e == ERR_NOTFOUND || failed(m, e)) {
			snapshot_unref(after);
			break;
		}
		if (after == NULL)
			continue;
		state = note(m, s, after);
		b = model_box_of(state, box);
		model_own(m, b);
		b->highestmodseq = state->version;
		for (uint32_t i = 0; i < b->count; i++) {
			struct m_entry *x = &b->e[i];

			if (!rangeset_contains(&uids, x->uid) || x->uid >= cursor)
				continue;
			if (has_since && x->modseq > since) {
				MUST(m, rangeset_contains(&modified, x->uid));
				continue;
			}
			if (entry_change(x, a))
				x->modseq = state->version;
			MUST(m,
			    rangeset_contains(&changed, x->uid) == (x->modseq == state->version));
		}
		SAY(m, "%s on %s: version %llu\n", a->notes != NULL ? "note" : "store", b->name,
		    (unsigned long long)state->version);
	}
	rangeset_done(&uids);
	rangeset_done(&changed);
	rangeset_done(&modified);
}

void
model_do_store(struct model *m)
{
	struct m_session *s = random_session(m);
	struct asked a = { .flags = { .op = (enum flags_op)model_random(m, 3),
			       .flags = (uint16_t)model_random(m, 32) },
		.keywords =
		    (uint8_t)(model_random(m, 2) == 0 ? 1 << model_random(m, KEYWORDS) : 0) };
	char name[3] = { 'k', (char)('0' + (a.keywords ? __builtin_ctz(a.keywords) : 0)), 0 };
	struct str keyword = str_c(name);

	if (s->view == NULL)
		return;
	a.flags.keywords = &keyword;
	a.flags.keyword_count = a.keywords != 0;
	if (model_random(m, 4) == 0) {
		a.flags.has_unchangedsince = true;
		a.flags.unchangedsince = model_random(m, model_latest(m)->version + 1);
	}
	change(m, s, &a, a.flags.has_unchangedsince, a.flags.unchangedsince);
}

void
model_do_note(struct model *m)
{
	struct m_session *s = random_session(m);
	struct annotation changes[3];
	struct asked a = { .note_bits = (uint8_t)model_random(m, 256) };
	struct notes_change n = { .changes = changes,
		.count = model_note_changes(m, a.note_bits, true, changes) };

	if (s->view == NULL)
		return;
	a.notes = &n;
	if (model_random(m, 4) == 0) {
		n.has_unchangedsince = true;
		n.unchangedsince = model_random(m, model_latest(m)->version + 1);
	}
	change(m, s, &a, n.has_unchangedsince, n.unchangedsince);
}

void
model_do_expunge(struct model *m)
{
	struct m_session *s = random_session(m);
	struct rangeset uids, gone = RANGESET_NONE;
	bool all = model_random(m, 2) == 0;
	uint32_t cursor = 0;

	if (s->view == NULL)
		return;
	uids = random_uids(m, view_mailbox(s->view)->uidnext);
	while (cursor != UINT32_MAX && s->view != NULL) {
		struct snapshot *after = NULL;
		struct m_state *state;
		uint64_t box = s->box;
		struct m_box *b;
		enum err e;

		e = UNTIL_DONE(&m->f.b,
		    messages_expunge(s->view, all ? NULL : &uids, &cursor, &m->f.b.w, &gone,
			&after));
		if (e == ERR_NOTFOUND || failed(m, e)) {
			snapshot_unref(after);
			break;
		}
		if (after == NULL)
			continue;
		state = note(m, s, after);
		b = model_box_of(state, box);
		b->highestmodseq = state->version;
		for (uint32_t i = b->count; i != 0; i--) {
			struct m_entry x = b->e[i - 1];

			if ((x.flags & FLAG_DELETED) == 0 || x.uid >= cursor
			    || (!all && !rangeset_contains(&uids, x.uid)))
				continue;
			MUST(m, rangeset_contains(&gone, x.uid));
			model_box_remove(m, b, i - 1);
		}
		SAY(m, "expunge on %s: version %llu\n", b->name,
		    (unsigned long long)state->version);
	}
	rangeset_done(&uids);
	rangeset_done(&gone);
}

void
model_do_copy(struct model *m, bool moves)
{
	struct m_session *s = random_session(m);
	struct copied copied = { 0 };
	uint64_t dest = random_box(m)->id;
	struct rangeset uids;
	uint32_t cursor = moves ? 0 : UINT32_MAX - 1;

	if (s->view == NULL)
		return;
	uids = random_uids(m, view_mailbox(s->view)->uidnext);
	while (cursor != UINT32_MAX && s->view != NULL) {
		struct mailbox_id to = { dest };
		struct snapshot *after = NULL;
		struct m_state *state;
		uint64_t box = s->box;
		struct m_box *b, *d;
		uint32_t count;
		enum err e;

		if (moves) {
			e = UNTIL_DONE(&m->f.b,
			    messages_move(s->view, &uids, COPY_SKIPS_GONE, m->f.account, to,
				&cursor, &m->f.b.w, &m->f.a, &copied, &after));
		} else {
			e = UNTIL_DONE(&m->f.b,
			    messages_copy(s->view, &uids, COPY_SKIPS_GONE, m->f.account, to,
				&m->f.b.w, &m->f.a, &copied, &after));
			cursor = UINT32_MAX;
		}
		if (e == ERR_NOTFOUND || e == ERR_TRYCREATE || e == ERR_EXPUNGED || failed(m, e)) {
			snapshot_unref(after);
			break;
		}
		if (after == NULL)
			continue;
		if (!moves)
			model_note_stages(m, after);
		state = note(m, s, after);
		b = model_box_of(state, box);
		d = model_box_of(state, dest);
		b->highestmodseq = moves ? state->version : b->highestmodseq;
		d->highestmodseq = state->version;
		count = b->count;
		for (uint32_t i = 0, k = 0; i < count; i++) {
			struct m_entry x = b->e[k];

			if (!rangeset_contains(&uids, x.uid) || x.uid >= cursor) {
				k++;
				continue;
			}
			x.modseq = state->version;
			x.notes &= (uint8_t)~NOTE_OTHER;
			model_box_add(m, d, x);
			if (moves)
				model_box_remove(m, b, k);
			else
				k++;
		}
		SAY(m, "%s: version %llu\n", moves ? "move" : "copy",
		    (unsigned long long)state->version);
	}
	rangeset_done(&uids);
}

void
model_do_mailbox(struct model *m)
{
	struct m_box *b = &model_latest(m)->box[1 + model_random(m, BOXES - 1)];
	long i = b - model_latest(m)->box;
	struct snapshot *after = NULL;
	struct m_state *state;
	char name[16];
	enum err e;

	snprintf(name, sizeof(name), "m%u.%u", (unsigned)i & 7, m->step & 0xFFFFFF);
	if (b->id == 0) {
		e = mailbox_create(m->f.account, str_c(name), 0, &m->f.b.w, &after);
		if (failed(m, e))
			return;
		state = model_push(m, snapshot_version(after));
		b = &state->box[i];
		*b = (struct m_box){ .id = snapshot_mailbox(after, str_c(name))->id.v,
			.uidnext = 1,
			.highestmodseq = state->version };
		memcpy(b->name, name, sizeof(name));
	} else if (model_random(m, 2) == 0) {
		e = mailbox_rename(m->f.account, str_c(b->name), str_c(name), &m->f.b.w, &after);
		if (failed(m, e))
			return;
		state = model_push(m, snapshot_version(after));
		memcpy(state->box[i].name, name, sizeof(name));
	} else {
		e = mailbox_delete(m->f.account, str_c(b->name), &m->f.b.w, &after);
		if (failed(m, e))
			return;
		state = model_push(m, snapshot_version(after));
		state->box[i] = (struct m_box){ 0 };
	}
	SAY(m, "mailbox %s: version %llu\n", name, (unsigned long long)state->version);
	model_compare_snapshot(m, after, state);
	snapshot_unref(after);
}

void
model_do_vanished(struct model *m)
{
	struct m_session *s = random_session(m);
	struct rangeset *gone = NULL;
	struct m_state *then;
	struct m_box *b;
	enum err e;

	if (s->view == NULL || view_is_gone(s->view) || s->view->is_resting)
		return;
	then = &m->states[model_random(m, m->state_count)];
	b = model_box_of(then, s->box);
	if (b == NULL || then->version > view_version(s->view))
		return;
	e = UNTIL_DONE(&m->f.b,
	    view_vanished_since(s->view, then->version, NULL, &m->f.b.w, &m->f.a, &gone));
	model_take_back(m);
	if (s->view == NULL || e == ERR_IO || e == ERR_FULL || e == ERR_CONFLICT)
		return;
	MUST(m, e == ERR_OK);
	for (uint32_t i = 0; i < b->count; i++) {
		struct entry x;
		bool is_there = view_entry(s->view, (struct uid){ b->e[i].uid }, &x);

		MUST(m, rangeset_contains(gone, b->e[i].uid) == !is_there);
	}
	SAY(m, "vanished since %llu\n", (unsigned long long)then->version);
}

void
model_do_rest(struct model *m)
{
	struct m_session *s = random_session(m);

	if (s->view != NULL)
		view_rest(s->view);
}

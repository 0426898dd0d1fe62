/*
 * model_test.c - random commands from several sessions against a naive model: every view, count and
 * difference is compared.
 *
 *     model_test                 a few histories, as a unit test
 *     model_test 1000 7          1000 histories from seed 7 on
 *     model_test 1 7 300         the history of seed 7, 300 commands long
 *
 * The engine is the one in memory in manual mode: loads and commits complete in any order, fail at
 * times, and lose power; pages are evicted at any time. The model keeps a whole copy of all
 * mailboxes for each version.
 */
#include "store/store_test_util.h"

#include "store/commit_int.h"
#include "store/notes.h"
#include "store/view_int.h"

enum { BOXES = 8, SESSIONS = 3, ENTRIES = 600, VERSIONS = 16000, KEYWORDS = 5 };

/* Notes of an entry: a shared one of so many bytes, one of the user's, one of somebody else's. */
enum { NOTE_SHARED = 63, NOTE_OWN = 64, NOTE_OTHER = 128, OTHER_USER = 99 };

struct m_entry {
	uint32_t uid, msgno;
	uint16_t flags;
	uint8_t keywords; /* bits: names k0 … k4 */
	uint8_t notes;
	bool is_ghost;
	uint64_t modseq;
};

struct m_box {
	uint64_t id; /* 0: none */
	char name[16];
	uint32_t uidnext, count;
	uint64_t highestmodseq;
	struct m_entry *e; /* shared between versions; copied before a change */
	bool is_own;
};

struct m_state {
	uint64_t version;
	struct m_box box[BOXES];
};

struct m_session {
	struct view *view;
	struct snapshot *own;
	uint64_t box;         /* id */
	struct m_entry *told; /* what the client knows, ghosts too */
	uint32_t told_count;
	bool is_gone;
};

struct model {
	struct fixture f;
	uint64_t random;
	uint64_t seed;
	uint32_t step;
	struct m_state *states; /* by version; some versions are missing (failed) */
	uint32_t state_count;
	struct m_session s[SESSIONS];
	bool is_verbose;
};

static uint64_t
rnd(struct model *m, uint64_t below)
{
	m->random = m->random * 6364136223846793005u + 1442695040888963407u;
	return hash_u64(m->random) % below;
}

#define SAY(m, ...)                                                                                \
	do {                                                                                       \
		if ((m)->is_verbose)                                                               \
			printf("# " __VA_ARGS__);                                                  \
	} while (0)
#define MUST(m, x)                                                                                 \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			printf("# seed %llu step %u: %s\n", (unsigned long long)(m)->seed,         \
			    (m)->step, #x);                                                        \
			CHECK(x);                                                                  \
			fflush(stdout);                                                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* ---- the model ------------------------------------------------------------------------------- */

static struct m_state *
latest(struct model *m)
{
	return &m->states[m->state_count - 1];
}

static struct m_state *
state_of(struct model *m, uint64_t version)
{
	for (uint32_t i = m->state_count; i != 0; i--) {
		if (m->states[i - 1].version == version)
			return &m->states[i - 1];
	}
	return NULL;
}

static struct m_box *
box_of(struct m_state *s, uint64_t id)
{
	for (int i = 0; i < BOXES; i++) {
		if (s->box[i].id == id)
			return &s->box[i];
	}
	return NULL;
}

/* A new version that is a copy of the latest. */
static struct m_state *
push(struct model *m, uint64_t version)
{
	struct m_state *s = &m->states[m->state_count];

	MUST(m, m->state_count < VERSIONS);
	*s = m->states[m->state_count - 1];
	s->version = version;
	for (int i = 0; i < BOXES; i++)
		s->box[i].is_own = false;
	m->state_count++;
	return s;
}

static void
own(struct model *m, struct m_box *b)
{
	struct m_entry *e;

	if (b->is_own)
		return;
	e = arena_alloc(&m->f.a, (b->count + 8) * sizeof(*e));
	if (b->count != 0)
		memcpy(e, b->e, b->count * sizeof(*e));
	b->e = e;
	b->is_own = true;
}

static void
box_add(struct model *m, struct m_box *b, struct m_entry e)
{
	struct m_entry *all = arena_alloc(&m->f.a, (b->count + 1) * sizeof(*all));

	if (b->count != 0)
		memcpy(all, b->e, b->count * sizeof(*all));
	e.uid = b->uidnext++;
	all[b->count++] = e;
	b->e = all;
	b->is_own = true;
}

static void
box_remove(struct model *m, struct m_box *b, uint32_t i)
{
	own(m, b);
	b->count--;
	memmove(&b->e[i], &b->e[i + 1], (b->count - i) * sizeof(*b->e));
}

/* Versions that were taken back leave the model, sessions that saw them end. */
static void
end_session(struct m_session *s)
{
	view_close(s->view);
	snapshot_unref(s->own);
	*s = (struct m_session){ 0 };
}

static void
take_back(struct model *m)
{
	struct account *a = m->f.account;
	uint32_t n = 0;

	for (int i = 0; i < SESSIONS; i++) {
		struct m_session *s = &m->s[i];

		if (s->own != NULL
		    && account_durability(a, snapshot_version(s->own)) == VERSION_FAILED)
			end_session(s);
		else if (s->view != NULL
		    && account_durability(a, view_version(s->view)) == VERSION_FAILED)
			end_session(s);
	}
	for (uint32_t i = 0; i < m->state_count; i++) {
		if (account_durability(a, m->states[i].version) != VERSION_FAILED)
			m->states[n++] = m->states[i];
	}
	m->state_count = n;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static uint8_t
keywords_of(const struct mailbox_info *info, struct keywords k)
{
	uint8_t bits = 0;

	for (unsigned i = 0; i < KEYWORDS; i++) {
		char name[3] = { 'k', (char)('0' + i), 0 };
		int slot = mailbox_keyword_slot(info, str_c(name));

		if (slot >= 0 && keywords_has(k, (unsigned)slot))
			bits |= (uint8_t)(1 << i);
	}
	return bits;
}

/* The list of what the model says, in the order in which changes write it. */
static size_t
note_changes(struct model *m, uint8_t notes, bool has_removals, struct annotation out[3])
{
	const struct annotation all[3] = {
		{ .scope = ANNOTATION_SHARED,
		    .name = STR("/comment"),
		    .value =
			str_make("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			    notes & NOTE_SHARED) },
		{ .scope = ANNOTATION_PRIVATE,
		    .user = m->f.account->id.v,
		    .name = STR("/comment"),
		    .value = STR("own") },
		{ .scope = ANNOTATION_PRIVATE,
		    .user = OTHER_USER,
		    .name = STR("/altsubject"),
		    .value = STR("other") },
	};
	const bool has[3] = { (notes & NOTE_SHARED) != 0, (notes & NOTE_OWN) != 0,
		(notes & NOTE_OTHER) != 0 };
	size_t n = 0;

	for (int i = 0; i < 3; i++) {
		if (!has[i] && !has_removals)
			continue;
		out[n] = all[i];
		if (!has[i])
			out[n].value = STR_NONE;
		n++;
	}
	return n;
}

static void
compare_notes(struct model *m, struct str list, uint8_t notes)
{
	BUF_CLEAN struct buf want = BUF_MAX(4096);
	struct annotation changes[3];
	size_t n = note_changes(m, notes, false, changes);

	MUST(m, notes_change(STR_NONE, changes, n, &want) == ERR_OK);
	MUST(m, str_eq(list, buf_str(&want)));
}

static void
compare_view(struct model *m, struct m_session *s)
{
	const struct mailbox_info *info = view_mailbox(s->view);
	uint32_t i = 0;
	struct entry e;
	struct seqnum seq;

	MUST(m, view_exists(s->view) == s->told_count);
	for (uint32_t uid = 0; view_next(s->view, uid, &e, &seq); uid = e.uid.v + 1, i++) {
		const struct m_entry *t = &s->told[i];
		struct uid back;

		MUST(m, i < s->told_count);
		MUST(m, e.uid.v == t->uid);
		MUST(m, seq.v == i + 1);
		MUST(m, e.flags == t->flags);
		MUST(m, e.modseq == t->modseq);
		MUST(m, e.is_ghost == t->is_ghost);
		MUST(m, e.msgno.v == t->msgno || t->msgno == 0);
		MUST(m, keywords_of(info, e.keywords) == t->keywords);
		if (!t->is_ghost)
			compare_notes(m, view_notes(s->view, e.uid), t->notes);
		MUST(m, view_seq(s->view, e.uid).v == i + 1);
		MUST(m, view_uid(s->view, (struct seqnum){ i + 1 }, &back) && back.v == e.uid.v);
	}
	MUST(m, i == s->told_count);
	MUST(m, !view_has_lost_notes(s->view));
}

static void
compare_snapshot(struct model *m, const struct snapshot *s, const struct m_state *state)
{
	uint64_t messages = 0;

	for (int i = 0; i < BOXES; i++) {
		const struct m_box *b = &state->box[i];
		const struct mailbox_info *info;
		uint32_t unseen = 0, deleted = 0;
		uint64_t notes = 0;

		if (b->id == 0)
			continue;
		info = snapshot_mailbox(s, str_c(b->name));
		MUST(m, info != NULL && info->id.v == b->id);
		MUST(m, info == snapshot_mailbox_by_id(s, info->id));
		for (uint32_t k = 0; k < b->count; k++) {
			unseen += (b->e[k].flags & FLAG_SEEN) == 0;
			deleted += (b->e[k].flags & FLAG_DELETED) != 0;
			if (b->e[k].notes != 0) {
				BUF_CLEAN struct buf list = BUF_MAX(4096);
				struct annotation changes[3];

				ignore_err(notes_change(STR_NONE, changes,
					       note_changes(m, b->e[k].notes, false, changes),
					       &list),
				    "short");
				notes += list.n;
			}
		}
		MUST(m, info->notes_bytes == notes);
		MUST(m, info->exists == b->count);
		MUST(m, info->unseen == unseen);
		MUST(m, info->deleted == deleted);
		MUST(m, info->uidnext == b->uidnext);
		MUST(m, info->highestmodseq == b->highestmodseq);
		messages += b->count;
	}
	MUST(m, s->row.messages == messages);
}

/* The rows of the engine, when everything is durable, are what memory has. */
static void
compare_rows(struct model *m)
{
	struct account *a = m->f.account;
	struct kv_range range = { .kind = KV_PAGE };
	struct kv_rows *rows = NULL;
	uint32_t pages = 0, in_memory = 0;

	fixture_settle(&m->f);
	MUST(m, kv_load_now(m->f.kv, a->id, &range, 1, &rows) == ERR_OK);
	for (uint32_t i = 0; i < a->latest->count; i++) {
		const struct mailbox_state *s = snapshot_state(a->latest, i);

		for (size_t k = 0; k < rows->ranges[0].count; k++) {
			struct mailbox_id id;
			uint32_t page, uid;
			struct str list;

			if (row_key_parse_notes(rows->ranges[0].rows[k].key, &id, &uid)) {
				MUST(m,
				    notes_row_decode(rows->ranges[0].rows[k].value, &list)
					== ERR_OK);
				MUST(m,
				    id.v != s->info.id.v || !s->has_tree
					|| str_eq(tree_notes(s->tree, uid), list));
				continue;
			}
			MUST(m, row_key_parse_page(rows->ranges[0].rows[k].key, &id, &page));
			if (id.v != s->info.id.v || !s->has_tree)
				continue;
			MUST(m, str_eq(tree_page(s->tree, page), rows->ranges[0].rows[k].value));
			MUST(m, !page_is_damaged(rows->ranges[0].rows[k].value));
			pages++;
		}
		if (s->has_tree) {
			struct tree_at at;
			uint32_t uid = 0;

			while (tree_next(s->tree, uid, TREE_ANY, &at)) {
				in_memory++;
				uid = (at.uid | 63) + 1;
			}
		}
	}
	MUST(m, pages == in_memory);
	kv_rows_free(rows);
}

/* A copy of many makes versions before its own, of which nothing can be seen. */
static void
note_stages(struct model *m, const struct snapshot *after)
{
	for (uint64_t v = latest(m)->version + 1; v < snapshot_version(after); v++)
		push(m, v);
}

/* ---- commands -------------------------------------------------------------------------------- */

/* What a command of a session made becomes a version of the model. */
static struct m_state *
note(struct model *m, struct m_session *s, struct snapshot *after)
{
	struct m_state *state = push(m, snapshot_version(after));

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
		struct m_box *b = &latest(m)->box[rnd(m, BOXES)];

		if (b->id != 0)
			return b;
	}
}

static struct m_session *
random_session(struct model *m)
{
	return &m->s[rnd(m, SESSIONS)];
}

/* An error that an injected failure explains; false: none. */
static bool
failed(struct model *m, enum err e)
{
	MUST(m, e == ERR_OK || e == ERR_IO || e == ERR_CONFLICT || e == ERR_FULL);
	take_back(m);
	return e != ERR_OK;
}

static void
do_append(struct model *m)
{
	struct m_box *b = random_box(m);
	uint32_t count = 1 + (uint32_t)rnd(m, rnd(m, 8) == 0 ? 90 : 3), validity;
	struct append *add = arena_array(&m->f.a, struct append, count);
	struct arrival *arrival = test_message(&m->f, "model");
	uint16_t flags = (uint16_t)rnd(m, 32);
	uint8_t keywords = (uint8_t)(rnd(m, 3) == 0 ? 1 << rnd(m, KEYWORDS) : 0);
	char name[3] = { 'k', (char)('0' + (keywords ? __builtin_ctz(keywords) : 0)), 0 };
	struct str keyword = str_c(name);
	BUF_CLEAN struct buf list = BUF_MAX(4096);
	uint8_t notes = (uint8_t)(rnd(m, 3) == 0 ? rnd(m, 256) : 0);
	struct annotation changes[3];
	struct m_session *s = random_session(m);
	struct snapshot *after = NULL;
	struct uid first;
	struct m_state *state;
	uint64_t id = b->id;
	enum err e;

	MUST(m,
	    notes_change(STR_NONE, changes, note_changes(m, notes, false, changes), &list)
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
	b = box_of(state, id);
	MUST(m, first.v == b->uidnext);
	b->highestmodseq = state->version;
	for (uint32_t i = 0; i < count; i++)
		box_add(m, b,
		    (struct m_entry){ .flags = flags,
			.keywords = keywords,
			.notes = notes,
			.modseq = state->version });
	SAY(m, "append %u to %s: version %llu\n", count, b->name,
	    (unsigned long long)state->version);
}

static void
do_open(struct model *m)
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
	take_back(m);
	if (e != ERR_OK) {
		MUST(m, e == ERR_NOTFOUND || e == ERR_IO || e == ERR_FULL || e == ERR_CONFLICT);
		return;
	}
	if (s->view == NULL)
		return; /* taken back */
	state = state_of(m, view_version(s->view));
	MUST(m, state != NULL);
	b = box_of(state, id);
	MUST(m, b != NULL);
	s->box = id;
	s->is_gone = false;
	s->told_count = b->count;
	s->told = arena_array(&m->f.a, struct m_entry, b->count + 1);
	if (b->count != 0)
		memcpy(s->told, b->e, b->count * sizeof(*s->told));
	SAY(m, "open %s at %llu\n", b->name, (unsigned long long)state->version);
	compare_view(m, s);
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

static void
do_refresh(struct model *m)
{
	struct m_session *s = random_session(m);
	enum view_tell tell = rnd(m, 2) == 0 ? TELL_ALL : TELL_NO_EXPUNGE;
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
	take_back(m);
	if (s->view == NULL || e == ERR_IO || e == ERR_FULL || e == ERR_CONFLICT)
		return;
	MUST(m, e == ERR_OK);
	state = state_of(m, view_version(s->view));
	MUST(m, state != NULL);
	b = box_of(state, s->box);
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
	compare_view(m, s);
	for (uint32_t i = 0; i < count; i++) {
		if (now[i].is_ghost)
			MUST(m, view_highestmodseq(s->view) < state->version);
	}
}

static struct rangeset
random_uids(struct model *m, uint32_t uidnext)
{
	struct rangeset set = RANGESET_NONE;
	uint32_t n = 1 + (uint32_t)rnd(m, 4);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = 1 + (uint32_t)rnd(m, uidnext + 3),
			 last = first + (uint32_t)rnd(m, rnd(m, 3) == 0 ? 100 : 4);

		rangeset_add(&set, first, last);
	}
	return set;
}

static void
do_store(struct model *m)
{
	struct m_session *s = random_session(m);
	struct flags_change change = { .op = (enum flags_op)rnd(m, 3),
		.flags = (uint16_t)rnd(m, 32) };
	uint8_t keywords = (uint8_t)(rnd(m, 2) == 0 ? 1 << rnd(m, KEYWORDS) : 0);
	char name[3] = { 'k', (char)('0' + (keywords ? __builtin_ctz(keywords) : 0)), 0 };
	struct str keyword = str_c(name);
	struct rangeset uids, changed = RANGESET_NONE, modified = RANGESET_NONE;
	uint32_t cursor = 0;

	if (s->view == NULL)
		return;
	uids = random_uids(m, view_mailbox(s->view)->uidnext);
	change.keywords = &keyword;
	change.keyword_count = keywords != 0;
	if (rnd(m, 4) == 0) {
		change.has_unchangedsince = true;
		change.unchangedsince = rnd(m, latest(m)->version + 1);
	}
	while (cursor != UINT32_MAX && s->view != NULL) {
		struct snapshot *after = NULL;
		struct m_state *state;
		uint64_t box = s->box;
		struct m_box *b;
		enum err e;

		e = UNTIL_DONE(&m->f.b,
		    messages_store(s->view, &uids, &change, &cursor, &m->f.b.w, &changed, &modified,
			&after));
		if (e == ERR_NOTFOUND || failed(m, e)) {
			snapshot_unref(after);
			break;
		}
		if (after == NULL)
			continue;
		state = note(m, s, after);
		b = box_of(state, box);
		own(m, b);
		b->highestmodseq = state->version;
		for (uint32_t i = 0; i < b->count; i++) {
			struct m_entry *x = &b->e[i], was = *x;

			if (!rangeset_contains(&uids, x->uid) || x->uid >= cursor)
				continue;
			if (change.has_unchangedsince && x->modseq > change.unchangedsince) {
				MUST(m, rangeset_contains(&modified, x->uid));
				continue;
			}
			if (change.op == FLAGS_SET) {
				x->flags = change.flags;
				x->keywords = keywords;
			} else if (change.op == FLAGS_ADD) {
				x->flags |= change.flags;
				x->keywords |= keywords;
			} else {
				x->flags &= (uint16_t)~change.flags;
				x->keywords &= (uint8_t)~keywords;
			}
			if (x->flags != was.flags || x->keywords != was.keywords)
				x->modseq = state->version;
			MUST(m,
			    rangeset_contains(&changed, x->uid) == (x->modseq == state->version));
		}
		SAY(m, "store on %s: version %llu\n", b->name, (unsigned long long)state->version);
	}
	rangeset_done(&uids);
	rangeset_done(&changed);
	rangeset_done(&modified);
}

static void
do_note(struct model *m)
{
	struct m_session *s = random_session(m);
	uint8_t notes = (uint8_t)rnd(m, 256);
	struct annotation changes[3];
	struct notes_change change = { .changes = changes,
		.count = note_changes(m, notes, true, changes) };
	struct rangeset uids, changed = RANGESET_NONE, modified = RANGESET_NONE;
	uint32_t cursor = 0;

	if (s->view == NULL)
		return;
	uids = random_uids(m, view_mailbox(s->view)->uidnext);
	if (rnd(m, 4) == 0) {
		change.has_unchangedsince = true;
		change.unchangedsince = rnd(m, latest(m)->version + 1);
	}
	while (cursor != UINT32_MAX && s->view != NULL) {
		struct snapshot *after = NULL;
		struct m_state *state;
		uint64_t box = s->box;
		struct m_box *b;
		enum err e;

		e = UNTIL_DONE(&m->f.b,
		    messages_annotate(s->view, &uids, &change, &cursor, &m->f.b.w, &changed,
			&modified, &after));
		if (e == ERR_NOTFOUND || failed(m, e)) {
			snapshot_unref(after);
			break;
		}
		if (after == NULL)
			continue;
		state = note(m, s, after);
		b = box_of(state, box);
		own(m, b);
		b->highestmodseq = state->version;
		for (uint32_t i = 0; i < b->count; i++) {
			struct m_entry *x = &b->e[i];

			if (!rangeset_contains(&uids, x->uid) || x->uid >= cursor)
				continue;
			if (change.has_unchangedsince && x->modseq > change.unchangedsince) {
				MUST(m, rangeset_contains(&modified, x->uid));
				continue;
			}
			if (x->notes != notes)
				x->modseq = state->version;
			x->notes = notes;
			MUST(m,
			    rangeset_contains(&changed, x->uid) == (x->modseq == state->version));
		}
		SAY(m, "note on %s: version %llu\n", b->name, (unsigned long long)state->version);
	}
	rangeset_done(&uids);
	rangeset_done(&changed);
	rangeset_done(&modified);
}

static void
do_expunge(struct model *m)
{
	struct m_session *s = random_session(m);
	struct rangeset uids, gone = RANGESET_NONE;
	bool all = rnd(m, 2) == 0;
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
		b = box_of(state, box);
		b->highestmodseq = state->version;
		for (uint32_t i = b->count; i != 0; i--) {
			struct m_entry x = b->e[i - 1];

			if ((x.flags & FLAG_DELETED) == 0 || x.uid >= cursor
			    || (!all && !rangeset_contains(&uids, x.uid)))
				continue;
			MUST(m, rangeset_contains(&gone, x.uid));
			box_remove(m, b, i - 1);
		}
		SAY(m, "expunge on %s: version %llu\n", b->name,
		    (unsigned long long)state->version);
	}
	rangeset_done(&uids);
	rangeset_done(&gone);
}

static void
do_copy(struct model *m, bool moves)
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
			note_stages(m, after);
		state = note(m, s, after);
		b = box_of(state, box);
		d = box_of(state, dest);
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
			box_add(m, d, x);
			if (moves)
				box_remove(m, b, k);
			else
				k++;
		}
		SAY(m, "%s: version %llu\n", moves ? "move" : "copy",
		    (unsigned long long)state->version);
	}
	rangeset_done(&uids);
}

static void
do_mailbox(struct model *m)
{
	struct m_box *b = &latest(m)->box[1 + rnd(m, BOXES - 1)];
	long i = b - latest(m)->box;
	struct snapshot *after = NULL;
	struct m_state *state;
	char name[16];
	enum err e;

	snprintf(name, sizeof(name), "m%u.%u", (unsigned)i & 7, m->step & 0xFFFFFF);
	if (b->id == 0) {
		e = mailbox_create(m->f.account, str_c(name), 0, &m->f.b.w, &after);
		if (failed(m, e))
			return;
		state = push(m, snapshot_version(after));
		b = &state->box[i];
		*b = (struct m_box){ .id = snapshot_mailbox(after, str_c(name))->id.v,
			.uidnext = 1,
			.highestmodseq = state->version };
		memcpy(b->name, name, sizeof(name));
	} else if (rnd(m, 2) == 0) {
		e = mailbox_rename(m->f.account, str_c(b->name), str_c(name), &m->f.b.w, &after);
		if (failed(m, e))
			return;
		state = push(m, snapshot_version(after));
		memcpy(state->box[i].name, name, sizeof(name));
	} else {
		e = mailbox_delete(m->f.account, str_c(b->name), &m->f.b.w, &after);
		if (failed(m, e))
			return;
		state = push(m, snapshot_version(after));
		state->box[i] = (struct m_box){ 0 };
	}
	SAY(m, "mailbox %s: version %llu\n", name, (unsigned long long)state->version);
	compare_snapshot(m, after, state);
	snapshot_unref(after);
}

static void
do_vanished(struct model *m)
{
	struct m_session *s = random_session(m);
	struct rangeset *gone = NULL;
	struct m_state *then;
	struct m_box *b;
	enum err e;

	if (s->view == NULL || view_is_gone(s->view) || s->view->is_resting)
		return;
	then = &m->states[rnd(m, m->state_count)];
	b = box_of(then, s->box);
	if (b == NULL || then->version > view_version(s->view))
		return;
	e = UNTIL_DONE(&m->f.b,
	    view_vanished_since(s->view, then->version, NULL, &m->f.b.w, &m->f.a, &gone));
	take_back(m);
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

static void
do_rest(struct model *m)
{
	struct m_session *s = random_session(m);

	if (s->view != NULL)
		view_rest(s->view);
}

/* ---- trouble --------------------------------------------------------------------------------- */

static void
do_evict(struct model *m)
{
	size_t cache = m->f.store->o.cache_bytes;

	m->f.store->o.cache_bytes = 0;
	m->f.account->loaded_us = 0;
	account_evict(m->f.account);
	m->f.store->o.cache_bytes = cache;
}

static void
reopen(struct model *m)
{
	struct snapshot *s;
	uint64_t durable;

	fixture_open_store(&m->f);
	blocker_init(&m->f.b, m->f.kv);
	MUST(m,
	    UNTIL_DONE(&m->f.b,
		store_account_open(m->f.store, STR("joe"), ACCOUNT_EXISTING, &m->f.b.w,
		    &m->f.account))
		== ERR_OK);
	s = account_snapshot(m->f.account, NULL);
	durable = snapshot_version(s);
	SAY(m, "reopened at %llu, model at %llu\n", (unsigned long long)durable,
	    (unsigned long long)latest(m)->version);
	while (m->state_count != 0 && latest(m)->version > durable)
		m->state_count--;
	MUST(m, m->state_count != 0 && latest(m)->version == durable);
	compare_snapshot(m, s, latest(m));
	snapshot_unref(s);
}

static void
do_power_cut(struct model *m)
{
	struct snapshot *s = account_snapshot(m->f.account, NULL);
	uint64_t acknowledged = snapshot_version(s);

	snapshot_unref(s);
	for (int i = 0; i < SESSIONS; i++)
		end_session(&m->s[i]);
	waiter_cancel(&m->f.b.w);
	kv_memory_power_cut(m->f.kv);
	store_discard(m->f.store);
	reopen(m);
	MUST(m, latest(m)->version >= acknowledged);
	SAY(m, "power cut: back to %llu\n", (unsigned long long)latest(m)->version);
}

static void
do_restart(struct model *m)
{
	for (int i = 0; i < SESSIONS; i++)
		end_session(&m->s[i]);
	fixture_settle(&m->f);
	take_back(m);
	if (kv_is_failed(m->f.kv)) {
		do_power_cut(m); /* what was taken back may be on the disk all the same */
		return;
	}
	kv_memory_fail_at(m->f.kv, 0, ERR_OK);
	account_unref(m->f.account);
	store_close(m->f.store);
	reopen(m);
}

static void
command(struct model *m)
{
	uint64_t what = rnd(m, 100);

	if (kv_is_failed(m->f.kv))
		do_power_cut(m); /* nothing works any more until the next start */
	else if (what < 15)
		do_append(m);
	else if (what < 25)
		do_open(m);
	else if (what < 45)
		do_refresh(m);
	else if (what < 54)
		do_store(m);
	else if (what < 58)
		do_note(m);
	else if (what < 65)
		do_expunge(m);
	else if (what < 70)
		do_copy(m, false);
	else if (what < 76)
		do_copy(m, true);
	else if (what < 81)
		do_mailbox(m);
	else if (what < 84)
		do_vanished(m);
	else if (what < 87)
		do_evict(m);
	else if (what < 90)
		do_rest(m);
	else if (what < 91 && rnd(m, 3) == 0)
		kv_memory_fail_at(m->f.kv, 1 + rnd(m, 6),
		    (const enum err[]){ ERR_CONFLICT, ERR_FULL, ERR_IO }[rnd(m, 3)]);
	else if (what < 92 && rnd(m, 4) == 0)
		do_power_cut(m);
	else if (what < 93 && rnd(m, 4) == 0)
		do_restart(m);
	else
		for (uint64_t n = rnd(m, 5); n != 0; n--)
			kv_memory_step(m->f.kv);
	take_back(m);
}

static void
run(uint64_t seed, uint32_t steps, bool is_verbose)
{
	struct model m = { .seed = seed, .random = seed * 77 + 1, .is_verbose = is_verbose };
	struct snapshot *s;
	uint32_t n = 0;

	fixture_init_seed(&m.f, true, seed);
	m.states = xcalloc(VERSIONS, sizeof(*m.states));
	s = account_snapshot(m.f.account, NULL);
	m.states[0].version = snapshot_version(s);
	m.state_count = 1;
	for (uint32_t i = 0; snapshot_mailbox_at(s, i) != NULL; i++) {
		const struct mailbox_info *info = snapshot_mailbox_at(s, i);

		m.states[0].box[n] = (struct m_box){ .id = info->id.v,
			.uidnext = 1,
			.highestmodseq = info->highestmodseq };
		snprintf(m.states[0].box[n++].name, sizeof(m.states[0].box[0].name), "%.*s",
		    STR_F(info->name));
	}
	snapshot_unref(s);
	for (m.step = 0; m.step < steps; m.step++)
		command(&m);
	kv_memory_fail_at(m.f.kv, 0, ERR_OK);
	if (kv_is_failed(m.f.kv))
		do_power_cut(&m);
	fixture_settle(&m.f);
	take_back(&m);
	s = account_snapshot(m.f.account, NULL);
	MUST(&m, snapshot_version(s) == latest(&m)->version);
	compare_snapshot(&m, s, latest(&m));
	snapshot_unref(s);
	compare_rows(&m);
	for (int i = 0; i < SESSIONS; i++)
		end_session(&m.s[i]);
	fixture_done(&m.f);
	free(m.states);
}

static void
test_model(void)
{
	for (uint64_t seed = 1; seed <= 30; seed++)
		run(seed, 200, false);
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { TEST(test_model) };
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 0,
		 seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint32_t steps = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 400;

	if (argc < 2)
		return test_run(cases, ARRAY_LEN(cases));
	for (uint64_t i = 0; i < count; i++)
		run(seed + i, steps, count == 1);
	printf("%llu histories of %u commands\n", (unsigned long long)count, steps);
	return 0;
}

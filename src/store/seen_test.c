/*
 * seen_test.c - private \Seen: what three users do to two mailboxes, beside a naive model of what
 * each of them is to see. A few short histories; `seen_test COUNT [SEED [STEPS]]` runs others.
 */
#include "store/annotation.h"
#include "store/put_back.h"
#include "store/seen_int.h"
#include "store/sharing.h"
#include "store/store_test_util.h"
#include "store/verify.h"
#include "store/view_int.h"

enum { USERS = 3, BOXES = 2, MESSAGES_MAX = 400 };

/* A message as each user is to see it. */
struct model_message {
	uint32_t uid;
	bool is_flagged;
	/* [0]: the owner, whose \Seen is that of all while it is shared */
	bool seen[USERS];
	uint64_t modseq[USERS]; /* as the view has told last */
	bool is_news[USERS];    /* something changed that he has to be told */
};

struct model_box {
	struct mailbox_id id;
	struct model_message m[MESSAGES_MAX];
	uint32_t n;
	bool is_private;
	struct view *view[USERS];
};

struct world {
	struct fixture f;
	struct account *guests[USERS]; /* [0] unused */
	struct model_box box[BOXES];
	uint64_t seed;
	unsigned step;
};

static uint32_t
dice(struct world *w, uint32_t n)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return (uint32_t)(w->seed >> 11) % n;
}

static struct account_id
who(const struct world *w, unsigned user)
{
	return user == 0 ? account_id(w->f.account) : account_id(w->guests[user]);
}

static bool
sees(const struct model_box *b, const struct model_message *m, unsigned user)
{
	return m->seen[b->is_private ? user : 0];
}

static void
open_views(struct world *w)
{
	for (unsigned i = 0; i < BOXES; i++) {
		for (unsigned u = 0; u < USERS; u++) {
			struct snapshot *s = account_snapshot(w->f.account, NULL);
			struct model_box *b = &w->box[i];

			CHECK(UNTIL_DONE(&w->f.b,
				  view_open_as(s, b->id, who(w, u), VIEW_READ_WRITE, &w->f.b.w,
				      &b->view[u]))
			    == ERR_OK);
			snapshot_unref(s);
			for (uint32_t k = 0; k < b->n; k++)
				b->m[k].is_news[u] = false;
		}
	}
}

static void
close_views(struct world *w)
{
	for (unsigned i = 0; i < BOXES; i++) {
		for (unsigned u = 0; u < USERS; u++) {
			view_close(w->box[i].view[u]);
			w->box[i].view[u] = NULL;
		}
	}
}

/* Everything through every question that a view answers. */
static void
check_view(struct world *w, struct model_box *b, unsigned user)
{
	const struct account_id reader = { user == 0 ? 0 : who(w, user).v };
	struct snapshot *s = account_latest(w->f.account);
	const struct mailbox_info *info = snapshot_mailbox_by_id(s, b->id);
	uint32_t unseen = 0, first = 0, next_seen = 0;
	struct view *v = b->view[user];
	uint64_t highest = 0;
	struct seqnum seq;
	struct entry e;

	CHECK_U64(view_exists(v), b->n);
	for (uint32_t i = 0; i < b->n; i++) {
		const struct model_message *m = &b->m[i];
		bool is_seen = sees(b, m, user);

		CHECK(view_entry(v, (struct uid){ m->uid }, &e));
		CHECK_U64(e.flags & FLAG_SEEN, is_seen ? FLAG_SEEN : 0);
		CHECK_U64(e.flags & FLAG_FLAGGED, m->is_flagged ? FLAG_FLAGGED : 0);
		highest = MAX(highest, e.modseq);
		unseen += !is_seen;
		if (!is_seen && first == 0)
			first = i + 1;
		if (is_seen && m->is_flagged && next_seen == 0)
			next_seen = m->uid;
	}
	CHECK_U64(mailbox_unseen(info, reader), unseen);
	CHECK_U64(view_first_unseen(v).v, first);
	CHECK(view_next_flags(v, 0, FLAG_SEEN | FLAG_FLAGGED, 0, &e, &seq) == (next_seen != 0));
	CHECK(next_seen == 0 || e.uid.v == next_seen);
	CHECK(highest <= view_highestmodseq(v));
	CHECK_U64(mailbox_highestmodseq(info, reader), view_highestmodseq(v));
	snapshot_unref(s);
}

/* CHANGEDSINCE finds what has a later modseq, and nothing else. */
static void
check_changed_since(struct world *w, struct model_box *b, unsigned user)
{
	struct view *v = b->view[user];
	uint64_t since = dice(w, (uint32_t)view_highestmodseq(v) + 2);
	uint32_t at = 0;
	struct entry e;

	for (uint32_t i = 0; i < b->n; i++) {
		struct entry here;

		CHECK(view_entry(v, (struct uid){ b->m[i].uid }, &here));
		if (here.modseq <= since)
			continue;
		CHECK(view_next_changed(v, at, since, &e, NULL));
		CHECK_U64(e.uid.v, here.uid.v);
		at = e.uid.v + 1;
	}
	CHECK(!view_next_changed(v, at, since, &e, NULL));
}

/*
 * The views catch up: each is told what its user has to be told, and nothing that another did to
 * his own \Seen.
 */
static void
catch_up(struct world *w)
{
	struct snapshot *s = account_latest(w->f.account);

	for (unsigned k = 0; k < BOXES * USERS; k++) {
		struct model_box *b = &w->box[k / USERS];
		unsigned user = k % USERS;
		struct view_changes ch;
		uint32_t told = 0;

		if (b->view[user]->is_resting && dice(w, 3) != 0)
			continue;
		CHECK(UNTIL_DONE(&w->f.b,
			  view_refresh(b->view[user], s, TELL_ALL, &w->f.b.w, &w->f.a, &ch))
		    == ERR_OK);
		for (uint32_t i = 0; i < b->n; i++) {
			struct model_message *m = &b->m[i];
			struct entry e;

			if (told < ch.changed_count && ch.changed[told].v == m->uid) {
				CHECK(m->is_news[user]);
				CHECK(view_entry(b->view[user], ch.changed[told], &e)
				    && e.modseq > m->modseq[user]);
				told++;
			} else {
				CHECK(!m->is_news[user] || m->modseq[user] == 0);
			}
			CHECK(view_entry(b->view[user], (struct uid){ m->uid }, &e));
			CHECK(e.modseq >= m->modseq[user]);
			m->modseq[user] = e.modseq;
			m->is_news[user] = false;
		}
		CHECK_U64(told, ch.changed_count);
		check_view(w, b, user);
		check_changed_since(w, b, user);
		if (dice(w, 4) == 0)
			view_rest(b->view[user]);
	}
	snapshot_unref(s);
	arena_reset(&w->f.a);
}

static void
wake(struct world *w, struct model_box *b, unsigned user)
{
	while (b->view[user]->is_resting)
		catch_up(w);
}

/* ---- what users do --------------------------------------------------------------------------- */

static struct model_message *
add_message(struct model_box *b, uint32_t uid)
{
	struct model_message *m = &b->m[b->n++];

	*m = (struct model_message){ .uid = uid };
	for (unsigned u = 0; u < USERS; u++)
		m->is_news[u] = true;
	return m;
}

static void
do_append(struct world *w, struct model_box *b, unsigned user)
{
	struct append m = { .flags = dice(w, 2) ? FLAG_SEEN : 0, .who = who(w, user) };
	struct snapshot *after = NULL;
	struct model_message *added;
	uint32_t validity;
	struct uid uid;

	if (b->n == MESSAGES_MAX)
		return;
	m.arrival = test_message(&w->f, "seen");
	CHECK(UNTIL_DONE(&w->f.b,
		  messages_append(w->f.account, b->id, &m, 1, &w->f.b.w, &uid, &validity, &after))
	    == ERR_OK);
	arrival_unref(m.arrival);
	snapshot_unref(after);
	added = add_message(b, uid.v);
	added->seen[b->is_private ? user : 0] = m.flags != 0;
}

static void
random_set(struct world *w, const struct model_box *b, struct rangeset *out)
{
	uint32_t n = 1 + dice(w, 5), at = dice(w, b->n);

	for (uint32_t i = at; i < b->n && i < at + n; i++)
		rangeset_add_one(out, b->m[i].uid);
}

static void
do_store(struct world *w, struct model_box *b, unsigned user)
{
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE, changed = RANGESET_NONE,
				       modified = RANGESET_NONE;
	struct flags_change change = { .op = (enum flags_op)dice(w, 3),
		.flags = (uint16_t)(dice(w, 4) == 0 ? FLAG_FLAGGED : FLAG_SEEN) };
	struct snapshot *after = NULL;
	uint32_t cursor = 0;

	wake(w, b, user);
	random_set(w, b, &uids);
	if (dice(w, 3) == 0) {
		struct entry e;

		change.has_unchangedsince = true;
		change.unchangedsince =
		    view_entry(b->view[user], (struct uid){ b->m[0].uid }, &e) ? e.modseq : 0;
	}
	CHECK(UNTIL_DONE(&w->f.b,
		  messages_store(b->view[user], &uids, &change, &cursor, &w->f.b.w, &changed,
		      &modified, &after))
	    == ERR_OK);
	snapshot_unref(after);
	for (uint32_t i = 0; i < b->n; i++) {
		struct model_message *m = &b->m[i];
		bool *seen = &m->seen[b->is_private ? user : 0], is_seen = *seen,
		     is_flagged = m->is_flagged;

		if (!rangeset_contains(&uids, m->uid) || rangeset_contains(&modified, m->uid))
			continue;
		if (change.op == FLAGS_SET)
			is_seen = is_flagged = false;
		if ((change.flags & FLAG_SEEN) != 0)
			is_seen = change.op != FLAGS_REMOVE;
		if ((change.flags & FLAG_FLAGGED) != 0)
			is_flagged = change.op != FLAGS_REMOVE;
		CHECK(rangeset_contains(&changed, m->uid)
		    == (is_seen != *seen || is_flagged != m->is_flagged));
		for (unsigned u = 0; u < USERS; u++)
			m->is_news[u] = m->is_news[u] || is_flagged != m->is_flagged
			    || (is_seen != *seen && (!b->is_private || u == user));
		*seen = is_seen;
		m->is_flagged = is_flagged;
	}
}

static void
model_remove(struct model_box *b, const struct rangeset *uids)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		if (!rangeset_contains(uids, b->m[i].uid))
			b->m[n++] = b->m[i];
	}
	b->n = n;
}

static void
do_expunge(struct world *w, struct model_box *b, unsigned user)
{
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE, changed = RANGESET_NONE,
				       gone = RANGESET_NONE;
	const struct flags_change change = { .op = FLAGS_ADD, .flags = FLAG_DELETED };
	struct snapshot *after = NULL;
	uint32_t cursor = 0;

	wake(w, b, user);
	random_set(w, b, &uids);
	CHECK(UNTIL_DONE(&w->f.b,
		  messages_store(b->view[user], &uids, &change, &cursor, &w->f.b.w, &changed, &gone,
		      &after))
	    == ERR_OK);
	snapshot_unref(after);
	cursor = 0;
	CHECK(UNTIL_DONE(&w->f.b,
		  messages_expunge(b->view[user], &uids, &cursor, &w->f.b.w, &gone, &after))
	    == ERR_OK);
	snapshot_unref(after);
	CHECK_U64(rangeset_count(&gone), rangeset_count(&uids));
	model_remove(b, &gone);
}

/* COPY, or MOVE, to the other mailbox of the account. */
static void
do_copy(struct world *w, unsigned at, unsigned user, bool moves)
{
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	struct model_box *from = &w->box[at], *to = &w->box[1 - at];
	struct snapshot *after = NULL, *into = NULL;
	struct copied copied = { 0 };
	uint32_t cursor = 0, uid;

	wake(w, from, user);
	random_set(w, from, &uids);
	if (to->n + rangeset_count(&uids) > MESSAGES_MAX)
		return;
	if (moves)
		CHECK(
		    UNTIL_DONE(&w->f.b,
			messages_move_as(from->view[user], &uids, COPY_WHOLE, w->f.account, to->id,
			    RIGHTS_ALL, &cursor, &w->f.b.w, &w->f.a, &copied, &after, &into))
		    == ERR_OK);
	else
		CHECK(UNTIL_DONE(&w->f.b,
			  messages_copy_as(from->view[user], &uids, COPY_WHOLE, w->f.account,
			      to->id, RIGHTS_ALL, &w->f.b.w, &w->f.a, &copied, &after))
		    == ERR_OK);
	snapshot_unref(after);
	snapshot_unref(into);
	uid = rangeset_min(copied.to);
	for (uint32_t i = 0; i < from->n; i++) {
		struct model_message *m = &from->m[i], *n;

		if (!rangeset_contains(&uids, m->uid))
			continue;
		n = add_message(to, uid++);
		n->is_flagged = m->is_flagged;
		for (unsigned u = 0; u < USERS; u++) {
			if (!to->is_private)
				n->seen[u] = u == 0 && sees(from, m, user);
			else if (u == user)
				n->seen[u] = sees(from, m, user);
			else
				n->seen[u] = moves && (from->is_private || u == 0) && m->seen[u];
		}
	}
	if (moves)
		model_remove(from, &uids);
}

/* \Seen becomes private, or shared: guests are told of everything, the owner of nothing. */
static void
do_switch(struct world *w, struct model_box *b)
{
	const struct mailbox_settings settings = { .sets_seen = true,
		.is_seen_private = !b->is_private };
	struct snapshot *after = NULL;

	CHECK(mailbox_annotate(w->f.account, b->id, NULL, 0, &settings, &after) == ERR_OK);
	snapshot_unref(after);
	b->is_private = !b->is_private;
	for (uint32_t i = 0; i < b->n; i++) {
		for (unsigned u = 1; u < USERS; u++)
			b->m[i].is_news[u] = true;
	}
}

static void
open_accounts(struct world *w)
{
	static const char *const names[USERS] = { "joe", "ann", "bob" };

	for (unsigned u = 0; u < USERS; u++)
		CHECK(UNTIL_DONE(&w->f.b,
			  store_account_open(w->f.store, str_c(names[u]), ACCOUNT_CREATE, &w->f.b.w,
			      u == 0 ? &w->f.account : &w->guests[u]))
		    == ERR_OK);
}

/* What is in memory is what the engine has. */
static void
reopen(struct world *w)
{
	close_views(w);
	fixture_settle(&w->f);
	for (unsigned u = 0; u < USERS; u++)
		account_unref(u == 0 ? w->f.account : w->guests[u]);
	store_close(w->f.store);
	fixture_open_store(&w->f);
	open_accounts(w);
	open_views(w);
}

static void
no_finding(unused_arg void *ctx, const struct verify_finding *f)
{
	BUF_CLEAN struct buf text = BUF_MAX(4096);

	verify_finding_text(f, &text);
	printf("# %.*s\n", STR_F(buf_str(&text)));
}

static void
prove(struct world *w)
{
	const struct verify_options o = { .kv = w->f.kv, .found = no_finding };
	struct snapshot *s = account_latest(w->f.account);
	struct verify_result r;

	test_wait_durable(&w->f, s);
	snapshot_unref(s);
	CHECK(verify_run(&o, &r) == ERR_OK);
	CHECK_U64(r.findings, 0);
}

static void
step(struct world *w)
{
	unsigned at = dice(w, BOXES), user = dice(w, USERS);
	struct model_box *b = &w->box[at];

	switch (b->n == 0 ? 0 : dice(w, 12)) {
	case 0:
	case 1:
		do_append(w, b, user);
		break;
	case 2:
		do_expunge(w, b, user);
		break;
	case 3:
		do_copy(w, at, user, false);
		break;
	case 4:
		do_copy(w, at, user, true);
		break;
	case 5:
		if (dice(w, 10) == 0)
			do_switch(w, b);
		break;
	case 6:
		if (dice(w, 20) == 0)
			reopen(w);
		break;
	default:
		do_store(w, b, user);
	}
	if (dice(w, 3) == 0)
		catch_up(w);
	w->step++;
}

static void
world_init(struct world *w, bool is_manual, uint64_t seed)
{
	*w = (struct world){ .seed = seed * 0x9E3779B97F4A7C15 + 1 };
	fixture_init_seed(&w->f, is_manual, seed);
	account_unref(w->f.account);
	open_accounts(w);
	w->box[0].id = test_box(&w->f, "INBOX");
	w->box[1].id = test_box(&w->f, "Archive");
	open_views(w);
}

static void
world_done(struct world *w)
{
	close_views(w);
	fixture_settle(&w->f);
	for (unsigned u = 1; u < USERS; u++)
		account_unref(w->guests[u]);
	fixture_done(&w->f);
}

/*
 * In manual mode the engine answers when it is stepped, so that commits wait in the queue while
 * pages are loaded.
 */
static void
run(bool is_manual, uint64_t seed, unsigned steps)
{
	struct world *w = xcalloc(1, sizeof(*w));

	world_init(w, is_manual, seed);
	do_switch(w, &w->box[0]);
	while (w->step < steps && test_failures == 0)
		step(w);
	if (test_failures != 0)
		printf("# seed %llu, step %u\n", (unsigned long long)seed, w->step);
	for (unsigned i = 0; i < BOXES; i++) {
		for (unsigned u = 0; u < USERS; u++)
			wake(w, &w->box[i], u);
	}
	if (!is_manual)
		prove(w);
	world_done(w);
	free(w);
}

static void
test_histories(void)
{
	for (uint64_t seed = 1; seed <= 12; seed++)
		run(false, seed, 200);
}

static void
test_histories_with_a_slow_engine(void)
{
	for (uint64_t seed = 1; seed <= 12; seed++)
		run(true, seed, 200);
}

/* ---- what is kept no longer than it is of use, and no more than is bounded ------------------- */

static struct seen_users *
users_of(struct world *w, const struct model_box *b)
{
	struct snapshot *s = account_latest(w->f.account);
	struct seen_users *users = seen_users_ref(snapshot_mailbox_by_id(s, b->id)->state->seen);

	snapshot_unref(s);
	return users;
}

/* A user marks the first message as seen. */
static enum err
mark_first(struct world *w, struct model_box *b, struct account_id user)
{
	RANGESET_CLEAN struct rangeset uids = test_set("1"), changed = RANGESET_NONE,
				       modified = RANGESET_NONE;
	const struct flags_change change = { .op = FLAGS_ADD, .flags = FLAG_SEEN };
	struct snapshot *s = account_latest(w->f.account), *after = NULL;
	uint32_t cursor = 0;
	struct view *v;
	enum err e;

	CHECK(UNTIL_DONE(&w->f.b, view_open_as(s, b->id, user, VIEW_SEEN_ONLY, &w->f.b.w, &v))
	    == ERR_OK);
	e = UNTIL_DONE(&w->f.b,
	    messages_store(v, &uids, &change, &cursor, &w->f.b.w, &changed, &modified, &after));
	snapshot_unref(after);
	snapshot_unref(s);
	view_close(v);
	return e;
}

/* A private mailbox with a message that all three have seen. */
static void
world_init_seen(struct world *w)
{
	world_init(w, false, 1);
	do_switch(w, &w->box[0]);
	test_append(&w->f, w->box[0].id, 0, NULL);
	for (unsigned u = 0; u < USERS; u++)
		CHECK(mark_first(w, &w->box[0], who(w, u)) == ERR_OK);
}

static void
test_deleted_user(void)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct seen_users *users;
	uint64_t bob;

	world_init_seen(w);
	bob = who(w, 2).v;
	users = users_of(w, &w->box[0]);
	CHECK(users->count == 3 && seen_users_find(users, bob) != NULL
	    && seen_users_find(users, SEEN_OWNER) != NULL);
	seen_users_unref(users);
	store_tick(w->f.store);
	CHECK(
	    UNTIL_DONE(&w->f.b, store_account_delete(w->f.store, STR("bob"), &w->f.b.w)) == ERR_OK);
	store_tick(w->f.store);
	users = users_of(w, &w->box[0]);
	CHECK_U64(users->count, 3); /* as long as there is something of him */
	seen_users_unref(users);
	close_views(w);
	for (unsigned u = 0; u < USERS; u++)
		account_unref(u == 0 ? w->f.account : w->guests[u]);
	store_close(w->f.store);
	fixture_open_store(&w->f);
	store_tick(w->f.store);
	store_tick(w->f.store);
	open_accounts(w);
	users = users_of(w, &w->box[0]);
	CHECK(users->count == 2 && seen_users_find(users, bob) == NULL);
	seen_users_unref(users);
	open_views(w);
	prove(w);
	world_done(w);
	free(w);
}

/* The next one is refused, and nothing else is. */
static void
test_too_many_users(void)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct seen_users *users;

	world_init_seen(w);
	for (uint64_t u = USERS; u < SEEN_USERS_MAX; u++)
		CHECK(mark_first(w, &w->box[0], (struct account_id){ 1000 + u }) == ERR_OK);
	CHECK(mark_first(w, &w->box[0], (struct account_id){ 999 }) == ERR_LIMIT);
	CHECK(mark_first(w, &w->box[0], who(w, 1)) == ERR_OK);
	do_append(w, &w->box[0], 0);
	users = users_of(w, &w->box[0]);
	CHECK_U64(users->count, SEEN_USERS_MAX);
	seen_users_unref(users);
	reopen(w);
	users = users_of(w, &w->box[0]);
	CHECK_U64(users->count, SEEN_USERS_MAX);
	seen_users_unref(users);
	prove(w);
	world_done(w);
	free(w);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void
put(struct world *w, enum kv_kind kind, struct row_key key, struct str value)
{
	struct kv_txn *t =
	    kv_txn_new(w->f.kv, account_id(w->f.account), KV_UNVERSIONED, KV_UNVERSIONED);

	if (value.p == NULL)
		kv_del(t, kind, row_key_str(&key));
	else
		kv_put(t, kind, row_key_str(&key), value);
	CHECK(kv_commit_now(w->f.kv, &t, 1) == ERR_OK);
}

static void
no_words(void *ctx, const struct verify_finding *f)
{
	enum verify_kind *kind = ctx;

	*kind = f->kind;
}

/* Verify finds it, and makes it good. */
static void
check_found(struct world *w, enum verify_kind want, uint64_t findings)
{
	enum verify_kind kind = VERIFY_KINDS;
	struct verify_options o = { .kv = w->f.kv, .found = no_words, .ctx = &kind };
	struct verify_result r;

	CHECK(verify_run(&o, &r) == ERR_OK);
	CHECK_U64(r.findings, findings);
	CHECK_U64(kind, want);
	o.may_repair = true;
	CHECK(verify_run(&o, &r) == ERR_OK);
	CHECK_U64(r.repaired, findings);
	o.may_repair = false;
	CHECK(verify_run(&o, &r) == ERR_OK);
	CHECK_U64(r.findings, 0);
}

static void
test_damage(void)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct mailbox_id box, none = { 77777 };
	char bytes[SEEN_ROW_BYTES], op_space[32], big[PAGE_MAX_BYTES];
	struct buf row = { .p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes) };
	struct str operand;
	uint64_t ann;
	struct buf made = { .p = big, .cap = sizeof(big), .max = sizeof(big) };
	struct buf op = { .p = op_space, .cap = sizeof(op_space), .max = sizeof(op_space) };

	world_init_seen(w);
	box = w->box[0].id;
	ann = who(w, 1).v;
	prove(w);
	put(w, KV_ROW, row_key_private_sums(box, ann), STR_NONE);
	check_found(w, VERIFY_STATUS, 1);
	put(w, KV_ROW, row_key_private_sums(box, ann), STR("what?"));
	check_found(w, VERIFY_STATUS, 1);
	seen_row_encode(&(struct seen_row){ .seen = 7, .modseq = 1 }, &row);
	put(w, KV_ROW, row_key_private_sums(box, ann), buf_str(&row));
	check_found(w, VERIFY_STATUS, 1);
	put(w, KV_ROW, row_key_private_sums(none, ann), buf_str(&row));
	check_found(w, VERIFY_ORPHAN, 1);
	page_op_private(&op, 1, 0xFF, 0x0F); /* UIDs 0 to 7, of which 1 is there */
	operand = buf_str(&op);
	page_merge(STR_NONE, &operand, 1, &made);
	put(w, KV_PAGE, row_key_private(box, ann, 0), buf_str(&made));
	check_found(w, VERIFY_PRIVATE, 1);
	put(w, KV_PAGE, row_key_private(box, 4711, 0), buf_str(&made));
	check_found(w, VERIFY_STATUS, 2); /* the page, and a user without a row */
	put(w, KV_PAGE, row_key_private(none, ann, 0), buf_str(&made));
	check_found(w, VERIFY_PRIVATE, 1);
	put(w, KV_PAGE, row_key_private(box, ann, 0), STR("not a page"));
	check_found(w, VERIFY_STATUS, 2);
	reopen(w);
	CHECK(mark_first(w, &w->box[0], who(w, 1)) == ERR_OK);
	world_done(w);
	free(w);
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { TEST(test_histories),
		TEST(test_histories_with_a_slow_engine), TEST(test_deleted_user),
		TEST(test_too_many_users), TEST(test_damage) };
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 0,
		 seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	unsigned steps = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 400;

	if (argc < 2)
		return test_run(cases, ARRAY_LEN(cases));
	for (uint64_t i = 0; i < count && test_failures == 0; i++)
		run(i % 2 == 1, seed + i, steps);
	printf("%llu histories of %u steps\n", (unsigned long long)count, steps);
	return test_failures == 0 ? 0 : 1;
}

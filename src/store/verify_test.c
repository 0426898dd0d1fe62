/*
 * verify_test.c - whatever is done to one file of a store, verify names what is affected, and what
 * it does not name is served as it was.
 *
 *     verify_test                    a short run
 *     verify_test ROUNDS [SEED [N]]  so many damages of each sort, from a seed; only the N-th test
 *
 * A store is filled, and everything that clients can see of it is written down. Then a byte is
 * flipped, a stretch zeroed, a file cut short or replaced by another one; a process of its own
 * verifies the store and reads everything again, as the server would: each message must be what it
 * was, or be refused and named.
 */
#include "store/arrival_int.h"
#include "store/message.h"
#include "store/notes.h"
#include "store/quota.h"
#include "store/row.h"
#include "store/sharing.h"
#include "store/store_test_util.h"
#include "store/undo_int.h"
#include "store/verify.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/size.h"
#include "kv/kept.h"
#include "kv/rocks_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_MAX = 1000, BIG_BYTES = 700000, GO_ON = 60 };

static char dir[64];
static uint64_t rounds = 8, first_seed = 1;

/* ---- a store on the disk ---- */

static struct kv_options
disk_options(bool read_only)
{
	/* Small buffers, so that there are many tables. */
	struct kv_options o = { .dir = dir,
		.read_only = read_only,
		.write_buffer_bytes = 512 << 10,
		.cache_bytes = 4 << 20,
		.soft_floor_bytes = 1,
		.hard_floor_bytes = 1 };

	store_merge_functions(&o);
	return o;
}

static enum err
disk_open(struct fixture *f, struct buf *detail)
{
	struct kv_options o = disk_options(false);
	struct store_options so = { .clock = clock_system(),
		.random = test_random,
		.retention_s = 86400,
		.stage_links = 2 };
	enum err e;

	*f = (struct fixture){ 0 };
	e = kv_rocks_open(&o, &f->kv, detail);
	if (e != ERR_OK)
		return e;
	blocker_init(&f->b, NULL);
	so.kv = f->kv;
	return store_open(&so, &f->store);
}

static void
disk_close(struct fixture *f)
{
	account_unref(f->account);
	f->account = NULL;
	fixture_done(f);
}

static void
user_open(struct fixture *f, const char *user)
{
	account_unref(f->account);
	f->account = NULL;
	CHECK(UNTIL_DONE(&f->b,
		  store_account_open(f->store, str_c(user), ACCOUNT_CREATE, &f->b.w, &f->account))
	    == ERR_OK);
}

/* ---- filling it ---- */

static struct arrival *
message_make(struct fixture *f, unsigned number, size_t bytes)
{
	struct arrival *m = arrival_new(f->store);
	BUF_CLEAN struct buf text = BUF_MAX(BIG_BYTES * 2);
	struct str left;
	size_t taken;

	buf_printf(&text,
	    "From: Ann %u <ann%u@example.org>\r\nTo: joe@example.org\r\nSubject: number %u\r\n"
	    "Message-ID: <%u@example.org>\r\nDate: Mon, 5 Jan 2026 12:00:%02u +0100\r\n\r\n",
	    number, number, number, number, number % 60);
	for (unsigned i = 0; text.n < bytes; i++)
		buf_printf(&text, "Line %u of %u: %016llx\r\n", i, number,
		    (unsigned long long)hash_u64(number * 100000u + i));
	left = buf_str(&text);
	while (left.n != 0 && UNTIL_DONE(&f->b, arrival_write(m, left, &taken, &f->b.w)) == ERR_OK)
		left = str_sub(left, taken, left.n);
	CHECK(arrival_finish(m) == ERR_OK);
	return m;
}

static void
message_add(struct fixture *f, const char *box, unsigned number, size_t bytes)
{
	static const struct str keywords[] = { STR_INIT("$Work"),
		STR_INIT("a-keyword-of-some-length"), STR_INIT("$Later") };
	struct arrival *m = message_make(f, number, bytes);
	struct append add = { .arrival = m,
		.flags = number % 3 == 0 ? FLAG_SEEN : 0,
		.keywords = keywords,
		.keyword_count = number % 4,
		.has_internal_date = true,
		.internal_s = 1700000000 + number };
	struct snapshot *after = NULL;
	struct uid uid;
	uint32_t validity;

	if (number % 2 == 0)
		add.prefix = STR("Return-Path: <x@example.org>\r\nDelivered-To: joe\r\n");
	CHECK(UNTIL_DONE(&f->b,
		  messages_append(f->account, test_box(f, box), &add, 1, &f->b.w, &uid, &validity,
		      &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
	arrival_unref(m);
}

static struct view *
box_open(struct fixture *f, const char *box)
{
	struct snapshot *s = account_snapshot(f->account, NULL);
	struct mailbox_id id = snapshot_mailbox(s, str_c(box))->id;
	struct view *v = NULL;

	CHECK(UNTIL_DONE(&f->b, view_open(s, id, VIEW_READ_WRITE, &f->b.w, &v)) == ERR_OK);
	snapshot_unref(s);
	return v;
}

static void
flags_add(struct fixture *f, const char *box, const char *uids, uint16_t flags)
{
	struct view *v = box_open(f, box);
	RANGESET_CLEAN struct rangeset set = test_set(uids), changed = RANGESET_NONE,
				       modified = RANGESET_NONE;
	struct flags_change change = { .op = FLAGS_ADD, .flags = flags };
	struct snapshot *after = NULL;
	uint32_t cursor = 0;

	CHECK(UNTIL_DONE(&f->b,
		  messages_store(v, &set, &change, &cursor, &f->b.w, &changed, &modified, &after))
	    == ERR_OK);
	if (after != NULL)
		test_wait_durable(f, after);
	snapshot_unref(after);
	view_close(v);
}

static void
expunge(struct fixture *f, const char *box, const char *uids)
{
	struct view *v;
	RANGESET_CLEAN struct rangeset gone = RANGESET_NONE;
	struct snapshot *after = NULL;
	uint32_t cursor = 0;

	flags_add(f, box, uids, FLAG_DELETED);
	v = box_open(f, box);
	CHECK(UNTIL_DONE(&f->b, messages_expunge(v, NULL, &cursor, &f->b.w, &gone, &after))
	    == ERR_OK);
	if (after != NULL)
		test_wait_durable(f, after);
	snapshot_unref(after);
	view_close(v);
}

static void
copy(struct fixture *f, const char *box, const char *uids, const char *to)
{
	struct view *v = box_open(f, box);
	RANGESET_CLEAN struct rangeset set = test_set(uids);
	struct snapshot *after = NULL;
	struct copied copied;
	struct arena a = ARENA_NONE;

	CHECK(UNTIL_DONE(&f->b,
		  messages_copy(v, &set, COPY_SKIPS_GONE, f->account, test_box(f, to), &f->b.w, &a,
		      &copied, &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
	view_close(v);
	arena_done(&a);
}

static void
box_make(struct fixture *f, const char *name)
{
	struct snapshot *after = NULL;

	CHECK(UNTIL_DONE(&f->b, mailbox_create(f->account, str_c(name), 0, &f->b.w, &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
}

static void
box_drop(struct fixture *f, const char *name)
{
	struct snapshot *after = NULL;

	CHECK(
	    UNTIL_DONE(&f->b, mailbox_delete(f->account, str_c(name), &f->b.w, &after)) == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
}

/* What is there when the power went in the middle of a large copy: a message has a link too many. */
static void
copy_leave(struct fixture *f, uint64_t version)
{
	const struct msgno n = { 2 };
	struct row_key key = row_key_staged(version);
	BUF_CLEAN struct buf row = BUF_MAX(100);
	struct kv_txn *t =
	    kv_txn_new(f->kv, account_id(f->account), KV_UNVERSIONED, KV_UNVERSIONED);

	staged_row_encode(&n, 1, &row);
	kv_put(t, KV_LOG, row_key_str(&key), buf_str(&row));
	message_put_links(t, n, 1);
	CHECK(kv_commit_now(f->kv, &t, 1) == ERR_OK);
}

/* Opened and closed several times, so that there are tables of different ages. */
static void
store_fill(void)
{
	static const char *const users[] = { "joe", "ann@example.org", "bob" };
	struct fixture f;

	for (unsigned round = 0; round < 3; round++) {
		CHECK(disk_open(&f, NULL) == ERR_OK);
		for (unsigned u = 0; u < ARRAY_LEN(users); u++) {
			unsigned first = round * 100;

			user_open(&f, users[u]);
			if (round == 0) {
				box_make(&f, "Work/2026");
				box_make(&f, "Gone");
			}
			for (unsigned i = 0; i < 40; i++)
				message_add(&f, i % 4 == 3 ? "Work/2026" : "INBOX",
				    first + i + (i % 5 == 0 ? 0 : u * 1000),
				    i == 7           ? BIG_BYTES
					: i % 6 == 0 ? 20000
						     : 600 + i * 40);
			message_add(&f, round == 0 ? "Gone" : "Archive", 5000 + first + u, 900);
			flags_add(&f, "INBOX", round == 0 ? "3:9" : "3,40:50", FLAG_FLAGGED);
			copy(&f, "INBOX", round == 0 ? "2:6" : "35:39", "Archive");
			expunge(&f, "INBOX", round == 0 ? "10:14" : round == 1 ? "1,33" : "70:75");
			if (round == 1)
				box_drop(&f, "Gone");
			copy_leave(&f, round + 1);
		}
		disk_close(&f);
	}
}

/* ---- what clients can see ---- */

struct seen {
	char user[32], box[40];
	uint64_t box_id;
	uint32_t uid; /* 0: the mailbox itself */
	uint64_t hash;
	bool is_refused;
};

struct sight {
	struct seen *s;
	size_t n, cap;
};

static void
sight_add(struct sight *l, struct str user, const struct mailbox_info *box, uint32_t uid,
    uint64_t hash, bool is_refused)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 256 : l->cap * 2;
		l->s = xrealloc(l->s, l->cap * sizeof(*l->s));
	}
	l->s[l->n] = (struct seen){ .box_id = box != NULL ? box->id.v : 0,
		.uid = uid,
		.hash = hash,
		.is_refused = is_refused };
	snprintf(l->s[l->n].user, sizeof(l->s[l->n].user), "%.*s", STR_F(user));
	if (box != NULL)
		snprintf(l->s[l->n].box, sizeof(l->s[l->n].box), "%.*s", STR_F(box->name));
	l->n++;
}

static uint64_t
mix(uint64_t h, struct str s)
{
	return hash_u64(h ^ str_hash(s, h));
}

static bool
message_look(struct fixture *f, const struct entry *e, uint64_t *hash)
{
	struct message *m = NULL;
	struct message_reader *r;
	uint64_t at = 0, h = *hash;
	enum err err =
	    UNTIL_DONE(&f->b, message_get(f->account, e->msgno, MESSAGE_WHOLE, &f->b.w, &m));

	if (err != ERR_OK)
		return false;
	h = mix(mix(mix(mix(mix(h, m->header), m->envelope), m->bodystructure), m->preview),
	    m->sortkeys);
	h = mix(mix(mix(h, m->structure), m->emailid), m->threadid);
	r = message_reader_new(f->account, m);
	while (at < m->size_bytes && err == ERR_OK) {
		struct kv_bytes *bytes = NULL;
		struct str data = STR_NONE;

		err =
		    UNTIL_DONE(&f->b, message_reader_get(r, at, SIZE_MAX, &f->b.w, &bytes, &data));
		if (err == ERR_OK) {
			h = mix(h, data);
			at += data.n;
		}
		if (bytes != NULL)
			kv_bytes_unref(bytes);
	}
	message_reader_free(r);
	message_unref(m);
	*hash = h;
	return err == ERR_OK;
}

static void
box_look(struct fixture *f, struct sight *l, struct snapshot *s, const struct mailbox_info *box)
{
	struct str user = account_user(f->account);
	uint64_t h = hash_u64(box->uidvalidity) ^ hash_u64(box->uidnext * 3ull)
	    ^ hash_u64(box->exists * 7ull);
	struct view *v = NULL;
	struct entry e;

	if (UNTIL_DONE(&f->b, view_open(s, box->id, VIEW_READ_ONLY, &f->b.w, &v)) != ERR_OK) {
		sight_add(l, user, box, 0, 0, true);
		return;
	}
	for (uint32_t i = 0; i < box->keyword_count; i++)
		h = mix(h, box->keywords[i]);
	sight_add(l, user, box, 0, hash_u64(h + box->highestmodseq), false);
	for (uint32_t uid = 1; view_next(v, uid, &e, NULL); uid = e.uid.v + 1) {
		bool is_good;

		h = hash_u64(e.flags ^ e.modseq << 16) ^ hash_u64(e.keywords.w[0] * 5)
		    ^ hash_u64((uint64_t)e.internal_s) ^ hash_u64(e.size_bytes * 11);
		is_good = message_look(f, &e, &h);
		sight_add(l, user, box, e.uid.v, h, !is_good);
	}
	view_close(v);
}

static void
store_look(struct fixture *f, struct sight *l)
{
	static const char *const users[] = { "joe", "ann@example.org", "bob" };

	for (unsigned u = 0; u < ARRAY_LEN(users); u++) {
		const struct mailbox_info *box;
		struct snapshot *s;

		account_unref(f->account);
		f->account = NULL;
		if (UNTIL_DONE(&f->b,
			store_account_open(f->store, str_c(users[u]), ACCOUNT_EXISTING, &f->b.w,
			    &f->account))
		    != ERR_OK) {
			sight_add(l, str_c(users[u]), NULL, 0, 0, true);
			continue;
		}
		s = account_snapshot(f->account, NULL);
		for (uint32_t i = 0; (box = snapshot_mailbox_at(s, i)) != NULL; i++)
			if (!box->is_noselect)
				box_look(f, l, s, box);
		snapshot_unref(s);
	}
}

static struct seen *
sight_find(const struct sight *l, const struct seen *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->s[i].user, key->user) == 0 && l->s[i].box_id == key->box_id
		    && l->s[i].uid == key->uid)
			return &l->s[i];
	return NULL;
}

/* ---- findings ---- */

struct findings {
	struct noted {
		enum verify_kind kind;
		bool is_lost, is_repaired, is_expunged;
		char user[32];
		uint64_t account, box;
		uint32_t uid_first, uid_last;
	} * f;

	size_t n;
	bool is_told; /* on stdout */
};

static void
note(void *ctx, const struct verify_finding *f)
{
	struct findings *l = ctx;
	struct noted *n;
	BUF_CLEAN struct buf line = BUF_MAX(65536);

	l->f = xrealloc(l->f, (l->n + 1) * sizeof(*l->f));
	n = &l->f[l->n++];
	*n = (struct noted){ .kind = f->kind,
		.is_lost = f->is_lost,
		.is_repaired = f->is_repaired,
		.is_expunged = f->is_expunged,
		.account = f->account.v,
		.box = f->mailbox.v,
		.uid_first = f->uid_first,
		.uid_last = f->uid_last };
	snprintf(n->user, sizeof(n->user), "%.*s", STR_F(f->user));
	if (!l->is_told)
		return;
	verify_finding_text(f, &line);
	printf("#   %.*s\n", STR_F(buf_str(&line)));
}

/* A finding says that this can't be relied on. */
static bool
is_named(const struct findings *l, const struct seen *s)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct noted *f = &l->f[i];

		if (f->account == 0 && f->kind == VERIFY_REFUSED)
			return true;
		if (f->account == 0 || f->is_expunged || strcmp(f->user, s->user) != 0)
			continue;
		if (f->box != 0 && f->box != s->box_id)
			continue;
		if (f->uid_first != 0 && s->uid != 0
		    && (s->uid < f->uid_first || s->uid > f->uid_last))
			continue;
		return true;
	}
	return false;
}

static enum err
verify_now(struct kv *kv, bool may_repair, struct findings *l, struct verify_result *result_out)
{
	struct verify_options o = { .kv = kv, .may_repair = may_repair, .found = note, .ctx = l };

	return verify_run(&o, result_out);
}

/* ---- files ---- */

static struct kept kept[FILES_MAX];
static size_t kept_count;

/* The store as it is. */
static void
keep(void)
{
	kept_free(kept, kept_count);
	kept_count = dir_keep(dir, kept, FILES_MAX);
}

static void
restore(void)
{
	dir_restore(dir, kept, kept_count);
}

/* ---- the process that looks ---- */

static struct sight before;

static void
sight_write(const char *path)
{
	FILE *f = fopen(path, "w");

	must(f != NULL && fwrite(before.s, sizeof(*before.s), before.n, f) == before.n
	    && fclose(f) == 0);
}

static void
sight_read(const char *path)
{
	FILE *f = fopen(path, "r");
	struct seen s;

	must(f != NULL);
	while (fread(&s, sizeof(s), 1, f) == 1) {
		before.s = xrealloc(before.s, (before.n + 1) * sizeof(s));
		before.s[before.n++] = s;
	}
	fclose(f);
}

enum { LOOK_SAME = 0, LOOK_WRONG = 1, LOOK_NAMED = 2, LOOK_REFUSED = 3, LOOK_HARMLESS = 4 };

static void
judge(const struct findings *l, const struct sight *now)
{
	for (size_t i = 0; i < before.n; i++) {
		const struct seen *was = &before.s[i], *is = sight_find(now, was);
		bool is_same = is != NULL && !is->is_refused && is->hash == was->hash;

		if (is_same || is_named(l, was))
			continue;
		printf("# %s \"%s\" UID %u is %s, and nothing says so\n", was->user, was->box,
		    was->uid,
		    is == NULL           ? "not there"
			: is->is_refused ? "refused"
					 : "changed");
		CHECK(false);
	}
	for (size_t i = 0; i < now->n; i++) {
		const struct seen *is = &now->s[i], *was = sight_find(&before, is);

		if (is->is_refused || (was != NULL && was->hash == is->hash))
			continue;
		/*
		 * A mailbox's own numbers may differ when it is named; a message that is served is
		 * what it was.
		 */
		if (is->uid == 0 && is_named(l, is))
			continue;
		printf("# %s \"%s\" UID %u is served, but not as it was\n", is->user, is->box,
		    is->uid);
		CHECK(false);
	}
	/* What is said to be lost is not served after all: else the report is wrong. */
	for (size_t i = 0; i < l->n; i++) {
		const struct noted *f = &l->f[i];

		if (!f->is_lost || f->uid_first == 0 || f->is_expunged
		    || (f->kind != VERIFY_BYTES && f->kind != VERIFY_SUMMARY))
			continue;
		for (size_t j = 0; j < now->n; j++)
			if (now->s[j].box_id == f->box && strcmp(now->s[j].user, f->user) == 0
			    && now->s[j].uid == f->uid_first)
				CHECK(now->s[j].is_refused);
	}
}

static int
look_child(const char *sight_path, bool is_told)
{
	BUF_CLEAN struct buf detail = BUF_MAX(4096);
	struct kv_options o = disk_options(true);
	struct findings l = { .is_told = is_told };
	struct verify_result result = { 0 };
	struct sight now = { 0 };
	struct fixture f;
	struct kv *kv;
	enum err e = kv_rocks_open(&o, &kv, &detail);

	sight_read(sight_path);
	if (e == ERR_OK) {
		e = verify_now(kv, false, &l, &result);
		kv_close(kv);
	}
	if (e != ERR_OK) {
		if (is_told)
			printf("#   refused: %.*s\n", STR_F(buf_str(&detail)));
		return e == ERR_CORRUPT || e == ERR_IO ? LOOK_REFUSED : LOOK_WRONG;
	}
	e = disk_open(&f, &detail);
	if (e != ERR_OK) {
		printf("# verify opens it, and the store does not: %.*s\n",
		    STR_F(buf_str(&detail)));
		return LOOK_WRONG;
	}
	store_look(&f, &now);
	judge(&l, &now);
	fflush(stdout);
	_exit(test_failures > 0   ? LOOK_WRONG
		: result.lost > 0 ? LOOK_NAMED
		: l.n > 0         ? LOOK_HARMLESS
				  : LOOK_SAME);
}

/*
 * Mail comes in, buffers are written out, tables are merged where they can be: damage stops none of
 * that.
 */
static void
go_on(struct fixture *f)
{
	struct snapshot *s;
	bool has_inbox;

	account_unref(f->account);
	f->account = NULL;
	/* It may be lost for good: judged above. */
	if (UNTIL_DONE(&f->b,
		store_account_open(f->store, STR("bob"), ACCOUNT_EXISTING, &f->b.w, &f->account))
	    != ERR_OK)
		return;
	s = account_snapshot(f->account, NULL);
	has_inbox = snapshot_mailbox(s, STR("INBOX")) != NULL;
	snapshot_unref(s);
	for (unsigned i = 0; has_inbox && i < GO_ON; i++)
		message_add(f, "INBOX", 9000 + i, 20000);
	CHECK(!kv_is_failed(f->kv));
}

/*
 * Repairs, in a process of its own, then verifies again: nothing that can be made anew is left, and
 * what is served is what it was, flags, UIDs and modseqs too, but for what is named as lost.
 */
static int
repair_child(const char *sight_path, bool is_told)
{
	struct kv_options o = disk_options(false);
	struct findings first = { .is_told = is_told }, second = { .is_told = is_told };
	struct verify_result result = { 0 }, again = { 0 };
	struct sight now = { 0 };
	struct fixture f;
	struct kv *kv;

	sight_read(sight_path);
	if (kv_rocks_open(&o, &kv, NULL) != ERR_OK)
		return LOOK_REFUSED;
	CHECK(verify_now(kv, true, &first, &result) == ERR_OK);
	CHECK(verify_now(kv, true, &second, &again) == ERR_OK);
	kv_close(kv);
	for (size_t i = 0; i < second.n; i++) {
		const struct noted *n = &second.f[i];

		/* The damaged file itself stays, with what it hides from the engine's own lists. */
		if (n->is_lost || n->kind == VERIFY_FILE || n->kind == VERIFY_ENGINE
		    || n->kind == VERIFY_THREAD || n->kind == VERIFY_CHANGE_LOG
		    || n->kind == VERIFY_SIZE || n->kind == VERIFY_TREE)
			continue;
		printf("# %s of account %llu is still wrong\n", verify_kind_name(n->kind),
		    (unsigned long long)n->account);
		CHECK(false);
	}
	CHECK(disk_open(&f, NULL) == ERR_OK);
	store_look(&f, &now);
	for (size_t i = 0; i < before.n; i++) {
		const struct seen *was = &before.s[i], *is = sight_find(&now, was);

		if (was->uid == 0 || (is != NULL && !is->is_refused && is->hash == was->hash))
			continue;
		for (size_t j = 0; j < first.n; j++)
			first.f[j].account = first.f[j].is_lost ? first.f[j].account : 0;
		if (is_named(&first, was))
			continue;
		printf("# after the repair %s \"%s\" UID %u is %s\n", was->user, was->box, was->uid,
		    is == NULL           ? "not there"
			: is->is_refused ? "refused"
					 : "changed");
		CHECK(false);
	}
	go_on(&f);
	fflush(stdout);
	_exit(test_failures > 0   ? LOOK_WRONG
		: result.lost > 0 ? LOOK_NAMED
		: first.n > 0     ? LOOK_HARMLESS
				  : LOOK_SAME);
}

static int
run_child(const char *how, bool is_told)
{
	char path[80];
	int status = 0;
	pid_t pid;

	snprintf(path, sizeof(path), "%s.sight", dir);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "verify_test", how, dir, path, is_told ? "1" : "0",
		    (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
look(bool is_told)
{
	return run_child("--look", is_told);
}

/* ---- the tests ---- */

static void
test_whole(void)
{
	struct verify_result result = { 0 };
	struct findings l = { .is_told = true };
	struct kv_options o = disk_options(true);
	struct fixture f;
	struct kv *kv = NULL;
	char path[80];

	dir_empty(dir);
	store_fill();
	CHECK(disk_open(&f, NULL) == ERR_OK);
	store_look(&f, &before);
	disk_close(&f);
	snprintf(path, sizeof(path), "%s.sight", dir);
	sight_write(path);
	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	CHECK(verify_now(kv, false, &l, &result) == ERR_OK);
	kv_close(kv);
	CHECK_U64(l.n, 0);
	CHECK_U64(result.accounts, 3);
	CHECK(result.messages > 300 && result.bytes > 3 * BIG_BYTES);
	printf("# %llu accounts, %llu mailboxes, %llu messages, %llu bytes read\n",
	    (unsigned long long)result.accounts, (unsigned long long)result.mailboxes,
	    (unsigned long long)result.messages, (unsigned long long)result.bytes);
	keep();
	CHECK_U64(look(true), LOOK_SAME);
	free(l.f);
}

/* Verifies the store and gives the kind of its one finding; VERIFY_KINDS: there is none. */
static enum verify_kind
one_finding(bool may_repair)
{
	struct verify_result result = { 0 };
	struct findings l = { .is_told = true };
	struct kv_options o = disk_options(!may_repair);
	struct kv *kv = NULL;
	enum verify_kind kind = VERIFY_KINDS;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	CHECK(verify_now(kv, may_repair, &l, &result) == ERR_OK);
	kv_close(kv);
	CHECK(l.n <= 1);
	if (l.n == 1)
		kind = l.f[0].kind;
	free(l.f);
	return kind;
}

static void
spoil(struct account_id account, enum kv_kind kind, struct str key, struct str value)
{
	struct kv_options o = disk_options(false);
	struct kv *kv = NULL;
	struct kv_txn *t;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	t = kv_txn_new(kv, account, KV_UNVERSIONED, KV_UNVERSIONED);
	if (value.n == 0)
		kv_del(t, kind, key);
	else
		kv_put(t, kind, key, value);
	CHECK(kv_commit_now(kv, &t, 1) == ERR_OK);
	kv_close(kv);
}

static void
row_spoil(struct account_id account, struct str key, struct str value)
{
	spoil(account, KV_ROW, key, value);
}

/*
 * Notes that make no sense, are gone or are nobody's are told of, and then what is left adds up
 * again.
 */
static void
test_notes(void)
{
	const struct annotation note = { .scope = ANNOTATION_SHARED,
		.name = STR("/comment"),
		.value = STR("a note") };
	const struct notes_change change = { .changes = &note, .count = 1 };
	struct rangeset uids = test_set("1:3"), changed = RANGESET_NONE, modified = RANGESET_NONE;
	struct row_key key;
	struct snapshot *after;
	struct account_id id;
	struct mailbox_id box;
	struct fixture f;
	struct view *v = NULL;
	uint32_t cursor = 0;

	dir_empty(dir);
	CHECK(disk_open(&f, NULL) == ERR_OK);
	user_open(&f, "joe");
	id = account_id(f.account);
	box = test_box(&f, "INBOX");
	for (int i = 0; i < 3; i++)
		test_append(&f, box, 0, NULL);
	after = account_snapshot(f.account, NULL);
	CHECK(UNTIL_DONE(&f.b, view_open(after, box, VIEW_READ_WRITE, &f.b.w, &v)) == ERR_OK);
	snapshot_unref(after);
	CHECK(
	    UNTIL_DONE(&f.b,
		messages_annotate(v, &uids, &change, &cursor, &f.b.w, &changed, &modified, &after))
	    == ERR_OK);
	snapshot_unref(after);
	view_close(v);
	disk_close(&f);
	CHECK(one_finding(false) == VERIFY_KINDS);
	key = row_key_notes(box, 1);
	spoil(id, KV_PAGE, row_key_str(&key), STR("\3?"));
	CHECK(one_finding(false) == VERIFY_NOTES);
	CHECK(one_finding(true) == VERIFY_NOTES);
	CHECK(one_finding(false) == VERIFY_KINDS);
	key = row_key_notes(box, 2);
	spoil(id, KV_PAGE, row_key_str(&key), STR(""));
	CHECK(one_finding(false) == VERIFY_NOTES);
	CHECK(one_finding(true) == VERIFY_NOTES);
	CHECK(one_finding(false) == VERIFY_KINDS);
	key = row_key_notes(box, 9);
	spoil(id, KV_PAGE, row_key_str(&key), STR("\3\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0/"));
	CHECK(one_finding(false) == VERIFY_NOTES);
	CHECK(one_finding(true) == VERIFY_NOTES);
	CHECK(one_finding(false) == VERIFY_KINDS);
	rangeset_done(&uids);
	rangeset_done(&changed);
	rangeset_done(&modified);
}

/* What a copy has left behind counts; what makes no sense does not, and the links are counted. */
static void
test_staged(void)
{
	struct row_key key = row_key_staged(1);
	struct account_id id;
	struct fixture f;

	dir_empty(dir);
	CHECK(disk_open(&f, NULL) == ERR_OK);
	user_open(&f, "joe");
	id = account_id(f.account);
	for (unsigned i = 0; i < 6; i++)
		message_add(&f, "INBOX", i, 600);
	copy_leave(&f, 1);
	disk_close(&f);
	CHECK(one_finding(false) == VERIFY_KINDS);
	spoil(id, KV_LOG, row_key_str(&key), STR(""));
	CHECK(one_finding(false) == VERIFY_COPIES);
	CHECK(one_finding(true) == VERIFY_COPIES);
	CHECK(one_finding(false) == VERIFY_KINDS);
	spoil(id, KV_LOG, row_key_str(&key), STR("\1?"));
	CHECK(one_finding(false) == VERIFY_UNDO);
	CHECK(one_finding(true) == VERIFY_UNDO);
	CHECK(one_finding(false) == VERIFY_KINDS);
	/* The next who has the account open takes it back. */
	CHECK(disk_open(&f, NULL) == ERR_OK);
	user_open(&f, "joe");
	copy_leave(&f, 1);
	expunge(&f, "INBOX", "2,3");
	retention_tick(f.account);
	disk_close(&f);
	CHECK(one_finding(false) == VERIFY_KINDS);
}

/* The index of what is shared is made anew from the lists, and limits that make no sense go. */
static void
test_sharing(void)
{
	BUF_CLEAN struct buf key = BUF_MAX(64);
	struct row_key limits = row_key_limits();
	struct snapshot *after;
	struct account_id id;
	struct fixture f;

	dir_empty(dir);
	CHECK(disk_open(&f, NULL) == ERR_OK);
	user_open(&f, "joe");
	id = account_id(f.account);
	CHECK(mailbox_set_acl(f.account, test_box(&f, "INBOX"), STR("ann"), ACL_REPLACE, RIGHT_L,
		  &after)
	    == ERR_OK);
	snapshot_unref(after);
	CHECK(account_set_quota(f.account, &(struct quota_limits){ 1, 2, 3, 4 }, &after) == ERR_OK);
	snapshot_unref(after);
	disk_close(&f);
	CHECK(one_finding(false) == VERIFY_KINDS);
	row_key_share(&key, STR("ann"), STR("joe"));
	row_spoil(ACCOUNT_SYSTEM, buf_str(&key), STR(""));
	CHECK(one_finding(false) == VERIFY_SHARING);
	CHECK(one_finding(true) == VERIFY_SHARING);
	CHECK(one_finding(false) == VERIFY_KINDS);
	row_spoil(id, row_key_str(&limits), STR("?"));
	CHECK(one_finding(false) == VERIFY_LIMITS);
	CHECK(one_finding(true) == VERIFY_LIMITS);
	CHECK(one_finding(false) == VERIFY_KINDS);
}

/* ---- a disk that has bad sectors ---- */

static ino_t broken[FILES_MAX];
static int broken_count;
static bool breaks, is_broken; /* when it is looked at; now */

static bool
is_of_broken(int fd)
{
	struct stat s;
	bool is = false;

	if (is_broken && fstat(fd, &s) == 0)
		for (int i = 0; i < broken_count; i++)
			is = is || broken[i] == s.st_ino;
	return is;
}

/* What the engine's library calls. */
ssize_t disk_read(int fd, void *to, size_t n, off_t at) __asm__("pread");

ssize_t
disk_read(int fd, void *to, size_t n, off_t at)
{
	if (is_of_broken(fd)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, to, n, at);
}

/* The tables that have the rows of blobs, for when the disk is broken. */
static void
broken_find(void)
{
	struct kv_options o = disk_options(true);
	const rocksdb_livefiles_t *files;
	struct kv *kv = NULL;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	files = rocksdb_livefiles(rocks_of(kv)->db);
	for (int i = 0; i < rocksdb_livefiles_count(files); i++) {
		char path[128];
		struct stat s;

		snprintf(path, sizeof(path), "%s%s", dir, rocksdb_livefiles_name(files, i));
		if (strcmp(rocksdb_livefiles_column_family_name(files, i), "blob") == 0
		    && CHECK(stat(path, &s) == 0))
			broken[broken_count++] = s.st_ino;
	}
	rocksdb_livefiles_destroy(files);
	kv_close(kv);
	CHECK(broken_count > 0);
}

/* ---- rows of blobs ---- */

enum { PLACED = 6 };

/* What is found: how often it is a message's place, how often something else, what is lost. */
struct places_found {
	size_t places, repaired, others;
	uint64_t lost;
};

static struct places_found
places_find(bool may_repair)
{
	struct verify_result result = { 0 };
	struct findings l = { .is_told = true };
	struct kv_options o = disk_options(!may_repair);
	struct places_found found = { 0 };
	struct kv *kv = NULL;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	is_broken = breaks;
	CHECK(verify_now(kv, may_repair, &l, &result) == ERR_OK);
	is_broken = false;
	kv_close(kv);
	for (size_t i = 0; i < l.n; i++) {
		if (l.f[i].kind != VERIFY_PLACE)
			found.others++;
		else if (l.f[i].is_repaired)
			found.repaired++;
		else
			found.places++;
	}
	found.lost = result.lost;
	free(l.f);
	return found;
}

static void
check_places(struct places_found f, size_t places, size_t repaired, size_t others)
{
	CHECK_U64(f.places, places);
	CHECK_U64(f.repaired, repaired);
	CHECK_U64(f.others, others);
	CHECK_U64(f.lost, 0);
}

/* The first rows of blobs get another value; NULL: they go. */
static void
blob_rows_spoil(unsigned count, const char *value)
{
	struct kv_options o = disk_options(false);
	rocksdb_readoptions_t *read = rocksdb_readoptions_create();
	rocksdb_writeoptions_t *write = rocksdb_writeoptions_create();
	rocksdb_iterator_t *it;
	char *message = NULL;
	struct kv *kv = NULL;
	struct rocks *r;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	r = rocks_of(kv);
	it = rocksdb_create_iterator_cf(r->db, read, r->cf[CF_BLOB]);
	rocksdb_iter_seek_to_first(it);
	for (unsigned i = 0; i < count && CHECK(rocksdb_iter_valid(it)); i++) {
		size_t n;
		const char *key = rocksdb_iter_key(it, &n);

		if (value == NULL)
			rocksdb_delete_cf(r->db, write, r->cf[CF_BLOB], key, n, &message);
		else
			rocksdb_put_cf(r->db, write, r->cf[CF_BLOB], key, n, value, strlen(value),
			    &message);
		CHECK(message == NULL);
		rocksdb_iter_next(it);
	}
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(read);
	rocksdb_writeoptions_destroy(write);
	kv_close(kv);
}

/* The record of the message says that its bytes are elsewhere. */
static void
place_spoil(struct account_id id, struct msgno n)
{
	struct message_key key = message_summary_key(n);
	struct kv_range range = { .kind = KV_MESSAGE,
		.from = message_key_str(&key),
		.is_exact = true };
	BUF_CLEAN struct buf row = BUF_MAX(65536);
	struct kv_options o = disk_options(false);
	struct kv_rows *rows = NULL;
	struct kv *kv = NULL;

	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	CHECK(kv_load_now(kv, id, &range, 1, &rows) == ERR_OK);
	buf_str_add(&row, rows->ranges[0].rows[0].value);
	kv_rows_free(rows);
	kv_close(kv);
	row.p[row.n - KV_PLACE_BYTES] ^= 1;
	spoil(id, KV_MESSAGE, message_key_str(&key), buf_str(&row));
}

/*
 * Messages whose bytes are found without the row of their blob are named, not lost; the row is made
 * anew from the chunk that is there, with as many links as messages, in whatever accounts.
 */
static void
test_places(void)
{
	struct places_found found;
	struct account_id id;
	struct fixture f;

	dir_empty(dir);
	CHECK(disk_open(&f, NULL) == ERR_OK);
	user_open(&f, "ann");
	for (unsigned i = 0; i < PLACED; i++)
		message_add(&f, "INBOX", i, 600 + 3000 * i);
	user_open(&f, "joe");
	for (unsigned i = 0; i < PLACED; i++)
		message_add(&f, "INBOX", i, 600 + 3000 * i);
	id = account_id(f.account);
	disk_close(&f);
	check_places(places_find(false), 0, 0, 0);
	blob_rows_spoil(3, NULL);
	check_places(places_find(false), 6, 0, 1);
	check_places(places_find(true), 0, 6, 1);
	check_places(places_find(false), 0, 0, 0);
	/* Rows that make no sense: the engine says so, and not that pieces are nobody's. */
	blob_rows_spoil(2, "?");
	check_places(places_find(false), 4, 0, 2);
	check_places(places_find(true), 0, 4, 2);
	check_places(places_find(false), 0, 0, 0);
	place_spoil(id, (struct msgno){ 2 });
	check_places(places_find(false), 1, 0, 0);
	check_places(places_find(true), 0, 1, 0);
	check_places(places_find(false), 0, 0, 0);
	broken_find();
	breaks = true;
	found = places_find(false);
	CHECK_U64(found.places, 2 * PLACED);
	CHECK_U64(found.lost, 0);
	found = places_find(true);
	CHECK_U64(found.repaired, 2 * PLACED);
	found = places_find(false);
	CHECK_U64(found.places, 0);
	CHECK_U64(found.lost, 0);
	breaks = false;
}

enum damage { FLIP, ZERO, CUT, OTHER, GONE, DAMAGES };

static const char *const damage_names[] = { "a flipped bit", "zeroed bytes", "cut short",
	"another file's bytes", "gone" };

static const char *
file_kind(const struct kept *k)
{
	const char *name = strrchr(k->path, '/') + 1, *dot = strrchr(name, '.');

	if (dot != NULL && (strcmp(dot, ".sst") == 0 || strcmp(dot, ".blob") == 0))
		return dot + 1;
	if (strncmp(name, "MANIFEST", 8) == 0)
		return "manifest";
	return strcmp(name, "CURRENT") == 0 ? "current" : NULL;
}

static void
file_damage(const struct kept *k, enum damage d, uint64_t random)
{
	struct str data = str_make(xstrdup(k->data), k->data.n);
	char *p = (char *)data.p;
	size_t at = (size_t)(random >> 16) % data.n;

	switch (d) {
	case FLIP:
		p[at] ^= (char)(1 << random % 8);
		break;
	case ZERO:
		memset(p + at, 0, MIN(1 + (size_t)random % 5000, data.n - at));
		break;
	case CUT:
		data.n = at;
		break;
	case OTHER:
		for (size_t i = 0; i < kept_count; i++) {
			const struct kept *o = &kept[(i + (size_t)random) % kept_count];

			if (o != k && file_kind(o) != NULL
			    && strcmp(file_kind(o), file_kind(k)) == 0) {
				free(p);
				data = str_make(xstrdup(o->data), o->data.n);
				p = (char *)data.p;
				break;
			}
		}
		break;
	case GONE:
		unlink(k->path);
		free(p);
		return;
	case DAMAGES:
		break;
	}
	file_put(k->path, data);
	free(p);
}

static void
damages(enum damage d)
{
	uint64_t counts[5] = { 0 }, random = hash_u64(first_seed * 16 + d);

	for (uint64_t i = 0; i < rounds && test_failures < 10; i++) {
		const struct kept *k;
		int status;

		do {
			random = hash_u64(random + 1);
			k = &kept[random % kept_count];
		} while (file_kind(k) == NULL || k->data.n == 0);
		restore();
		file_damage(k, d, hash_u64(random));
		status = look(false);
		/* Without its list of files there is nothing that could be looked at. */
		if (status == LOOK_REFUSED && strcmp(file_kind(k), "sst") != 0
		    && strcmp(file_kind(k), "blob") != 0) {
			counts[status]++;
			continue;
		}
		if (status != LOOK_SAME && status != LOOK_NAMED && status != LOOK_HARMLESS) {
			printf("# seed %llu, round %llu: %s, %s: %d\n",
			    (unsigned long long)first_seed, (unsigned long long)i, k->path,
			    damage_names[d], status);
			restore();
			file_damage(k, d, hash_u64(random));
			look(true);
			CHECK(false);
			continue;
		}
		counts[status]++;
	}
	printf(
	    "# %s, %llu times: %llu changed nothing, %llu were found and cost nothing, %llu were named, %llu refused whole\n",
	    damage_names[d], (unsigned long long)rounds, (unsigned long long)counts[LOOK_SAME],
	    (unsigned long long)counts[LOOK_HARMLESS], (unsigned long long)counts[LOOK_NAMED],
	    (unsigned long long)counts[LOOK_REFUSED]);
}

static void
test_repaired(void)
{
	uint64_t counts[5] = { 0 }, random = hash_u64(first_seed * 16 + DAMAGES), tried = 0;

	for (uint64_t i = 0; i < rounds && test_failures < 10; i++) {
		const struct kept *k;
		int status;

		do {
			random = hash_u64(random + 1);
			k = &kept[random % kept_count];
		} while (
		    file_kind(k) == NULL || strcmp(file_kind(k), "sst") != 0 || k->data.n == 0);
		restore();
		file_damage(k, FLIP, hash_u64(random));
		status = run_child("--repair", false);
		tried++;
		if (!CHECK(
			status == LOOK_SAME || status == LOOK_NAMED || status == LOOK_HARMLESS)) {
			printf("# seed %llu, round %llu: %s: %d\n", (unsigned long long)first_seed,
			    (unsigned long long)i, k->path, status);
			restore();
			file_damage(k, FLIP, hash_u64(random));
			run_child("--repair", true);
			continue;
		}
		counts[status]++;
	}
	printf(
	    "# %llu damaged tables repaired: %llu needed nothing, %llu were made whole, of %llu something stays lost\n",
	    (unsigned long long)tried, (unsigned long long)counts[LOOK_SAME],
	    (unsigned long long)counts[LOOK_HARMLESS], (unsigned long long)counts[LOOK_NAMED]);
}

static void
test_flipped(void)
{
	damages(FLIP);
}

static void
test_zeroed(void)
{
	damages(ZERO);
}

static void
test_cut(void)
{
	damages(CUT);
}

static void
test_other(void)
{
	damages(OTHER);
}

static void
test_gone(void)
{
	damages(GONE);
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		TEST(test_whole),
		TEST(test_flipped),
		TEST(test_zeroed),
		TEST(test_cut),
		TEST(test_other),
		TEST(test_gone),
		TEST(test_repaired),
		TEST(test_sharing),
		TEST(test_notes),
		TEST(test_staged),
		TEST(test_places),
	};
	char path[80];
	int status;

	if (argc == 5 && strcmp(argv[1], "--look") == 0) {
		snprintf(dir, sizeof(dir), "%s", argv[2]);
		return look_child(argv[3], atoi(argv[4]) != 0);
	}
	if (argc == 5 && strcmp(argv[1], "--repair") == 0) {
		snprintf(dir, sizeof(dir), "%s", argv[2]);
		return repair_child(argv[3], atoi(argv[4]) != 0);
	}
	if (argc > 1)
		rounds = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		first_seed = strtoull(argv[2], NULL, 10);
	/* In memory when there is such a place: nothing here depends on the disk. */
	snprintf(dir, sizeof(dir), "%s/verify-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(dir) != NULL);
	if (argc > 3) { /* only this one, on the whole store */
		static struct test_case one[2];

		one[0] = cases[0];
		one[1] = cases[MIN(strtoul(argv[3], NULL, 10), ARRAY_LEN(cases) - 1)];
		status = test_run(one, ARRAY_LEN(one));
	} else {
		status = test_run(cases, ARRAY_LEN(cases));
	}
	dir_empty(dir);
	rmdir(dir);
	snprintf(path, sizeof(path), "%s.sight", dir);
	unlink(path);
	return status;
}

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
#include "store/verify_sight.h"
#include "store/verify_world.h"

#include "base/hash.h"
#include "kv/kept.h"

#include <sys/wait.h>
#include <unistd.h>

enum { FILES_MAX = 1000, GO_ON = 60, END_BYTES = 1500 };

static uint64_t rounds = 8, first_seed = 1;

/* ---- a store with many files ---- */

static void
copy(struct fixture *f, const char *box, const char *uids, const char *to)
{
	struct view *v = verify_box_open(f, box);
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

/* Opened and closed several times, so that there are tables of different ages. */
static void
store_fill(void)
{
	static const char *const users[] = { "joe", "ann@example.org", "bob" };
	struct fixture f;

	for (unsigned round = 0; round < 3; round++) {
		CHECK(verify_disk_open(&f, NULL) == ERR_OK);
		for (unsigned u = 0; u < ARRAY_LEN(users); u++) {
			unsigned first = round * 100;

			verify_user_open(&f, users[u]);
			if (round == 0) {
				box_make(&f, "Work/2026");
				box_make(&f, "Gone");
			}
			for (unsigned i = 0; i < 40; i++)
				verify_message_add(&f, i % 4 == 3 ? "Work/2026" : "INBOX",
				    first + i + (i % 5 == 0 ? 0 : u * 1000),
				    i == 7           ? VERIFY_BIG_BYTES
					: i % 6 == 0 ? 20000
						     : 600 + i * 40);
			verify_message_add(&f, round == 0 ? "Gone" : "Archive", 5000 + first + u,
			    900);
			verify_flags_add(&f, "INBOX", round == 0 ? "3:9" : "3,40:50", FLAG_FLAGGED);
			copy(&f, "INBOX", round == 0 ? "2:6" : "35:39", "Archive");
			verify_expunge(&f, "INBOX",
			    round == 0       ? "10:14"
				: round == 1 ? "1,33"
					     : "70:75");
			if (round == 1)
				box_drop(&f, "Gone");
			verify_copy_leave(&f, round + 1);
		}
		verify_disk_close(&f);
	}
}

/* ---- what is told ---- */

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

/* ---- files ---- */

static struct kept kept[FILES_MAX];
static size_t kept_count;

/* The store as it is. */
static void
keep(void)
{
	kept_free(kept, kept_count);
	kept_count = dir_keep(verify_dir, kept, FILES_MAX);
}

static void
restore(void)
{
	dir_restore(verify_dir, kept, kept_count);
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
	struct kv_options o = verify_disk_options(true);
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
	e = verify_disk_open(&f, &detail);
	if (e != ERR_OK) {
		printf("# verify opens it, and the store does not: %.*s\n",
		    STR_F(buf_str(&detail)));
		return LOOK_WRONG;
	}
	sight_look(&f, &now);
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
		verify_message_add(f, "INBOX", 9000 + i, 20000);
	CHECK(!kv_is_failed(f->kv));
}

/*
 * Repairs, in a process of its own, then verifies again: nothing that can be made anew is left, and
 * what is served is what it was, flags, UIDs and modseqs too, but for what is named as lost.
 */
static int
repair_child(const char *sight_path, bool is_told)
{
	struct kv_options o = verify_disk_options(false);
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
	CHECK(verify_disk_open(&f, NULL) == ERR_OK);
	sight_look(&f, &now);
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

	snprintf(path, sizeof(path), "%s.sight", verify_dir);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "verify_test", how, verify_dir, path, is_told ? "1" : "0",
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
	struct kv_options o = verify_disk_options(true);
	struct fixture f;
	struct kv *kv = NULL;
	char path[80];

	dir_empty(verify_dir);
	store_fill();
	CHECK(verify_disk_open(&f, NULL) == ERR_OK);
	sight_look(&f, &before);
	verify_disk_close(&f);
	snprintf(path, sizeof(path), "%s.sight", verify_dir);
	sight_write(path);
	CHECK(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	CHECK(verify_now(kv, false, &l, &result) == ERR_OK);
	kv_close(kv);
	CHECK_U64(l.n, 0);
	CHECK_U64(result.accounts, 3);
	CHECK(result.messages > 300 && result.bytes > 3 * VERIFY_BIG_BYTES);
	printf("# %llu accounts, %llu mailboxes, %llu messages, %llu bytes read\n",
	    (unsigned long long)result.accounts, (unsigned long long)result.mailboxes,
	    (unsigned long long)result.messages, (unsigned long long)result.bytes);
	keep();
	CHECK_U64(look(true), LOOK_SAME);
	free(l.f);
}

enum damage { FLIP, ZERO, CUT, OTHER, GONE, DAMAGES };

static const char *const damage_names[] = { "a flipped bit", "zeroed bytes", "cut short",
	"another file's bytes", "gone" };

/*
 * What else the engine reads when it opens. A log that was written to its end is empty, and what is
 * in LOG nobody reads.
 */
static const char *const file_names[] = { "MANIFEST", "CURRENT", "IDENTITY", "OPTIONS", "lock",
	"newest-log", "synced" };

static const char *
file_kind(const struct kept *k)
{
	const char *name = strrchr(k->path, '/') + 1, *dot = strrchr(name, '.');

	if (dot != NULL && (strcmp(dot, ".sst") == 0 || strcmp(dot, ".blob") == 0))
		return dot + 1;
	for (size_t i = 0; i < ARRAY_LEN(file_names); i++)
		if (strncmp(name, file_names[i], strlen(file_names[i])) == 0)
			return file_names[i];
	return NULL;
}

/* Anywhere, but every other one at the file's end: where else is, and how it is to be read, stands there. */
static size_t
damage_place(size_t bytes, uint64_t random)
{
	size_t at = (size_t)(random >> 16);

	return random >> 8 & 1 ? at % bytes : bytes - 1 - at % MIN(bytes, (size_t)END_BYTES);
}

static void
file_damage(const struct kept *k, enum damage d, uint64_t random)
{
	struct str data = str_make(xstrdup(k->data), k->data.n);
	char *p = (char *)data.p;
	size_t at = damage_place(data.n, random);

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
	};
	char path[80];
	int status;

	if (argc == 5 && strcmp(argv[1], "--look") == 0) {
		snprintf(verify_dir, sizeof(verify_dir), "%s", argv[2]);
		return look_child(argv[3], atoi(argv[4]) != 0);
	}
	if (argc == 5 && strcmp(argv[1], "--repair") == 0) {
		snprintf(verify_dir, sizeof(verify_dir), "%s", argv[2]);
		return repair_child(argv[3], atoi(argv[4]) != 0);
	}
	if (argc > 1)
		rounds = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		first_seed = strtoull(argv[2], NULL, 10);
	must(verify_dir_make());
	if (argc > 3) { /* only this one, on the whole store */
		static struct test_case one[2];

		one[0] = cases[0];
		one[1] = cases[MIN(strtoul(argv[3], NULL, 10), ARRAY_LEN(cases) - 1)];
		status = test_run(one, ARRAY_LEN(one));
	} else {
		status = test_run(cases, ARRAY_LEN(cases));
	}
	dir_remove(verify_dir);
	snprintf(path, sizeof(path), "%s.sight", verify_dir);
	unlink(path);
	return status;
}

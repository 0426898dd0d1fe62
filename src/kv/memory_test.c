/*
 * memory_test.c - the conformance suite on the engine in memory, then what only that engine can do:
 * steps and power cuts.
 */
#include "base/test.h"
#include "kv/conform.h"

#include <stdlib.h>

static struct kv *
memory_open(void)
{
	struct kv_memory_options o = { .base = conform_options(), .seed = 1 };
	struct kv *kv = NULL;

	must(kv_memory_open(&o, &kv) == ERR_OK);
	return kv;
}

/* ---- manual mode */

static const struct account_id account = { 7 };

static struct kv *
manual_open(uint64_t seed)
{
	struct kv_memory_options o = { .base = conform_options(), .manual = true, .seed = seed };
	struct kv *kv = NULL;

	must(kv_memory_open(&o, &kv) == ERR_OK);
	return kv;
}

static struct kv_txn *
version_txn(struct kv *kv, uint64_t version)
{
	struct kv_txn *t = kv_txn_new(kv, account, version - 1, version);
	char digit = (char)('0' + version);

	kv_put(t, KV_ROW, STR("v"), str_make(&digit, 1));
	kv_merge(t, KV_PAGE, STR("p"), str_make(&digit, 1));
	return t;
}

/* What completed, in order: commits by their version, loads by a letter. */
struct story {
	char text[64];
	size_t n;
	enum err e;
};

struct step {
	struct story *story;
	char name;
};

static void
step_commit(void *ctx, enum err e)
{
	struct step *s = ctx;

	s->story->text[s->story->n++] = e == ERR_OK ? s->name : 'x';
	s->story->e = e;
}

static void
step_load(void *ctx, enum err e, struct kv_rows *rows)
{
	struct step *s = ctx;

	s->story->text[s->story->n++] = e == ERR_OK ? s->name : 'y';
	s->story->e = e;
	kv_rows_free(rows);
}

static void
check_is(struct kv *kv, uint64_t version, const char *page)
{
	struct kv_range r = { .kind = KV_PAGE, .from = STR("p"), .is_exact = true };
	struct kv_rows *rows = NULL;

	CHECK_U64(kv_load_now(kv, account, &r, 1, &rows), ERR_OK);
	CHECK_U64(rows->version, version);
	CHECK_STR(rows->ranges[0].count > 0 ? rows->ranges[0].rows[0].value : STR(""), str_c(page));
	kv_rows_free(rows);
}

/* Nothing happens by itself; a seed gives one order of everything, and commits keep theirs. */
static void
test_steps(void)
{
	char first[64] = "";
	bool differ = false;

	for (uint64_t seed = 0; seed < 20; seed++) {
		struct kv *kv = manual_open(seed);
		struct kv_range r = { .kind = KV_ROW };
		struct story story = { .n = 0 };
		struct step steps[6];
		struct kv_rows *rows;

		for (unsigned i = 0; i < 6; i++)
			steps[i] =
			    (struct step){ &story, i < 3 ? (char)('1' + i) : (char)('a' + i - 3) };
		for (unsigned i = 0; i < 3; i++) {
			struct kv_txn *t = version_txn(kv, i + 1);

			kv_commit(kv, &t, 1, step_commit, &steps[i]);
			CHECK_U64(kv_load(kv, account, &r, 1, &rows, step_load, &steps[i + 3]),
			    ERR_WAIT);
		}
		CHECK_U64(story.n, 0);
		for (unsigned i = 1; i <= 6; i++) {
			CHECK(kv_memory_step(kv));
			CHECK_U64(story.n, i);
		}
		CHECK(!kv_memory_step(kv));
		CHECK(strchr(story.text, '1') < strchr(story.text, '2')
		    && strchr(story.text, '2') < strchr(story.text, '3'));
		if (seed == 0)
			memcpy(first, story.text, sizeof(first));
		differ = differ || strcmp(first, story.text) != 0;
		check_is(kv, 3, "123");
		kv_close(kv);
	}
	CHECK(differ);
}

/*
 * What was not synced goes: lazy commits, rows and bytes, back to the last sync; callbacks of the
 * rest never come.
 */
static void
test_memory_power_cut(void)
{
	struct kv *kv = manual_open(1);
	struct story story = { .n = 0 };
	struct step step = { &story, '?' };
	struct kv_stage *s = kv_stage_new(kv);
	struct blob_id id;
	uint64_t length, links;
	struct kv_txn *t;
	size_t taken;

	CHECK_U64(kv_stage_write(s, STR("bytes"), &taken, NULL), ERR_OK);
	CHECK_U64(kv_stage_seal(s, &id, &length), ERR_OK);
	t = version_txn(kv, 1);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	t = version_txn(kv, 2);
	kv_txn_set_lazy(t);
	kv_link(t, &id, 1, s);
	kv_stage_unref(s);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	t = kv_txn_new(kv, account, 2, 3);
	kv_txn_set_lazy(t);
	kv_del_range(t, KV_PAGE, STR(""), STR_NONE);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	check_is(kv, 3, "");
	t = version_txn(kv, 4);
	kv_commit(kv, &t, 1, step_commit, &step);
	kv_memory_power_cut(kv);
	CHECK(!kv_memory_step(kv));
	CHECK_U64(story.n, 0);
	check_is(kv, 1, "1");
	CHECK_U64(kv_blob_links(kv, &id, &links), ERR_OK);
	CHECK_U64(links, 0);
	/* A synced commit takes the lazy ones before it along. */
	t = version_txn(kv, 2);
	kv_txn_set_lazy(t);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	t = version_txn(kv, 3);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	kv_memory_power_cut(kv);
	check_is(kv, 3, "123");
	kv_close(kv);
}

static void
test_memory_failures(void)
{
	struct kv *kv = manual_open(1);
	struct kv_range r = { .kind = KV_ROW };
	struct kv_rows *rows;
	struct kv_txn *t = version_txn(kv, 1);

	kv_memory_fail_at(kv, 1, ERR_FULL);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_FULL);
	CHECK(!kv_is_failed(kv));
	kv_memory_fail_at(kv, 1, ERR_IO);
	CHECK_U64(kv_load_now(kv, account, &r, 1, &rows), ERR_IO);
	CHECK(!kv_is_failed(kv));
	t = version_txn(kv, 1);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	/*
	 * The second operation of a commit is its sync: visible, not durable, and the end of all
	 * commits.
	 */
	kv_memory_fail_at(kv, 2, ERR_IO);
	t = version_txn(kv, 2);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_IO);
	CHECK(kv_is_failed(kv));
	t = version_txn(kv, 3);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_IO);
	kv_memory_power_cut(kv);
	CHECK(!kv_is_failed(kv));
	check_is(kv, 1, "1");
	kv_memory_set_space(kv, KV_SPACE_HARD);
	CHECK(kv_space(kv) == KV_SPACE_HARD);
	t = version_txn(kv, 2);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_FULL);
	t = version_txn(kv, 2);
	kv_txn_set_deletes(t);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	kv_close(kv);
}

int
main(void)
{
	static const struct conform_engine engine = { .open = memory_open, .close = kv_close };
	static const struct test_case cases[] = {
		TEST(test_steps),
		TEST(test_memory_power_cut),
		TEST(test_memory_failures),
	};

	return conform_run(&engine, cases, ARRAY_LEN(cases));
}

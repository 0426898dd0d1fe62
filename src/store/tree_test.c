/* tree_test.c - trees of pages against an array; hostile pages and operands. */
#include "store/tree.h"

#include "base/hash.h"
#include "base/test.h"

#include <stdlib.h>

enum { UIDS = 30000 };

/* The model: entries by UID; msgno 0: none. */
static struct page_entry model[UIDS];
static uint64_t seed = 5;

static uint32_t
rnd(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(hash_u64(seed) % below);
}

static bool
entry_eq(const struct page_entry *a, const struct page_entry *b)
{
	return a->modseq == b->modseq && a->size_bytes == b->size_bytes
	    && a->internal_s == b->internal_s && a->saved_s == b->saved_s && a->msgno == b->msgno
	    && a->flags == b->flags && a->internal_zone_min == b->internal_zone_min
	    && keywords_eq(a->keywords, b->keywords);
}

static void
compare(const struct tree *t)
{
	struct page_sums want = { 0 };
	struct tree_at at;
	uint32_t uid = 0;

	for (uint32_t u = 0; u < UIDS; u++) {
		struct page_entry e;

		if (model[u].msgno == 0) {
			if (u % 37 == 0)
				CHECK(!tree_entry(t, u, &e));
			continue;
		}
		CHECK(tree_next(t, uid, TREE_ANY, &at) && at.uid == u && at.before == want.count);
		page_entry(at.page, at.index, &e);
		CHECK(entry_eq(&e, &model[u]));
		CHECK_U64(tree_select(t, want.count), u);
		CHECK_U64(tree_rank(t, u), want.count);
		uid = u + 1;
		want.count++;
		want.unseen += (model[u].flags & FLAG_SEEN) == 0;
		want.deleted += (model[u].flags & FLAG_DELETED) != 0;
		want.size_bytes += model[u].size_bytes;
		want.deleted_bytes +=
		    (model[u].flags & FLAG_DELETED) != 0 ? model[u].size_bytes : 0;
	}
	CHECK(!tree_next(t, uid, TREE_ANY, &at));
	CHECK_U64(tree_select(t, want.count), 0);
	CHECK_U64(tree_rank(t, (uint64_t)1 << 32), want.count);
	CHECK_U64(tree_sums(t)->count, want.count);
	CHECK_U64(tree_sums(t)->unseen, want.unseen);
	CHECK_U64(tree_sums(t)->deleted, want.deleted);
	CHECK_U64(tree_sums(t)->size_bytes, want.size_bytes);
	CHECK_U64(tree_sums(t)->deleted_bytes, want.deleted_bytes);
}

/* Looks for what is wanted, both ways. */
static void
compare_next(const struct tree *t)
{
	struct tree_want want = { .modseq_above = rnd(3) == 0 ? rnd(300) : 0,
		.set = (uint16_t)(rnd(3) == 0 ? 1 << rnd(5) : 0) };
	uint32_t from = rnd(UIDS), u = from;
	struct tree_at at;
	bool has;

	want.unset = (uint16_t)(rnd(3) == 0 ? (1 << rnd(5)) & ~want.set : 0);
	while (u < UIDS
	    && (model[u].msgno == 0 || model[u].modseq <= want.modseq_above
		|| (model[u].flags & want.set) != want.set || (model[u].flags & want.unset) != 0))
		u++;
	has = tree_next(t, from, want, &at);
	CHECK(has == (u < UIDS));
	if (has)
		CHECK_U64(at.uid, u);
}

static struct page_entry
random_entry(uint64_t modseq)
{
	return (struct page_entry){
		.modseq = modseq,
		.size_bytes = (uint64_t)rnd(100000) << rnd(20),
		.internal_s = (int64_t)rnd(1 << 30) - (1 << 29),
		.saved_s = rnd(1 << 30),
		.msgno = 1 + rnd(1 << 30),
		.flags = (uint16_t)rnd(32),
		.internal_zone_min = (int16_t)(rnd(1440) - 720),
		.keywords = { { rnd(4) == 0 ? rnd(1 << 30) : 0,
		    rnd(8) == 0 ? (uint64_t)rnd(9) << 60 : 0 } },
	};
}

/* One operand on a random page, in the tree and in the model. */
static void
change(struct tree_edit *edit, uint64_t modseq)
{
	uint32_t page = rnd(UIDS / PAGE_UIDS), base = page * PAGE_UIDS;
	struct buf op = BUF_MAX(65536);
	uint64_t mask = 0, there = 0;

	for (unsigned i = 0; i < PAGE_UIDS; i++)
		there |= (uint64_t)(model[base + i].msgno != 0) << i;
	switch (rnd(3)) {
	case 0:
		page_op_append(&op);
		for (unsigned i = 0; i < PAGE_UIDS; i++) {
			if ((there >> i & 1) != 0 || rnd(3) != 0)
				continue;
			model[base + i] = random_entry(modseq);
			page_op_append_entry(&op, i, &model[base + i]);
		}
		break;
	case 1: {
		struct keywords k[PAGE_UIDS];
		uint16_t flags[PAGE_UIDS];
		bool is_same = rnd(2) == 0;
		unsigned n = 0;

		for (unsigned i = 0; i < PAGE_UIDS; i++) {
			struct page_entry e = random_entry(modseq);

			if ((there >> i & 1) == 0 || rnd(2) != 0)
				continue;
			flags[n] = is_same && n != 0 ? flags[0] : e.flags;
			k[n] = is_same && n != 0 ? k[0] : e.keywords;
			model[base + i].flags = flags[n];
			model[base + i].keywords = k[n++];
			model[base + i].modseq = modseq;
			mask |= (uint64_t)1 << i;
		}
		if (mask != 0)
			page_op_set(&op, modseq, mask, flags, k, is_same);
		break;
	}
	case 2:
		mask = there
		    & (rnd(4) == 0 ? ~(uint64_t)0 : ((uint64_t)rnd(1 << 30) << 32 | rnd(1 << 30)));
		for (unsigned i = 0; i < PAGE_UIDS; i++) {
			if ((mask >> i & 1) != 0)
				model[base + i].msgno = 0;
		}
		page_op_remove(&op, mask);
		break;
	}
	if (op.n != 0)
		tree_edit_merge(edit, page, buf_str(&op));
	CHECK(!page_is_damaged(tree_page(tree_edit_now(edit), page)));
	buf_done(&op);
}

struct counter {
	const struct tree *before, *after;
	uint32_t pages;
};

static bool
count_pages(void *ctx, uint32_t page, struct str before, struct str after)
{
	struct counter *c = ctx;

	CHECK(before.p == tree_page(c->before, page).p);
	CHECK(after.p == tree_page(c->after, page).p);
	c->pages++;
	return true;
}

struct run_walk {
	const struct tree *tree;
	uint32_t count, runs;
	uint64_t behind; /* the last run */
};

static void
walk_run(void *ctx, uint32_t first, uint32_t last)
{
	struct run_walk *w = ctx;

	CHECK(first >= w->behind && first <= last);
	CHECK_U64(tree_rank(w->tree, (uint64_t)last + 1) - tree_rank(w->tree, first),
	    (uint64_t)last - first + 1);
	w->count += last - first + 1;
	w->behind = (uint64_t)last + 1;
	w->runs++;
}

/* Runs hold UIDs that are there, and all of them. */
static uint32_t
compare_runs(const struct tree *t)
{
	struct run_walk w = { .tree = t };

	tree_runs(t, walk_run, &w);
	CHECK_U64(w.count, tree_sums(t)->count);
	return w.runs;
}

/* A million messages with a gap: few runs, of full subtrees. */
static void
test_runs(void)
{
	struct buf op = BUF_MAX(65536);
	struct tree_edit edit;
	struct tree *t;

	CHECK_U64(compare_runs(NULL), 0);
	page_op_append(&op);
	for (unsigned i = 0; i < PAGE_UIDS; i++)
		page_op_append_entry(&op, i, &(struct page_entry){ .modseq = 1 });
	tree_edit_begin(&edit, NULL);
	for (uint32_t page = 1; page < 20000; page++)
		if (page != 5000)
			tree_edit_merge(&edit, page, buf_str(&op));
	t = tree_edit_end(&edit);
	CHECK(compare_runs(t) < 63 * 7);
	tree_unref(t);
	buf_done(&op);
}

static void
test_random_histories(void)
{
	struct tree *t = NULL, *old = NULL;

	memset(model, 0, sizeof(model));
	for (uint64_t version = 1; version < 200; version++) {
		struct counter c;
		struct tree_edit edit;
		uint32_t n = 1 + rnd(20);

		tree_unref(old);
		old = tree_ref(t);
		tree_edit_begin(&edit, t);
		tree_unref(t);
		for (uint32_t i = 0; i < n; i++)
			change(&edit, version);
		t = tree_edit_end(&edit);
		c = (struct counter){ old, t, 0 };
		CHECK(tree_diff(old, t, count_pages, &c));
		CHECK(c.pages <= n);
		for (int i = 0; i < 50; i++)
			compare_next(t);
		compare_runs(t);
		if (version % 20 == 0)
			compare(t);
	}
	tree_unref(old);
	CHECK(tree_is_alone(t));
	tree_unref(t);
}

/* Between two times that a page is due to be stored whole are few operands, whatever else is done. */
static void
test_pages_fall_due(void)
{
	const uint16_t flags = FLAG_SEEN;
	const struct keywords none = { 0 };
	struct tree_edit edit = { 0 };
	struct tree *t;
	struct buf op = BUF_MAX(65536);
	unsigned since[40] = { 0 }, due = 0, first = 0;

	for (uint32_t page = 0; page < ARRAY_LEN(since); page++) {
		struct page_entry e = { .modseq = 7, .msgno = page + 1 };

		page_op_append(&op);
		page_op_append_entry(&op, 1, &e);
		tree_edit_merge(&edit, page, buf_str(&op));
	}
	for (unsigned round = 0; round < 100; round++) {
		for (uint32_t page = 0; page < ARRAY_LEN(since); page++) {
			struct str now = tree_page(tree_edit_now(&edit), page);

			page_op_set(&op, 8 + round, 2, &flags, &none, true);
			since[page]++;
			if (round == 50) { /* as when it is loaded */
				char bytes[PAGE_MAX_BYTES];

				memcpy(bytes, now.p, now.n);
				tree_edit_put(&edit, page, str_make(bytes, now.n));
			}
			if (round % 10 == 0)
				tree_edit_notes(&edit, page * PAGE_UIDS + 1, STR_NONE);
			if (!tree_edit_merge(&edit, page, buf_str(&op)))
				continue;
			CHECK(since[page] <= 32);
			since[page] = 0;
			due++;
			first += round == 51;
		}
		t = tree_edit_end(&edit);
		tree_edit_begin(&edit, t);
		tree_unref(t);
	}
	CHECK(due >= 40 * 100 / 17);
	/* Those loaded together are not due together. */
	CHECK(first > 0 && first < 10);
	page_op_remove(&op, 4);
	CHECK(!tree_edit_merge(&edit, 3, buf_str(&op)));
	for (unsigned round = 0; round < 64; round++) {
		page_op_set(&op, 200 + round, 2, &flags, &none, true);
		CHECK(
		    !tree_edit_merge(&edit, 3, buf_str(&op))); /* its row says that it is damaged */
	}
	t = tree_edit_end(&edit);
	tree_unref(t);
	buf_done(&op);
}

static void
test_high_uids(void)
{
	static const uint32_t uids[] = { 1, 63, 64, 4095, 4096, 1u << 18, 1u << 24, 1u << 30,
		UINT32_MAX - 1 };
	struct tree_edit edit = { 0 };
	struct tree_at at;
	struct tree *t;
	struct buf op = BUF_MAX(65536);

	for (size_t i = 0; i < ARRAY_LEN(uids); i++) {
		struct page_entry e = { .modseq = 1, .msgno = (uint32_t)i + 1 };

		page_op_append(&op);
		page_op_append_entry(&op, uids[i] % PAGE_UIDS, &e);
		tree_edit_merge(&edit, uids[i] / PAGE_UIDS, buf_str(&op));
	}
	t = tree_edit_end(&edit);
	CHECK_U64(tree_last(t), UINT32_MAX - 1);
	for (size_t i = 0; i < ARRAY_LEN(uids); i++) {
		CHECK_U64(tree_select(t, (uint32_t)i), uids[i]);
		CHECK_U64(tree_rank(t, uids[i]), i);
		CHECK(
		    tree_next(t, i == 0 ? 0 : uids[i - 1] + 1, TREE_ANY, &at) && at.uid == uids[i]);
	}
	tree_edit_begin(&edit, t);
	for (size_t i = 0; i < ARRAY_LEN(uids); i++) {
		page_op_remove(&op, (uint64_t)1 << uids[i] % PAGE_UIDS);
		tree_edit_merge(&edit, uids[i] / PAGE_UIDS, buf_str(&op));
	}
	CHECK(tree_edit_end(&edit) == NULL);
	tree_unref(t);
	buf_done(&op);
}

/* What can't be applied marks the page, and what is there stays. */
static void
test_damage(void)
{
	struct page_entry e = { .modseq = 1, .msgno = 7 };
	struct buf op = BUF_MAX(65536), page = BUF_MAX(65536), out = BUF_MAX(65536);
	struct str ops[2];

	page_op_append(&op);
	page_op_append_entry(&op, 5, &e);
	ops[0] = buf_str(&op);
	page_merge(STR_NONE, ops, 1, &page);
	CHECK(page_is_valid(buf_str(&page)) && !page_is_damaged(buf_str(&page)));
	page_merge(buf_str(&page), ops, 1, &out);
	CHECK(page_is_damaged(buf_str(&out)));
	CHECK_U64(page_msgno(buf_str(&out), 0), 7);
	for (size_t n = 0; n < op.n; n++) {
		ops[0] = str_make(op.p, n);
		page_merge(buf_str(&page), ops, 1, &out);
		CHECK(page_is_damaged(buf_str(&out)) || n == 8); /* 8: an append of nothing */
		CHECK(page_is_valid(buf_str(&out)));
	}
	page_op_remove(&op, (uint64_t)1 << 6);
	ops[0] = buf_str(&op);
	page_merge(buf_str(&page), ops, 1, &out);
	CHECK(page_is_damaged(buf_str(&out)));
	buf_done(&op);
	buf_done(&page);
	buf_done(&out);
}

static void
test_private_pages(void)
{
	struct buf op = BUF_MAX(65536), more = BUF_MAX(65536), page = BUF_MAX(65536);
	struct str ops[2];
	uint64_t modseq;
	bool is_seen;

	page_op_private(&op, 9, 0x15, 0x11);
	page_op_private(&more, 12, 0x3, 0x0);
	ops[0] = buf_str(&op);
	ops[1] = buf_str(&more);
	page_merge(STR_NONE, ops, 2, &page);
	CHECK(page_private_is_valid(buf_str(&page)));
	CHECK(page_private(buf_str(&page), 0, &is_seen, &modseq) && !is_seen && modseq == 12);
	CHECK(page_private(buf_str(&page), 1, &is_seen, &modseq) && !is_seen && modseq == 12);
	CHECK(page_private(buf_str(&page), 2, &is_seen, &modseq) && !is_seen && modseq == 9);
	CHECK(page_private(buf_str(&page), 4, &is_seen, &modseq) && is_seen && modseq == 9);
	CHECK(!page_private(buf_str(&page), 3, &is_seen, &modseq));
	page_op_remove(&op, 0x10);
	ops[0] = buf_str(&op);
	page_merge(buf_str(&page), ops, 1, &more);
	CHECK(!page_private(buf_str(&more), 4, &is_seen, &modseq));
	buf_done(&op);
	buf_done(&more);
	buf_done(&page);
}

TEST_MAIN(TEST(test_runs), TEST(test_random_histories), TEST(test_pages_fall_due),
    TEST(test_high_uids), TEST(test_damage), TEST(test_private_pages))

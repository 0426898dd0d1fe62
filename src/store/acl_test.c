/*
 * acl_test.c - access control lists: letters, lists as they are stored, and what entries add up to.
 */
#include "store/acl.h"

#include "base/test.h"

static const struct str bob_groups[] = { STR_INIT("sales"), STR_INIT("staff") };
static const struct identity bob = { .user = STR_INIT("bob"),
	.groups = bob_groups,
	.group_count = 2 };
static const struct identity ann = { .user = STR_INIT("ann") };

static void
test_letters(void)
{
	static const struct {
		struct str text, told;
	} cases[] = {
		{ STR_INIT(""), STR_INIT("") },
		{ STR_INIT("lr"), STR_INIT("lr") },
		{ STR_INIT("rl"), STR_INIT("lr") },
		{ STR_INIT("lrswida"), STR_INIT("lrswitead") },
		{ STR_INIT("c"), STR_INIT("kxc") },
		{ STR_INIT("x"), STR_INIT("xc") },
		{ STR_INIT("d"), STR_INIT("ted") },
		{ STR_INIT("lrswipkxteancd"), STR_INIT("lrswipkxteancd") },
	};

	unsigned rights;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		BUF_CLEAN struct buf b = BUF_MAX(32);

		CHECK(rights_parse(cases[i].text, &rights));
		rights_format(rights, &b);
		CHECK_STR(buf_str(&b), cases[i].told);
	}
	CHECK(!rights_parse(STR("q"), &rights));
	CHECK(!rights_parse(STR("L"), &rights));
	CHECK(!rights_parse(STR("l0"), &rights));
	CHECK(!rights_parse(STR("l\0r"), &rights));
}

/* A list of "identifier rights" pairs. */
static void
make(struct buf *out, const char *const *pairs)
{
	for (; pairs[0] != NULL; pairs += 2) {
		BUF_CLEAN struct buf next = BUF_MAX(ACL_BYTES_MAX);
		unsigned rights = 0;

		CHECK(rights_parse(str_c(pairs[1]), &rights));
		CHECK(acl_set(buf_str(out), str_c(pairs[0]), rights, true, &next) == ERR_OK);
		buf_clear(out);
		buf_str_add(out, buf_str(&next));
	}
}

static void
test_lists(void)
{
	BUF_CLEAN struct buf list = BUF_MAX(ACL_BYTES_MAX);
	BUF_CLEAN struct buf less = BUF_MAX(ACL_BYTES_MAX);
	unsigned rights;

	make(&list, (const char *const[]){ "ann", "lr", "bob", "l", "ann", "s", NULL });
	CHECK(acl_find(buf_str(&list), STR("ann"), &rights) && rights == RIGHT_S);
	CHECK(acl_find(buf_str(&list), STR("bob"), &rights) && rights == RIGHT_L);
	CHECK(!acl_find(buf_str(&list), STR("an"), &rights));
	CHECK(acl_is_valid(buf_str(&list)));
	for (size_t n = 1; n < list.n; n++)
		CHECK(acl_is_valid(str_sub(buf_str(&list), 0, n)) == (n == 6));
	CHECK(acl_set(buf_str(&list), STR("ann"), 0, false, &less) == ERR_OK);
	CHECK(!acl_find(buf_str(&less), STR("ann"), &rights));
	CHECK(acl_find(buf_str(&less), STR("bob"), &rights));
}

static void
test_sums(void)
{
	static const struct {
		const char *name;
		const char *pairs[9];
		const struct identity *who;
		const char *owner, *rights;
	} cases[] = {
		{ "an owner alone", { NULL }, &ann, "ann", "lrswipkxtean" },
		{ "a stranger", { NULL }, &bob, "ann", "" },
		{ "by name", { "bob", "lr" }, &bob, "ann", "lr" },
		{ "by group", { "$staff", "lr", "$other", "w" }, &bob, "ann", "lr" },
		{ "all of them", { "bob", "l", "$sales", "r", "anyone", "s" }, &bob, "ann", "lrs" },
		{ "taken away", { "anyone", "lrs", "-bob", "s", "-$staff", "r" }, &bob, "ann",
		    "l" },
		{ "taken from others", { "anyone", "lrs", "-carl", "s" }, &bob, "ann", "lrs" },
		{ "others' entries leave the owner alone", { "bob", "l" }, &ann, "ann",
		    "lrswipkxtean" },
		{ "an owner who is named", { "ann", "r", "anyone", "s" }, &ann, "ann", "lrsa" },
		{ "an owner loses what is taken", { "-ann", "wla" }, &ann, "ann", "lrsipkxtean" },
		{ "a user is no group of the name", { "$bob", "l" }, &bob, "ann", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		BUF_CLEAN struct buf list = BUF_MAX(ACL_BYTES_MAX);
		unsigned want = 0, got;

		make(&list, cases[i].pairs);
		CHECK(rights_parse(str_c(cases[i].rights), &want));
		got = acl_rights(buf_str(&list), str_c(cases[i].owner), cases[i].who);
		if (!CHECK(got == want))
			printf("# %s: %x, not %x\n", cases[i].name, got, want);
	}
}

TEST_MAIN(TEST(test_letters), TEST(test_lists), TEST(test_sums))

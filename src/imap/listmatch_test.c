/* listmatch_test.c - unit tests of listmatch.c. */
#include "imap/listmatch.h"

#include "base/buf.h"
#include "base/test.h"

enum { NO = LISTMATCH_NO, YES = LISTMATCH_YES, CH = LISTMATCH_CHILDREN };

static const struct {
	const char *pattern, *name;
	unsigned want;
} rows[] = {
	{ "*", "a", YES | CH },
	{ "*", "a/b/c", YES | CH },
	{ "%", "a", YES },
	{ "%", "a/b", NO },
	{ "a", "a", YES },
	{ "a", "b", NO },
	{ "a", "A", NO },
	{ "a/%", "a", CH },
	{ "a/%", "a/b", YES },
	{ "a/%", "a/b/c", NO },
	{ "%/%", "a", CH },
	{ "%/%", "a/b", YES },
	{ "%/%/c", "a/b", CH },
	{ "a*", "a", YES | CH },
	{ "a*", "ab/c", YES | CH },
	{ "*c", "a/b/c", YES | CH },
	{ "*c", "a/b", CH },
	{ "%c", "abc", YES },
	{ "%b%d", "abcd", YES },
	{ "%b%d", "ab/cd", NO },
	{ "*b%d", "x/abcd", YES | CH },
	{ "%*", "a/b", YES | CH },
	{ "*%", "a/b", YES | CH },
	{ "%%", "ab", YES },
	{ "**", "ab", YES | CH },
	{ "a%%b", "ab", YES },
	{ "", "a", NO },
	{ "inbox", "INBOX", YES },
	{ "Inbox/%", "INBOX", CH },
	{ "inbox*", "INBOX/x", YES | CH },
	{ "inboxes", "INBOXes", NO },
	{ "a/b", "a", CH },
	{ "a/b/c", "a", CH },
	{ "a/", "a", NO },
	{ "x/inbox", "x/INBOX", NO },
};

static void
test_cases(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a = ARENA_NONE;
		struct str pattern = str_c(rows[i].pattern);
		struct imap_listmatch *m = imap_listmatch_new(&a, &pattern, 1, '/');

		if (!CHECK_U64(imap_listmatch_run(m, str_c(rows[i].name)), rows[i].want))
			printf("# \"%s\" on \"%s\"\n", rows[i].pattern, rows[i].name);
		arena_done(&a);
	}
}

static void
test_many(void)
{
	struct arena a = ARENA_NONE;
	const struct str patterns[] = { STR_INIT("x"), STR_INIT(""), STR_INIT("a/%"),
		STR_INIT("b*") };
	struct imap_listmatch *m = imap_listmatch_new(&a, patterns, ARRAY_LEN(patterns), '/');

	CHECK_U64(imap_listmatch_run(m, STR("x")), YES);
	CHECK_U64(imap_listmatch_run(m, STR("a")), CH);
	CHECK_U64(imap_listmatch_run(m, STR("a/b")), YES);
	CHECK_U64(imap_listmatch_run(m, STR("bb/c")), YES | CH);
	CHECK_U64(imap_listmatch_run(m, STR("c")), NO);
	arena_done(&a);
}

/*
 * What takes other matchers exponential time; here it must just end, and cross the words of the bit
 * set rightly.
 */
static void
test_long(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf p = BUF_MAX(100000), n = BUF_MAX(100000);
	struct str pattern;
	struct imap_listmatch *m;

	for (int i = 0; i < 500; i++) {
		buf_lit(&p, "*a");
		buf_lit(&n, "aa");
	}
	pattern = buf_str(&p);
	m = imap_listmatch_new(&a, &pattern, 1, '/');
	CHECK_U64(imap_listmatch_run(m, buf_str(&n)), YES | CH);
	buf_chr(&n, 'b');
	CHECK_U64(imap_listmatch_run(m, buf_str(&n)), CH);
	for (int i = 0; i < 4000; i++)
		buf_lit(&p, "%b");
	pattern = buf_str(&p);
	m = imap_listmatch_new(&a, &pattern, 1, '/');
	CHECK_U64(imap_listmatch_run(m, buf_str(&n)), CH);
	arena_done(&a);
}

/* Wildcards that eat something (RFC 5257 4.3). */
static void
test_strict(void)
{
	static const struct {
		const char *pattern, *name;
		bool is_match;
	} strict[] = {
		{ "/%", "/comment", true },
		{ "/%", "/1/comment", false },
		{ "/*", "/1/comment", true },
		{ "*", "/a", true },
		{ "/comment*", "/comment", false },
		{ "/comment*", "/comments", true },
		{ "/comment%", "/comment/a", false },
		{ "/*/x", "//x", false },
		{ "/*/x", "/a/b/x", true },
		{ "/%/x", "/a/b/x", false },
		{ "inbox*", "INBOXa", false },
		{ "/a%%b", "/aab", true },
		{ "/a%b", "/ab", false },
	};
	struct arena a = ARENA_NONE;

	for (size_t i = 0; i < ARRAY_LEN(strict); i++) {
		struct str pattern = str_c(strict[i].pattern);
		struct imap_listmatch *m = imap_listmatch_new_strict(&a, &pattern, 1, '/');

		CHECK(((imap_listmatch_run(m, str_c(strict[i].name)) & LISTMATCH_YES) != 0)
		    == strict[i].is_match);
	}
	arena_done(&a);
}

TEST_MAIN(TEST(test_cases), TEST(test_many), TEST(test_long), TEST(test_strict))

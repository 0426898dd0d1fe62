/* scan_test.c - unit tests of scan.c, append.c and select.c. */
#include "imap/append.h"
#include "imap/scan.h"
#include "imap/select.h"

#include "base/test.h"

static const struct {
	const char *in, *want; /* want NULL: an error */
} strings[] = {
	{ "atom", "atom" },
	{ "a]b", "a]b" },
	{ "\"\"", "" },
	{ "\"a b\"", "a b" },
	{ "\"a\\\"b\\\\\"", "a\"b\\" },
	{ "\"gr\xc3\xbc\xc3\x9f\"", "gr\xc3\xbc\xc3\x9f" },
	{ "{3}\r\na\r\n", "a\r\n" },
	{ "{1}\r\n\n", "\n" },
	{ "{3+}\r\nabc", "abc" },
	{ "{3}\nabc", "abc" },
	{ "{0}\r\n", "" },
	{ "", NULL },
	{ " a", NULL },
	{ "(", NULL },
	{ "a*", NULL },
	{ "\"a", NULL },
	{ "\"a\\b\"", NULL },
	{ "\"a\\\"", NULL },
	{ "\"a\\", NULL },
	{ "\"a\nb\"", NULL },
	{ "{4}\r\nabc", NULL },
	{ "{3}abc", NULL },
	{ "{}\r\n", NULL },
	{ "{99999999999999999999}\r\n", NULL },
	{ "~{3}\r\nabc", NULL },
};

static void
test_astring(void)
{
	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		struct arena a = ARENA_NONE;
		struct imap_scan s;
		struct str got = STR_NONE;
		bool is_good;

		imap_scan_init(&s, &a, str_c(strings[i].in), false);
		is_good = imap_scan_astring(&s, &got) && imap_scan_end(&s);
		CHECK(is_good == (imap_scan_err(&s) == ERR_OK));
		if (!CHECK(is_good == (strings[i].want != NULL))
		    || (is_good && !CHECK_STR(got, str_c(strings[i].want))))
			printf("# for \"%s\"\n", strings[i].in);
		arena_done(&a);
	}
}

static void
test_literal_with_nul(void)
{
	struct arena a = ARENA_NONE;
	struct imap_scan s;
	struct str got;

	imap_scan_init(&s, &a, STR("{3}\r\na\0b"), false);
	CHECK(!imap_scan_astring(&s, &got));
	arena_done(&a);
}

static void
test_words(void)
{
	struct arena a = ARENA_NONE;
	struct imap_scan s;
	struct str tag, name, box;
	struct seqset set;
	uint32_t n;
	uint64_t n64;
	int32_t day;
	struct imap_datetime t;

	imap_scan_init(&s, &a,
	    STR("a.1 uid copy 1:3,$ inbox 4294967295 9223372036854775807 1-Feb-1994 \"17-Jul-1996 02:44:25 -0700\" NIL"),
	    false);
	CHECK(imap_scan_tag(&s, &tag) && imap_scan_sp(&s));
	CHECK_STR(tag, STR("a.1"));
	CHECK(imap_scan_try_atom(&s, STR("UID")) && !imap_scan_try_atom(&s, STR("COPY"))
	    && imap_scan_sp(&s));
	CHECK(!imap_scan_try_atom(&s, STR("COP")));
	CHECK(imap_scan_atom(&s, &name) && imap_scan_sp(&s));
	CHECK_STR(name, STR("copy"));
	CHECK(imap_scan_seqset(&s, &set) && set.n == 1 && set.has_saved && !set.has_star
	    && imap_scan_sp(&s));
	CHECK(imap_scan_mailbox(&s, &box) && imap_scan_sp(&s));
	CHECK_STR(box, STR("INBOX"));
	CHECK(imap_scan_nz_number(&s, &n) && n == UINT32_MAX && imap_scan_sp(&s));
	CHECK(imap_scan_number64(&s, &n64) && n64 == INT64_MAX && imap_scan_sp(&s));
	CHECK(imap_scan_date(&s, &day) && day == imap_date_days(1994, 2, 1) && imap_scan_sp(&s));
	CHECK(imap_scan_datetime(&s, &t) && t.zone_min == -420 && imap_scan_sp(&s));
	CHECK(imap_scan_nstring(&s, &name) && name.p == NULL);
	CHECK(imap_scan_end(&s));
	arena_done(&a);
}

static const struct {
	const char *in;
	unsigned system;
	size_t n_keywords; /* SIZE_MAX: an error */
} flag_lists[] = {
	{ "()", 0, 0 },
	{ "(\\Seen)", FLAG_SEEN, 0 },
	{ "(\\seen \\FLAGGED \\Deleted \\draft \\answered)", FLAGS_STORABLE, 0 },
	{ "($Junk foo FOO $junk)", 0, 2 },
	{ "(\\Recent)", 0, SIZE_MAX },
	{ "(\\*)", 0, SIZE_MAX },
	{ "(\\Foo)", 0, SIZE_MAX },
	{ "(\\)", 0, SIZE_MAX },
	{ "(a", 0, SIZE_MAX },
	{ "(a,b)", 0, 1 },
	{ "(a\"b)", 0, SIZE_MAX },
	{ "(a]b)", 0, SIZE_MAX },
};

static void
test_flags(void)
{
	for (size_t i = 0; i < ARRAY_LEN(flag_lists); i++) {
		struct arena a = ARENA_NONE;
		struct imap_scan s;
		struct imap_flags f;
		bool is_good;

		imap_scan_init(&s, &a, str_c(flag_lists[i].in), false);
		is_good = imap_scan_flag_list(&s, &f) && imap_scan_end(&s);
		if (!CHECK(is_good == (flag_lists[i].n_keywords != SIZE_MAX))
		    || (is_good
			&& !CHECK(f.system == flag_lists[i].system
			    && f.n_keywords == flag_lists[i].n_keywords)))
			printf("# for %s\n", flag_lists[i].in);
		arena_done(&a);
	}
}

static void
test_flag_limits(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(10000);
	struct imap_scan s;
	struct imap_flags f;

	buf_chr(&b, '(');
	for (int i = 0; i < KEYWORDS_MAX; i++)
		buf_printf(&b, "%sk%d", i == 0 ? "" : " ", i);
	buf_chr(&b, ')');
	imap_scan_init(&s, &a, buf_str(&b), false);
	CHECK(imap_scan_flag_list(&s, &f) && f.n_keywords == KEYWORDS_MAX);
	b.n--;
	buf_lit(&b, " more)");
	imap_scan_init(&s, &a, buf_str(&b), false);
	CHECK(!imap_scan_flag_list(&s, &f) && imap_scan_err(&s) == ERR_LIMIT);
	arena_done(&a);
}

static void
test_error_text(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(1000), c = BUF_MAX(1000);
	struct imap_scan s;
	struct str box;

	imap_scan_init(&s, &a, STR("( "), false);
	CHECK(!imap_scan_mailbox(&s, &box));
	CHECK(!imap_scan_sp(&s));
	imap_scan_error(&s, &b);
	CHECK_STR(buf_str(&b), STR("Expected a mailbox name at byte 1 of the command."));
	imap_scan_init(&s, &a, STR(""), false);
	CHECK(!imap_scan_sp(&s));
	imap_scan_error(&s, &c);
	CHECK_STR(buf_str(&c), STR("Expected a space at the end of the command."));
	arena_done(&a);
}

static void
test_append(void)
{
	struct arena a = ARENA_NONE;
	struct imap_scan s;
	struct imap_append_message m;
	struct str box;
	bool has_more;

	imap_scan_init(&s, &a, STR("Sent (\\Seen $Forwarded) \" 7-Jul-1996 02:44:25 +0000\" {310}"),
	    false);
	CHECK(imap_append_open(&s, &box) == ERR_OK);
	CHECK_STR(box, STR("Sent"));
	CHECK(imap_append_message(&s, &m) == ERR_OK);
	CHECK(m.flags.system == FLAG_SEEN && m.flags.n_keywords == 1 && m.has_date
	    && m.literal.size == 310 && m.literal.is_sync && !m.literal.is_binary && !m.is_utf8);
	imap_scan_init(&s, &a, STR(" ~{1+}"), false);
	CHECK(imap_append_next(&s, false, &has_more) == ERR_OK && has_more);
	CHECK(imap_append_message(&s, &m) == ERR_OK && m.literal.is_binary && !m.literal.is_sync
	    && !m.has_date);
	imap_scan_init(&s, &a, STR(""), false);
	CHECK(imap_append_next(&s, false, &has_more) == ERR_OK && !has_more);
	imap_scan_init(&s, &a, STR("x UTF8 (~{5}"), false);
	CHECK(imap_append_open(&s, &box) == ERR_OK && imap_append_message(&s, &m) == ERR_OK
	    && m.is_utf8);
	imap_scan_init(&s, &a, STR(")"), false);
	CHECK(imap_append_next(&s, true, &has_more) == ERR_OK && !has_more);
	imap_scan_init(&s, &a, STR(""), false);
	CHECK(imap_append_next(&s, true, &has_more) == ERR_SYNTAX);
	imap_scan_init(&s, &a, STR("x UTF8 ({5}"), false);
	CHECK(imap_append_open(&s, &box) == ERR_OK && imap_append_message(&s, &m) == ERR_SYNTAX);
	imap_scan_init(&s, &a, STR("x \"quoted\""), false);
	CHECK(imap_append_open(&s, &box) == ERR_OK && imap_append_message(&s, &m) == ERR_SYNTAX);
	imap_scan_init(&s, &a, STR("x"), false);
	CHECK(imap_append_open(&s, &box) == ERR_SYNTAX);
	arena_done(&a);
}

static const struct {
	const char *in;
	bool is_good;
} selects[] = {
	{ "INBOX", true },
	{ "INBOX (CONDSTORE)", true },
	{ "INBOX (QRESYNC (67890007 20050715194045000))", true },
	{ "INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541))", true },
	{ "INBOX (QRESYNC (67890007 90060115194045000 41:211 (5,9 100,200)) CONDSTORE)", true },
	{ "INBOX (QRESYNC (1 2 (5:6 8:9)))", true },
	{ "INBOX (QRESYNC (1 0))", true },
	{ "INBOX (QRESYNC (0 1))", false },
	{ "INBOX (QRESYNC (1))", false },
	{ "INBOX (QRESYNC (1 2 1:*))", false },
	{ "INBOX (QRESYNC (1 2 $))", false },
	{ "INBOX (QRESYNC (1 2 (5:6 8)))", false },
	{ "INBOX (QRESYNC (1 2) QRESYNC (1 2))", false },
	{ "INBOX (FOO)", false },
	{ "INBOX ()", false },
	{ "\"a\xff\"", false },
	{ "INBOX CONDSTORE", false },
	{ "", false },
};

static void
test_select(void)
{
	for (size_t i = 0; i < ARRAY_LEN(selects); i++) {
		struct arena a = ARENA_NONE;
		struct imap_scan s;
		struct imap_select sel;

		imap_scan_init(&s, &a, str_c(selects[i].in), false);
		if (!CHECK((imap_select_parse(&s, &sel) == ERR_OK) == selects[i].is_good))
			printf("# for %s\n", selects[i].in);
		imap_select_done(&sel);
		arena_done(&a);
	}
}

TEST_MAIN(TEST(test_astring), TEST(test_literal_with_nul), TEST(test_words), TEST(test_flags),
    TEST(test_flag_limits), TEST(test_error_text), TEST(test_append), TEST(test_select))

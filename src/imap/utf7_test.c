/* utf7_test.c - unit tests of utf7.c: modified UTF-7 and the rules of names. */
#include "imap/utf7.h"

#include "base/test.h"

static const struct {
	const char *utf7, *utf8;
} pairs[] = {
	{ "INBOX", "INBOX" },
	{ "", "" },
	{ "R&-D", "R&D" },
	{ "&-", "&" },
	{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
	{ "&AOkA6Q-", "\xc3\xa9\xc3\xa9" },
	{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
	    "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "&2D3cqQ-", "\xf0\x9f\x92\xa9" },
	{ "&Jjo-!", "\xe2\x98\xba!" },
};

static const char *const bad[] = {
	"R&D", /* no end */
	"R&D Team",
	"&AOk",     /* no "-" */
	"&AGE-",    /* "a" shifted */
	"&AAAAYQ-", /* NUL */
	"&2D0-",    /* half a pair */
	"&3Kk-",    /* the other half */
	"&2D0AYQ-",
	"&AOkA-", /* bits left over */
	"&AOl-",  /* bits that are not 0 */
	"&A-",
	"&AO k-",
	"&AO\xc3\xa9-",
	"x\xff",
};

static void
test_utf7(void)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		BUF_CLEAN struct buf b = BUF_MAX(1000), c = BUF_MAX(1000);

		CHECK(imap_utf7_decode(str_c(pairs[i].utf7), &b));
		CHECK_STR(buf_str(&b), str_c(pairs[i].utf8));
		imap_utf7_encode(str_c(pairs[i].utf8), &c);
		CHECK_STR(buf_str(&c), str_c(pairs[i].utf7));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		BUF_CLEAN struct buf b = BUF_MAX(1000);

		if (!CHECK(!imap_utf7_decode(str_c(bad[i]), &b)))
			printf("# \"%s\" gave \"%.*s\"\n", bad[i], STR_F(buf_str(&b)));
	}
	{
		BUF_CLEAN struct buf b = BUF_MAX(1000);

		/*
		 * Forms that clients write and we do not: 8-bit text, one run cut in two, "&"
		 * inside a run.
		 */
		CHECK(imap_utf7_decode(STR("Entw\xc3\xbcrfe/&AOk-&AOk-/&AOkAJg-"), &b));
		CHECK_STR(buf_str(&b), STR("Entw\xc3\xbcrfe/\xc3\xa9\xc3\xa9/\xc3\xa9&"));
	}
}

static const struct {
	const char *in, *want; /* want NULL: ERR_BADNAME */
	bool is_utf8;
} names[] = {
	{ "inbox", "INBOX", false },
	{ "InBox/Sub", "INBOX/Sub", false },
	{ "inboxes", "inboxes", false },
	{ "x/inbox", "x/inbox", false },
	{ "a/b/", "a/b", false },
	{ "inbox/", "INBOX", false },
	{ "A b*%", "A b*%", false },
	{ "u\xcc\x88", "\xc3\xbc", true },
	{ "&AHUDCA-", NULL, false },
	{ "u&Awg-", "\xc3\xbc", false },
	{ "R&D", "R&D", true },
	{ "&-", "&-", true },
	{ "", NULL, true },
	{ "/", NULL, true },
	{ "/a", NULL, true },
	{ "a//b", NULL, true },
	{ "a//", NULL, true },
	{ "a\x01", NULL, true },
	{ "a\x7f", NULL, true },
	{ "a\xc2\x80", NULL, true },
	{ "a\xe2\x80\xa8", NULL, true },
	{ "a\xef\xbf\xbf", NULL, true },
	{ "a\xff", NULL, true },
	{ "&AAE-", NULL, false },
};

static void
test_names(void)
{
	struct arena a = ARENA_NONE;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct str got = STR_NONE;
		enum err e = imap_name_decode(&a, str_c(names[i].in), names[i].is_utf8, &got);

		if (!CHECK(e == (names[i].want == NULL ? ERR_BADNAME : ERR_OK))
		    || (e == ERR_OK && !CHECK_STR(got, str_c(names[i].want))))
			printf("# for \"%s\"\n", names[i].in);
	}
	arena_done(&a);
}

static void
test_limits(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(5000);
	struct str got;

	for (int i = 0; i < MAILBOX_NAME_MAX; i++)
		buf_chr(&b, 'x');
	CHECK(
	    imap_name_decode(&a, buf_str(&b), false, &got) == ERR_OK && got.n == MAILBOX_NAME_MAX);
	CHECK(imap_name_decode(&a, buf_str(&b), true, &got) == ERR_OK);
	buf_chr(&b, 'x');
	CHECK(imap_name_decode(&a, buf_str(&b), false, &got) == ERR_BADNAME);
	CHECK(imap_name_decode(&a, buf_str(&b), true, &got) == ERR_BADNAME);
	buf_clear(&b);
	for (int i = 0; i < MAILBOX_LEVELS_MAX; i++)
		buf_c(&b, i == 0 ? "x" : "/x");
	CHECK(imap_name_decode(&a, buf_str(&b), true, &got) == ERR_OK);
	buf_c(&b, "/x");
	CHECK(imap_name_decode(&a, buf_str(&b), true, &got) == ERR_BADNAME);
	CHECK(imap_name_decode_pattern(&a, STR("inbox/&AOk-%*/"), false, &got) == ERR_OK);
	CHECK_STR(got, STR("inbox/\xc3\xa9%*/"));
	arena_done(&a);
}

TEST_MAIN(TEST(test_utf7), TEST(test_names), TEST(test_limits))

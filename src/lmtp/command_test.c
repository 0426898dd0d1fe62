/* command_test.c - lines of LMTP clients. */
#include "lmtp/command.h"

#include "base/buf.h"
#include "base/test.h"

static void
test_verbs(void)
{
	static const struct {
		const char *line;
		enum lmtp_verb verb;
		enum err e;
	} cases[] = {
		{ "LHLO mx.example.org", LMTP_LHLO, ERR_OK },
		{ "lhlo [192.0.2.1]", LMTP_LHLO, ERR_OK },
		{ "LHLO", LMTP_LHLO, ERR_SYNTAX },
		{ "LHLO a\tb", LMTP_LHLO, ERR_SYNTAX },
		{ "EHLO x", LMTP_HELO, ERR_OK },
		{ "HELO x", LMTP_HELO, ERR_OK },
		{ "DATA", LMTP_DATA, ERR_OK },
		{ "data  ", LMTP_DATA, ERR_OK },
		{ "DATA now", LMTP_DATA, ERR_SYNTAX },
		{ "RSET", LMTP_RSET, ERR_OK },
		{ "RSET x", LMTP_RSET, ERR_SYNTAX },
		{ "NOOP", LMTP_NOOP, ERR_OK },
		{ "NOOP anything goes", LMTP_NOOP, ERR_OK },
		{ "QUIT", LMTP_QUIT, ERR_OK },
		{ "VRFY joe", LMTP_VRFY, ERR_OK },
		{ "HELP", LMTP_HELP, ERR_OK },
		{ "STARTTLS", LMTP_STARTTLS, ERR_OK },
		{ "STARTTLS x", LMTP_STARTTLS, ERR_SYNTAX },
		{ "BDAT 0", LMTP_BDAT, ERR_OK },
		{ "BDAT 12 LAST", LMTP_BDAT, ERR_OK },
		{ "BDAT 12 FIRST", LMTP_BDAT, ERR_SYNTAX },
		{ "BDAT", LMTP_BDAT, ERR_SYNTAX },
		{ "BDAT -1", LMTP_BDAT, ERR_SYNTAX },
		{ "BDAT 99999999999999999999", LMTP_BDAT, ERR_SYNTAX },
		{ "", LMTP_UNKNOWN, ERR_OK },
		{ "FROBNICATE", LMTP_UNKNOWN, ERR_OK },
		{ "POST / HTTP/1.1", LMTP_HTTP, ERR_OK },
		{ "post / HTTP/1.1", LMTP_UNKNOWN, ERR_OK },
		{ "DATAX", LMTP_UNKNOWN, ERR_OK },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena a = ARENA_NONE;
		struct lmtp_command c;
		enum err e = lmtp_command_parse(&a, str_c(cases[i].line), &c);

		if (!CHECK(e == cases[i].e && c.verb == cases[i].verb))
			printf("# %s\n", cases[i].line);
		arena_done(&a);
	}
}

static void
test_paths(void)
{
	static const struct {
		const char *line, *address, *text;
		size_t local_bytes;
		enum err e;
	} cases[] = {
		{ "RCPT TO:<joe@example.org>", "joe@example.org", "joe@example.org", 3, ERR_OK },
		{ "rcpt to: <joe@example.org>", "joe@example.org", "joe@example.org", 3, ERR_OK },
		{ "RCPT TO:<joe+box@example.org>", "joe+box@example.org", "joe+box@example.org", 7,
		    ERR_OK },
		{ "RCPT TO:<joe>", "joe", "joe", 3, ERR_OK },
		{ "RCPT TO:<@a.example,@b.example:joe@example.org>", "joe@example.org",
		    "joe@example.org", 3, ERR_OK },
		{ "RCPT TO:<\"joe x\"@example.org>", "joe x@example.org", "\"joe x\"@example.org",
		    5, ERR_OK },
		{ "RCPT TO:<\"a>b\\\"\"@example.org>", "a>b\"@example.org",
		    "\"a>b\\\"\"@example.org", 4, ERR_OK },
		{ "RCPT TO:<joe@[192.0.2.1]>", "joe@[192.0.2.1]", "joe@[192.0.2.1]", 3, ERR_OK },
		{ "RCPT TO:<joe@[IPv6:2001:db8::1]>", "joe@[IPv6:2001:db8::1]",
		    "joe@[IPv6:2001:db8::1]", 3, ERR_OK },
		{ "RCPT TO:<.joe..x.@example.org>", ".joe..x.@example.org", ".joe..x.@example.org",
		    8, ERR_OK },
		{ "RCPT TO:<j\xC3\xB6@example.org>", "j\xC3\xB6@example.org",
		    "j\xC3\xB6@example.org", 3, ERR_OK },
		{ "RCPT TO:<j\xFF@example.org>", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<>", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:joe@example.org", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<joe@example.org", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<joe@>", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<@example.org>", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<joe smith@example.org>", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<joe@exam ple.org>", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<joe@a@b>", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<joe@[192.0.2.1>", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<joe>x", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT FROM:<joe>", NULL, NULL, 0, ERR_SYNTAX },
		{ "RCPT TO:<joe@example.org> NOTIFY=NEVER", NULL, NULL, 0, ERR_UNKNOWN },
		{ "MAIL FROM:<>", "", "", 0, ERR_OK },
		{ "MAIL FROM:<a\rb@x>", NULL, NULL, 0, ERR_SYNTAX },
		{ "MAIL FROM:<joe@example.org>", "joe@example.org", "joe@example.org", 3, ERR_OK },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena a = ARENA_NONE;
		struct lmtp_command c;
		bool ok = CHECK_U64(lmtp_command_parse(&a, str_c(cases[i].line), &c), cases[i].e);

		if (ok && cases[i].e == ERR_OK)
			ok = CHECK_STR(c.path.address, str_c(cases[i].address))
			    && CHECK_STR(c.path.text, str_c(cases[i].text))
			    && CHECK_U64(c.path.local_bytes, cases[i].local_bytes);
		if (!ok)
			printf("# %s\n", cases[i].line);
		arena_done(&a);
	}
}

static void
test_long_paths(void)
{
	for (size_t n = LMTP_PATH_MAX; n <= LMTP_PATH_MAX + 1; n++) {
		struct arena a = ARENA_NONE;
		struct buf BUF_CLEAN line = BUF_MAX(LMTP_LINE_MAX);
		struct lmtp_command c;

		buf_lit(&line, "RCPT TO:<");
		for (size_t i = 0; i < n; i++)
			buf_chr(&line, 'a');
		buf_lit(&line, ">");
		CHECK_U64(lmtp_command_parse(&a, buf_str(&line), &c),
		    n <= LMTP_PATH_MAX ? ERR_OK : ERR_SYNTAX);
		arena_done(&a);
	}
}

static void
test_mail_parameters(void)
{
	struct arena a = ARENA_NONE;
	struct lmtp_command c;

	CHECK(lmtp_command_parse(&a, STR("MAIL FROM:<joe@x> SIZE=123 body=8bitmime SMTPUTF8"), &c)
	    == ERR_OK);
	CHECK(c.has_size && c.size == 123 && c.body == LMTP_BODY_8BITMIME && c.is_smtputf8);
	CHECK(lmtp_command_parse(&a, STR("MAIL FROM:<> BODY=BINARYMIME"), &c) == ERR_OK);
	CHECK(!c.has_size && c.body == LMTP_BODY_BINARYMIME && !c.is_smtputf8);
	CHECK(lmtp_command_parse(&a, STR("MAIL FROM:<joe@x> SIZE=x"), &c) == ERR_SYNTAX);
	CHECK(lmtp_command_parse(&a, STR("MAIL FROM:<joe@x> SIZE"), &c) == ERR_SYNTAX);
	CHECK(lmtp_command_parse(&a, STR("MAIL FROM:<joe@x> BODY=9BIT"), &c) == ERR_SYNTAX);
	CHECK(lmtp_command_parse(&a, STR("MAIL FROM:<joe@x> SMTPUTF8=1"), &c) == ERR_SYNTAX);
	CHECK(lmtp_command_parse(&a, STR("MAIL FROM:<joe@x> RET=FULL"), &c) == ERR_UNKNOWN);
	arena_done(&a);
}

static void
test_xclient(void)
{
	struct arena a = ARENA_NONE;
	struct lmtp_command c;

	CHECK(
	    lmtp_command_parse(&a,
		STR("XCLIENT NAME=spike.example ADDR=192.0.2.7 HELO=a+3Db LOGIN=[UNAVAILABLE]"), &c)
	    == ERR_OK);
	CHECK_STR(c.xclient.name, STR("spike.example"));
	CHECK_STR(c.xclient.addr, STR("192.0.2.7"));
	CHECK_STR(c.xclient.helo, STR("a=b"));
	CHECK(c.xclient.login.p == NULL && c.xclient.proto.p == NULL);
	CHECK(lmtp_command_parse(&a, STR("XCLIENT"), &c) == ERR_SYNTAX);
	CHECK(lmtp_command_parse(&a, STR("XCLIENT NAME"), &c) == ERR_SYNTAX);
	CHECK(lmtp_command_parse(&a, STR("XCLIENT NAME=a+0Ab"), &c) == ERR_SYNTAX);
	CHECK(lmtp_command_parse(&a, STR("XCLIENT NAME=a+4"), &c) == ERR_SYNTAX);
	CHECK(lmtp_command_parse(&a, STR("XCLIENT COLOUR=red"), &c) == ERR_UNKNOWN);
	CHECK(lmtp_command_parse(&a, STR("XCLIENT DESTADDR=192.0.2.1 DESTPORT=24"), &c) == ERR_OK);
	arena_done(&a);
}

TEST_MAIN(TEST(test_verbs), TEST(test_paths), TEST(test_long_paths), TEST(test_mail_parameters),
    TEST(test_xclient))

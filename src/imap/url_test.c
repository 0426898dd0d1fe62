/* url_test.c - unit tests of url.c. */
#include "imap/url.h"

#include "base/test.h"

/* "base user@host:port mailbox uidvalidity uid kind.depth offset+length" */
static void
describe(const struct imap_url *u, struct buf *b)
{
	buf_printf(b, "%c", "asm"[u->base]);
	if (u->base == IMAP_URL_ABSOLUTE)
		buf_printf(b, " %.*s@%.*s:%u", STR_F(u->user), STR_F(u->host), u->port);
	buf_printf(b, " %.*s %u %u %d.%zu", STR_F(u->mailbox), u->uidvalidity, u->uid,
	    (int)u->section.kind, u->section.n_path);
	if (u->section.n_fields > 0)
		buf_printf(b, "(%zu)", u->section.n_fields);
	if (u->section.has_partial)
		buf_printf(b, " %llu", (unsigned long long)u->section.offset);
	if (u->section.has_partial && u->section.length != UINT64_MAX)
		buf_printf(b, "+%llu", (unsigned long long)u->section.length);
	if (u->auth.has_expire)
		buf_printf(b, " <%lld", (long long)u->auth.expire_s);
	if (u->auth.application.p != NULL)
		buf_printf(b, " %.*s%s%.*s", STR_F(u->auth.application),
		    u->auth.has_user ? "+" : "", STR_F(u->auth.user));
	if (u->auth.mechanism.p != NULL)
		buf_printf(b, " %.*s %zu", STR_F(u->auth.mechanism), u->auth.token.n);
	if (u->auth.application.p != NULL)
		buf_printf(b, " of %zu", u->auth.rump.n);
}

static const struct {
	const char *in, *want; /* want NULL: an error */
} urls[] = {
	/* RFC 4469 appendix A. */
	{ "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER", "s Drafts 385759045 20 1.0" },
	{ "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME", "s Drafts 385759045 20 5.1" },
	{ "/Drafts;UIDVALIDITY=385759045/;UID=20/;Section=2", "s Drafts 385759045 20 0.1" },
	{ "/Drafts;UIDVALIDITY=385759045/;UID=30", "s Drafts 385759045 30 0.0" },
	{ "/INBOX;UIDVALIDITY=785799047/;UID=113330/;section=1.5.9",
	    "s INBOX 785799047 113330 0.3" },
	/* RFC 8508 4.2. */
	{ "/Drafts/;UID=3002", "s Drafts 0 3002 0.0" },
	/* RFC 5092 9, with and without the server. */
	{ "imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024",
	    "a @minbari.example.org:0 gray-council 385759045 20 0.0 0+1024" },
	{ "imap://;AUTH=GSSAPI@minbari.example.org/gray-council/;uid=20/;section=1.2",
	    "a @minbari.example.org:0 gray-council 0 20 0.2" },
	{ "IMAP://john;AUTH=*@h:143/a/;UID=1", "a john@h:143 a 0 1 0.0" },
	{ "//j%40x@h/a/;UID=1", "a j@x@h:0 a 0 1 0.0" },
	{ "imap://psicorp.example.org/~peter/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E5%8F%B0%E5%8C%97/;UID=1",
	    "a @psicorp.example.org:0 ~peter/\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E/\xE5\x8F\xB0\xE5\x8C\x97 0 1 0.0" },
	{ ";UID=20", "m  0 20 0.0" },
	{ ";uid=20/;section=TEXT/;partial=5", "m  0 20 4.0 5" },
	{ "/foo/;UID=20/..", NULL },
	{ "..;UIDVALIDITY=385759045/;UID=20", NULL },
	{ "imap://minbari.example.org", NULL },
	{ "imap://minbari.example.org/", NULL },
	{ "imap://;AUTH=*@minbari.example.org/gray%20council?SUBJECT%20shadows", NULL },
	/* RFC 4467 7, RFC 5593. */
	{ "imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:91354a473744909de610943775f92038",
	    "a joe@example.com:0 INBOX 0 20 0.2 submit+fred internal 32 of 69" },
	{ "imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred",
	    "a joe@example.com:0 INBOX 0 20 0.2 submit+fred of 69" },
	{ "imap://joe@example.com/INBOX/;uid=20;EXPIRE=2006-05-20T14:09:54.5-07:00;URLAUTH=anonymous",
	    "a joe@example.com:0 INBOX 0 20 0.0 <1148159394 anonymous of 89" },
	{ "imap://joe@h/a/;UID=1;URLAUTH=x1+%41%40b", "a joe@h:0 a 0 1 0.0 x1+A@b of 40" },
	{ "imap://joe@h/a/;UID=1/;URLAUTH=anonymous", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=+x", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=user+", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=user+a@b", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=user+a;", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=an-onymous", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=anonymous:", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=anonymous:internal", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=anonymous::91354a473744909de610943775f92038", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=anonymous:internal:91354a473744909de610943775f9203",
	    NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=anonymous:internal:91354a473744909de610943775f9203g",
	    NULL },
	{ "imap://joe@h/a/;UID=1;EXPIRE=2006-05-20T14:09:54Z", NULL },
	{ "imap://joe@h/a/;UID=1;URLAUTH=anonymous;EXPIRE=2006-05-20T14:09:54Z", NULL },
	{ "imap://joe@h/a/;UID=1;EXPIRE=2006-05-20T14:09:54;URLAUTH=anonymous", NULL },
	{ "imap://joe@h/a/;UID=1;EXPIRE=2006-05-20T14:09:54.Z;URLAUTH=anonymous", NULL },
	{ "imap://joe@h/a/;UID=1;EXPIRE=2006-05-20T24:09:54Z;URLAUTH=anonymous", NULL },
	{ "imap://joe@h/a/;UID=1;EXPIRE=2006-5-20T14:09:54Z;URLAUTH=anonymous", NULL },
	{ "imap://joe@h/a/;UID=1;EXPIRE=2006-05-20T14:09:54+0100;URLAUTH=anonymous", NULL },
	/* Names. */
	{ "/inbox/;UID=1", "s INBOX 0 1 0.0" },
	{ "/a%20b%3Bc%2Fd/;UID=1", "s a b;c/d 0 1 0.0" },
	{ "/a%3bUID=5/;UID=1", "s a;UID=5 0 1 0.0" },
	{ "/x/../a/./b/;UID=1", "s a/b 0 1 0.0" },
	{ "/../../a/;UID=1", "s a 0 1 0.0" },
	{ "/&-/;UID=1", "s &- 0 1 0.0" },
	{ "/e%CC%81/;UID=1", "s \xC3\xA9 0 1 0.0" },
	{ "/a%/;UID=1", NULL },
	{ "/a%4/;UID=1", NULL },
	{ "/a%00/;UID=1", NULL },
	{ "/a%0A/;UID=1", NULL },
	{ "/a%ff/;UID=1", NULL },
	{ "/a b/;UID=1", NULL },
	{ "/a\"/;UID=1", NULL },
	{ "/\xC3\xA9/;UID=1", NULL },
	{ "/a?b/;UID=1", NULL },
	{ "/a#b/;UID=1", NULL },
	{ "//a/;UID=1", NULL },
	{ "/;UID=1", NULL },
	{ "/a//b/;UID=1", NULL },
	{ "a/;UID=1", NULL },
	{ "/a", NULL },
	{ "/a;UID=1", NULL },
	{ "", NULL },
	{ "/", NULL },
	{ "http://h/a/;UID=1", NULL },
	{ "imap:/a/;UID=1", NULL },
	{ "imap://@h/a/;UID=1", NULL },
	{ "imap://h:0/a/;UID=1", NULL },
	{ "imap://u;X=1@h/a/;UID=1", NULL },
	/* Numbers, order. */
	{ "/a/;UID=0", NULL },
	{ "/a/;UID=", NULL },
	{ "/a/;UID=4294967296", NULL },
	{ "/a/;UID=1,2", NULL },
	{ "/a/;UID=1/", NULL },
	{ "/a/;UID=1;SECTION=1", NULL },
	{ "/a;UIDVALIDITY=0/;UID=1", NULL },
	{ "/a;UIDVALIDITY=7;UID=1", NULL },
	{ "/a;UIDVALIDITY=7", NULL },
	{ "/a/;SECTION=1/;UID=1", NULL },
	{ "/a/;UID=1/;UID=2", NULL },
	{ "/a/;UID=1/;SECTION=", NULL },
	{ "/a/;UID=1/;SECTION=MIME", NULL },
	{ "/a/;UID=1/;SECTION=1.", NULL },
	{ "/a/;UID=1/;SECTION=HEADER.FIELDS%20(To%20From)", "s a 0 1 2.0(2)" },
	{ "/a/;UID=1/;SECTION=1.2.HEADER.FIELDS.NOT%20(To)", "s a 0 1 3.2(1)" },
	{ "/a/;UID=1/;PARTIAL=4.", NULL },
	{ "/a/;UID=1/;PARTIAL=4.0", NULL },
	{ "/a/;UID=1/;PARTIAL=.4", NULL },
	{ "/a/;UID=1/;PARTIAL=4.4/;SECTION=1", NULL },
	{ "/a/;UID=1/;SECTION=1/;PARTIAL=4.4", "s a 0 1 0.1 4+4" },
};

static void
test_parse(void)
{
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct arena a = ARENA_NONE;
		BUF_CLEAN struct buf b = BUF_MAX(10000);
		struct imap_url url;
		enum err e = imap_url_parse(&a, str_c(urls[i].in), &url);

		if (e == ERR_OK)
			describe(&url, &b);
		if (!CHECK((e == ERR_OK) == (urls[i].want != NULL))
		    || (e == ERR_OK && !CHECK_STR(buf_str(&b), str_c(urls[i].want))))
			printf("# for %s\n", urls[i].in);
		arena_done(&a);
	}
}

static void
test_too_long(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(2 * IMAP_URL_MAX);
	struct imap_url url;

	buf_lit(&b, "/a/;UID=");
	while (b.n < IMAP_URL_MAX - 1)
		buf_chr(&b, '0');
	buf_chr(&b, '1');
	CHECK(imap_url_parse(&a, buf_str(&b), &url) == ERR_OK || b.n == IMAP_URL_MAX);
	buf_chr(&b, '1');
	CHECK(imap_url_parse(&a, buf_str(&b), &url) == ERR_BADURL);
	arena_done(&a);
}

static void
test_quote(void)
{
	BUF_CLEAN struct buf b = BUF_MAX(1000);

	imap_url_quote(STR("/a%20b;UID=1 \"x]\\\r\n\xC3"), &b);
	CHECK_STR(buf_str(&b), STR("/a%20b;UID=1%20%22x%5D%5C%0D%0A%C3"));
}

TEST_MAIN(TEST(test_parse), TEST(test_too_long), TEST(test_quote))

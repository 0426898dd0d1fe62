/*
 * transcode_test.c - unit tests of recode.c, transcode.c, header_recode.c, and of parts of a
 * BODYSTRUCTURE.
 */
#include "base/test.h"
#include "mime/bodystructure.h"
#include "mime/header_recode.h"
#include "mime/recode.h"
#include "mime/transcode.h"

static const struct {
	enum mime_transcode_how how;
	const char *from, *to, *replacement, *in, *out; /* out NULL: an error */
	enum err want;
} texts[] = {
	{ MIME_TRANSCODE_CHARSET, "iso-8859-7", "utf-8", NULL, "\xe1\xe2", "\xce\xb1\xce\xb2",
	    ERR_OK },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "iso-8859-7", NULL, "\xce\xb1\xce\xb2", "\xe1\xe2",
	    ERR_OK },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "us-ascii", NULL, "caf\xc3\xa9", NULL, ERR_CANNOT },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "us-ascii", "?", "caf\xc3\xa9!", "caf?!", ERR_OK },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "us-ascii", "", "caf\xc3\xa9!", "caf!", ERR_OK },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "us-ascii", "<\xc3\xa9>", "x", NULL, ERR_CANNOT },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "utf-8", "\xff", "x", NULL, ERR_CANNOT },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "us-ascii", "?", "\xf0\x9f\x98\x80", "?", ERR_OK },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "gb18030", NULL, "\xf0\x9f\x98\x80", "\x94\x39\xfc\x36",
	    ERR_OK },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "iso-2022-jp", NULL, "\xe3\x83\x86x", "\x1b$B%F\x1b(Bx",
	    ERR_OK },
	{ MIME_TRANSCODE_CHARSET, "iso-2022-jp", "utf-8", NULL, "\x1b$B%F\x1b(Bx", "\xe3\x83\x86x",
	    ERR_OK },
	{ MIME_TRANSCODE_CHARSET, "x-none", "utf-8", NULL, "x", NULL, ERR_UNKNOWN },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "x-none", NULL, "x", NULL, ERR_BADCHARSET },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "utf-8,x", NULL, "x", NULL, ERR_BADCHARSET },
	{ MIME_TRANSCODE_CHARSET, "utf-8", "", NULL, "x", NULL, ERR_BADCHARSET },
	{ MIME_TRANSCODE_HTML_TO_PLAIN, "utf-8", "utf-8", NULL,
	    "<p> a \n b</p>\n\n<p>c<br>d&amp;</p><style>x</style>", "a b\r\n\r\nc\r\nd&\r\n",
	    ERR_OK },
	{ MIME_TRANSCODE_HTML_TO_PLAIN, "utf-8", "utf-8", NULL, "<html></html>", "", ERR_OK },
	{ MIME_TRANSCODE_HTML_TO_PLAIN, "utf-8", "utf-8", NULL, "<p>AT&T", "AT&T\r\n", ERR_OK },
	{ MIME_TRANSCODE_HTML_TO_PLAIN, "utf-8", "utf-8", NULL, "&lt", "<\r\n", ERR_OK },
	{ MIME_TRANSCODE_PLAIN_TO_HTML, "utf-8", "utf-8", NULL, "a<b>&\r\n",
	    "<!DOCTYPE html>\r\n<pre style=\"white-space: pre-wrap\">\r\na&lt;b&gt;&amp;\r\n</pre>\r\n",
	    ERR_OK },
};

static enum err
transcode(size_t i, size_t piece, struct buf *out)
{
	struct str in = str_c(texts[i].in);
	struct mime_transcode *t;
	enum err e = mime_transcode_open(texts[i].how, str_c(texts[i].from), str_c(texts[i].to),
	    str_c(texts[i].replacement), &t);

	if (e != ERR_OK)
		return e;
	while (e == ERR_OK && in.n > 0) {
		e = mime_transcode_feed(t, str_sub(in, 0, piece), out);
		in = str_sub(in, piece, in.n);
	}
	if (e == ERR_OK)
		e = mime_transcode_finish(t, out);
	mime_transcode_close(t);
	return e;
}

static void
test_texts(void)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t piece = 1; piece < 100; piece += 33) {
			BUF_CLEAN struct buf out = BUF_MAX(4096);
			bool is_right = CHECK_U64(transcode(i, piece, &out), texts[i].want);

			if (texts[i].out != NULL)
				is_right =
				    CHECK_STR(buf_str(&out), str_c(texts[i].out)) && is_right;
			if (!is_right)
				printf("# text %zu, pieces of %zu\n", i, piece);
		}
	}
}

static const struct {
	const char *charset, *replacement, *in, *out;
} headers[] = {
	{ "utf-8", NULL, "Subject: plain\r\n\r\n", "Subject: plain\r\n\r\n" },
	{ "UTF-8", NULL, "Subject: =?KOI8-R?Q?why encode this?=\r\n",
	    "Subject: =?UTF-8?Q?why_encode_this?=\r\n" },
	{ "utf-8", NULL, "A: =?iso-8859-1?q?=E9?=\r\nB: =?iso-8859-1?q?=E8?=\r\n",
	    "A: =?utf-8?Q?=C3=A9?=\r\nB: =?utf-8?Q?=C3=A8?=\r\n" },
	{ "iso-8859-1", NULL, "A: =?utf-8?q?=C3?=\r\n =?utf-8?q?=A9?= x",
	    "A: =?iso-8859-1?Q?=E9?= x" },
	{ "utf-8", NULL, "A: =?x-none?q?a?= =?utf-8?q?b?=", "A: =?x-none?q?a?= =?utf-8?Q?b?=" },
	{ "utf-8", NULL,
	    "A: =?utf-8?b?!?= =?utf-8?x?b?= =? =?=", "A: =?utf-8?b?!?= =?utf-8?x?b?= =? =?=" },
	{ "utf-8", NULL, "A: (=?utf-8?q?b?=)", "A: (=?utf-8?Q?b?=)" },
	{ "us-ascii", "?", "A: =?utf-8?q?=C3=A9?=", "A: =?us-ascii?Q?=3F?=" },
	{ "us-ascii", NULL, "A: =?utf-8?q?=C3=A9?=", NULL },
};

static void
test_headers(void)
{
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		BUF_CLEAN struct buf out = BUF_MAX(4096);
		enum err e = mime_header_recode(str_c(headers[i].in), str_c(headers[i].charset),
		    str_c(headers[i].replacement), &out);

		CHECK((e == ERR_OK) == (headers[i].out != NULL));
		if (headers[i].out != NULL)
			CHECK_STR(buf_str(&out), str_c(headers[i].out));
	}
}

/* Words without a blank between them are one line; four million bytes of it take no longer than theirs. */
static void
test_long_line(void)
{
	BUF_CLEAN struct buf in = BUF_MAX(5u << 20), out = BUF_MAX(64u << 20);

	buf_lit(&in, "A: ");
	while (in.n < 4u << 20)
		buf_lit(&in, "(=?utf-8?q?b?=)");
	CHECK(mime_header_recode(buf_str(&in), STR("utf-8"), STR_NONE, &out) == ERR_OK);
	CHECK_U64(out.n, in.n);
}

#define LEAF                                                                                       \
	"(\"text\" \"plain\" (\"charset\" \"koi8-r\" \"format\" \"flowed\" \"x\" \"y\") NIL \"a )\\\" b\" \"8bit\" 5 1 NIL NIL NIL NIL)"
#define IMAGE "(\"image\" \"png\" NIL NIL {3}\r\n(\") \"base64\" 7 NIL NIL NIL NIL)"
#define MIXED "(" LEAF IMAGE " \"mixed\" NIL NIL NIL NIL)"
#define RFC822                                                                                            \
	"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) " MIXED \
	" 3 NIL NIL NIL NIL)"
#define OUTER "(" RFC822 MIXED LEAF " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"

static const struct {
	const char *whole;
	uint32_t path[4];
	size_t n;
	const char *want;
} parts[] = {
	{ LEAF, { 0 }, 0, LEAF },
	{ LEAF, { 1 }, 1, LEAF },
	{ LEAF, { 2 }, 1, NULL },
	{ LEAF, { 1, 1 }, 2, NULL },
	{ MIXED, { 2 }, 1, IMAGE },
	{ MIXED, { 3 }, 1, NULL },
	{ OUTER, { 1 }, 1, RFC822 },
	{ OUTER, { 1, 2 }, 2, IMAGE },
	{ OUTER, { 2, 1 }, 2, LEAF },
	{ OUTER, { 3 }, 1, LEAF },
	{ RFC822, { 1 }, 1, RFC822 },
	{ RFC822, { 1, 1 }, 2, LEAF },
	{ "((", { 1 }, 1, NULL },
	{ "(\"text\")", { 1, 1 }, 2, NULL },
};

static void
test_parts(void)
{
	struct str part;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		enum err e = mime_bodystructure_part(str_c(parts[i].whole), parts[i].path,
		    parts[i].n, &part);

		if (CHECK((e == ERR_OK) == (parts[i].want != NULL)) && e == ERR_OK)
			CHECK_STR(part, str_c(parts[i].want));
	}
	CHECK(mime_bodystructure_inner(STR(RFC822), &part) == ERR_OK);
	CHECK_STR(part, STR(MIXED));
	CHECK(mime_bodystructure_inner(STR(LEAF), &part) == ERR_NOTFOUND);
	CHECK(mime_bodystructure_inner(STR(MIXED), &part) == ERR_NOTFOUND);
}

static void
test_reform(void)
{
	const struct mime_body_form form = { .type = STR("text"),
		.subtype = STR("html"),
		.charset = STR("utf-8"),
		.encoding = STR("7bit"),
		.octets = 77,
		.lines = 8 };
	const struct mime_body_form size = { .octets = 77, .lines = 8 };
	BUF_CLEAN struct buf out = BUF_MAX(4096);

	CHECK(mime_bodystructure_reform(STR(LEAF), &form, &out) == ERR_OK);
	CHECK_STR(buf_str(&out),
	    STR("(\"text\" \"html\" (\"charset\" \"utf-8\" \"x\" \"y\") NIL \"a )\\\" b\" \"7bit\" 77 8 NIL NIL NIL NIL)"));
	buf_clear(&out);
	CHECK(mime_bodystructure_reform(STR(IMAGE), &size, &out) == ERR_OK);
	CHECK_STR(buf_str(&out),
	    STR("(\"image\" \"png\" NIL NIL {3}\r\n(\") \"base64\" 77 NIL NIL NIL NIL)"));
	buf_clear(&out);
	CHECK(mime_bodystructure_reform(STR(MIXED), &form, &out) == ERR_OK);
	CHECK_STR(buf_str(&out), STR(MIXED));
	CHECK(mime_bodystructure_reform(STR("(\"a\" \"b\")"), &form, &out) == ERR_CORRUPT);
	CHECK(mime_bodystructure_reform(STR("x"), &form, &out) == ERR_CORRUPT);
}

TEST_MAIN(TEST(test_texts), TEST(test_headers), TEST(test_long_line), TEST(test_parts),
    TEST(test_reform))

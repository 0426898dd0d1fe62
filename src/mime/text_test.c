/*
 * text_test.c - unit tests of what turns bytes into text: words.c, decode.c, charset.c, casemap.c,
 * subject.c, msgid.c, html.c.
 */
#include "base/arena.h"
#include "base/test.h"
#include "mime/casemap.h"
#include "mime/charset.h"
#include "mime/decode.h"
#include "mime/html_int.h"
#include "mime/msgid.h"
#include "mime/subject.h"
#include "mime/words.h"

#include <unicode/ucnv.h>

typedef void transform_fn(struct str in, struct buf *out);

struct pair {
	const char *in, *out;
};

static void
check_pairs(const struct pair *pairs, size_t n, transform_fn *fn)
{
	for (size_t i = 0; i < n; i++) {
		BUF_CLEAN struct buf out = BUF_MAX(65536);

		fn(str_c(pairs[i].in), &out);
		if (!CHECK_STR(buf_str(&out), str_c(pairs[i].out)))
			printf("# in \"%s\"\n", pairs[i].in);
	}
}

/* RFC 2047 8, and what is sent instead. */
static const struct pair words[] = {
	{ "=?ISO-8859-1?Q?a?=", "a" },
	{ "=?ISO-8859-1?Q?a?= b", "a b" },
	{ "=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab" },
	{ "=?ISO-8859-1?Q?a?=  \t =?ISO-8859-1?Q?b?=", "ab" },
	{ "=?ISO-8859-1?Q?a_b?=", "a b" },
	{ "=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b" },
	{ "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>" },
	{ "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
	    "If you can read this you understand the example." },
	{ "=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore" },
	{ "=?utf-8?B?R3LDvMOfZQ==?= you",
	    "Gr\xc3\xbc\xc3\x9f"
	    "e you" },
	{ "=?utf-8?q?=E2=82?= =?utf-8?q?=AC?=", "\xe2\x82\xac" },
	{ "=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88" },
	{ "=?utf-8?q?with spaces here?=", "with spaces here" },
	{ "=?utf-8?q?what?"
	  "?=",
	    "what?" },
	{ "a=?utf-8?q?b?=c", "abc" },
	{ "\"=?utf-8?q?b?=\"", "\"b\"" },
	{ "=?utf-8?q?b", "=?utf-8?q?b" },
	{ "=?utf-8?x?b?=", "=?utf-8?x?b?=" },
	{ "=?utf-8?q?a =?utf-8?q?b?=", "=?utf-8?q?a b" },
	{ "=?nonsense?q?a=E9?=", "a\xc3\xa9" },
	{ "caf\xe9", "caf\xc3\xa9" },
	{ "caf\xc3\xa9", "caf\xc3\xa9" },
	{ "=?=?=?=", "=?=?=?=" },
};

static void
test_words(void)
{
	check_pairs(words, ARRAY_LEN(words), mime_words_decode);
}

static const struct {
	enum mime_encoding encoding;
	const char *in, *out;
	bool is_bad;
} encodings[] = {
	{ MIME_ENC_7BIT, "a=3D\r\n", "a=3D\r\n", false },
	{ MIME_ENC_UNKNOWN, "abc", "abc", true },
	{ MIME_ENC_BASE64, "", "", false },
	{ MIME_ENC_BASE64, "Zg==", "f", false },
	{ MIME_ENC_BASE64, "Zm8=", "fo", false },
	{ MIME_ENC_BASE64, "Zm9v", "foo", false },
	{ MIME_ENC_BASE64, "Zm9v\r\nYmFy\r\n", "foobar", false },
	{ MIME_ENC_BASE64, " Z m\t9v", "foo", false },
	{ MIME_ENC_BASE64, "Zm8", "fo", false },
	{ MIME_ENC_BASE64, "Zm9vY", "foo", true },
	{ MIME_ENC_BASE64, "Z=", "", true },
	{ MIME_ENC_BASE64, "Zm-9v", "foo", true },
	{ MIME_ENC_BASE64, "Zm8=\r\n_____\r\nlist footer", "fo", true },
	{ MIME_ENC_QP, "h=C3=A9llo", "h\xc3\xa9llo", false },
	{ MIME_ENC_QP, "h=c3=a9", "h\xc3\xa9", false },
	{ MIME_ENC_QP, "a=\r\nb=\nc= \t\r\nd", "abcd", false },
	{ MIME_ENC_QP, "a  \r\nb \t", "a\r\nb", false },
	{ MIME_ENC_QP, "a  b", "a  b", false },
	{ MIME_ENC_QP, "a=", "a", false },
	{ MIME_ENC_QP, "a=ZZb", "a=ZZb", true },
	{ MIME_ENC_QP, "a=4", "a=4", true },
	{ MIME_ENC_QP, "a==41", "a=A", true },
	{ MIME_ENC_QP, "caf\xe9", "caf\xe9", false },
	{ MIME_ENC_UUENCODE, "text\nbegin 644 cat.txt\n#0V%T\n`\nend\nmore", "Cat", false },
	{ MIME_ENC_UUENCODE, "begin 644 cat.txt\r\n#0V%T\r\n \r\nend\r\n", "Cat", false },
	{ MIME_ENC_UUENCODE, "begin 644 cat.txt\n#0V%T\n", "Cat", true },
	{ MIME_ENC_UUENCODE, "nothing", "", true },
};

static void
test_decode(void)
{
	for (size_t i = 0; i < ARRAY_LEN(encodings); i++)
		for (size_t step = 1; step < 20; step += 3) {
			BUF_CLEAN struct buf out = BUF_MAX(65536);
			struct str in = str_c(encodings[i].in);
			struct mime_decoder d;
			enum err e;

			mime_decoder_init(&d, encodings[i].encoding);
			for (size_t at = 0; at < in.n; at += step)
				mime_decoder_feed(&d, str_sub(in, at, at + step), &out);
			e = mime_decoder_finish(&d, &out);
			if (!CHECK_STR(buf_str(&out), str_c(encodings[i].out))
			    || !CHECK((e == ERR_UNKNOWN_CTE) == encodings[i].is_bad))
				printf("# in \"%s\", pieces of %zu\n", encodings[i].in, step);
		}
}

static const struct {
	const char *label, *in, *out;
} charsets[] = {
	{ "utf-8", "\xc3\xa9\xf0\x9f\x93\xaf", "\xc3\xa9\xf0\x9f\x93\xaf" },
	{ "UTF-8", "a\xff\xc3(\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd" },
	{ "utf-8", "\xed\xa0\x80\xc0\xaf",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "us-ascii", "\xe9\xc3\xa9", "\xc3\xa9\xc3\xa9" },
	{ "iso-8859-1", "\xe9\x80", "\xc3\xa9\xe2\x82\xac" },
	{ "ISO-8859-15", "\xa4", "\xe2\x82\xac" },
	{ "koi8-r", "\xf0\xd2", "\xd0\x9f\xd1\x80" },
	{ "gb2312", "\xc4\xe3\xba\xc3", "\xe4\xbd\xa0\xe5\xa5\xbd" },
	{ "big5", "\xa7\x41", "\xe4\xbd\xa0" },
	{ "ks_c_5601-1987", "\xb0\xa1", "\xea\xb0\x80" },
	{ "shift_jis", "\x82\xa0", "\xe3\x81\x82" },
	{ "iso-2022-jp", "\x1b$B%F%9%H\x1b(B.", "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88." },
	{ "utf-16be", "a", "\xef\xbf\xbd" },
	/* Labels' other names mean the same as they, however they are written. */
	{ "ISO_8859-1:1987", "\x93", "\xe2\x80\x9c" },
	{ "ISO8859_1", "\x93", "\xe2\x80\x9c" },
	{ "csGB2312", "\x81\x41", "\xe4\xb8\x84" },
	{ "korean", "\x8c\x63", "\xeb\x98\xa0" },
	{ "uhc", "\x8c\x63", "\xeb\x98\xa0" },
	{ "cp50220", "\x1b$B-!\x1b(B", "\xe2\x91\xa0" },
	{ "koi8-ru", "\xc1", "\xd0\xb0" },
	{ "visual", "\xe0", "\xd7\x90" },
	{ "csASCII", "\xe9", "\xc3\xa9" },
	{ "-_-", "\xe9", "\xc3\xa9" },
	{ "no-such,version=1", "\xe9", "\xc3\xa9" },
	{ "", "\xe9", "\xc3\xa9" },
};

static void
test_charsets(void)
{
	struct mime_charset *cs;

	for (size_t i = 0; i < ARRAY_LEN(charsets); i++)
		for (size_t step = 1; step < 5; step++) {
			BUF_CLEAN struct buf out = BUF_MAX(65536);
			struct str in = str_c(charsets[i].in);

			CHECK(mime_charset_open(str_c(charsets[i].label), MIME_CHARSET_GUESS, &cs)
			    == ERR_OK);
			for (size_t at = 0; at < in.n; at += step)
				mime_charset_feed(cs, str_sub(in, at, at + step), &out);
			mime_charset_finish(cs, &out);
			mime_charset_close(cs);
			if (!CHECK_STR(buf_str(&out), str_c(charsets[i].out)))
				printf("# in %s, pieces of %zu\n", charsets[i].label, step);
		}
	CHECK(mime_charset_open(STR("x-nonsense"), MIME_CHARSET_STRICT, &cs) == ERR_BADCHARSET);
	CHECK(mime_charset_open(STR("utf-8,"), MIME_CHARSET_STRICT, &cs) == ERR_BADCHARSET);
	CHECK(mime_charset_open(STR("koi8-r"), MIME_CHARSET_STRICT, &cs) == ERR_OK);
	mime_charset_close(cs);
}

/*
 * Whatever ICU has a converter for, by all of its names but those that have options behind a comma.
 */
static void
test_all_charsets(void)
{
	struct mime_charset *cs;
	unsigned count = 0;

	for (int32_t i = 0; i < ucnv_countAvailable(); i++) {
		const char *name = ucnv_getAvailableName(i);
		UErrorCode e = U_ZERO_ERROR;
		uint16_t aliases = ucnv_countAliases(name, &e);

		for (uint16_t k = 0; k < aliases; k++) {
			struct str alias = str_c(ucnv_getAlias(name, k, &e));

			if (str_chr(alias, ',') != SIZE_MAX)
				continue;
			if (!CHECK(mime_charset_open(alias, MIME_CHARSET_STRICT, &cs) == ERR_OK))
				printf("# %s\n", alias.p);
			else
				mime_charset_close(cs);
			count++;
		}
	}
	CHECK(count > 500);
}

static const struct pair casemaps[] = {
	{ "Hello", "HELLO" },
	{ "\xc3\xa9", "E\xcc\x81" }, /* é */
	{ "\xc3\x9f", "\xc3\x9f" },  /* sharp s has no simple title case */
	/* the ligature is titled first, then taken apart */
	{ "\xef\xac\x81", "fi" },
	{ "\xc7\x86", "Dz\xcc\x8c" },                   /* dž */
	{ "\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1" }, /* Hangul */
	{ "\xff", "\xef\xbf\xbd" },
};

static void
test_casemap(void)
{
	check_pairs(casemaps, ARRAY_LEN(casemaps), mime_casemap);
}

/* RFC 5256 2.1. */
static const struct {
	const char *in, *out;
	bool is_reply;
} subjects[] = {
	{ "hello", "hello", false },
	{ "Re: hello", "hello", true },
	{ "RE:hello", "hello", true },
	{ "re : Fw: FWD: hello", "hello", true },
	{ "Re[2]: hello", "hello", true },
	{ "re [4] : hello", "hello", true },
	{ "[list] Re: hello", "hello", true },
	{ "Re: [list] Re: [list] hello", "hello", true },
	{ "[list] hello", "hello", false },
	{ "[list]", "[list]", false },
	{ "[a] [b]", "[b]", false },
	{ "hello (fwd)", "hello", true },
	{ "hello (FWD) (fwd)  ", "hello", true },
	{ "[Fwd: hello]", "hello", true },
	{ "[fwd: Re: [fwd: hello (fwd)] ]", "hello", true },
	{ "[fwd:[fwd:]]", "", true },
	{ "Reply: hello", "Reply: hello", false },
	{ "re", "re", false },
	{ "a\t b   c", "a b c", false },
	{ "=?utf-8?q?Re=3A_x?=", "x", true },
	{ "", "", false },
	{ "Re:", "", true },
};

static void
test_subjects(void)
{
	for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
		BUF_CLEAN struct buf out = BUF_MAX(65536);
		bool is_reply = mime_subject_base(str_c(subjects[i].in), &out);

		if (!CHECK_STR(buf_str(&out), str_c(subjects[i].out))
		    || !CHECK(is_reply == subjects[i].is_reply))
			printf("# in \"%s\"\n", subjects[i].in);
	}
}

static void
msgids(struct str in, struct buf *out)
{
	BUF_CLEAN struct buf id = BUF_MAX(65536);

	while (mime_msgid_next(&in, &id)) {
		buf_str_add(out, buf_str(&id));
		buf_chr(out, ' ');
	}
}

static const struct pair msgid_lists[] = {
	{ "<a@b>", "a@b " },
	{ "<a@b> <c@d>\r\n\t<e@f>", "a@b c@d e@f " },
	{ "<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>", "01KF8JCEOCBS0045PS@xxx.yyy.com " },
	{ "Your message of \"Mon <x@y>\" (<z@z>) <a@b>", "a@b " },
	{ "<a @ b>", "a@b " },
	{ "<a@b <c@d>", "a@b c@d " },
	{ "<> <", "" },
	{ "a@b", "" },
	{ "<yes> <a@b> <@b> <a@>", "a@b " },
};

static void
test_msgids(void)
{
	check_pairs(msgid_lists, ARRAY_LEN(msgid_lists), msgids);
}

static void
html(struct str in, struct buf *out)
{
	struct mime_html h = { 0 };

	for (size_t i = 0; i < in.n; i++)
		mime_html_feed(&h, str_sub(in, i, i + 1), out);
	mime_html_finish(&h, out);
}

static const struct pair htmls[] = {
	{ "<b>bo</b>ld", "bold" },
	{ "<p>a</p><p>b", "\na\n\nb" },
	{ "a<br/>b<BR CLASS=\">\">c", "a\nb\nc" },
	{ "a &lt;b&gt; &amp;amp; &#65;&#x42;&euro;", "a <b> &amp; AB\xe2\x82\xac" },
	{ "AT&T &unknown; &", "AT&T &unknown; &" },
	{ "x<script>if (a<b) alert('</p>')</script>y<style>p{}</style>z", "xyz" },
	{ "x<!-- <p> -- > --->y<!>z", "xyz" },
	{ "1 < 2 > 1", "1 < 2 > 1" },
	{ "<!DOCTYPE html><?xml version=\"1.0\"?>x", "x" },
	{ "a\r\nb", "a b" },
	{ "hello\r\n\t world &nbsp;!<td>\n<td>x<br>\r\n y", "hello world ! x\ny" },
	/* References: numbers that mean windows-1252, names of HTML 4, and what is out of range. */
	{ "don&#146;t &#x96; &#129;", "don\xe2\x80\x99t \xe2\x80\x93 \xc2\x81" },
	{ "&Eacute;cole n&atilde;o &alpha;&thetasym;&zwj;&lrm;&#8205;&#xad;.",
	    "\xc3\x89"
	    "cole n\xc3\xa3o \xce\xb1\xcf\x91." },
	{ "&#0;&#xD800;&#1114112;&#99999999999;",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "&#;&#x;&#xg;", "&#;&#x;&#xg;" },
	/* The end of the text ends what is begun. */
	{ "AT&T", "AT&T" },
	{ "a &lt", "a <" },
	{ "a <", "a <" },
	{ "a<b", "a" },
	/* Nothing but its own end tag ends a script or a style. */
	{ "x<script>if(a<b){f()}</script>y", "xy" },
	{ "x<script>a='</p'</script >y<script></scripts></script\n>z", "xyz" },
	{ "x<style><!-- p{}</style>y", "xy" },
	{ "x<title>&lt</title>y<title>a<</title>z", "xyz" },
	/* Quotes begin a value only behind the equals sign. */
	{ "a<p title=it's>b<p title = 'it is>'>c", "a\nb\nc" },
	{ "a<img alt=\"5\"\">b<br x=a=\">c", "a b\nc" },
};

static void
test_html(void)
{
	check_pairs(htmls, ARRAY_LEN(htmls), html);
}

TEST_MAIN(TEST(test_words), TEST(test_decode), TEST(test_all_charsets), TEST(test_charsets),
    TEST(test_casemap), TEST(test_subjects), TEST(test_msgids), TEST(test_html))

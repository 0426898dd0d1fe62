/* shapes.c - see shapes.h. A new idea of how to keep a parser busy is a row here. */
#include "shapes.h"

#include <string.h>

#define TYPE "MIME-Version: 1.0\r\nContent-Type: "
#define HTML TYPE "text/html; charset=utf-8\r\n\r\n"
#define PLAIN TYPE "text/plain; charset=utf-8\r\n\r\n"
#define MIXED TYPE "multipart/mixed; boundary=b\r\n\r\n"

const struct shape shapes[] = {
	/* Header blocks. */
	{ "many fields", SHAPE_MESSAGE, "", "X: y\r\n", .end = "\r\nbody\r\n" },
	{ "lines that are no fields", SHAPE_MESSAGE, "", "xyz\r\n", .end = "\r\nbody\r\n" },
	{ "a long field", SHAPE_MESSAGE, "Subject: ", "a", .end = "\r\n\r\n" },
	{ "a folded field", SHAPE_MESSAGE, "Subject: a", "\r\n a", .end = "\r\n\r\n" },
	{ "white space only", SHAPE_MESSAGE, "Subject:", " \t", .end = "x\r\n\r\n" },
	{ "a long name", SHAPE_MESSAGE, "", "a", .end = ": b\r\n\r\n" },
	{ "many Subjects", SHAPE_MESSAGE, "", "Subject: Re: a\r\n" },
	{ "many Dates", SHAPE_MESSAGE, "", "Date: Sun, 22 Nov 2026 10:11:12 +0100\r\n" },
	{ "many Froms", SHAPE_MESSAGE, "", "From: a@b\r\n" },
	{ "many Content-Types", SHAPE_MESSAGE, "", "Content-Type: text/plain; a=b\r\n" },
	{ "many Message-IDs", SHAPE_MESSAGE, "", "Message-ID: <%u@x>\r\n" },
	{ "bare CRs", SHAPE_MESSAGE, "Subject: ", "\r", .end = "\r\n\r\n" },
	{ "only LFs", SHAPE_MESSAGE, "", "\n" },
	{ "only CRs", SHAPE_MESSAGE, "", "\r" },
	{ "only NULs", SHAPE_MESSAGE, "", "%0" },
	/* Addresses. */
	{ "addresses", SHAPE_MESSAGE, "To: ", "a@b, ", .end = "\r\n\r\n" },
	{ "addresses with names", SHAPE_MESSAGE, "To: ", "\"A \\\"B\" <a.%u@b.example>,\r\n ",
	    .end = "\r\n\r\n" },
	{ "words without an address", SHAPE_MESSAGE, "To: ", "word ", .end = "\r\n\r\n" },
	{ "commas", SHAPE_MESSAGE, "To: ", ",", .end = "\r\n\r\n" },
	{ "groups", SHAPE_MESSAGE, "To: ", "g:a@b;,", .end = "\r\n\r\n" },
	{ "groups that do not end", SHAPE_MESSAGE, "To: ", "g:", .end = "\r\n\r\n" },
	{ "groups with nobody", SHAPE_MESSAGE, "To: ", ":;", .end = "\r\n\r\n" },
	{ "angles", SHAPE_MESSAGE, "To: ", "<", .end = "\r\n\r\n" },
	{ "angles with names", SHAPE_MESSAGE, "To: ", "a <", .end = "\r\n\r\n" },
	{ "a source route", SHAPE_MESSAGE, "To: <", "@a,", .end = ":x@y>\r\n\r\n" },
	{ "dots", SHAPE_MESSAGE, "To: ", "a.", .end = "@b\r\n\r\n" },
	{ "at signs", SHAPE_MESSAGE, "To: ", "a@", .end = "\r\n\r\n" },
	{ "domain literals", SHAPE_MESSAGE, "To: ", "a@[", .end = "\r\n\r\n" },
	{ "nested comments", SHAPE_MESSAGE, "To: ", "(", "x", ")", " a@b\r\n\r\n" },
	{ "comments that do not end", SHAPE_MESSAGE, "To: ", "(", .end = "\r\n\r\n" },
	{ "words and comments that do not end", SHAPE_MESSAGE, "To: ", "a (", .end = "\r\n\r\n" },
	{ "comments", SHAPE_MESSAGE, "To: ", "()a@b,", .end = "\r\n\r\n" },
	{ "quotes", SHAPE_MESSAGE, "To: ", "\"", .end = "\r\n\r\n" },
	{ "quoted backslashes", SHAPE_MESSAGE, "To: \"", "\\", .end = "\r\n\r\n" },
	/* Encoded words. */
	{ "encoded words", SHAPE_MESSAGE, "Subject: ", "=?utf-8?q?a=C3=A4?= ", .end = "\r\n\r\n" },
	{ "encoded words on one line", SHAPE_MESSAGE, "Subject: ", "(=?utf-8?q?a=C3=A4?=)",
	    .end = "\r\n\r\n" },
	{ "encoded words in many charsets", SHAPE_MESSAGE,
	    "Subject: ", "=?iso-8859-2?q?a?= =?koi8-r?b?wcE=?=\r\n ", .end = "\r\n\r\n" },
	{ "encoded words without end", SHAPE_MESSAGE, "Subject: ", "=?utf-8?q?",
	    .end = "\r\n\r\n" },
	{ "encoded words without a charset", SHAPE_MESSAGE, "Subject: ", "=?", .end = "\r\n\r\n" },
	{ "encoded words with a charset", SHAPE_MESSAGE, "Subject: ", "=?utf-8?b?////",
	    .end = "?=\r\n\r\n" },
	{ "one long encoded word", SHAPE_MESSAGE, "Subject: =?utf-8?b?", "YWJj",
	    .end = "?=\r\n\r\n" },
	{ "split characters", SHAPE_MESSAGE,
	    "Subject: ", "=?utf-8?q?=C3?= =?utf-8?q?=A4?= ", .end = "\r\n\r\n" },
	{ "encoded words of unknown charsets", SHAPE_MESSAGE,
	    "Subject: ", "=?x-%u?q?a?= ", .end = "\r\n\r\n" },
	/* Subjects. */
	{ "Re:", SHAPE_MESSAGE, "Subject: ", "Re: ", .end = "x\r\n\r\n" },
	{ "Re[n]:", SHAPE_MESSAGE, "Subject: ", "Re[%u]: ", .end = "x\r\n\r\n" },
	{ "blobs", SHAPE_MESSAGE, "Subject: ", "[a] ", .end = "x\r\n\r\n" },
	{ "blobs that do not end", SHAPE_MESSAGE, "Subject: ", "[a ", .end = "x\r\n\r\n" },
	{ "(fwd)", SHAPE_MESSAGE, "Subject: x", " (fwd)", .end = "\r\n\r\n" },
	{ "[Fwd: ...]", SHAPE_MESSAGE, "Subject: ", "[Fwd: ", "x", "]", "\r\n\r\n" },
	{ "[Fwd: without end", SHAPE_MESSAGE, "Subject: ", "[Fwd: ", .end = "\r\n\r\n" },
	/* Ids and dates. */
	{ "References", SHAPE_MESSAGE, "References: ", "<%u@x>\r\n ", .end = "\r\n\r\n" },
	{ "References without ends", SHAPE_MESSAGE, "References: ", "<a ", .end = "\r\n\r\n" },
	{ "References, quoted", SHAPE_MESSAGE, "References: ", "<\"a", .end = "\r\n\r\n" },
	{ "References, commented", SHAPE_MESSAGE, "References: ", "<(", .end = "\r\n\r\n" },
	{ "a date in comments", SHAPE_MESSAGE, "Date: ", "(", "x", ")",
	    " 22 Nov 2026 10:11:12 +0100\r\n\r\n" },
	{ "a date of digits", SHAPE_MESSAGE, "Date: ", "1", .end = "\r\n\r\n" },
	/* Parameters. */
	{ "parameters", SHAPE_MESSAGE, TYPE "text/plain", ";\r\n a%u=b", .end = "\r\n\r\n" },
	{ "RFC 2231 pieces", SHAPE_MESSAGE, TYPE "text/plain", ";\r\n f*%U=a", .end = "\r\n\r\n" },
	{ "RFC 2231 pieces backwards", SHAPE_MESSAGE, TYPE "text/plain", ";\r\n f*%d*=a%%41",
	    .end = "\r\n\r\n" },
	{ "RFC 2231 pieces at random", SHAPE_MESSAGE, TYPE "text/plain", ";\r\n f*%r*=utf-8''a",
	    .end = "\r\n\r\n" },
	{ "semicolons", SHAPE_MESSAGE, TYPE "text/plain", ";", .end = "\r\n\r\n" },
	{ "equals signs", SHAPE_MESSAGE, TYPE "text/plain; a", "=", .end = "\r\n\r\n" },
	{ "names without a value", SHAPE_MESSAGE, TYPE "text/plain", "; a", .end = "\r\n\r\n" },
	{ "a value of many words", SHAPE_MESSAGE, TYPE "text/plain; name=a", " b",
	    .end = "\r\n\r\n" },
	{ "a value of quotes", SHAPE_MESSAGE, TYPE "text/plain; name=", "\"a\" ",
	    .end = "\r\n\r\n" },
	{ "quotes that do not end", SHAPE_MESSAGE, TYPE "text/plain", "; a=\"", .end = "\r\n\r\n" },
	{ "slashes", SHAPE_MESSAGE, TYPE, "a/", .end = "\r\n\r\n" },
	{ "languages", SHAPE_MESSAGE, "MIME-Version: 1.0\r\nContent-Language: ", "en, ",
	    .end = "\r\n\r\n" },
	{ "a disposition", SHAPE_MESSAGE, "MIME-Version: 1.0\r\nContent-Disposition: attachment",
	    "; filename*%U*=a", .end = "\r\n\r\n" },
	/* Structure. */
	{ "parts", SHAPE_MESSAGE, MIXED, "--b\r\n\r\nx\r\n", .end = "--b--\r\n" },
	{ "empty parts", SHAPE_MESSAGE, MIXED, "--b\r\n", .end = "--b--\r\n" },
	{ "parts with headers", SHAPE_MESSAGE, MIXED,
	    "--b\r\nContent-Type: text/plain; name=a%u\r\n\r\nx\r\n", .end = "--b--\r\n" },
	{ "lines that nearly are boundaries", SHAPE_MESSAGE, MIXED "--b\r\n\r\n", "--c\r\n",
	    .end = "--b--\r\n" },
	{ "dashes", SHAPE_MESSAGE, MIXED "--b\r\n\r\n", "-", .end = "\r\n--b--\r\n" },
	{ "parts behind the end", SHAPE_MESSAGE, MIXED "--b\r\n\r\n\r\n--b--\r\n", "--b\r\n\r\n" },
	{ "levels", SHAPE_MESSAGE, TYPE "multipart/mixed; boundary=b0\r\n\r\n--b0\r\n",
	    "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n" },
	{ "levels of one boundary", SHAPE_MESSAGE,
	    TYPE "multipart/mixed; boundary=b\r\n\r\n--b\r\n",
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" },
	{ "levels with boundaries that begin alike", SHAPE_MESSAGE,
	    TYPE "multipart/mixed; boundary=b\r\n\r\n--b\r\n",
	    "Content-Type: multipart/mixed; boundary=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb%u\r\n\r\n"
	    "--bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb%u\r\n" },
	{ "messages in messages", SHAPE_MESSAGE, "", "Content-Type: message/rfc822\r\n\r\n",
	    .end = "Subject: x\r\n\r\nx\r\n" },
	{ "forwarded messages", SHAPE_MESSAGE, MIXED,
	    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: a\r\nTo: b@c\r\n\r\nx\r\n" },
	{ "a digest", SHAPE_MESSAGE, TYPE "multipart/digest; boundary=b\r\n\r\n",
	    "--b\r\n\r\nSubject: a\r\n\r\nx\r\n", .end = "--b--\r\n" },
	{ "a text of short lines", SHAPE_MESSAGE, PLAIN, "a\r\n" },
	{ "a text in one line", SHAPE_MESSAGE, PLAIN, "a" },
	{ "a text of line feeds", SHAPE_MESSAGE, PLAIN, "\n" },
	/* Texts. */
	{ "quoted lines", SHAPE_MESSAGE, PLAIN, "> a\r\n" },
	{ "quotes in quotes", SHAPE_MESSAGE, PLAIN, ">" },
	{ "somebody wrote:", SHAPE_MESSAGE, PLAIN, "On Monday a wrote:\r\n" },
	{ "white space", SHAPE_MESSAGE, PLAIN, " \r\n" },
	{ "base64", SHAPE_MESSAGE, "Content-Transfer-Encoding: base64\r\n" PLAIN, "YWJjZGVm\r\n" },
	{ "base64 of rubbish", SHAPE_MESSAGE, "Content-Transfer-Encoding: base64\r\n" PLAIN, "!=" },
	{ "quoted-printable", SHAPE_MESSAGE,
	    "Content-Transfer-Encoding: quoted-printable\r\n" PLAIN, "=41=\r\n" },
	{ "quoted-printable spaces", SHAPE_MESSAGE,
	    "Content-Transfer-Encoding: quoted-printable\r\n" PLAIN, " " },
	{ "quoted-printable equals signs", SHAPE_MESSAGE,
	    "Content-Transfer-Encoding: quoted-printable\r\n" PLAIN, "=" },
	{ "escapes of ISO-2022-JP", SHAPE_MESSAGE, TYPE "text/plain; charset=iso-2022-jp\r\n\r\n",
	    "\x1b$B!!\x1b(B" },
	{ "UTF-7", SHAPE_MESSAGE, TYPE "text/plain; charset=utf-7\r\n\r\n", "+AOQ-" },
	{ "combining characters", SHAPE_MESSAGE, PLAIN "a", "\xcc\x81" },
	{ "8-bit rubbish", SHAPE_MESSAGE, PLAIN, "\xff\xfe" },
	{ "tags", SHAPE_MESSAGE, HTML, "<b>" },
	{ "tags that do not end", SHAPE_MESSAGE, HTML, "<b " },
	{ "less-thans", SHAPE_MESSAGE, HTML, "<" },
	{ "attributes", SHAPE_MESSAGE, HTML "<a", " b=\"c\"" },
	{ "attributes that do not end", SHAPE_MESSAGE, HTML, "<a b=\"" },
	{ "comments of HTML", SHAPE_MESSAGE, HTML, "<!--" },
	{ "comments that nearly end", SHAPE_MESSAGE, HTML "<!--", "-- >" },
	{ "scripts", SHAPE_MESSAGE, HTML, "<script>" },
	{ "a script with tags", SHAPE_MESSAGE, HTML "<script>", "</scrip" },
	{ "styles", SHAPE_MESSAGE, HTML, "<style></style>" },
	{ "entities", SHAPE_MESSAGE, HTML, "&amp;" },
	{ "entities that do not end", SHAPE_MESSAGE, HTML, "&" },
	{ "long entities", SHAPE_MESSAGE, HTML "&", "a" },
	{ "blockquotes", SHAPE_MESSAGE, HTML, "<blockquote>" },
	/* Commands. */
	{ "body sections", SHAPE_FETCH, "(", "BODY[%u] ", .end = "UID)" },
	{ "one path", SHAPE_FETCH, "BODY[1", ".1", .end = "]" },
	{ "fields", SHAPE_FETCH, "BODY[HEADER.FIELDS (a", " x%u", .end = ")]" },
	{ "items", SHAPE_FETCH, "(FLAGS", " UID", .end = ")" },
	{ "levels of items", SHAPE_FETCH, "", "(" },
	{ "partials", SHAPE_FETCH, "(UID", " BODY[]<%u.1>", .end = ")" },
	{ "keys", SHAPE_SEARCH, "", "SEEN ", .end = "ALL" },
	{ "texts", SHAPE_SEARCH, "", "SUBJECT a%u ", .end = "ALL" },
	{ "NOTs", SHAPE_SEARCH, "", "NOT ", .end = "ALL" },
	{ "ORs", SHAPE_SEARCH, "", "OR SEEN ", .end = "ALL" },
	{ "ORs of ORs", SHAPE_SEARCH, "", "OR ", .end = "ALL" },
	{ "levels of keys", SHAPE_SEARCH, "", "(", "ALL", ")" },
	{ "sets", SHAPE_SEARCH, "", "UID %u ", .end = "ALL" },
	{ "a long text", SHAPE_SEARCH, "BODY \"", "a", .end = "\"" },
	{ "keywords", SHAPE_STORE, "+FLAGS (a", " k%u", .end = ")" },
	{ "one keyword", SHAPE_STORE, "+FLAGS (a", " k", .end = ")" },
	{ "a long keyword", SHAPE_STORE, "+FLAGS ", "k" },
	{ "patterns", SHAPE_LIST, "\"\" (a", " b%u*", .end = ")" },
	{ "stars", SHAPE_LIST, "\"\" \"", "*a", .end = "\"" },
	{ "percents", SHAPE_LIST, "\"\" \"", "%%a", .end = "\"" },
	{ "nothing but stars", SHAPE_LIST, "\"\" \"", "*", .end = "\"" },
	{ "known UIDs", SHAPE_SELECT, "a (QRESYNC (1 1 1", ",%U", .end = "))" },
	{ "ranges upwards", SHAPE_SEQSET, "1", ",%E", NULL },
	{ "ranges downwards", SHAPE_SEQSET, "1", ",%D" },
	{ "ranges at random", SHAPE_SEQSET, "1", ",%r" },
	{ "ranges that overlap", SHAPE_SEQSET, "1", ",%u:%r" },
	{ "stars in sets", SHAPE_SEQSET, "1", ",*" },
	{ "ampersands", SHAPE_NAME, "", "&" },
	{ "shifted characters", SHAPE_NAME, "", "&AOQ-" },
	{ "slashes in names", SHAPE_NAME, "", "a/" },
	{ "parameters of LMTP", SHAPE_LMTP, "RCPT TO:<a@b>", " A=B" },
	{ "a source route of LMTP", SHAPE_LMTP, "RCPT TO:<", "@a,", .end = ":b@c>" },
	{ "quoted pairs of LMTP", SHAPE_LMTP, "RCPT TO:<\"", "\\a", .end = "\"@c>" },
};
const size_t shape_count = ARRAY_LEN(shapes);

static uint32_t
random_u32(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* One unit; i of n. */
static void
unit_add(const char *unit, uint32_t i, uint32_t n, uint32_t *state, struct buf *out)
{
	for (const char *p = unit; *p != '\0'; p++) {
		if (*p != '%') {
			buf_chr(out, *p);
			continue;
		}
		switch (*++p) {
		case 'u':
			buf_printf(out, "%05u", i + 1);
			break;
		case 'U':
			buf_printf(out, "%u", i);
			break;
		case 'd':
			buf_printf(out, "%u", n - i);
			break;
		case 'E':
			buf_printf(out, "%u", 3 * i + 5);
			break;
		case 'D':
			buf_printf(out, "%u", 3 * (n - i) + 5);
			break;
		case 'r':
			buf_printf(out, "%u", 1 + random_u32(state) % 1000000);
			break;
		case '0':
			buf_chr(out, '\0');
			break;
		default:
			buf_chr(out, *p);
			break;
		}
	}
}

void
shape_make(const struct shape *s, size_t bytes, struct buf *out)
{
	size_t each = strlen(s->unit) + (s->close != NULL ? strlen(s->close) : 0);
	uint32_t n = (uint32_t)(bytes / each), state = 1;

	buf_c(out, s->begin);
	for (uint32_t i = 0; i < n; i++)
		unit_add(s->unit, i, n, &state, out);
	if (s->middle != NULL)
		buf_c(out, s->middle);
	for (uint32_t i = 0; s->close != NULL && i < n; i++)
		buf_c(out, s->close);
	if (s->end != NULL)
		buf_c(out, s->end);
}

/*
 * summary_test.c - unit tests of summary.c, preview.c, sortkeys.c, header.c and text.c, and of the
 * work being linear.
 */
#include "mime/summary.h"

#include "base/arena.h"
#include "base/test.h"
#include "mime/header.h"
#include "mime/limits.h"
#include "mime/parser.h"
#include "mime/sortkeys.h"
#include "mime/text.h"

#include <time.h>

static void
summarize(struct arena *a, struct str bytes, size_t step, struct mime_summary *out)
{
	struct mime_summarizer *s = mime_summarizer_new(a);

	for (size_t at = 0; at < bytes.n; at += step)
		mime_summarizer_feed(s, str_sub(bytes, at, at + step));
	mime_summarizer_finish(s, out);
}

#define ALTERNATIVE(plain, html)                                                                   \
	"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n" plain                         \
	"\n--b\nContent-Type: text/html\n\n" html "\n--b--\n"

static const struct {
	const char *message, *preview;
} previews[] = {
	{ "\nHello  there,\n\n\thow are\xc2\xa0you?\n", "Hello there, how are you?" },
	{ "\n", "" },
	{ "\n> quoted\n> text\nanswer\n", "answer" },
	{ "\nOn Monday Joe wrote:\n> quoted\n\nanswer", "answer" },
	{ "\nhello\n\nOn Monday\nJoe wrote:\n\n> quoted\nanswer", "hello answer" },
	{ "\nHi,\nthis she said:\n> quoted\nanswer", "Hi, answer" },
	{ "\nsee:\nthat", "see: that" },
	{ "\n> quoted\n> > text\n", "quoted text" },
	{ "\nhi\n-- \nJoe Doe\nCEO", "hi" },
	{ "\n--\nnot a signature --", "-- not a signature --" },
	{ "Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
	  "<html><head><title>no</title><style>x</style></head><p>caf=E9<br>now &amp; then<blockquote>old</blockquote>",
	    "caf\xc3\xa9 now & then" },
	{ "Content-Type: text/html\n\n<blockquote>old</blockquote>", "old" },
	{ "Content-Type: text/html\n\n<div>\xe2\x80\x8b\xc2\xad\xcd\x8f first</div>", "first" },
	{ ALTERNATIVE("plain", "<p>html"), "plain" },
	{ ALTERNATIVE(" \n", "<p>html"), "html" },
	{ ALTERNATIVE(" \n", "<p>AT&T"), "AT&T" },
	{ "Content-Type: text/html\n\n<blockquote>1 &lt", "1 <" },
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nlog\n--b\n\ntext\n--b--\n",
	    "text" },
	{ "Content-Type: application/pdf\n\nxxxx", "" },
	{ "Content-Transfer-Encoding: base64\n\nSGVsbG8=\n", "Hello" },
};

static void
test_previews(void)
{
	for (size_t i = 0; i < ARRAY_LEN(previews); i++)
		for (size_t step = 1; step <= 1024; step *= 8) {
			struct arena a = ARENA_NONE;
			struct mime_summary s;

			summarize(&a, str_c(previews[i].message), step, &s);
			if (!CHECK_STR(s.preview, str_c(previews[i].preview)))
				printf("# preview %zu, pieces of %zu\n", i, step);
			arena_done(&a);
		}
}

/* 200 characters, not bytes (RFC 8970 3.1). */
/* Words are taken at once where that can be: letter by letter the same comes out. */
static void
test_preview_words(void)
{
	static const char letters[] = "aabcde...    \t:>\n\n\r-\xC3\xA4\x7F";
	uint32_t seed = 7;

	for (unsigned round = 0; round < 2000; round++) {
		struct arena a = ARENA_NONE;
		struct mime_summary whole, pieces;
		char text[700] = "\r\nA line to begin with";
		size_t n = strlen(text), end;

		seed = seed * 1664525u + 1013904223u;
		end = n + (seed >> 16) % (sizeof(text) - n);
		for (; n < end; n++) {
			seed = seed * 1664525u + 1013904223u;
			/* mostly words and single blanks, so that the length is met, too */
			text[n] = (seed >> 29) != 0 ? n % 5 == 0 ? ' ' : 'w'
						    : letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		summarize(&a, str_make(text, n), n, &whole);
		summarize(&a, str_make(text, n), 1, &pieces);
		CHECK_STR(whole.preview, pieces.preview);
		arena_done(&a);
	}
}

static void
test_preview_length(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(65536);
	struct mime_summary s;

	buf_lit(&b, "Content-Type: text/plain; charset=utf-8\n\n");
	for (int i = 0; i < MIME_MAX_PREVIEW_CHARS + 1; i++)
		buf_lit(&b, "\xf0\x9f\x93\xaf");
	summarize(&a, buf_str(&b), 100, &s);
	CHECK_U64(s.preview.n, 4 * MIME_MAX_PREVIEW_CHARS);
	CHECK(str_is_utf8(s.preview));
	arena_done(&a);
}

static void
test_sortkeys(void)
{
	static const char header[] =
	    "From: =?utf-8?q?J=C3=B6rg?= <joerg@x>\nTo: list: mary@y;\nCc: bob@z (Bob)\n"
	    "Subject: Re: [l] =?utf-8?q?stra=C3=9Fe?=\nDate: 7 Feb 1994 21:52 -0800\nMessage-ID: <1@x>\n"
	    "References: <a@x> <b@x>\nIn-Reply-To: <c@x>\n\n";
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(65536);
	struct mime_sortkeys k;

	mime_sortkeys_parse(&a, str_c(header), &k);
	mime_sortkeys_encode(&k, &b);
	k = (struct mime_sortkeys){ 0 };
	if (!CHECK(mime_sortkeys_decode(&a, buf_str(&b), &k) == ERR_OK))
		return;
	CHECK(k.has_date && k.date.utc_ms == 760686720000 && k.date.zone_minutes == -480
	    && k.is_reply);
	CHECK_STR(k.subject,
	    STR("STRA\xc3\x9f"
		"E"));
	CHECK_STR(k.from, STR("JOERG"));
	CHECK_STR(k.from_name, STR("JO\xcc\x88RG"));
	CHECK_STR(k.to, STR("LIST"));
	CHECK_STR(k.to_name, STR("LIST"));
	CHECK_STR(k.cc, STR("BOB"));
	CHECK_STR(k.message_id, STR("1@x"));
	CHECK_U64(k.reference_count, 2);
	CHECK_STR(k.references[1], STR("b@x"));
	for (size_t n = 0; n < b.n; n++)
		CHECK(mime_sortkeys_decode(&a, str_sub(buf_str(&b), 0, n), &k) == ERR_CORRUPT);
	mime_sortkeys_parse(&a, STR("In-Reply-To: \"words\" <c@x> <d@x>\nFrom: joe@x\n\n"), &k);
	CHECK(!k.has_date && k.reference_count == 1);
	CHECK_STR(k.references[0], STR("c@x"));
	CHECK_STR(k.from_name, STR("JOE@X"));
	/* as the first keys that were stored */
	mime_sortkeys_parse(&a, STR("From: <\"jo\0e\"@x>\n\n"), &k);
	CHECK_STR(k.from_name, STR("JO@X"));
	arena_done(&a);
}

static void
test_references_limit(void)
{
	for (int extra = 0; extra < 2; extra++) {
		struct arena a = ARENA_NONE;
		BUF_CLEAN struct buf b = BUF_MAX(1 << 20);
		struct mime_sortkeys k;

		buf_lit(&b, "References:");
		for (int i = 0; i < MIME_MAX_REFERENCES + extra; i++)
			buf_printf(&b, " <%d@x>\n", i);
		mime_sortkeys_parse(&a, buf_str(&b), &k);
		CHECK_U64(k.reference_count, MIME_MAX_REFERENCES);
		CHECK_STR(k.references[0], STR("0@x"));
		CHECK_STR(k.references[1], extra == 0 ? STR("1@x") : STR("2@x"));
		CHECK_STR(k.references[999], extra == 0 ? STR("999@x") : STR("1000@x"));
		arena_done(&a);
	}
}

static const struct {
	const char *header;
	bool is_not;
	const char *picked;
} picks[] = {
	{ "From: a\r\nTo: b\r\n c\r\nfrom : d\r\nJunk\r\n\r\n", false,
	    "From: a\r\nfrom : d\r\n\r\n" },
	{ "From: a\r\nTo: b\r\n c\r\nfrom : d\r\nJunk\r\n\r\n", true,
	    "To: b\r\n c\r\nJunk\r\n\r\n" },
	{ "To: b\n\n", false, "\n" },
	{ "To: b", true, "To: b" },
	{ "", false, "" },
	{ " \tfolded: first\nFrom: a\nSubject:x\n\n", false, "From: a\nSubject:x\n\n" },
};

static void
test_pick(void)
{
	static const struct str names[] = { STR_INIT("SUBJECT"), STR_INIT("from") };

	for (size_t i = 0; i < ARRAY_LEN(picks); i++) {
		BUF_CLEAN struct buf b = BUF_MAX(65536);

		mime_header_pick(str_c(picks[i].header), names, ARRAY_LEN(names), picks[i].is_not,
		    &b);
		CHECK_STR(buf_str(&b), str_c(picks[i].picked));
	}
}

static bool
on_text(void *ctx, struct str utf8, bool is_first, bool is_source)
{
	struct buf *b = ctx;

	if (is_first)
		buf_c(b, is_source ? "[source]" : "|");
	buf_str_add(b, utf8);
	return true;
}

static void
extract(const char *message, unsigned what, size_t piece, struct buf *out)
{
	struct arena a = ARENA_NONE;
	struct mime_text *t = mime_text_new(mime_parse(&a, str_c(message)), what, on_text, out);
	struct mime_range r;

	while (mime_text_want(t, &r))
		mime_text_feed(t,
		    str_sub(str_c(message), r.offset, r.offset + MIN(r.length, (uint64_t)piece)));
	mime_text_free(t);
	arena_done(&a);
}

static void
test_text(void)
{
	static const char message[] =
	    "Subject: =?utf-8?q?=C3=A9?=\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
	    "Content-Transfer-Encoding: base64\n\nSGVsbG8=\n--b\nContent-Type: image/png; name*=iso-8859-1''a%20%E9.png\n\nhidden\n--b\n"
	    "Content-Type: message/rfc822\n\nSubject: in\n\nbody\n--b--\n";

	for (size_t piece = 1; piece < 100; piece += 33) {
		BUF_CLEAN struct buf b = BUF_MAX(65536), c = BUF_MAX(65536);

		extract(message, MIME_TEXT_HEADER | MIME_TEXT_BODY, piece, &b);
		CHECK_STR(buf_str(&b),
		    STR("|Subject: \xc3\xa9\nContent-Type: multipart/mixed; boundary=b\n"
			"|Hello|a \xc3\xa9.png\n|Subject: in\n|body"));
		extract("Content-Type: text/html\n\n<b>a</b>&amp;",
		    MIME_TEXT_BODY | MIME_TEXT_SOURCE, 1000, &c);
		CHECK_STR(buf_str(&c), STR("[source]<b>a</b>&amp;|a&"));
		buf_clear(&c);
		extract("Content-Type: text/html\n\nAT&T", MIME_TEXT_BODY, 3, &c);
		CHECK_STR(buf_str(&c), STR("|AT&T"));
		buf_clear(&c);
		/* "Subject: in" and a body */
		extract(
		    "Content-Type: message/global\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogaW4KCmJvZHk=",
		    MIME_TEXT_BODY, piece, &c);
		CHECK_STR(str_sub(buf_str(&c), 0, 18), STR("|Subject: in\n\nbody"));
	}
}

static bool
count_text(void *ctx, struct str utf8, bool is_first, bool is_source)
{
	unsigned *count = ctx;

	(void)utf8;
	(void)is_first;
	(void)is_source;
	(*count)++;
	return true;
}

/* Who is given a piece may look again at what came before, so a stranger does not say how many there are. */
static void
test_text_pieces(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(1 << 20);
	unsigned count = 0;
	struct mime_text *t;
	struct mime_range r;

	buf_lit(&b, "Content-Type: message/rfc822\n\n");
	while (b.n < MIME_MAX_HEADER_BYTES)
		buf_lit(&b, "a\n");
	t = mime_text_new(mime_parse(&a, buf_str(&b)), MIME_TEXT_BODY, count_text, &count);
	while (mime_text_want(t, &r))
		mime_text_feed(t, str_sub(buf_str(&b), r.offset, r.offset + r.length));
	mime_text_free(t);
	arena_done(&a);
	CHECK(count > 0 && count <= 16);
}

/* Messages that are hard for careless parsers, made of one piece over and over. */
static const struct {
	const char *begin, *piece, *end;
} hard[] = {
	{ "\n", "x", "" },
	{ "\n", "\n", "" },
	{ "Content-Type: multipart/mixed; boundary=b\n\n", "--", "" },
	{ "Content-Type: multipart/mixed; boundary=b\n\n", "--x\n", "" },
	{ "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n", "" },
	{ "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\n--b--\n", "" },
	{ "", "Content-Type: message/rfc822\n\n", "" },
	{ "", "Content-Type: multipart/mixed; boundary=b\n\n--b\n", "" },
	{ "", "Subject: x\n", "\n" },
	{ "Subject:", " \n", "\n" },
	{ "Subject: ", "Re: ", "\n\n" },
	{ "Subject: ", "[x]", "\n\n" },
	{ "Subject: ", "[fwd:", "\n\n" },
	{ "Subject: ", "=?", "\n\n" },
	{ "Subject: ", "=?utf-8?q?x", "\n\n" },
	{ "Subject: ", "=?utf-8?q?x?= ", "\n\n" },
	{ "To: ", "a@b,", "\n\n" },
	{ "To: ", "<", "\n\n" },
	{ "To: ", "(", "\n\n" },
	{ "To: ", "(a)", "\n\n" },
	{ "To: ", "\"\\", "\n\n" },
	{ "To: ", "a:", "\n\n" },
	{ "To: ", "a b ", "\n\n" },
	{ "To: ", "@", "\n\n" },
	{ "References: ", "<a@b> ", "\n\n" },
	{ "References: ", "<", "\n\n" },
	{ "Content-Type: a/b", "; n*1=x", "\n\n" },
	{ "Content-Type: a/b; name=", "x y=", "\n\n" },
	{ "Content-Type: a/b; name=", "(", "\n\n" },
	{ "Content-Type: text/html\n\n", "<", "" },
	{ "Content-Type: text/html\n\n", "<blockquote>", "" },
	{ "Content-Type: text/html\n\n", "&", "" },
	{ "Content-Type: text/html\n\n", "<!--", "" },
	{ "\n", ">", "" },
	{ "\n", "a:\n> b\n", "" },
};

static double
seconds_for(const char *begin, const char *piece, const char *end, size_t bytes)
{
	BUF_CLEAN struct buf b = BUF_MAX(1 << 24), out = BUF_MAX(1 << 26);
	double best = 1e9;

	buf_c(&b, begin);
	while (b.n < bytes)
		buf_c(&b, piece);
	buf_c(&b, end);
	/* The least of several: what else the machine does can only add. */
	for (int i = 0; i < 3; i++) {
		struct arena a = ARENA_NONE;
		struct mime_summary s;
		clock_t from = clock();
		struct mime_text *t;
		struct mime_range r;

		summarize(&a, buf_str(&b), 4096, &s);
		t = mime_text_new(s.msg, MIME_TEXT_HEADER | MIME_TEXT_BODY, on_text, &out);
		while (mime_text_want(t, &r))
			mime_text_feed(t, str_sub(buf_str(&b), r.offset, r.offset + r.length));
		mime_text_free(t);
		best = MIN(best, (double)(clock() - from) / CLOCKS_PER_SEC);
		buf_clear(&out);
		arena_done(&a);
	}
	return best;
}

/*
 * 8 times the input may take 8 times the time; 64 times would be quadratic, and more than 2.5 for
 * each doubling is 15.
 */
static void
test_linear(void)
{
	for (size_t i = 0; i < ARRAY_LEN(hard); i++) {
		double small = seconds_for(hard[i].begin, hard[i].piece, hard[i].end, 12500);
		double large = seconds_for(hard[i].begin, hard[i].piece, hard[i].end, 100000);

		if (!CHECK(large < 15 * small + 0.02))
			printf("# \"%s%s...\": %.4f s, 8 times as long %.4f s\n", hard[i].begin,
			    hard[i].piece, small, large);
	}
}

TEST_MAIN(TEST(test_previews), TEST(test_preview_words), TEST(test_preview_length),
    TEST(test_sortkeys), TEST(test_references_limit), TEST(test_pick), TEST(test_text),
    TEST(test_text_pieces), TEST(test_linear))

/* data_test.c - the end of DATA and its dots, cut anywhere. */
#include "lmtp/data.h"

#include "base/buf.h"
#include "base/test.h"

static const struct {
	const char *name;
	struct str in, text, rest;
	bool is_ended;
} samples[] = {
	{ "empty", STR_INIT(".\r\nQUIT\r\n"), STR_INIT(""), STR_INIT("QUIT\r\n"), true },
	{ "one line", STR_INIT("Hello\r\n.\r\n"), STR_INIT("Hello\r\n"), STR_INIT(""), true },
	{ "dots", STR_INIT("..a\r\n...\r\n.b\r\na.b\r\n.\r\nNOOP"),
	    STR_INIT(".a\r\n..\r\nb\r\na.b\r\n"), STR_INIT("NOOP"), true },
	{ "bare LF around the dot", STR_INIT("a\n.\nb\r\n.\r\n"), STR_INIT("a\n.\nb\r\n"),
	    STR_INIT(""), true },
	{ "LF before the dot", STR_INIT("a\n.\r\nMAIL\r\n.\r\n"), STR_INIT("a\n.\r\nMAIL\r\n"),
	    STR_INIT(""), true },
	{ "LF behind the dot", STR_INIT("a\r\n.\nMAIL\r\n.\r\n"), STR_INIT("a\r\n\nMAIL\r\n"),
	    STR_INIT(""), true },
	{ "CR around the dot", STR_INIT("a\r.\rb\r\n.\r\n"), STR_INIT("a\r.\rb\r\n"), STR_INIT(""),
	    true },
	{ "CR behind the dot", STR_INIT("a\r\n.\rb\r\n.\r\n"), STR_INIT("a\r\n\rb\r\n"),
	    STR_INIT(""), true },
	{ "dot CR CR LF", STR_INIT("a\r\n.\r\r\n.\r\n"), STR_INIT("a\r\n\r\r\n"), STR_INIT(""),
	    true },
	{ "CR CR LF dot", STR_INIT("a\r\r\n.\r\nX"), STR_INIT("a\r\r\n"), STR_INIT("X"), true },
	{ "NUL and 8-bit", STR_INIT("a\0\xFF\r\n.\r\n"), STR_INIT("a\0\xFF\r\n"), STR_INIT(""),
	    true },
	{ "no end", STR_INIT("a\r\n."), STR_INIT("a\r\n"), STR_INIT(""), false },
};

static void
run(struct str in, size_t cut, struct buf *text, struct str *rest, bool *is_ended)
{
	struct lmtp_data d = LMTP_DATA_START;
	struct str pieces[2] = { str_sub(in, 0, cut), str_sub(in, cut, in.n) };

	for (int i = 0; i < 2; i++) {
		while (pieces[i].n != 0 && d.state != LMTP_DATA_END)
			buf_str_add(text, lmtp_data_next(&d, &pieces[i]));
	}
	*rest = pieces[1];
	*is_ended = d.state == LMTP_DATA_END;
}

static void
test_ends_and_dots(void)
{
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		for (size_t cut = 0; cut <= samples[i].in.n - samples[i].rest.n; cut++) {
			struct buf BUF_CLEAN text = BUF_MAX(1000);
			struct str rest;
			bool is_ended, ok;

			run(samples[i].in, cut, &text, &rest, &is_ended);
			ok = CHECK_STR(buf_str(&text), samples[i].text)
			    && CHECK_STR(rest, samples[i].rest)
			    && CHECK(is_ended == samples[i].is_ended);
			if (!ok)
				printf("# %s, cut at %zu\n", samples[i].name, cut);
		}
	}
}

TEST_MAIN(TEST(test_ends_and_dots))

/* framer_test.c - unit tests of framer.c. */
#include "imap/framer.h"

#include "base/buf.h"
#include "base/test.h"

static const struct imap_framer_limits small = { .line_max = 40,
	.literal_max = 20,
	.command_max = 100 };

/*
 * Feeds input in steps of step bytes to a session that takes small literals and refuses others, and
 * writes down what happened: "C(text)" for a command, "D(text)" for one thrown away, "+" for a
 * continuation, "!" for a refusal.
 */
static void
run(struct str input, size_t step, struct buf *log)
{
	BUF_CLEAN struct buf have = BUF_MAX(100000);
	struct imap_framer f;
	bool is_discarding = false;

	imap_framer_init(&f, &small);
	for (size_t fed = 0; fed < input.n;) {
		size_t n = MIN(step, input.n - fed);
		bool is_more = false;

		buf_add(&have, input.p + fed, n);
		fed += n;
		while (!is_more) {
			struct imap_frame frame = imap_framer_next(&f, buf_str(&have));

			CHECK(frame.length <= have.n);
			switch (frame.kind) {
			case IMAP_FRAME_MORE:
				is_more = true;
				break;
			case IMAP_FRAME_COMMAND:
				buf_printf(log, "%s(", is_discarding ? "D" : "C");
				if (!is_discarding)
					buf_add(log, have.p, frame.text_length);
				buf_chr(log, ')');
				buf_consume(&have, frame.length);
				imap_framer_reset(&f);
				is_discarding = false;
				break;
			case IMAP_FRAME_LITERAL:
				if (!frame.is_over) {
					if (frame.is_sync)
						buf_chr(log, '+');
					imap_framer_take(&f);
				} else if (frame.is_sync) {
					buf_chr(log, '!');
					buf_consume(&have, frame.length);
					imap_framer_reset(&f);
				} else {
					imap_framer_discard(&f);
					is_discarding = true;
				}
				break;
			case IMAP_FRAME_TOO_LONG:
				imap_framer_discard(&f);
				is_discarding = true;
				break;
			case IMAP_FRAME_DROP:
				CHECK(is_discarding && frame.length > 0);
				buf_consume(&have, frame.length);
				break;
			}
		}
	}
	buf_printf(log, "/%zu", have.n);
}

static const struct {
	const char *name;
	struct str input, want;
} rows[] = {
	{ "a line", STR_INIT("a noop\r\n"), STR_INIT("C(a noop)/0") },
	{ "bare line feed", STR_INIT("a noop\nb noop\n"), STR_INIT("C(a noop)C(b noop)/0") },
	{ "half a line", STR_INIT("a noop\r\nb no"), STR_INIT("C(a noop)/4") },
	{ "empty line", STR_INIT("\r\n"), STR_INIT("C()/0") },
	{ "literal", STR_INIT("a x {3}\r\nb\r\n {2}\r\nxy\r\n"),
	    STR_INIT("++C(a x {3}\r\nb\r\n {2}\r\nxy)/0") },
	{ "no continuation", STR_INIT("a x {3+}\r\nfoo\r\n"), STR_INIT("C(a x {3+}\r\nfoo)/0") },
	{ "braces inside", STR_INIT("a x {3} y\r\n"), STR_INIT("C(a x {3} y)/0") },
	{ "braces without number", STR_INIT("a x {}\r\n"), STR_INIT("C(a x {})/0") },
	{ "braces with a word", STR_INIT("a x {a3}\r\n"), STR_INIT("C(a x {a3})/0") },
	{ "empty literal", STR_INIT("a {0}\r\n\r\n"), STR_INIT("+C(a {0}\r\n)/0") },
	{ "literal as long as may be", STR_INIT("a {20+}\r\n12345678901234567890\r\n"),
	    STR_INIT("C(a {20+}\r\n12345678901234567890)/0") },
	{ "literal one too long", STR_INIT("a {21}\r\nb noop\r\n"), STR_INIT("!C(b noop)/0") },
	{ "swallowed",
	    STR_INIT("a {21+}\r\n12345678901234567\r\n90 x {3+}\r\na\r\n y\r\nb noop\r\n"),
	    STR_INIT("D()C(b noop)/0") },
	{ "swallowed up to a literal that waits",
	    STR_INIT("a {21+}\r\n123456789012345678901 {5}\r\nb noop\r\n"),
	    STR_INIT("D()C(b noop)/0") },
	{ "number out of range", STR_INIT("a {99999999999999999999}\r\nb noop\r\n"),
	    STR_INIT("!C(b noop)/0") },
	{ "line as long as may be", STR_INIT("a 34567890123456789012345678901234567890\nb\n"),
	    STR_INIT("C(a 34567890123456789012345678901234567890)C(b)/0") },
	{ "line one too long", STR_INIT("a 345678901234567890123456789012345678901\nb\n"),
	    STR_INIT("D()C(b)/0") },
	{ "far too long, with a literal",
	    STR_INIT(
		"a 3456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012"
		"345678901234567890123456789012345678901234567890123456789012345678901234567890 {4+}\r\n\r\n\r\n z\r\nb\r\n"),
	    STR_INIT("D()C(b)/0") },
};

static void
test_cases(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t step = 1; step < 300; step += step < 5 ? 1 : 37) {
			BUF_CLEAN struct buf log = BUF_MAX(10000);

			run(rows[i].input, step, &log);
			if (!CHECK_STR(buf_str(&log), rows[i].want))
				printf("# case \"%s\", %zu bytes at a time\n", rows[i].name, step);
		}
	}
}

static void
test_streaming(void)
{
	struct imap_framer f;
	struct imap_frame frame;

	imap_framer_init(&f, &small);
	frame = imap_framer_next(&f, STR("a append x ~{1000+}\r\nabc"));
	CHECK(
	    frame.kind == IMAP_FRAME_LITERAL && frame.is_over && frame.is_binary && !frame.is_sync);
	CHECK_U64(frame.literal_size, 1000);
	CHECK_U64(frame.length, 21);
	CHECK_U64(frame.text_length, 19);
	/* The session consumes the line and the literal; what follows is framed for itself. */
	imap_framer_reset(&f);
	frame = imap_framer_next(&f, STR(" {3}\r\n"));
	CHECK(frame.kind == IMAP_FRAME_LITERAL && !frame.is_over && frame.is_sync
	    && !frame.is_binary);
	imap_framer_reset(&f);
	frame = imap_framer_next(&f, STR("\r\n"));
	CHECK(frame.kind == IMAP_FRAME_COMMAND && frame.length == 2 && frame.text_length == 0);
}

static void
test_plain_line(void)
{
	struct imap_framer f;
	struct imap_frame frame;

	imap_framer_init(&f, &small);
	CHECK(imap_framer_next_line(&f, STR("DO")).kind == IMAP_FRAME_MORE);
	frame = imap_framer_next_line(&f, STR("DONE {5}\r\nx"));
	CHECK(frame.kind == IMAP_FRAME_COMMAND && frame.length == 10 && frame.text_length == 8);
}

TEST_MAIN(TEST(test_cases), TEST(test_streaming), TEST(test_plain_line))

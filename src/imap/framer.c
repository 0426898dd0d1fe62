/* framer.c - see framer.h. */
#include "imap/framer.h"

#include "base/attr.h"

/*
 * Enough of a line's tail to see "~{18446744073709551615+}" and the line end while the rest is
 * thrown away.
 */
enum { TAIL_KEPT = 64 };

void
imap_framer_init(struct imap_framer *f, const struct imap_framer_limits *limits)
{
	*f = (struct imap_framer){ .limits = *limits };
}

void
imap_framer_reset(struct imap_framer *f)
{
	*f = (struct imap_framer){ .limits = f->limits };
}

/*
 * Looks for a literal at the end of a line that has lost its line end. In a well-formed command a
 * line can end in "{5}" for no other reason, so what stands before it does not matter: whatever it
 * is, the scanner will refuse it.
 */
static bool
literal_at_end(struct str line, struct imap_frame *frame)
{
	size_t open;
	struct str digits;
	uint64_t size;

	if (line.n < 3 || line.p[line.n - 1] != '}')
		return false;
	open = str_rchr(str_sub(line, line.n > TAIL_KEPT ? line.n - TAIL_KEPT : 0, line.n), '{');
	if (open == SIZE_MAX)
		return false;
	open += line.n > TAIL_KEPT ? line.n - TAIL_KEPT : 0;
	digits = str_sub(line, open + 1, line.n - 1);
	frame->is_sync = true;
	/* "{5-}" is not used by clients: LITERAL- too announces with "+" (RFC 7888 5). */
	if (digits.n > 0 && digits.p[digits.n - 1] == '+') {
		frame->is_sync = false;
		digits.n--;
	}
	if (digits.n == 0)
		return false;
	for (size_t i = 0; i < digits.n; i++) {
		if (!chr_is_digit(digits.p[i]))
			return false;
	}
	if (!str_to_u64(digits, &size) || size > INT64_MAX)
		size = UINT64_MAX;
	frame->literal_size = size;
	frame->is_binary = open > 0 && line.p[open - 1] == '~';
	return true;
}

/* The line end at lf: fills in length and text_length. */
static struct imap_frame
frame_line(enum imap_frame_kind kind, struct str input, size_t line_from, size_t lf)
{
	size_t text = lf > line_from && input.p[lf - 1] == '\r' ? lf - 1 : lf;

	return (struct imap_frame){ .kind = kind, .length = lf + 1, .text_length = text };
}

static struct imap_frame
drop(struct imap_framer *f, size_t n)
{
	f->at = f->at > n ? f->at - n : 0;
	f->line_from = 0;
	return (struct imap_frame){ .kind = IMAP_FRAME_DROP, .length = n };
}

/* Where the next line feed is; input.n when there is none yet. */
static size_t
find_lf(struct imap_framer *f, struct str input)
{
	const char *lf = f->at < input.n ? memchr(input.p + f->at, '\n', input.n - f->at) : NULL;

	return lf == NULL ? input.n : (size_t)(lf - input.p);
}

static struct imap_frame
next_discarding(struct imap_framer *f, struct str input, bool has_literals)
{
	struct imap_frame frame;
	size_t lf;

	if (f->line_from > 0)
		return drop(f, MIN(f->line_from, input.n));
	if (f->skip > 0) {
		size_t n = (size_t)MIN(f->skip, (uint64_t)input.n);

		if (n == 0)
			return (struct imap_frame){ .kind = IMAP_FRAME_MORE };
		f->skip -= n;
		return drop(f, n);
	}
	lf = find_lf(f, input);
	if (lf == input.n) {
		f->at = input.n;
		if (input.n >= 2 * TAIL_KEPT)
			return drop(f, input.n - TAIL_KEPT);
		return (struct imap_frame){ .kind = IMAP_FRAME_MORE };
	}
	frame = frame_line(IMAP_FRAME_COMMAND, input, 0, lf);
	if (has_literals && literal_at_end(str_sub(input, 0, frame.text_length), &frame)
	    && !frame.is_sync) {
		f->skip = frame.literal_size;
		f->at = 0;
		return drop(f, lf + 1);
	}
	/* A client that waits for "+ " gets its answer instead: the command ends here. */
	frame.literal_size = 0;
	frame.is_sync = frame.is_binary = false;
	return frame;
}

static struct imap_frame
next(struct imap_framer *f, struct str input, bool has_literals)
{
	struct imap_frame frame;
	size_t lf;

	if (f->is_discarding)
		return next_discarding(f, input, has_literals);
	if (f->at > input.n)
		return (struct imap_frame){ .kind = IMAP_FRAME_MORE };
	lf = find_lf(f, input);
	f->at = lf;
	if (f->lines_bytes + (lf - f->line_from) > f->limits.line_max || lf > f->limits.command_max)
		return (struct imap_frame){ .kind = IMAP_FRAME_TOO_LONG };
	if (lf == input.n)
		return (struct imap_frame){ .kind = IMAP_FRAME_MORE };
	frame = frame_line(IMAP_FRAME_COMMAND, input, f->line_from, lf);
	if (has_literals
	    && literal_at_end(str_sub(input, f->line_from, frame.text_length), &frame)) {
		frame.kind = IMAP_FRAME_LITERAL;
		frame.is_over = frame.literal_size > f->limits.literal_max
		    || frame.literal_size
			> f->limits.command_max - MIN(f->limits.command_max, frame.length);
	}
	f->lines_bytes += frame.length - f->line_from;
	f->at = f->line_from = frame.length;
	f->pending = frame.literal_size;
	return frame;
}

struct imap_frame
imap_framer_next(struct imap_framer *f, struct str input)
{
	return next(f, input, true);
}

struct imap_frame
imap_framer_next_line(struct imap_framer *f, struct str input)
{
	return next(f, input, false);
}

void
imap_framer_take(struct imap_framer *f)
{
	must(f->pending <= SIZE_MAX - f->at);
	f->at += (size_t)f->pending;
	f->line_from = f->at;
	f->pending = 0;
}

void
imap_framer_discard(struct imap_framer *f)
{
	f->is_discarding = true;
	f->skip = f->pending;
	f->pending = 0;
}

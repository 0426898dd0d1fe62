/*
 * parser.c - see parser.h.
 *
 * Two loops take the bytes: one for headers, line by line, one for bodies, in runs that are as long
 * as possible. A line that begins with "--" while a multipart is open is a candidate for a
 * boundary; when the piece ends inside it, its begin is held until it can be told. The line end
 * before a boundary belongs to the boundary, so in a body the last line end (and a bare CR, which
 * may become one) is held back until the next byte is known.
 *
 *           mime_boundary_found()                 mime_header_end()
 *     BOUNDARY -----------------> HEADER (new part) ------------> BODY
 *        ^                          ^                              |
 *        +--- boundary line --------+--- message/rfc822: child ----+
 */
#include "mime/parser_int.h"

#include "base/arena.h"

enum { USUAL_HEADER_BYTES = 2048 };

enum match { MATCH_NO, MATCH_YES, MATCH_MORE };

static void
body_bytes(struct mime_parser *p, const char *at, size_t n)
{
	if (n > 0 && p->hooks.body != NULL && mime_part_is_leaf(p->part))
		p->hooks.body(p->hooks.ctx, p->part, str_make(at, n));
}

static void
tail_flush(struct mime_parser *p)
{
	body_bytes(p, p->tail, p->tail_count);
	p->tail_count = 0;
}

static void
header_bytes(struct mime_parser *p, const char *at, size_t n)
{
	size_t room = p->header.max - p->header.n;

	if (n > room)
		p->is_header_cut = true;
	buf_add(&p->header, at, MIN(n, room));
	if (n > 0) {
		p->last = at[n - 1];
		p->line_length += n;
		p->is_mid_line = true;
	}
}

/*
 * Whether a line that begins with these bytes is a boundary. It need only begin with one (RFC 2046
 * 5.1.1); of several that fit, the longest counts, then the innermost.
 */
static enum match
boundary_match(struct mime_parser *p, struct str line, bool is_whole, uint32_t *index_out,
    bool *is_closing_out)
{
	size_t best_n = 0;
	uint32_t best = 0;
	struct str s;

	if (line.n >= 2 && !str_starts(line, STR("--")))
		return MATCH_NO;
	if (!is_whole && line.n < sizeof(p->held))
		return MATCH_MORE;
	if (line.n < 2)
		return MATCH_NO;
	s = str_sub(line, 2, line.n);
	for (uint32_t i = p->open_count; i-- > 0;)
		if (p->open[i].text.n > best_n && str_starts(s, p->open[i].text)) {
			best = i;
			best_n = p->open[i].text.n;
		}
	if (best_n == 0)
		return MATCH_NO;
	*index_out = best;
	*is_closing_out = str_starts(str_sub(s, best_n, s.n), STR("--"));
	return MATCH_YES;
}

/*
 * Looks at the begin of a line, *at on its first new byte. Takes bytes of it when it is a boundary
 * (then the state is STATE_BOUNDARY) or when more must come to tell (then all is taken, and held).
 * MATCH_NO leaves it to the caller, with the held bytes still in p->held.
 */
static enum match
line_begin(struct mime_parser *p, const char **at, const char *end)
{
	size_t room = sizeof(p->held) - p->held_count, n = MIN((size_t)(end - *at), room);
	const char *lf = memchr(*at, '\n', n);
	struct str line;
	uint32_t index = 0;
	bool is_closing = false;
	enum match m;

	if (lf != NULL)
		n = (size_t)(lf - *at) + 1;
	if (p->held_count == 0) {
		line = str_make(*at, n);
	} else {
		memcpy(p->held + p->held_count, *at, n);
		line = str_make(p->held, p->held_count + n);
	}
	m = boundary_match(p, line, lf != NULL, &index, &is_closing);
	if (m == MATCH_NO)
		return m;
	if (m == MATCH_MORE) {
		if (p->held_count == 0)
			memcpy(p->held, *at, n);
		p->held_count += n;
		*at += n;
		return m;
	}
	/* The bytes held count as seen only now: the part before ends where the line begins. */
	mime_boundary_found(p, index, is_closing);
	p->last = p->held_count > 0 ? p->held[p->held_count - 1] : '\0';
	p->offset += p->held_count;
	p->held_count = 0;
	return m;
}

/* The line that was held is none of ours: its bytes, p->held, become ordinary ones. */
static void
held_release(struct mime_parser *p)
{
	if (p->state == STATE_HEADER) {
		header_bytes(p, p->held, p->held_count);
	} else {
		tail_flush(p);
		/* No LF can be in it. A CR at its end may be half a line end. */
		if (p->held_count > 0 && p->held[p->held_count - 1] == '\r') {
			body_bytes(p, p->held, p->held_count - 1);
			p->tail[0] = '\r';
			p->tail_count = 1;
		} else {
			body_bytes(p, p->held, p->held_count);
		}
		p->is_mid_line = true;
	}
	p->offset += p->held_count;
	p->held_count = 0;
}

static const char *
feed_header(struct mime_parser *p, const char *at, const char *end)
{
	while (at != end) {
		const char *lf;
		size_t n;
		bool is_empty;

		if (!p->is_mid_line && p->open_count > 0 && (p->held_count > 0 || *at == '-')) {
			enum match m = line_begin(p, &at, end);

			if (m != MATCH_NO)
				return at;
			held_release(p);
		}
		lf = memchr(at, '\n', (size_t)(end - at));
		n = lf != NULL ? (size_t)(lf - at) + 1 : (size_t)(end - at);
		if (lf == NULL) {
			header_bytes(p, at, n);
			p->offset += n;
			return end;
		}
		is_empty = p->line_length + n == 1
		    || (p->line_length + n == 2 && (n == 2 ? at[0] : p->last) == '\r');
		p->eol = n > 1                              ? (at[n - 2] == '\r' ? 2 : 1)
		    : p->line_length > 0 && p->last == '\r' ? 2
							    : 1;
		header_bytes(p, at, n);
		p->offset += n;
		at += n;
		p->lines++;
		p->line_length = 0;
		p->is_mid_line = false;
		if (is_empty) {
			mime_header_end(p);
			return at;
		}
	}
	return at;
}

/* Takes the bytes from run to at, the end of a line, but for its end, which is held back. */
static void
run_end(struct mime_parser *p, const char *run, const char *at)
{
	size_t n = (size_t)(at - run), tail = 1;

	if (n == 1 && p->tail_count == 1 && p->tail[0] == '\r') {
		p->tail[1] = '\n';
		p->tail_count = 2;
		p->offset++;
		return;
	}
	if (n > 1 && at[-2] == '\r')
		tail = 2;
	tail_flush(p);
	body_bytes(p, run, n - tail);
	memcpy(p->tail, at - tail, tail);
	p->tail_count = (uint8_t)tail;
	p->offset += n;
}

static const char *
feed_body(struct mime_parser *p, const char *at, const char *end)
{
	const char *run;

	if (!p->is_mid_line && p->open_count > 0 && (p->held_count > 0 || *at == '-')) {
		if (line_begin(p, &at, end) != MATCH_NO)
			return at;
		held_release(p);
	}
	for (run = at; at != end;) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));

		if (lf == NULL) {
			p->is_mid_line = true;
			break;
		}
		at = lf + 1;
		p->lines++;
		p->is_mid_line = false;
		if (p->open_count > 0 && (at == end || *at == '-')) {
			run_end(p, run, at);
			return at;
		}
	}
	/* Up to the end of the piece. What may be part of a line end stays back. */
	if (run != end) {
		size_t n = (size_t)(end - run);

		if (end[-1] == '\n') {
			run_end(p, run, end);
		} else {
			tail_flush(p);
			if (end[-1] == '\r') {
				p->tail[0] = '\r';
				p->tail_count = 1;
			}
			body_bytes(p, run, n - p->tail_count);
			p->offset += n;
		}
	}
	return end;
}

static const char *
feed_boundary(struct mime_parser *p, const char *at, const char *end)
{
	const char *lf = memchr(at, '\n', (size_t)(end - at));

	if (lf == NULL) {
		p->offset += (size_t)(end - at);
		p->last = end[-1];
		return end;
	}
	p->offset += (size_t)(lf + 1 - at);
	p->lines++;
	mime_boundary_end(p, (lf > at ? lf[-1] : p->last) == '\r');
	return lf + 1;
}

static void
note_bytes(struct mime_message *msg, struct str bytes)
{
	if (!msg->is_8bit)
		msg->is_8bit = !str_is_ascii(bytes);
	if (!msg->has_nul)
		msg->has_nul = memchr(bytes.p, '\0', bytes.n) != NULL;
}

struct mime_parser *
mime_parser_new(struct arena *a, const struct mime_parser_hooks *hooks)
{
	struct mime_parser *p = arena_alloc(a, sizeof(*p));

	memset(p, 0, offsetof(struct mime_parser, open));
	p->keep = (struct mime_keeper){ .a = a,
		.left = MIME_MAX_KEPT_BYTES,
		.scratch = BUF_MAX(MIME_MAX_HEADER_BYTES) };
	if (hooks != NULL)
		p->hooks = *hooks;
	p->msg = arena_new(a, struct mime_message);
	mime_header_begin(p, NULL);
	buf_reserve(&p->header, USUAL_HEADER_BYTES);
	p->msg->root = p->part;
	return p;
}

void
mime_parser_feed(struct mime_parser *p, struct str bytes)
{
	const char *at = bytes.p, *end = at + bytes.n;

	if (bytes.n == 0)
		return;
	note_bytes(p->msg, bytes);
	p->msg->size += bytes.n;
	while (at != end) {
		switch (p->state) {
		case STATE_HEADER:
			at = feed_header(p, at, end);
			break;
		case STATE_BODY:
			at = feed_body(p, at, end);
			break;
		case STATE_BOUNDARY:
			at = feed_boundary(p, at, end);
			break;
		}
	}
}

void
mime_parser_free(struct mime_parser *p)
{
	if (p == NULL)
		return;
	buf_done(&p->keep.scratch);
	buf_done(&p->header);
}

void
mime_parser_finish(struct mime_parser *p, struct mime_message **msg_out)
{
	uint32_t index = 0;
	bool is_closing = false;

	if (p->held_count > 0) {
		/*
		 * The message ends inside a line that could have been a boundary; perhaps it is
		 * one.
		 */
		if (boundary_match(p, str_make(p->held, p->held_count), true, &index, &is_closing)
		    == MATCH_YES) {
			mime_boundary_found(p, index, is_closing);
			p->offset += p->held_count;
		} else {
			held_release(p);
		}
	}
	if (p->state == STATE_HEADER)
		mime_header_cut(p);
	tail_flush(p);
	mime_parts_end(p, NULL, p->offset, p->lines);
	*msg_out = p->msg;
	mime_parser_free(p);
}

struct mime_message *
mime_parse(struct arena *a, struct str bytes)
{
	struct mime_parser *p = mime_parser_new(a, NULL);
	struct mime_message *msg;

	mime_parser_feed(p, bytes);
	mime_parser_finish(p, &msg);
	return msg;
}

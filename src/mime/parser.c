/*
 * parser.c - see parser.h.
 *
 * Two loops take the bytes: one for headers, line by line, one for bodies, in runs that are as long
 * as possible. A line that begins with "--" while a multipart is open is a candidate for a
 * boundary; when the piece ends inside it, its begin is held until it can be told. The line end
 * before a boundary belongs to the boundary, so in a body the last line end (and a bare CR, which
 * may become one) is held back until the next byte is known.
 *
 *              boundary_found()                     header_end()
 *     BOUNDARY -----------------> HEADER (new part) ------------> BODY
 *        ^                          ^                              |
 *        +--- boundary line --------+--- message/rfc822: child ----+
 */
#include "mime/parser.h"

#include "base/arena.h"
#include "mime/content_int.h"
#include "mime/limits.h"

enum state {
	STATE_HEADER,
	STATE_BODY,
	STATE_BOUNDARY, /* the rest of a boundary line */
};

enum match { MATCH_NO, MATCH_YES, MATCH_MORE };

/* A multipart that is open, and what separates its parts. */
enum { USUAL_HEADER_BYTES = 2048 };

struct boundary {
	struct mime_part *part;
	struct str text;
};

struct mime_parser {
	struct mime_keeper keep;
	struct mime_parser_hooks hooks;
	struct mime_message *msg;
	/* the current one; in a multipart's preamble or epilogue the multipart */
	struct mime_part *part;
	uint32_t open_count;
	enum state state;
	uint64_t offset;     /* of the next byte */
	uint64_t lines;      /* line ends so far */
	uint64_t part_lines; /* their number where the current header began */
	bool is_mid_line;
	/* the last byte of the line so far, in a header or a boundary line */
	char last;
	uint64_t line_length; /* of the line so far, in a header */
	uint8_t eol;          /* length of the last line end in a header */
	bool is_closing;      /* STATE_BOUNDARY: the multipart is over */
	struct buf header;    /* of the current part */
	bool is_header_cut;
	char held[2 + MIME_MAX_BOUNDARY + 2]; /* begin of a candidate */
	size_t held_count;
	char tail[2]; /* line end, or CR, that was not given out yet */
	uint8_t tail_count;
	struct boundary open[MIME_MAX_DEPTH]; /* not zeroed: open_count of them */
};

static bool
is_leaf(const struct mime_part *part)
{
	return part->kind == MIME_KIND_TEXT || part->kind == MIME_KIND_BASIC;
}

static void
body_bytes(struct mime_parser *p, const char *at, size_t n)
{
	if (n > 0 && p->hooks.body != NULL && is_leaf(p->part))
		p->hooks.body(p->hooks.ctx, p->part, str_make(at, n));
}

static void
tail_flush(struct mime_parser *p)
{
	body_bytes(p, p->tail, p->tail_count);
	p->tail_count = 0;
}

static struct mime_part *
part_add(struct mime_parser *p, struct mime_part *parent)
{
	struct mime_part *part = arena_new(p->keep.a, struct mime_part);

	part->parent = parent;
	part->number = 1;
	part->header.offset = p->offset;
	if (parent != NULL) {
		part->depth = (uint16_t)(parent->depth + 1);
		part->number = ++parent->child_count;
		if (parent->last_child != NULL)
			parent->last_child->next = part;
		else
			parent->first_child = part;
		parent->last_child = part;
	}
	p->msg->part_count++;
	p->part = part;
	return part;
}

static void
header_begin(struct mime_parser *p, struct mime_part *parent)
{
	part_add(p, parent);
	p->part_lines = p->lines;
	p->state = STATE_HEADER;
	p->line_length = 0;
	p->is_mid_line = false;
	p->is_header_cut = false;
	buf_clear(&p->header);
	p->header.max = parent == NULL ? MIME_MAX_HEADER_BYTES : MIME_MAX_PART_HEADER_BYTES;
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

/* What the header says is now known: opens multiparts and messages. */
static void
header_parse(struct mime_parser *p)
{
	struct mime_part *part = p->part, *parent = part->parent;
	struct str header = buf_str(&p->header);
	bool is_in_digest = parent != NULL && parent->kind == MIME_KIND_MULTIPART
	    && str_eq_nocase(parent->subtype, STR("digest"));
	bool is_message_root = parent == NULL || parent->kind == MIME_KIND_MESSAGE;

	mime_content_parse(&p->keep, header, is_in_digest, part);
	if (is_message_root) {
		part->envelope = arena_new(p->keep.a, struct mime_envelope);
		mime_envelope_keep(&p->keep, header, part->envelope);
	}
	if (!is_leaf(part)
	    && (part->depth + 1 >= MIME_MAX_DEPTH || p->msg->part_count >= MIME_MAX_PARTS))
		mime_content_set_opaque(part);
	if (part->kind == MIME_KIND_MULTIPART) {
		struct str text = mime_param_find(part->params, STR("boundary"));

		p->open[p->open_count++] =
		    (struct boundary){ part, str_sub(text, 0, MIME_MAX_BOUNDARY) };
	}
}

/* A header is over at the current offset; its body begins. */
static void
header_end(struct mime_parser *p)
{
	struct mime_part *part = p->part;

	part->header.length = p->offset - part->header.offset;
	part->header_lines = (uint32_t)(p->lines - p->part_lines);
	part->body.offset = p->offset;
	part->body_lines = (uint32_t)p->lines; /* until it ends: the lines before */
	if (part->parent == NULL) {
		/* Kept as it is: it becomes the message's header block. */
		p->msg->header = arena_str(p->keep.a, buf_str(&p->header));
		p->msg->is_header_cut = p->is_header_cut;
	}
	header_parse(p);
	p->state = STATE_BODY;
	p->is_mid_line = false;
	p->tail_count = 0;
	if (p->hooks.part_begin != NULL)
		p->hooks.part_begin(p->hooks.ctx, part);
	if (part->kind == MIME_KIND_MESSAGE)
		header_begin(p, part);
}

/*
 * A multipart in which no boundary came is shown as the text that it is; else nobody could see it.
 * Its begin was told as that of a multipart, so that previews miss it.
 */
static void
multipart_without_parts(struct mime_part *part)
{
	if (part->kind != MIME_KIND_MULTIPART || part->child_count > 0 || part->body.length == 0)
		return;
	part->kind = MIME_KIND_TEXT;
	part->is_type_default = true;
	part->type = STR("text");
	part->subtype = STR("plain");
	part->params = NULL;
	part->charset = STR_NONE;
}

/*
 * Ends the current part and those around it, up to but not including `upto`, where the given offset
 * and line count are.
 */
static void
parts_end(struct mime_parser *p, const struct mime_part *upto, uint64_t offset, uint64_t lines)
{
	while (p->part != upto) {
		struct mime_part *part = p->part;

		if (offset > part->body.offset) {
			part->body.length = offset - part->body.offset;
			part->body_lines = (uint32_t)(lines - part->body_lines);
		} else {
			part->body_lines = 0;
		}
		multipart_without_parts(part);
		if (p->open_count > 0 && p->open[p->open_count - 1].part == part)
			p->open_count--;
		if (p->hooks.part_end != NULL)
			p->hooks.part_end(p->hooks.ctx, part);
		p->part = part->parent;
	}
}

/*
 * A header that has no empty line behind it is over. Messages that begin just here begin and end,
 * too.
 */
static void
header_cut(struct mime_parser *p)
{
	while (p->state == STATE_HEADER)
		header_end(p);
}

/* The same, but for its last line end, whose length it tells. */
static uint8_t
header_cut_before(struct mime_parser *p)
{
	uint8_t eol = p->offset > p->part->header.offset ? p->eol : 0;

	p->offset -= eol;
	p->lines -= eol > 0 ? 1 : 0;
	buf_truncate(&p->header, p->header.n >= eol ? p->header.n - eol : 0);
	header_cut(p);
	p->offset += eol;
	p->lines += eol > 0 ? 1 : 0;
	return eol;
}

/*
 * A body is over before its first byte: the empty line before it was no part of its header. Tells
 * its length.
 */
static uint8_t
header_shrink(struct mime_parser *p)
{
	struct mime_part *part = p->part;
	uint8_t eol = part->header.length > 0 ? p->eol : 0;

	part->header.length -= eol;
	part->body.offset -= eol;
	if (eol > 0)
		part->header_lines--;
	return eol;
}

/* The line that begins at the current offset is a boundary of this open multipart. */
static void
boundary_found(struct mime_parser *p, uint32_t index, bool is_closing)
{
	struct mime_part *multipart = p->open[index].part;
	uint8_t eol = p->tail_count;

	/*
	 * The line end before it is its own (RFC 2046 5.1.1, delimiter), even that of a header's
	 * last line.
	 */
	if (p->state == STATE_HEADER)
		eol = header_cut_before(p);
	else if (p->part != multipart && p->part->body.offset == p->offset)
		eol = header_shrink(p);
	parts_end(p, multipart, p->offset - eol, p->lines - (eol > 0 ? 1 : 0));
	p->open_count = index + 1;
	p->tail_count = 0;
	p->state = STATE_BOUNDARY;
	p->is_closing = is_closing;
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
	boundary_found(p, index, is_closing);
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
			header_end(p);
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

/* The boundary line is over: the multipart's epilogue, or its next part, begins. */
static void
boundary_end(struct mime_parser *p, bool has_cr)
{
	struct mime_part *multipart = p->part;

	p->state = STATE_BODY;
	p->is_mid_line = false;
	if (p->is_closing) {
		p->open_count--;
		/*
		 * Its line end is that of the boundary that may follow (RFC 2046 5.1.1,
		 * close-delimiter).
		 */
		memcpy(p->tail, has_cr ? "\r\n" : "\n", has_cr ? 2 : 1);
		p->tail_count = has_cr ? 2 : 1;
	} else if (p->msg->part_count >= MIME_MAX_PARTS) {
		/* The rest of the message is one opaque part, in which no boundary counts. */
		struct mime_part *part = part_add(p, multipart);

		mime_content_set_opaque(part);
		part->body.offset = p->offset;
		part->body_lines = (uint32_t)p->lines;
		p->open_count = 0;
		if (p->hooks.part_begin != NULL)
			p->hooks.part_begin(p->hooks.ctx, part);
	} else {
		header_begin(p, multipart);
	}
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
	boundary_end(p, (lf > at ? lf[-1] : p->last) == '\r');
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
	header_begin(p, NULL);
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
			boundary_found(p, index, is_closing);
			p->offset += p->held_count;
		} else {
			held_release(p);
		}
	}
	if (p->state == STATE_HEADER)
		header_cut(p);
	tail_flush(p);
	parts_end(p, NULL, p->offset, p->lines);
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

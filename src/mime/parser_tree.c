/* parser_tree.c - the parts that headers and boundaries open and close; see parser_int.h. */
#include "mime/parser_int.h"

#include "base/arena.h"

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

void
mime_header_begin(struct mime_parser *p, struct mime_part *parent)
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
	if (!mime_part_is_leaf(part)
	    && (part->depth + 1 >= MIME_MAX_DEPTH || p->msg->part_count >= MIME_MAX_PARTS))
		mime_content_set_opaque(part);
	if (part->kind == MIME_KIND_MULTIPART) {
		struct str text = mime_param_find(part->params, STR("boundary"));

		p->open[p->open_count++] =
		    (struct boundary){ part, str_sub(text, 0, MIME_MAX_BOUNDARY) };
	}
}

void
mime_header_end(struct mime_parser *p)
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
		mime_header_begin(p, part);
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

void
mime_parts_end(struct mime_parser *p, const struct mime_part *upto, uint64_t offset, uint64_t lines)
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

void
mime_header_cut(struct mime_parser *p)
{
	while (p->state == STATE_HEADER)
		mime_header_end(p);
}

/* The same, but for its last line end, whose length it tells. */
static uint8_t
header_cut_before(struct mime_parser *p)
{
	uint8_t eol = p->offset > p->part->header.offset ? p->eol : 0;

	p->offset -= eol;
	p->lines -= eol > 0 ? 1 : 0;
	buf_truncate(&p->header, p->header.n >= eol ? p->header.n - eol : 0);
	mime_header_cut(p);
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

void
mime_boundary_found(struct mime_parser *p, uint32_t index, bool is_closing)
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
	mime_parts_end(p, multipart, p->offset - eol, p->lines - (eol > 0 ? 1 : 0));
	p->open_count = index + 1;
	p->tail_count = 0;
	p->state = STATE_BOUNDARY;
	p->is_closing = is_closing;
}

void
mime_boundary_end(struct mime_parser *p, bool has_cr)
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
		mime_header_begin(p, multipart);
	}
}

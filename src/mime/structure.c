/*
 * structure.c - see structure.h.
 *
 * Bytes: version 1; message flags (1 is_8bit, 2 has_nul, 4 is_header_cut); then varints: message
 * size, number of parts; then the parts in the order of the message, each:
 *
 *     kind and flags, 1 byte: kind (2 bits), 4 is_opaque, 8 is_type_default, 16 has_charset
 *     encoding, 1 byte
 *     varints: header offset from where its parent's body begins (from 0 for the root), header
 *     length, header lines, body length (it begins where the header ends), body lines, number of
 *     children (MULTIPART and MESSAGE only)
 *     type, subtype, and charset if it has one, each a varint of its length and the bytes
 *
 * Decoding checks that each range is inside its parent's body, that siblings follow each other, and
 * the limits of limits.h.
 */
#include "mime/structure.h"

#include "base/arena.h"
#include "base/varint.h"
#include "mime/limits.h"

enum { VERSION = 1, IS_8BIT = 1, HAS_NUL = 2, IS_HEADER_CUT = 4 };

enum { KIND_MASK = 3, IS_OPAQUE = 4, IS_TYPE_DEFAULT = 8, HAS_CHARSET = 16 };

static void
str_encode(struct str s, struct buf *out)
{
	varint_encode(s.n, out);
	buf_str_add(out, s);
}

static void
part_encode(const struct mime_part *part, struct buf *out)
{
	uint64_t base = part->parent != NULL ? part->parent->body.offset : 0;

	int flags = part->kind;

	flags |= part->is_opaque ? IS_OPAQUE : 0;
	flags |= part->is_type_default ? IS_TYPE_DEFAULT : 0;
	flags |= part->charset.n > 0 ? HAS_CHARSET : 0;
	buf_chr(out, (char)flags);
	buf_chr(out, (char)part->encoding);
	varint_encode(part->header.offset - base, out);
	varint_encode(part->header.length, out);
	varint_encode(part->header_lines, out);
	varint_encode(part->body.length, out);
	varint_encode(part->body_lines, out);
	if (part->kind == MIME_KIND_MULTIPART || part->kind == MIME_KIND_MESSAGE)
		varint_encode(part->child_count, out);
	str_encode(part->type, out);
	str_encode(part->subtype, out);
	if (part->charset.n > 0)
		str_encode(part->charset, out);
}

void
mime_structure_encode(const struct mime_message *msg, struct buf *out)
{
	buf_chr(out, VERSION);
	buf_chr(out,
	    (char)((msg->is_8bit ? IS_8BIT : 0) | (msg->has_nul ? HAS_NUL : 0)
		| (msg->is_header_cut ? IS_HEADER_CUT : 0)));
	varint_encode(msg->size, out);
	varint_encode(msg->part_count, out);
	for (const struct mime_part *part = msg->root; part != NULL; part = mime_part_next(part))
		part_encode(part, out);
}

static bool
str_decode(struct str *rest, struct str *out)
{
	uint64_t n;

	if (!varint_decode(rest, &n) || n > rest->n)
		return false;
	*out = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n, rest->n);
	return true;
}

/* A number that must be at most max. */
static bool
number_decode(struct str *rest, uint64_t max, uint64_t *out)
{
	return varint_decode(rest, out) && *out <= max;
}

/* Where the next part may lie: behind its elder sibling and inside its parent's body. */
static struct mime_range
room_for(const struct mime_message *msg, const struct mime_part *parent,
    const struct mime_part *elder)
{
	struct mime_range room = { 0, msg->size };

	if (parent != NULL)
		room = parent->body;
	if (elder != NULL) {
		uint64_t end = elder->body.offset + elder->body.length;

		room.length -= end - room.offset;
		room.offset = end;
	}
	return room;
}

static bool
ranges_decode(struct str *rest, struct mime_range room, uint64_t base, struct mime_part *part)
{
	uint64_t offset, n, header_lines, body_lines;

	/* All numbers are below the message's size, which is below 2^63, so the sums can't wrap. */
	if (!number_decode(rest, INT64_MAX, &offset) || offset + base < room.offset
	    || offset + base > room.offset + room.length)
		return false;
	part->header.offset = base + offset;
	n = room.offset + room.length - part->header.offset;
	if (!number_decode(rest, n, &part->header.length)
	    || !number_decode(rest, UINT32_MAX, &header_lines))
		return false;
	part->body.offset = part->header.offset + part->header.length;
	n -= part->header.length;
	if (!number_decode(rest, n, &part->body.length)
	    || !number_decode(rest, UINT32_MAX, &body_lines))
		return false;
	part->header_lines = (uint32_t)header_lines;
	part->body_lines = (uint32_t)body_lines;
	return true;
}

/* The number of its children, which are still to come. */
static bool
children_decode(struct str *rest, const struct mime_part *part, uint64_t *count_out)
{
	*count_out = 0;
	switch (part->kind) {
	case MIME_KIND_MESSAGE:
		return number_decode(rest, 1, count_out) && *count_out == 1
		    && part->depth + 1 < MIME_MAX_DEPTH;
	case MIME_KIND_MULTIPART:
		return number_decode(rest, MIME_MAX_PARTS, count_out)
		    && part->depth + 1 < MIME_MAX_DEPTH;
	case MIME_KIND_TEXT:
	case MIME_KIND_BASIC:
		return true;
	}
	return false;
}

static bool
part_decode(struct arena *a, struct str *rest, const struct mime_message *msg,
    struct mime_part *parent, struct mime_part *part, uint64_t *child_count_out)
{
	struct mime_range room = room_for(msg, parent, parent != NULL ? parent->last_child : NULL);
	uint8_t flags;

	if (rest->n < 2 || (unsigned char)rest->p[1] >= MIME_ENC_COUNT)
		return false;
	flags = (uint8_t)rest->p[0];
	if ((flags & ~(KIND_MASK | IS_OPAQUE | IS_TYPE_DEFAULT | HAS_CHARSET)) != 0)
		return false;
	part->kind = (enum mime_kind)(flags & KIND_MASK);
	part->is_opaque = (flags & IS_OPAQUE) != 0;
	part->is_type_default = (flags & IS_TYPE_DEFAULT) != 0;
	part->encoding = (enum mime_encoding)rest->p[1];
	part->number = 1;
	*rest = str_sub(*rest, 2, rest->n);
	if (parent != NULL) {
		part->parent = parent;
		part->depth = (uint16_t)(parent->depth + 1);
		part->number = parent->child_count + 1;
	}
	if (!ranges_decode(rest, room, parent != NULL ? parent->body.offset : 0, part)
	    || !children_decode(rest, part, child_count_out) || !str_decode(rest, &part->type)
	    || !str_decode(rest, &part->subtype))
		return false;
	part->type = arena_str(a, part->type);
	part->subtype = arena_str(a, part->subtype);
	if ((flags & HAS_CHARSET) != 0) {
		if (!str_decode(rest, &part->charset) || part->charset.n == 0)
			return false;
		part->charset = arena_str(a, part->charset);
	}
	return true;
}

static void
part_link(struct mime_part *parent, struct mime_part *part)
{
	if (parent == NULL)
		return;
	if (parent->last_child != NULL)
		parent->last_child->next = part;
	else
		parent->first_child = part;
	parent->last_child = part;
	parent->child_count++;
}

enum err
mime_structure_decode(struct arena *a, struct str bytes, struct mime_message **msg_out)
{
	struct mime_message *msg;
	struct mime_part *parent = NULL;
	uint64_t left[MIME_MAX_DEPTH], count, children; /* children still to come, by depth */
	struct str rest;

	if (bytes.n < 2 || bytes.p[0] != VERSION
	    || (bytes.p[1] & ~(IS_8BIT | HAS_NUL | IS_HEADER_CUT)) != 0)
		return ERR_CORRUPT;
	msg = arena_new(a, struct mime_message);
	msg->is_8bit = (bytes.p[1] & IS_8BIT) != 0;
	msg->has_nul = (bytes.p[1] & HAS_NUL) != 0;
	msg->is_header_cut = (bytes.p[1] & IS_HEADER_CUT) != 0;
	rest = str_sub(bytes, 2, bytes.n);
	if (!number_decode(&rest, INT64_MAX / 4, &msg->size)
	    || !number_decode(&rest, MIME_MAX_PARTS + 1, &count) || count == 0)
		return ERR_CORRUPT;
	for (msg->part_count = 0; msg->part_count < count; msg->part_count++) {
		struct mime_part *part = arena_new(a, struct mime_part);

		if ((msg->part_count > 0 && parent == NULL)
		    || !part_decode(a, &rest, msg, parent, part, &children))
			return ERR_CORRUPT;
		part_link(parent, part);
		if (msg->root == NULL)
			msg->root = part;
		if (parent != NULL)
			left[parent->depth]--;
		if (children > 0) {
			left[part->depth] = children;
			parent = part;
		}
		while (parent != NULL && left[parent->depth] == 0)
			parent = parent->parent;
	}
	if (parent != NULL || rest.n != 0)
		return ERR_CORRUPT;
	*msg_out = msg;
	return ERR_OK;
}

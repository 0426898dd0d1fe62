/*
 * message_fuzz.c - whole messages: what must hold for the result, whatever came in. The first byte
 * says how the rest is cut into pieces, so that the parser is also shown never to depend on it.
 */
#include "base/arena.h"
#include "mime/bodystructure.h"
#include "mime/limits.h"
#include "mime/parser.h"
#include "mime/structure.h"
#include "mime/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_part(const struct mime_message *msg, const struct mime_part *part)
{
	const struct mime_part *parent = part->parent;
	uint64_t end = part->body.offset + part->body.length;

	must(part->header.offset + part->header.length == part->body.offset);
	must(end <= msg->size);
	must(part->type.n > 0 && part->subtype.n > 0 && part->depth < MIME_MAX_DEPTH);
	must(part->kind != MIME_KIND_MESSAGE || part->child_count == 1);
	must(part->kind == MIME_KIND_MESSAGE || part->kind == MIME_KIND_MULTIPART
	    || part->child_count == 0);
	if (parent == NULL)
		return;
	must(part->depth == parent->depth + 1);
	must(part->header.offset >= parent->body.offset
	    && end <= parent->body.offset + parent->body.length);
	if (part->next != NULL)
		must(part->next->header.offset >= end && part->next->number == part->number + 1);
}

static void
check_same(const struct mime_part *a, const struct mime_part *b)
{
	for (; a != NULL && b != NULL; a = mime_part_next(a), b = mime_part_next(b)) {
		must(a->kind == b->kind && a->encoding == b->encoding && a->depth == b->depth
		    && a->number == b->number);
		must(a->header.offset == b->header.offset && a->header.length == b->header.length);
		must(a->body.offset == b->body.offset && a->body.length == b->body.length);
		must(a->body_lines == b->body_lines && a->header_lines == b->header_lines);
		must(str_eq(a->type, b->type) && str_eq(a->subtype, b->subtype)
		    && str_eq(a->charset, b->charset));
	}
	must(a == NULL && b == NULL);
}

/* Feeds it in pieces that a small generator cuts. */
static void
summarize(struct arena *a, struct str bytes, uint32_t seed, struct mime_summary *out)
{
	struct mime_summarizer *s = mime_summarizer_new(a);

	while (bytes.n > 0) {
		size_t n = bytes.n;

		if (seed != 0) {
			seed = seed * 1103515245 + 12345;
			n = MIN(n, 1 + (seed >> 16) % 9);
		}
		mime_summarizer_feed(s, str_sub(bytes, 0, n));
		bytes = str_sub(bytes, n, bytes.n);
	}
	mime_summarizer_finish(s, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	struct mime_summary whole, pieces;
	struct mime_message *decoded;
	const struct mime_part *part;
	BUF_CLEAN struct buf body = BUF_MAX(1 << 26), direct = BUF_MAX(1 << 26);
	uint32_t count = 0;

	if (size == 0)
		return 0;
	summarize(&a, str_make(data + 1, size - 1), 0, &whole);
	summarize(&a, str_make(data + 1, size - 1), data[0] | 1u, &pieces);
	must(str_eq(whole.bodystructure, pieces.bodystructure)
	    && str_eq(whole.envelope, pieces.envelope));
	must(str_eq(whole.structure, pieces.structure) && str_eq(whole.sortkeys, pieces.sortkeys));
	must(str_eq(whole.preview, pieces.preview) && str_is_utf8(whole.preview));
	must(whole.msg->size == size - 1);
	for (part = whole.msg->root; part != NULL; part = mime_part_next(part), count++)
		check_part(whole.msg, part);
	must(count == whole.msg->part_count);
	must(mime_structure_decode(&a, whole.structure, &decoded) == ERR_OK);
	check_same(whole.msg->root, decoded->root);
	mime_body_format(whole.msg, &direct);
	must(mime_body_from_bodystructure(whole.bodystructure, &body) == ERR_OK);
	must(str_eq(buf_str(&body), buf_str(&direct)));
	arena_done(&a);
	return 0;
}

/* fetch_source.c - see fetch_source.h. */
#include "session/cmd/fetch_source.h"

#include "mime/structure.h"

void
fetch_source_done(struct fetch_source *src)
{
	message_reader_free(src->reader);
	message_unref(src->message);
	arena_done(&src->arena);
	*src = (struct fetch_source){ 0 };
}

static enum mime_section
mime_section_of(enum imap_section_kind kind)
{
	switch (kind) {
	case SECTION_BODY:
		return MIME_SECTION_WHOLE;
	case SECTION_HEADER:
	case SECTION_HEADER_FIELDS:
	case SECTION_HEADER_FIELDS_NOT:
		return MIME_SECTION_HEADER;
	case SECTION_TEXT:
		return MIME_SECTION_TEXT;
	case SECTION_MIME:
		return MIME_SECTION_MIME;
	}
	return MIME_SECTION_WHOLE;
}

/*
 * Multiparts and messages have no encoding of their own (RFC 2045 6.4), but for message/global, which
 * may have any (RFC 6532 3.7).
 */
static bool
may_be_encoded(const struct mime_part *part)
{
	return part->kind == MIME_KIND_BASIC || part->kind == MIME_KIND_TEXT
	    || (part->kind == MIME_KIND_MESSAGE && str_eq_nocase(part->subtype, STR("global")));
}

/*
 * The part tree counts from the blob; the message begins with its prefix (the lines added at
 * delivery), which belongs to the header of the root, also where that is asked for as the MIME
 * header of part 1.
 */
enum err
fetch_source_locate(struct fetch_source *src, const struct imap_section *sec, uint64_t *from_out,
    uint64_t *end_out, enum mime_encoding *encoding_out)
{
	uint64_t prefix = src->message->prefix_bytes;
	const struct mime_part *part;
	struct mime_range r;
	bool has_prefix;
	enum err e = ERR_OK;

	*encoding_out = MIME_ENC_7BIT;
	if (sec->n_path == 0 && sec->kind == SECTION_BODY) {
		*from_out = 0;
		*end_out = src->message->size_bytes;
		return ERR_OK;
	}
	if (src->mime == NULL)
		e = mime_structure_decode(&src->arena, src->message->structure, &src->mime);
	if (e == ERR_OK)
		e = mime_section_find(src->mime, sec->path, sec->n_path, mime_section_of(sec->kind),
		    &r, &part);
	if (e != ERR_OK)
		return e;
	has_prefix =
	    part == src->mime->root && sec->kind != SECTION_TEXT && sec->kind != SECTION_BODY;
	*from_out = has_prefix ? 0 : prefix + r.offset;
	*end_out = prefix + r.offset + r.length;
	/* The message as a whole has none, and no header. */
	if (sec->n_path > 0 && (sec->kind == SECTION_BODY || sec->kind == SECTION_TEXT)
	    && may_be_encoded(part))
		*encoding_out = part->encoding;
	return ERR_OK;
}

enum err
fetch_source_read(struct session *s, struct fetch_source *src, uint64_t at, uint64_t end,
    struct kv_bytes **bytes_out, struct str *data_out)
{
	const struct message *m = src->message;
	enum err e;

	if (src->blob.p != NULL && (at >= m->prefix_bytes || m->has_header)) {
		const bool is_prefix = at < m->prefix_bytes;

		*bytes_out = NULL;
		*data_out = is_prefix
		    ? str_sub(m->prefix, (size_t)at, (size_t)MIN(end, (uint64_t)m->prefix_bytes))
		    : str_sub(src->blob, (size_t)(at - m->prefix_bytes),
			(size_t)(end - m->prefix_bytes));
		/* the record says that it has them */
		return data_out->n > 0 ? ERR_OK : ERR_CORRUPT;
	}
	if (src->reader == NULL)
		src->reader = message_reader_new(src->account, src->message);
	e = message_reader_get(src->reader, at, (size_t)MIN(end - at, (uint64_t)SIZE_MAX),
	    session_waiter(s), bytes_out, data_out);

	/* The record says that the bytes are there. */
	return e == ERR_END ? ERR_CORRUPT : e;
}

enum err
fetch_source_gather(struct session *s, struct fetch_source *src, uint64_t *at, uint64_t end,
    struct mime_decoder *decoder, struct buf *out)
{
	struct kv_bytes *bytes = NULL;
	struct str data;
	enum err e = fetch_source_read(s, src, *at, end, &bytes, &data);

	if (e != ERR_OK)
		return e;
	*at += data.n;
	if (decoder != NULL)
		mime_decoder_feed(decoder, data, out);
	else
		buf_str_add(out, data);
	if (bytes != NULL)
		kv_bytes_unref(bytes);
	return ERR_OK;
}

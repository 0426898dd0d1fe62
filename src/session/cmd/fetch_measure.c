/* fetch_measure.c - see fetch_measure.h. */
#include "session/cmd/fetch_measure.h"

#include "mime/header.h"

static bool
is_picking(const struct imap_section *sec)
{
	return sec->kind == SECTION_HEADER_FIELDS || sec->kind == SECTION_HEADER_FIELDS_NOT;
}

static enum err
begin(struct fetch_measure *x, struct fetch_source *src, const struct imap_section *sec)
{
	enum mime_encoding encoding;
	enum err e = fetch_source_locate(src, sec, &x->at, &x->end, &encoding);

	if (e != ERR_OK)
		return e;
	if (sec->form != SECTION_RAW && encoding == MIME_ENC_UNKNOWN)
		return ERR_UNKNOWN_CTE;
	x->is_decoded = sec->form != SECTION_RAW && !is_picking(sec);
	if (x->is_decoded)
		mime_decoder_init(&x->decoder, encoding);
	if (is_picking(sec))
		x->end = MIN(x->end, x->at + FETCH_HEADER_MAX);
	x->skip = sec->has_partial ? sec->offset : 0;
	x->left = sec->has_partial ? sec->length : UINT64_MAX;
	x->buf = BUF_MAX(SIZE_MAX / 2);
	x->is_begun = true;
	return ERR_OK;
}

static void
look_at(struct fetch_measure *x, struct str data)
{
	size_t skip = (size_t)MIN(x->skip, (uint64_t)data.n);

	x->skip -= skip;
	data = str_sub(data, skip, data.n);
	data = str_sub(data, 0, (size_t)MIN(x->left, (uint64_t)data.n));
	x->left -= data.n;
	x->facts.octets += data.n;
	for (size_t i = 0; i < data.n; i++) {
		x->facts.lines += data.p[i] == '\n';
		x->facts.has_nul |= data.p[i] == '\0';
		x->facts.has_8bit |= (unsigned char)data.p[i] > 0x7F;
	}
}

static enum err
read_raw(struct session *s, struct fetch_measure *x, struct fetch_source *src)
{
	struct kv_bytes *bytes = NULL;
	struct str data;
	enum err e = fetch_source_read(s, src, x->at, x->end, &bytes, &data);

	if (e != ERR_OK)
		return e;
	x->at += data.n;
	look_at(x, data);
	if (bytes != NULL)
		kv_bytes_unref(bytes);
	return ERR_OK;
}

static enum err
read_piece(struct session *s, struct fetch_measure *x, struct fetch_source *src,
    const struct imap_section *sec)
{
	enum err e;

	if (!x->is_decoded && !is_picking(sec))
		return read_raw(s, x, src);
	e = fetch_source_gather(s, src, &x->at, x->end, x->is_decoded ? &x->decoder : NULL,
	    &x->buf);
	if (e == ERR_OK && x->is_decoded) {
		look_at(x, buf_str(&x->buf));
		buf_clear(&x->buf);
	}
	return e;
}

/* What is known only when all is read. */
static enum err
finish(struct fetch_measure *x, const struct imap_section *sec)
{
	BUF_CLEAN struct buf picked = BUF_MAX(SIZE_MAX / 2);

	x->is_finished = true;
	if (is_picking(sec)) {
		mime_header_pick(buf_str(&x->buf), sec->fields, sec->n_fields,
		    sec->kind == SECTION_HEADER_FIELDS_NOT, &picked);
		look_at(x, buf_str(&picked));
		return ERR_OK;
	}
	if (!x->is_decoded)
		return ERR_OK;
	if (mime_decoder_finish(&x->decoder, &x->buf) != ERR_OK)
		return ERR_UNKNOWN_CTE;
	look_at(x, buf_str(&x->buf));
	return ERR_OK;
}

enum err
fetch_measure(struct session *s, struct fetch_measure *x, struct fetch_source *src,
    const struct imap_section *sec, struct fetch_facts *out)
{
	enum err e = x->is_begun ? ERR_OK : begin(x, src, sec);

	while (e == ERR_OK && x->at < x->end) {
		if (session_should_yield(s))
			return session_yield(s);
		e = read_piece(s, x, src, sec);
	}
	if (e == ERR_OK && !x->is_finished)
		e = finish(x, sec);
	if (e == ERR_OK)
		*out = x->facts;
	return e;
}

void
fetch_measure_done(struct fetch_measure *x)
{
	buf_done(&x->buf);
	*x = (struct fetch_measure){ 0 };
}

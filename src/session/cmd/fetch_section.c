/*
 * fetch_section.c - see fetch_section.h.
 *
 *     LOCATE --- no such part -----------------------------------> "NIL"
 *        |------ header fields --> GATHER (read header, pick) ---> literal
 *        |------ encoded part ---> MEASURE (decode, count) ------> BEGIN --> SEND (decode again, or what was kept)
 *        +------ plain bytes ------------------------------------> BEGIN --> SEND (pieces, not copied)
 */
#include "session/cmd/fetch_section.h"

#include "mime/header.h"

enum { FEW_FIELDS_BYTES = 1024 }; /* of fields that are picked out of a header, mostly */

void
fetch_section_done(struct fetch_section *x)
{
	if (x->step == SECTION_LOCATE)
		return; /* nothing of it was begun */
	buf_done(&x->buf);
	*x = (struct fetch_section){ 0 };
}

bool
fetch_section_is_of_header(const struct imap_section *sec)
{
	return sec->n_path == 0
	    && (sec->kind == SECTION_HEADER || sec->kind == SECTION_HEADER_FIELDS
		|| sec->kind == SECTION_HEADER_FIELDS_NOT);
}

/* The header of the message is in its record: nothing has to be read. */
static bool
is_header_at_hand(const struct fetch_source *src, const struct imap_section *sec)
{
	return fetch_section_is_of_header(sec) && src->message->has_header
	    && !src->message->is_header_cut;
}

/* ---- writing ---- */

static void
write_label(struct session *s, const struct imap_section *sec, bool *is_first)
{
	reply_item(session_out(s), is_first);
	buf_str_add(session_out(s), sec->label);
	buf_chr(session_out(s), ' ');
}

/*
 * A literal may not hold NUL (RFC 9051 4.3): it goes out as 0x80, which is what other servers do.
 */
static void
write_without_nul(struct buf *b, struct str data)
{
	char *p = buf_reserve(b, data.n);

	if (p == NULL)
		return;
	for (size_t i = 0; i < data.n; i++)
		p[i] = data.p[i] == '\0' ? '\x80' : data.p[i];
	b->n += data.n;
}

static void
write_raw(struct session *s, const struct imap_section *sec, struct kv_bytes *bytes,
    struct str data)
{
	if (sec->form == SECTION_RAW && str_chr(data, '\0') != SIZE_MAX)
		write_without_nul(session_out(s), data);
	else if (bytes == NULL)
		buf_str_add(session_out(s), data);
	else {
		session_send(s, bytes, data);
		return;
	}
	if (bytes != NULL)
		kv_bytes_unref(bytes);
}

static void
write_literal_head(struct session *s, const struct imap_section *sec, uint64_t size, bool *is_first)
{
	write_label(s, sec, is_first);
	if (sec->form == SECTION_BINARY && !sec->is_nul_free)
		reply_literal8_open(session_out(s), size);
	else
		reply_literal_open(session_out(s), size);
}

/* What "<offset.length>" leaves of a text that is in memory. */
static struct str
partial(const struct imap_section *sec, struct str text)
{
	if (!sec->has_partial)
		return text;
	text = str_sub(text, (size_t)MIN(sec->offset, (uint64_t)text.n), text.n);
	return str_sub(text, 0, (size_t)MIN(sec->length, (uint64_t)text.n));
}

static void
write_text(struct session *s, const struct imap_section *sec, struct str text, bool *is_first)
{
	text = partial(sec, text);
	write_literal_head(s, sec, text.n, is_first);
	if (str_chr(text, '\0') != SIZE_MAX && sec->form == SECTION_RAW)
		write_without_nul(session_out(s), text);
	else
		buf_str_add(session_out(s), text);
}

/* ---- reading ---- */

/* Reads the next piece into buf, decoded if it must be. */
static enum err
gather_piece(struct session *s, struct fetch_section *x, struct fetch_source *src)
{
	return fetch_source_gather(s, src, &x->at, x->end, x->is_decoded ? &x->decoder : NULL,
	    &x->buf);
}

static void
write_fields(struct session *s, const struct imap_section *sec, struct str header, bool *is_first)
{
	const bool is_not = sec->kind == SECTION_HEADER_FIELDS_NOT;
	char few[FEW_FIELDS_BYTES];
	struct buf picked = { .p = few, .cap = sizeof(few), .max = sizeof(few) };
	BUF_CLEAN struct buf many = BUF_MAX(SIZE_MAX / 2);

	mime_header_pick(header, sec->fields, sec->n_fields, is_not, &picked);
	if (!picked.is_over) {
		write_text(s, sec, buf_str(&picked), is_first);
		return;
	}
	mime_header_pick(header, sec->fields, sec->n_fields, is_not, &many);
	write_text(s, sec, buf_str(&many), is_first);
}

static enum err
send_fields(struct session *s, struct fetch_section *x, struct fetch_source *src,
    const struct imap_section *sec, bool *is_first)
{
	x->end = MIN(x->end, x->from + FETCH_HEADER_MAX);
	while (x->at < x->end) {
		enum err e = gather_piece(s, x, src);

		if (e != ERR_OK)
			return e;
	}
	write_fields(s, sec, buf_str(&x->buf), is_first);
	return ERR_OK;
}

/* Decodes all of it to know its size; keeps it as long as it is small. */
static enum err
measure(struct session *s, struct fetch_section *x, struct fetch_source *src)
{
	while (x->at < x->end) {
		enum err e;

		if (session_should_yield(s))
			return session_yield(s);
		e = gather_piece(s, x, src);
		if (e != ERR_OK)
			return e;
		if (x->is_kept && x->buf.n <= FETCH_KEPT_BYTES)
			continue;
		x->is_kept = false;
		x->decoded_bytes += x->buf.n;
		buf_clear(&x->buf);
	}
	if (mime_decoder_finish(&x->decoder, &x->buf) != ERR_OK)
		return ERR_UNKNOWN_CTE;
	x->decoded_bytes += x->buf.n;
	return ERR_OK;
}

/* What the decoder gave of the last piece, as far as it is asked for. */
static void
send_decoded(struct session *s, struct fetch_section *x)
{
	struct str text = buf_str(&x->buf);
	size_t skip = (size_t)MIN(x->skip, (uint64_t)text.n);

	text = str_sub(text, skip, text.n);
	text = str_sub(text, 0, (size_t)MIN(x->left, (uint64_t)text.n));
	buf_str_add(session_out(s), text);
	x->skip -= skip;
	x->left -= text.n;
	buf_clear(&x->buf);
}

static enum err
send_next(struct session *s, struct fetch_section *x, struct fetch_source *src,
    const struct imap_section *sec)
{
	struct kv_bytes *bytes = NULL;
	struct str data;
	enum err e;

	if (!x->is_decoded) {
		e = fetch_source_read(s, src, x->at, x->end, &bytes, &data);
		if (e != ERR_OK)
			return e;
		x->at += data.n;
		write_raw(s, sec, bytes, data);
		return ERR_OK;
	}
	e = gather_piece(s, x, src);
	if (e != ERR_OK)
		return e;
	if (x->at == x->end)
		ignore_err(mime_decoder_finish(&x->decoder, &x->buf),
		    "it went well the first time");
	send_decoded(s, x);
	return ERR_OK;
}

static bool
is_sent(const struct fetch_section *x)
{
	return x->is_decoded ? x->left == 0 : x->at == x->end;
}

/*
 * Writes the head of the literal once the first piece has been read, so that what can't be read is
 * left out of the answer instead of breaking it.
 */
static enum err
begin(struct session *s, struct fetch_section *x, struct fetch_source *src,
    const struct imap_section *sec, bool *is_first)
{
	struct kv_bytes *bytes = NULL;
	struct str data = STR_NONE;
	enum err e;

	if (x->is_decoded) {
		uint64_t offset = sec->has_partial ? MIN(sec->offset, x->decoded_bytes) : 0;

		x->skip = offset;
		x->left = sec->has_partial ? MIN(sec->length, x->decoded_bytes - offset)
					   : x->decoded_bytes;
		write_literal_head(s, sec, x->left, is_first);
		x->at = x->from;
		if (x->is_kept)
			send_decoded(s, x);
		else
			mime_decoder_init(&x->decoder, x->decoder.encoding);
		buf_clear(&x->buf);
		return ERR_OK;
	}
	if (x->at < x->end) {
		e = fetch_source_read(s, src, x->at, x->end, &bytes, &data);
		if (e != ERR_OK)
			return e;
	}
	write_literal_head(s, sec, x->end - x->at, is_first);
	x->at += data.n;
	write_raw(s, sec, bytes, data);
	return ERR_OK;
}

/* Finds the bytes and decides what is to be done with them. */
static enum err
start(struct session *s, struct fetch_section *x, struct fetch_source *src,
    const struct imap_section *sec, bool *is_first)
{
	enum mime_encoding encoding;
	enum err e = fetch_source_locate(src, sec, &x->from, &x->end, &encoding);

	x->buf = BUF_MAX(SIZE_MAX / 2);
	x->at = x->from;
	if (e == ERR_NOTFOUND) {
		write_label(s, sec, is_first);
		buf_c(session_out(s), sec->form == SECTION_BINARY_SIZE ? "0" : "NIL");
		return ERR_END;
	}
	if (e != ERR_OK)
		return e;
	if (sec->kind == SECTION_HEADER_FIELDS || sec->kind == SECTION_HEADER_FIELDS_NOT) {
		x->step = SECTION_GATHER;
		return ERR_OK;
	}
	if (sec->form != SECTION_RAW && encoding != MIME_ENC_7BIT && encoding != MIME_ENC_8BIT
	    && encoding != MIME_ENC_BINARY) {
		if (encoding == MIME_ENC_UNKNOWN)
			return ERR_UNKNOWN_CTE;
		x->is_decoded = true;
		mime_decoder_init(&x->decoder, encoding);
		x->is_kept = true;
		x->step = SECTION_MEASURE;
		return ERR_OK;
	}
	x->decoded_bytes = x->end - x->from;
	if (sec->has_partial) {
		x->at = x->from + MIN(sec->offset, x->end - x->from);
		x->end = x->at + MIN(sec->length, x->end - x->at);
	}
	x->step = SECTION_BEGIN;
	return ERR_OK;
}

static enum err
send(struct session *s, struct fetch_section *x, struct fetch_source *src,
    const struct imap_section *sec, bool *is_first)
{
	enum err e;

	if (x->step == SECTION_LOCATE && is_header_at_hand(src, sec)) {
		if (sec->kind == SECTION_HEADER)
			write_text(s, sec, src->message->header, is_first);
		else
			write_fields(s, sec, src->message->header, is_first);
		return ERR_OK;
	}
	if (x->step == SECTION_LOCATE) {
		e = start(s, x, src, sec, is_first);
		if (e != ERR_OK)
			return e == ERR_END ? ERR_OK : e;
	}
	if (x->step == SECTION_GATHER)
		return send_fields(s, x, src, sec, is_first);
	if (x->step == SECTION_MEASURE) {
		e = measure(s, x, src);
		if (e != ERR_OK)
			return e;
		x->step = SECTION_BEGIN;
	}
	if (x->step == SECTION_BEGIN && sec->form == SECTION_BINARY_SIZE) {
		write_label(s, sec, is_first);
		reply_number(session_out(s), x->decoded_bytes);
		return ERR_OK;
	}
	if (x->step == SECTION_BEGIN) {
		e = begin(s, x, src, sec, is_first);
		if (e != ERR_OK)
			return e;
		x->step = SECTION_SEND;
	}
	while (!is_sent(x)) {
		if (session_is_full(s))
			return session_wait_output(s);
		e = send_next(s, x, src, sec);
		if (e == ERR_WAIT)
			return e;
		if (e != ERR_OK) {
			session_bye(s, STR("UNAVAILABLE"),
			    STR("The rest of a message could not be read."));
			return ERR_CLOSED;
		}
	}
	return ERR_OK;
}

enum err
fetch_section_send(struct session *s, struct fetch_section *x, struct fetch_source *src,
    const struct imap_section *sec, bool *is_first)
{
	enum err e = send(s, x, src, sec, is_first);

	if (e != ERR_WAIT)
		fetch_section_done(x);
	return e;
}

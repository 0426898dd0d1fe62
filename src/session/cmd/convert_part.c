/*
 * convert_part.c - see convert_part.h. The text of a part is converted in steps of some KiB, and
 * kept as long as its command runs.
 */
#include "session/cmd/convert_part.h"

#include "mime/header_recode.h"
#include "mime/structure.h"

enum { PIECE_BYTES = 16384 };

const struct conversion conversions[] = {
	{ STR_INIT("text/plain"), STR_INIT("text/plain"), MIME_TRANSCODE_CHARSET },
	{ STR_INIT("text/plain"), STR_INIT("text/html"), MIME_TRANSCODE_PLAIN_TO_HTML },
	{ STR_INIT("text/html"), STR_INIT("text/plain"), MIME_TRANSCODE_HTML_TO_PLAIN },
	{ STR_INIT("text/html"), STR_INIT("text/html"), MIME_TRANSCODE_CHARSET },
	{ STR_INIT("text/css"), STR_INIT("text/css"), MIME_TRANSCODE_CHARSET },
	{ STR_INIT("text/csv"), STR_INIT("text/csv"), MIME_TRANSCODE_CHARSET },
};
const size_t conversion_count = ARRAY_LEN(conversions);

static const struct str parameter_charset = STR_INIT("charset"),
			parameter_replacement = STR_INIT("unknown-character-replacement");

void
convert_target_make(struct arena *a, const struct imap_convert *args, struct convert_target *out)
{
	struct convert_target t = { .type = args->type,
		.bad = arena_array(a, const struct convert_param *, args->param_count + 1) };

	for (size_t i = 0; i < args->param_count; i++) {
		const struct convert_param *p = &args->params[i];

		if (t.charset.p == NULL && str_eq_nocase(p->name, parameter_charset))
			t.charset = p->value;
		else if (t.replacement.p == NULL && str_eq_nocase(p->name, parameter_replacement))
			t.replacement = p->value;
		else
			t.bad[t.bad_count++] = p; /* a second charset too */
	}
	*out = t;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void
write_param(const struct convert_param *p, bool has_value, bool *is_first, struct buf *out)
{
	reply_item(out, is_first);
	reply_astring(out, p->name, REPLY_ASCII);
	if (has_value) {
		buf_chr(out, ' ');
		reply_string(out, p->value, REPLY_ASCII);
	}
}

void
convert_error_write(const struct convert_error *e, const struct convert_target *target,
    struct buf *out)
{
	bool is_first;

	buf_lit(out, "(ERROR ");
	reply_string(out, str_c(e->why), REPLY_ASCII);
	if (e->is_temporary) {
		buf_lit(out, " TEMPFAIL 1)");
		return;
	}
	buf_c(out, e->is_missing ? " MISSINGPARAMETERS " : " BADPARAMETERS ");
	reply_nstring(out, e->from, REPLY_ASCII);
	buf_chr(out, ' ');
	reply_string(out, e->to, REPLY_ASCII);
	if (e->param_count + target->bad_count > 0) {
		buf_chr(out, ' ');
		reply_list_open(out, &is_first);
		for (size_t i = 0; i < e->param_count; i++)
			write_param(&e->params[i], !e->is_missing, &is_first, out);
		for (size_t i = 0; i < target->bad_count && !e->is_missing; i++)
			write_param(target->bad[i], true, &is_first, out);
		reply_list_close(out);
	}
	buf_chr(out, ')');
}

static void
set_error(struct convert_part *x, const char *why)
{
	x->error.why = why;
	x->is_made = true;
}

static void
set_param_error(struct convert_part *x, const char *why, struct str name, struct str value)
{
	x->error.params[x->error.param_count++] = (struct convert_param){ name, value };
	set_error(x, why);
}

/* Of opening a charset. */
static void
set_charset_error(struct convert_part *x, enum err e, const struct convert_target *target)
{
	if (e == ERR_BADCHARSET)
		set_param_error(x, "The charset is not known.", parameter_charset, x->charset);
	else if (e == ERR_UNKNOWN)
		set_error(x, "The charset of the part is not known.");
	else
		set_param_error(x, "The charset does not have the replacement.",
		    parameter_replacement, target->replacement);
}

/* A fault, or what the message is like. */
static void
set_fault(struct convert_part *x, enum err e)
{
	if (e == ERR_NOTFOUND) {
		x->error.from = STR_NONE;
		set_error(x, "There is no such part.");
		return;
	}
	x->error.is_temporary = true;
	set_error(x, "The part can't be read at the moment.");
}

/* ---- which conversion ------------------------------------------------------------------------ */

static const struct mime_part *
find_part(struct fetch_source *src, const struct imap_section *sec, enum err *e_out)
{
	*e_out = ERR_OK;
	if (src->mime == NULL)
		*e_out = mime_structure_decode(&src->arena, src->message->structure, &src->mime);
	return *e_out == ERR_OK ? mime_part_find(src->mime, sec->path, sec->n_path) : NULL;
}

void
convert_part_find(struct arena *a, struct fetch_source *src, const struct imap_section *sec,
    const struct convert_target *target, struct convert_part *x)
{
	enum err e;
	const struct mime_part *part = find_part(src, sec, &e);
	struct str from;

	x->error.to = target->type.p != NULL ? target->type : conversions[0].to;
	if (part == NULL) {
		set_fault(x, e == ERR_OK ? ERR_NOTFOUND : e);
		return;
	}
	/* The message as a whole is no text, whatever is in it. */
	from = sec->n_path == 0 ? STR("message/rfc822")
	    : part->is_opaque
	    ? STR("application/octet-stream")
	    : arena_printf(a, "%.*s/%.*s", STR_F(part->type), STR_F(part->subtype));
	x->error.from = from;
	for (size_t i = 0; i < conversion_count && x->conversion == NULL; i++) {
		const struct conversion *c = &conversions[i];

		if (str_eq_nocase(c->from, from)
		    && (target->type.p == NULL || str_eq_nocase(c->to, target->type)))
			x->conversion = c;
	}
	if (x->conversion != NULL)
		x->error.to = x->conversion->to;
	if (x->conversion == NULL)
		set_error(x, "There is no such conversion.");
	else if (target->bad_count > 0)
		set_error(x, "Parameters that this conversion does not have.");
}

/* ---- making it ------------------------------------------------------------------------------- */

static enum err
begin(struct arena *a, struct fetch_source *src, const struct imap_section *sec,
    const struct convert_target *target, struct convert_part *x)
{
	const struct mime_part *part;
	enum mime_encoding encoding;
	enum err e;

	x->is_begun = true;
	convert_part_find(a, src, sec, target, x);
	if (x->is_made)
		return ERR_OK;
	if (target->charset.p == NULL && target->type.p != NULL) {
		x->error.is_missing = true;
		set_param_error(x, "Conversions of text need a charset.", parameter_charset,
		    STR(""));
		return ERR_OK;
	}
	x->charset = target->charset.p != NULL ? target->charset : STR("utf-8");
	part = find_part(src, sec, &e);
	e = fetch_source_locate(src, sec, &x->at, &x->end, &encoding);
	if (e != ERR_OK)
		return e;
	if (encoding == MIME_ENC_UNKNOWN) {
		set_error(x, "The part's content transfer encoding is not known.");
		return ERR_OK;
	}
	if (x->end - x->at > CONVERT_SOURCE_MAX) {
		set_error(x, "The part is too large.");
		return ERR_OK;
	}
	e = mime_transcode_open(x->conversion->how, part->charset, x->charset, target->replacement,
	    &x->transcode);
	if (e != ERR_OK) {
		set_charset_error(x, e, target);
		return ERR_OK;
	}
	mime_decoder_init(&x->decoder, encoding);
	x->decoded = BUF_MAX(SIZE_MAX / 2);
	x->result = BUF_MAX(CONVERT_RESULT_MAX);
	return ERR_OK;
}

static void
look_at(struct convert_part *x)
{
	for (size_t i = 0; i < x->result.n; i++) {
		x->lines += x->result.p[i] == '\n';
		x->has_nul |= x->result.p[i] == '\0';
		x->has_8bit |= (unsigned char)x->result.p[i] > 0x7F;
	}
}

static enum err
read_piece(struct session *s, struct fetch_source *src, struct convert_part *x)
{
	struct kv_bytes *bytes = NULL;
	struct str data;
	enum err e =
	    fetch_source_read(s, src, x->at, MIN(x->end, x->at + PIECE_BYTES), &bytes, &data);

	if (e != ERR_OK)
		return e;
	x->at += data.n;
	buf_clear(&x->decoded);
	mime_decoder_feed(&x->decoder, data, &x->decoded);
	if (bytes != NULL)
		kv_bytes_unref(bytes);
	return mime_transcode_feed(x->transcode, buf_str(&x->decoded), &x->result);
}

static enum err
finish(struct convert_part *x)
{
	enum err e;

	buf_clear(&x->decoded);
	/* What breaks the encoding's rules is read as well as it can be: it is to be looked at. */
	ignore_err(mime_decoder_finish(&x->decoder, &x->decoded),
	    "readers prefer something to nothing");
	e = mime_transcode_feed(x->transcode, buf_str(&x->decoded), &x->result);
	return e == ERR_OK ? mime_transcode_finish(x->transcode, &x->result) : e;
}

enum err
convert_part_make(struct session *s, struct arena *a, struct fetch_source *src,
    const struct imap_section *sec, const struct convert_target *target, struct convert_part *x)
{
	enum err e = x->is_begun ? ERR_OK : begin(a, src, sec, target, x);

	if (x->is_made)
		return ERR_OK;
	while (e == ERR_OK && x->at < x->end) {
		if (session_should_yield(s))
			return session_yield(s);
		e = read_piece(s, src, x);
	}
	if (e == ERR_OK)
		e = finish(x);
	if (e == ERR_WAIT)
		return e;
	if (e == ERR_CANNOT)
		set_param_error(x, "The charset does not have all characters of the text.",
		    parameter_charset, x->charset);
	else if (e != ERR_OK)
		set_fault(x, e);
	else if (x->result.is_over)
		set_error(x, "The text becomes too large.");
	else
		look_at(x);
	x->is_made = true;
	return ERR_OK;
}

/* ---- headers --------------------------------------------------------------------------------- */

static void
recode_header(const struct convert_target *target, struct convert_part *x)
{
	enum err e;

	x->result = BUF_MAX(CONVERT_RESULT_MAX);
	e = mime_header_recode(buf_str(&x->decoded), x->charset, target->replacement, &x->result);
	if (e == ERR_CANNOT)
		set_param_error(x,
		    "The charset does not have all characters of the header, or not the replacement.",
		    parameter_charset, x->charset);
	else if (e != ERR_OK)
		set_charset_error(x, e, target);
	else if (x->result.is_over)
		set_error(x, "The header becomes too large.");
	else
		look_at(x);
	x->is_made = true;
}

enum err
convert_header_make(struct session *s, struct fetch_source *src, const struct imap_section *sec,
    const struct convert_target *target, struct convert_part *x)
{
	enum mime_encoding encoding;
	enum err e = ERR_OK;

	if (!x->is_begun) {
		x->is_begun = true;
		x->error.from = x->error.to = STR("text/rfc822-headers");
		x->charset = target->charset.p != NULL ? target->charset : STR("utf-8");
		x->decoded = BUF_MAX(FETCH_HEADER_MAX);
		e = fetch_source_locate(src, sec, &x->at, &x->end, &encoding);
		if (e == ERR_OK && target->bad_count > 0)
			set_error(x, "Parameters that this conversion does not have.");
		else if (e == ERR_OK && x->end - x->at > FETCH_HEADER_MAX)
			set_error(x, "The header is too large.");
	}
	while (e == ERR_OK && !x->is_made && x->at < x->end) {
		struct kv_bytes *bytes = NULL;
		struct str data;

		e = fetch_source_read(s, src, x->at, x->end, &bytes, &data);
		if (e != ERR_OK)
			break;
		x->at += data.n;
		buf_str_add(&x->decoded, data);
		if (bytes != NULL)
			kv_bytes_unref(bytes);
	}
	if (e == ERR_WAIT)
		return e;
	if (e != ERR_OK)
		set_fault(x, e);
	if (!x->is_made)
		recode_header(target, x);
	return ERR_OK;
}

void
convert_part_done(struct convert_part *x)
{
	mime_transcode_close(x->transcode);
	buf_done(&x->decoded);
	buf_done(&x->result);
	*x = (struct convert_part){ 0 };
}

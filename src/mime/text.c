/*
 * text.c - see text.h. Parts are walked in their order; each is decoded as it comes, headers when
 * they are whole.
 */
#include "mime/text.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mime/charset.h"
#include "mime/content_int.h"
#include "mime/decode.h"
#include "mime/header.h"
#include "mime/html_int.h"
#include "mime/limits.h"

#include <stdlib.h>

struct mime_text {
	const struct mime_message *msg;
	unsigned what;
	mime_text_fn *fn;
	void *ctx;
	const struct mime_part *part; /* the current one; NULL at the end */
	bool is_header;               /* its header is on, then its body */
	bool is_stopped, is_first, is_source_first;
	struct mime_range left; /* of the current header or body */
	struct mime_decoder decoder;
	struct mime_charset *cs; /* of a text that is on */
	bool is_html;
	struct mime_html html;
	struct buf header, raw, utf8, plain;
};

/* A piece that is fed is worked through in steps of this size, so that the buffers stay small. */
enum { STEP = 32 * 1024 };

static void
give(struct mime_text *t, struct str utf8)
{
	if (utf8.n == 0 || t->is_stopped)
		return;
	if (!t->fn(t->ctx, utf8, t->is_first, false))
		t->is_stopped = true;
	t->is_first = false;
}

static void
give_source(struct mime_text *t, struct str utf8)
{
	if (utf8.n == 0 || t->is_stopped || (t->what & MIME_TEXT_SOURCE) == 0)
		return;
	if (!t->fn(t->ctx, utf8, t->is_source_first, true))
		t->is_stopped = true;
	t->is_source_first = false;
}

/* Is this header wanted, and up to where? */
static struct mime_range
header_range(const struct mime_text *t)
{
	struct mime_range r = t->part->header;
	unsigned wanted = t->part == t->msg->root ? MIME_TEXT_HEADER : MIME_TEXT_BODY;

	r.length = (t->what & wanted) != 0 ? MIN(r.length, (uint64_t)MIME_MAX_HEADER_BYTES) : 0;
	return r;
}

/*
 * A message inside that is encoded as a whole, which message/global may be (RFC 6532 3.7) and
 * message/rfc822 is by mistake. Its parts are those of the encoded bytes, so it is read as one text, too.
 */
static bool
is_encoded_message(const struct mime_part *part)
{
	return part->kind == MIME_KIND_MESSAGE
	    && (part->encoding == MIME_ENC_BASE64 || part->encoding == MIME_ENC_QP
		|| part->encoding == MIME_ENC_UUENCODE);
}

static struct mime_range
body_range(const struct mime_text *t)
{
	struct mime_range r = t->part->body;

	/*
	 * Delivery reports and the like (message/delivery-status, message/partial) are text, too.
	 */
	bool is_text = t->part->kind == MIME_KIND_TEXT || is_encoded_message(t->part)
	    || (t->part->kind == MIME_KIND_BASIC && str_eq_nocase(t->part->type, STR("message")));

	if (!is_text || (t->what & MIME_TEXT_BODY) == 0)
		r.length = 0;
	return r;
}

static void
begin(struct mime_text *t)
{
	t->left = t->is_header ? header_range(t) : body_range(t);
	t->is_first = t->is_source_first = true;
	if (t->is_header || t->left.length == 0)
		return;
	mime_decoder_init(&t->decoder, t->part->encoding);
	ignore_err(mime_charset_open(t->part->charset, MIME_CHARSET_GUESS, &t->cs),
	    "a guess always opens");
	t->is_html = str_eq_nocase(t->part->subtype, STR("html"));
	t->html = (struct mime_html){ 0 };
}

static void
give_utf8(struct mime_text *t)
{
	if (t->is_html) {
		give_source(t, buf_str(&t->utf8));
		mime_html_feed(&t->html, buf_str(&t->utf8), &t->plain);
		give(t, buf_str(&t->plain));
		buf_clear(&t->plain);
	} else {
		give(t, buf_str(&t->utf8));
	}
	buf_clear(&t->utf8);
}

/* The parameters "name" and "filename" of a Content- field, decoded. */
static void
names_add(struct str value, struct buf *out)
{
	struct arena a = ARENA_NONE;
	struct mime_keeper k = { .a = &a, .left = MIME_MAX_HEADER_BYTES };
	const struct mime_param *p;

	value = str_sub(value, str_chr(value, ';'), value.n);
	for (p = mime_params_parse(&k, value); p != NULL; p = p->next)
		if (str_eq_nocase(p->name, STR("name"))
		    || str_eq_nocase(p->name, STR("filename"))) {
			mime_value_text(p->value, out);
			buf_chr(out, '\n');
		}
	arena_done(&a);
}

/* Adds what a field says to a reader. */
static void
field_add(const struct mime_text *t, const struct mime_field *f, struct buf *out)
{
	bool is_of_message = t->part->parent == NULL || t->part->parent->kind == MIME_KIND_MESSAGE;

	if (!is_of_message && str_starts_nocase(f->name, STR("content-"))
	    && !str_eq_nocase(f->name, STR("content-description"))) {
		if (str_eq_nocase(f->name, STR("content-type"))
		    || str_eq_nocase(f->name, STR("content-disposition")))
			names_add(f->value, out);
		return;
	}
	if (f->name.n > 0) {
		mime_value_text(f->name, out);
		buf_lit(out, ": ");
	}
	mime_value_text(f->value, out);
	buf_chr(out, '\n');
}

static void
header_give(struct mime_text *t)
{
	struct str rest = buf_str(&t->header);
	struct mime_field f;

	/*
	 * A header is one text. Its fields are given many at a time: who looks for a long text
	 * looks at that much again with each piece.
	 */
	while (!t->is_stopped && mime_header_next(&rest, &f)) {
		field_add(t, &f, &t->utf8);
		if (t->utf8.n < STEP)
			continue;
		give(t, buf_str(&t->utf8));
		buf_clear(&t->utf8);
	}
	give(t, buf_str(&t->utf8));
	buf_clear(&t->utf8);
	buf_clear(&t->header);
}

static void
end(struct mime_text *t)
{
	if (t->is_header) {
		header_give(t);
	} else if (t->cs != NULL) {
		ignore_err(mime_decoder_finish(&t->decoder, &t->raw),
		    "readers prefer something to nothing");
		mime_charset_feed(t->cs, buf_str(&t->raw), &t->utf8);
		mime_charset_finish(t->cs, &t->utf8);
		buf_clear(&t->raw);
		give_utf8(t);
		if (t->is_html) {
			mime_html_finish(&t->html, &t->plain);
			give(t, buf_str(&t->plain));
			buf_clear(&t->plain);
		}
		mime_charset_close(t->cs);
		t->cs = NULL;
	}
}

static void
next(struct mime_text *t)
{
	end(t);
	if (t->is_header) {
		t->is_header = false;
	} else {
		t->is_header = true;
		t->part = mime_part_next(t->part);
	}
	if (t->part != NULL)
		begin(t);
}

struct mime_text *
mime_text_new(const struct mime_message *msg, unsigned what, mime_text_fn *fn, void *ctx)
{
	struct mime_text *t = xcalloc(1, sizeof(*t));

	t->msg = msg;
	t->what = what;
	t->fn = fn;
	t->ctx = ctx;
	t->part = msg->root;
	t->is_header = true;
	t->header.max = MIME_MAX_HEADER_BYTES;
	t->raw.max = 2 * STEP;
	t->utf8.max = 8 * MIME_MAX_HEADER_BYTES;
	t->plain.max = 2 * t->utf8.max;
	begin(t);
	return t;
}

void
mime_text_free(struct mime_text *t)
{
	if (t == NULL)
		return;
	mime_charset_close(t->cs);
	buf_done(&t->header);
	buf_done(&t->raw);
	buf_done(&t->utf8);
	buf_done(&t->plain);
	free(t);
}

bool
mime_text_want(struct mime_text *t, struct mime_range *range_out)
{
	while (!t->is_stopped && t->part != NULL && t->left.length == 0)
		next(t);
	if (t->is_stopped || t->part == NULL)
		return false;
	*range_out = t->left;
	return true;
}

void
mime_text_feed(struct mime_text *t, struct str bytes)
{
	bytes = str_sub(bytes, 0, MIN((uint64_t)bytes.n, t->left.length));
	t->left.offset += bytes.n;
	t->left.length -= bytes.n;
	if (t->is_header) {
		buf_str_add(&t->header, bytes);
		return;
	}
	while (bytes.n > 0 && !t->is_stopped) {
		struct str step = str_sub(bytes, 0, STEP);

		mime_decoder_feed(&t->decoder, step, &t->raw);
		mime_charset_feed(t->cs, buf_str(&t->raw), &t->utf8);
		buf_clear(&t->raw);
		give_utf8(t);
		bytes = str_sub(bytes, step.n, bytes.n);
	}
}

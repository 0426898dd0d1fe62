/*
 * transcode.c - see transcode.h.
 *
 *     bytes -> charset.h -> UTF-8 -> html.c, blanks and empty lines made few | "<" and "&" escaped | as it is -> recode.h -> bytes
 */
#include "mime/transcode.h"

#include "base/arena.h"
#include "mime/charset.h"
#include "mime/html_int.h"
#include "mime/recode.h"

#include <stdlib.h>

struct mime_transcode {
	enum mime_transcode_how how;
	struct mime_charset *from;
	struct mime_recode *to;
	struct buf text, shaped, html; /* of one call */
	struct mime_html reader;
	bool has_begun;     /* something was written */
	bool wants_blank;   /* blanks were read since the last character */
	unsigned line_ends; /* that were read since then */
};

enum err
mime_transcode_open(enum mime_transcode_how how, struct str from, struct str to,
    struct str replacement, struct mime_transcode **out)
{
	struct mime_charset *cs;
	struct mime_recode *r;
	enum err e = mime_recode_open(to, replacement, &r);

	if (e != ERR_OK)
		return e;
	if (mime_charset_open(from, MIME_CHARSET_STRICT, &cs) != ERR_OK) {
		mime_recode_close(r);
		return ERR_UNKNOWN;
	}
	*out = xcalloc(1, sizeof(**out));
	**out = (struct mime_transcode){
		.how = how,
		.from = cs,
		.to = r,
		.text = BUF_MAX(SIZE_MAX / 2),
		.shaped = BUF_MAX(SIZE_MAX / 2),
		.html = BUF_MAX(SIZE_MAX / 2),
	};
	return ERR_OK;
}

void
mime_transcode_close(struct mime_transcode *t)
{
	if (t == NULL)
		return;
	mime_charset_close(t->from);
	mime_recode_close(t->to);
	buf_done(&t->text);
	buf_done(&t->shaped);
	buf_done(&t->html);
	free(t);
}

/*
 * Blanks become one, lines lose those at their ends, of empty lines one is left, and none in front.
 */
static void
shape_text(struct mime_transcode *t, struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '\n') {
			t->line_ends++;
		} else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
			t->wants_blank = true;
		} else {
			if (t->has_begun && t->line_ends > 0)
				buf_c(out, t->line_ends > 1 ? "\r\n\r\n" : "\r\n");
			else if (t->has_begun && t->wants_blank)
				buf_chr(out, ' ');
			buf_chr(out, c);
			t->has_begun = true;
			t->wants_blank = false;
			t->line_ends = 0;
		}
	}
}

static void
escape(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		switch (text.p[i]) {
		case '<':
			buf_lit(out, "&lt;");
			break;
		case '>':
			buf_lit(out, "&gt;");
			break;
		case '&':
			buf_lit(out, "&amp;");
			break;
		default:
			buf_chr(out, text.p[i]);
		}
	}
}

/* What is in t->text goes on. */
static enum err
push(struct mime_transcode *t, struct buf *out)
{
	struct str text = buf_str(&t->text);
	enum err e;

	switch (t->how) {
	case MIME_TRANSCODE_CHARSET:
		buf_str_add(&t->shaped, text);
		break;
	case MIME_TRANSCODE_HTML_TO_PLAIN:
		mime_html_feed(&t->reader, text, &t->html);
		shape_text(t, buf_str(&t->html), &t->shaped);
		buf_clear(&t->html);
		break;
	case MIME_TRANSCODE_PLAIN_TO_HTML:
		if (!t->has_begun)
			buf_lit(&t->shaped,
			    "<!DOCTYPE html>\r\n<pre style=\"white-space: pre-wrap\">\r\n");
		t->has_begun = true;
		escape(text, &t->shaped);
		break;
	}
	e = mime_recode_feed(t->to, buf_str(&t->shaped), out);
	buf_clear(&t->text);
	buf_clear(&t->shaped);
	return e;
}

enum err
mime_transcode_feed(struct mime_transcode *t, struct str bytes, struct buf *out)
{
	mime_charset_feed(t->from, bytes, &t->text);
	return push(t, out);
}

enum err
mime_transcode_finish(struct mime_transcode *t, struct buf *out)
{
	enum err e;

	mime_charset_finish(t->from, &t->text);
	e = push(t, out);
	if (e == ERR_OK && t->how == MIME_TRANSCODE_HTML_TO_PLAIN) {
		mime_html_finish(&t->reader, &t->html);
		shape_text(t, buf_str(&t->html), &t->shaped);
		e = mime_recode_feed(t->to, buf_str(&t->shaped), out);
	}
	if (e == ERR_OK && t->how == MIME_TRANSCODE_PLAIN_TO_HTML)
		e = mime_recode_feed(t->to, STR("</pre>\r\n"), out);
	if (e == ERR_OK && t->how == MIME_TRANSCODE_HTML_TO_PLAIN && t->has_begun)
		e = mime_recode_feed(t->to, STR("\r\n"), out);
	return e == ERR_OK ? mime_recode_finish(t->to, out) : e;
}

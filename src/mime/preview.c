/*
 * preview.c - see preview.h.
 *
 * Text goes line by line into one of two results: what the writer wrote, and what was quoted (the
 * fallback). A line that ends in ":" and has a quoted line behind it introduces the quotation ("On
 * Monday Joe wrote:") and goes too; so where the last own line began is remembered.
 */
#include "mime/preview.h"

#include "base/arena.h"
#include "mime/html_int.h"
#include "mime/limits.h"

#include <stdlib.h>

enum { EXCERPT_BYTES = 4 * 2 * MIME_MAX_PREVIEW_CHARS };

/* Text that has at most so many characters, white space run together. */
struct excerpt {
	char *bytes;
	size_t n;
	uint32_t chars;
	bool has_blank; /* one is due before the next character */
};

struct mime_preview {
	struct excerpt own, quoted;
	size_t line_n; /* own.n where the last own line with text in it began */
	uint32_t line_chars;
	size_t paragraph_n; /* the same of its paragraph */
	uint32_t paragraph_chars, paragraph_lines;
	bool is_paragraph_begin;
	bool is_html;
	bool is_line_begin, is_line_quoted, is_over;
	bool had_text;             /* an earlier part said something */
	bool is_maybe_attribution; /* the last own line ended in ":" */
	char last;                 /* the last byte that is no white space, of an own line */
	unsigned char part[4];     /* a character that is not complete */
	uint8_t part_count, part_want;
	uint8_t line_count; /* characters of the line so far, to see "-- " */
	char line_start[3];
	struct mime_html html;
	struct buf text; /* of a bit of HTML */
	/* These are not zeroed. */
	char own_bytes[EXCERPT_BYTES], quoted_bytes[EXCERPT_BYTES];
};

/* A little more than is shown, so that an attribution can still be taken back. */
enum { KEEP_CHARS = 2 * MIME_MAX_PREVIEW_CHARS - 4 };

struct mime_preview *
mime_preview_new(void)
{
	struct mime_preview *p = xmalloc(sizeof(*p));

	memset(p, 0, offsetof(struct mime_preview, own_bytes));
	p->own.bytes = p->own_bytes;
	p->quoted.bytes = p->quoted_bytes;
	p->text.max = 1024;
	return p;
}

void
mime_preview_free(struct mime_preview *p)
{
	if (p == NULL)
		return;
	buf_done(&p->text);
	free(p);
}

bool
mime_preview_wants_more(const struct mime_preview *p)
{
	/* as excerpt_add() */
	return !p->is_over && !p->had_text && p->own.chars + 2 <= KEEP_CHARS;
}

static void
excerpt_add(struct excerpt *e, const unsigned char *bytes, size_t n)
{
	if (e->chars + 2 > KEEP_CHARS)
		return;
	if (e->has_blank && e->n > 0) {
		e->bytes[e->n++] = ' ';
		e->chars++;
	}
	e->has_blank = false;
	memcpy(e->bytes + e->n, bytes, n);
	e->n += n;
	e->chars++;
}

/* Characters that show nothing: newsletters fill their previews with them. */
static bool
is_invisible(uint32_t c)
{
	return c == 0xAD || c == 0x34F || c == 0x61C || (c >= 0x200B && c <= 0x200F)
	    || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x2064) || c == 0xFEFF
	    || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7F && c < 0xA0);
}

static bool
is_blank(uint32_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == 0xA0 || (c >= 0x2000 && c <= 0x200A)
	    || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static void
line_end(struct mime_preview *p)
{
	/* The signature and what is behind it says nothing about the message. */
	if (!p->is_html && p->line_n > 0 && p->line_count >= 2 && p->line_count <= 3
	    && memcmp(p->line_start, "-- ", p->line_count) == 0) {
		p->own.n = p->line_n;
		p->own.chars = p->line_chars;
		p->is_over = true;
	}
	p->own.has_blank = p->own.n > 0;
	p->quoted.has_blank = p->quoted.n > 0;
	if (!p->is_line_begin && !p->is_line_quoted)
		p->is_maybe_attribution = p->last == ':';
	p->is_paragraph_begin = p->is_line_begin || p->is_line_quoted;
	p->is_line_begin = true;
	p->line_count = 0;
}

/*
 * Takes back the line that introduces a quotation, or up to three that are broken: "On Monday, Joe
 * Doe\n<joe@example.org> wrote:".
 */
static void
attribution_remove(struct mime_preview *p)
{
	static const struct str begins[] = { STR_INIT("On "), STR_INIT("Am "), STR_INIT("Le "),
		STR_INIT("El "), STR_INIT("Il "), STR_INIT("Op "), STR_INIT("Em "),
		STR_INIT("Den ") };
	struct str paragraph =
	    str_trim(str_sub(str_make(p->own.bytes, p->own.n), p->paragraph_n, p->own.n));
	bool is_whole = false;

	for (size_t i = 0; i < ARRAY_LEN(begins) && p->paragraph_lines <= 3; i++)
		is_whole = is_whole || str_starts(paragraph, begins[i]);
	p->own.n = is_whole ? p->paragraph_n : p->line_n;
	p->own.chars = is_whole ? p->paragraph_chars : p->line_chars;
	p->is_maybe_attribution = false;
}

/* The first character of a line that is not blank tells whose it is. */
static void
line_begin(struct mime_preview *p, uint32_t c)
{
	p->is_line_begin = false;
	p->is_line_quoted = (!p->is_html && c == '>') || (p->is_html && p->html.quote_depth > 0);
	if (!p->is_line_quoted) {
		p->line_n = p->own.n;
		p->line_chars = p->own.chars;
		if (p->is_paragraph_begin) {
			p->paragraph_n = p->line_n;
			p->paragraph_chars = p->line_chars;
			p->paragraph_lines = 0;
		}
		p->paragraph_lines++;
		p->is_paragraph_begin = false;
	} else if (p->is_maybe_attribution) {
		attribution_remove(p);
	}
}

static void
chr_add(struct mime_preview *p, uint32_t c, const unsigned char *bytes, size_t n)
{
	if (p->line_count < 4) {
		if (p->line_count < sizeof(p->line_start) && c != '\n' && c != '\r')
			p->line_start[p->line_count] = c < 0x80 ? (char)c : 'x';
		p->line_count = (uint8_t)(p->line_count + (c != '\n' && c != '\r' ? 1 : 0));
	}
	if (c == '\n') {
		line_end(p);
	} else if (is_blank(c)) {
		p->own.has_blank = p->own.n > 0;
		p->quoted.has_blank = p->quoted.n > 0;
	} else if (!is_invisible(c)) {
		if (p->is_line_begin)
			line_begin(p, c);
		if (p->is_line_quoted) {
			if (c != '>')
				excerpt_add(&p->quoted, bytes, n);
		} else {
			excerpt_add(&p->own, bytes, n);
			p->last = (char)bytes[n - 1];
		}
	}
}

static bool
is_letter(char c)
{
	return c > ' ' && c < 0x7F;
}

/*
 * The words that utf8 begins with, inside a line of the writer's: as chr_add() for each letter and
 * blank, at once. How many bytes they are; wants_more() is true.
 */
static size_t
words_add(struct mime_preview *p, struct str utf8)
{
	struct excerpt *e = &p->own;
	size_t n = 0, room = KEEP_CHARS - 1 - e->chars;
	bool has_blanks = false;

	if (p->is_line_begin || p->is_line_quoted || p->line_count < 4)
		return 0;
	if (e->has_blank && e->n > 0 && room > 1)
		room--;
	while (n < utf8.n && n < room) {
		if (is_letter(utf8.p[n])) {
			n++;
		} else if (n > 0 && utf8.p[n] == ' ' && n + 1 < MIN(utf8.n, room)
		    && is_letter(utf8.p[n + 1])) {
			has_blanks = true;
			n += 2;
		} else {
			break;
		}
	}
	if (n == 0)
		return 0;
	excerpt_add(e, (const unsigned char *)utf8.p, 1);
	memcpy(e->bytes + e->n, utf8.p + 1, n - 1);
	e->n += n - 1;
	e->chars += (uint32_t)(n - 1);
	p->last = utf8.p[n - 1];
	if (has_blanks)
		p->quoted.has_blank = p->quoted.n > 0;
	return n;
}

static void
text_feed(struct mime_preview *p, struct str utf8)
{
	for (size_t i = 0; i < utf8.n && mime_preview_wants_more(p); i++) {
		unsigned char b = (unsigned char)utf8.p[i];
		uint32_t c;

		if (b < 0x80 && p->part_count == 0) {
			size_t n = words_add(p, str_sub(utf8, i, utf8.n));

			if (n > 0)
				i += n - 1;
			else
				chr_add(p, b, &b, 1);
			continue;
		}
		if (p->part_count == 0)
			p->part_want = b < 0x80 ? 1 : b >= 0xF0 ? 4 : b >= 0xE0 ? 3 : 2;
		p->part[p->part_count++] = b;
		if (p->part_count < p->part_want)
			continue;
		c = p->part[0];
		if (p->part_want > 1)
			c &= 0xFFu >> (p->part_want + 1);
		for (uint8_t j = 1; j < p->part_want; j++)
			c = c << 6 | (p->part[j] & 63u);
		p->part_count = 0;
		chr_add(p, c, p->part, p->part_want);
	}
}

/* What a part of HTML ended in is text, perhaps. */
static void
part_end(struct mime_preview *p)
{
	if (!p->is_html || !mime_preview_wants_more(p))
		return;
	buf_clear(&p->text);
	mime_html_finish(&p->html, &p->text);
	text_feed(p, buf_str(&p->text));
}

void
mime_preview_begin(struct mime_preview *p, bool is_html)
{
	part_end(p);
	p->had_text = p->own.n > 0;
	p->is_html = is_html;
	p->html = (struct mime_html){ 0 };
	p->is_line_begin = true;
	p->is_line_quoted = false;
	p->is_over = false;
	p->is_maybe_attribution = false;
	p->is_paragraph_begin = true;
	p->part_count = 0;
	p->line_n = p->own.n;
	p->line_chars = p->own.chars;
	p->own.has_blank = p->own.n > 0;
	p->quoted.has_blank = p->quoted.n > 0;
}

void
mime_preview_feed(struct mime_preview *p, struct str utf8)
{
	if (!p->is_html) {
		text_feed(p, utf8);
		return;
	}
	/*
	 * Byte by byte, so that the state of the HTML (is it a quotation?) is that of the text it
	 * just gave.
	 */
	for (size_t i = 0; i < utf8.n && mime_preview_wants_more(p); i++) {
		buf_clear(&p->text);
		mime_html_feed(&p->html, str_sub(utf8, i, i + 1), &p->text);
		if (p->text.n > 0)
			text_feed(p, buf_str(&p->text));
	}
}

/* At most MIME_MAX_PREVIEW_CHARS of it. */
static void
excerpt_out(const struct excerpt *e, struct buf *out)
{
	size_t n = 0;

	for (uint32_t chars = 0; n < e->n; n++)
		if (((unsigned char)e->bytes[n] & 0xC0) != 0x80
		    && chars++ == MIME_MAX_PREVIEW_CHARS)
			break;
	while (n > 0 && e->bytes[n - 1] == ' ')
		n--;
	buf_add(out, e->bytes, n);
}

void
mime_preview_finish(struct mime_preview *p, struct buf *out)
{
	part_end(p);
	line_end(p);
	excerpt_out(p->own.n > 0 ? &p->own : &p->quoted, out);
}

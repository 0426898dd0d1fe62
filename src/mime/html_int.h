/*
 * html_int.h - HTML read as text, streaming and forgiving: for previews and search. Tags become
 * white space or line ends, character references characters, and white space, however much of it,
 * one blank; what is in script, style, title and comments is left out. Text in blockquote is
 * marked.
 */
#ifndef MIME_HTML_INT_H
#define MIME_HTML_INT_H

#include "base/buf.h"

enum mime_html_state {
	HTML_TEXT,
	HTML_TAG_OPEN,
	HTML_TAG_NAME,
	HTML_TAG_REST,   /* behind the name, between and in attributes */
	HTML_TAG_EQUALS, /* a value begins */
	HTML_TAG_VALUE,  /* one without quotes */
	HTML_TAG_QUOTED,
	HTML_COMMENT,
	HTML_ENTITY
};

struct mime_html {
	enum mime_html_state state;
	char name[12]; /* of the tag or entity so far */
	uint8_t name_count;
	bool is_closing;
	char quote;           /* that a tag's attribute value is in */
	uint8_t dashes;       /* seen in a row in a comment */
	char hidden[12];      /* the element whose content is left out, or "" */
	uint32_t quote_depth; /* of blockquote */
	bool is_blank;        /* what was given last is white space */
};

/** Adds the text of a piece. Any character of it may be the last. */
void mime_html_feed(struct mime_html *h, struct str in, struct buf *out);
/** Ends the text: a reference or a "<" that it ended in is what it is. */
void mime_html_finish(struct mime_html *h, struct buf *out);

#endif

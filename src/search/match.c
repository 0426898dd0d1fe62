/* match.c - finds the texts of HEADER, BODY and TEXT keys: substrings in i;unicode-casemap form (RFC 9051 6.4.4, RFC 5051). */
#include "search/search_int.h"

#include "mime/casemap.h"
#include "mime/header.h"

enum { WINDOW_MAX = 16 * 1024 * 1024 };

static bool
contains(struct str hay, struct str needle)
{
	return needle.n == 0 || (hay.n >= needle.n && memmem(hay.p, hay.n, needle.p, needle.n) != NULL);
}

static void
fold_value(struct buf *text, struct buf *folded, struct str value)
{
	buf_clear(text);
	buf_clear(folded);
	mime_value_text(value, text);
	mime_casemap(buf_str(text), folded);
}

bool
match_header(struct search *s, const struct node *n, struct str header)
{
	BUF_CLEAN struct buf text = BUF_MAX(WINDOW_MAX);
	struct mime_field f;

	while (mime_header_next(&header, &f)) {
		if (!str_eq_nocase(f.name, n->key->field))
			continue;
		if (n->folded.n == 0)
			return true;
		fold_value(&text, &s->window, f.value);
		if (contains(buf_str(&s->window), n->folded))
			return true;
	}
	return false;
}

void
match_header_text(struct search *s, struct str header)
{
	BUF_CLEAN struct buf text = BUF_MAX(WINDOW_MAX);
	struct mime_field f;

	while (mime_header_next(&header, &f)) {
		buf_clear(&text);
		buf_clear(&s->window);
		if (f.name.n > 0) {
			buf_str_add(&text, f.name);
			buf_lit(&text, ": ");
		}
		mime_value_text(f.name.n > 0 ? f.value : f.all, &text);
		mime_casemap(buf_str(&text), &s->window);
		for (uint32_t i = 0; i < s->text_count; i++) {
			struct node *n = s->text_nodes[i];

			if (n->key->kind == SEARCH_TEXT && n->text_truth == IS_UNKNOWN &&
			    contains(buf_str(&s->window), n->folded))
				n->text_truth = IS_YES;
		}
	}
	buf_clear(&s->window);
}

bool
match_text_piece(void *ctx, struct str utf8, bool is_first, bool is_source)
{
	struct search *s = ctx;
	struct buf *window = is_source ? &s->source_window : &s->window;
	bool is_all_decided = true;
	size_t keep = s->text_longest > 0 ? s->text_longest - 1 : 0;

	/* A match may lie across two pieces, so the tail of what was seen stays. */
	if (is_first)
		buf_clear(window);
	else if (window->n > keep)
		buf_consume(window, window->n - keep);
	mime_casemap(utf8, window);
	for (uint32_t i = 0; i < s->text_count; i++) {
		struct node *n = s->text_nodes[i];

		if (n->text_truth != IS_UNKNOWN)
			continue;
		if (contains(buf_str(window), n->folded))
			n->text_truth = IS_YES;
		else
			is_all_decided = false;
	}
	return !is_all_decided;
}

/*
 * match.c - finds the texts of HEADER, BODY and TEXT keys: substrings in the form of the session's
 * collation (RFC 9051 6.4.4, RFC 5051, 5255).
 */
#include "search/search_int.h"

#include "mime/collation.h"
#include "mime/header.h"
#include "store/notes.h"

enum { WINDOW_MAX = 16 * 1024 * 1024 };

bool
match_contains(struct str hay, struct str needle)
{
	return needle.n == 0
	    || (hay.n >= needle.n && memmem(hay.p, hay.n, needle.p, needle.n) != NULL);
}

static void
fold_value(enum mime_collation by, struct buf *text, struct buf *folded, struct str value)
{
	buf_clear(text);
	buf_clear(folded);
	mime_value_text(value, text);
	mime_collate_part(by, buf_str(text), folded);
}

/* A FUZZY key and a text that is there as a whole. */
static bool
match_fuzzy(struct node *n, struct str folded)
{
	struct fuzzy_reader r = { 0 };

	fuzzy_reset(n->fuzzy);
	fuzzy_read(&r, folded, true, fuzzy_see, n->fuzzy);
	n->score = MAX(n->score, fuzzy_score(n->fuzzy));
	return n->score > 0;
}

bool
match_header(struct search *s, struct node *n, struct str header)
{
	BUF_CLEAN struct buf text = BUF_MAX(WINDOW_MAX);
	struct mime_field f;
	bool is_near = false;

	n->score = 0;
	while (mime_header_next(&header, &f)) {
		if (!str_eq_nocase(f.name, n->key->field))
			continue;
		if (n->folded.n == 0)
			return true;
		fold_value(s->program->collation, &text, &s->window, f.value);
		if (match_contains(buf_str(&s->window), n->folded)) {
			n->score = 100;
			return true;
		}
		is_near = n->fuzzy != NULL && (match_fuzzy(n, buf_str(&s->window)) || is_near);
	}
	return is_near;
}

bool
match_annotation(const struct search *s, struct node *n, struct uid uid)
{
	BUF_CLEAN struct buf folded = BUF_MAX(WINDOW_MAX);
	struct str list = view_notes(s->view, uid);
	struct annotation here;
	bool is_near = false;

	n->score = 0;
	while (annotation_next(&list, &here)) {
		unsigned att =
		    here.scope == ANNOTATION_SHARED ? ANNOTATE_VALUE_SHARED : ANNOTATE_VALUE_PRIV;

		if ((n->key->flags & att) == 0
		    || (here.user != 0 && here.user != view_user(s->view).v)
		    || (imap_listmatch_run(n->names, here.name) & LISTMATCH_YES) == 0)
			continue;
		if (n->key->text.p == NULL)
			return false;
		buf_clear(&folded);
		mime_collate_part(s->program->collation, here.value, &folded);
		if (match_contains(buf_str(&folded), n->folded)) {
			n->score = 100;
			return true;
		}
		is_near = n->fuzzy != NULL && (match_fuzzy(n, buf_str(&folded)) || is_near);
	}
	return n->key->text.p == NULL || is_near;
}

/*
 * Text keys that are not decided: exact ones are when their text is there; the words of FUZZY ones
 * are compared.
 */
static bool
see_text(struct search *s, struct str seen, struct str new, bool is_whole, bool is_source,
    bool is_field)
{
	bool is_all_decided = true;
	struct fuzzy_reader before = s->words;

	for (uint32_t i = 0; i < s->text_count; i++) {
		struct node *n = s->text_nodes[i];

		if (n->text_truth != IS_UNKNOWN || (is_field && n->key->kind != SEARCH_TEXT))
			continue;
		if (match_contains(seen, n->folded)) {
			n->text_truth = IS_YES;
			n->score = 100;
			continue;
		}
		is_all_decided = false;
		if (n->fuzzy == NULL || is_source)
			continue;
		s->words = before;
		fuzzy_read(&s->words, new, is_whole, fuzzy_see, n->fuzzy);
	}
	return is_all_decided;
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
		mime_collate_part(s->program->collation, buf_str(&text), &s->window);
		s->words.n = 0;
		absence_read(s, buf_str(&s->window), true, false);
		see_text(s, buf_str(&s->window), buf_str(&s->window), true, false, true);
	}
	s->words.n = 0;
	buf_clear(&s->window);
}

void
match_text_ends(struct search *s)
{
	for (uint32_t i = 0; i < s->text_count; i++) {
		struct node *n = s->text_nodes[i];

		if (n->fuzzy != NULL && n->text_truth == IS_UNKNOWN && s->words.n > 0)
			fuzzy_see(n->fuzzy, s->words.letters, s->words.n);
	}
	s->words.n = 0;
}

bool
match_text_piece(void *ctx, struct str utf8, bool is_first, bool is_source)
{
	struct search *s = ctx;
	struct buf *window = is_source ? &s->source_window : &s->window;
	size_t keep = s->text_longest > 0 ? s->text_longest - 1 : 0, new;

	/* A match may lie across two pieces, so the tail of what was seen stays. */
	if (is_first)
		buf_clear(window);
	else if (window->n > keep)
		buf_consume(window, window->n - keep);
	if (is_first && !is_source)
		match_text_ends(s);
	new = window->n;
	mime_collate_part(s->program->collation, utf8, window);
	absence_read(s, str_sub(buf_str(window), new, window->n), is_first, is_source);
	return !see_text(s, buf_str(window), str_sub(buf_str(window), new, window->n), false,
	    is_source, false);
}

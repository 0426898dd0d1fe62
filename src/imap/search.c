/*
 * search.c - see search.h.
 *
 * The parser keeps a stack of the keys that are not complete yet, instead of recursing:
 *
 *     key := simple                          complete
 *          | "NOT" key                       push NOT, read a key; complete() turns it over and pops
 *          | "FUZZY" key                     push FUZZY, which marks the keys below it; complete() pops
 *          | "OR" key key                    push OR, read two; complete() pops
 *          | "(" key *(SP key) ")"           push AND, read keys up to ")"; complete() pops
 */
#include "imap/search.h"
#include "imap/search_int.h"

#include "mime/charset.h"

static bool
push(struct search_parser *p, int what, struct imap_search_key *key)
{
	if (p->depth > SEARCH_DEPTH_MAX)
		return imap_scan_fail(p->s, ERR_LIMIT, "nesting of search keys");
	p->stack[p->depth++] = (struct open_key){
		.what = what,
		.key = key,
		.next_child = key == NULL ? NULL : &key->children,
	};
	return true;
}

static void
add_child(struct open_key *o, struct imap_search_key *k)
{
	*o->next_child = k;
	o->next_child = &k->next;
	o->n_children++;
}

/* A list of one key is that key. */
static struct imap_search_key *
close_list(const struct open_key *o)
{
	return o->n_children == 1 ? o->key->children : o->key;
}

/*
 * k is complete: gives it to what waits for it, and so on up. True with *is_over_out when the
 * program is.
 */
static bool
complete(struct search_parser *p, struct imap_search_key *k, bool *is_over_out)
{
	*is_over_out = false;
	for (;;) {
		struct open_key *o = &p->stack[p->depth - 1];

		search_filters_leave(p);

		switch (o->what) {
		case OPEN_NOT:
			k->is_not = !k->is_not;
			break;
		case OPEN_FUZZY:
			p->n_fuzzy--;
			break;
		case OPEN_OR:
			add_child(o, k);
			if (o->n_children < 2)
				return imap_scan_sp(p->s);
			k = o->key;
			break;
		case OPEN_LIST:
			add_child(o, k);
			if (!imap_scan_try_chr(p->s, ')'))
				return imap_scan_sp(p->s);
			k = close_list(o);
			break;
		case OPEN_TOP:
			add_child(o, k);
			*is_over_out = imap_scan_is_end(p->s);
			if (!*is_over_out)
				return imap_scan_sp(p->s);
			p->out->root = close_list(o);
			return imap_scan_end(p->s);
		}
		p->depth--;
	}
}

/*
 * Opens what has keys below or, of a filter, in its place; false in *is_open_out when a simple key
 * is here.
 */
static bool
take_opening(struct search_parser *p, bool *is_open_out)
{
	struct imap_search_key *k;

	*is_open_out = true;
	if (!p->is_check && imap_scan_try_atom(p->s, STR("FILTER")))
		return search_filter_take(p);
	if (imap_scan_try_chr(p->s, '(')) {
		k = search_key_new(p, SEARCH_AND);
		return k != NULL && push(p, OPEN_LIST, k);
	}
	if (imap_scan_try_atom(p->s, STR("NOT")))
		return imap_scan_sp(p->s) && push(p, OPEN_NOT, NULL);
	if (imap_scan_try_atom(p->s, STR("FUZZY"))) {
		p->out->has_fuzzy = true;
		p->n_fuzzy++;
		return imap_scan_sp(p->s) && push(p, OPEN_FUZZY, NULL);
	}
	if (imap_scan_try_atom(p->s, STR("OR"))) {
		k = search_key_new(p, SEARCH_OR);
		return k != NULL && imap_scan_sp(p->s) && push(p, OPEN_OR, k);
	}
	*is_open_out = false;
	return true;
}

static bool
parse_keys(struct search_parser *p)
{
	struct imap_scan *const command = p->s;
	struct imap_search_key *k = search_key_new(p, SEARCH_AND);
	bool is_over = false, is_open;

	if (k == NULL || !push(p, OPEN_TOP, k))
		return false;
	while (!is_over) {
		bool is_good = take_opening(p, &is_open);

		if (is_good && !is_open) {
			k = search_key_take(p);
			is_good = k != NULL && complete(p, k, &is_over);
		}
		/* An error in a filter is the command's. */
		if (!is_good && p->s != command) {
			command->error_name = p->s->error_name;
			imap_scan_fail(command, imap_scan_err(p->s), "a filter that fits here");
		}
		if (!is_good)
			return false;
	}
	return true;
}

bool
imap_filter_is_valid(struct arena *a, struct str value)
{
	struct imap_search unused = { 0 };
	struct imap_scan in;
	struct search_parser p = { .s = &in, .out = &unused, .is_check = true };

	imap_scan_init(&in, a, value, true);
	return parse_keys(&p);
}

bool
imap_search_program(struct imap_scan *s, struct str charset, struct imap_search *out)
{
	struct search_parser p = { .s = s, .out = out };
	bool is_good;

	if (imap_scan_err(s) != ERR_OK)
		return false;
	if (charset.n > 0 && !str_eq_nocase(charset, STR("UTF-8"))
	    && !str_eq_nocase(charset, STR("US-ASCII"))) {
		enum err e = mime_charset_open(charset, MIME_CHARSET_STRICT, &p.charset);

		if (e != ERR_OK)
			return imap_scan_fail(s, e, NULL);
	}
	is_good = parse_keys(&p);
	if (is_good && (out->returns & RETURN_RELEVANCY) != 0 && !out->has_fuzzy)
		is_good = imap_scan_fail(s, ERR_SYNTAX, "FUZZY together with RELEVANCY");
	if (p.charset != NULL)
		mime_charset_close(p.charset);
	return is_good;
}

enum err
imap_search_parse(struct imap_scan *s, struct imap_search *out)
{
	struct imap_search search = { 0 };
	struct str charset = STR_NONE;

	out->returns = 0;
	if (!imap_search_return(s, &search))
		return imap_scan_err(s);
	out->returns = search.returns;
	if (imap_scan_try_atom(s, STR("CHARSET"))) {
		search.has_charset = true;
		if (!imap_scan_sp(s) || !imap_scan_astring(s, &charset) || !imap_scan_sp(s))
			return imap_scan_err(s);
	}
	if (!imap_search_program(s, charset, &search))
		return imap_scan_err(s);
	*out = search;
	return ERR_OK;
}

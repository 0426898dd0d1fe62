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

#include "imap/fetch.h"
#include "mime/charset.h"

enum arg {
	ARG_NONE,
	ARG_STRING,
	ARG_HEADER, /* astring SP astring */
	ARG_KEYWORD,
	ARG_ANNOTATION,
	ARG_DATE,
	ARG_NUMBER,
	ARG_INTERVAL, /* nz-number */
	ARG_MODSEQ,
	ARG_OBJECTID,
	ARG_UIDS,
	ARG_UID_AFTER, /* nz-number; their sets are those of UID (RFC 9738 3.2) */
	ARG_UID_BEFORE,
};

static const struct key_name {
	struct str name;
	enum imap_search_kind kind;
	enum arg arg;
	unsigned flags;
	bool is_not;
	struct str field;
} key_names[] = {
	{ STR_INIT("ALL"), SEARCH_ALL, ARG_NONE, 0, false, { 0 } },
	{ STR_INIT("ANSWERED"), SEARCH_FLAG, ARG_NONE, FLAG_ANSWERED, false, { 0 } },
	{ STR_INIT("BCC"), SEARCH_HEADER, ARG_STRING, 0, false, STR_INIT("Bcc") },
	{ STR_INIT("BEFORE"), SEARCH_BEFORE, ARG_DATE, 0, false, { 0 } },
	{ STR_INIT("BODY"), SEARCH_BODY, ARG_STRING, 0, false, { 0 } },
	{ STR_INIT("CC"), SEARCH_HEADER, ARG_STRING, 0, false, STR_INIT("Cc") },
	{ STR_INIT("DELETED"), SEARCH_FLAG, ARG_NONE, FLAG_DELETED, false, { 0 } },
	{ STR_INIT("DRAFT"), SEARCH_FLAG, ARG_NONE, FLAG_DRAFT, false, { 0 } },
	{ STR_INIT("EMAILID"), SEARCH_EMAILID, ARG_OBJECTID, 0, false, { 0 } },
	{ STR_INIT("FLAGGED"), SEARCH_FLAG, ARG_NONE, FLAG_FLAGGED, false, { 0 } },
	{ STR_INIT("FROM"), SEARCH_HEADER, ARG_STRING, 0, false, STR_INIT("From") },
	{ STR_INIT("HEADER"), SEARCH_HEADER, ARG_HEADER, 0, false, { 0 } },
	{ STR_INIT("ANNOTATION"), SEARCH_ANNOTATION, ARG_ANNOTATION, 0, false, { 0 } },
	{ STR_INIT("KEYWORD"), SEARCH_KEYWORD, ARG_KEYWORD, 0, false, { 0 } },
	{ STR_INIT("LARGER"), SEARCH_LARGER, ARG_NUMBER, 0, false, { 0 } },
	{ STR_INIT("MODSEQ"), SEARCH_MODSEQ, ARG_MODSEQ, 0, false, { 0 } },
	{ STR_INIT("OLD"), SEARCH_FLAG, ARG_NONE, FLAG_RECENT, true, { 0 } },
	{ STR_INIT("OLDER"), SEARCH_OLDER, ARG_INTERVAL, 0, false, { 0 } },
	{ STR_INIT("ON"), SEARCH_ON, ARG_DATE, 0, false, { 0 } },
	{ STR_INIT("RECENT"), SEARCH_FLAG, ARG_NONE, FLAG_RECENT, false, { 0 } },
	{ STR_INIT("SAVEDATESUPPORTED"), SEARCH_SAVEDATESUPPORTED, ARG_NONE, 0, false, { 0 } },
	{ STR_INIT("SAVEDBEFORE"), SEARCH_SAVEDBEFORE, ARG_DATE, 0, false, { 0 } },
	{ STR_INIT("SAVEDON"), SEARCH_SAVEDON, ARG_DATE, 0, false, { 0 } },
	{ STR_INIT("SAVEDSINCE"), SEARCH_SAVEDSINCE, ARG_DATE, 0, false, { 0 } },
	{ STR_INIT("SEEN"), SEARCH_FLAG, ARG_NONE, FLAG_SEEN, false, { 0 } },
	{ STR_INIT("SENTBEFORE"), SEARCH_SENTBEFORE, ARG_DATE, 0, false, { 0 } },
	{ STR_INIT("SENTON"), SEARCH_SENTON, ARG_DATE, 0, false, { 0 } },
	{ STR_INIT("SENTSINCE"), SEARCH_SENTSINCE, ARG_DATE, 0, false, { 0 } },
	{ STR_INIT("SINCE"), SEARCH_SINCE, ARG_DATE, 0, false, { 0 } },
	{ STR_INIT("SMALLER"), SEARCH_SMALLER, ARG_NUMBER, 0, false, { 0 } },
	{ STR_INIT("SUBJECT"), SEARCH_HEADER, ARG_STRING, 0, false, STR_INIT("Subject") },
	{ STR_INIT("TEXT"), SEARCH_TEXT, ARG_STRING, 0, false, { 0 } },
	{ STR_INIT("THREADID"), SEARCH_THREADID, ARG_OBJECTID, 0, false, { 0 } },
	{ STR_INIT("TO"), SEARCH_HEADER, ARG_STRING, 0, false, STR_INIT("To") },
	{ STR_INIT("UID"), SEARCH_UID, ARG_UIDS, 0, false, { 0 } },
	{ STR_INIT("UIDAFTER"), SEARCH_UID, ARG_UID_AFTER, 0, false, { 0 } },
	{ STR_INIT("UIDBEFORE"), SEARCH_UID, ARG_UID_BEFORE, 0, false, { 0 } },
	{ STR_INIT("UNANSWERED"), SEARCH_FLAG, ARG_NONE, FLAG_ANSWERED, true, { 0 } },
	{ STR_INIT("UNDELETED"), SEARCH_FLAG, ARG_NONE, FLAG_DELETED, true, { 0 } },
	{ STR_INIT("UNDRAFT"), SEARCH_FLAG, ARG_NONE, FLAG_DRAFT, true, { 0 } },
	{ STR_INIT("UNFLAGGED"), SEARCH_FLAG, ARG_NONE, FLAG_FLAGGED, true, { 0 } },
	{ STR_INIT("UNKEYWORD"), SEARCH_KEYWORD, ARG_KEYWORD, 0, true, { 0 } },
	{ STR_INIT("UNSEEN"), SEARCH_FLAG, ARG_NONE, FLAG_SEEN, true, { 0 } },
	{ STR_INIT("YOUNGER"), SEARCH_YOUNGER, ARG_INTERVAL, 0, false, { 0 } },
};

/* A key that waits for keys below it. */
struct open_key {
	enum { OPEN_TOP, OPEN_LIST, OPEN_NOT, OPEN_OR, OPEN_FUZZY } what;
	struct imap_search_key *key; /* AND or OR; NULL for NOT and FUZZY */
	struct imap_search_key **next_child;
	unsigned n_children;
};

/* A filter whose words are being read, and where they stand. */
struct open_filter {
	struct str name;
	struct imap_scan *outer;
};

struct parser {
	struct imap_scan *s; /* of the command, or of the innermost filter */
	struct imap_search *out;
	struct open_filter filters[SEARCH_FILTER_DEPTH_MAX];
	size_t n_filters;
	size_t filter_bytes;
	/* of a filter by itself: those that it names are not looked into */
	bool is_check;
	struct mime_charset *charset; /* NULL: UTF-8 */
	struct open_key stack[SEARCH_DEPTH_MAX + 1];
	size_t depth;
	size_t n_fuzzy; /* FUZZY on the stack */
	size_t n_keys;
};

static struct imap_search_key *
new_key(struct parser *p, enum imap_search_kind kind)
{
	struct imap_search_key *k;

	if (p->n_keys == SEARCH_KEYS_MAX) {
		imap_scan_fail(p->s, ERR_LIMIT, "search keys");
		return NULL;
	}
	p->n_keys++;
	k = arena_new(p->s->arena, struct imap_search_key);
	k->kind = kind;
	k->is_fuzzy = p->n_fuzzy > 0;
	return k;
}

/* What the charset says becomes UTF-8. */
static bool
to_utf8(struct parser *p, struct str raw, struct str *out)
{
	BUF_CLEAN struct buf b = BUF_MAX(SIZE_MAX / 2);

	if (p->charset == NULL) {
		*out = raw;
		return str_is_utf8(raw) || imap_scan_fail(p->s, ERR_BADCHARSET, NULL);
	}
	mime_charset_feed(p->charset, raw, &b);
	mime_charset_finish(p->charset, &b);
	if (mime_charset_is_bad(p->charset))
		return imap_scan_fail(p->s, ERR_BADCHARSET, NULL);
	*out = arena_str(p->s->arena, buf_str(&b));
	return true;
}

/* A string of the command in UTF-8. */
static bool
take_text(struct parser *p, struct str *out)
{
	struct str raw;

	return imap_scan_astring(p->s, &raw) && to_utf8(p, raw, out);
}

/* entry-match SP att-search SP value; a literal8 is taken as it is. */
static bool
take_annotation(struct parser *p, struct imap_search_key *k)
{
	bool is_binary;

	if (!imap_annotate_search(p->s, &k->field, &k->flags) || !imap_scan_sp(p->s))
		return false;
	is_binary = imap_scan_at(p->s, '~');
	return imap_annotate_value(p->s, &k->text)
	    && (is_binary || k->text.p == NULL || to_utf8(p, k->text, &k->text));
}

/*
 * [entry-name SP entry-type-req SP] modseq: one clock for all flags, so the entry changes nothing
 * (RFC 7162 3.1.5).
 */
static bool
take_modseq(struct parser *p, struct imap_search_key *k)
{
	struct str entry;

	p->out->has_modseq = true;
	if (imap_scan_at(p->s, '"')) {
		if (!imap_scan_string(p->s, &entry) || !imap_scan_sp(p->s))
			return false;
		if (!str_starts_nocase(entry, STR("/flags/")))
			return imap_scan_fail(p->s, ERR_SYNTAX,
			    "an entry that begins with /flags/");
		if (!imap_scan_try_atom(p->s, STR("all")) && !imap_scan_try_atom(p->s, STR("priv"))
		    && !imap_scan_try_atom(p->s, STR("shared")))
			return imap_scan_fail(p->s, ERR_SYNTAX, "all, priv or shared");
		if (!imap_scan_sp(p->s))
			return false;
	}
	return imap_scan_modseq(p->s, &k->number);
}

static bool
take_set(struct parser *p, struct imap_search_key *k)
{
	if (!imap_scan_seqset(p->s, &k->set))
		return false;
	p->out->has_saved = p->out->has_saved || k->set.has_saved;
	return true;
}

/*
 * The UIDs from first to last; when that are none, a set of none. No "*" in it: that always names a
 * message, and these may name none.
 */
static void
make_range(struct parser *p, struct imap_search_key *k, uint64_t first, uint32_t last)
{
	if (first > last)
		return;
	k->set.r = arena_new(p->s->arena, struct range);
	k->set.r[0] = (struct range){ (uint32_t)first, last };
	k->set.n = 1;
}

static bool
take_arg(struct parser *p, const struct key_name *name, struct imap_search_key *k)
{
	struct imap_scan *s = p->s;
	uint32_t n;

	k->field = name->field;
	k->flags = name->flags;
	k->is_not = name->is_not;
	if (name->arg != ARG_NONE && !imap_scan_sp(s))
		return false;
	switch (name->arg) {
	case ARG_NONE:
		return true;
	case ARG_HEADER:
		return imap_scan_astring(s, &k->field) && imap_scan_sp(s) && take_text(p, &k->text);
	case ARG_STRING:
		p->out->needs_text =
		    p->out->needs_text || k->kind == SEARCH_BODY || k->kind == SEARCH_TEXT;
		return take_text(p, &k->text);
	case ARG_ANNOTATION:
		return take_annotation(p, k);
	case ARG_KEYWORD:
	case ARG_OBJECTID:
		return imap_scan_atom(s, &k->text);
	case ARG_DATE:
		return imap_scan_date(s, &k->day);
	case ARG_NUMBER:
		return imap_scan_number64(s, &k->number);
	case ARG_INTERVAL:
		if (!imap_scan_nz_number(s, &n))
			return false;
		k->number = n;
		return true;
	case ARG_MODSEQ:
		return take_modseq(p, k);
	case ARG_UIDS:
		return take_set(p, k);
	case ARG_UID_AFTER:
		if (!imap_scan_nz_number(s, &n))
			return false;
		make_range(p, k, (uint64_t)n + 1, UINT32_MAX);
		return true;
	case ARG_UID_BEFORE:
		if (!imap_scan_nz_number(s, &n))
			return false;
		make_range(p, k, 1, n - 1);
		return true;
	}
	return false;
}

/* NEW is RECENT UNSEEN (RFC 3501 6.4.4). */
static struct imap_search_key *
make_new(struct parser *p)
{
	struct imap_search_key *both = new_key(p, SEARCH_AND);
	struct imap_search_key *recent = both == NULL ? NULL : new_key(p, SEARCH_FLAG);
	struct imap_search_key *unseen = recent == NULL ? NULL : new_key(p, SEARCH_FLAG);

	if (unseen == NULL)
		return NULL;
	recent->flags = FLAG_RECENT;
	recent->next = unseen;
	unseen->flags = FLAG_SEEN;
	unseen->is_not = true;
	both->children = recent;
	return both;
}

/* ---- filters ---- */

bool
imap_filter_is_name(struct str name)
{
	if (name.n == 0 || name.n > SEARCH_FILTER_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!imap_is_atom_char(name.p[i]) || name.p[i] == '/')
			return false;
	return true;
}

/*
 * One that is not there, or names itself, or is no program: all the same to who searches (RFC 5466
 * 3.1).
 */
static bool
no_filter(struct parser *p, struct str name)
{
	p->s->error_name = name;
	return imap_scan_fail(p->s, ERR_NOFILTER, NULL);
}

/*
 * From here on the words are those of the filter. They are a program by themselves, so what they
 * open they close.
 */
static bool
enter_filter(struct parser *p, struct str name)
{
	const struct imap_filters *known = p->s->filters;
	struct imap_scan *in;
	struct str value;

	if (p->n_filters == SEARCH_FILTER_DEPTH_MAX || known == NULL
	    || !known->find(known->ctx, name, &value))
		return no_filter(p, name);
	for (size_t i = 0; i < p->n_filters; i++)
		if (str_eq_nocase(p->filters[i].name, name))
			return no_filter(p, name);
	if (value.n > SEARCH_FILTERS_MAX_BYTES - p->filter_bytes)
		return imap_scan_fail(p->s, ERR_LIMIT, "filters");
	p->filter_bytes += value.n;
	if (!imap_filter_is_valid(p->s->arena, value))
		return no_filter(p, name);
	in = arena_new(p->s->arena, struct imap_scan);
	imap_scan_init(in, p->s->arena, value, true);
	in->filters = known;
	p->filters[p->n_filters++] = (struct open_filter){ name, p->s };
	p->s = in;
	return true;
}

/* A key has ended, and with it perhaps the filter that it stands in. */
static void
leave_filters(struct parser *p)
{
	while (p->n_filters > 0 && imap_scan_is_end(p->s))
		p->s = p->filters[--p->n_filters].outer;
}

/* "FILTER" was taken. In a check it is any key. */
static bool
take_filter(struct parser *p)
{
	struct str name;

	if (!imap_scan_sp(p->s) || !imap_scan_atom(p->s, &name))
		return false;
	if (!imap_filter_is_name(name))
		return imap_scan_fail(p->s, ERR_SYNTAX, "the name of a filter");
	if (p->charset != NULL)
		return imap_scan_fail(p->s, ERR_FILTERCHARSET, NULL);
	return p->is_check || enter_filter(p, name);
}

/* A key without keys below it. */
static struct imap_search_key *
take_simple(struct parser *p)
{
	struct imap_search_key *k;
	int c = imap_scan_peek(p->s);

	if (chr_is_digit((char)c) || c == '*' || c == '$') {
		k = new_key(p, SEARCH_SEQ);
		p->out->has_seqs = true;
		return k != NULL && take_set(p, k) ? k : NULL;
	}
	if (imap_scan_try_atom(p->s, STR("NEW")))
		return make_new(p);
	if (p->is_check && imap_scan_try_atom(p->s, STR("FILTER")))
		return take_filter(p) ? new_key(p, SEARCH_ALL) : NULL;
	for (size_t i = 0; i < ARRAY_LEN(key_names); i++) {
		if (!imap_scan_try_atom(p->s, key_names[i].name))
			continue;
		k = new_key(p, key_names[i].kind);
		return k != NULL && take_arg(p, &key_names[i], k) ? k : NULL;
	}
	imap_scan_fail(p->s, ERR_SYNTAX, "a search key");
	return NULL;
}

static bool
push(struct parser *p, int what, struct imap_search_key *key)
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
complete(struct parser *p, struct imap_search_key *k, bool *is_over_out)
{
	*is_over_out = false;
	for (;;) {
		struct open_key *o = &p->stack[p->depth - 1];

		leave_filters(p);

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
take_opening(struct parser *p, bool *is_open_out)
{
	struct imap_search_key *k;

	*is_open_out = true;
	if (!p->is_check && imap_scan_try_atom(p->s, STR("FILTER")))
		return take_filter(p);
	if (imap_scan_try_chr(p->s, '(')) {
		k = new_key(p, SEARCH_AND);
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
		k = new_key(p, SEARCH_OR);
		return k != NULL && imap_scan_sp(p->s) && push(p, OPEN_OR, k);
	}
	*is_open_out = false;
	return true;
}

static bool
parse_keys(struct parser *p)
{
	struct imap_scan *const command = p->s;
	struct imap_search_key *k = new_key(p, SEARCH_AND);
	bool is_over = false, is_open;

	if (k == NULL || !push(p, OPEN_TOP, k))
		return false;
	while (!is_over) {
		bool is_good = take_opening(p, &is_open);

		if (is_good && !is_open) {
			k = take_simple(p);
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
	struct parser p = { .s = &in, .out = &unused, .is_check = true };

	imap_scan_init(&in, a, value, true);
	return parse_keys(&p);
}

bool
imap_search_program(struct imap_scan *s, struct str charset, struct imap_search *out)
{
	struct parser p = { .s = s, .out = out };
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

bool
imap_search_partial(struct imap_scan *s, struct imap_partial *out)
{
	struct imap_partial p = { .is_from_end = imap_scan_try_chr(s, '-') };

	if (!imap_scan_nz_number(s, &p.first) || !imap_scan_chr(s, ':')
	    || (p.is_from_end && !imap_scan_chr(s, '-')) || !imap_scan_nz_number(s, &p.last))
		return false;
	/* 500:400 is the same as 400:500. */
	*out = (struct imap_partial){ p.is_from_end, MIN(p.first, p.last), MAX(p.first, p.last) };
	return true;
}

/*
 * UPDATE ["(" fetch-att *(SP fetch-att) ")"], with a space as in the examples, or without as in the
 * grammar (RFC 5465 7, 8).
 */
static bool
take_update_items(struct imap_scan *s, struct imap_search *out)
{
	struct imap_fetch items = { 0 };
	size_t from = s->at;

	if (from < s->in.n && s->in.p[from] == ' ')
		from++;
	if (from == s->in.n || s->in.p[from] != '(')
		return true;
	s->at = from;
	if (!imap_fetch_items(s, &items))
		return false;
	out->update_items = str_sub(s->in, from, s->at);
	return true;
}

static bool
take_return_option(struct imap_scan *s, struct imap_search *out)
{
	static const struct {
		struct str name;
		unsigned bit;
	} options[] = {
		{ STR_INIT("MIN"), RETURN_MIN },
		{ STR_INIT("MAX"), RETURN_MAX },
		{ STR_INIT("ALL"), RETURN_ALL },
		{ STR_INIT("COUNT"), RETURN_COUNT },
		{ STR_INIT("SAVE"), RETURN_SAVE },
		{ STR_INIT("PARTIAL"), RETURN_PARTIAL },
		{ STR_INIT("RELEVANCY"), RETURN_RELEVANCY },
		{ STR_INIT("CONTEXT"), RETURN_CONTEXT },
		{ STR_INIT("UPDATE"), RETURN_UPDATE },
	};

	const unsigned lists = RETURN_ALL | RETURN_PARTIAL;
	size_t i = 0;

	while (i < ARRAY_LEN(options) && !imap_scan_try_atom(s, options[i].name))
		i++;
	if (i == ARRAY_LEN(options))
		return imap_scan_fail(s, ERR_SYNTAX,
		    "MIN, MAX, ALL, COUNT, SAVE, PARTIAL, RELEVANCY, CONTEXT or UPDATE");
	/* One PARTIAL, or one ALL, or neither (RFC 9394 3.1). */
	if ((options[i].bit & lists) != 0 && (out->returns & lists & ~(unsigned)RETURN_ALL) != 0)
		return imap_scan_fail(s, ERR_SYNTAX, "only one PARTIAL or ALL");
	if (options[i].bit == RETURN_PARTIAL && (out->returns & RETURN_ALL) != 0)
		return imap_scan_fail(s, ERR_SYNTAX, "only one PARTIAL or ALL");
	out->returns |= options[i].bit;
	if (options[i].bit == RETURN_UPDATE)
		return take_update_items(s, out);
	return options[i].bit != RETURN_PARTIAL
	    || (imap_scan_sp(s) && imap_search_partial(s, &out->partial));
}

bool
imap_search_return(struct imap_scan *s, struct imap_search *out)
{
	if (!imap_scan_try_atom(s, STR("RETURN")))
		return imap_scan_err(s) == ERR_OK;
	out->has_return = true;
	if (!imap_scan_sp(s) || !imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (!take_return_option(s, out))
			return false;
	}
	if (imap_scan_err(s) != ERR_OK)
		return false;
	if (out->returns == 0)
		out->returns = RETURN_ALL;
	return imap_scan_sp(s);
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

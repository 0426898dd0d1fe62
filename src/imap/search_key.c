/* search_key.c - search keys that have no keys below them. */
#include "imap/search_int.h"

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

struct imap_search_key *
search_key_new(struct search_parser *p, enum imap_search_kind kind)
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
to_utf8(struct search_parser *p, struct str raw, struct str *out)
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
take_text(struct search_parser *p, struct str *out)
{
	struct str raw;

	return imap_scan_astring(p->s, &raw) && to_utf8(p, raw, out);
}

/* entry-match SP att-search SP value; a literal8 is taken as it is. */
static bool
take_annotation(struct search_parser *p, struct imap_search_key *k)
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
take_modseq(struct search_parser *p, struct imap_search_key *k)
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
take_set(struct search_parser *p, struct imap_search_key *k)
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
make_range(struct search_parser *p, struct imap_search_key *k, uint64_t first, uint32_t last)
{
	if (first > last)
		return;
	k->set.r = arena_new(p->s->arena, struct range);
	k->set.r[0] = (struct range){ (uint32_t)first, last };
	k->set.n = 1;
}

static bool
take_arg(struct search_parser *p, const struct key_name *name, struct imap_search_key *k)
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
make_new(struct search_parser *p)
{
	struct imap_search_key *both = search_key_new(p, SEARCH_AND);
	struct imap_search_key *recent = both == NULL ? NULL : search_key_new(p, SEARCH_FLAG);
	struct imap_search_key *unseen = recent == NULL ? NULL : search_key_new(p, SEARCH_FLAG);

	if (unseen == NULL)
		return NULL;
	recent->flags = FLAG_RECENT;
	recent->next = unseen;
	unseen->flags = FLAG_SEEN;
	unseen->is_not = true;
	both->children = recent;
	return both;
}

struct imap_search_key *
search_key_take(struct search_parser *p)
{
	struct imap_search_key *k;
	int c = imap_scan_peek(p->s);

	if (chr_is_digit((char)c) || c == '*' || c == '$') {
		k = search_key_new(p, SEARCH_SEQ);
		p->out->has_seqs = true;
		return k != NULL && take_set(p, k) ? k : NULL;
	}
	if (imap_scan_try_atom(p->s, STR("NEW")))
		return make_new(p);
	if (p->is_check && imap_scan_try_atom(p->s, STR("FILTER")))
		return search_filter_take(p) ? search_key_new(p, SEARCH_ALL) : NULL;
	for (size_t i = 0; i < ARRAY_LEN(key_names); i++) {
		if (!imap_scan_try_atom(p->s, key_names[i].name))
			continue;
		k = search_key_new(p, key_names[i].kind);
		return k != NULL && take_arg(p, &key_names[i], k) ? k : NULL;
	}
	imap_scan_fail(p->s, ERR_SYNTAX, "a search key");
	return NULL;
}

/* compile.c - makes a search of a program: see search.h. */
#include "search/search_int.h"

#include "mime/collation.h"

enum { FOLDED_MAX = 1024 * 1024, KEYS_LIGHT = 8 };

static enum level
level_of(enum imap_search_kind kind)
{
	switch (kind) {
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
	case SEARCH_EMAILID:
	case SEARCH_THREADID:
		return LEVEL_SUMMARY;
	case SEARCH_HEADER:
		return LEVEL_HEADER;
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return LEVEL_TEXT;
	case SEARCH_ALL:
	case SEARCH_AND:
	case SEARCH_OR:
	case SEARCH_SEQ:
	case SEARCH_UID:
	case SEARCH_FLAG:
	case SEARCH_KEYWORD:
	case SEARCH_ANNOTATION:
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
	case SEARCH_SAVEDBEFORE:
	case SEARCH_SAVEDON:
	case SEARCH_SAVEDSINCE:
	case SEARCH_SAVEDATESUPPORTED:
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
	case SEARCH_OLDER:
	case SEARCH_YOUNGER:
	case SEARCH_MODSEQ:
		break;
	}
	return LEVEL_ENTRY;
}

static struct str
fold(struct arena *a, enum mime_collation by, struct str text)
{
	BUF_CLEAN struct buf b = BUF_MAX(FOLDED_MAX);

	mime_collate_part(by, text, &b);
	return arena_str(a, buf_str(&b));
}

/*
 * Sequence numbers that are there; others name nothing, in every search (RFC 7377 2): BAD is for
 * COPY, FETCH and STORE (RFC 9051 9, seq-number).
 */
static enum err
resolve_seqs(const struct search *s, const struct seqset *set, const struct rangeset *saved,
    struct rangeset *uids_out)
{
	RANGESET_CLEAN struct rangeset numbers = RANGESET_NONE;
	struct range all = { 1, view_exists(s->view) };
	struct seqset there = *set;

	if (all.last == 0)
		there.n = 0;
	else if (set->n > 0) {
		RANGESET_CLEAN struct rangeset asked = RANGESET_NONE;
		const struct seqset plain = { .r = set->r, .n = set->n, .has_star = set->has_star };

		seqset_resolve(&plain, all.last, NULL, &asked);
		rangeset_intersect(&numbers, &asked, &(struct rangeset){ .r = &all, .n = 1 });
		there.r = numbers.r;
		there.n = numbers.n;
		there.has_star = false;
	}
	return view_resolve(s->view, &there, false, saved, uids_out);
}

/*
 * The column of digests that decides a key, or -1. FUZZY ones are scored by the words of the
 * header.
 */
static int
column_of(const struct search *s, const struct node *n)
{
	if (n->key->kind != SEARCH_HEADER || n->key->is_fuzzy
	    || s->program->collation != COLLATION_UNICODE_CASEMAP)
		return -1;
	return str_chr(n->folded, '\xFF') == SIZE_MAX ? digest_text_column(n->key->field) : -1;
}

/* The depth of a program is bounded by its parser (SEARCH_DEPTH_MAX), so this may recurse. */
static enum err
compile(struct search *s, const struct imap_search_key *key, const struct rangeset *saved,
    struct node **out)
{
	struct node *n = arena_new(s->arena, struct node);
	struct node **tail = &n->children;
	enum err e = ERR_OK;

	*out = n;
	n->key = key;
	n->slot = -1;
	n->level = level_of(key->kind);
	s->deepest = MAX(s->deepest, n->level);
	s->key_count++;
	s->has_annotations |= key->kind == SEARCH_ANNOTATION;
	if (key->kind == SEARCH_SEQ)
		e = resolve_seqs(s, &key->set, saved, &n->uids);
	else if (key->kind == SEARCH_UID)
		e = view_resolve(s->view, &key->set, true, saved, &n->uids);
	else if (key->kind == SEARCH_KEYWORD)
		n->slot = mailbox_keyword_slot(view_mailbox(s->view), key->text);
	else if (n->level >= LEVEL_HEADER || key->kind == SEARCH_ANNOTATION)
		n->folded = fold(s->arena, s->program->collation, key->text);
	n->column = column_of(s, n);
	if (n->column >= 0)
		s->columns |= 1u << n->column;
	if (key->kind == SEARCH_ANNOTATION)
		n->names = imap_listmatch_new_strict(s->arena, &key->field, 1, '/');
	if (key->is_fuzzy && n->folded.n > 0)
		n->fuzzy = fuzzy_new(s->arena, n->folded);
	s->header_count += n->level == LEVEL_HEADER;
	if (n->level == LEVEL_SUMMARY || n->level == LEVEL_HEADER)
		s->needs_text_only = false;
	if (n->level == LEVEL_TEXT) {
		s->text_longest = MAX(s->text_longest, n->folded.n);
		s->text_count++;
	}
	for (const struct imap_search_key *c = key->children; e == ERR_OK && c != NULL;
	     c = c->next) {
		e = compile(s, c, saved, tail);
		tail = &(*tail)->next;
	}
	return e;
}

static void
collect_text_nodes(struct search *s, struct node *n, uint32_t *at)
{
	if (n->level == LEVEL_TEXT)
		s->text_nodes[(*at)++] = n;
	for (struct node *c = n->children; c != NULL; c = c->next)
		collect_text_nodes(s, c, at);
}

static void
narrow_uids(struct search *s, const struct rangeset *uids)
{
	struct rangeset both = RANGESET_NONE;

	if (!s->has_uids)
		rangeset_copy(&both, uids);
	else
		rangeset_intersect(&both, &s->uids, uids);
	rangeset_done(&s->uids);
	s->uids = both;
	s->has_uids = true;
}

/* Notes what a key of the top conjunction demands of every match. */
static void
narrow(struct search *s, const struct node *n)
{
	const struct imap_search_key *key = n->key;

	if (key->kind == SEARCH_AND && !key->is_not) {
		for (const struct node *c = n->children; c != NULL; c = c->next)
			narrow(s, c);
	} else if (key->kind == SEARCH_FLAG && (key->flags & FLAGS_STORABLE) != 0) {
		if (key->is_not)
			s->flags_unset |= (uint16_t)key->flags;
		else
			s->flags_set |= (uint16_t)key->flags;
	} else if ((key->kind == SEARCH_SEQ || key->kind == SEARCH_UID) && !key->is_not) {
		narrow_uids(s, &n->uids);
	} else if (key->kind == SEARCH_MODSEQ && !key->is_not && key->number > 0) {
		s->since = MAX(s->since, key->number - 1);
		s->has_since = true;
	}
}

enum err
search_new(struct arena *a, const struct imap_search *program, struct view *v,
    const struct rangeset *saved, int64_t now_s, struct search **out)
{
	struct search *s = arena_new(a, struct search);
	uint32_t count = 0;
	enum err e;

	*s = (struct search){ .arena = a,
		.program = program,
		.view = v,
		.now_s = now_s,
		.needs_text_only = true,
		.window = BUF_MAX(64 * 1024 * 1024),
		.source_window = BUF_MAX(64 * 1024 * 1024) };
	*out = s;
	e = compile(s, program->root, saved, &s->root);
	if (e != ERR_OK)
		return e;
	s->text_nodes = arena_array(a, struct node *, s->text_count);
	collect_text_nodes(s, s->root, &count);
	absence_init(s);
	narrow(s, s->root);
	return ERR_OK;
}

const struct rangeset *
search_uids(const struct search *s)
{
	return s->has_uids ? &s->uids : NULL;
}

bool
search_reads_messages(const struct search *s)
{
	return s->deepest >= LEVEL_HEADER;
}

void
search_among(struct search *s, const struct rangeset *uids)
{
	narrow_uids(s, uids);
}

void
search_set_yield(struct search *s, search_should_yield_fn *fn, void *ctx)
{
	s->should_yield = fn;
	s->yield_ctx = ctx;
}

int64_t
search_now_s(const struct search *s)
{
	return s->now_s;
}

bool
search_is_heavy(const struct search *s)
{
	return s->header_count + s->text_count > KEYS_LIGHT;
}

static bool
next_of_tree(struct search *s, uint32_t from, struct entry *entry_out, struct seqnum *seq_out)
{
	if (s->has_since)
		return view_next_changed(s->view, from, s->since, entry_out, seq_out);
	if ((s->flags_set | s->flags_unset) != 0)
		return view_next_flags(s->view, from, s->flags_set, s->flags_unset, entry_out,
		    seq_out);
	return view_next(s->view, from, entry_out, seq_out);
}

bool
search_candidate(struct search *s, uint32_t from, struct entry *entry_out, struct seqnum *seq_out)
{
	for (;;) {
		if (s->has_uids) {
			from = rangeset_next(&s->uids, from);
			if (from == 0)
				return false;
		}
		if (!next_of_tree(s, from, entry_out, seq_out))
			return false;
		if (!entry_out->is_ghost
		    && (!s->has_uids || rangeset_contains(&s->uids, entry_out->uid.v)))
			return true;
		if (entry_out->uid.v == UINT32_MAX)
			return false;
		from = entry_out->uid.v + 1;
	}
}

/* evaluate.c - judges one message: see search.h. */
#include "search/search_int.h"

#include "mime/sortkeys.h"
#include "mime/structure.h"

enum { DAY_S = 86400, PIECE_BYTES = 256 * 1024, PREFETCH = 128 };

static enum truth
truth(bool is_yes)
{
	return is_yes ? IS_YES : IS_NO;
}

/* The day that the clock at its place showed: times and zones are disregarded (RFC 9051 6.4.4). */
static int64_t
day_of(int64_t utc_s, int zone_min)
{
	int64_t local = utc_s + (int64_t)zone_min * 60;

	return local >= 0 ? local / DAY_S : -((-local + DAY_S - 1) / DAY_S);
}

static enum truth
judge_internal_day(const struct imap_search_key *key, const struct entry *e)
{
	int64_t day = day_of(e->internal_s, e->internal_zone_min);

	return truth(key->kind == SEARCH_BEFORE ? day < key->day
		: key->kind == SEARCH_ON        ? day == key->day
						: day >= key->day);
}

static enum truth
judge_saved_day(const struct imap_search_key *key, const struct entry *e)
{
	int64_t day = day_of(e->saved_s, 0);

	return truth(key->kind == SEARCH_SAVEDBEFORE ? day < key->day
		: key->kind == SEARCH_SAVEDON        ? day == key->day
						     : day >= key->day);
}

/* A message without a Date field was never sent on any day. */
static enum truth
judge_sent_day(const struct search *s, const struct imap_search_key *key)
{
	if (!s->has_sent_day)
		return IS_NO;
	return truth(key->kind == SEARCH_SENTBEFORE ? s->sent_day < key->day
		: key->kind == SEARCH_SENTON        ? s->sent_day == key->day
						    : s->sent_day >= key->day);
}

static bool
has_keyword(const struct node *n, const struct entry *e)
{
	return n->slot >= 0 && keywords_has(e->keywords, (unsigned)n->slot);
}

static bool
has_flag(const struct imap_search_key *key, const struct entry *e)
{
	return key->flags == FLAG_RECENT ? e->is_recent : (e->flags & key->flags) == key->flags;
}

enum truth
search_judge_leaf(struct search *s, struct node *n, const struct entry *e)
{
	const struct imap_search_key *key = n->key;

	if (s->digest != NULL && n->column >= 0)
		return glance_field(s->digest, n);
	if (s->has_absences && n->is_absent)
		return IS_NO;
	if (n->level > s->have)
		return IS_UNKNOWN;
	if (n->level > LEVEL_ENTRY && s->is_unreadable)
		return IS_NO;
	switch (key->kind) {
	case SEARCH_ALL:
	case SEARCH_SAVEDATESUPPORTED:
		return IS_YES;
	case SEARCH_SEQ:
	case SEARCH_UID:
		return truth(rangeset_contains(&n->uids, e->uid.v));
	case SEARCH_FLAG:
		return truth(has_flag(key, e));
	case SEARCH_KEYWORD:
		return truth(has_keyword(n, e));
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return judge_internal_day(key, e);
	case SEARCH_SAVEDBEFORE:
	case SEARCH_SAVEDON:
	case SEARCH_SAVEDSINCE:
		return judge_saved_day(key, e);
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
		return judge_sent_day(s, key);
	case SEARCH_LARGER:
		return truth(e->size_bytes > key->number);
	case SEARCH_SMALLER:
		return truth(e->size_bytes < key->number);
	case SEARCH_OLDER:
		return truth(s->now_s - e->internal_s >= (int64_t)key->number);
	case SEARCH_YOUNGER:
		return truth(s->now_s - e->internal_s <= (int64_t)key->number);
	case SEARCH_MODSEQ:
		return truth(e->modseq >= key->number);
	case SEARCH_ANNOTATION:
		return truth(match_annotation(s, n, e->uid));
	case SEARCH_EMAILID:
		return truth(str_eq(s->message->emailid, key->text));
	case SEARCH_THREADID:
		return truth(str_eq(s->message->threadid, key->text));
	case SEARCH_HEADER:
		if (n->text_truth == IS_UNKNOWN)
			n->text_truth = truth(match_header(s, n, s->message->header));
		return n->text_truth;
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return n->text_truth;
	case SEARCH_AND:
	case SEARCH_OR:
		break;
	}
	return IS_NO;
}

/*
 * Three-valued: one NO decides a conjunction, one YES a disjunction, whatever is unknown. Depth:
 * see compile().
 */
static enum truth
judge(struct search *s, struct node *n, const struct entry *e)
{
	enum imap_search_kind kind = n->key->kind;
	enum truth t;

	if (kind == SEARCH_AND || kind == SEARCH_OR) {
		enum truth decides = kind == SEARCH_AND ? IS_NO : IS_YES;

		t = kind == SEARCH_AND ? IS_YES : IS_NO;
		for (struct node *c = n->children; c != NULL; c = c->next) {
			enum truth part = judge(s, c, e);

			if (part == decides) {
				t = decides;
				break;
			}
			if (part == IS_UNKNOWN)
				t = IS_UNKNOWN;
		}
	} else {
		t = search_judge_leaf(s, n, e);
	}
	if (n->key->is_not && t != IS_UNKNOWN)
		t = t == IS_YES ? IS_NO : IS_YES;
	return t;
}

enum truth
search_judge(struct search *s, const struct entry *e)
{
	return judge(s, s->root, e);
}

/* ---- what a message is read for ---- */

static void
forget_texts(struct node *n)
{
	n->text_truth = IS_UNKNOWN;
	if (n->fuzzy != NULL)
		fuzzy_reset(n->fuzzy);
	for (struct node *c = n->children; c != NULL; c = c->next)
		forget_texts(c);
}

static void
drop_message(struct search *s)
{
	mime_text_free(s->text);
	s->text = NULL;
	message_reader_free(s->reader);
	s->reader = NULL;
	message_unref(s->message);
	s->message = NULL;
	s->blob = STR_NONE;
	arena_reset(&s->scratch);
	s->at = (struct uid){ 0 };
}

void
search_free(struct search *s)
{
	if (s == NULL)
		return;
	drop_message(s);
	message_ahead_free(s->ahead);
	glance_free(s->glance);
	absence_done(s);
	buf_done(&s->window);
	buf_done(&s->source_window);
	rangeset_done(&s->uids);
	/* The nodes are the arena's, but their sets are not. */
	for (struct node *n = s->root, *next; n != NULL; n = next) {
		struct node *last = n->children;

		rangeset_done(&n->uids);
		/* Children are put before the siblings that follow, so no stack is needed. */
		next = n->next;
		if (last != NULL) {
			struct node *first = last;

			while (last->next != NULL)
				last = last->next;
			last->next = next;
			next = first;
		}
	}
}

static void
begin_message(struct search *s, const struct entry *e)
{
	drop_message(s);
	s->at = e->uid;
	s->have = LEVEL_ENTRY;
	s->is_unreadable = false;
	s->has_sent_day = false;
	if (s->deepest >= LEVEL_HEADER)
		forget_texts(s->root);
}

static void
read_summary(struct search *s)
{
	struct mime_sortkeys keys;

	if (mime_sortkeys_decode(&s->scratch, s->message->sortkeys, &keys) != ERR_OK
	    || !keys.has_date)
		return;
	s->has_sent_day = true;
	s->sent_day = day_of(keys.date.utc_ms / 1000, keys.date.zone_minutes);
}

/*
 * Begins to read the next messages that their entries don't decide, and their texts; each call
 * looks at a bounded number of them.
 */
static void
read_ahead(struct search *s, const struct entry *e)
{
	struct entry next = *e;
	struct seqnum seq;
	unsigned looked = 0;

	s->asked_to = MAX(s->asked_to, e->uid.v - 1);
	while (!message_ahead_is_full(s->ahead)) {
		const uint32_t before = s->asked_to;

		while (looked++ < 16 * AHEAD_MESSAGES && s->asked_to != UINT32_MAX
		    && search_candidate(s, s->asked_to + 1, &next, &seq)
		    && (absence_judge(s, &next) != IS_UNKNOWN
			|| message_ahead_add(s->ahead, next.msgno, next.size_bytes)))
			s->asked_to = next.uid.v;
		if (s->asked_to == before)
			return;
		message_ahead_begin(s->ahead);
	}
}

/* The message and, when they are few, its bytes, of those that are read ahead. */
static enum err
get_ahead(struct search *s, const struct entry *e, struct waiter *w)
{
	if (s->ahead == NULL)
		s->ahead = message_ahead_new(view_account(s->view), MESSAGE_SUMMARY, true);
	read_ahead(s, e);
	return message_ahead_get(s->ahead, e->msgno, w, &s->message, &s->blob);
}

/* The header block, for TEXT keys; it may have to be read. */
static enum err
get_header(struct search *s, const struct entry *e, struct waiter *w, struct str *out)
{
	const struct message *m = s->message;

	if (!m->has_header && m->prefix_bytes == 0 && s->blob.n >= m->header_bytes) {
		*out = str_sub(s->blob, 0, m->header_bytes);
		return ERR_OK;
	}
	if (!m->has_header) {
		struct message *whole;
		enum err err =
		    message_get(view_account(s->view), e->msgno, MESSAGE_WHOLE, w, &whole);

		if (err != ERR_OK)
			return err;
		message_unref(s->message);
		s->message = whole;
	}
	*out = s->message->header;
	return ERR_OK;
}

static bool
has_text_keys(const struct search *s)
{
	for (uint32_t i = 0; i < s->text_count; i++)
		if (s->text_nodes[i]->key->kind == SEARCH_TEXT)
			return true;
	return false;
}

static enum err
begin_text(struct search *s, const struct entry *entry, struct waiter *w)
{
	struct mime_message *m;
	struct str header;
	enum err e = ERR_OK;

	absence_begin(s, entry);
	if (has_text_keys(s)) {
		e = get_header(s, entry, w, &header);
		if (e != ERR_OK)
			return e;
		match_header_text(s, header);
	}
	e = mime_structure_decode(&s->scratch, s->message->structure, &m);
	if (e != ERR_OK)
		return e;
	if (s->blob.p == NULL)
		s->reader = message_reader_new(view_account(s->view), s->message);
	s->text = mime_text_new(m, MIME_TEXT_BODY | MIME_TEXT_SOURCE, match_text_piece, s);
	return ERR_OK;
}

static bool
is_text_decided(const struct search *s)
{
	for (uint32_t i = 0; i < s->text_count; i++)
		if (s->text_nodes[i]->text_truth == IS_UNKNOWN)
			return false;
	return true;
}

/* What can be had at once of a range of the blob. *bytes_out, if not NULL, is to be unreferenced. */
static enum err
read_piece(struct search *s, const struct mime_range *range, struct waiter *w,
    struct kv_bytes **bytes_out, struct str *data_out)
{
	const uint64_t from = range->offset;

	*bytes_out = NULL;
	if (s->blob.p == NULL) /* ranges of the part tree count from the blob */
		return message_reader_get(s->reader, s->message->prefix_bytes + from,
		    (size_t)MIN(range->length, (uint64_t)PIECE_BYTES), w, bytes_out, data_out);
	if (from >= s->blob.n)
		return ERR_CORRUPT;
	*data_out = str_sub(s->blob, (size_t)from,
	    (size_t)from + (size_t)MIN(range->length, s->blob.n - from));
	return ERR_OK;
}

/* Reads the text until every key is decided or it ends. */
static enum err
read_text(struct search *s, const struct entry *entry, struct waiter *w)
{
	struct mime_range range;
	enum err e = ERR_OK;

	if (s->text == NULL)
		e = begin_text(s, entry, w);
	while (e == ERR_OK && !is_text_decided(s) && mime_text_want(s->text, &range)) {
		struct kv_bytes *bytes;
		struct str data;

		if (s->should_yield != NULL
		    && s->should_yield(s->yield_ctx,
			(size_t)MIN(range.length, (uint64_t)PIECE_BYTES)))
			return ERR_WAIT;
		e = read_piece(s, &range, w, &bytes, &data);
		if (e != ERR_OK)
			break;
		mime_text_feed(s->text, data);
		kv_bytes_unref(bytes);
	}
	if (e == ERR_WAIT)
		return e;
	match_text_ends(s);
	if (e == ERR_OK && !is_text_decided(s))
		absence_end(s, entry->msgno);
	for (uint32_t i = 0; i < s->text_count; i++) {
		struct node *n = s->text_nodes[i];

		if (n->text_truth != IS_UNKNOWN)
			continue;
		n->score = n->fuzzy != NULL ? fuzzy_score(n->fuzzy) : 0;
		n->text_truth = truth(n->folded.n == 0 || n->score > 0);
	}
	return e;
}

/*
 * Asks for the records of this message and of those behind it that their entries don't decide,
 * together: a cold search waits for one load a batch, not for one a message.
 */
static void
prefetch(struct search *s, const struct entry *e)
{
	struct msgno numbers[PREFETCH];
	size_t n = 0;
	struct entry next = *e;
	struct seqnum seq;

	numbers[n++] = e->msgno;
	s->asked_to = e->uid.v;
	/*
	 * At the level of entries, at which the message at hand still is, the texts of its nodes
	 * don't matter.
	 */
	for (int looked = 0; n < PREFETCH && looked < 16 * PREFETCH && next.uid.v != UINT32_MAX;
	     looked++) {
		if (!search_candidate(s, next.uid.v + 1, &next, &seq))
			break;
		s->asked_to = next.uid.v;
		if (absence_judge(s, &next) == IS_UNKNOWN)
			numbers[n++] = next.msgno;
	}
	message_prefetch(view_account(s->view), numbers, n,
	    s->deepest >= LEVEL_HEADER ? MESSAGE_WHOLE : MESSAGE_SUMMARY);
}

/*
 * Reads what the next level needs. Faults make the message unreadable: it is logged where bodies
 * are served, not here.
 */
static enum err
deepen(struct search *s, const struct entry *e, struct waiter *w)
{
	enum level next =
	    s->have == LEVEL_ENTRY && s->deepest >= LEVEL_HEADER ? LEVEL_HEADER : s->have + 1;
	enum err err = ERR_OK;

	if (s->is_unreadable) {
		s->have = next;
		return ERR_OK;
	}
	if (s->have == LEVEL_ENTRY && e->uid.v > s->asked_to && s->columns == 0
	    && !s->needs_text_only)
		prefetch(s, e);
	if (next != LEVEL_TEXT && s->needs_text_only) {
		err = get_ahead(s, e, w);
	} else if (next != LEVEL_TEXT) {
		message_unref(s->message);
		s->message = NULL;
		err = message_get(view_account(s->view), e->msgno,
		    next == LEVEL_SUMMARY ? MESSAGE_SUMMARY : MESSAGE_WHOLE, w, &s->message);
		if (err == ERR_OK)
			read_summary(s);
	} else {
		err = read_text(s, e, w);
	}
	if (err == ERR_WAIT)
		return err;
	s->is_unreadable = err != ERR_OK;
	s->have = next;
	return ERR_OK;
}

enum err
search_match(struct search *s, const struct entry *entry, struct waiter *w, bool *is_match_out)
{
	enum truth t;
	enum err e;

	/* its page is lost (store/load.c): nothing is known that it could be found by */
	if (entry->msgno.v == 0) {
		*is_match_out = false;
		return ERR_OK;
	}
	if (s->at.v != entry->uid.v)
		begin_message(s, entry);
	t = s->have == LEVEL_ENTRY ? absence_judge(s, entry) : judge(s, s->root, entry);
	if (t == IS_UNKNOWN && s->have == LEVEL_ENTRY && s->columns != 0) {
		e = glance_at(s, entry, w, &t);
		if (e != ERR_OK)
			return e;
	}
	while (t == IS_UNKNOWN && s->have < s->deepest) {
		e = deepen(s, entry, w);
		if (e != ERR_OK)
			return e;
		t = judge(s, s->root, entry);
	}
	*is_match_out = t == IS_YES;
	s->at = (struct uid){ 0 };
	return ERR_OK;
}

/* annotate.c - see annotate.h. */
#include "session/cmd/annotate.h"

#include "imap/listmatch.h"
#include "mime/bodystructure.h"
#include "session/cmd/message_set.h"

struct annotate_asked {
	struct annotate_asked *next;
	const struct imap_annotate_fetch *item;
	struct imap_listmatch *match; /* of the patterns; NULL: none */
};

struct annotate_asked *
annotate_asked_new(struct arena *a, const struct imap_annotate_fetch *items)
{
	struct annotate_asked *first = NULL, **last = &first;

	for (; items != NULL; items = items->next) {
		*last = arena_new(a, struct annotate_asked);
		(*last)->item = items;
		if (items->pattern_count > 0)
			(*last)->match = imap_listmatch_new_strict(a, items->patterns,
			    items->pattern_count, '/');
		last = &(*last)->next;
	}
	return first;
}

static bool
is_of_part(struct str name)
{
	uint32_t path[ANNOTATE_DEPTH_MAX];

	return imap_annotate_part(name, path) > 0;
}

bool
annotate_needs_parts(const struct annotate_asked *asked)
{
	for (; asked != NULL; asked = asked->next) {
		for (size_t i = 0; i < asked->item->name_count; i++) {
			if (is_of_part(asked->item->names[i]))
				return true;
		}
	}
	return false;
}

static enum err
check_part(struct str name, struct str bodystructure)
{
	uint32_t path[ANNOTATE_DEPTH_MAX];
	size_t n = imap_annotate_part(name, path);
	struct str part;
	enum err e = n == 0 ? ERR_OK : mime_bodystructure_part(bodystructure, path, n, &part);

	return e == ERR_NOTFOUND ? ERR_NOPART : e;
}

/* ---- FETCH ---------------------------------------------------------------------------------- */

/* One item being answered. */
struct answer {
	struct session *s;
	unsigned atts;
	struct str list;
	bool is_first, has_any; /* of all items of the FETCH; of this one */
};

static void
write_value(struct session *s, struct str value)
{
	if (value.p != NULL && memchr(value.p, '\0', value.n) != NULL) {
		reply_literal8_open(session_out(s), value.n);
		buf_str_add(session_out(s), value);
	} else {
		reply_nstring(session_out(s), value, session_form(s));
	}
}

/* "(value.priv "x" value.shared NIL)" */
static void
write_entry(struct answer *x, struct str name)
{
	static const struct {
		unsigned att;
		const char *name;
		bool is_shared, is_size;
	} all[] = {
		{ ANNOTATE_VALUE_PRIV, "value.priv ", false, false },
		{ ANNOTATE_VALUE_SHARED, "value.shared ", true, false },
		{ ANNOTATE_SIZE_PRIV, "size.priv ", false, true },
		{ ANNOTATE_SIZE_SHARED, "size.shared ", true, true },
	};
	struct buf *b = session_out(x->s);
	bool is_first;

	if (!x->has_any) {
		reply_item(b, &x->is_first);
		buf_lit(b, "ANNOTATION (");
	} else {
		buf_chr(b, ' ');
	}
	x->has_any = true;
	reply_astring(b, name, REPLY_ASCII);
	buf_chr(b, ' ');
	reply_list_open(b, &is_first);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct annotation key = {
			.scope = all[i].is_shared ? ANNOTATION_SHARED : ANNOTATION_PRIVATE,
			.user = all[i].is_shared ? 0 : view_user(x->s->view).v,
			.name = name,
		};
		struct str value = STR_NONE;

		if ((x->atts & all[i].att) == 0)
			continue;
		if (!notes_find(x->list, &key, &value))
			value = STR_NONE;
		reply_item(b, &is_first);
		buf_c(b, all[i].name);
		if (all[i].is_size) {
			buf_chr(b, '"');
			reply_number(b, value.n);
			buf_chr(b, '"');
		} else {
			write_value(x->s, value);
		}
	}
	reply_list_close(b);
}

static bool
is_named(const struct imap_annotate_fetch *f, struct str name)
{
	for (size_t i = 0; i < f->name_count; i++) {
		if (str_eq(f->names[i], name))
			return true;
	}
	return false;
}

/* Whether the user has something of what is asked for there, and not of a name that came before. */
static bool
is_next(const struct answer *x, const struct annotation *here, struct str before)
{
	struct annotation other;

	if (here->scope == ANNOTATION_SHARED
		? (x->atts & ANNOTATE_SHARED) == 0
		: (x->atts & ANNOTATE_PRIV) == 0 || here->user != view_user(x->s->view).v)
		return false;
	while (annotation_next(&before, &other)) {
		if (str_eq(other.name, here->name) && is_next(x, &other, STR_NONE))
			return false;
	}
	return true;
}

static void
answer_item(struct answer *x, const struct annotate_asked *asked)
{
	struct str left = x->list;
	struct annotation here;

	x->atts = asked->item->atts;
	x->has_any = false;
	for (size_t i = 0; i < asked->item->name_count; i++)
		write_entry(x, asked->item->names[i]);
	while (asked->match != NULL && left.n > 0) {
		struct str before = str_make(x->list.p, x->list.n - left.n);

		if (!annotation_next(&left, &here))
			break;
		if ((imap_listmatch_run(asked->match, here.name) & LISTMATCH_YES) != 0
		    && !is_named(asked->item, here.name) && is_next(x, &here, before))
			write_entry(x, here.name);
	}
	if (x->has_any)
		buf_chr(session_out(x->s), ')');
}

enum err
annotate_reply(struct session *s, const struct annotate_asked *asked, struct uid uid,
    const struct message *message, bool *is_first)
{
	struct answer x = { .s = s, .is_first = *is_first };
	enum err e = ERR_OK;

	if (asked == NULL)
		return ERR_OK;
	if (view_has_lost_notes(s->view))
		return ERR_CORRUPT;
	for (const struct annotate_asked *a = asked; e == ERR_OK && message != NULL && a != NULL;
	     a = a->next) {
		for (size_t i = 0; e == ERR_OK && i < a->item->name_count; i++)
			e = check_part(a->item->names[i], message->bodystructure);
	}
	if (e != ERR_OK)
		return e;
	x.list = view_notes(s->view, uid);
	for (; asked != NULL; asked = asked->next)
		answer_item(&x, asked);
	*is_first = x.is_first;
	return ERR_OK;
}

void
annotate_reply_support(struct session *s)
{
	BUF_CLEAN struct buf code = BUF_MAX(64);

	if (s->is_examined)
		buf_lit(&code, "ANNOTATIONS READ-ONLY");
	else
		reply_code_number(&code, "ANNOTATIONS", NOTE_VALUE_MAX);
	session_untagged(s, "OK", buf_str(&code), STR("How long an annotation can be."));
}

/* ---- STORE and APPEND ----------------------------------------------------------------------- */

bool
annotate_may_store(const struct imap_annotate_store *store, unsigned rights)
{
	for (size_t i = 0; i < store->count; i++) {
		if ((rights & (store->values[i].is_shared ? RIGHT_N : RIGHT_R)) == 0)
			return false;
	}
	return true;
}

static struct annotation *
as_annotations(struct session *s, struct arena *a, const struct imap_annotate_store *store)
{
	struct annotation *changes = arena_array(a, struct annotation, store->count);

	for (size_t i = 0; i < store->count; i++) {
		const struct imap_annotate_value *v = &store->values[i];

		changes[i] = (struct annotation){
			.scope = v->is_shared ? ANNOTATION_SHARED : ANNOTATION_PRIVATE,
			.user = v->is_shared ? 0 : account_id(s->account).v,
			.name = v->entry,
			.value = v->value,
		};
	}
	return changes;
}

void
annotate_changes(struct session *s, struct arena *a, const struct imap_store *args,
    struct notes_change *out)
{
	*out = (struct notes_change){
		.changes = as_annotations(s, a, &args->annotation),
		.count = args->annotation.count,
		.has_unchangedsince = args->has_unchangedsince,
		.unchangedsince = args->unchangedsince,
	};
}

enum err
annotate_list(struct session *s, struct arena *a, const struct imap_annotate_store *store,
    struct str *list_out)
{
	BUF_CLEAN struct buf list = BUF_MAX(2 * NOTES_MAX_BYTES);
	enum err e = notes_change(STR_NONE, as_annotations(s, a, store), store->count, &list);

	if (e == ERR_OK)
		*list_out = list.n == 0 ? STR_NONE : arena_str(a, buf_str(&list));
	return e;
}

enum err
annotate_check_rights(struct str list, unsigned rights)
{
	struct annotation here;

	while (annotation_next(&list, &here)) {
		if ((rights & (here.scope == ANNOTATION_SHARED ? RIGHT_N : RIGHT_R)) == 0)
			return ERR_NOPERM;
	}
	return ERR_OK;
}

enum err
annotate_check_list(struct str list, struct str bodystructure)
{
	struct annotation here;
	enum err e = ERR_OK;

	while (e == ERR_OK && annotation_next(&list, &here))
		e = check_part(here.name, bodystructure);
	return e;
}

static enum err
check_structure(const struct imap_annotate_store *store, struct str bodystructure)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < store->count; i++)
		e = check_part(store->values[i].entry, bodystructure);
	return e;
}

enum err
annotate_check_parts(struct session *s, const struct imap_annotate_store *store,
    const struct rangeset *uids, uint32_t *at)
{
	bool needs_parts = false;
	struct entry entry;

	for (size_t i = 0; i < store->count; i++)
		needs_parts = needs_parts || is_of_part(store->values[i].entry);
	while (needs_parts && *at != 0 && message_set_next(s->view, uids, *at, &entry, NULL)) {
		struct message *m;
		enum err e;

		if (!entry.is_ghost && entry.msgno.v != 0) {
			e = message_get(view_account(s->view), entry.msgno, MESSAGE_SUMMARY,
			    session_waiter(s), &m);
			if (e != ERR_OK)
				return e;
			e = check_structure(store, m->bodystructure);
			message_unref(m);
			if (e != ERR_OK)
				return e;
		}
		*at = entry.uid.v + 1;
		if (session_should_yield(s))
			return session_yield(s);
	}
	return ERR_OK;
}

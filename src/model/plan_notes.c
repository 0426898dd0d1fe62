/* plan_notes.c - commands about annotations, and what they are answered, held against the model. */
#include "model/run.h"

static uint64_t
rnd(struct run *r, uint64_t n)
{
	return sim_random(&r->sim, n);
}

/* ---- commands ---- */

/* Some changes, of no entry two. */
static void
plan_list(struct run *r, unsigned first, unsigned end, struct annotated *out)
{
	for (unsigned i = first; i < end; i++) {
		if (i != first && rnd(r, 2) == 0)
			continue;
		/* Few values, so that some are set that are there already. */
		out->e[out->n++] = (struct annotated_one){ .entry = (uint8_t)i,
			.value = (uint8_t)(rnd(r, 3) == 0 ? 0 : 1 + rnd(r, ANNOTATED_VALUES)) };
	}
}

static void
add_value(struct buf *b, unsigned value)
{
	if (value == 0)
		buf_lit(b, " NIL");
	else
		buf_printf(b, " \"m%u\"", value);
}

static void
plan_setmetadata(struct run *r, struct plan *out)
{
	struct act *a = &out->act;
	bool is_server = rnd(r, 5) == 0;
	unsigned some = (unsigned)rnd(r, is_server ? ANNOTATED_SERVER_ENTRIES : ANNOTATED_ENTRIES);

	a->op = ACT_SETMETADATA;
	if (!is_server)
		snprintf(a->name, sizeof(a->name), "%s", plan_name(r));
	if (is_server)
		plan_list(r, ANNOTATED_ENTRIES + some, ANNOTATED_ENTRIES_ALL, &a->list);
	else
		plan_list(r, some, ANNOTATED_ENTRIES, &a->list);
	buf_printf(&out->text, "SETMETADATA %s (", is_server ? "\"\"" : a->name);
	for (unsigned i = 0; i < a->list.n; i++) {
		buf_printf(&out->text, "%s%s", i == 0 ? "" : " ",
		    annotated_entries[a->list.e[i].entry].name);
		add_value(&out->text, a->list.e[i].value);
	}
	buf_lit(&out->text, ")");
}

static void
plan_getmetadata(struct run *r, struct plan *out)
{
	bool is_server = rnd(r, 5) == 0, is_first = true;
	unsigned first = is_server ? ANNOTATED_ENTRIES : 0,
		 end = is_server ? ANNOTATED_ENTRIES_ALL : ANNOTATED_ENTRIES;

	out->act.op = ACT_GETMETADATA;
	out->is_deep = rnd(r, 3) == 0;
	if (!is_server)
		snprintf(out->act.name, sizeof(out->act.name), "%s", plan_name(r));
	buf_printf(&out->text, "GETMETADATA %s%s (", out->is_deep ? "(DEPTH infinity) " : "",
	    is_server ? "\"\"" : out->act.name);
	for (unsigned i = first; i < end; i++) {
		if (out->is_deep ? strstr(annotated_entries[i].name, "/vendor/") == NULL
				 : i != end - 1 && rnd(r, 2) == 0)
			continue;
		out->entries |= 1u << i;
		if (!out->is_deep)
			buf_printf(&out->text, "%s%s", is_first ? "" : " ",
			    annotated_entries[i].name);
		is_first = false;
	}
	if (out->is_deep)
		buf_lit(&out->text, "/private/vendor/m /shared/vendor/m");
	buf_lit(&out->text, ")");
}

static void
plan_annotate(struct run *r, struct player *p, struct plan *out)
{
	struct act *a = &out->act;

	a->op = ACT_ANNOTATE;
	a->is_uid = rnd(r, 2) == 0;
	out->may_expunge = a->is_uid;
	plan_list(r, (unsigned)rnd(r, ANNOTATED_NOTES), ANNOTATED_NOTES, &a->list);
	buf_c(&out->text, a->is_uid ? "UID STORE " : "STORE ");
	plan_messages(r, p, out);
	if (p->pic.is_condstore && rnd(r, 4) == 0) {
		a->has_unchangedsince = true;
		a->unchangedsince = p->pic.m[rnd(r, p->pic.n)].modseq;
		buf_printf(&out->text, " (UNCHANGEDSINCE %llu)",
		    (unsigned long long)a->unchangedsince);
	}
	buf_lit(&out->text, " ANNOTATION (");
	for (unsigned i = 0; i < a->list.n; i++) {
		const struct annotated_name *name = &annotated_notes[a->list.e[i].entry];

		buf_printf(&out->text, "%s%s (value.%s", i == 0 ? "" : " ", name->name,
		    name->is_shared ? "shared" : "priv");
		add_value(&out->text, a->list.e[i].value);
		buf_lit(&out->text, ")");
	}
	buf_lit(&out->text, ")");
}

void
plan_noted(struct run *r, struct player *p, bool only_changes, struct plan *out)
{
	uint64_t what = rnd(r, 10);

	out->may_expunge = true;
	if (p->phase == PLAYER_SELECTED && p->pic.n > 0 && what < 5)
		plan_annotate(r, p, out);
	else if (what < 8 || only_changes)
		plan_setmetadata(r, out);
	else
		plan_getmetadata(r, out);
}

/* ---- answers ---- */

/* "m7" or NIL in the place of a value. */
static bool
take_value(struct str *rest, unsigned *value_out)
{
	uint32_t value;
	struct str word;

	*value_out = 0;
	if (!str_split(rest, ' ', &word))
		return false;
	while (word.n > 0 && word.p[word.n - 1] == ')')
		word.n--;
	if (str_eq(word, STR("NIL")))
		return true;
	if (word.n != 4 || !str_starts(word, STR("\"m"))
	    || !str_to_u32(str_sub(word, 2, 3), &value))
		return false;
	*value_out = value;
	return true;
}

static bool
take_entry(struct annotated *list, unsigned entry, unsigned value)
{
	if (value == 0)
		return true;
	if (list->n == ANNOTATED_ENTRIES_ALL || annotated_value(list, entry) != 0)
		return false; /* told twice */
	list->e[list->n++] = (struct annotated_one){ (uint8_t)entry, (uint8_t)value };
	return true;
}

/* /comment (value.priv "m1" value.shared NIL) /altsubject (...) */
bool
notes_take(struct str told, struct annotated *out)
{
	struct str rest = told, name = STR_NONE, word;

	*out = (struct annotated){ 0 };
	while (str_split(&rest, ' ', &word)) {
		bool is_shared = str_ends(word, STR("value.shared"));
		unsigned value, i = 0;

		if (str_starts(word, STR("/"))) {
			name = word;
			continue;
		}
		if ((!is_shared && !str_ends(word, STR("value.priv")))
		    || !take_value(&rest, &value))
			return false;
		while (i < ANNOTATED_NOTES
		    && (!str_eq(name, str_c(annotated_notes[i].name))
			|| annotated_notes[i].is_shared != is_shared))
			i++;
		if (i == ANNOTATED_NOTES ? value != 0 : !take_entry(out, i, value))
			return false;
	}
	return true;
}

/* "a (/private/comment "m1" /shared/comment NIL)" */
bool
metadata_take(struct str told, struct answer *out)
{
	struct str rest = told, word, box;
	bool is_server;

	if (!str_split(&rest, ' ', &box) || !str_starts(rest, STR("(")))
		return false;
	is_server = str_eq(box, STR("\"\""));
	rest = str_sub(rest, 1, rest.n);
	while (str_split(&rest, ' ', &word)) {
		unsigned value, i = is_server ? ANNOTATED_ENTRIES : 0;

		if (!take_value(&rest, &value))
			return false;
		while (i < ANNOTATED_ENTRIES_ALL && !str_eq(word, str_c(annotated_entries[i].name)))
			i++;
		if (i == ANNOTATED_ENTRIES_ALL) {
			if (value != 0)
				return false;
			continue; /* a level that was asked for, and has nothing below it */
		}
		out->entries |= 1u << i;
		if (!take_entry(&out->annotations, i, value))
			return false;
	}
	return true;
}

/*
 * FETCH tells a message as it is, or as it was when the session last told news, as with flags.
 */
void
notes_check(struct run *r, const struct plan *plan, const struct answer *a,
    const struct seen *before, uint32_t before_n)
{
	const struct state_box *b = state_box_by_id(&r->state, plan->act.box);

	for (uint32_t k = 0; k < a->fetched_count && b != NULL; k++) {
		int at = state_message(b, a->fetched[k]);
		uint32_t was = 0;

		while (was < before_n && before[was].uid != a->fetched[k])
			was++;
		for (unsigned i = 0; i < ANNOTATED_NOTES && at >= 0 && a->has_notes[k]; i++) {
			unsigned told = annotated_value(&a->notes[k], i),
				 is = annotated_value(&b->m[at].notes, i);

			if (told != is
			    && (was == before_n || told != annotated_value(&before[was].notes, i)))
				run_fail(r, "UID %u: %s is told as m%u, it is m%u", a->fetched[k],
				    annotated_notes[i].name, told, is);
		}
	}
}

void
metadata_check(struct run *r, const struct plan *plan, const struct answer *a)
{
	const char *name = plan->act.name[0] != '\0' ? plan->act.name : "INBOX";
	const struct state_box *b = state_box(&r->state, name);

	if ((b != NULL) != (strcmp(a->condition, "OK") == 0))
		run_fail(r, "GETMETADATA is answered %s", a->condition);
	for (unsigned i = 0; i < ANNOTATED_ENTRIES_ALL && b != NULL; i++) {
		bool is_asked = (plan->entries >> i & 1) != 0, is_told = (a->entries >> i & 1) != 0;
		unsigned told = annotated_value(&a->annotations, i),
			 is = annotated_value(&b->annotations, i);

		if (is_asked ? told != is || (!is_told && !plan->is_deep) : is_told)
			run_fail(r, "%s of %s is told%s as m%u, it is m%u",
			    annotated_entries[i].name, name, is_told ? "" : " (not)", told, is);
	}
}

/* storm_notes.c - see storm.h: annotations that were set, or told, before the end. */
#include "model/storm.h"

/* How many commands of the storm set an entry of a mailbox, "" for the server, or of a UID. */
static unsigned
setters(const struct storm *s, const char *name, uint32_t uid, unsigned entry)
{
	enum act_op op = name != NULL ? ACT_SETMETADATA : ACT_ANNOTATE;
	unsigned n = 0;

	for (uint32_t i = 0; i < PLAYERS; i++) {
		for (uint32_t k = 0; k < s->count[i]; k++) {
			const struct act *act = &s->plans[i][k].act;
			bool is_there = name != NULL && strcmp(act->name, name) == 0;

			for (uint32_t u = 0; name == NULL && u < act->n; u++)
				is_there |= act->uids[u] == uid;
			for (unsigned e = 0; act->op == op && is_there && e < act->list.n; e++)
				n += act->list.e[e].entry == entry;
		}
	}
	return n;
}

/* The mailbox as it was and is; false: it may have come, gone or been renamed. */
static bool
both(struct storm *s, const char *name, struct state_box **was_out, struct state_box **is_out)
{
	const char *box = name[0] != '\0' ? name : "INBOX";

	*was_out = state_box(&s->r.state, box);
	*is_out = state_box(&s->left, box);
	return *was_out != NULL && *is_out != NULL && !s->was_sent[ACT_DELETE]
	    && !s->was_sent[ACT_RENAME];
}

static void
check_metadata_set(struct storm *s, const struct act *act)
{
	struct state_box *was, *is;

	for (unsigned i = 0; both(s, act->name, &was, &is) && i < act->list.n; i++) {
		unsigned entry = act->list.e[i].entry,
			 value = annotated_value(&is->annotations, entry);

		if (value != act->list.e[i].value && setters(s, act->name, 0, entry) == 1)
			run_fail(&s->r, "SETMETADATA %s was OK, and %s is m%u", act->name,
			    annotated_entries[entry].name, value);
	}
}

static void
check_metadata_told(struct storm *s, const struct act *act, const struct answer *a)
{
	struct state_box *was, *is;

	for (unsigned i = 0; both(s, act->name, &was, &is) && i < ANNOTATED_ENTRIES_ALL; i++) {
		unsigned told = annotated_value(&a->annotations, i);

		if ((a->entries >> i & 1) != 0 && told != annotated_value(&was->annotations, i)
		    && told != annotated_value(&is->annotations, i)
		    && setters(s, act->name, 0, i) < 2)
			run_fail(&s->r, "%s of %s was told as m%u", annotated_entries[i].name,
			    act->name, told);
	}
}

/* A message before and after; false: one of them is not there. */
static bool
both_messages(struct storm *s, const struct player *p, uint32_t uid,
    const struct state_message **was_out, const struct state_message **is_out)
{
	const struct state_box *was = storm_box(&s->r.state, p->pic.validity),
			       *is = storm_box(&s->left, p->pic.validity);
	int before = was != NULL ? state_message(was, uid) : -1,
	    after = is != NULL ? state_message(is, uid) : -1;

	if (before < 0 || after < 0)
		return false;
	*was_out = &was->m[before];
	*is_out = &is->m[after];
	return true;
}

static void
check_annotated(struct storm *s, const struct player *p, const struct plan *plan,
    const struct answer *a)
{
	const struct state_message *was, *is;

	for (uint32_t i = 0; i < plan->target_count && plan->act.is_uid; i++) {
		uint32_t uid = plan->targets[i];

		if (!both_messages(s, p, uid, &was, &is) || rangeset_contains(&a->uids, uid))
			continue;
		for (unsigned k = 0; k < plan->act.list.n; k++) {
			unsigned entry = plan->act.list.e[k].entry,
				 value = annotated_value(&is->notes, entry);

			if (value != plan->act.list.e[k].value && setters(s, NULL, uid, entry) == 1)
				run_fail(&s->r, "UID %u was annotated, and %s is m%u", uid,
				    annotated_notes[entry].name, value);
		}
	}
}

void
storm_keep_notes(struct storm *s)
{
	for (uint32_t i = 0; i < s->r.state.n; i++) {
		const struct state_box *b = &s->r.state.box[i];

		for (uint32_t k = 0; k < b->n; k++) {
			for (unsigned n = 0; n < ANNOTATED_NOTES; n++)
				s->noted[MIN(b->m[k].uid, STORM_UIDS - 1u)][n] |= 1u
				    << annotated_value(&b->m[k].notes, n);
		}
	}
}

static bool
was_noted(const struct storm *s, uint32_t uid, unsigned entry, unsigned value)
{
	return (s->noted[MIN(uid, STORM_UIDS - 1u)][entry] >> value & 1) != 0;
}

static void
check_notes_told(struct storm *s, const struct player *p, const struct answer *a)
{
	const struct state_message *was, *is;

	/* What was before the storm is what some view may have; what came in it must have stayed. */
	for (uint32_t i = 0; i < a->fetched_count; i++) {
		if (!a->has_notes[i] || !both_messages(s, p, a->fetched[i], &was, &is))
			continue;
		for (unsigned k = 0; k < ANNOTATED_NOTES; k++) {
			unsigned told = annotated_value(&a->notes[i], k);

			if (!was_noted(s, a->fetched[i], k, told)
			    && told != annotated_value(&is->notes, k)
			    && setters(s, NULL, a->fetched[i], k) < 2)
				run_fail(&s->r, "UID %u: %s was told as m%u", a->fetched[i],
				    annotated_notes[k].name, told);
		}
	}
}

void
storm_check_noted(struct storm *s, const struct player *p, const struct plan *plan,
    const struct answer *a)
{
	bool is_ok = strcmp(a->condition, "OK") == 0;

	if (plan->act.op == ACT_SETMETADATA && is_ok)
		check_metadata_set(s, &plan->act);
	else if (plan->act.op == ACT_GETMETADATA && is_ok)
		check_metadata_told(s, &plan->act, a);
	else if (plan->act.op == ACT_ANNOTATE && is_ok)
		check_annotated(s, p, plan, a);
	else if (plan->act.op == ACT_FETCH)
		check_notes_told(s, p, a);
}

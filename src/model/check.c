/* check.c - what was answered, held against the model. */
#include "model/run.h"

#include "base/hash.h"
#include "imap/flags.h"

#include <stdarg.h>
#include <stdlib.h>

/* ---- taking answers ---- */

void
answer_clear(struct answer *a)
{
	rangeset_done(&a->uids);
	rangeset_done(&a->from);
	memset(a, 0, sizeof(*a));
}

static void
copy_text(char *to, size_t size, struct str s)
{
	snprintf(to, size, "%.*s", STR_F(s));
}

static void
take_code(struct run *r, struct answer *a, struct str code)
{
	struct str rest = code, name = picture_word(&rest), w;
	bool is_copy = str_eq(name, STR("COPYUID"));

	if (is_copy || str_eq(name, STR("APPENDUID"))) {
		if (!str_to_u32(picture_word(&rest), &a->validity))
			run_fail(r, "no validity in %.*s", STR_F(code));
		if (is_copy && !told_numbers(picture_word(&rest), &a->from))
			run_fail(r, "no set in %.*s", STR_F(code));
		if (!told_numbers(picture_word(&rest), &a->uids))
			run_fail(r, "no set in %.*s", STR_F(code));
	} else if (str_eq(name, STR("MESSAGELIMIT"))) {
		uint32_t limit;

		if (!str_to_u32(picture_word(&rest), &limit) || limit != r->limit
		    || !str_to_u32(picture_word(&rest), &a->limit_uid))
			run_fail(r, "MESSAGELIMIT %.*s", STR_F(code));
	} else if (str_eq(name, STR("MODIFIED"))) {
		w = picture_word(&rest);
		if (!told_numbers(w, &a->uids))
			run_fail(r, "no set in %.*s", STR_F(code));
	} else {
		return;
	}
}

/* (attributes) "/" name */
static void
take_list(struct run *r, struct answer *a, const struct told *t)
{
	size_t end = str_chr(t->rest, ')');
	struct str attributes = str_sub(t->rest, 1, end),
		   name = str_sub(t->rest, end + 6, t->rest.n);

	if (end == SIZE_MAX)
		run_fail(r, "cannot read %.*s", STR_F(t->line));
	if (str_starts(name, STR("\"")))
		name = str_sub(name, 1, name.n - 1);
	/* What others share is not in the model. */
	if (r->is_fuzzed && str_starts(name, STR("Other Users")))
		return;
	if (a->name_count == STATE_BOXES)
		run_fail(r, "too many names: %.*s", STR_F(t->line));
	copy_text(a->attributes[a->name_count], sizeof(a->attributes[0]), attributes);
	copy_text(a->names[a->name_count++], sizeof(a->names[0]), name);
}

/* Contents are what was put in, whatever else is going on. */
static void
check_contents(struct run *r, const struct player *p, const struct told *t, uint32_t uid)
{
	const struct state_box *b = state_box_by_id(&r->state, p->box);
	int at = b != NULL && uid != 0 ? state_message(b, uid) : -1;
	uint32_t content, size;
	char subject[32];

	if (at < 0)
		return;
	content = b->m[at].content;
	size = r->contents.size[content];
	if ((t->fetch & TOLD_SIZE) != 0 && contents_find(&r->contents, t->size) != content)
		run_fail(r, "message %u of %u bytes has %llu", content, size,
		    (unsigned long long)t->size);
	if ((t->fetch & TOLD_BODY) == 0)
		return;
	snprintf(subject, sizeof(subject), "Subject: s%05u\r\n", content);
	if (memmem(t->body.p, t->body.n, subject, strlen(subject)) == NULL)
		run_fail(r, "not message %u: \"%.*s\"", content, STR_F(str_sub(t->body, 0, 200)));
	if (str_eq(t->section, STR("BODY[]")) && contents_find(&r->contents, t->body.n) != content)
		run_fail(r, "message %u of %u bytes has %zu", content, size, t->body.n);
}

/* A message is \Recent in one session only, but for those that only read (RFC 3501 2.3.2). */
static void
check_recent(struct run *r, const struct player *p, uint32_t uid)
{
	struct recent *known = &r->recents[hash_u64(p->box * 1000003 + uid) % RECENTS];

	if (p->box == 0 || uid == 0 || p->is_read_only)
		return;
	if (known->box == p->box && known->uid == uid && known->selection != p->selection)
		run_fail(r, "UID %u is \\Recent in two sessions", uid);
	*known = (struct recent){ .box = p->box, .selection = p->selection, .uid = uid };
}

static void
take_fetch(struct run *r, struct player *p, struct answer *a, const struct told *t)
{
	uint32_t uid = t->number - 1 < p->pic.n ? p->pic.m[t->number - 1].uid : 0;

	check_contents(r, p, t, uid);
	if (t->is_recent)
		check_recent(r, p, uid);
	if (a == NULL || a->fetched_count == PICTURE_MAX)
		return;
	a->has_notes[a->fetched_count] = (t->fetch & TOLD_NOTES) != 0;
	if (a->has_notes[a->fetched_count] && !notes_take(t->notes, &a->notes[a->fetched_count]))
		run_fail(r, "annotations: %.*s", STR_F(t->notes));
	a->fetched[a->fetched_count++] = uid;
}

static void
take_resync(struct player *p, const struct told *t)
{
	RANGESET_CLEAN struct rangeset gone = RANGESET_NONE;
	uint32_t n = 0, i = 0;

	if (t->kind == TOLD_VANISHED && str_starts(t->rest, STR("(EARLIER) "))) {
		told_numbers(str_sub(t->rest, 10, t->rest.n), &gone);
		for (i = 0; i < p->old_n; i++) {
			if (!rangeset_contains(&gone, p->old[i].uid))
				p->old[n++] = p->old[i];
		}
		p->old_n = n;
	} else if (t->kind == TOLD_FETCH && (t->fetch & TOLD_UID) != 0) {
		while (i < p->old_n && p->old[i].uid < t->uid)
			i++;
		if ((i == p->old_n || p->old[i].uid != t->uid) && p->old_n < PICTURE_MAX) {
			memmove(&p->old[i + 1], &p->old[i], (p->old_n - i) * sizeof(*p->old));
			p->old_n++;
		}
		p->old[i] = (struct seen){ .uid = t->uid,
			.has_flags = true,
			.flags = t->flags,
			.modseq = t->modseq };
	}
}

/* What a silent STORE did, a client knows by itself. */
static void
believe_own_store(struct player *p, const struct plan *plan, const struct answer *a)
{
	const struct act *act = &plan->act;
	bool is_done = strcmp(a->condition, "OK") == 0 || strcmp(a->code, "EXPUNGEISSUED") == 0
	    || strcmp(a->code, "MODIFIED") == 0;

	for (uint32_t i = 0; i < p->pic.n && is_done; i++) {
		struct seen *m = &p->pic.m[i];
		bool is_named = false;

		for (uint32_t k = 0; k < act->n; k++)
			is_named |= act->uids[k] == m->uid;
		if (!is_named || rangeset_contains(&a->uids, act->is_uid ? m->uid : i + 1))
			continue;
		m->flags = act->how == HOW_SET ? act->flags
		    : act->how == HOW_ADD      ? m->flags | act->flags
					       : (uint16_t)(m->flags & ~act->flags);
	}
}

void
run_take(struct run *r, struct player *p, const struct plan *plans, uint32_t plan_count)
{
	struct told t;

	while (picture_next(&p->pic, &t)) {
		uint32_t at = p->pic.tag_done + (t.kind == TOLD_TAGGED ? 0 : 1) - p->first_tag;
		struct answer *a = at < plan_count ? &p->answers[at] : NULL;

		run_log(r, 'S', p, t.line);
		if (p->pic.wrong[0] != '\0')
			run_fail(r, "%s", p->pic.wrong);
		if (p->has_old && p->pic.is_selecting)
			take_resync(p, &t);
		if (t.kind == TOLD_FETCH)
			take_fetch(r, p, a, &t);
		if (t.kind == TOLD_CONDITION && str_starts(t.code, STR("NOUPDATE ")))
			kept_refused(r, p, str_sub(t.code, 9, t.code.n));
		/* What is being cancelled is told no more, from some moment on (RFC 5267 4.3.5). */
		if (t.kind == TOLD_EXPUNGE && a != NULL)
			kept_forget(p, plans[at].cancels);
		if (t.kind == TOLD_EXPUNGE)
			kept_expunge(r, p, t.number);
		if (t.kind == TOLD_SEARCH || t.kind == TOLD_ESEARCH)
			found_take(r, p, a != NULL ? &plans[at] : NULL, p->first_tag + at, a, &t);
		if (a == NULL)
			continue;
		if (t.kind == TOLD_LIST || t.kind == TOLD_LSUB)
			take_list(r, a, &t);
		else if (t.kind == TOLD_STATUS)
			copy_text(a->status, sizeof(a->status), t.rest);
		else if (t.kind == TOLD_METADATA && !metadata_take(t.rest, a))
			run_fail(r, "metadata: %.*s", STR_F(t.line));
		else if (t.kind == TOLD_CONDITION && t.code.p != NULL)
			take_code(r, a, t.code);
		else if (t.kind == TOLD_TAGGED) {
			struct str rest = t.code;

			a->is_there = true;
			/* LOGIN's and IDLE's are other ones, and those with a code may be. */
			if (p->phase == PLAYER_SELECTED && str_eq(t.condition, STR("OK"))
			    && t.code.p == NULL
			    && str_ends(t.rest, STR(" completed.")) == p->is_foreign)
				run_fail(r, "in which language? %.*s", STR_F(t.line));
			copy_text(a->condition, sizeof(a->condition), t.condition);
			copy_text(a->code, sizeof(a->code), picture_word(&rest));
			if (t.code.p != NULL)
				take_code(r, a, t.code);
			if (plans[at].cancels != 0 && !str_eq(t.condition, STR("OK")))
				run_fail(r, "CANCELUPDATE is refused");
			kept_forget(p, plans[at].cancels);
			if (plans[at].act.op == ACT_STORE && plans[at].act.is_silent)
				believe_own_store(p, &plans[at], a);
		}
	}
}

/* ---- what changes something ---- */

static bool misfit(char *why, size_t size, const char *fmt, ...) printf_like(3, 4);

static bool
misfit(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return false;
}

static bool
is_set(const struct rangeset *set, const uint32_t *uids, uint32_t n)
{
	RANGESET_CLEAN struct rangeset want = RANGESET_NONE;

	for (uint32_t i = 0; i < n; i++)
		rangeset_add_one(&want, uids[i]);
	return rangeset_eq(set, &want);
}

/* A command that was done tells how far, and one that was not tells nothing, unless that is why. */
static bool
limit_fits(const struct plan *plan, const struct answer *a, char *why, size_t size)
{
	enum act_op op = plan->act.op;
	bool is_done = strcmp(a->condition, "OK") == 0 || strcmp(a->code, "MESSAGELIMIT") == 0
	    || ((op == ACT_STORE || op == ACT_ANNOTATE || op == ACT_FETCH)
		&& (strcmp(a->code, "EXPUNGEISSUED") == 0 || strcmp(a->code, "MODIFIED") == 0));
	uint32_t want = is_done ? plan->limit_uid : 0;

	return a->limit_uid == want
	    || misfit(why, size, "done down to UID %u, want %u", a->limit_uid, want);
}

bool
answer_fits(const struct plan *plan, const struct answer *a, const struct outcome *o, char *why,
    size_t size)
{
	const struct act *act = &plan->act;
	/* With both, the code is MODIFIED (RFC 7162 3.1.3). */
	bool is_refused = strcmp(a->condition, "NO") == 0
	    && strcmp(a->code, o->modified_count > 0 ? "MODIFIED" : "EXPUNGEISSUED") == 0;

	if (!a->is_there)
		return misfit(why, size, "no answer");
	if (!limit_fits(plan, a, why, size))
		return false;
	if (o->may_be_refused && is_refused && !act->is_uid
	    && (act->op == ACT_STORE || act->op == ACT_ANNOTATE || act->op == ACT_FETCH))
		return true;
	if (strcmp(a->condition, o->condition) != 0)
		return misfit(why, size, "answered %s [%s], want %s [%s]", a->condition, a->code,
		    o->condition, o->code != NULL ? o->code : "");
	if (o->code != NULL && !plan->is_delivery && strcmp(a->code, o->code) != 0)
		return misfit(why, size, "answered code %s, want %s", a->code, o->code);
	if (plan->is_delivery)
		return true; /* LMTP says no UIDs */
	if (act->op == ACT_APPEND || act->op == ACT_COPY || act->op == ACT_MOVE) {
		if (o->n > 0 && o->validity != 0 && a->validity != o->validity)
			return misfit(why, size, "validity %u, want %u", a->validity, o->validity);
		if (!is_set(&a->uids, o->to, o->n))
			return misfit(why, size, "UIDs of the new messages differ");
		if (act->op != ACT_APPEND && !is_set(&a->from, o->from, o->n))
			return misfit(why, size, "UIDs of the copied messages differ");
	}
	if ((act->op == ACT_STORE || act->op == ACT_ANNOTATE) && act->is_uid
	    && !is_set(&a->uids, o->modified, o->modified_count))
		return misfit(why, size, "MODIFIED differs");
	return true;
}

/* ---- what only tells ---- */

static void
check_fetch(struct run *r, struct player *p, const struct plan *plan, const struct answer *a)
{
	const struct state_box *b = state_box_by_id(&r->state, p->box);

	for (uint32_t i = 0; i < plan->target_count && b != NULL; i++) {
		uint32_t k = 0;

		if (state_message(b, plan->targets[i]) < 0)
			continue;
		while (k < a->fetched_count
		    && (a->fetched[k] != plan->targets[i]
			|| a->has_notes[k] != ((plan->items & TOLD_NOTES) != 0)))
			k++;
		if (k == a->fetched_count)
			run_fail(r, "no FETCH of UID %u", plan->targets[i]);
	}
}

static void
check_status(struct run *r, const struct plan *plan, const struct answer *a)
{
	const struct state_box *b = state_box(&r->state, plan->act.name);
	uint32_t unseen = 0, deleted = 0;
	char want[200];

	if (b == NULL || b->is_level) {
		if (strcmp(a->condition, "NO") != 0 || a->status[0] != '\0')
			run_fail(r, "STATUS of a mailbox that is not there");
		return;
	}
	for (uint32_t i = 0; i < b->n; i++) {
		unseen += (b->m[i].flags & FLAG_SEEN) == 0;
		deleted += (b->m[i].flags & FLAG_DELETED) != 0;
	}
	snprintf(want, sizeof(want),
	    "%s (MESSAGES %u UIDNEXT %u UIDVALIDITY %u UNSEEN %u DELETED %u)", b->name, b->n,
	    b->uidnext, b->validity, unseen, deleted);
	if (strcmp(a->status, want) != 0)
		run_fail(r, "STATUS %s, want %s", a->status, want);
}

/* A name that is only subscribed to is no child. */
static bool
has_mailbox_below(const struct state *s, const char *name)
{
	size_t n = strlen(name);

	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->box[i].is_level && strncmp(s->box[i].name, name, n) == 0
		    && s->box[i].name[n] == '/')
			return true;
	}
	return false;
}

static bool
is_listed(const struct run *r, const struct plan *plan, const struct state_box *b)
{
	size_t above = strlen(plan->above);

	if (plan->has_percent && above > 0
	    && (strncmp(b->name, plan->above, above) != 0 || b->name[above] != '/'))
		return false;
	if (plan->has_percent && strchr(b->name + (above > 0 ? above + 1 : 0), '/') != NULL)
		return false;
	if (plan->list != LIST_ALL)
		return b->is_subscribed;
	return !b->is_level || has_mailbox_below(&r->state, b->name);
}

static void
check_list(struct run *r, const struct plan *plan, const struct answer *a)
{
	uint32_t want = 0;

	for (uint32_t i = 0; i < r->state.n; i++) {
		const struct state_box *b = &r->state.box[i];
		uint32_t k = 0;
		bool is_missing;

		if (!is_listed(r, plan, b))
			continue;
		want++;
		while (k < a->name_count && strcmp(a->names[k], b->name) != 0)
			k++;
		if (k == a->name_count)
			run_fail(r, "%s is not listed", b->name);
		is_missing = strstr(a->attributes[k], "\\Noselect") != NULL
		    || strstr(a->attributes[k], "\\NonExistent") != NULL;
		if (is_missing != b->is_level)
			run_fail(r, "%s has attributes %s", b->name, a->attributes[k]);
		if (has_mailbox_below(&r->state, b->name)
			!= (strstr(a->attributes[k], "\\HasChildren") != NULL)
		    && plan->list != LIST_OLD)
			run_fail(r, "%s has attributes %s", b->name, a->attributes[k]);
	}
	if (want != a->name_count)
		run_fail(r, "%u names are listed, want %u", a->name_count, want);
}

void
check_answer(struct run *r, struct player *p, const struct plan *plan, const struct answer *a,
    const struct seen *before, uint32_t before_n)
{
	char why[100];

	if (!limit_fits(plan, a, why, sizeof(why)))
		run_fail(r, "%s", why);
	switch (plan->act.op) {
	case ACT_SEARCH:
		if (strcmp(a->condition, "OK") != 0)
			run_fail(r, "SEARCH is refused");
		found_check(r, p, plan, a, before, before_n);
		break;
	case ACT_FETCH:
		check_fetch(r, p, plan, a);
		notes_check(r, plan, a, before, before_n);
		break;
	case ACT_GETMETADATA:
		metadata_check(r, plan, a);
		break;
	case ACT_STATUS:
		check_status(r, plan, a);
		break;
	case ACT_LIST:
		check_list(r, plan, a);
		break;
	case ACT_APPEND:
	case ACT_STORE:
	case ACT_COPY:
	case ACT_MOVE:
	case ACT_EXPUNGE:
	case ACT_CREATE:
	case ACT_DELETE:
	case ACT_RENAME:
	case ACT_SUBSCRIBE:
	case ACT_UNSUBSCRIBE:
	case ACT_SETMETADATA:
	case ACT_ANNOTATE:
	case ACT_OPS_THAT_CHANGE:
	case ACT_NOOP:
	case ACT_CANCEL:
	case ACT_SELECT:
	case ACT_CLOSE:
	case ACT_UNSELECT:
	case ACT_IDLE:
	case ACT_DONE:
		break;
	}
}

/* ---- the picture ---- */

/* One message of both: what was told must be true, what was not told is learnt. */
static void
check_message(struct run *r, const struct player *p, uint32_t i, struct seen *m,
    const struct state_message *t)
{
	bool tells_modseq = p->pic.is_condstore;

	if (m->has_flags && m->flags != t->flags)
		run_fail(r, "message %u, UID %u: the client believes flags %x, they are %x", i + 1,
		    t->uid, m->flags, t->flags);
	if (tells_modseq && m->modseq != 0 && m->modseq != t->modseq)
		run_fail(r, "message %u, UID %u: the client believes modseq %llu, it is %llu",
		    i + 1, t->uid, (unsigned long long)m->modseq, (unsigned long long)t->modseq);
	*m = (struct seen){ .uid = t->uid,
		.has_flags = true,
		.flags = t->flags,
		.modseq = t->modseq,
		.notes = t->notes };
}

void
check_picture(struct run *r, struct player *p, bool with_ghosts)
{
	static const struct state_box none;
	const struct state_box *b = state_box_by_id(&r->state, p->box);
	struct picture *pic = &p->pic;
	uint32_t k = 0;

	if (p->phase != PLAYER_SELECTED && p->phase != PLAYER_IDLE)
		return;
	if (b == NULL)
		b = &none;
	for (uint32_t i = 0; i < pic->n; i++) {
		struct seen *m = &pic->m[i];

		if (k < b->n && (m->uid == 0 || m->uid == b->m[k].uid)) {
			check_message(r, p, i, m, &b->m[k]);
			k++;
			continue;
		}
		/* Of one whose UID was never told, and that is gone, there is nothing to hold. */
		if (m->uid == 0 && !with_ghosts)
			run_fail(r, "message %u was told and is not there", i + 1);
		if (!with_ghosts)
			run_fail(r, "message %u, UID %u, is gone and was not told so", i + 1,
			    m->uid);
		if (k < b->n && m->uid > b->m[k].uid)
			run_fail(r, "UID %u was not told", b->m[k].uid);
	}
	if (k < b->n)
		run_fail(r, "UID %u was not told", b->m[k].uid);
	if (!with_ghosts)
		kept_check(r, p, b);
}

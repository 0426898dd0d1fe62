/* plan_search.c - SEARCH and SORT, and the end of those that are kept up to date. */
#include "model/run.h"

#include "imap/flags.h"

static uint64_t
rnd(struct run *r, uint64_t n)
{
	return sim_random(&r->sim, n);
}

/* The messages that the program's sets leave to it count, not those that it finds. */
static void
cut_search(const struct run *r, const struct player *p, struct plan *out)
{
	uint32_t n = 0;

	for (uint32_t i = p->pic.n; r->limit != 0 && i-- > 0;) {
		const uint32_t uid = p->pic.m[i].uid;
		bool is_named = true;

		for (uint32_t k = 0; k < out->key_count; k++) {
			const struct plan_key *key = &out->keys[k];

			if (key->kind == KEY_UIDS && !key->is_not)
				is_named &= uid >= key->first && uid <= key->last;
		}
		n += is_named;
		if (is_named && n == r->limit)
			out->limit_uid = uid;
	}
	if (n <= r->limit)
		out->limit_uid = 0;
}

static void
plan_uids(struct run *r, struct plan_key *k, struct buf *text)
{
	uint64_t how = rnd(r, 4);

	if (how == 0) {
		buf_printf(text, "UIDAFTER %u", k->first);
		k->first++;
		k->last = UINT32_MAX;
	} else if (how == 1) {
		buf_printf(text, "UIDBEFORE %u", k->first);
		k->last = k->first - 1;
		k->first = 1;
	} else {
		buf_printf(text, "UID %u:%u", k->last, k->first);
	}
}

static void
plan_keys(struct run *r, const struct player *p, struct plan *out)
{
	static const struct {
		const char *yes, *no;
		uint16_t flag;
	} flags[] = {
		{ "SEEN", "UNSEEN", FLAG_SEEN },
		{ "ANSWERED", "UNANSWERED", FLAG_ANSWERED },
		{ "FLAGGED", "UNFLAGGED", FLAG_FLAGGED },
		{ "DELETED", "UNDELETED", FLAG_DELETED },
		{ "DRAFT", "UNDRAFT", FLAG_DRAFT },
		{ "KEYWORD k1", "UNKEYWORD k1", 2 << SEEN_KEYWORD_SHIFT },
		{ "KEYWORD $forwarded", "UNKEYWORD $FORWARDED", 1 << SEEN_KEYWORD_SHIFT },
	};
	const struct picture *pic = &p->pic;

	out->key_count = 1 + (uint32_t)rnd(r, 3);
	for (uint32_t i = 0; i < out->key_count; i++) {
		struct plan_key *k = &out->keys[i];
		size_t some = rnd(r, ARRAY_LEN(flags));

		*k = (struct plan_key){ .is_not = rnd(r, 4) == 0 };
		buf_c(&out->text, k->is_not ? " NOT " : " ");
		switch (rnd(r, 10)) {
		case 0:
			k->kind = KEY_ALL;
			buf_lit(&out->text, "ALL");
			break;
		case 1:
			k->kind = KEY_LARGER;
			k->number = 64 + rnd(r, r->contents.n + 1);
			buf_printf(&out->text, "LARGER %llu", (unsigned long long)k->number);
			break;
		case 2:
			k->kind = KEY_SUBJECT;
			k->number = rnd(r, r->contents.n + 1);
			buf_printf(&out->text, "SUBJECT S%05u", (unsigned)k->number);
			break;
		case 3:
			k->kind = KEY_UIDS;
			k->first = 1 + (uint32_t)rnd(r, 40);
			k->last = k->first + (uint32_t)rnd(r, 40);
			plan_uids(r, k, &out->text);
			break;
		case 4:
			if (pic->is_condstore) {
				k->kind = KEY_MODSEQ;
				k->number = rnd(r, pic->known + 2);
				buf_printf(&out->text, "MODSEQ %llu",
				    (unsigned long long)k->number);
				break;
			}
			/* fallthrough */
		default:
			k->kind = KEY_FLAG;
			k->flag = flags[some].flag;
			if (rnd(r, 2) == 0) {
				buf_c(&out->text, flags[some].yes);
				break;
			}
			/* NOT UNSEEN */
			k->is_not = !k->is_not;
			buf_c(&out->text, flags[some].no);
			break;
		}
	}
}

/* What is done with the result. */
static void
plan_return(struct run *r, const struct player *p, bool only_changes, struct plan *out)
{
	bool is_free = r->limit == 0 && !only_changes, has_room = false;
	/* VANISHED tells no numbers. */
	bool is_told_numbers = out->act.is_uid || !p->pic.is_qresync;

	for (unsigned i = 0; i < KEPT; i++)
		has_room |= p->kept[i].tag == 0;
	out->is_extended = rnd(r, 3) == 0;
	out->saves = rnd(r, 3) == 0;
	if (r->has_notes && is_free && !out->saves && out->is_extended && has_room
	    && is_told_numbers) {
		out->is_context = true;
		buf_lit(&out->text, " RETURN (UPDATE ALL COUNT)");
	} else if (is_free && out->is_extended && rnd(r, 3) == 0) {
		int32_t first = 1 + (int32_t)rnd(r, 12), last = first + (int32_t)rnd(r, 6),
			sign = rnd(r, 3) == 0 ? -1 : 1;

		out->part_first = sign * first;
		out->part_last = sign * last;
		buf_printf(&out->text, " RETURN (%sPARTIAL %d:%d)", out->saves ? "SAVE " : "",
		    out->part_first, out->part_last);
	} else if (out->saves) {
		buf_c(&out->text, out->is_extended ? " RETURN (SAVE ALL COUNT)" : " RETURN (SAVE)");
	} else {
		buf_c(&out->text, out->is_extended ? " RETURN (ALL COUNT)" : "");
	}
}

static void
plan_sorts(struct run *r, struct plan *out)
{
	static const char
	    *const names[] = { [BY_FROM] = "FROM", [BY_SIZE] = "SIZE", [BY_SUBJECT] = "SUBJECT" };

	out->sort_count = 1 + (uint32_t)rnd(r, PLAN_SORTS);
	buf_lit(&out->text, " (");
	for (uint32_t i = 0; i < out->sort_count; i++) {
		struct plan_sort *s = &out->sorts[i];
		const struct annotated_name *note;

		/* What is annotated may have changed without having been told. */
		s->by = rnd(r, out->is_context ? BY_NOTE + 1 : BY_NOTE);
		s->is_reverse = rnd(r, 3) == 0;
		s->note = (unsigned)rnd(r, ANNOTATED_NOTES);
		note = &annotated_notes[s->note];
		buf_printf(&out->text, "%s%s", i == 0 ? "" : " ", s->is_reverse ? "REVERSE " : "");
		if (s->by == BY_NOTE)
			buf_printf(&out->text, "ANNOTATION %s value.%s", note->name,
			    note->is_shared ? "shared" : "priv");
		else
			buf_c(&out->text, names[s->by]);
	}
	buf_lit(&out->text, ") UTF-8");
}

void
plan_search(struct run *r, struct player *p, bool only_changes, struct plan *out)
{
	bool sorts = r->limit == 0 && rnd(r, 2) == 0;

	out->act.op = ACT_SEARCH;
	out->act.is_uid = rnd(r, 2) == 0;
	out->may_expunge = out->act.is_uid;
	buf_printf(&out->text, "%s%s", out->act.is_uid ? "UID " : "", sorts ? "SORT" : "SEARCH");
	plan_return(r, p, only_changes, out);
	if (sorts)
		plan_sorts(r, out);
	plan_keys(r, p, out);
	cut_search(r, p, out);
}

bool
plan_cancel(struct run *r, const struct player *p, struct plan *out)
{
	unsigned some = 1 + (unsigned)rnd(r, (1u << KEPT) - 1);

	for (unsigned i = 0; i < KEPT; i++) {
		if (p->kept[i].tag == 0 || (some >> i & 1) == 0)
			continue;
		buf_printf(&out->text, "%s \"t%u\"", out->cancels == 0 ? "CANCELUPDATE" : "",
		    p->kept[i].tag);
		out->cancels |= 1u << i;
	}
	if (out->cancels == 0)
		return false;
	out->act.op = ACT_CANCEL;
	out->may_expunge = true;
	return true;
}

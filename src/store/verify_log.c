/*
 * verify_log.c - the past of an account: undo records, which hold expunged messages and deleted
 * mailboxes, and the change log of expunged UIDs (docs/file-format.md, A5, A6). A change log that
 * is lost is made up for by its floor: who asks for what vanished before it gets the complement of
 * what is there.
 */
#include "store/verify_int.h"

#include "store/undo_int.h"

enum { UNDO_STATUS_BYTES = 52 }; /* in front of the mailbox row, in a section `D` */

static void
tell_log(struct verify_account *a, enum verify_kind kind, const struct verify_box *b, bool is_lost,
    bool is_repaired, const char *detail)
{
	struct verify_finding f = verify_finding_of(a, kind, b);

	f.is_lost = is_lost;
	f.is_repaired = is_repaired;
	f.detail = str_c(detail);
	verify_tell(a->v, &f);
}

/* ---- undo records ---- */

static void
dropped_add(struct verify_account *a, const struct undo_section *s)
{
	struct verify_box *b = verify_box_add(a, s->id);
	struct str *keywords = arena_array(&a->arena, struct str, KEYWORDS_MAX);
	struct mailbox_row row;

	b->is_dropped = true;
	if (s->body.n > UNDO_STATUS_BYTES
	    && status_row_decode(str_sub(s->body, 0, UNDO_STATUS_BYTES), &b->status) == ERR_OK
	    && mailbox_row_decode(arena_str(&a->arena,
				      str_sub(s->body, UNDO_STATUS_BYTES, s->body.n)),
		   &row, keywords)
		== ERR_OK)
		b->name = row.name;
}

static void
take_undo(void *ctx, struct str key, struct str value)
{
	struct verify_account *a = ctx;
	struct undo_section s;
	uint64_t version;
	struct str rest;
	int64_t time_ms;

	if (!row_key_parse_undo(key, &version) || undo_decode(value, &time_ms, &rest) != ERR_OK) {
		tell_log(a, VERIFY_UNDO, NULL, true, false, "a record makes no sense");
		a->are_refs_whole = false;
		return;
	}
	while (rest.n > 0 && undo_next(&rest, &s)) {
		if (s.kind == 'D')
			dropped_add(a, &s);
		if (s.kind == 'R')
			verify_page_refs(a, s.id, NULL, s.page, s.page_bytes, true);
	}
	if (rest.n == 0)
		return;
	tell_log(a, VERIFY_UNDO, NULL, true, false, "a record ends in its middle");
	a->are_refs_whole = false;
}

/* What makes no sense holds nothing: then the links are counted without it. */
static void
take_staged(void *ctx, struct str key, struct str value)
{
	struct verify_account *a = ctx;
	struct staged s;
	uint64_t version;
	struct kv_txn *t;

	if (!row_key_parse_staged(key, &version) || staged_row_decode(value, &s) != ERR_OK) {
		t = verify_repair(a);
		if (t != NULL)
			kv_del(t, KV_LOG, key);
		tell_log(a, VERIFY_UNDO, NULL, false, t != NULL,
		    "what a copy has begun with makes no sense");
		return;
	}
	for (size_t i = 0; i < s.count; i++)
		verify_ref_add(a,
		    &(struct verify_ref){ .n = staged_at(&s, i), .is_expunged = true });
}

void
verify_undo(struct verify_account *a)
{
	struct verify_gaps gaps = { 0 };

	verify_rows(a->v, a->id, KV_LOG, STR("C"), STR("D"), take_staged, a, &gaps);
	verify_rows(a->v, a->id, KV_LOG, STR("U"), STR("V"), take_undo, a, &gaps);
	if (gaps.n > 0) {
		tell_log(a, VERIFY_UNDO, NULL, true, false, "some records can't be read");
		a->are_refs_whole = false;
	}
	verify_gaps_done(&gaps);
}

/* ---- vanished UIDs ---- */

static void
log_wrong(struct verify_account *a, struct verify_box *b, const char *detail)
{
	tell_log(a, VERIFY_CHANGE_LOG, b, false, a->v->o->may_repair, detail);
	a->has_lost_log = true;
}

static void
take_vanished(void *ctx, struct str key, struct str value)
{
	struct verify_account *a = ctx;
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE, both = RANGESET_NONE,
				       sum = RANGESET_NONE;
	struct mailbox_id id;
	struct verify_box *b;
	uint64_t version;

	if (!row_key_parse_vanished(key, &id, &version))
		return;
	b = verify_box_find(a, id);
	if (b == NULL)
		/* of a mailbox that is gone: its log goes with what is left of it */
		return;
	if (vanished_row_decode(value, &uids) != ERR_OK) {
		log_wrong(a, b, "a row makes no sense");
		return;
	}
	rangeset_intersect(&both, &uids, &b->uids);
	if (!rangeset_is_empty(&both) && !b->is_dropped)
		log_wrong(a, b, "it names UIDs that are there");
	rangeset_clear(&both);
	rangeset_intersect(&both, &uids, &b->vanished);
	if (!rangeset_is_empty(&both))
		log_wrong(a, b, "it names a UID twice");
	if (b->has_status && rangeset_max(&uids) >= b->status.uidnext)
		log_wrong(a, b, "it names UIDs that were never given");
	if (version > a->version)
		log_wrong(a, b, "a row is of a version that was never made");
	rangeset_union(&sum, &uids, &b->vanished);
	rangeset_copy(&b->vanished, &sum);
}

/* A6: as long as nothing was cut off, what is neither there nor vanished is lost. */
static void
whole_check(struct verify_account *a, struct verify_box *b)
{
	uint64_t known = rangeset_count(&b->uids) + rangeset_count(&b->vanished);

	if (!b->has_row || !b->has_status || b->has_lost_pages || !a->has_row
	    || a->row.log_floor > 0 || a->has_lost_log)
		return;
	if (known + 1 < b->status.uidnext)
		log_wrong(a, b, "UIDs are gone that it does not name");
}

void
verify_change_log(struct verify_account *a)
{
	struct verify_gaps gaps = { 0 };

	verify_rows(a->v, a->id, KV_LOG, STR("V"), STR("W"), take_vanished, a, &gaps);
	if (gaps.n > 0)
		log_wrong(a, NULL, "some rows can't be read");
	verify_gaps_done(&gaps);
	for (size_t i = 0; i < a->box_count; i++)
		whole_check(a, &a->boxes[i]);
}

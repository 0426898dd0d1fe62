/*
 * verify_account.c - an account: its rows are taken, and given to who proves them; its own row is
 * made anew from what there is (docs/file-format.md, A1, A3).
 */
#include "store/verify_int.h"

#include <stdlib.h>

/* Ids of mailboxes that are asked for one by one. */
enum { PROBES_MAX = 1 << 20 };

struct verify_finding
verify_finding_of(struct verify_account *a, enum verify_kind kind, const struct verify_box *b)
{
	struct verify_finding f = { .kind = kind, .account = a->id, .user = a->user };

	if (b != NULL) {
		f.mailbox = b->id;
		f.mailbox_name = b->name;
		f.is_expunged = b->is_dropped;
	}
	return f;
}

void
verify_tell_of(struct verify_account *a, enum verify_kind kind, const struct verify_box *b,
    bool is_lost, bool is_repaired, const char *detail)
{
	struct verify_finding f = verify_finding_of(a, kind, b);

	f.is_lost = is_lost;
	f.is_repaired = is_repaired;
	f.detail = str_c(detail);
	verify_tell(a->v, &f);
}

struct kv_txn *
verify_repair(struct verify_account *a)
{
	if (!a->v->o->may_repair)
		return NULL;
	if (a->txn == NULL)
		a->txn = kv_txn_new(a->v->kv, a->id, KV_UNVERSIONED, KV_UNVERSIONED);
	return a->txn;
}

void
verify_repair_end(struct verify_account *a)
{
	if (a->txn != NULL && kv_commit_now(a->v->kv, &a->txn, 1) != ERR_OK)
		a->v->is_unwritten = true;
	a->txn = NULL;
}

static void
take_row(void *ctx, struct str key, struct str value)
{
	struct verify_account *a = ctx;
	struct str *keywords = arena_array(&a->arena, struct str, KEYWORDS_MAX);
	struct str row = arena_str(&a->arena, value);
	struct mailbox_id id;
	struct verify_box *b;

	switch (key.n == 0 ? 0 : key.p[0]) {
	case 'A':
		a->has_row = account_row_decode(row, &a->row) == ERR_OK;
		break;
	case 'L':
		verify_limits(a, key, value);
		break;
	case 'M':
		if (!row_key_parse_mailbox(key, &id))
			break;
		b = verify_box_add(a, id);
		b->has_row = mailbox_row_decode(row, &b->row, keywords) == ERR_OK;
		if (b->has_row)
			b->row.keywords = keywords;
		break;
	case 'Q':
		verify_seen_row(a, key, row);
		break;
	case 'S':
		if (!row_key_parse_mailbox(key, &id))
			break;
		b = verify_box_add(a, id);
		b->has_status = status_row_decode(row, &b->status) == ERR_OK;
		break;
	}
}

/* Rows in a gap are asked for by the ids that there can be. */
static void
probe(struct verify_account *a, struct row_key key, const struct verify_gaps *gaps)
{
	struct str value = STR_NONE;
	struct mailbox_id id;

	if (!verify_gaps_have(gaps, row_key_str(&key)))
		return;
	if (verify_row(a->v, &a->arena, a->id, KV_ROW, row_key_str(&key), &value) != ERR_OK) {
		if (row_key_parse_mailbox(row_key_str(&key), &id))
			verify_box_add(a, id); /* without this row: it is told later */
	} else if (value.p != NULL) {
		take_row(a, row_key_str(&key), value);
	}
}

static void
rows_take(struct verify_account *a)
{
	struct verify_gaps gaps = { 0 };
	uint64_t ids = 0;

	verify_rows(a->v, a->id, KV_ROW, STR("A"), STR("T"), take_row, a, &gaps);
	if (gaps.n > 0) {
		probe(a, row_key_account(), &gaps);
		ids = a->has_row       ? a->row.next_mailbox
		    : a->box_count > 0 ? a->boxes[a->box_count - 1].id.v + 64
				       : 64;
	}
	for (uint64_t id = 1; id < MIN(ids, PROBES_MAX) && !a->v->is_stopped; id++) {
		probe(a, row_key_mailbox((struct mailbox_id){ id }), &gaps);
		probe(a, row_key_status((struct mailbox_id){ id }), &gaps);
	}
	verify_gaps_done(&gaps);
}

static void
row_check(struct verify_account *a)
{
	struct account_row want = a->row;
	uint64_t size = 0, messages = 0, next_box = 1;
	uint32_t validity = 0, highest = 0;
	bool is_wrong;
	struct kv_txn *t;
	BUF_CLEAN struct buf row = BUF_MAX(ACCOUNT_ROW_MAX_BYTES);
	struct row_key key = row_key_account();

	for (size_t i = 0; i < a->box_count; i++) {
		const struct verify_box *b = &a->boxes[i];

		next_box = MAX(next_box, b->id.v + 1);
		if (b->is_dropped && !b->has_row)
			continue;
		size += b->status.size_bytes;
		messages += b->status.exists;
		validity = MAX(validity, b->row.uidvalidity);
	}
	for (size_t i = 0; i < a->ref_count; i++)
		highest = MAX(highest, a->refs[i].n.v);
	want.size_bytes = size;
	want.messages = messages;
	want.next_mailbox = MAX(want.next_mailbox, next_box);
	want.next_uidvalidity = MAX(want.next_uidvalidity, validity + 1);
	want.next_msgno = MAX(want.next_msgno, highest);
	if (!a->has_row) {
		want.next_msgno = highest < UINT32_MAX - VERIFY_UIDS_APART
		    ? highest + VERIFY_UIDS_APART
		    : highest;
		want.log_floor = a->version; /* clients resynchronise */
		want.user = a->user;
	}
	is_wrong = !a->has_row || a->is_row_changed || want.size_bytes != a->row.size_bytes
	    || want.messages != a->row.messages || want.next_mailbox != a->row.next_mailbox
	    || want.next_uidvalidity != a->row.next_uidvalidity
	    || want.next_msgno != a->row.next_msgno || a->row.log_floor > a->version;
	if (a->has_lost_log && want.log_floor < a->version) {
		want.log_floor = a->version;
		is_wrong = is_wrong || a->v->o->may_repair;
	}
	if (!is_wrong)
		return;
	want.log_floor = MIN(want.log_floor, a->version);
	t = verify_repair(a);
	if (t != NULL) {
		account_row_encode(&want, &row);
		kv_put(t, KV_ROW, row_key_str(&key), buf_str(&row));
	}
	if ((a->has_lost_log || a->is_row_changed) && a->has_row)
		return; /* told with the log, or with a mailbox */
	verify_tell_of(a, VERIFY_ACCOUNT, NULL, false, t != NULL,
	    a->has_row ? "its sums or counters are wrong" : "it is made anew");
}

/* Without one of these rows nobody can say what the account has: it is not opened. */
static void
refused_tell(struct verify_account *a)
{
	bool is_refused = !a->has_row;

	for (size_t i = 0; i < a->box_count; i++) {
		const struct verify_box *b = &a->boxes[i];

		if (b->is_dropped && !b->has_row && !b->has_status)
			continue;
		is_refused = is_refused || !b->has_row || !b->has_status;
	}
	if (is_refused)
		verify_tell_of(a, VERIFY_REFUSED, NULL, false, a->v->o->may_repair, "");
}

static void
account_done(struct verify_account *a)
{
	verify_repair_end(a);
	for (size_t i = 0; i < a->box_count; i++) {
		rangeset_done(&a->boxes[i].uids);
		rangeset_done(&a->boxes[i].vanished);
	}
	free(a->boxes);
	free(a->refs);
	arena_done(&a->arena);
}

void
verify_account(struct verify *v, struct account_id id, struct str user)
{
	struct verify_account a = { .v = v,
		.id = id,
		.user = user,
		.arena = ARENA_NONE,
		.are_refs_whole = true };

	v->result.accounts++;
	if (kv_versions(v->kv, &id, 1, &a.version) != ERR_OK) {
		bool is_repaired = verify_version_set(v, id);

		verify_tell_of(&a, VERIFY_VERSION, NULL, false, is_repaired, "");
		if (!is_repaired || kv_versions(v->kv, &id, 1, &a.version) != ERR_OK) {
			v->are_links_known = false;
			return;
		}
	}
	rows_take(&a);
	if (a.has_row && user.n > 0 && !str_eq(a.row.user, user))
		verify_tell_of(&a, VERIFY_DIRECTORY, NULL, false, false,
		    "the account's row has another name");
	verify_undo(&a);
	refused_tell(&a);
	verify_names(&a);
	verify_pages(&a);
	verify_change_log(&a);
	verify_boxes(&a);
	verify_seen_check(&a);
	row_check(&a);
	verify_sharing(&a);
	if (!a.are_refs_whole)
		v->are_links_known = false;
	if (!v->is_stopped)
		verify_messages(&a);
	verify_digests(&a);
	account_done(&a);
}

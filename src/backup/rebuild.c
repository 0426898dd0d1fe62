/* rebuild.c - see rebuild.h. */
#include "backup/rebuild.h"

#include "backup/service_int.h"
#include "base/bytes.h"
#include "store/access_key.h"
#include "store/message_record.h"
#include "store/page.h"
#include "store/row.h"

enum { TXN_BYTES = 16 << 20 };

struct rebuild {
	struct repo *from;
	struct kv *kv;
	int64_t now_ms;
	struct rebuild_progress *progress;
	struct buf *detail;
	struct sleeper sleeper;
	struct buf rows, row, blob;
	const struct manifest_account *account;
	uint64_t version; /* of the account as it will be */
	uint64_t base;    /* what was committed of it */
	struct kv_txn *txn;
	size_t txn_bytes;
};

/* ---- transactions ---------------------------------------------------------------------------- */

static enum err
flush(struct rebuild *r, bool is_last)
{
	uint64_t next = is_last ? r->version : r->base + 1;
	enum err e;

	if (r->txn == NULL && !is_last)
		return ERR_OK;
	if (is_last && r->txn == NULL)
		r->txn = kv_txn_new(r->kv, r->account->id, r->base, next);
	e = kv_commit_now(r->kv, &r->txn, 1);
	r->txn = NULL;
	r->txn_bytes = 0;
	r->base = next;
	return e;
}

/* The last transaction makes the account's version: it is begun when all others are through. */
static struct kv_txn *
txn_of(struct rebuild *r)
{
	if (r->txn == NULL)
		r->txn = kv_txn_new(r->kv, r->account->id, r->base, r->base + 1);
	return r->txn;
}

/* ---- messages -------------------------------------------------------------------------------- */

static enum err
stage_bytes(struct rebuild *r, struct str bytes, struct kv_stage **out)
{
	struct kv_stage *stage = kv_stage_new(r->kv);
	struct blob_id id;
	uint64_t length;
	enum err e = ERR_OK;

	while (e == ERR_OK && bytes.n != 0) {
		size_t taken = 0;

		e = UNTIL_DONE(&r->sleeper, kv_stage_write(stage, bytes, &taken, &r->sleeper.w));
		bytes = str_sub(bytes, taken, bytes.n);
	}
	if (e == ERR_OK)
		e = kv_stage_seal(stage, &id, &length);
	if (e == ERR_OK)
		*out = stage;
	else
		kv_stage_unref(stage);
	return e;
}

/*
 * The message's link to its bytes. Without them it has none, and must not name them either: else they
 * would be taken from whoever brings the same again, when this message goes.
 */
static enum err
link_blob(struct rebuild *r, struct msgno n, struct blob_id *id)
{
	struct kv_stage *stage;
	enum err e = repo_read(r->from, id, &r->blob);

	r->progress->messages++;
	if (e == ERR_NOTFOUND || e == ERR_CORRUPT) {
		/*
		 * Everything else is served; this message is damaged, as it was when it was saved
		 * or has become since.
		 */
		*id = (struct blob_id){ { 0 } };
		buf_printf(r->detail,
		    "account %.*s: the bytes of message %u are not in the backup\n",
		    STR_F(r->account->user), n.v);
		r->progress->lost++;
		return ERR_OK;
	}
	if (e == ERR_OK)
		e = stage_bytes(r, buf_str(&r->blob), &stage);
	if (e != ERR_OK)
		return e;
	kv_link(txn_of(r), id, 1, stage);
	kv_stage_unref(stage);
	r->txn_bytes += MIN(r->blob.n, (size_t)KV_CHUNK_BYTES);
	return ERR_OK;
}

/* ---- rows of the new epoch ------------------------------------------------------------------- */

static uint32_t
later(uint32_t n)
{
	return n > UINT32_MAX - EPOCH_STEP ? UINT32_MAX : n + EPOCH_STEP;
}

static enum err
account_row(struct rebuild *r, struct str value)
{
	struct account_row row;
	enum err e = account_row_decode(value, &row);

	if (e != ERR_OK)
		return e;
	row.next_msgno = later(row.next_msgno);
	row.next_mailbox += EPOCH_STEP;
	row.next_uidvalidity = MAX(later(row.next_uidvalidity), (uint32_t)(r->now_ms / 1000));
	row.log_floor = r->version;
	row.log_rows = 0;
	account_row_encode(&row, &r->row);
	return ERR_OK;
}

static enum err
status_row(struct rebuild *r, struct str value)
{
	struct status_row row;
	enum err e = status_row_decode(value, &row);

	if (e != ERR_OK)
		return e;
	row.uidnext = later(row.uidnext);
	row.highestmodseq = r->version;
	status_row_encode(&row, &r->row);
	return ERR_OK;
}

/*
 * Keys of URLs stay behind: what was taken back after the backup would be valid again
 * (store/access_key.h).
 */
static enum err
mailbox_row(struct rebuild *r, struct str value)
{
	BUF_CLEAN struct buf annotations = BUF_MAX(ANNOTATIONS_MAX_BYTES);
	struct str keywords[KEYWORDS_MAX];
	struct mailbox_row row;
	enum err e = mailbox_row_decode(value, &row, keywords);

	if (e != ERR_OK)
		return e;
	access_keys_strip(row.annotations, &annotations);
	row.annotations = buf_str(&annotations);
	mailbox_row_encode(&row, &r->row);
	return ERR_OK;
}

/* Numbers of 8 bytes, one after the other, become the version. */
static void
set_versions(struct rebuild *r, size_t at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_le64(r->row.p + at + 8 * i, r->version);
}

/* The summary of a message, which says where its bytes will be in this store, and the bytes. */
static enum err
put_message(struct rebuild *r, struct msgno n, struct str summary)
{
	struct message_record record;
	enum err e = message_summary_decode(summary, &record);

	if (e != ERR_OK)
		return e;
	e = link_blob(r, n, &record.blob);
	if (e != ERR_OK)
		return e;
	record.has_place = true;
	message_summary_put(txn_of(r), n, &record);
	r->txn_bytes += summary.n;
	return ERR_OK;
}

/* The row as it will be, in r->row; false: it is left out. */
static enum err
convert(struct rebuild *r, enum kv_kind kind, struct str key, struct str value, bool *is_kept)
{
	char letter = key.n == 0 ? 0 : key.p[0];

	*is_kept = true;
	buf_clear(&r->row);
	if (kind == KV_ROW && letter == 'A' && key.n == 1)
		return account_row(r, value);
	if (kind == KV_ROW && letter == 'S' && key.n == 9)
		return status_row(r, value);
	if (kind == KV_ROW && letter == 'M' && key.n == 9)
		return mailbox_row(r, value);
	buf_str_add(&r->row, value);
	if (kind == KV_ROW && letter == 'Q' && value.n == SEEN_ROW_BYTES)
		set_versions(r, 8, 1);
	if (kind == KV_PAGE && letter == 'P'
	    && key.n == row_key_page((struct mailbox_id){ 0 }, 0).n) {
		if (!page_is_valid(value))
			return ERR_CORRUPT;
		set_versions(r, PAGE_HEADER_BYTES, page_count(value));
	}
	if (kind == KV_PAGE && letter == 'Q' && page_private_is_valid(value) && value.n != 0)
		set_versions(r, PAGE_PRIVATE_HEADER_BYTES,
		    (value.n - PAGE_PRIVATE_HEADER_BYTES) / 8);
	/* What links count for is kept with them. */
	*is_kept = kind != KV_LOG || letter == 'U' || letter == 'C';
	return ERR_OK;
}

static enum err
put_row(struct rebuild *r, enum kv_kind kind, struct str key, struct str value)
{
	bool is_kept;
	enum err e = convert(r, kind, key, value, &is_kept);

	if (e != ERR_OK || !is_kept)
		return e;
	if (kind == KV_COUNTER) {
		if (value.n != 8)
			return ERR_CORRUPT;
		kv_add(txn_of(r), key, (int64_t)get_le64(value.p));
	} else if (kind == KV_MESSAGE && key.n == 5 && key.p[0] == 'S') {
		e = put_message(r, (struct msgno){ get_be32(key.p + 1) }, value);
	} else {
		kv_put(txn_of(r), kind, key, buf_str(&r->row));
	}
	r->txn_bytes += key.n + r->row.n;
	return e == ERR_OK && r->txn_bytes >= TXN_BYTES ? flush(r, false) : e;
}

/* ---- accounts -------------------------------------------------------------------------------- */

static enum err
put_kind(struct rebuild *r, const struct account_lists *l, enum kv_kind kind)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < account_list_count(l, kind); i++) {
		struct blob_id id = account_list_at(l, kind, i);
		struct str rest, key, value;

		e = repo_read(r->from, &id, &r->rows);
		rest = buf_str(&r->rows);
		while (e == ERR_OK && rows_next(&rest, &key, &value))
			e = put_row(r, kind, key, value);
		if (e == ERR_OK && rest.n != 0)
			e = ERR_CORRUPT;
	}
	return e;
}

static enum err
put_account(struct rebuild *r, const struct manifest_account *account)
{
	BUF_CLEAN struct buf object = BUF_MAX(SIZE_MAX / 2);
	struct account_lists lists;
	enum err e;

	r->account = account;
	r->base = 0;
	r->version = account->version + EPOCH_VERSIONS;
	e = repo_read(r->from, &account->object, &object);
	if (e == ERR_OK) {
		e = account_lists_decode(buf_str(&object), &lists);
		for (unsigned kind = 0; e == ERR_OK && kind < KV_POSTING; kind++)
			e = put_kind(r, &lists, (enum kv_kind)kind);
		account_lists_done(&lists);
	}
	if (e == ERR_OK)
		e = flush(r, false);
	if (e == ERR_OK)
		e = flush(r, true);
	if (e != ERR_OK && r->txn != NULL)
		kv_txn_abort(r->txn);
	r->txn = NULL;
	r->txn_bytes = 0;
	if (e != ERR_OK)
		buf_printf(r->detail, "account %.*s: %s\n", STR_F(account->user), err_text(e));
	r->progress->accounts++;
	return e == ERR_NOTFOUND ? ERR_CORRUPT : e;
}

/*
 * The directory: rows of users, the next account's id, and what else the server keeps for itself.
 */
static enum err
put_directory(struct rebuild *r, const struct manifest_account *system)
{
	BUF_CLEAN struct buf object = BUF_MAX(SIZE_MAX / 2);
	struct account_lists lists;
	struct kv_txn *t;
	enum err e = repo_read(r->from, &system->object, &object);

	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_CORRUPT : e;
	t = kv_txn_new(r->kv, ACCOUNT_SYSTEM, 0, system->version + EPOCH_VERSIONS);
	e = account_lists_decode(buf_str(&object), &lists);
	for (size_t i = 0; e == ERR_OK && i < account_list_count(&lists, KV_ROW); i++) {
		struct blob_id id = account_list_at(&lists, KV_ROW, i);
		struct str rest, key, value;

		e = repo_read(r->from, &id, &r->rows);
		rest = buf_str(&r->rows);
		while (e == ERR_OK && rows_next(&rest, &key, &value)) {
			uint64_t next;

			buf_clear(&r->row);
			buf_str_add(&r->row, value);
			if (key.n == 1 && key.p[0] == 'N'
			    && u64_row_decode(value, &next) == ERR_OK) {
				buf_clear(&r->row);
				u64_row_encode(next + EPOCH_STEP, &r->row);
			}
			/* What was being removed is not in the backup. */
			if (key.n == 0 || key.p[0] != 'D')
				kv_put(t, KV_ROW, key, buf_str(&r->row));
		}
	}
	account_lists_done(&lists);
	if (e == ERR_OK)
		return kv_commit_now(r->kv, &t, 1);
	kv_txn_abort(t);
	return e == ERR_NOTFOUND ? ERR_CORRUPT : e;
}

static enum err
check_empty(struct kv *kv)
{
	uint64_t version;
	enum err e = kv_versions(kv, &ACCOUNT_SYSTEM, 1, &version);

	return e == ERR_OK && version != 0 ? ERR_EXISTS : e;
}

enum err
rebuild_run(struct repo *from, const struct manifest *m, struct kv *kv, int64_t now_ms,
    struct rebuild_progress *progress, struct buf *detail)
{
	struct rebuild r = { .from = from,
		.kv = kv,
		.now_ms = now_ms,
		.progress = progress,
		.detail = detail,
		.rows = BUF_MAX(SIZE_MAX / 2),
		.row = BUF_MAX(SIZE_MAX / 2),
		.blob = BUF_MAX(SIZE_MAX / 2) };
	enum err e = check_empty(kv);

	sleeper_init(&r.sleeper);
	for (size_t i = 0; e == ERR_OK && i < m->account_count; i++) {
		if (m->accounts[i].id.v != 0)
			e = put_account(&r, &m->accounts[i]);
	}
	/* The directory comes last: what it names is there. */
	for (size_t i = 0; e == ERR_OK && i < m->account_count; i++) {
		if (m->accounts[i].id.v == 0)
			e = put_directory(&r, &m->accounts[i]);
	}
	sleeper_done(&r.sleeper);
	buf_done(&r.rows);
	buf_done(&r.row);
	buf_done(&r.blob);
	return e;
}

/* source.c - see source.h. */
#include "backup/source.h"

#include "base/bytes.h"
#include "kv/crc32c.h"
#include "store/message_record.h"
#include "store/row.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	LOAD_ROWS = 256,
	CUT_MASK = 63,       /* an object of rows ends behind one key of 64 */
	CUT_BYTES = 1 << 20, /* or when it has grown to that */
	USERS_BYTES = 1 << 20,
};

struct source {
	struct kv *kv;
	struct repo *to;
	struct arena *arena;
	struct manifest *m;
	struct source_progress *progress;
	struct buf *detail;
	struct buf row, rows, blob,
	    names; /* names: of blobs, for the next object that lists them */
	struct account_lists lists;
	uint64_t messages, size_bytes; /* of the account */
};

/* ---- message bytes --------------------------------------------------------------------------- */

struct blob_wait {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool is_done;
	enum err e;
	struct kv_bytes *bytes;
};

static void
blob_came(void *ctx, enum err e, struct kv_bytes *bytes)
{
	struct blob_wait *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->is_done = true;
	w->e = e;
	w->bytes = bytes;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

static enum err
blob_piece(struct kv *kv, const struct blob_id *id, uint64_t place, uint64_t offset,
    struct buf *out)
{
	struct blob_wait w = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER };
	enum err e = kv_blob_read(kv, id, place, offset, KV_CHUNK_BYTES, &w.bytes, blob_came, &w);

	if (e == ERR_WAIT) {
		pthread_mutex_lock(&w.lock);
		while (!w.is_done)
			pthread_cond_wait(&w.cond, &w.lock);
		pthread_mutex_unlock(&w.lock);
		e = w.e;
	}
	if (e == ERR_OK) {
		buf_str_add(out, kv_bytes_str(w.bytes));
		kv_bytes_unref(w.bytes);
	}
	return e;
}

enum err
source_blob(struct kv *kv, const struct blob_id *id, uint64_t place, uint64_t bytes,
    struct buf *out)
{
	struct blob_id found;

	buf_clear(out);
	while (out->n < bytes) {
		size_t before = out->n;
		enum err e = blob_piece(kv, id, place, out->n, out);

		if (e == ERR_OK && out->n == before)
			e = ERR_CORRUPT;
		if (e != ERR_OK)
			return e == ERR_END ? ERR_CORRUPT : e;
	}
	object_id(buf_str(out), &found);
	return out->n == bytes && object_id_eq(&found, id) ? ERR_OK : ERR_CORRUPT;
}

static enum err
names_flush(struct source *s)
{
	struct blob_id id;
	enum err e;

	if (s->names.n == 0)
		return ERR_OK;
	e = repo_put(s->to, OBJECT_LIST, buf_str(&s->names), &id);
	buf_clear(&s->names);
	if (e == ERR_OK)
		buf_add(&s->lists.lists[LIST_BLOBS], id.sha256, sizeof(id.sha256));
	return e;
}

static enum err
take_blob(struct source *s, struct str key, struct str summary)
{
	struct message_record r;
	struct blob_id id;
	enum err e = message_summary_decode(summary, &r);

	if (e == ERR_OK && repo_find(s->to, &r.blob) == NULL) {
		e = source_blob(s->kv, &r.blob, r.place, r.blob_bytes, &s->blob);
		if (e == ERR_OK)
			e = repo_put(s->to, OBJECT_BLOB, buf_str(&s->blob), &id);
		s->progress->new_messages++;
	}
	s->progress->messages++;
	if (e == ERR_CORRUPT) {
		/* One damaged message must not keep all others from being saved. */
		buf_printf(s->detail,
		    "account %.*s: message %u is damaged in the store and not in the backup\n",
		    STR_F(s->lists.user), get_be32(key.p + 1));
		s->progress->damaged++;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	buf_add(&s->names, r.blob.sha256, sizeof(r.blob.sha256));
	return r.blob.sha256[31] == 0 || s->names.n >= CUT_BYTES ? names_flush(s) : ERR_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static enum err
rows_flush(struct source *s, enum kv_kind kind)
{
	struct blob_id id;
	enum err e;

	if (s->rows.n == 0)
		return ERR_OK;
	e = repo_put(s->to, OBJECT_ROWS, buf_str(&s->rows), &id);
	buf_clear(&s->rows);
	if (e == ERR_OK)
		buf_add(&s->lists.lists[kind], id.sha256, sizeof(id.sha256));
	return e;
}

static enum err
take_row(struct source *s, enum kv_kind kind, const struct kv_row *row)
{
	struct account_row account;
	const bool is_summary = kind == KV_MESSAGE && row->key.n == 5 && row->key.p[0] == 'S';
	enum err e = ERR_OK;

	/* What a restored store saves again is then what is there. */
	buf_clear(&s->row);
	if (is_summary)
		message_summary_unplace(row->value, &s->row);
	rows_add(&s->rows, row->key, is_summary ? buf_str(&s->row) : row->value);
	if ((crc32c(0, row->key.p, row->key.n) & CUT_MASK) == 0 || s->rows.n >= CUT_BYTES)
		e = rows_flush(s, kind);
	if (e == ERR_OK && is_summary)
		e = take_blob(s, row->key, row->value);
	if (e == ERR_OK && kind == KV_ROW && s->lists.id.v != 0 && row->key.n == 1
	    && row->key.p[0] == 'A' && account_row_decode(row->value, &account) == ERR_OK) {
		s->messages = account.messages;
		s->size_bytes = account.size_bytes;
	}
	return e;
}

static void
tell_gaps(struct source *s, enum kv_kind kind, size_t count)
{
	static const char *const names[KV_KINDS] = { "mailboxes", "numbers of copies",
		"pages of mailboxes", "records of messages", "the past" };

	if (count == 0)
		return;
	buf_printf(s->detail,
	    "account %.*s: some of %s can't be read in the store and are not in the backup\n",
	    STR_F(s->lists.user), names[kind]);
	s->progress->gaps += count;
}

/*
 * All rows of a kind, some at a time: nothing changes meanwhile. One block that can't be read must
 * not keep everything from being saved.
 */
static enum err
take_kind(struct source *s, enum kv_kind kind)
{
	BUF_CLEAN struct buf from = BUF_MAX(4096);
	bool is_last = false;
	enum err e = ERR_OK;

	while (e == ERR_OK && !is_last) {
		struct kv_rows *rows = NULL;
		struct kv_range range = { .kind = kind,
			.from = from.n != 0 ? buf_str(&from) : STR(""),
			.limit = LOAD_ROWS };
		size_t count;

		e = kv_load_readable(s->kv, s->lists.id, &range, &rows, &is_last);
		if (e != ERR_OK)
			return e;
		count = rows->ranges[0].count;
		s->lists.version = rows->version;
		tell_gaps(s, kind, rows->ranges[0].gap_count);
		for (size_t i = 0; e == ERR_OK && i < count; i++)
			e = take_row(s, kind, &rows->ranges[0].rows[i]);
		if (count != 0) {
			buf_clear(&from);
			buf_str_add(&from, rows->ranges[0].rows[count - 1].key);
			buf_chr(&from, '\0');
		}
		kv_rows_free(rows);
	}
	return e == ERR_OK ? rows_flush(s, kind) : e;
}

static enum err
take_account(struct source *s, struct account_id id, struct str user, struct manifest_account *out)
{
	BUF_CLEAN struct buf object = BUF_MAX(SIZE_MAX / 2);
	enum err e = ERR_OK;

	account_lists_init(&s->lists);
	s->lists.id = id;
	s->lists.user = user;
	s->messages = s->size_bytes = 0;
	buf_clear(&s->rows);
	buf_clear(&s->names);
	for (unsigned kind = 0; e == ERR_OK && kind < KV_POSTING; kind++)
		e = take_kind(s, (enum kv_kind)kind);
	if (e == ERR_OK)
		e = names_flush(s);
	*out = (struct manifest_account){ .id = id,
		.version = s->lists.version,
		.messages = s->messages,
		.size_bytes = s->size_bytes,
		.user = user };
	if (e == ERR_OK) {
		account_lists_encode(&s->lists, &object);
		e = repo_put(s->to, OBJECT_ACCOUNT, buf_str(&object), &out->object);
	}
	account_lists_done(&s->lists);
	if (e != ERR_OK && e != ERR_FULL) /* of room where the backup goes: no account's fault */
		buf_printf(s->detail, "account %.*s: %s\n", STR_F(user), err_text(e));
	s->progress->accounts++;
	return e;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Accounts of the directory, with the server's own rows before them. */
static enum err
list_accounts(struct source *s, struct manifest_account **out, size_t *count_out)
{
	struct kv_range range = { .kind = KV_ROW, .from = STR("U"), .to = STR("V") };
	struct kv_rows *rows = NULL;
	struct manifest_account *list;
	size_t n = 1;
	enum err e = kv_load_now(s->kv, ACCOUNT_SYSTEM, &range, 1, &rows);

	if (e != ERR_OK) {
		buf_printf(s->detail, "the directory of accounts: %s\n", err_text(e));
		return e;
	}
	list = arena_array(s->arena, struct manifest_account, rows->ranges[0].count + 1);
	for (size_t i = 0; e == ERR_OK && i < rows->ranges[0].count; i++) {
		const struct kv_row *row = &rows->ranges[0].rows[i];

		list[n].user = arena_str(s->arena, str_sub(row->key, 1, row->key.n));
		e = u64_row_decode(row->value, &list[n++].id.v);
	}
	kv_rows_free(rows);
	*out = list;
	*count_out = n;
	return e;
}

static enum err
take_users(struct source *s, struct str users)
{
	enum err e = ERR_OK;

	s->m->users = arena_array(s->arena, struct blob_id, users.n / USERS_BYTES + 1);
	for (size_t at = 0; e == ERR_OK && at < users.n; at += USERS_BYTES)
		e = repo_put(s->to, OBJECT_USERS, str_sub(users, at, at + USERS_BYTES),
		    &s->m->users[s->m->user_count++]);
	return e;
}

enum err
source_run(struct kv *kv, struct repo *to, struct str users, struct arena *a, struct manifest *m,
    struct source_progress *progress, struct buf *detail)
{
	struct source s = { .kv = kv,
		.to = to,
		.arena = a,
		.m = m,
		.progress = progress,
		.detail = detail,
		.row = BUF_MAX(SIZE_MAX / 2),
		.rows = BUF_MAX(SIZE_MAX / 2),
		.blob = BUF_MAX(SIZE_MAX / 2),
		.names = BUF_MAX(SIZE_MAX / 2) };
	struct manifest_account *list = NULL;
	size_t count = 0;
	enum err e;

	e = take_users(&s, users);
	if (e == ERR_OK)
		e = list_accounts(&s, &list, &count);
	for (size_t i = 0; e == ERR_OK && i < count; i++)
		e = take_account(&s, list[i].id, list[i].user, &list[i]);
	m->accounts = list;
	m->account_count = count;
	buf_done(&s.row);
	buf_done(&s.rows);
	buf_done(&s.blob);
	buf_done(&s.names);
	return e;
}

/*
 * verify_lost.c - messages whose summary is lost look for their bytes. The summary alone names
 * them; but the page knows the message's size, and the header row begins with the prefix and goes
 * on with the first bytes of the blob. So a blob that has a link for which no message was found,
 * the right length and the same first bytes is the message's, if there is only one.
 */
#include "store/verify_int.h"

#include "mime/sortkeys.h"
#include "mime/summary.h"
#include "store/digest_int.h"
#include "store/message.h"

#include <stdlib.h>

struct verify_lost {
	struct verify_lost *next;
	struct arena arena; /* has this too */
	struct account_id account;
	struct str user;
	struct msgno n;

	struct lost_ref {
		struct verify_ref ref;
		struct str mailbox_name;
	} * refs;

	size_t ref_count;
	struct str header_row;
	unsigned candidates;
	struct blob_id blob;
	uint64_t blob_bytes;
};

void
verify_lost_add(struct verify_account *a, struct msgno n, const struct verify_ref *refs,
    size_t count, struct str header_row)
{
	struct arena arena = ARENA_NONE;
	struct verify_lost *l = arena_array(&arena, struct verify_lost, 1);

	l->account = a->id;
	l->user = arena_str(&arena, a->user);
	l->n = n;
	l->refs = arena_array(&arena, struct lost_ref, count);
	for (size_t i = 0; i < count; i++) {
		const struct verify_box *b = verify_box_find(a, refs[i].box);

		l->refs[i].ref = refs[i];
		l->refs[i].mailbox_name = b != NULL ? arena_str(&arena, b->name) : STR_NONE;
	}
	l->ref_count = count;
	if (header_row.n > 1)
		l->header_row = arena_str(&arena, header_row);
	l->arena = arena;
	l->next = a->v->lost;
	a->v->lost = l;
}

/* ---- looking ---- */

struct compare {
	struct str want;
	bool is_same;
};

static bool
compare_piece(void *ctx, struct str piece)
{
	struct compare *c = ctx;
	size_t n = MIN(piece.n, c->want.n);

	c->is_same = c->is_same && memcmp(piece.p, c->want.p, n) == 0;
	c->want = str_sub(c->want, n, c->want.n);
	return c->is_same && c->want.n > 0;
}

static bool
is_of(struct verify *v, const struct verify_lost *l, const struct kv_blob *b)
{
	uint64_t size = l->refs[0].ref.size_bytes, prefix;
	struct compare c = { .is_same = true };
	enum err e;

	if (l->header_row.p == NULL || b->length > size || size - b->length > MESSAGE_PREFIX_MAX)
		return false;
	prefix = size - b->length;
	if (prefix > l->header_row.n - 1)
		return false;
	c.want = str_sub(l->header_row, 1 + (size_t)prefix, l->header_row.n);
	if (c.want.n == 0 || c.want.n > b->length)
		return false;
	e = kv_blob_prove(v->kv, &b->id, 0, compare_piece, &c);
	return (e == ERR_OK || e == ERR_END) && c.is_same && c.want.n == 0;
}

void
verify_lost_try(struct verify *v, const struct kv_blob *b)
{
	for (struct verify_lost *l = v->lost; l != NULL; l = l->next) {
		if (!is_of(v, l, b))
			continue;
		l->candidates++;
		l->blob = b->id;
		l->blob_bytes = b->length;
	}
}

/* ---- making the record anew ---- */

static bool
feed(void *ctx, struct str piece)
{
	mime_summarizer_feed(ctx, piece);
	return true;
}

/* The thread that its message-id, or one of its references, is known to be of; else its own. */
static struct object_id
thread_of(struct verify *v, const struct verify_lost *l, struct str sortkeys)
{
	struct object_id id = { .account = l->account.v, .n = l->n.v };
	struct arena a = ARENA_NONE;
	struct mime_sortkeys keys;

	if (mime_sortkeys_decode(&a, sortkeys, &keys) != ERR_OK)
		return id;
	for (uint32_t i = 0; i <= keys.reference_count; i++) {
		struct str text =
		    i == 0 ? keys.message_id : keys.references[keys.reference_count - i];
		struct message_key key = message_thread_key(message_id_hash(text));
		struct object_id found;
		struct str row = STR_NONE;

		if (text.n > 0
		    && verify_row(v, &a, l->account, KV_MESSAGE, message_key_str(&key), &row)
			== ERR_OK
		    && row.p != NULL && object_id_decode(row, &found) == ERR_OK) {
			id = found;
			break;
		}
	}
	arena_done(&a);
	return id;
}

static bool
record_make(struct verify *v, const struct verify_lost *l)
{
	struct arena kept = ARENA_NONE;
	struct mime_summarizer *summarizer = mime_summarizer_new(&kept);
	enum err e = kv_blob_prove(v->kv, &l->blob, 0, feed, summarizer);
	uint32_t prefix = (uint32_t)(l->refs[0].ref.size_bytes - l->blob_bytes);
	struct message_record r;
	struct mime_summary s;
	struct kv_txn *t;

	mime_summarizer_finish(summarizer, &s);
	if (e == ERR_OK) {
		r = (struct message_record){
			.blob = l->blob,
			.blob_bytes = l->blob_bytes,
			.prefix_bytes = prefix,
			.header_bytes = (uint32_t)(prefix + s.header.n),
			.is_header_cut = s.is_header_cut,
			.email = { .account = l->account.v, .n = l->n.v },
			.has_place = true,
			.envelope = s.envelope,
			.bodystructure = s.bodystructure,
			.structure = s.structure,
			.sortkeys = s.sortkeys,
			.preview = s.preview,
		};
		r.thread = thread_of(v, l, s.sortkeys);
		t = kv_txn_new(v->kv, l->account, KV_UNVERSIONED, KV_UNVERSIONED);
		message_summary_put(t, l->n, &r);
		digest_rows_del(t, l->n);
		e = kv_commit_now(v->kv, &t, 1);
		v->is_unwritten = v->is_unwritten || e != ERR_OK;
	}
	arena_done(&kept);
	return e == ERR_OK;
}

static void
tell(struct verify *v, const struct verify_lost *l, bool is_found, bool is_repaired)
{
	for (size_t i = 0; i < l->ref_count; i++) {
		struct verify_finding f = {
			.kind = VERIFY_SUMMARY,
			.is_lost = !is_found,
			.is_repaired = is_repaired,
			.is_expunged = l->refs[i].ref.is_expunged,
			.account = l->account,
			.user = l->user,
			.mailbox = l->refs[i].ref.box,
			.mailbox_name = l->refs[i].mailbox_name,
			.uid_first = l->refs[i].ref.uid,
			.uid_last = l->refs[i].ref.uid,
			.msgno = l->n,
			.detail = is_found
			    ? STR("its bytes are there, and it is made anew from them")
			    : STR("which bytes are the message's can't be told"),
		};

		verify_tell(v, &f);
	}
}

size_t
verify_lost_end(struct verify *v)
{
	size_t left = 0;

	while (v->lost != NULL) {
		struct verify_lost *l = v->lost;
		bool is_found = l->candidates == 1 && v->are_links_known;
		struct arena arena = l->arena;

		tell(v, l, is_found, is_found && v->o->may_repair && record_make(v, l));
		left += !is_found;
		if (is_found)
			verify_blob_named(v, &l->blob);
		v->lost = l->next;
		arena_done(&arena);
	}
	return left;
}

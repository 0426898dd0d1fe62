/*
 * verify_message.c - the messages of an account (docs/file-format.md, M1 to M5): each number that
 * an entry or an undo record shows has its rows, its bytes are those that were stored, and what was
 * computed of them at arrival is what is computed now. Numbers are gone through in windows, in the
 * order of arrival, in which records and bytes lie on the disk too.
 */
#include "store/verify_int.h"

#include "base/bytes.h"
#include "mime/summary.h"
#include "store/digest_int.h"

#include <stdlib.h>

enum { WINDOW = 64, THREAD_WINDOWS = 16 };

/* What was found of one number. */
struct one {
	struct verify_account *a;
	struct msgno n;
	const struct verify_ref *refs;
	size_t ref_count;

	struct found_row {
		struct str value; /* p is NULL: there is none */
		bool is_bad;      /* it can't be read */
	} summary, header, copies;
	struct message_record r;
	struct str header_block; /* with the prefix; p is NULL: lost */
};

/* Tells of the message wherever it is shown. */
static void
tell(const struct one *o, enum verify_kind kind, bool is_lost, bool is_repaired, const char *detail)
{
	for (size_t i = 0; i < MAX(o->ref_count, (size_t)1); i++) {
		const struct verify_ref *ref =
		    i < o->ref_count && o->refs[i].uid != 0 ? &o->refs[i] : NULL;
		const struct verify_box *b = ref != NULL ? verify_box_find(o->a, ref->box) : NULL;
		struct verify_finding f = verify_finding_of(o->a, kind, b);

		if (ref == NULL && o->ref_count > 1)
			continue; /* it is shown elsewhere */
		f.is_lost = is_lost;
		f.is_repaired = is_repaired;
		f.msgno = o->n;
		f.detail = str_c(detail);
		if (ref != NULL) {
			f.mailbox = ref->box;
			f.uid_first = f.uid_last = ref->uid;
			f.is_expunged = ref->is_expunged;
		}
		verify_tell(o->a->v, &f);
	}
}

/* ---- the bytes, and what follows from them ---- */

struct proof {
	struct verify *v;
	struct mime_summarizer *summarizer;
	uint64_t bytes;
};

static bool
take_piece(void *ctx, struct str piece)
{
	struct proof *p = ctx;

	mime_summarizer_feed(p->summarizer, piece);
	p->bytes += piece.n;
	return verify_pace(p->v, piece.n);
}

/* The record that this program would make of the message. prefix stays what it was. */
static void
record_put(const struct one *o, const struct message_record *r, struct str prefix,
    struct str header)
{
	struct kv_txn *t = verify_repair(o->a);
	BUF_CLEAN struct buf row = BUF_MAX(SIZE_MAX);
	struct message_key key = message_header_key(o->n);

	if (t == NULL)
		return;
	message_summary_put(t, o->n, r);
	message_header_encode(prefix, header, &row);
	kv_put(t, KV_MESSAGE, message_key_str(&key), buf_str(&row));
	digest_rows_del(t, o->n);
}

static void
derived_check(const struct one *o, const struct mime_summary *s)
{
	struct message_record want = o->r;
	struct str prefix = str_sub(o->header_block, 0, o->r.prefix_bytes);
	bool is_same, is_header_same, may_repair = o->a->v->o->may_repair;

	want.envelope = s->envelope;
	want.bodystructure = s->bodystructure;
	want.structure = s->structure;
	want.sortkeys = s->sortkeys;
	want.preview = s->preview;
	want.header_bytes = (uint32_t)(o->r.prefix_bytes + s->header.n);
	want.is_header_cut = s->is_header_cut;
	want.has_place = true;
	is_same = str_eq(want.envelope, o->r.envelope)
	    && str_eq(want.bodystructure, o->r.bodystructure)
	    && str_eq(want.structure, o->r.structure) && str_eq(want.sortkeys, o->r.sortkeys)
	    && str_eq(want.preview, o->r.preview);
	is_header_same = o->header_block.p != NULL && want.is_header_cut == o->r.is_header_cut
	    && str_eq(str_sub(o->header_block, o->r.prefix_bytes, o->header_block.n), s->header);
	if (is_same && is_header_same)
		return;
	if (o->header_block.p == NULL && o->r.prefix_bytes > 0) {
		tell(o, VERIFY_HEADER, true, false,
		    "the fields that were added at its delivery are nowhere else");
		return;
	}
	record_put(o, &want, prefix, s->header);
	tell(o, is_header_same ? VERIFY_DERIVED : VERIFY_HEADER, false, may_repair,
	    "it is made anew from the message's bytes");
}

/*
 * The row of the bytes, which the record finds without it: when it is lost they are served, and can't
 * be copied into another account. The one that takes its place is never swept, for nobody knows how
 * many links it had; each message found here is one.
 */
static void
row_check(const struct one *o)
{
	struct verify *v = o->a->v;
	struct kv_blob row = { 0 };
	enum err e = kv_blob_get(v->kv, &o->r.blob, &row);
	struct kv_txn *t;

	if (e == ERR_OK && !verify_blob_is_made(v, &o->r.blob)) {
		if (o->r.place == row.place || o->r.place == 0)
			return;
		t = verify_repair(o->a);
		if (t != NULL)
			message_summary_put(t, o->n, &o->r);
		tell(o, VERIFY_PLACE, false, t != NULL, "they are served, and found by their name");
		return;
	}
	/* Without a place the bytes were found by the row: it can't be read now and then. */
	t = e == ERR_OK || o->r.place != 0 ? verify_repair(o->a) : NULL;
	if (t != NULL) {
		kv_adopt(t, &o->r.blob, o->r.place, o->r.blob_bytes);
		verify_blob_make(v, &o->r.blob);
	}
	tell(o, VERIFY_PLACE, false, t != NULL, "they are served, but their row is lost");
}

static void
bytes_check(const struct one *o)
{
	struct arena kept = ARENA_NONE;
	struct proof p = { .v = o->a->v, .summarizer = mime_summarizer_new(&kept) };
	enum err e = kv_blob_prove(o->a->v->kv, &o->r.blob, o->r.place, take_piece, &p);
	struct mime_summary s;

	mime_summarizer_finish(p.summarizer, &s);
	if (e == ERR_OK && p.bytes == o->r.blob_bytes) {
		row_check(o);
		derived_check(o, &s);
	} else if (e == ERR_OK)
		tell(o, VERIFY_BYTES, true, false, "they are not as many as the record says");
	else if (e == ERR_NOTFOUND)
		tell(o, VERIFY_BYTES, true, false, "there are none");
	else if (e != ERR_END)
		tell(o, VERIFY_BYTES, true, false, "they can't be read");
	arena_done(&kept);
}

/* ---- one message ---- */

static void
sizes_check(const struct one *o)
{
	for (size_t i = 0; i < o->ref_count; i++) {
		struct one at = *o;

		at.refs = &o->refs[i];
		at.ref_count = 1;
		if (o->refs[i].uid != 0
		    && o->refs[i].size_bytes != o->r.prefix_bytes + o->r.blob_bytes)
			tell(&at, VERIFY_SIZE, false, false, "");
	}
}

static void
copies_check(const struct one *o)
{
	uint64_t found = 0, want = o->ref_count - 1;
	struct message_key key = message_copies_key(o->n);
	struct kv_txn *t;

	if (!o->a->are_refs_whole)
		return;
	if (o->copies.value.p != NULL)
		found = o->copies.value.n == 8 ? get_le64(o->copies.value.p) : UINT64_MAX;
	if (!o->copies.is_bad && found == want)
		return;
	t = verify_repair(o->a);
	if (t != NULL) {
		kv_del(t, KV_COUNTER, message_key_str(&key));
		if (want != 0)
			kv_add(t, message_key_str(&key), (int64_t)want);
	}
	tell(o, VERIFY_COPIES, false, t != NULL, "");
}

/* Rows of a number that nothing shows. */
static void
orphan_check(const struct one *o)
{
	struct message_key keys[3] = { message_summary_key(o->n), message_header_key(o->n),
		message_copies_key(o->n) };
	struct kv_txn *t;

	if (o->summary.value.p == NULL && o->header.value.p == NULL && o->copies.value.p == NULL)
		return;
	if (!o->a->are_refs_whole) {
		struct message_record r;

		if (o->summary.value.p != NULL
		    && message_summary_decode(o->summary.value, &r) == ERR_OK)
			verify_blob_named(o->a->v, &r.blob); /* what shows it may be lost */
		return;
	}
	t = verify_repair(o->a);
	if (t != NULL) {
		kv_del(t, KV_MESSAGE, message_key_str(&keys[0]));
		kv_del(t, KV_MESSAGE, message_key_str(&keys[1]));
		kv_del(t, KV_COUNTER, message_key_str(&keys[2]));
		digest_rows_del(t, o->n);
	}
	tell(o, VERIFY_ORPHAN, false, t != NULL, "");
}

/* Of the refs, those that a mailbox or an undo record is behind. */
static size_t
shown_count(const struct one *o)
{
	size_t n = 0;

	while (n < o->ref_count && o->refs[n].uid != 0)
		n++;
	return n;
}

static void
one_check(struct one *o)
{
	if (o->ref_count == 0) {
		orphan_check(o);
		return;
	}
	o->a->v->result.messages++;
	copies_check(o);
	if (o->summary.is_bad || o->summary.value.p == NULL
	    || message_summary_decode(o->summary.value, &o->r) != ERR_OK) {
		verify_lost_add(o->a, o->n, o->refs, MAX(shown_count(o), (size_t)1),
		    o->header.is_bad ? STR_NONE : o->header.value);
		return;
	}
	verify_blob_named(o->a->v, &o->r.blob);
	sizes_check(o);
	o->header_block = STR_NONE;
	if (!o->header.is_bad && o->header.value.p != NULL
	    && message_header_decode(o->header.value, &o->r, &o->header_block) != ERR_OK)
		o->header_block = STR_NONE;
	if (!o->a->v->o->skip_bytes)
		bytes_check(o);
	else if (o->header_block.p == NULL)
		tell(o, VERIFY_HEADER, o->r.prefix_bytes > 0, false, "");
}

/* ---- windows ---- */

struct window {
	struct verify_account *a;
	uint32_t first;
	struct kv_rows *rows; /* NULL: none of it can be read together */
};

static void
range_of(struct kv_range *r, enum kv_kind kind, const struct message_key *from,
    const struct message_key *to)
{
	*r = (struct kv_range){ .kind = kind,
		.from = message_key_str(from),
		.to = message_key_str(to),
		.may_have_gaps = true };
}

static void
window_load(struct window *w)
{
	struct msgno first = { w->first },
		     end = { w->first <= UINT32_MAX - WINDOW ? w->first + WINDOW : UINT32_MAX };
	struct message_key k[6] = { message_summary_key(first), message_summary_key(end),
		message_header_key(first), message_header_key(end), message_copies_key(first),
		message_copies_key(end) };
	struct kv_range ranges[3];
	uint64_t bytes = 0;

	range_of(&ranges[0], KV_MESSAGE, &k[0], &k[1]);
	range_of(&ranges[1], KV_MESSAGE, &k[2], &k[3]);
	range_of(&ranges[2], KV_COUNTER, &k[4], &k[5]);
	w->rows = NULL;
	if (kv_load_now(w->a->v->kv, w->a->id, ranges, 3, &w->rows) != ERR_OK)
		return;
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < w->rows->ranges[i].count; j++)
			bytes += w->rows->ranges[i].rows[j].value.n;
	verify_pace(w->a->v, bytes);
}

/* The row with this key: among those of the window, or alone. */
static struct found_row
window_row(struct window *w, struct arena *memory, size_t range, enum kv_kind kind,
    struct message_key key)
{
	const struct kv_row_list *l = w->rows != NULL ? &w->rows->ranges[range] : NULL;
	struct found_row found = { .value = STR_NONE };

	for (size_t i = 0; l != NULL && i < l->count; i++)
		if (str_eq(l->rows[i].key, message_key_str(&key)))
			return (struct found_row){
				.value = l->rows[i].value.p != NULL ? l->rows[i].value : STR("")
			};
	if (l == NULL || kv_rows_hidden(l, message_key_str(&key)))
		found.is_bad =
		    verify_row(w->a->v, memory, w->a->id, kind, message_key_str(&key), &found.value)
		    != ERR_OK;
	return found;
}

/* The first number from `from` on that has a row; 0: none, or it can't be told. */
static uint32_t
next_row(struct verify_account *a, struct message_key (*key)(struct msgno), uint32_t from)
{
	struct message_key first = key((struct msgno){ from }),
			   last = key((struct msgno){ UINT32_MAX });
	struct kv_range range = { .kind = KV_MESSAGE,
		.from = message_key_str(&first),
		.to = message_key_str(&last),
		.limit = 1 };
	struct kv_rows *rows = NULL;
	uint32_t n = 0;

	if (kv_load_now(a->v->kv, a->id, &range, 1, &rows) != ERR_OK)
		return 0;
	if (rows->ranges[0].count > 0 && rows->ranges[0].rows[0].key.n == 5)
		n = get_be32(rows->ranges[0].rows[0].key.p + 1);
	kv_rows_free(rows);
	return n;
}

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a == 0 ? b : b == 0 ? a : MIN(a, b);
}

static size_t
window_check(struct window *w, size_t at)
{
	struct verify_account *a = w->a;

	window_load(w);
	for (uint32_t i = 0; i < WINDOW && w->first <= UINT32_MAX - i && !a->v->is_stopped; i++) {
		struct arena memory = ARENA_NONE;
		struct one o = { .a = a, .n = { w->first + i }, .refs = a->refs + at };

		while (at < a->ref_count && a->refs[at].n.v == o.n.v) {
			o.ref_count++;
			at++;
		}
		o.summary = window_row(w, &memory, 0, KV_MESSAGE, message_summary_key(o.n));
		o.header = window_row(w, &memory, 1, KV_MESSAGE, message_header_key(o.n));
		o.copies = window_row(w, &memory, 2, KV_COUNTER, message_copies_key(o.n));
		one_check(&o);
		arena_done(&memory);
	}
	if (w->rows != NULL)
		kv_rows_free(w->rows);
	return at;
}

static int
ref_cmp(const void *a, const void *b)
{
	const struct verify_ref *x = a, *y = b;

	if (x->n.v != y->n.v)
		return x->n.v < y->n.v ? -1 : 1;
	return (x->uid == 0) - (y->uid == 0); /* those that show nothing are behind */
}

/* ---- threads ---- */

static void
take_thread(void *ctx, struct str key, struct str value)
{
	struct verify_account *a = ctx;
	struct object_id id;

	if (key.n != 9 || object_id_decode(value, &id) != ERR_OK || id.account == 0 || id.n == 0) {
		struct verify_finding f = verify_finding_of(a, VERIFY_THREAD, NULL);

		f.detail = STR("a row makes no sense");
		verify_tell(a->v, &f);
	}
}

static void
threads_check(struct verify_account *a)
{
	for (unsigned i = 0; i < THREAD_WINDOWS && !a->v->is_stopped; i++) {
		char from[2] = { 'T', (char)(i * 16) }, to[2] = { 'T', (char)(i * 16 + 16) };
		struct verify_gaps gaps = { 0 };

		verify_rows(a->v, a->id, KV_MESSAGE, str_make(from, 2),
		    i + 1 == THREAD_WINDOWS ? STR("U") : str_make(to, 2), take_thread, a, &gaps);
		if (gaps.n > 0) {
			struct verify_finding f = verify_finding_of(a, VERIFY_THREAD, NULL);

			f.detail = STR("some can't be read");
			verify_tell(a->v, &f);
		}
		verify_gaps_done(&gaps);
	}
}

void
verify_messages(struct verify_account *a)
{
	struct window w = { .a = a, .first = 1 };
	size_t at = 0;

	if (a->ref_count > 1)
		qsort(a->refs, a->ref_count, sizeof(*a->refs), ref_cmp);
	while (at < a->ref_count && a->refs[at].n.v == 0)
		at++; /* of pages that are lost */
	while (!a->v->is_stopped && w.first != 0) {
		uint32_t next = at < a->ref_count ? a->refs[at].n.v : 0;

		next = least(next,
		    least(next_row(a, message_summary_key, w.first),
			next_row(a, message_header_key, w.first)));
		if (next == 0)
			break;
		w.first = next;
		at = window_check(&w, at);
		w.first = w.first <= UINT32_MAX - WINDOW ? w.first + WINDOW : 0;
	}
	threads_check(a);
}

/* recovery.c - see recovery.h. */
#include "backup/recovery.h"

#include "backup/image.h"
#include "backup/present.h"
#include "store/mailbox_again.h"
#include "store/put_back.h"

#include <stdlib.h>

enum { PAGES_AT_ONCE = 1024, PUT_BACK_AT_ONCE = 1024 };

struct recovery {
	struct connection *c;
	struct account *account;
	struct image image;
	struct str user, mailbox, message;
	int64_t since_ms;
	uint32_t uid;
	bool is_dry;
	/* a bit for each message number that some mailbox shows; NULL: not asked */
	uint8_t *alive;
	struct present present; /* of the mailbox at hand */
	struct arena arena;     /* of the mailbox at hand: what is put back */
	struct put_back *items;
	size_t item_count, item_cap;
	uint64_t total;
	uint64_t unread; /* what damage hides: stretches of rows, records, mailboxes, messages */
};

/* ---- looking --------------------------------------------------------------------------------- */

/* Gives pages to fn, those of one mailbox (0: of all), as far as they can be read. */
static enum err
each_page(struct recovery *r, uint64_t box,
    void (*fn)(struct recovery *r, const struct kv_row *row))
{
	struct row_key from = row_key_page((struct mailbox_id){ box }, 0),
		       to = row_key_page((struct mailbox_id){ box + 1 }, 0);
	struct kv_range range = { .kind = KV_PAGE,
		.from = row_key_str(&from),
		.to = box == 0 ? STR("Q") : row_key_str(&to),
		.limit = PAGES_AT_ONCE };
	bool is_last = false;

	while (!is_last) {
		struct kv_rows *rows = NULL;
		size_t count;
		enum err e = account_rows_readable(r->account, &range, &rows, &is_last);

		if (e != ERR_OK)
			return e;
		count = rows->ranges[0].count;
		r->unread += rows->ranges[0].gap_count;
		for (size_t i = 0; i < count; i++)
			fn(r, &rows->ranges[0].rows[i]);
		if (count != 0) {
			memcpy(from.bytes, rows->ranges[0].rows[count - 1].key.p,
			    rows->ranges[0].rows[count - 1].key.n);
			from.bytes[rows->ranges[0].rows[count - 1].key.n] = '\0';
			from.n = rows->ranges[0].rows[count - 1].key.n + 1;
			range.from = row_key_str(&from);
		}
		kv_rows_free(rows);
	}
	return ERR_OK;
}

static void
add_page(struct recovery *r, const struct kv_row *row)
{
	image_add(&r->image, KV_PAGE, row->key, row->value);
}

/*
 * Mailboxes, undo records, and the pages of mailboxes that were deleted: of one moment, for the
 * past is held. A record that can't be read hides no more than what it names.
 */
static enum err
load_image(struct recovery *r, int64_t at_ms)
{
	struct kv_range ranges[2] = {
		{ .kind = KV_ROW, .from = STR("A"), .to = STR("T") },
		{ .kind = KV_LOG, .from = STR("U"), .to = STR("V"), .may_have_gaps = true },
	};
	struct kv_rows *rows = NULL;
	size_t known;
	enum err e = account_rows(r->account, ranges, 2, &rows);

	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < rows->ranges[0].count; i++)
		image_add(&r->image, KV_ROW, rows->ranges[0].rows[i].key,
		    rows->ranges[0].rows[i].value);
	for (size_t i = 0; i < rows->ranges[1].count; i++)
		image_add(&r->image, KV_LOG, rows->ranges[1].rows[i].key,
		    rows->ranges[1].rows[i].value);
	r->unread += rows->ranges[1].gap_count;
	kv_rows_free(rows);
	image_read_undo(&r->image);
	known = r->image.box_count;
	for (size_t i = 0; e == ERR_OK && i < known; i++) {
		if (r->image.boxes[i].is_gone)
			e = each_page(r, r->image.boxes[i].id.v, add_page);
	}
	image_finish(&r->image, at_ms);
	r->unread += r->image.is_damaged;
	return e;
}

static void
note_alive(struct recovery *r, const struct kv_row *row)
{
	struct mailbox_id id;
	uint32_t page;

	if (!row_key_parse_page(row->key, &id, &page) || !page_is_valid(row->value))
		return;
	for (size_t i = 0; i < r->image.box_count; i++) {
		if (r->image.boxes[i].id.v == id.v && r->image.boxes[i].is_gone)
			return;
	}
	for (unsigned i = 0; i < page_count(row->value); i++) {
		uint32_t n = page_msgno(row->value, i);

		if (n <= r->image.row.next_msgno)
			r->alive[n / 8] |= (uint8_t)(1 << n % 8);
	}
}

/* Whether a message that was moved away is nowhere any more. */
static enum err
is_lost(struct recovery *r, uint32_t msgno, bool *is_lost_out)
{
	enum err e = ERR_OK;

	if (r->alive == NULL) {
		r->alive = xcalloc((size_t)r->image.row.next_msgno / 8 + 1, 1);
		e = each_page(r, 0, note_alive);
	}
	*is_lost_out =
	    msgno <= r->image.row.next_msgno && (r->alive[msgno / 8] >> msgno % 8 & 1) == 0;
	return e;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static enum err
is_wanted(struct recovery *r, const struct image_box *b, const struct image_entry *entry, bool *out)
{
	int64_t gone_ms = entry->gone_ms != 0 ? entry->gone_ms : b->gone_ms;

	*out = false;
	if ((entry->gone_ms == 0 && !b->is_gone) || gone_ms < r->since_ms
	    || (r->uid != 0 && r->uid != entry->uid))
		return ERR_OK;
	if (r->image.at_ms == IMAGE_NOW) {
		*out = entry->why != 'M'; /* what was moved was not deleted */
		return ERR_OK;
	}
	if (!image_is_there(&r->image, b, entry))
		return ERR_OK;
	*out = true;
	return entry->why == 'M' ? is_lost(r, entry->e.msgno, out) : ERR_OK;
}

/* Names of the keywords that an entry has. */
static void
name_keywords(struct recovery *r, const struct image_box *b, const struct image_entry *entry,
    struct put_back *item)
{
	struct str *names = arena_array(&r->arena, struct str, b->row.keyword_count + 1);

	for (uint32_t slot = 0; slot < b->row.keyword_count; slot++) {
		if ((entry->e.keywords.w[slot / 64] >> slot % 64 & 1) != 0)
			names[item->keyword_count++] = b->row.keywords[slot];
	}
	item->keywords = names;
}

static enum err
tell(struct recovery *r, struct str name, const struct image_box *b,
    const struct image_entry *entry, struct object_id email)
{
	char text[OBJECT_ID_TEXT_MAX];
	struct buf *out = &r->c->out;

	buf_clear(out);
	wire_str(out, name);
	wire_u64(out, entry->uid);
	wire_u64(out, (uint64_t)(entry->gone_ms != 0 ? entry->gone_ms : b->gone_ms));
	wire_u64(out, entry->e.size_bytes);
	wire_str(out, object_id_text(email, 'M', text));
	return wire_send(r->c->fd, 'I', buf_str(out));
}

/*
 * Takes an entry among those that are put back, unless the mailbox has the message or it is not
 * asked for.
 */
static enum err
choose(struct recovery *r, struct str name, const struct image_box *b,
    const struct image_entry *entry, const struct message_identity *id)
{
	char text[OBJECT_ID_TEXT_MAX];
	struct put_back *item;

	r->unread += id->email.n == 0; /* it has no record */
	if (id->email.n == 0 || present_has(&r->present, id)
	    || (r->message.n != 0 && !str_eq(r->message, object_id_text(id->email, 'M', text))))
		return ERR_OK;
	present_add(&r->present, id);
	if (r->item_count == r->item_cap) {
		r->item_cap = MAX(64, r->item_cap * 2);
		r->items = xrealloc(r->items, r->item_cap * sizeof(*r->items));
	}
	item = &r->items[r->item_count++];
	*item = (struct put_back){
		.msgno = entry->e.msgno,
		.size_bytes = entry->e.size_bytes,
		.internal_s = entry->e.internal_s,
		.internal_zone_min = entry->e.internal_zone_min,
		.flags = entry->e.flags & (uint16_t)~FLAG_DELETED,
		.notes = entry->notes,
	};
	name_keywords(r, b, entry, item);
	return tell(r, name, b, entry, id->email);
}

/* ---- putting back ---------------------------------------------------------------------------- */

/* Its special use, unless a mailbox that went later had it too: only one can have it again. */
static uint32_t
use_of(const struct recovery *r, const struct image_box *b)
{
	for (size_t i = 0; i < r->image.box_count; i++) {
		const struct image_box *other = &r->image.boxes[i];

		if (other->is_gone && other->gone_ms > b->gone_ms
		    && (other->row.special_use & b->row.special_use) != 0)
			return 0;
	}
	return b->row.special_use;
}

/*
 * The mailbox that takes the place of one that was deleted; made, unless this is only a look: then
 * its id is 0.
 */
static enum err
find_place(struct recovery *r, const struct image_box *b, struct mailbox_id *id_out)
{
	struct sleeper *sl = &r->c->sleeper;
	struct snapshot *s = account_latest(r->account);
	const struct mailbox_info *m = snapshot_mailbox(s, b->name);
	bool is_there = m != NULL && !m->is_noselect;
	struct mailbox_past past = {
		.special_use = use_of(r, b),
		.is_subscribed = b->row.is_subscribed,
		.is_shared = true,
		.is_seen_private = b->row.is_seen_private,
		.is_seen_fixed = b->row.is_seen_fixed,
		.acl = b->row.acl,
		.annotations = b->row.annotations,
	};
	enum err e;

	id_out->v = is_there ? m->id.v : 0;
	snapshot_unref(s);
	if (is_there || r->is_dry)
		return ERR_OK;
	e = UNTIL_DONE(sl, mailbox_make_again(r->account, b->name, &past, &s));
	if (e != ERR_OK)
		return e;
	m = snapshot_mailbox(s, b->name);
	id_out->v = m != NULL ? m->id.v : 0;
	snapshot_unref(s);
	return id_out->v == 0 ? ERR_CONFLICT : ERR_OK;
}

static enum err
put_back(struct recovery *r, struct mailbox_id place)
{
	struct sleeper *sl = &r->c->sleeper;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < r->item_count; i += PUT_BACK_AT_ONCE) {
		uint32_t count = (uint32_t)MIN(r->item_count - i, (size_t)PUT_BACK_AT_ONCE);
		struct snapshot *after;

		e = UNTIL_DONE(sl,
		    messages_put_back(r->account, place, r->items + i, count, &sl->w, &after));
		if (e == ERR_OK) {
			e = UNTIL_DONE(sl,
			    account_wait_durable(r->account, snapshot_version(after), &sl->w));
			snapshot_unref(after);
		}
	}
	return e;
}

/* Entries of the mailbox that are wanted, packed to its front; how many. */
static enum err
sift(struct recovery *r, struct image_box *b, size_t *count_out)
{
	size_t n = 0;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < b->count; i++) {
		bool is_one;

		e = is_wanted(r, b, &b->entries[i], &is_one);
		if (e == ERR_OK && is_one)
			b->entries[n++] = b->entries[i];
	}
	*count_out = n;
	return e;
}

static enum err
recover_entries(struct recovery *r, struct image_box *b, size_t count, struct mailbox_id place,
    struct str name)
{
	uint32_t *numbers = xcalloc(count + 1, sizeof(*numbers));
	struct message_identity *ids = xcalloc(count + 1, sizeof(*ids));
	enum err e = ERR_OK;

	for (size_t i = 0; i < count; i++)
		numbers[i] = b->entries[i].e.msgno;
	if (place.v != 0)
		e = present_load(r->c, r->account, place, &r->present);
	if (e == ERR_OK)
		e = present_identify(r->account, numbers, count, ids);
	for (size_t i = 0; e == ERR_OK && i < count; i++)
		e = choose(r, name, b, &b->entries[i], &ids[i]);
	if (e == ERR_OK && !r->is_dry)
		e = put_back(r, place);
	r->total += e == ERR_OK ? r->item_count : 0;
	free(numbers);
	free(ids);
	return e;
}

/* The name that a mailbox which is there has now: it may have had another. */
static struct str
name_now(struct recovery *r, const struct image_box *b)
{
	struct snapshot *s = account_latest(r->account);
	const struct mailbox_info *m = snapshot_mailbox_by_id(s, b->id);
	struct str name = m == NULL ? b->name : arena_str(&r->arena, m->name);

	snapshot_unref(s);
	return name;
}

static enum err
recover_box(struct recovery *r, struct image_box *b)
{
	struct mailbox_id place = b->id;
	size_t count = 0;
	bool comes_back;
	struct str name;
	enum err e;

	if (b->row.is_noselect || (r->mailbox.n != 0 && !str_eq(r->mailbox, b->name)))
		return ERR_OK;
	e = sift(r, b, &count);
	/* A mailbox that was empty comes back too, when all of it is asked for. */
	comes_back = b->is_gone && b->gone_ms >= r->since_ms && r->uid == 0 && r->message.n == 0
	    && (r->image.at_ms == IMAGE_NOW || image_box_is_there(&r->image, b));
	if (e != ERR_OK || (count == 0 && !comes_back))
		return e;
	if (b->is_gone)
		e = find_place(r, b, &place);
	name = b->is_gone ? b->name : name_now(r, b);
	if (e == ERR_OK)
		e = recover_entries(r, b, count, place, name);
	present_done(&r->present);
	arena_reset(&r->arena);
	r->item_count = 0;
	return e;
}

static bool
parse(struct recovery *r, int64_t *at_ms_out)
{
	struct str rest = buf_str(&r->c->in);
	uint64_t since, at, uid, dry;

	if (!wire_take_str(&rest, &r->user) || !wire_take_str(&rest, &r->mailbox)
	    || !wire_take_u64(&rest, &since) || !wire_take_u64(&rest, &at)
	    || !wire_take_u64(&rest, &uid) || !wire_take_str(&rest, &r->message)
	    || !wire_take_u64(&rest, &dry) || since > INT64_MAX || at > INT64_MAX
	    || uid > UINT32_MAX)
		return false;
	r->since_ms = (int64_t)since;
	*at_ms_out = (int64_t)at;
	r->uid = (uint32_t)uid;
	r->is_dry = dry != 0;
	return true;
}

static enum err
recover(struct recovery *r, int64_t at_ms)
{
	struct snapshot *s = account_latest(r->account);
	uint64_t version = snapshot_version(s);
	enum err e;

	snapshot_unref(s);
	e = UNTIL_DONE(&r->c->sleeper, account_wait_durable(r->account, version, &r->c->sleeper.w));
	if (e == ERR_OK)
		e = load_image(r, at_ms);
	for (size_t i = 0; e == ERR_OK && i < r->image.box_count; i++) {
		e = recover_box(r, &r->image.boxes[i]);
		if (e == ERR_CORRUPT) { /* of this mailbox; the others can be read */
			r->unread++;
			e = ERR_OK;
		}
	}
	return e;
}

static enum err
answer(struct recovery *r)
{
	struct buf *out = &r->c->out;

	buf_clear(out);
	wire_u64(out, r->total);
	wire_u64(out, r->unread);
	return wire_send(r->c->fd, 'D', buf_str(out));
}

enum err
recovery_run(struct connection *c)
{
	struct recovery r = { .c = c };
	struct sleeper *sl = &c->sleeper;
	int64_t at_ms = IMAGE_NOW;
	enum err e;

	if (!parse(&r, &at_ms))
		return ERR_SYNTAX;
	e = UNTIL_DONE(sl,
	    store_account_open(c->service->store, r.user, ACCOUNT_EXISTING, &sl->w, &r.account));
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_UNKNOWN : e;
	image_init(&r.image);
	account_past_hold(r.account);
	e = recover(&r, at_ms);
	account_past_release(r.account);
	image_done(&r.image);
	present_done(&r.present);
	arena_done(&r.arena);
	free(r.items);
	free(r.alive);
	account_unref(r.account);
	return e == ERR_OK ? answer(&r) : e;
}

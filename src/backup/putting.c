/* putting.c - see putting.h. */
#include "backup/putting.h"

#include "backup/pack.h"
#include "backup/present.h"
#include "store/change.h"
#include "store/mailbox_again.h"
#include "store/message.h"
#include "store/put_back.h"
#include "store/row.h"

#include <stdlib.h>

enum { BATCH_MESSAGES = 64, BATCH_BYTES = 8 << 20, IDENTITY_BYTES = OBJECT_ID_BYTES + 32 };

/* A message of the batch; texts live in the batch's arena. */
struct piece {
	struct append append;
	struct object_id email, thread;
};

struct putting {
	struct account *account;
	bool is_new;           /* the account was made for this */
	struct mailbox_id box; /* 0: none is chosen, or it is only looked for */
	struct present present;
	struct arena arena; /* of the batch */
	struct piece pieces[BATCH_MESSAGES];
	uint32_t count;
	uint64_t bytes;
	bool is_open;           /* the last piece's bytes are coming */
	struct arrival *again;  /* the bytes of a message that is there are; or NULL */
	uint64_t added;         /* since the last K */
	struct snapshot *after; /* the last commit */
};

static void
batch_drop(struct putting *p)
{
	for (uint32_t i = 0; i < p->count; i++)
		arrival_unref(p->pieces[i].append.arrival);
	p->count = 0;
	p->bytes = 0;
	p->is_open = false;
	arena_reset(&p->arena);
}

void
putting_free(struct putting *p)
{
	if (p == NULL)
		return;
	batch_drop(p);
	arrival_unref(p->again);
	present_done(&p->present);
	snapshot_unref(p->after);
	account_restore_end(p->account);
	account_unref(p->account);
	free(p);
}

/* ---- account and mailbox --------------------------------------------------------------------- */

static enum err
open_account(struct connection *c)
{
	struct sleeper *sl = &c->sleeper;
	struct account *account;
	struct str rest = buf_str(&c->in), user;
	bool is_new;
	enum err e;

	if (!wire_take_str(&rest, &user))
		return ERR_SYNTAX;
	e = UNTIL_DONE(sl,
	    store_account_open(c->service->store, user, ACCOUNT_EXISTING, &sl->w, &account));
	is_new = e == ERR_NOTFOUND;
	if (is_new)
		e = UNTIL_DONE(sl,
		    store_account_open(c->service->store, user, ACCOUNT_CREATE, &sl->w, &account));
	if (e != ERR_OK)
		return e;
	putting_free(c->putting);
	c->putting = NULL;
	if (!account_restore_begin(account)) {
		c->why =
		    "Another restore puts mail into this account now; try again when it has ended.";
		account_unref(account);
		return ERR_INUSE;
	}
	c->putting = xcalloc(1, sizeof(*c->putting));
	c->putting->is_new = is_new;
	c->putting->account = account;
	return answer_done(c, 0);
}

/* What the tool says of a mailbox. */
struct box_wish {
	struct str name;
	struct mailbox_past past;
	bool makes;
	struct str users; /* an account's id in the backup and its user's name, over and over */
};

static bool
take_wish(struct str rest, struct box_wish *out)
{
	uint64_t special_use, subscribed, makes, shared, is_private, is_fixed;

	if (!wire_take_str(&rest, &out->name) || !wire_take_u64(&rest, &special_use)
	    || !wire_take_u64(&rest, &subscribed) || !wire_take_u64(&rest, &makes)
	    || !wire_take_u64(&rest, &shared) || !wire_take_u64(&rest, &is_private)
	    || !wire_take_u64(&rest, &is_fixed) || !wire_take_str(&rest, &out->past.acl)
	    || !wire_take_str(&rest, &out->past.annotations) || !wire_take_str(&rest, &out->users)
	    || special_use > UINT32_MAX)
		return false;
	out->past.special_use = (uint32_t)special_use;
	out->past.is_subscribed = subscribed != 0;
	out->past.is_shared = shared != 0;
	out->past.is_seen_private = is_private != 0;
	out->past.is_seen_fixed = is_fixed != 0;
	out->makes = makes != 0;
	return true;
}

/* The account here of who had this number in the backup; 0: there is none. */
static enum err
account_here(struct connection *c, struct str users, uint64_t there, uint64_t *here_out)
{
	struct sleeper *sl = &c->sleeper;
	struct account *account;
	struct str user;
	uint64_t id;
	enum err e;

	*here_out = 0;
	while (wire_take_u64(&users, &id) && wire_take_str(&users, &user)) {
		if (id != there)
			continue;
		e = UNTIL_DONE(sl,
		    store_account_open(c->service->store, user, ACCOUNT_EXISTING, &sl->w,
			&account));
		if (e != ERR_OK)
			return e == ERR_NOTFOUND ? ERR_OK : e;
		*here_out = account_id(account).v;
		account_unref(account);
		return ERR_OK;
	}
	return ERR_OK;
}

/*
 * Annotations as the users have numbers here: without those of users who are not here, and without
 * access keys, which no restore brings back.
 */
static enum err
translate(struct connection *c, const struct box_wish *wish, struct buf *out)
{
	struct str rest = wish->past.annotations;
	struct annotation a;
	enum err e = ERR_OK;

	while (e == ERR_OK && annotation_next(&rest, &a)) {
		uint64_t user = a.user;

		if (a.scope == ANNOTATION_KEY)
			continue;
		if (user != 0)
			e = account_here(c, wish->users, user, &a.user);
		if (e == ERR_OK && (user == 0 || a.user != 0))
			annotation_add(out, &a);
	}
	return e;
}

static enum err
make_box(struct connection *c, const struct box_wish *wish)
{
	BUF_CLEAN struct buf annotations = BUF_MAX(ANNOTATIONS_MAX_BYTES);
	struct sleeper *sl = &c->sleeper;
	struct putting *p = c->putting;
	struct mailbox_past past = wish->past;
	const struct mailbox_info *m;
	struct snapshot *s;
	enum err e = translate(c, wish, &annotations);

	if (e != ERR_OK)
		return e;
	past.annotations = buf_str(&annotations);
	e = UNTIL_DONE(sl, mailbox_make_again(p->account, wish->name, &past, &s));
	if (e != ERR_OK)
		return e;
	m = snapshot_mailbox(s, wish->name);
	p->box.v = m != NULL ? m->id.v : 0;
	snapshot_unref(s);
	return p->box.v == 0 ? ERR_CONFLICT : ERR_OK;
}

static enum err
choose_box(struct connection *c)
{
	struct putting *p = c->putting;
	struct box_wish wish = { 0 };
	uint64_t outcome = 0;
	const struct mailbox_info *m;
	struct snapshot *s;
	enum err e = ERR_OK;

	if (p->is_open || p->again != NULL || p->count != 0 || !take_wish(buf_str(&c->in), &wish))
		return ERR_SYNTAX;
	present_done(&p->present);
	s = account_latest(p->account);
	m = snapshot_mailbox(s, wish.name);
	p->box.v = m != NULL && !m->is_noselect ? m->id.v : 0;
	snapshot_unref(s);
	if (wish.makes && (p->box.v == 0 || (p->is_new && str_eq(wish.name, STR("INBOX"))))) {
		e = make_box(c, &wish);
		outcome = 1;
	} else if (p->box.v == 0) {
		outcome = 2;
	}
	if (e == ERR_OK && p->box.v != 0)
		e = present_load(c, p->account, p->box, &p->present);
	return e == ERR_OK ? answer_done(c, outcome) : e;
}

/* ---- the batch ------------------------------------------------------------------------------- */

/*
 * Whether a message may have this EMAILID here: not when the account has given it, or will give it,
 * to another message, as after an older copy of the store was put in its place. One that was restored
 * without its bytes (rebuild.c) is taken for the same.
 */
static enum err
identity_check(struct putting *p, struct piece *piece, const struct blob_id *blob)
{
	struct snapshot *s = account_latest(p->account);
	uint32_t given = snapshot_message_numbers(s), number = piece->email.n;
	const struct blob_id none = { { 0 } };
	struct message_identity id;
	enum err e;

	snapshot_unref(s);
	if (piece->email.account != account_id(p->account).v)
		return ERR_OK;
	if (number > given) {
		piece->append.email = NULL;
		return ERR_OK;
	}
	e = present_identify(p->account, &number, 1, &id);
	if (e == ERR_OK && id.email.n != 0 && !object_id_eq(&id.blob, &none)
	    && !object_id_eq(&id.blob, blob))
		piece->append.email = NULL;
	return e;
}

static enum err
batch_commit(struct connection *c)
{
	struct sleeper *sl = &c->sleeper;
	struct putting *p = c->putting;
	struct append appends[BATCH_MESSAGES];
	struct snapshot *after;
	uint32_t uidvalidity;
	struct uid first;
	enum err e;

	if (p->count == 0)
		return ERR_OK;
	for (uint32_t i = 0; i < p->count; i++)
		appends[i] = p->pieces[i].append;
	e = UNTIL_DONE(sl,
	    messages_append(p->account, p->box, appends, p->count, &sl->w, &first, &uidvalidity,
		&after));
	if (e == ERR_LIMIT) { /* no slots left: better without keywords than not at all */
		for (uint32_t i = 0; i < p->count; i++)
			appends[i].keyword_count = 0;
		e = UNTIL_DONE(sl,
		    messages_append(p->account, p->box, appends, p->count, &sl->w, &first,
			&uidvalidity, &after));
	}
	if (e != ERR_OK)
		return e;
	snapshot_unref(p->after);
	p->after = after;
	p->added += p->count;
	batch_drop(p);
	return ERR_OK;
}

/* All that came so far is written, and durable. */
static enum err
batch_settle(struct connection *c)
{
	struct putting *p = c->putting;
	enum err e = batch_commit(c);

	if (e == ERR_OK && p->after != NULL)
		e = UNTIL_DONE(&c->sleeper,
		    account_wait_durable(p->account, snapshot_version(p->after), &c->sleeper.w));
	return e;
}

/* ---- what is there --------------------------------------------------------------------------- */

static bool
piece_skip(void *ctx unused_arg, struct str piece unused_arg)
{
	return true;
}

/* 0: the mailbox lacks it; 1: it has it; 2: it has it, but the bytes can't be read. */
static char
presence(struct connection *c, const struct message_identity *id)
{
	if (!present_has(&c->putting->present, id))
		return 0;
	return kv_blob_prove(c->service->kv, &id->blob, 0, piece_skip, NULL) == ERR_OK ? 1 : 2;
}

static enum err
answer_present(struct connection *c)
{
	struct str rest = buf_str(&c->in);
	enum err e;

	if (c->putting->is_open || c->putting->again != NULL)
		return ERR_SYNTAX;
	/* What is present, but on its way, has no bytes yet that could be looked at. */
	e = batch_settle(c);
	if (e != ERR_OK)
		return e;
	buf_clear(&c->out);
	for (; rest.n >= IDENTITY_BYTES; rest = str_sub(rest, IDENTITY_BYTES, rest.n)) {
		struct message_identity id;

		if (object_id_decode(str_sub(rest, 0, OBJECT_ID_BYTES), &id.email) != ERR_OK)
			return ERR_SYNTAX;
		memcpy(id.blob.sha256, rest.p + OBJECT_ID_BYTES, sizeof(id.blob.sha256));
		buf_chr(&c->out, presence(c, &id));
	}
	return wire_send(c->fd, 'H', buf_str(&c->out));
}

/* ---- what comes ------------------------------------------------------------------------------- */

static enum err
begin_message(struct connection *c)
{
	struct putting *p = c->putting;
	struct str rest = buf_str(&c->in), email, thread, prefix, *keywords;
	struct piece *piece = &p->pieces[p->count];
	uint64_t flags, date, zone, count;

	if (p->is_open || p->again != NULL || p->box.v == 0 || !wire_take_u64(&rest, &flags)
	    || !wire_take_u64(&rest, &date) || !wire_take_u64(&rest, &zone)
	    || !wire_take_str(&rest, &email) || !wire_take_str(&rest, &thread)
	    || !wire_take_str(&rest, &prefix) || !wire_take_u64(&rest, &count)
	    || count > KEYWORDS_MAX || prefix.n > MESSAGE_PREFIX_MAX)
		return ERR_SYNTAX;
	*piece = (struct piece){ 0 };
	if (object_id_decode(email, &piece->email) != ERR_OK
	    || object_id_decode(thread, &piece->thread) != ERR_OK)
		return ERR_SYNTAX;
	keywords = arena_array(&p->arena, struct str, count + 1);
	for (uint64_t i = 0; i < count; i++) {
		if (!wire_take_str(&rest, &keywords[i]) || !imap_flags_is_keyword(keywords[i]))
			return ERR_SYNTAX;
		keywords[i] = arena_str(&p->arena, keywords[i]);
	}
	piece->append = (struct append){
		.arrival = arrival_new(c->service->store),
		.prefix = arena_str(&p->arena, prefix),
		.flags = (uint16_t)flags & (uint16_t)~FLAG_DELETED,
		.keywords = keywords,
		.keyword_count = (uint32_t)count,
		.has_internal_date = true,
		.internal_s = (int64_t)date,
		.internal_zone_min = (int16_t)(int64_t)zone,
		.email = &piece->email,
		.thread = &piece->thread,
	};
	p->count++;
	p->is_open = true;
	return ERR_OK;
}

static enum err
begin_again(struct connection *c)
{
	struct putting *p = c->putting;

	if (p->is_open || p->again != NULL || p->box.v == 0)
		return ERR_SYNTAX;
	p->again = arrival_new(c->service->store);
	return ERR_OK;
}

static enum err
add_bytes(struct connection *c)
{
	struct sleeper *sl = &c->sleeper;
	struct putting *p = c->putting;
	struct str data = buf_str(&c->in);
	struct arrival *to = p->again;

	if (!p->is_open && to == NULL)
		return ERR_SYNTAX;
	if (to == NULL) {
		to = p->pieces[p->count - 1].append.arrival;
		p->bytes += data.n;
	}
	while (data.n != 0) {
		size_t taken = 0;
		enum err e = UNTIL_DONE(sl, arrival_write(to, data, &taken, &sl->w));

		if (e != ERR_OK)
			return e;
		data = str_sub(data, taken, data.n);
	}
	return ERR_OK;
}

/* All that has these bytes has them again: the message here, and others of whoever. */
static enum err
end_again(struct putting *p)
{
	struct arrival *m = p->again;
	enum err e = arrival_finish(m);

	p->again = NULL;
	if (e == ERR_OK)
		e = account_put_bytes_back(p->account, m);
	arrival_unref(m);
	return e;
}

static enum err
end_message(struct connection *c)
{
	struct putting *p = c->putting;
	struct piece *piece;
	struct message_identity id;
	enum err e;

	if (p->again != NULL)
		return end_again(p);
	if (!p->is_open)
		return ERR_SYNTAX;
	p->is_open = false;
	piece = &p->pieces[p->count - 1];
	e = arrival_finish(piece->append.arrival);
	if (e != ERR_OK)
		return e;
	id = (struct message_identity){ piece->email, arrival_blob(piece->append.arrival) };
	e = identity_check(p, piece, &id.blob);
	present_add(&p->present, &id);
	if (e == ERR_OK && (p->count == BATCH_MESSAGES || p->bytes >= BATCH_BYTES))
		e = batch_commit(c);
	return e;
}

static enum err
settle(struct connection *c)
{
	struct putting *p = c->putting;
	uint64_t added;
	enum err e;

	if (p->is_open || p->again != NULL)
		return ERR_SYNTAX;
	e = batch_settle(c);
	added = p->added;
	p->added = 0;
	return e == ERR_OK ? answer_done(c, added) : e;
}

enum err
putting_run(struct connection *c, char kind)
{
	if (kind == 'A')
		return open_account(c);
	if (c->putting == NULL)
		return ERR_SYNTAX;
	switch (kind) {
	case 'B':
		return choose_box(c);
	case 'E':
		return answer_present(c);
	case 'M':
		return begin_message(c);
	case 'G':
		return begin_again(c);
	case 'P':
		return add_bytes(c);
	case 'F':
		return end_message(c);
	case 'K':
		return settle(c);
	default:
		return ERR_SYNTAX;
	}
}

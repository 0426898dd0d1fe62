/* upload.c - see upload.h. */
#include "session/cmd/upload.h"

#include "imap/append.h"
#include "session/cmd/annotate.h"
#include "session/cmd/message_limit.h"
#include "session/flag_lists.h"
#include "session/server.h"
#include "store/quota.h"

enum {
	APPEND_MESSAGES_MAX = 1000, /* of one MULTIAPPEND, if no limit is set */
	CATENATE_PARTS_MAX = 1000,  /* of one command */
};

/* The name is a literal that is announced here but not there yet. */
static bool
is_name_announced(const struct imap_scan *in)
{
	struct imap_scan ahead = *in;
	struct imap_literal lit;

	return imap_scan_at(&ahead, '{') && imap_scan_literal_open(&ahead, &lit);
}

/* Before a byte of the message is asked for: no client uploads for nothing. ERR_WAIT. */
static enum err
find_mailbox(struct session *s, struct command *c, struct upload *x)
{
	enum err e = x->is_open ? ERR_OK : target_open(s, c->arena, x->mailbox.name, &x->dest);

	if (e == ERR_OK)
		e = target_check_into(&x->dest);
	x->is_open = e == ERR_OK;
	return e;
}

/* Flags that the user has no right to set are left out in silence (RFC 4314 4). */
static void
drop_flags(const struct upload *x, struct append *m)
{
	m->flags &= (uint16_t)changeable_flags(x->dest.rights);
	if ((x->dest.rights & RIGHT_W) == 0)
		m->keyword_count = 0;
}

/* Annotations, as other than flags, are refused (RFC 5257 3.4). */
static enum err
check_rights(const struct upload *x)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < x->count; i++)
		e = annotate_check_rights(x->messages[i].notes, x->dest.rights);
	return e;
}

static struct append *
add_message(struct command *c, struct upload *x)
{
	if (x->count == x->cap) {
		struct append *grown =
		    arena_array(c->arena, struct append, x->cap == 0 ? 1 : x->cap * 4);

		if (x->count > 0)
			memcpy(grown, x->messages, x->count * sizeof(*grown));
		x->messages = grown;
		x->cap = x->cap == 0 ? 1 : x->cap * 4;
	}
	return &x->messages[x->count++];
}

/* The message that REPLACE is about: a sequence number, a UID, or "*". */
static enum err
scan_replaced(struct session *s, struct command *c, struct upload *x, struct imap_scan *in)
{
	bool is_last = imap_scan_at(in, '*');
	struct seqnum seq;
	uint32_t n = 0;

	if (is_last ? !imap_scan_chr(in, '*') : !imap_scan_nz_number(in, &n))
		return imap_scan_err(in);
	if (!imap_scan_sp(in))
		return imap_scan_err(in);
	x->replaced = is_last ? view_last_uid(s->view) : (struct uid){ n };
	if (is_last || c->is_uid) {
		seq = view_seq(s->view, x->replaced);
		return seq.v == 0 ? ERR_EXPUNGED : ERR_OK;
	}
	if (view_uid(s->view, (struct seqnum){ n }, &x->replaced))
		return ERR_OK;
	c->text = STR("There is no message with this number.");
	return ERR_SYNTAX;
}

/* ---- the words ---- */

static enum err
take_mailbox(struct session *s, struct command *c, struct upload *x, struct imap_scan *in)
{
	struct imap_scan name;
	enum err e;

	if (x->replaces) {
		e = scan_replaced(s, c, x, in);
		if (e != ERR_OK)
			return e;
	}
	if (is_name_announced(in))
		return ERR_EXISTS;
	name = *in;
	if (!mailbox_arg_scan(&name, &x->mailbox))
		x->mailbox = (struct mailbox_arg){ 0 }; /* the parser below says what is wrong */
	e = imap_append_open(in, &x->mailbox.name);
	x->word = UPLOAD_MESSAGE;
	return e;
}

static enum err
take_literal(struct session *s, struct command *c, struct upload *x, const struct imap_literal *lit,
    bool is_utf8)
{
	uint64_t max = session_append_limit(s);

	if (is_utf8 && (s->enabled & ENABLED_UTF8) == 0) {
		c->text = STR("ENABLE UTF8=ACCEPT before UTF8 ().");
		return ERR_CANNOT;
	}
	if (lit->size > max)
		return ERR_TOOBIG;
	/* Messages that are too much together are none too big (RFC 7889 4). */
	if (x->bytes > max - lit->size)
		return x->word == UPLOAD_MESSAGE || x->count > 1 ? ERR_LIMIT : ERR_TOOBIG;
	x->bytes += lit->size;
	x->was_utf8 = is_utf8;
	x->is_binary = lit->is_binary;
	x->has_literal = true;
	return ERR_OK;
}

/* RFC 3502 4: so a client takes its APPEND back. */
static enum err
refuse_empty(struct command *c)
{
	c->text = STR("A message of no bytes: nothing is appended.");
	return ERR_CANNOT;
}

static enum err
take_message(struct session *s, struct command *c, struct upload *x, struct imap_scan *in)
{
	const uint32_t limit = session_save_limit(s),
		       most = limit == 0 ? APPEND_MESSAGES_MAX : limit;
	struct imap_append_message m;
	struct str notes = STR_NONE;
	enum err e = imap_append_message(in, &m);

	if (e == ERR_OK && !m.is_catenate)
		e = m.literal.size == 0 ? refuse_empty(c)
					: take_literal(s, c, x, &m.literal, m.is_utf8);
	if (e == ERR_OK && m.has_annotation)
		e = annotate_list(s, c->arena, &m.annotation, &notes);
	if (e != ERR_OK)
		return e;
	if (x->count == most)
		return limit == 0 ? ERR_LIMIT : message_limit_refuse(c, most, (struct uid){ 0 });
	*add_message(c, x) = (struct append){
		.who = account_id(s->account),
		.flags = (uint16_t)m.flags.system,
		.keywords = m.flags.keywords,
		.keyword_count = (uint32_t)m.flags.n_keywords,
		.has_internal_date = m.has_date,
		.internal_s = m.date.utc_s,
		.internal_zone_min = m.date.zone_min,
		.notes = notes,
	};
	x->word = m.is_catenate ? UPLOAD_PART : UPLOAD_NEXT_MESSAGE;
	return ERR_OK;
}

/* The first URL that can't be used is told (RFC 4469 4.1). */
static enum err
bad_url(struct command *c, struct str text)
{
	BUF_CLEAN struct buf code = BUF_MAX(4 * IMAP_URL_MAX);

	buf_lit(&code, "BADURL \"");
	imap_url_quote(text, &code);
	buf_chr(&code, '"');
	c->code = arena_str(c->arena, buf_str(&code));
	return ERR_BADURL;
}

static enum err
add_url(struct command *c, struct upload *x, struct str text)
{
	struct upload_url u = { .text = text, .message = x->count - 1 };

	if (text.n > IMAP_URL_MAX)
		return ERR_LIMIT;
	if (imap_url_parse(c->arena, text, &u.url) != ERR_OK)
		return bad_url(c, text);
	if (x->url_count == x->url_cap) {
		uint32_t cap = x->url_cap == 0 ? 4 : x->url_cap * 4;
		struct upload_url *grown = arena_array(c->arena, struct upload_url, cap);

		if (x->url_count > 0)
			memcpy(grown, x->urls, x->url_count * sizeof(*grown));
		x->urls = grown;
		x->url_cap = cap;
	}
	x->urls[x->url_count++] = u;
	return ERR_OK;
}

static enum err
take_part(struct session *s, struct command *c, struct upload *x, struct imap_scan *in)
{
	struct imap_append_part p;
	enum err e = imap_append_part(in, &p);

	if (e != ERR_OK)
		return e;
	if (x->parts++ == CATENATE_PARTS_MAX)
		return ERR_LIMIT;
	x->word = UPLOAD_NEXT_PART;
	return p.is_url ? add_url(c, x, p.url) : take_literal(s, c, x, &p.literal, p.is_utf8);
}

static enum err
take_next(struct upload *x, struct imap_scan *in)
{
	bool has_more, is_part = x->word == UPLOAD_NEXT_PART;
	enum err e = is_part ? imap_append_next_part(in, x->was_utf8, &has_more)
			     : imap_append_next(in, x->was_utf8, &has_more);

	if (e != ERR_OK)
		return e;
	x->was_utf8 = false;
	if (is_part) {
		x->word = has_more ? UPLOAD_PART : UPLOAD_NEXT_MESSAGE;
	} else if (has_more && x->replaces) {
		imap_scan_fail(in, ERR_SYNTAX, "the end of the command: REPLACE takes one message");
		return ERR_SYNTAX;
	} else {
		x->word = has_more ? UPLOAD_MESSAGE : UPLOAD_END;
	}
	return ERR_OK;
}

/* Reads on up to a literal or the end of the command. */
static enum err
take_words(struct session *s, struct command *c, struct upload *x, struct imap_scan *in)
{
	enum err e = ERR_OK;

	x->has_literal = false;
	while (e == ERR_OK && !x->has_literal) {
		switch (x->word) {
		case UPLOAD_MAILBOX:
			e = take_mailbox(s, c, x, in);
			break;
		case UPLOAD_MESSAGE:
			e = take_message(s, c, x, in);
			break;
		case UPLOAD_PART:
			e = take_part(s, c, x, in);
			break;
		case UPLOAD_NEXT_PART:
		case UPLOAD_NEXT_MESSAGE:
			e = take_next(x, in);
			break;
		case UPLOAD_END:
			return ERR_OK;
		}
	}
	return e;
}

/* ---- the bytes ---- */

static enum err
finish_until(struct command *c, struct upload *x, uint32_t count)
{
	for (; x->finished < count; x->finished++) {
		struct arrival *m = x->messages[x->finished].arrival;
		enum err e = arrival_size(m) == 0 ? refuse_empty(c) : arrival_finish(m);

		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* The message that the next bytes belong to; those before it are complete. */
static enum err
open_message(struct session *s, struct command *c, struct upload *x, uint32_t message,
    struct arrival **out)
{
	struct append *m = &x->messages[message];
	enum err e = finish_until(c, x, message);

	if (e != ERR_OK)
		return e;
	if (m->arrival == NULL)
		m->arrival = arrival_new(server_options(s->server)->store);
	*out = m->arrival;
	return ERR_OK;
}

/* Copies what the URLs name that stand before the bytes that come next. */
static enum err
copy_urls(struct session *s, struct command *c, struct upload *x)
{
	for (; x->url_at < x->url_count; x->url_at++) {
		const struct upload_url *u = &x->urls[x->url_at];
		struct arrival *m;
		uint64_t bytes;
		enum err e = open_message(s, c, x, u->message, &m);

		if (e == ERR_OK)
			e = catenate_copy(s, c->arena, &x->catenate, &u->url, m,
			    session_append_limit(s) - x->bytes, &bytes);
		if (e != ERR_OK)
			return e == ERR_BADURL ? bad_url(c, u->text) : e;
		x->bytes += bytes;
	}
	catenate_done(&x->catenate);
	return ERR_OK;
}

enum err
upload_literal(struct session *s, struct command *c, struct imap_scan *sofar,
    unused_arg struct imap_literal lit)
{
	struct upload *x = c->ctx;
	const struct upload before = *x;
	enum err e = take_words(s, c, x, sofar);

	if (e == ERR_OK && !x->has_literal) {
		imap_scan_fail(sofar, ERR_SYNTAX, "another message");
		e = ERR_SYNTAX;
	}
	if (e == ERR_OK)
		e = find_mailbox(s, c, x);
	if (e == ERR_OK)
		e = check_rights(x);
	/* What REPLACE takes away may make the room (RFC 8508 3.4): the commit will know. */
	if (e == ERR_OK && !x->replaces
	    && snapshot_is_over_quota(x->dest.snapshot, x->bytes, x->count))
		e = ERR_OVERQUOTA;
	if (e == ERR_OK)
		return e;
	/*
	 * The words are read again when what was missing is there. A command that fails before its
	 * first literal is not ended by done().
	 */
	if (!before.is_open)
		target_close(&x->dest);
	*x = before;
	return e;
}

enum err
upload_literal_data(struct session *s, struct command *c, struct str data, size_t *taken_out)
{
	struct upload *x = c->ctx;
	struct arrival *m;
	enum err e = copy_urls(s, c, x);

	if (e == ERR_OK)
		e = open_message(s, c, x, x->count - 1, &m);
	if (e != ERR_OK)
		return e;
	if (!x->is_binary && str_chr(data, '\0') != SIZE_MAX) {
		c->text = STR("NUL stands in a literal8 only.");
		return ERR_SYNTAX;
	}
	return arrival_write(m, data, taken_out, session_waiter(s));
}

enum err
upload_literal_end(struct session *s, struct command *c)
{
	struct upload *x = c->ctx;
	struct arrival *m;
	enum err e = copy_urls(s, c, x);

	if (e == ERR_OK)
		e = open_message(s, c, x, x->count - 1, &m);
	/* A part may be empty, and more of them may follow. */
	return e == ERR_OK && x->word == UPLOAD_NEXT_MESSAGE ? finish_until(c, x, x->count) : e;
}

/* The end of the command: behind its last literal, or all of it when there are but URLs. */
enum err
upload_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct upload *x = c->ctx;
	enum err e = take_words(s, c, x, in);

	return e == ERR_OK && x->has_literal ? ERR_BUG : e;
}

/*
 * An upload may last, and the right to it be taken away meanwhile. A mailbox that was renamed is
 * the same; of one that is gone the commit will know.
 */
static enum err
look_again(struct session *s, struct upload *x)
{
	struct snapshot *now = session_snapshot_of(s, x->dest.account);
	const struct mailbox_info *m =
	    now == x->dest.snapshot ? NULL : snapshot_mailbox_by_id(now, x->dest.mailbox->id);

	if (m != NULL)
		x->dest.rights = target_rights(s, now, m);
	snapshot_unref(now);
	return target_check_into(&x->dest);
}

enum err
upload_gather(struct session *s, struct command *c)
{
	struct upload *x = c->ctx;
	enum err e = find_mailbox(s, c, x);

	if (e == ERR_OK)
		e = look_again(s, x);
	if (e == ERR_OK)
		e = copy_urls(s, c, x);
	if (e == ERR_OK)
		e = finish_until(c, x, x->count);
	if (e == ERR_OK)
		e = check_rights(x);
	for (uint32_t i = 0; i < x->count && e == ERR_OK; i++) {
		drop_flags(x, &x->messages[i]);
		e = annotate_check_list(x->messages[i].notes,
		    arrival_bodystructure(x->messages[i].arrival));
	}
	return e;
}

void
upload_done(struct session *s, struct command *c)
{
	struct upload *x = c->ctx;

	/* An arrival, or a reader, must not wait when it goes. */
	waiter_cancel(session_waiter(s));
	catenate_done(&x->catenate);
	for (uint32_t i = 0; i < x->count; i++)
		arrival_unref(x->messages[i].arrival);
	target_close(&x->dest);
}

void
upload_tell_name(struct session *s, struct command *c, const struct snapshot *after)
{
	const struct upload *x = c->ctx;

	if ((x->dest.rights & RIGHT_L) != 0)
		mailbox_arg_tell(s, c->arena, &x->mailbox, &x->dest, after);
}

enum err
upload_result(enum err e)
{
	return e == ERR_NOTFOUND || e == ERR_NOSELECT ? ERR_TRYCREATE : e;
}

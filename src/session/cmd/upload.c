/* upload.c - see upload.h. */
#include "session/cmd/upload.h"

#include "imap/append.h"
#include "session/flag_lists.h"
#include "session/server.h"
#include "store/quota.h"

enum { APPEND_MESSAGES_MAX = 1000 };	/* of one MULTIAPPEND */

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
find_mailbox(struct session *s, struct command *c, struct upload *x, struct str name)
{
	enum err e = target_open(s, c->arena, name, &x->dest);

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

static struct append *
add_message(struct command *c, struct upload *x)
{
	if (x->count == x->cap) {
		struct append *grown = arena_array(c->arena, struct append, x->cap == 0 ? 1 : x->cap * 4);

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

/* What is said before the first message, or between two. */
static enum err
begin_words(struct session *s, struct command *c, struct upload *x, struct imap_scan *in)
{
	bool has_more;
	struct str name;
	enum err e;

	if (x->is_open && x->replaces) {
		imap_scan_fail(in, ERR_SYNTAX, "the end of the command: REPLACE takes one message");
		return ERR_SYNTAX;
	}
	if (x->is_open) {
		e = imap_append_next(in, x->was_utf8, &has_more);
		if (e == ERR_OK && !has_more) {
			imap_scan_fail(in, ERR_SYNTAX, "another message");
			e = ERR_SYNTAX;
		}
		return e;
	}
	if (x->replaces) {
		e = scan_replaced(s, c, x, in);
		if (e != ERR_OK)
			return e;
	}
	if (is_name_announced(in))
		return ERR_EXISTS;
	e = imap_append_open(in, &name);
	return e != ERR_OK ? e : find_mailbox(s, c, x, name);
}

static enum err
open_message(struct session *s, struct command *c, struct imap_scan *sofar)
{
	struct upload *x = c->ctx;
	uint64_t max = session_append_limit(s);
	struct imap_append_message m;
	enum err e = begin_words(s, c, x, sofar);

	if (e == ERR_OK)
		e = imap_append_message(sofar, &m);
	if (e != ERR_OK)
		return e;
	if (m.is_utf8 && (s->enabled & ENABLED_UTF8) == 0) {
		c->text = STR("ENABLE UTF8=ACCEPT before UTF8 ().");
		return ERR_CANNOT;
	}
	if (m.literal.size == 0) {
		/* RFC 3502 4: so a client takes its APPEND back. */
		c->text = STR("A message of no bytes: nothing is appended.");
		return ERR_CANNOT;
	}
	if (m.literal.size > max || x->bytes > max - m.literal.size)
		return ERR_TOOBIG;
	if (x->count == APPEND_MESSAGES_MAX)
		return ERR_LIMIT;
	/* What REPLACE takes away may make the room (RFC 8508 3.4): the commit will know. */
	if (!x->replaces && snapshot_is_over_quota(x->dest.snapshot, x->bytes + m.literal.size, x->count + 1))
		return ERR_OVERQUOTA;
	x->bytes += m.literal.size;
	x->was_utf8 = m.is_utf8;
	x->is_binary = m.literal.is_binary;
	*add_message(c, x) = (struct append){
		.arrival = arrival_new(server_options(s->server)->store),
		.flags = (uint16_t)m.flags.system,
		.keywords = m.flags.keywords,
		.keyword_count = (uint32_t)m.flags.n_keywords,
		.has_internal_date = m.has_date,
		.internal_s = m.date.utc_s,
		.internal_zone_min = m.date.zone_min,
	};
	drop_flags(x, &x->messages[x->count - 1]);
	return ERR_OK;
}

enum err
upload_literal(struct session *s, struct command *c, struct imap_scan *sofar, unused_arg struct imap_literal lit)
{
	struct upload *x = c->ctx;
	enum err e = open_message(s, c, sofar);

	/* A command that fails before its first message is not ended by upload_done(). */
	if (e != ERR_OK && x->count == 0)
		target_close(&x->dest);
	return e;
}

enum err
upload_literal_data(struct session *s, struct command *c, struct str data, size_t *taken_out)
{
	struct upload *x = c->ctx;

	if (!x->is_binary && str_chr(data, '\0') != SIZE_MAX) {
		c->text = STR("NUL stands in a literal8 only.");
		return ERR_SYNTAX;
	}
	return arrival_write(x->messages[x->count - 1].arrival, data, taken_out, session_waiter(s));
}

enum err
upload_literal_end(unused_arg struct session *s, struct command *c)
{
	struct upload *x = c->ctx;

	return arrival_finish(x->messages[x->count - 1].arrival);
}

/* The end of the command; without any message before it, all that is there is wrong. */
enum err
upload_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct upload *x = c->ctx;
	struct imap_append_message m;
	struct seqset set;
	struct str name;
	bool has_more;
	enum err e;

	if (x->count > 0) {
		e = imap_append_next(in, x->was_utf8, &has_more);
		if (e != ERR_OK || !has_more)
			return e;
		return imap_append_message(in, &m) == ERR_OK ? ERR_BUG : imap_scan_err(in);
	}
	if (x->replaces && !imap_scan_seqset(in, &set))
		return imap_scan_err(in);
	if (x->replaces && !imap_scan_sp(in))
		return imap_scan_err(in);
	e = imap_append_open(in, &name);
	if (e == ERR_OK)
		e = imap_append_message(in, &m);
	return e == ERR_OK ? ERR_BUG : e;
}

void
upload_done(struct session *s, struct command *c)
{
	struct upload *x = c->ctx;

	/* An arrival must not wait when it goes. */
	waiter_cancel(session_waiter(s));
	for (uint32_t i = 0; i < x->count; i++)
		arrival_unref(x->messages[i].arrival);
	target_close(&x->dest);
}

enum err
upload_result(enum err e)
{
	return e == ERR_NOTFOUND || e == ERR_NOSELECT ? ERR_TRYCREATE : e;
}

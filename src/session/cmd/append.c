/*
 * append.c - APPEND: messages stream into the store as they come, and are put into the mailbox in one commit at the end.
 *
 *     literal() -- the mailbox's name ---> collected, asked again when it is there
 *               -- a message -----------> literal_data() ... literal_end() -- another message -> literal()
 *                                                                          -- end ------------> parse() -> run()
 */
#include "imap/append.h"

#include "session/cmd/commands.h"
#include "session/flag_lists.h"
#include "session/server.h"
#include "session/target.h"
#include "store/quota.h"

enum { APPEND_MESSAGES_MAX = 1000 };	/* of one MULTIAPPEND */

struct append_ctx {
	bool is_open;			/* the mailbox was read and found */
	struct target dest;
	struct append *messages;	/* in the arena, room for cap */
	uint32_t count, cap;
	uint64_t bytes;			/* announced so far */
	bool was_utf8;			/* the last literal stood in UTF8 () */
	bool is_binary;			/* it is a literal8: may hold NUL */
	uint32_t uidvalidity;
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
find_mailbox(struct session *s, struct command *c, struct append_ctx *x, struct str name)
{
	enum err e = target_open(s, c->arena, name, &x->dest);

	if (e == ERR_OK)
		e = target_check_into(&x->dest);
	x->is_open = e == ERR_OK;
	return e;
}

/* Flags that the user has no right to set are left out in silence (RFC 4314 4). */
static void
drop_flags(const struct append_ctx *x, struct append *m)
{
	m->flags &= (uint16_t)changeable_flags(x->dest.rights);
	if ((x->dest.rights & RIGHT_W) == 0)
		m->keyword_count = 0;
}

static struct append *
add_message(struct command *c, struct append_ctx *x)
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

/* What is said before the first message, or between two. */
static enum err
begin_words(struct session *s, struct command *c, struct append_ctx *x, struct imap_scan *in)
{
	bool has_more;
	struct str name;
	enum err e;

	if (x->is_open) {
		e = imap_append_next(in, x->was_utf8, &has_more);
		if (e == ERR_OK && !has_more) {
			imap_scan_fail(in, ERR_SYNTAX, "another message");
			e = ERR_SYNTAX;
		}
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
	struct append_ctx *x = c->ctx;
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
	if (snapshot_is_over_quota(x->dest.snapshot, x->bytes + m.literal.size, x->count + 1))
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

static enum err
append_literal(struct session *s, struct command *c, struct imap_scan *sofar, unused_arg struct imap_literal lit)
{
	struct append_ctx *x = c->ctx;
	enum err e = open_message(s, c, sofar);

	/* A command that fails before its first message is not ended by append_done(). */
	if (e != ERR_OK && x->count == 0)
		target_close(&x->dest);
	return e;
}

static enum err
append_literal_data(struct session *s, struct command *c, struct str data, size_t *taken_out)
{
	struct append_ctx *x = c->ctx;

	if (!x->is_binary && str_chr(data, '\0') != SIZE_MAX) {
		c->text = STR("NUL stands in a literal8 only.");
		return ERR_SYNTAX;
	}
	return arrival_write(x->messages[x->count - 1].arrival, data, taken_out, session_waiter(s));
}

static enum err
append_literal_end(unused_arg struct session *s, struct command *c)
{
	struct append_ctx *x = c->ctx;

	return arrival_finish(x->messages[x->count - 1].arrival);
}

/* The end of the command; without any message before it, all that is there is wrong. */
static enum err
append_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct append_ctx *x = c->ctx;
	struct imap_append_message m;
	struct str name;
	bool has_more;
	enum err e;

	if (x->count > 0) {
		e = imap_append_next(in, x->was_utf8, &has_more);
		if (e != ERR_OK || !has_more)
			return e;
		return imap_append_message(in, &m) == ERR_OK ? ERR_BUG : imap_scan_err(in);
	}
	e = imap_append_open(in, &name);
	if (e == ERR_OK)
		e = imap_append_message(in, &m);
	return e == ERR_OK ? ERR_BUG : e;
}

static enum err
append_run(struct session *s, struct command *c)
{
	struct append_ctx *x = c->ctx;
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	BUF_CLEAN struct buf code = BUF_MAX(256);
	struct snapshot *after = NULL;
	struct uid first;
	enum err e;

	e = messages_append(x->dest.account, x->dest.mailbox->id, x->messages, x->count, session_waiter(s), &first, &x->uidvalidity, &after);
	session_committed(s, after);
	if (e == ERR_NOTFOUND || e == ERR_NOSELECT)
		return ERR_TRYCREATE;
	if (e != ERR_OK)
		return e;
	rangeset_add(&uids, first.v, first.v + x->count - 1);
	reply_code_appenduid(&code, x->uidvalidity, &uids);
	c->code = arena_str(c->arena, buf_str(&code));
	return ERR_OK;
}

static void
append_done(struct session *s, struct command *c)
{
	struct append_ctx *x = c->ctx;

	/* An arrival must not wait when it goes. */
	waiter_cancel(session_waiter(s));
	for (uint32_t i = 0; i < x->count; i++)
		arrival_unref(x->messages[i].arrival);
	target_close(&x->dest);
}

const struct imap_command cmd_append = {
	.name = "APPEND",
	.states = IN_LOGGED_IN,
	.flags = STREAMS | CHANGES,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox 1*(SP [(flags) SP] [date-time SP] (literal | literal8 | UTF8 (literal8)))",
	.spec = "RFC 9051 6.3.12, RFC 4314 4, RFC 9208 4.3.1, RFC 3502, RFC 3516, RFC 4315 3, RFC 6855 4",
	.summary = "Put messages into a mailbox, all or none.",
	.ctx_size = sizeof(struct append_ctx),
	.parse = append_parse,
	.run = append_run,
	.done = append_done,
	.literal = append_literal,
	.literal_data = append_literal_data,
	.literal_end = append_literal_end,
};

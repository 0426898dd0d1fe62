/*
 * convert.c - CONVERT and UID CONVERT: parts of messages in other forms (RFC 5259).
 *
 *     each message: record -> each item: part made (or kept from the item before) -> "* n CONVERTED (TAG ...) (" item ... ")"
 *
 * A part that can't be converted is answered with an ERROR in its place; when none can, the command
 * is NO.
 */
#include "session/cmd/commands.h"

#include "mime/bodystructure.h"
#include "session/cmd/convert_part.h"
#include "session/cmd/message_limit.h"
#include "session/cmd/message_set.h"

enum {
	MESSAGES_MAX = 1000, /* of a command */
	PARTS_MAX = 100,     /* different ones of a message */
	WRITE_BYTES = 65536,
};

struct convert_ctx {
	struct imap_convert args;
	struct convert_target target;
	struct rangeset uids;
	uint32_t next_uid; /* to look at */
	uint32_t count;    /* messages that were answered */
	bool is_open;      /* a message is */
	struct entry entry;
	struct seqnum seq;
	struct fetch_source src;
	bool is_head_written, is_first;
	size_t at_item;
	const struct imap_section *section; /* that `part` is of; NULL: there is none */
	struct convert_part part;
	bool is_writing; /* the result goes out */
	size_t at, end;  /* of it */
	bool has_success, has_failure;
	enum err result;
};

/* ---- arguments ------------------------------------------------------------------------------- */

static bool
is_same_section(const struct imap_section *a, const struct imap_section *b)
{
	return a->kind == b->kind && a->n_path == b->n_path
	    && (a->n_path == 0 || memcmp(a->path, b->path, a->n_path * sizeof(a->path[0])) == 0);
}

static size_t
count_parts(const struct imap_convert *c)
{
	size_t count = 0;

	for (size_t i = 0; i < c->item_count; i++) {
		size_t k = 0;

		while (k < i && !is_same_section(&c->items[i].section, &c->items[k].section))
			k++;
		count += k == i;
	}
	return count;
}

static enum err
refuse(struct command *c, const char *code, uint64_t limit, const char *why)
{
	BUF_CLEAN struct buf b = BUF_MAX(64);

	reply_code_number(&b, code, limit);
	c->code = arena_str(c->arena, buf_str(&b));
	c->text = str_c(why);
	return ERR_LIMIT;
}

static enum err
convert_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct convert_ctx *x = c->ctx;
	enum err e = message_set_scan(s, c, in, &x->uids);

	if (e != ERR_OK)
		return e;
	if (!imap_scan_sp(in))
		return imap_scan_err(in);
	e = imap_convert_parse(in, &x->args);
	if (e != ERR_OK)
		return e;
	convert_target_make(c->arena, &x->args, &x->target);
	x->next_uid = 1;
	if (count_parts(&x->args) > PARTS_MAX)
		return refuse(c, "MAXCONVERTPARTS", PARTS_MAX, "These are too many parts.");
	if (message_limit_count(s->view, &x->uids) > MESSAGES_MAX)
		return refuse(c, "MAXCONVERTMESSAGES", MESSAGES_MAX,
		    "These are too many messages.");
	return ERR_OK;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
begin_item(struct session *s, struct command *c, struct convert_ctx *x,
    const struct convert_item *item)
{
	struct buf *b = session_out(s);

	if (!x->is_head_written) {
		bool is_uidonly = (s->enabled & ENABLED_UIDONLY) != 0;

		reply_untagged(b);
		reply_number(b, is_uidonly ? x->entry.uid.v : x->seq.v);
		buf_lit(b, " CONVERTED (TAG ");
		reply_string(b, c->tag, REPLY_ASCII);
		buf_lit(b, ") (");
		x->is_head_written = x->is_first = true;
		if (c->is_uid || x->args.has_uid) {
			reply_item(b, &x->is_first);
			buf_lit(b, "UID ");
			reply_number(b, x->entry.uid.v);
		}
	}
	if (item == NULL)
		return;
	reply_item(b, &x->is_first);
	buf_str_add(b, item->label);
	buf_chr(b, ' ');
}

static void
write_error(struct session *s, struct command *c, struct convert_ctx *x,
    const struct convert_item *item, const struct convert_error *error)
{
	x->has_failure = true;
	begin_item(s, c, x, item);
	convert_error_write(error, &x->target, session_out(s));
}

/* What <partial> leaves of the result goes out in pieces. */
static void
begin_writing(struct session *s, struct convert_ctx *x, const struct imap_section *sec)
{
	x->at = sec->has_partial ? (size_t)MIN(sec->offset, (uint64_t)x->part.result.n) : 0;
	x->end = x->at
	    + (sec->has_partial ? (size_t)MIN(sec->length, (uint64_t)(x->part.result.n - x->at))
				: x->part.result.n - x->at);
	if (x->part.has_nul)
		reply_literal8_open(session_out(s), x->end - x->at);
	else
		reply_literal_open(session_out(s), x->end - x->at);
	x->is_writing = true;
}

static enum err
go_on_writing(struct session *s, struct convert_ctx *x)
{
	while (x->at < x->end) {
		size_t n = MIN(x->end - x->at, (size_t)WRITE_BYTES);

		if (session_is_full(s))
			return session_wait_output(s);
		buf_str_add(session_out(s), str_sub(buf_str(&x->part.result), x->at, x->at + n));
		x->at += n;
	}
	x->is_writing = false;
	return ERR_OK;
}

static enum err
write_structure(const struct convert_ctx *x, const struct imap_section *sec, struct buf *out)
{
	const struct str to = x->part.conversion->to;
	const size_t slash = str_chr(to, '/');
	const struct mime_body_form form = {
		.type = str_sub(to, 0, slash),
		.subtype = str_sub(to, slash + 1, to.n),
		.charset = x->part.charset,
		.encoding = x->part.has_nul ? STR("binary")
		    : x->part.has_8bit      ? STR("8bit")
					    : STR("7bit"),
		.octets = x->part.result.n,
		.lines = x->part.lines,
	};
	struct str part;
	enum err e =
	    mime_bodystructure_part(x->src.message->bodystructure, sec->path, sec->n_path, &part);

	return e == ERR_OK ? mime_bodystructure_reform(part, &form, out) : e;
}

/* Types that a part can become, though not whether it will go well (RFC 5259 8.4). */
static void
write_available(struct session *s, struct command *c, struct convert_ctx *x,
    const struct convert_item *item)
{
	struct convert_part part = { 0 };
	bool is_first = true;

	convert_part_find(c->arena, &x->src, &item->section, &x->target, &part);
	if (part.error.why != NULL) {
		write_error(s, c, x, item, &part.error);
		return;
	}
	x->has_success = true;
	begin_item(s, c, x, item);
	buf_lit(session_out(s), "((");
	for (size_t i = 0; i < conversion_count; i++) {
		if (!str_eq_nocase(conversions[i].from, part.conversion->from)
		    || (x->target.type.p != NULL
			&& !str_eq_nocase(conversions[i].to, x->target.type)))
			continue;
		reply_item(session_out(s), &is_first);
		reply_string(session_out(s), conversions[i].to, REPLY_ASCII);
	}
	buf_lit(session_out(s), "))");
}

/* ---- items ----------------------------------------------------------------------------------- */

/* ERR_WAIT; the part of this item is made. */
static enum err
make(struct session *s, struct command *c, struct convert_ctx *x, const struct convert_item *item)
{
	if (x->section != NULL && !is_same_section(x->section, &item->section)) {
		waiter_cancel(session_waiter(s));
		convert_part_done(&x->part);
	}
	x->section = &item->section;
	if (x->part.is_made)
		return ERR_OK;
	if (item->kind == CONVERT_HEADER)
		return convert_header_make(s, &x->src, &item->section, &x->target, &x->part);
	return convert_part_make(s, c->arena, &x->src, &item->section, &x->target, &x->part);
}

static enum err
answer_item(struct session *s, struct command *c, struct convert_ctx *x,
    const struct convert_item *item)
{
	BUF_CLEAN struct buf structure = BUF_MAX(SIZE_MAX / 2);
	enum err e;

	if (x->is_writing)
		return go_on_writing(s, x);
	if (item->kind == CONVERT_AVAILABLE) {
		write_available(s, c, x, item);
		return ERR_OK;
	}
	e = make(s, c, x, item);
	if (e != ERR_OK)
		return e;
	if (x->part.error.why != NULL) {
		write_error(s, c, x, item, &x->part.error);
		return ERR_OK;
	}
	if (item->kind == CONVERT_BODYPARTSTRUCTURE)
		e = write_structure(x, &item->section, &structure);
	if (e != ERR_OK)
		return e;
	x->has_success = true;
	begin_item(s, c, x, item);
	if (item->kind == CONVERT_BODYPARTSTRUCTURE) {
		buf_str_add(session_out(s), buf_str(&structure));
	} else if (item->kind == CONVERT_BINARY_SIZE) {
		reply_number(session_out(s), x->part.result.n);
	} else {
		begin_writing(s, x, &item->section);
		return go_on_writing(s, x);
	}
	return ERR_OK;
}

static void
close_message(struct session *s, struct convert_ctx *x)
{
	/* A reader must not wait when it goes. */
	waiter_cancel(session_waiter(s));
	convert_part_done(&x->part);
	fetch_source_done(&x->src);
	x->section = NULL;
	x->is_open = x->is_head_written = false;
	x->at_item = 0;
}

/* ERR_OK: all that can be had of it is answered. */
static enum err
answer(struct session *s, struct command *c, struct convert_ctx *x)
{
	enum err e = x->entry.msgno.v == 0 ? ERR_CORRUPT : ERR_OK;

	if (e == ERR_OK && x->src.message == NULL && x->args.item_count > 0) {
		x->src.account = view_account(s->view);
		e = message_get(x->src.account, x->entry.msgno, MESSAGE_SUMMARY, session_waiter(s),
		    &x->src.message);
	}
	while (e == ERR_OK && x->at_item < x->args.item_count) {
		/* Errors are long when the client's parameters are. */
		if (!x->is_writing && session_is_full(s))
			return session_wait_output(s);
		e = answer_item(s, c, x, &x->args.items[x->at_item]);
		if (e == ERR_OK)
			x->at_item++;
	}
	if (e == ERR_WAIT)
		return e;
	if (e != ERR_OK && x->result == ERR_OK)
		x->result = x->entry.is_ghost ? ERR_EXPUNGED : e;
	if (x->args.item_count == 0)
		begin_item(s, c, x, NULL);
	if (x->is_head_written) {
		buf_chr(session_out(s), ')');
		reply_end(session_out(s));
	}
	return ERR_OK;
}

static enum err
convert_run(struct session *s, struct command *c)
{
	struct convert_ctx *x = c->ctx;

	for (;;) {
		enum err e;

		if (!x->is_open) {
			if (session_is_full(s))
				return session_wait_output(s);
			if (session_should_yield(s))
				return session_yield(s);
			if (x->next_uid == 0
			    || !message_set_next(s->view, &x->uids, x->next_uid, &x->entry,
				&x->seq))
				break;
			x->is_open = true;
		}
		e = answer(s, c, x);
		if (e != ERR_OK)
			return e;
		x->next_uid = x->entry.uid.v + 1;
		x->count++;
		close_message(s, x);
	}
	if (x->result != ERR_OK || !x->has_failure || x->has_success)
		return x->result;
	c->text = STR("All conversions failed.");
	c->code = STR("");
	return ERR_UNKNOWN;
}

static bool
convert_progress(struct session *s, const struct command *c, uint64_t *done_out, uint64_t *goal_out)
{
	const struct convert_ctx *x = c->ctx;

	*done_out = x->count;
	*goal_out = message_limit_count(s->view, &x->uids);
	return !x->is_head_written;
}

static void
convert_done(struct session *s, struct command *c)
{
	struct convert_ctx *x = c->ctx;

	close_message(s, x);
	rangeset_done(&x->uids);
}

const struct imap_command cmd_convert = {
	.name = "CONVERT",
	.uid = true,
	.states = IN_SELECTED,
	.flags = USES_SEQS,
	.capability = CAP_CONVERT,
	.args = "sequence-set SP ((type | NIL) [SP (parameter value ...)]) SP (item | (items))",
	.spec = "RFC 5259 6",
	.summary = "Read parts of messages in another charset or as another type.",
	.ctx_size = sizeof(struct convert_ctx),
	.parse = convert_parse,
	.run = convert_run,
	.progress = convert_progress,
	.done = convert_done,
};

/* ---- CONVERSIONS ----------------------------------------------------------------------------- */

static enum err
conversions_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	return imap_conversions_parse(in, c->ctx);
}

static enum err
conversions_run(struct session *s, struct command *c)
{
	const struct imap_conversions *x = c->ctx;
	struct buf *b = session_out(s);

	for (size_t i = 0; i < conversion_count; i++) {
		if (!imap_conversion_matches(x->from, conversions[i].from)
		    || !imap_conversion_matches(x->to, conversions[i].to))
			continue;
		buf_lit(b, "* CONVERSION ");
		reply_string(b, conversions[i].from, REPLY_ASCII);
		buf_chr(b, ' ');
		reply_string(b, conversions[i].to, REPLY_ASCII);
		buf_lit(b, " (\"charset\" \"unknown-character-replacement\")");
		reply_end(b);
	}
	return ERR_OK;
}

const struct imap_command cmd_conversions = {
	.name = "CONVERSIONS",
	.states = IN_LOGGED_IN,
	.capability = CAP_CONVERT,
	.args = "type SP type",
	.spec = "RFC 5259 5.1",
	.summary = "Tell what CONVERT makes of what.",
	.ctx_size = sizeof(struct imap_conversions),
	.parse = conversions_parse,
	.run = conversions_run,
};

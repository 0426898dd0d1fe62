/*
 * replace.c - REPLACE and UID REPLACE (RFC 8508): a new message comes, possibly into another
 * mailbox, and the old one goes.
 */
#include "session/cmd/commands.h"
#include "session/cmd/message_set.h"
#include "session/cmd/upload.h"

struct replace_ctx {
	struct upload upload; /* first: upload.h */
	bool is_done;         /* committed and APPENDUID is told */
};

static enum err
replace_literal(struct session *s, struct command *c, struct imap_scan *sofar,
    struct imap_literal lit)
{
	struct replace_ctx *x = c->ctx;

	x->upload.replaces = true;
	return upload_literal(s, c, sofar, lit);
}

static enum err
replace_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct replace_ctx *x = c->ctx;

	x->upload.replaces = true;
	return upload_parse(s, c, in);
}

/*
 * APPENDUID stands before EXPUNGE, so that the client knows the new message when the old one goes
 * (RFC 8508 4.3).
 */
static enum err
replace(struct session *s, struct command *c, struct replace_ctx *x)
{
	struct upload *u = &x->upload;
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	BUF_CLEAN struct buf code = BUF_MAX(256);
	struct snapshot *after = NULL, *into = NULL;
	struct uid new;
	enum err e;

	e = messages_replace(s->view, u->replaced, u->dest.account, u->dest.mailbox->id,
	    u->messages, session_waiter(s), &new, &u->uidvalidity, &after, &into);
	session_committed(s, into);
	session_committed(s, after);
	/* The mailbox that is not found is the selected one: ERR_TRYCREATE is about the other. */
	if (e == ERR_NOTFOUND)
		return ERR_EXPUNGED;
	if (e != ERR_OK)
		return e == ERR_WAIT || e == ERR_EXPUNGED ? e : upload_result(e);
	x->is_done = true;
	upload_tell_name(s, c, into != NULL ? into : after);
	if (!target_tells_uids(&u->dest))
		return ERR_OK;
	rangeset_add_one(&uids, new.v);
	reply_code_appenduid(&code, u->uidvalidity, &uids);
	session_untagged(s, "OK", buf_str(&code), STR("The new message is here."));
	return ERR_OK;
}

static enum err
replace_run(struct session *s, struct command *c)
{
	struct replace_ctx *x = c->ctx;
	enum err e = x->is_done ? ERR_OK : upload_gather(s, c);

	if (e == ERR_OK && !x->is_done)
		e = replace(s, c, x);
	if (e == ERR_OK)
		e = session_tell(s, TELL_ALL);
	/* As UID EXPUNGE (RFC 8508 4.5, RFC 7162 3.2.9). */
	if (e == ERR_OK)
		c->code = message_set_modseq_code(s, c->arena);
	return e;
}

const struct imap_command cmd_replace = {
	.name = "REPLACE",
	.uid = true,
	.states = IN_SELECTED,
	.flags = STREAMS | USES_SEQS | BREAKS_SEQS | WRITES | CHANGES,
	.rights = RIGHT_T | RIGHT_E,
	.capability = CAP_REPLACE,
	.args =
	    "seq-number SP mailbox [SP (flags)] [SP date-time] SP (literal | literal8 | UTF8 (literal8) | CATENATE (parts))",
	.spec = "RFC 8508, RFC 4469",
	.summary = "Put a message in the place of another.",
	.ctx_size = sizeof(struct replace_ctx),
	.parse = replace_parse,
	.run = replace_run,
	.done = upload_done,
	.literal = replace_literal,
	.literal_data = upload_literal_data,
	.literal_end = upload_literal_end,
};

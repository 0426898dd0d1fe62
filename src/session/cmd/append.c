/* append.c - APPEND: all that came is put into the mailbox in one commit at the end. */
#include "session/cmd/commands.h"
#include "session/cmd/upload.h"

static enum err
append_run(struct session *s, struct command *c)
{
	struct upload *x = c->ctx;
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	BUF_CLEAN struct buf code = BUF_MAX(256);
	struct snapshot *after = NULL;
	struct uid first;
	enum err e = upload_gather(s, c);

	if (e != ERR_OK)
		return e;
	e = messages_append(x->dest.account, x->dest.mailbox->id, x->messages, x->count,
	    session_waiter(s), &first, &x->uidvalidity, &after);
	session_committed(s, after);
	if (e != ERR_OK)
		return upload_result(e);
	upload_tell_name(s, c, after);
	if (!target_tells_uids(&x->dest))
		return ERR_OK;
	rangeset_add(&uids, first.v, first.v + x->count - 1);
	reply_code_appenduid(&code, x->uidvalidity, &uids);
	c->code = arena_str(c->arena, buf_str(&code));
	return ERR_OK;
}

const struct imap_command cmd_append = {
	.name = "APPEND",
	.states = IN_LOGGED_IN,
	.flags = STREAMS | CHANGES,
	.capability = CAP_IMAP4REV1,
	.args =
	    "mailbox 1*(SP [(flags) SP] [date-time SP] (literal | literal8 | UTF8 (literal8) | CATENATE (parts)))",
	.spec =
	    "RFC 9051 6.3.12, RFC 4314 4, RFC 9208 4.3.1, RFC 3502, RFC 3516, RFC 4315 3, RFC 4469, RFC 6855 4",
	.summary = "Put messages into a mailbox, all or none.",
	.ctx_size = sizeof(struct upload),
	.parse = upload_parse,
	.run = append_run,
	.done = upload_done,
	.literal = upload_literal,
	.literal_data = upload_literal_data,
	.literal_end = upload_literal_end,
};

/* compress.c - COMPRESS (RFC 4978): both directions are DEFLATE from the line behind its OK on. */
#include "io/stream.h"
#include "session/cmd/commands.h"
#include "session/core.h"

struct compress_ctx {
	struct str method;
};

static enum err
compress_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct compress_ctx *x = c->ctx;

	return imap_scan_atom(in, &x->method) && imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
compress_run(struct session *s, struct command *c)
{
	struct compress_ctx *x = c->ctx;

	if (!str_eq_nocase(x->method, STR("DEFLATE"))) {
		c->text = STR("Only DEFLATE is known here.");
		return ERR_CANNOT;
	}
	if (stream_is_deflated(s->stream)) {
		c->code = STR("COMPRESSIONACTIVE");
		c->text = STR("DEFLATE is on already.");
		return ERR_CANNOT;
	}
	/*
	 * A client may send nothing before it has seen the answer, so what is here already is not
	 * compressed.
	 */
	if (stream_input(s->stream).n > 0) {
		c->text = STR("Nothing may follow COMPRESS before its answer.");
		return ERR_CLIENTBUG;
	}
	c->text = STR("DEFLATE begins now.");
	return ERR_OK;
}

static void
compress_replied(struct session *s, unused_arg struct command *c)
{
	if (stream_start_deflate(s->stream) != ERR_OK)
		session_end(s, "data behind COMPRESS");
}

const struct imap_command cmd_compress = {
	.name = "COMPRESS",
	.states = IN_LOGGED_IN,
	.flags = ALONE,
	.capability = CAP_COMPRESS,
	.args = "\"DEFLATE\"",
	.spec = "RFC 4978",
	.summary = "Compress what is sent both ways.",
	.ctx_size = sizeof(struct compress_ctx),
	.parse = compress_parse,
	.run = compress_run,
	.replied = compress_replied,
};

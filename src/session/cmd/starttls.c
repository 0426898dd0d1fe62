/*
 * starttls.c - STARTTLS (RFC 9051 6.2.1). Nothing that was said in the clear survives it: a byte
 * buffered behind the command could come from somebody in between who wants it to count as said
 * under TLS, so it ends the connection.
 */
#include "io/stream.h"
#include "session/cmd/commands.h"
#include "session/core.h"
#include "session/server.h"

static enum err
starttls_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
starttls_run(struct session *s, struct command *c)
{
	if (server_options(s->server)->tls == NULL || stream_ssl(s->stream) != NULL) {
		c->text = stream_ssl(s->stream) != NULL ? STR("TLS is on already.")
							: STR("TLS is not available.");
		return ERR_BADSTATE;
	}
	if (stream_input(s->stream).n > 0) {
		s->core->end_reason = "data behind STARTTLS";
		session_bye(s, STR("CLIENTBUG"),
		    STR("Nothing may follow STARTTLS before TLS is on."));
		return ERR_CLIENTBUG;
	}
	c->text = STR("Begin TLS now.");
	return ERR_OK;
}

static void
starttls_replied(struct session *s, unused_arg struct command *c)
{
	if (stream_start_tls(s->stream, server_options(s->server)->tls, "imap") != ERR_OK)
		session_end(s, "data behind STARTTLS");
	session_forget_client_id(s);
	/* Whoever could listen in may have chosen it (RFC 5255 7). */
	s->language = LANGUAGE_DEFAULT;
}

const struct imap_command cmd_starttls = {
	.name = "STARTTLS",
	.states = IN_NOT_AUTHENTICATED,
	.flags = NO_TELL | ALONE,
	.capability = CAP_STARTTLS,
	.args = "",
	.spec = "RFC 9051 6.2.1",
	.summary = "Go on under TLS.",
	.parse = starttls_parse,
	.run = starttls_run,
	.replied = starttls_replied,
};

/* resetkey.c - RESETKEY: takes back what URLs were authorized to (RFC 4467 7). */
#include "session/cmd/commands.h"

#include "imap/urlauth.h"
#include "session/urlauth.h"

static enum err
resetkey_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	return imap_resetkey_parse(in, c->ctx);
}

/* The mailbox's URLs. */
static enum err
reset(struct session *s, struct command *c, const struct imap_resetkey *r,
    struct snapshot **after_out)
{
	struct access_key fresh, key;
	struct target t;
	enum err e;

	for (size_t i = 0; i < r->count; i++) {
		if (!str_eq_nocase(r->mechanisms[i], STR(URLAUTH_MECHANISM))) {
			c->text = STR("INTERNAL is the only mechanism.");
			return ERR_CANNOT;
		}
	}
	e = target_open(s, c->arena, r->mailbox, &t);
	if (e != ERR_OK)
		return e;
	e = target_check(&t, RIGHT_R);
	if (e == ERR_OK)
		e = urlauth_random(&fresh);
	if (e == ERR_OK)
		e = access_key_make(s->account, account_id(t.account), t.mailbox,
		    ACCESS_KEY_REPLACE, &fresh, &key, after_out);
	target_close(&t);
	explicit_bzero(&key, sizeof(key));
	explicit_bzero(&fresh, sizeof(fresh));
	return e;
}

static enum err
resetkey_run(struct session *s, struct command *c)
{
	const struct imap_resetkey *r = c->ctx;
	struct snapshot *after;
	enum err e =
	    r->has_mailbox ? reset(s, c, r, &after) : access_keys_remove(s->account, &after);

	if (e != ERR_OK)
		return e;
	session_committed(s, after);
	urlauth_look(s);
	if (r->has_mailbox)
		c->code = urlauth_code(s);
	c->text = r->has_mailbox ? STR("The mailbox has a new key.") : STR("All keys are removed.");
	return ERR_OK;
}

const struct imap_command cmd_resetkey = {
	.name = "RESETKEY",
	.states = IN_LOGGED_IN,
	.flags = CHANGES,
	.capability = CAP_URLAUTH,
	.args = "[mailbox [SP mechanism ...]]",
	.spec = "RFC 4467 7",
	.summary = "Take back all URLs made of a mailbox, or of all of them.",
	.ctx_size = sizeof(struct imap_resetkey),
	.parse = resetkey_parse,
	.run = resetkey_run,
};

/*
 * quota.c - GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208). Each account is a quota root,
 * "#user/joe", and so are the mailboxes that are nobody's, "#shared". What another account holds is
 * told to who may read the mailbox that is asked for, and to those who set quotas: the operator's
 * tool and the users of option quota_admins.
 */
#include "session/cmd/commands.h"

#include "auth/name.h"
#include "session/quota.h"
#include "session/server.h"
#include "session/target.h"
#include "store/quota.h"

struct quota_ctx {
	struct str root, mailbox;
	struct quota_limits limits;
	bool has_unknown; /* a resource that has no limits here */
	/* those of the configuration: what the operator's tool writes as X-DEFAULT 0 */
	bool is_default;
};

static const struct {
	struct str name;
	size_t limit, used;
} resources[] = {
	{ STR_INIT("STORAGE"), offsetof(struct quota_limits, storage_kib),
	    offsetof(struct quota, storage_kib) },
	{ STR_INIT("MESSAGE"), offsetof(struct quota_limits, messages),
	    offsetof(struct quota, messages) },
	{ STR_INIT("MAILBOX"), offsetof(struct quota_limits, mailboxes),
	    offsetof(struct quota, mailboxes) },
	{ STR_INIT("ANNOTATION-STORAGE"), offsetof(struct quota_limits, annotations_kib),
	    offsetof(struct quota, annotations_kib) },
};

static uint64_t *
limit_of(struct quota_limits *l, size_t resource)
{
	return (uint64_t *)(void *)((char *)l + resources[resource].limit);
}

static uint64_t
used_of(const struct quota *q, size_t resource)
{
	return *(const uint64_t *)(const void *)((const char *)q + resources[resource].used);
}

bool
quota_may_set(const struct session *s)
{
	const struct server_options *o = server_options(s->server);

	for (size_t i = 0; i < o->quota_admin_count; i++) {
		if (str_eq(o->quota_admins[i], s->user))
			return true;
	}
	return s->is_operator;
}

/* ---- answers ---- */

static struct str
root_of(struct arena *a, struct str user)
{
	return str_eq(user, SHARED_USER) ? STR("#shared")
					 : arena_printf(a, "#user/%.*s", STR_F(user));
}

/* Whose account a root is; false when it can't be one. */
static bool
root_user(struct arena *a, struct str root, struct str *user_out)
{
	if (str_eq(root, STR("#shared"))) {
		*user_out = SHARED_USER;
		return true;
	}
	return str_starts(root, STR("#user/"))
	    && name_normalise(a, str_sub(root, 6, root.n), user_out) == ERR_OK;
}

static void
reply_quota(struct session *s, struct arena *a, const struct snapshot *snapshot)
{
	struct buf *b = session_out(s);
	struct quota q;
	bool is_first;

	snapshot_quota(snapshot, &q);
	reply_untagged(b);
	buf_lit(b, "QUOTA ");
	reply_astring(b, root_of(a, account_user(snapshot_account(snapshot))), session_form(s));
	buf_chr(b, ' ');
	reply_list_open(b, &is_first);
	for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
		uint64_t limit = *limit_of(&q.limits, i);

		if (limit == UINT64_MAX)
			continue;
		reply_item(b, &is_first);
		buf_str_add(b, resources[i].name);
		buf_chr(b, ' ');
		reply_number(b, used_of(&q, i));
		buf_chr(b, ' ');
		reply_number(b, limit);
	}
	reply_list_close(b);
	reply_end(b);
}

/* ---- parsing ---- */

static enum err
getquota_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct quota_ctx *x = c->ctx;

	return imap_scan_astring(in, &x->root) && imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
getquotaroot_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct quota_ctx *x = c->ctx;

	return imap_scan_mailbox(in, &x->mailbox) && imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

/* "STORAGE 512" */
static bool
take_limit(struct imap_scan *in, struct quota_ctx *x)
{
	struct str name;
	uint64_t limit;

	if (!imap_scan_atom(in, &name) || !imap_scan_sp(in) || !imap_scan_number64(in, &limit))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
		if (str_eq_nocase(name, resources[i].name)) {
			*limit_of(&x->limits, i) = limit;
			return true;
		}
	}
	if (str_eq_nocase(name, STR("X-DEFAULT")))
		x->is_default = true;
	else
		x->has_unknown = true;
	return true;
}

static enum err
setquota_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct quota_ctx *x = c->ctx;

	x->limits = QUOTA_NO_LIMITS;
	if (!imap_scan_astring(in, &x->root) || !imap_scan_sp(in) || !imap_scan_list_open(in))
		return imap_scan_err(in);
	for (bool is_first = true; imap_scan_list_more(in, &is_first);) {
		if (!take_limit(in, x))
			return imap_scan_err(in);
	}
	return imap_scan_err(in) == ERR_OK && imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

/* ---- running ---- */

/* The account of a root that this user may know of, referenced. ERR_WAIT. */
static enum err
open_root(struct session *s, struct command *c, struct str root, struct account **out)
{
	enum err e = ERR_NOTFOUND;
	struct str user = STR_NONE;

	if (root_user(c->arena, root, &user) && str_eq(user, s->user)) {
		*out = account_ref(s->account);
		return ERR_OK;
	}
	if (user.n != 0 && quota_may_set(s))
		e = store_account_open(server_options(s->server)->store, user, ACCOUNT_EXISTING,
		    session_waiter(s), out);
	if (e == ERR_NOTFOUND)
		c->text = STR("No such quota root.");
	return e;
}

static enum err
getquota_run(struct session *s, struct command *c)
{
	struct quota_ctx *x = c->ctx;
	struct snapshot *now;
	struct account *a;
	enum err e = open_root(s, c, x->root, &a);

	if (e != ERR_OK)
		return e;
	now = session_snapshot_of(s, a);
	reply_quota(s, c->arena, now);
	snapshot_unref(now);
	account_unref(a);
	return ERR_OK;
}

/*
 * In one's own account the mailbox need not be there (RFC 9208 4.1.2); in another's one must be
 * able to read it (6).
 */
static enum err
getquotaroot_run(struct session *s, struct command *c)
{
	struct quota_ctx *x = c->ctx;
	struct buf *b = session_out(s);
	struct target t;
	enum err e = target_open(s, c->arena, x->mailbox, &t);

	if (e != ERR_OK)
		return e;
	if (t.account != s->account || t.mailbox != NULL)
		e = target_check(&t, RIGHT_R);
	if (e == ERR_NOSELECT)
		e = ERR_OK;
	if (e == ERR_OK) {
		reply_untagged(b);
		buf_lit(b, "QUOTAROOT ");
		reply_mailbox(b, target_full_name(c->arena, &t), session_form(s));
		buf_chr(b, ' ');
		reply_astring(b, root_of(c->arena, account_user(t.account)), session_form(s));
		reply_end(b);
		reply_quota(s, c->arena, t.snapshot);
	}
	target_close(&t);
	return e;
}

static enum err
setquota_run(struct session *s, struct command *c)
{
	struct quota_ctx *x = c->ctx;
	struct snapshot *after;
	struct account *a;
	enum err e;

	if (!quota_may_set(s))
		return ERR_NOPERM;
	if (x->has_unknown || (x->is_default && !s->is_operator)) {
		c->text =
		    STR("There are limits of STORAGE, MESSAGE, MAILBOX and ANNOTATION-STORAGE.");
		return ERR_CANNOT;
	}
	e = open_root(s, c, x->root, &a);
	if (e != ERR_OK)
		return e;
	e = account_set_quota(a, x->is_default ? NULL : &x->limits, &after);
	if (e == ERR_OK) {
		session_committed(s, after);
		reply_quota(s, c->arena, after);
	}
	account_unref(a);
	return e;
}

const struct imap_command cmd_getquota = {
	.name = "GETQUOTA",
	.states = IN_LOGGED_IN,
	.capability = CAP_QUOTA,
	.args = "quota-root",
	.spec = "RFC 9208 4.1.1",
	.summary = "Tell the use and the limits of a quota root.",
	.ctx_size = sizeof(struct quota_ctx),
	.parse = getquota_parse,
	.run = getquota_run,
};

const struct imap_command cmd_getquotaroot = {
	.name = "GETQUOTAROOT",
	.states = IN_LOGGED_IN,
	.capability = CAP_QUOTA,
	.args = "mailbox",
	.spec = "RFC 9208 4.1.2 and 6",
	.summary = "Tell the quota root of a mailbox.",
	.ctx_size = sizeof(struct quota_ctx),
	.parse = getquotaroot_parse,
	.run = getquotaroot_run,
};

const struct imap_command cmd_setquota = {
	.name = "SETQUOTA",
	.states = IN_LOGGED_IN,
	.capability = CAP_QUOTASET,
	.args = "quota-root SP (resource SP limit ...)",
	.spec = "RFC 9208 4.1.3",
	.summary = "Set the limits of a quota root, for those who may.",
	.ctx_size = sizeof(struct quota_ctx),
	.parse = setquota_parse,
	.run = setquota_run,
};

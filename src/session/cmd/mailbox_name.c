/* mailbox_name.c - see mailbox_name.h. */
#include "session/cmd/mailbox_name.h"

#include "session/cmd/list_reply.h"

bool
mailbox_arg_scan(struct imap_scan *in, struct mailbox_arg *out)
{
	struct imap_scan raw = *in;

	if (!imap_scan_mailbox(in, &out->name))
		return false;
	if (!imap_scan_astring(&raw, &out->spelt))
		out->spelt = out->name;
	if (out->spelt.n > 1 && str_ends(out->spelt, STR("/")))
		out->spelt.n--;
	return true;
}

bool
mailbox_arg_is_canonical(const struct mailbox_arg *arg, const struct target *t)
{
	/* Case of INBOX is no normalisation: all its spellings are one name (5.1). */
	return str_eq_nocase(arg->name, arg->spelt) && str_starts(arg->name, t->name.prefix);
}

static void
tell(struct session *s, struct arena *a, const struct target *t, struct str spelt,
    const struct snapshot *after)
{
	struct target now = *t;

	now.mailbox = after == NULL ? NULL : snapshot_mailbox(after, t->name.local);
	/* It may have another name by now. */
	if ((s->enabled & ENABLED_IMAP4REV2) != 0 && (now.mailbox != NULL || after == NULL))
		list_reply_oldname(s, a, &now, spelt);
}

void
mailbox_arg_tell(struct session *s, struct arena *a, const struct mailbox_arg *arg,
    const struct target *t, const struct snapshot *after)
{
	if (!mailbox_arg_is_canonical(arg, t))
		tell(s, a, t, arg->spelt, after);
}

void
mailbox_arg_tell_deleted(struct session *s, struct arena *a, const struct mailbox_arg *arg,
    const struct target *t, const struct snapshot *after)
{
	const bool has_level = snapshot_mailbox(after, t->name.local) != NULL;

	mailbox_arg_tell(s, a, arg, t, has_level ? after : NULL);
}

void
mailbox_arg_tell_renamed(struct session *s, struct arena *a, const struct mailbox_arg *from,
    const struct target *from_t, const struct mailbox_arg *to, const struct target *to_t,
    const struct snapshot *after)
{
	if (!mailbox_arg_is_canonical(from, from_t) || !mailbox_arg_is_canonical(to, to_t))
		tell(s, a, to_t, from->spelt, after);
}

struct str
mailbox_id_code(const struct session *s, struct arena *a, const struct snapshot *snapshot,
    struct str name)
{
	const struct mailbox_info *m = snapshot_mailbox(snapshot, name);
	const struct account *in = snapshot_account(snapshot);
	struct str id;

	if (m == NULL)
		return STR_NONE;
	id = mailbox_objectid(a, m, in == s->account ? (struct account_id){ 0 } : account_id(in));
	return arena_printf(a, "MAILBOXID (%.*s)", STR_F(id));
}

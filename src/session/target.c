/* target.c - see target.h. */
#include "session/target.h"

#include "auth/name.h"
#include "imap/utf7.h"
#include "session/server.h"

struct str
target_space_name(const struct session *s, enum target_space space)
{
	const struct server_options *o = server_options(s->server);

	if (s->is_operator)
		return STR_NONE;
	switch (space) {
	case SPACE_OTHER:
		return o->namespace_other;
	case SPACE_SHARED:
		return o->namespace_shared;
	case SPACE_OWN:
	case SPACE_LEVEL:
		break;
	}
	return STR_NONE;
}

/*
 * What stands below a prefix, as far as there is something; false when the name has nothing to do
 * with it.
 */
static bool
cut_prefix(struct str name, struct str prefix, struct str *rest_out)
{
	if (prefix.n == 0 || !str_starts(name, prefix))
		return false;
	if (name.n == prefix.n) {
		*rest_out = STR("");
		return true;
	}
	*rest_out = str_sub(name, prefix.n + 1, name.n);
	return name.p[prefix.n] == MAILBOX_SEPARATOR;
}

/* A name in another account: INBOX in capitals. */
static struct str
canonical(struct arena *a, struct str local)
{
	if (!str_starts_nocase(local, STR("INBOX"))
	    || (local.n > 5 && local.p[5] != MAILBOX_SEPARATOR))
		return local;
	return arena_printf(a, "INBOX%.*s", STR_F(str_sub(local, 5, local.n)));
}

static struct target_name
other_name(struct arena *a, struct str name, struct str rest)
{
	struct target_name out = { .space = SPACE_LEVEL };
	size_t end = str_chr(rest, MAILBOX_SEPARATOR);

	if (end == SIZE_MAX || name_normalise(a, str_sub(rest, 0, end), &out.user) != ERR_OK)
		return out;
	out.space = SPACE_OTHER;
	out.local = canonical(a, str_sub(rest, end + 1, rest.n));
	out.prefix =
	    arena_printf(a, "%.*s%.*s/", STR_F(str_sub(name, 0, name.n - rest.n)), STR_F(out.user));
	return out;
}

static struct target_name
name_of(const struct session *s, struct arena *a, struct str user, struct str name)
{
	struct str rest;

	if (cut_prefix(name, target_space_name(s, SPACE_OTHER), &rest))
		return other_name(a, name, rest);
	if (!cut_prefix(name, target_space_name(s, SPACE_SHARED), &rest))
		return (struct target_name){ .space = SPACE_OWN,
			.user = user,
			.local = name,
			.prefix = STR("") };
	return (struct target_name){
		.space = rest.n == 0 ? SPACE_LEVEL : SPACE_SHARED,
		.user = SHARED_USER,
		.local = canonical(a, rest),
		.prefix = str_sub(name, 0, name.n - rest.n),
	};
}

struct target_name
target_name_of(const struct session *s, struct arena *a, struct str name)
{
	return name_of(s, a, s->user, name);
}

static unsigned
rights_of(const struct target_asker *asker, const struct snapshot *snapshot,
    const struct mailbox_info *m)
{
	struct account *a = snapshot_account(snapshot);

	if (a == asker->account && m->acl.n == 0)
		return RIGHTS_ALL;
	return m->is_noselect && a != asker->account
	    ? 0
	    : acl_rights(m->acl, account_user(a), &asker->who);
}

unsigned
target_rights(const struct session *s, const struct snapshot *snapshot,
    const struct mailbox_info *m)
{
	const struct target_asker asker = { s->account, session_identity(s) };

	return rights_of(&asker, snapshot, m);
}

enum err
target_open(struct session *s, struct arena *a, struct str name, struct target *out)
{
	const struct target_asker asker = { s->account, session_identity(s) };

	return target_open_as(s, a, &asker, name, out);
}

enum err
target_open_as(struct session *s, struct arena *a, const struct target_asker *asker,
    struct str name, struct target *out)
{
	struct target t = { .name = name_of(s, a, asker->who.user, name) };
	enum err e = ERR_OK;

	switch (t.name.space) {
	case SPACE_OWN:
		t.account = account_ref(asker->account);
		break;
	case SPACE_OTHER:
	case SPACE_SHARED:
		/* Under this name there is nothing of one's own: each mailbox has one name. */
		if (!str_eq(t.name.user, asker->who.user))
			e = store_account_open(server_options(s->server)->store, t.name.user,
			    ACCOUNT_EXISTING, session_waiter(s), &t.account);
		break;
	case SPACE_LEVEL:
		break;
	}
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	if (t.account != NULL) {
		t.snapshot = session_snapshot_of(s, t.account);
		t.mailbox = snapshot_mailbox(t.snapshot, t.name.local);
		t.rights = t.mailbox != NULL ? rights_of(asker, t.snapshot, t.mailbox) : 0;
	}
	*out = t;
	return ERR_OK;
}

void
target_close(struct target *t)
{
	if (t->snapshot != NULL)
		snapshot_unref(t->snapshot);
	account_unref(t->account);
	*t = (struct target){ 0 };
}

enum err
target_check(const struct target *t, unsigned rights)
{
	if (t->mailbox == NULL)
		return ERR_NOTFOUND;
	if ((t->rights & rights) != rights)
		return (t->rights & RIGHT_L) != 0 ? ERR_NOPERM : ERR_NOTFOUND;
	return t->mailbox->is_noselect ? ERR_NOSELECT : ERR_OK;
}

enum err
target_check_into(const struct target *t)
{
	enum err e = target_check(t, RIGHT_I);

	return e == ERR_NOTFOUND || e == ERR_NOSELECT ? ERR_TRYCREATE : e;
}

enum err
target_check_new(const struct session *s, const struct target *t)
{
	struct str above = t->name.local;

	if (t->account == NULL)
		return ERR_NOPERM;
	/* That there is one is no news only for who may know it. */
	if (t->mailbox != NULL && t->account != s->account && (t->rights & RIGHT_L) == 0
	    && !t->mailbox->is_noselect)
		return ERR_NOPERM;
	for (;;) {
		size_t end = str_rchr(above, MAILBOX_SEPARATOR);
		const struct mailbox_info *m;

		if (end == SIZE_MAX)
			return t->account == s->account ? ERR_OK : ERR_NOPERM;
		above = str_sub(above, 0, end);
		m = snapshot_mailbox(t->snapshot, above);
		if (m != NULL && !m->is_noselect)
			return (target_rights(s, t->snapshot, m) & RIGHT_K) != 0 ? ERR_OK
										 : ERR_NOPERM;
	}
}

struct str
target_full_name(struct arena *a, const struct target *t)
{
	struct str local = t->mailbox != NULL ? t->mailbox->name : t->name.local;

	if (t->name.prefix.n == 0)
		return local;
	return arena_printf(a, "%.*s%.*s", STR_F(t->name.prefix), STR_F(local));
}

struct str
target_owner_name(const struct session *s, struct arena *a, struct str owner)
{
	if (str_eq(owner, SHARED_USER))
		return target_space_name(s, SPACE_SHARED);
	return arena_printf(a, "%.*s/%.*s", STR_F(target_space_name(s, SPACE_OTHER)), STR_F(owner));
}

struct str
target_name_in(const struct session *s, struct arena *a, struct account *account, struct str local)
{
	if (account == s->account)
		return local;
	return arena_printf(a, "%.*s/%.*s", STR_F(target_owner_name(s, a, account_user(account))),
	    STR_F(local));
}

bool
target_is_subscribed(struct session *s, struct str full_name)
{
	struct snapshot *own = session_snapshot(s);
	const struct mailbox_info *m = snapshot_mailbox(own, full_name);
	bool is_subscribed = m != NULL && m->is_subscribed;

	snapshot_unref(own);
	return is_subscribed;
}

/* acl_reply.c - see acl_reply.h. */
#include "session/cmd/acl_reply.h"

#include "session/server.h"

static void
add_rights(struct session *s, unsigned rights)
{
	BUF_CLEAN struct buf text = BUF_MAX(32);

	rights_format(rights, &text);
	buf_chr(session_out(s), ' ');
	reply_astring(session_out(s), buf_str(&text), REPLY_ASCII);
}

static void
add_identifier(struct session *s, struct str identifier)
{
	buf_chr(session_out(s), ' ');
	reply_astring(session_out(s), identifier, session_form(s));
}

static void
begin(struct session *s, const char *word, struct str name)
{
	reply_untagged(session_out(s));
	buf_c(session_out(s), word);
	reply_mailbox(session_out(s), name, session_form(s));
}

void
acl_reply_myrights(struct session *s, struct str name, unsigned rights)
{
	begin(s, "MYRIGHTS ", name);
	add_rights(s, rights);
	reply_end(session_out(s));
}

void
acl_reply_list(struct session *s, struct arena *a, const struct target *t)
{
	struct str list = t->mailbox->acl, owner = account_user(t->account), identifier;
	unsigned rights;

	begin(s, "ACL ", target_full_name(a, t));
	if (!str_eq(owner, SHARED_USER) && !acl_find(list, owner, &rights)) {
		add_identifier(s, owner);
		add_rights(s, RIGHTS_ALL);
	}
	while (acl_next(&list, &identifier, &rights)) {
		add_identifier(s, identifier);
		add_rights(s, rights);
	}
	reply_end(session_out(s));
}

void
acl_reply_possible(struct session *s, struct arena *a, const struct target *t, struct str spelt,
    struct str identifier)
{
	bool is_owner = str_eq(identifier, account_user(t->account));
	bool is_impossible = str_eq(identifier, STR("anyone"))
	    && server_options(s->server)->refuses_anyone && !s->is_operator;
	unsigned required = is_owner ? RIGHTS_OWNER : 0;
	BUF_CLEAN struct buf letters = BUF_MAX(32);

	begin(s, "LISTRIGHTS ", target_full_name(a, t));
	add_identifier(s, spelt);
	add_rights(s, required);
	/* No rights are tied, so each stands alone, "c" and "d" too (2.1.1). */
	rights_format(is_impossible ? 0 : RIGHTS_ALL & ~required, &letters);
	for (size_t i = 0; i < letters.n; i++) {
		buf_chr(session_out(s), ' ');
		buf_chr(session_out(s), letters.p[i]);
	}
	reply_end(session_out(s));
}

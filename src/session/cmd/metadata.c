/*
 * metadata.c - GETMETADATA and SETMETADATA: annotations of mailboxes and of the server (RFC 5464).
 */
#include "session/cmd/commands.h"

#include "imap/search.h"
#include "session/cmd/list_reply.h"
#include "session/cmd/metadata_reply.h"
#include "session/target.h"

static enum err
getmetadata_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	return imap_getmetadata_parse(in, c->ctx);
}

static enum err
setmetadata_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	return imap_setmetadata_parse(in, c->ctx);
}

/* Opens the mailbox; for the server the user's INBOX, where his annotations of it are. */
static enum err
open_place(struct session *s, struct arena *a, const struct imap_metadata *m, struct target *out)
{
	return target_open(s, a, m->is_server ? STR("INBOX") : m->mailbox, out);
}

/*
 * Levels without a mailbox have annotations too (RFC 5464 4.1). The server's may be read and set
 * whatever INBOX's list says.
 */
static enum err
check(const struct imap_metadata *m, const struct target *t)
{
	if (t->mailbox == NULL)
		return ERR_NOTFOUND;
	if (m->is_server || metadata_is_allowed(t->rights))
		return ERR_OK;
	return (t->rights & RIGHT_L) != 0 ? ERR_NOPERM : ERR_NOTFOUND;
}

static enum err
getmetadata_run(struct session *s, struct command *c)
{
	const struct imap_metadata *m = c->ctx;
	BUF_CLEAN struct buf code = BUF_MAX(64);
	struct target t;
	enum err e = open_place(s, c->arena, m, &t);
	uint64_t longest = 0;

	if (e != ERR_OK)
		return e;
	e = check(m, &t);
	if (e == ERR_OK)
		metadata_reply(s, m, target_full_name(c->arena, &t), t.mailbox,
		    t.account == s->account, &longest);
	if (longest != 0) {
		reply_code_number(&code, "METADATA LONGENTRIES", longest);
		c->code = arena_str(c->arena, buf_str(&code));
	}
	target_close(&t);
	return e;
}

/* "\Drafts \Sent": what CREATE would accept too. */
static bool
read_uses(struct str value, uint32_t *uses_out)
{
	struct str rest = value, word;

	*uses_out = 0;
	if (str_trim(value).n == 0)
		return true;
	while (str_split(&rest, ' ', &word)) {
		uint32_t use = list_use_of(word);

		if (use == 0 || (use & (USE_ALL | USE_FLAGGED)) != 0)
			return false;
		*uses_out |= use;
	}
	return true;
}

/* It is about how the mailbox is shared, as its list is. */
static enum err
read_seen(struct command *c, const struct target *t, struct str value, struct mailbox_settings *out)
{
	if ((t->rights & RIGHT_A) == 0)
		return ERR_NOPERM;
	out->sets_seen = true;
	out->is_seen_private = str_eq_nocase(value, STR("private"));
	if (out->is_seen_private || str_eq_nocase(value, STR("shared")))
		return ERR_OK;
	c->text = STR("The values are private and shared.");
	return ERR_CANNOT;
}

/* What SETMETADATA is to do, once it is checked. */
struct setting {
	struct annotation *changes;
	size_t count;
	struct mailbox_settings settings;
};

static enum err
too_long(struct command *c)
{
	BUF_CLEAN struct buf code = BUF_MAX(64);

	reply_code_number(&code, "METADATA MAXSIZE", ANNOTATION_VALUE_MAX);
	c->code = arena_str(c->arena, buf_str(&code));
	c->text = STR("The value is too long.");
	return ERR_LIMIT;
}

/*
 * Named searches (RFC 5466 3.2): one that can't be a program is refused here, not when it is used.
 */
static bool
check_filter(struct command *c, const struct metadata_entry *entry)
{
	const struct str values = STR("/private/filters/values/"),
			 descriptions = STR("/private/filters/descriptions/");
	const bool is_value = str_starts_nocase(entry->name, values);
	struct str name;

	if (!is_value && !str_starts_nocase(entry->name, descriptions))
		return true;
	name = str_sub(entry->name, is_value ? values.n : descriptions.n, entry->name.n);
	if (!imap_filter_is_name(name))
		c->text = STR("This is no name that a filter can have.");
	else if (is_value && !imap_filter_is_valid(c->arena, entry->value))
		c->text = STR("The value is no search program.");
	else if (!is_value && !str_is_utf8(entry->value))
		c->text = STR("The description is not in UTF-8.");
	return c->text.p == NULL;
}

/* One entry of the command; the last one counts when it is named twice. */
static enum err
add_change(struct session *s, struct command *c, const struct target *t,
    const struct metadata_entry *entry, struct setting *x)
{
	const struct imap_metadata *m = c->ctx;
	struct annotation change = metadata_key(s, m->is_server, entry->name);
	size_t i = 0;

	if (entry->value.n > ANNOTATION_VALUE_MAX)
		return too_long(c);
	if (!imap_metadata_is_private(entry->name) && m->is_server) {
		c->text = STR("Shared annotations of the server are the administrator's.");
		return ERR_NOPERM;
	}
	if (change.scope == ANNOTATION_SHARED && (t->rights & RIGHT_W) == 0)
		return ERR_NOPERM;
	if (!m->is_server && str_eq_nocase(entry->name, METADATA_SPECIALUSE)) {
		x->settings.sets_use = true;
		return t->account == s->account && read_uses(entry->value, &x->settings.special_use)
		    ? ERR_OK
		    : ERR_USEATTR;
	}
	if (!m->is_server && str_eq_nocase(entry->name, METADATA_SEEN))
		return read_seen(c, t, entry->value, &x->settings);
	if (m->is_server && entry->value.p != NULL && !check_filter(c, entry))
		return ERR_CANNOT;
	change.value = entry->value;
	while (i < x->count && !str_eq_nocase(x->changes[i].name, change.name))
		i++;
	x->changes[i] = change;
	x->count = MAX(x->count, i + 1);
	return ERR_OK;
}

/*
 * A mailbox that another session takes away meanwhile may leave its name as a level, or to a new
 * one: then these are asked for. Not of others' mailboxes, whose rights are those of the old one.
 */
static enum err
annotate(struct session *s, const struct target *t, const struct setting *x, struct mailbox_id *id,
    struct snapshot **after_out)
{
	enum err e =
	    mailbox_annotate(t->account, *id, x->changes, x->count, &x->settings, after_out);
	struct snapshot *latest;
	const struct mailbox_info *now;

	if (e != ERR_NOTFOUND || t->account != s->account)
		return e;
	latest = account_pending(t->account);
	if (latest == NULL)
		latest = account_snapshot(t->account, NULL);
	now = snapshot_mailbox(latest, t->mailbox->name);
	if (now != NULL) {
		*id = now->id;
		e = mailbox_annotate(t->account, *id, x->changes, x->count, &x->settings,
		    after_out);
	}
	snapshot_unref(latest);
	return e;
}

static enum err
set(struct session *s, struct command *c, const struct target *t)
{
	const struct imap_metadata *m = c->ctx;
	struct setting x = { .changes = arena_array(c->arena, struct annotation, m->count) };
	bool is_selected = s->view != NULL && view_account(s->view) == t->account
	    && view_mailbox(s->view)->id.v == t->mailbox->id.v;
	struct mailbox_id id = t->mailbox->id;
	struct snapshot *after;
	enum err e = ERR_OK;

	for (size_t i = 0; i < m->count && e == ERR_OK; i++)
		e = add_change(s, c, t, &m->entries[i], &x);
	if (e != ERR_OK)
		return e;
	e = annotate(s, t, &x, &id, &after);
	if (e == ERR_LIMIT) {
		c->code = STR("METADATA TOOMANY");
		c->text = STR("There are too many annotations.");
	}
	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < m->count; i++) {
		if (m->is_server || is_selected)
			metadata_set_by_us(s, m->is_server, m->entries[i].name, after);
	}
	session_committed_if(s, after, snapshot_mailbox_by_id(after, id));
	return ERR_OK;
}

static enum err
setmetadata_run(struct session *s, struct command *c)
{
	struct target t;
	enum err e = open_place(s, c->arena, c->ctx, &t);

	if (e != ERR_OK)
		return e;
	e = check(c->ctx, &t);
	if (e == ERR_OK)
		e = set(s, c, &t);
	target_close(&t);
	return e;
}

const struct imap_command cmd_getmetadata = {
	.name = "GETMETADATA",
	.states = IN_LOGGED_IN,
	.capability = CAP_METADATA,
	.args = "[(options) SP] mailbox SP entries",
	.spec = "RFC 5464 4.2",
	.summary = "Tell annotations of a mailbox, or of the server.",
	.ctx_size = sizeof(struct imap_metadata),
	.parse = getmetadata_parse,
	.run = getmetadata_run,
};

const struct imap_command cmd_setmetadata = {
	.name = "SETMETADATA",
	.states = IN_LOGGED_IN,
	.flags = CHANGES,
	.capability = CAP_METADATA,
	.args = "mailbox SP (entry SP value ...)",
	.spec = "RFC 5464 4.3, RFC 6154 4, RFC 7162 3.2",
	.summary = "Set or remove annotations of a mailbox, or of the server.",
	.literal_code = "METADATA MAXSIZE 32768",
	.ctx_size = sizeof(struct imap_metadata),
	.parse = setmetadata_parse,
	.run = setmetadata_run,
};

/* list_reply.c - see list_reply.h. */
#include "session/cmd/list_reply.h"

#include "imap/utf7.h"

static const struct {
	unsigned bit;
	struct str name, xlist; /* xlist: what old clients know it as */
} uses[] = {
	{ USE_ALL, STR_INIT("\\All"), STR_INIT("\\AllMail") },
	{ USE_ARCHIVE, STR_INIT("\\Archive"), STR_INIT("\\Archive") },
	{ USE_DRAFTS, STR_INIT("\\Drafts"), STR_INIT("\\Drafts") },
	{ USE_FLAGGED, STR_INIT("\\Flagged"), STR_INIT("\\Starred") },
	{ USE_JUNK, STR_INIT("\\Junk"), STR_INIT("\\Spam") },
	{ USE_SENT, STR_INIT("\\Sent"), STR_INIT("\\Sent") },
	{ USE_TRASH, STR_INIT("\\Trash"), STR_INIT("\\Trash") },
	{ USE_IMPORTANT, STR_INIT("\\Important"), STR_INIT("\\Important") },
};

unsigned
list_use_of(struct str attribute)
{
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		if (str_eq_nocase(uses[i].name, attribute))
			return uses[i].bit;
	}
	return 0;
}

void
list_uses_format(unsigned special_use, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		if ((special_use & uses[i].bit) == 0)
			continue;
		if (out->n != 0)
			buf_chr(out, ' ');
		buf_str_add(out, uses[i].name);
	}
}

static void
add_attribute(struct buf *b, bool *is_first, struct str name)
{
	reply_item(b, is_first);
	buf_str_add(b, name);
}

static void
add_attributes(struct buf *b, const struct list_line *line)
{
	bool is_first;

	reply_list_open(b, &is_first);
	if (line->is_missing && (line->flags & LINE_NONEXISTENT) != 0)
		add_attribute(b, &is_first, STR("\\NonExistent"));
	else if (line->is_missing || line->is_noselect)
		add_attribute(b, &is_first, STR("\\Noselect"));
	if (line->is_refused)
		add_attribute(b, &is_first, STR("\\NoAccess"));
	if ((line->flags & LINE_SUBSCRIBED) != 0 && line->is_subscribed)
		add_attribute(b, &is_first, STR("\\Subscribed"));
	if (!line->is_children_unknown)
		add_attribute(b, &is_first,
		    line->has_children ? STR("\\HasChildren") : STR("\\HasNoChildren"));
	if (line->kind == LIST_KIND_XLIST && str_eq(line->name, STR("INBOX")))
		add_attribute(b, &is_first, STR("\\Inbox"));
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		if ((line->special_use & uses[i].bit) != 0)
			add_attribute(b, &is_first,
			    line->kind == LIST_KIND_XLIST ? uses[i].xlist : uses[i].name);
	}
	reply_list_close(b);
}

static const char *
kind_name(enum list_kind kind)
{
	switch (kind) {
	case LIST_KIND_LSUB:
		return "LSUB ";
	case LIST_KIND_XLIST:
		return "XLIST ";
	case LIST_KIND_LIST:
		break;
	}
	return "LIST ";
}

static void
begin_line(struct session *s, struct buf *b, const struct list_line *line)
{
	reply_untagged(b);
	buf_c(b, kind_name(line->kind));
	add_attributes(b, line);
	buf_lit(b, " \"/\" ");
	reply_mailbox(b, line->name, session_form(s));
}

void
list_reply_line(struct session *s, const struct list_line *line)
{
	struct buf *b = session_out(s);

	begin_line(s, b, line);
	if ((line->flags & LINE_CHILDINFO) != 0)
		buf_lit(b, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	if (line->old_name.n != 0) {
		buf_lit(b, " (\"OLDNAME\" (");
		reply_mailbox(b, line->old_name, session_form(s));
		buf_lit(b, "))");
	}
	reply_end(b);
}

static struct list_line
line_of(struct session *s, struct arena *a, const struct target *t)
{
	const struct mailbox_info *m = t->mailbox;
	struct str name = target_full_name(a, t);
	bool is_own = t->account == s->account;

	return (struct list_line){
		.name = name,
		.flags = LINE_SUBSCRIBED | LINE_NONEXISTENT,
		.special_use = is_own && m != NULL ? m->special_use : 0,
		.is_missing = m == NULL || m->is_noselect,
		.is_subscribed =
		    is_own ? m != NULL && m->is_subscribed : target_is_subscribed(s, name),
		/* Of others' mailboxes only LIST knows which of those below may be seen. */
		.has_children = is_own && m != NULL && m->has_children,
		.is_children_unknown = !is_own,
	};
}

void
list_reply_target(struct session *s, struct arena *a, const struct target *t)
{
	const struct list_line line = line_of(s, a, t);

	list_reply_line(s, &line);
}

void
list_reply_oldname(struct session *s, struct arena *a, const struct target *t, struct str spelt)
{
	const struct list_line line = line_of(s, a, t);
	struct buf *b = session_out(s);

	begin_line(s, b, &line);
	buf_lit(b, " (\"OLDNAME\" (");
	reply_astring(b, spelt, session_form(s));
	buf_lit(b, "))");
	reply_end(b);
}

void
list_reply_root(struct session *s, enum list_kind kind)
{
	struct buf *b = session_out(s);

	reply_untagged(b);
	buf_c(b, kind_name(kind));
	buf_lit(b, "(\\Noselect) \"/\" \"\"");
	reply_end(b);
}

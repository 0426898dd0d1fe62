/* notify.c - see notify.h. */
#include "imap/notify.h"

#include "imap/reply.h"
#include "imap/utf7.h"

static const struct {
	struct str name;
	enum imap_notify_event event;
} events[] = {
	{ STR_INIT("MessageNew"), NOTIFY_MESSAGE_NEW },
	{ STR_INIT("MessageExpunge"), NOTIFY_MESSAGE_EXPUNGE },
	{ STR_INIT("FlagChange"), NOTIFY_FLAG_CHANGE },
	{ STR_INIT("AnnotationChange"), NOTIFY_ANNOTATION_CHANGE },
	{ STR_INIT("MailboxName"), NOTIFY_MAILBOX_NAME },
	{ STR_INIT("SubscriptionChange"), NOTIFY_SUBSCRIPTION_CHANGE },
	{ STR_INIT("MailboxMetadataChange"), NOTIFY_MAILBOX_METADATA_CHANGE },
	{ STR_INIT("ServerMetadataChange"), NOTIFY_SERVER_METADATA_CHANGE },
};

static const struct {
	struct str name;
	enum imap_notify_filter filter;
} filters[] = {
	{ STR_INIT("SELECTED"), NOTIFY_SELECTED },
	{ STR_INIT("SELECTED-DELAYED"), NOTIFY_SELECTED_DELAYED },
	{ STR_INIT("INBOXES"), NOTIFY_INBOXES },
	{ STR_INIT("PERSONAL"), NOTIFY_PERSONAL },
	{ STR_INIT("SUBSCRIBED"), NOTIFY_SUBSCRIBED },
	{ STR_INIT("SUBTREE"), NOTIFY_SUBTREE },
	{ STR_INIT("MAILBOXES"), NOTIFY_MAILBOXES },
};

/* What is gathered while the groups are read. */
struct parse {
	struct imap_notify *out;
	unsigned supported;
	bool has_selected;   /* one group for the selected mailbox is there */
	bool is_unsupported; /* an event that is not known, or not here */
	size_t name_count;
};

void
imap_notify_events_format(unsigned set, struct buf *b)
{
	bool is_first;

	reply_list_open(b, &is_first);
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		if ((set & events[i].event) == 0)
			continue;
		reply_item(b, &is_first);
		buf_str_add(b, events[i].name);
	}
	reply_list_close(b);
}

static bool
is_selected(enum imap_notify_filter filter)
{
	return filter == NOTIFY_SELECTED || filter == NOTIFY_SELECTED_DELAYED;
}

static bool
take_filter(struct imap_scan *s, struct parse *p, enum imap_notify_filter *out)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		if (!imap_scan_try_atom(s, filters[i].name))
			continue;
		*out = filters[i].filter;
		if (is_selected(*out) && p->has_selected)
			return imap_scan_fail(s, ERR_SYNTAX,
			    "only one of SELECTED and SELECTED-DELAYED");
		p->has_selected = p->has_selected || is_selected(*out);
		return true;
	}
	return imap_scan_fail(s, ERR_SYNTAX,
	    "SELECTED, SELECTED-DELAYED, INBOXES, PERSONAL, SUBSCRIBED, SUBTREE or MAILBOXES");
}

/* A name that no mailbox can have is as one that no mailbox has: ignored (RFC 5465 3.1). */
static bool
take_name(struct imap_scan *s, struct parse *p, struct notify_group *g)
{
	struct str text, name;

	if (!imap_scan_astring(s, &text))
		return false;
	if (p->name_count++ == NOTIFY_NAMES_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "mailbox names");
	if (imap_name_decode(s->arena, text, s->is_utf8, &name) != ERR_OK)
		return true;
	/* Powers of two: the array is full whenever its length is one. */
	if ((g->name_count & (g->name_count - 1)) == 0) {
		struct str *grown =
		    arena_array(s->arena, struct str, g->name_count == 0 ? 1 : g->name_count * 2);

		if (g->name_count > 0)
			memcpy(grown, g->names, g->name_count * sizeof(*grown));
		g->names = grown;
	}
	g->names[g->name_count++] = name;
	return true;
}

static bool
take_names(struct imap_scan *s, struct parse *p, struct notify_group *g)
{
	bool is_first = true;

	if (!imap_scan_sp(s))
		return false;
	if (!imap_scan_at(s, '('))
		return take_name(s, p, g);
	if (!imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (!take_name(s, p, g))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "a mailbox name");
	return imap_scan_err(s) == ERR_OK;
}

/* " (UID FLAGS)" behind MessageNew. */
static bool
take_attributes(struct imap_scan *s, struct parse *p, const struct notify_group *g)
{
	struct imap_scan ahead = *s;

	if (!imap_scan_at(&ahead, ' ') || !imap_scan_sp(&ahead) || !imap_scan_at(&ahead, '('))
		return true;
	if (!is_selected(g->filter))
		return imap_scan_fail(s, ERR_SYNTAX, "no attributes but for the selected mailbox");
	return imap_scan_sp(s) && imap_fetch_items(s, &p->out->fetch);
}

static bool
take_event(struct imap_scan *s, struct parse *p, struct notify_group *g)
{
	struct str name;

	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		if (!imap_scan_try_atom(s, events[i].name))
			continue;
		if (is_selected(g->filter) && (events[i].event & NOTIFY_MESSAGE_EVENTS) == 0)
			return imap_scan_fail(s, ERR_SYNTAX,
			    "only events of messages for the selected mailbox");
		g->events |= events[i].event;
		p->is_unsupported = p->is_unsupported || (p->supported & events[i].event) == 0;
		return events[i].event != NOTIFY_MESSAGE_NEW || take_attributes(s, p, g);
	}
	p->is_unsupported = true;
	return imap_scan_atom(s, &name);
}

static bool
take_events(struct imap_scan *s, struct parse *p, struct notify_group *g)
{
	const unsigned both = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE;
	bool is_first = true;

	if (imap_scan_try_atom(s, STR("NONE")))
		return true;
	if (!imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (!take_event(s, p, g))
			return false;
	}
	if (imap_scan_err(s) != ERR_OK)
		return false;
	if (is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "an event");
	if ((g->events & NOTIFY_MESSAGE_EVENTS) != 0 && (g->events & both) != both)
		return imap_scan_fail(s, ERR_SYNTAX, "MessageNew together with MessageExpunge");
	return true;
}

static bool
take_group(struct imap_scan *s, struct parse *p, struct notify_group *g)
{
	if (!imap_scan_chr(s, '(') || !take_filter(s, p, &g->filter))
		return false;
	if ((g->filter == NOTIFY_SUBTREE || g->filter == NOTIFY_MAILBOXES) && !take_names(s, p, g))
		return false;
	return imap_scan_sp(s) && take_events(s, p, g) && imap_scan_chr(s, ')');
}

static bool
take_groups(struct imap_scan *s, struct parse *p)
{
	struct notify_group groups[NOTIFY_GROUPS_MAX];
	size_t n = 0;

	do {
		if (n == NOTIFY_GROUPS_MAX)
			return imap_scan_fail(s, ERR_LIMIT, "groups of events");
		groups[n] = (struct notify_group){ 0 };
		if (!take_group(s, p, &groups[n]))
			return false;
		n++;
	} while (!imap_scan_is_end(s) && imap_scan_sp(s));
	p->out->groups = arena_array(s->arena, struct notify_group, n);
	memcpy(p->out->groups, groups, n * sizeof(*groups));
	p->out->group_count = n;
	return true;
}

enum err
imap_notify_parse(struct imap_scan *s, unsigned supported, struct imap_notify *out)
{
	struct imap_notify n = { 0 };
	struct parse p = { .out = &n, .supported = supported };

	n.is_set = imap_scan_try_atom(s, STR("SET"));
	if (!n.is_set && !imap_scan_try_atom(s, STR("NONE"))) {
		imap_scan_fail(s, ERR_SYNTAX, "SET or NONE");
		return imap_scan_err(s);
	}
	if (n.is_set && !imap_scan_sp(s))
		return imap_scan_err(s);
	if (n.is_set && imap_scan_try_atom(s, STR("STATUS"))) {
		n.wants_status = true;
		if (!imap_scan_sp(s))
			return imap_scan_err(s);
	}
	if ((n.is_set && !take_groups(s, &p)) || !imap_scan_end(s))
		return imap_scan_err(s);
	if (p.is_unsupported)
		return ERR_BADEVENT;
	*out = n;
	return ERR_OK;
}

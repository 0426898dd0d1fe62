/*
 * notify.h - arguments of NOTIFY (RFC 5465 8): of which events in which mailboxes a client wants to
 * be told.
 */
#ifndef IMAP_NOTIFY_H
#define IMAP_NOTIFY_H

#include "imap/fetch.h"

enum { NOTIFY_GROUPS_MAX = 64, NOTIFY_NAMES_MAX = 1000 };

enum imap_notify_event {
	NOTIFY_MESSAGE_NEW = 1 << 0,
	NOTIFY_MESSAGE_EXPUNGE = 1 << 1,
	NOTIFY_FLAG_CHANGE = 1 << 2,
	NOTIFY_ANNOTATION_CHANGE = 1 << 3,
	NOTIFY_MAILBOX_NAME = 1 << 4,
	NOTIFY_SUBSCRIPTION_CHANGE = 1 << 5,
	NOTIFY_MAILBOX_METADATA_CHANGE = 1 << 6,
	NOTIFY_SERVER_METADATA_CHANGE = 1 << 7,
	NOTIFY_MESSAGE_EVENTS = (1 << 4) - 1,
	NOTIFY_ALL_EVENTS = (1 << 8) - 1,
};

enum imap_notify_filter {
	NOTIFY_SELECTED,
	NOTIFY_SELECTED_DELAYED,
	NOTIFY_INBOXES,
	NOTIFY_PERSONAL,
	NOTIFY_SUBSCRIBED,
	NOTIFY_SUBTREE,
	NOTIFY_MAILBOXES,
};

struct notify_group {
	enum imap_notify_filter filter;
	unsigned events; /* NONE: 0 */
	/* of NOTIFY_SUBTREE and NOTIFY_MAILBOXES; those that no mailbox can have are left out */
	struct str *names;
	size_t name_count;
};

struct imap_notify {
	bool is_set; /* SET; else NONE */
	bool wants_status;
	struct notify_group *groups;
	size_t group_count;
	/* what MessageNew in the selected mailbox asks for; nothing: atts 0 and no sections */
	struct imap_fetch fetch;
};

/**
 * Parses from after "NOTIFY SP" to the end. supported: the events that there are. ERR_BADEVENT:
 * well-formed, with an event that is not supported (5465 3.1). ERR_LIMIT: more than is kept.
 */
must_use enum err imap_notify_parse(struct imap_scan *s, unsigned supported,
    struct imap_notify *out);
/** "(MessageNew MessageExpunge)": the arguments of BADEVENT. */
void imap_notify_events_format(unsigned events, struct buf *b);

#endif

/* notify_int.h - NOTIFY as notify.c and notify_tell.c see it. */
#ifndef SESSION_NOTIFY_INT_H
#define SESSION_NOTIFY_INT_H

#include "imap/utf7.h"
#include "io/loop.h"
#include "session/notify.h"
#include "session/target.h"

/* An account that is watched. */
struct notify_watch {
	struct list node;
	struct notify *notify;
	struct account *account; /* referenced */
	struct waiter waiter;
	/* what the client was told up to; NULL: nothing was there for it */
	struct snapshot *known;
	struct snapshot *now; /* what it is being told of, or NULL */
	struct snapshot_difference at;

	enum notify_pass { /* see notify_tell.c */
		NOTIFY_PASS_GONE,
		NOTIFY_PASS_MOVED,
		NOTIFY_PASS_REST,
	} pass;
};

/* A mailbox, and what is remembered of it. */
struct notify_note {
	uint64_t account, mailbox; /* mailbox 0: nothing */
	uint64_t version;
};

enum { NOTIFY_NOTES = 16 };

#define NOTIFY_ANY_VERSION UINT64_MAX

struct notify {
	struct session *session;
	struct arena arena; /* of what follows */
	struct imap_notify what;
	struct list watches; /* the session's own account first */
	size_t watch_count;
	bool watches_shares;     /* of who else shares something */
	uint64_t shares_version; /* that was looked at */
	struct waiter shares_waiter, selected_waiter;
	struct loop_task task;
	uint32_t behind;  /* changes since the client has stopped to read */
	bool is_given_up; /* there were too many of them, and it is to be told */
	/* hash of the name above others that was told last */
	uint64_t parent_told;
	/* changed by this session up to the version: no news */
	struct notify_note ours[NOTIFY_NOTES];
	struct notify_note refused[NOTIFY_NOTES]; /* told to be \NoAccess */
	size_t ours_next, refused_next;
	/* of the selected mailbox after our last commit; 0: none since it was told */
	uint64_t mailbox_version;
	uint32_t mailbox_uidnext;
	struct rangeset own_messages;  /* that we put into it since */
	struct notify_watch *first_at; /* notify_tell_first() */
	uint32_t first_row;
};

/** The events that are to be told of a mailbox by its full name. */
unsigned notify_events(const struct session *s, const struct notify *n, struct str full_name,
    bool is_own, bool is_subscribed);
bool notify_has_filter(const struct notify *n, enum imap_notify_filter filter);
/** Whether some group but that of the selected mailbox has the event. */
bool notify_has_event(const struct notify *n, enum imap_notify_event event);
/**
 * Whether a name of the user's own account stands for one in another namespace: only subscriptions
 * have such names.
 */
bool notify_is_elsewhere(const struct session *s, struct str name);
struct notify_watch *notify_watch_of(const struct notify *n, const struct account *a);

struct notify_note *notify_note_find(struct notify_note *notes, const struct account *a,
    struct mailbox_id id);
void notify_note_put(struct notify_note *notes, size_t *next, const struct account *a,
    struct mailbox_id id, uint64_t version);

/* What a mailbox is for this user. */
enum notify_access {
	ACCESS_NONE,
	ACCESS_LEVEL,  /* of the hierarchy: there are mailboxes below */
	ACCESS_LISTED, /* right `l` */
	ACCESS_READ,   /* `l` and `r`: what it takes to be told of messages (RFC 5465 5) */
};

/* One mailbox that differs. */
struct notify_news {
	struct session *s;
	struct notify *n;
	struct notify_watch *w;
	struct arena *arena;
	bool is_own;
	const struct mailbox_info *before, *after; /* NULL: not there */
	/* full; that of the other where one is not there */
	struct str old_name, name;
	enum notify_access had, has;
	/* of either name; of the name that it has now */
	unsigned events, events_now;

	enum notify_change {
		CHANGE_NONE, /* it is where it was */
		CHANGE_CAME,
		CHANGE_GONE,
		CHANGE_MOVED,       /* RENAME */
		CHANGE_MOVED_ALONG, /* with one above, whose line says so */
		CHANGE_REPLACED,    /* moved, but told as gone and come */
	} change;

	bool is_listed; /* a LIST line has told what it is now */
};
/** What a mailbox of a snapshot is for the user; NULL: nothing. */
enum notify_access notify_access(const struct session *s, const struct snapshot *snapshot,
    const struct mailbox_info *m);
/** notify_events() of a mailbox of that account. */
unsigned notify_events_of(struct session *s, struct notify *n, const struct notify_watch *w,
    struct str full_name, const struct mailbox_info *m);

/* notify_names.c. */

/** What has happened to the name, from the rest of x. */
enum notify_change notify_change_of(const struct notify_news *x);
/** LIST of a mailbox that the user may know of, under its full name; old_name may be empty. */
void notify_tell_line(struct session *s, const struct notify_watch *w, const struct mailbox_info *m,
    struct str name, struct str old_name, enum notify_access has);
/** What is told of names in this pass. */
void notify_tell_name(struct notify_news *x);
/** Rights that were lost, or came back. */
void notify_tell_access(struct notify_news *x);
void notify_tell_subscription(struct notify_news *x);
/** A row of the user's account that stands for another's mailbox. */
void notify_tell_elsewhere(struct session *s, struct notify *n, struct arena *a,
    const struct mailbox_info *before, const struct mailbox_info *after);

#endif

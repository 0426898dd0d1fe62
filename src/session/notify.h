/*
 * notify.h - NOTIFY (RFC 5465): what a client wants to be told of, at once, also between commands;
 * see notify.c.
 *
 * Until a client says NOTIFY it is told as always. From then on the selected mailbox and all others
 * are told as it has said.
 */
#ifndef SESSION_NOTIFY_H
#define SESSION_NOTIFY_H

#include "imap/notify.h"
#include "session/session.h"

enum {
	NOTIFY_TEXT_MAX = 16384,  /* of a command that is kept */
	NOTIFY_ACCOUNTS_MAX = 64, /* others' accounts that are watched */
	/* changes that a client may be late while it does not read */
	NOTIFY_BEHIND_MAX = 256,
};

#define NOTIFY_SUPPORTED ((unsigned)NOTIFY_ALL_EVENTS)

struct notify;

/**
 * Makes it of the arguments of a command that was parsed; it watches nothing yet. ERR_LIMIT: they
 * are too long.
 */
must_use enum err notify_new(struct session *s, struct str args, struct notify **out);
/**
 * Opens the accounts that it is about: to be called before the others. ERR_WAIT; ERR_LIMIT: there
 * are too many.
 */
must_use enum err notify_resolve(struct session *s, struct notify *n);
/**
 * What is told once at the beginning: which mailboxes can't be watched, and the status of the
 * others if that was asked for. ERR_WAIT.
 */
must_use enum err notify_tell_first(struct session *s, struct notify *n);
/** From now on this is what is told; takes it over. */
void notify_install(struct session *s, struct notify *n);
/** Takes NULL. */
void notify_free(struct notify *n);
/** The session leaves its loop: nothing wakes it before it asks again for news. */
void notify_leave(struct session *s);

/**
 * The events of the selected mailbox (imap/notify.h) that are told; all of them without NOTIFY, and
 * while NOTIFY is executed.
 */
unsigned notify_selected_events(const struct session *s);
/** Whether those that are told between commands, EXPUNGE among them, are told then. */
bool notify_tells_expunge(const struct session *s);
/** What is fetched of new messages in the selected mailbox; NULL: nothing. */
const struct imap_fetch *notify_fetch(const struct session *s);
/**
 * Takes out of `uids`, which are new in the selected mailbox, those that this session put there
 * itself; then forgets them.
 */
void notify_take_own_messages(struct session *s, struct rangeset *uids);

/**
 * Between two commands, or in IDLE: whether there is something to tell now; if not, the session is
 * run again when there may be.
 */
bool notify_has_news(struct session *s);
/**
 * Tells what has happened elsewhere than in the messages of the selected mailbox. ERR_WAIT: call
 * again. Free of charge without NOTIFY.
 */
must_use enum err notify_tell(struct session *s);
/** Gives up: NOTIFICATIONOVERFLOW, and nothing is told from now on (RFC 5465 5.8). */
void notify_overflow(struct session *s);

/** A commit of this session: of what it changed the session is not told. */
void notify_committed(struct session *s, const struct snapshot *after);
/**
 * The session has deleted the mailbox, or made it of INBOX: the next that happens to it is no news.
 */
void notify_done_by_us(struct session *s, struct account *a, struct mailbox_id id);
/** The client does not read, so nothing can be told: from now on changes are counted. */
void notify_count_changes(struct session *s);
/**
 * There is one: after too many of them nothing is watched any more, and the client is told so when
 * it reads.
 */
void notify_late(struct session *s);
/** It has read what there was: the count begins anew. */
void notify_is_read(struct session *s);
/** Another mailbox is selected, or none. */
void notify_selected(struct session *s);

#endif

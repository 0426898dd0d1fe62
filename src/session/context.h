/*
 * context.h - searches whose results the client is kept up to date about: RETURN (UPDATE) of
 * SEARCH, SORT and ESEARCH (RFC 5267 4.3).
 *
 * A context is a program and the UIDs that the client has been told; a SORT's has their order too.
 * When the view has moved, the messages that have changed or come, and only those, are judged
 * again, and the difference goes out:
 *
 *     view_refresh() -> contexts_note() -> contexts_tell_gone() -> EXPUNGE, EXISTS, FETCH -> contexts_tell_changed()
 *                                          REMOVEFROM, with the numbers                      REMOVEFROM and ADDTO, with
 *                                          that the client still has                         those that it has now
 *
 * What vanished is told even while its EXPUNGE is held back. OLDER and YOUNGER change their answer
 * without anything happening; each context knows when the next message does so.
 */
#ifndef SESSION_CONTEXT_H
#define SESSION_CONTEXT_H

#include "search/sort.h"
#include "session/session.h"

enum {
	CONTEXTS_MAX = 16, /* of a session */
	/* of all of its contexts: above it no new one is begun */
	CONTEXTS_MAX_BYTES = 8 * 1024 * 1024,
	CONTEXTS_MOST_BYTES = 2 * CONTEXTS_MAX_BYTES, /* above it the one that has grown ends */
};

struct contexts;
struct fetch_news;
struct imap_fetch;

/* What a search that was answered was like. All is copied. */
struct context_options {
	struct str tag;
	bool is_uid;
	const struct search *search;      /* compiled for the session's view */
	const struct rangeset *uids;      /* found by it */
	const struct imap_sort *criteria; /* SORT: its arguments and its result; else NULL */
	const struct sort *sort;
	struct str mailbox; /* ESEARCH: the correlator names it, else empty */
	uint32_t uidvalidity;
};

/**
 * From now on changes of the result are told, or the client is told that they are not: NO
 * [NOUPDATE].
 */
void context_begin(struct session *s, const struct context_options *o);
/** Says that a search is not kept up to date. */
void context_refuse(struct session *s, struct str tag, struct str why);
/** A context of this tag is there. */
bool contexts_have(const struct session *s, struct str tag);
/** Ends it; false when there is none. */
bool context_cancel(struct session *s, struct str tag);
/** No message numbers are told any more: those that use them end (RFC 9586). */
void contexts_forget_numbered(struct session *s);
/** The mailbox is not selected any more. */
void contexts_free(struct session *s);
/* There are some: */
/** Wakes the session in IDLE when the next message becomes too old or too young. */
void contexts_set_timer(struct session *s);
/** The session leaves its loop. */
void contexts_stop_timer(struct session *s);

/* For tell.c, in this order. */
/** The view has been refreshed. */
void contexts_note(struct session *s, const struct view_changes *changes);
/** ERR_WAIT: call again. They never fail: a context that can't go on ends. */
must_use enum err contexts_tell_gone(struct session *s, const struct view_changes *changes);
must_use enum err contexts_tell_changed(struct session *s);
/** Takes out of `f` what was fetched of the same messages a moment ago in the same words. */
void contexts_fetched(const struct session *s, const struct imap_fetch *what, struct fetch_news *f);

#endif

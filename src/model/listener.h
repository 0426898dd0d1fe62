/*
 * listener.h - for tests: a client that has selected nothing and watches mailboxes by NOTIFY
 * (RFC 5465), its own or another's whose rights come and go. Told must be what has changed for it,
 * all of that, and nothing of what it may not see.
 */
#ifndef MODEL_LISTENER_H
#define MODEL_LISTENER_H

#include "model/picture.h"

enum { LISTENER_BOXES = 3 };

/* What a mailbox is for the user. */
enum heard_access {
	HEARD_NONE,   /* without `l` */
	HEARD_LISTED, /* `l` */
	HEARD_READ,   /* `l` and `r`: what it takes to be told of messages */
};

/* A mailbox as the user may see it; the numbers are 0 of what may not be read. */
struct heard {
	enum heard_access access;
	uint32_t messages, unseen, uidnext;
};

struct listener {
	struct picture pic;
	const char *prefix;       /* of the names: "Other Users/joe/" */
	const char *const *names; /* LISTENER_BOXES of them */
	bool is_asked[LISTENER_BOXES], wants_names;
	bool is_first; /* nothing was checked since the NOTIFY */
	struct heard known[LISTENER_BOXES];
	/* told that it may not be read, and not since that it may be */
	bool is_refused[LISTENER_BOXES];

	/* since the last check */
	struct {
		bool has_list, has_status, is_refused, is_missing;
		struct heard status;
	} news[LISTENER_BOXES];

	uint64_t told;   /* lines */
	char wrong[300]; /* "": nothing is */
};

/**
 * The client is about to send a NOTIFY about those mailboxes, which are as `now` says.
 *
 * @wants_status  it is told what they are at the beginning; otherwise it knows
 */
void listener_begin(struct listener *l, const bool *is_asked, bool wants_names, bool wants_status,
    const struct heard *now);
/** Takes a line that is not tagged. */
void listener_take(struct listener *l, const struct told *t);
/** Holds what was told since the last time against what the mailboxes are now. */
void listener_check(struct listener *l, const struct heard *now);

#endif

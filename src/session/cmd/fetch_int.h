/* fetch_int.h - a FETCH at work, as fetch.c and fetch_answer.c see it. */
#ifndef SESSION_CMD_FETCH_INT_H
#define SESSION_CMD_FETCH_INT_H

#include "session/cmd/commands.h"
#include "session/cmd/fetch_messages.h"
#include "session/cmd/fetch_pages.h"
#include "session/cmd/fetch_section.h"
#include "store/message_ahead.h"

enum {
	SUMMARY_ATTS = FETCH_ENVELOPE | FETCH_BODY | FETCH_BODYSTRUCTURE | FETCH_EMAILID
	    | FETCH_THREADID | FETCH_PREVIEW,
};

enum fetch_step {
	STEP_VANISHED,
	STEP_LIMIT,
	STEP_WINDOW,
	STEP_SET_SEEN,
	STEP_TELL_SEEN,
	STEP_MESSAGES
};

/* The message being answered. */
struct fetch_message {
	bool is_open;
	struct entry entry;
	struct seqnum seq;
	struct fetch_source src;
	bool is_head_written;
	bool is_first; /* no item is written yet */
	size_t at_section;
	struct fetch_section section;
};

struct fetch_ctx {
	struct imap_fetch args;
	struct seqset set; /* for VANISHED, whose "*" is another */
	struct fetch_messages messages;
	struct message_ahead *ahead; /* when many are asked for */
	uint32_t ahead_at;           /* UID from which on nothing is begun yet; 0: all is */
	bool is_ahead_decided;
	bool is_prefetched;   /* all are asked for */
	uint32_t prefetch_at; /* prefetch() again when it is the turn of the one before; 0: now */
	struct annotate_asked *annotations;
	bool needs_message;
	enum message_need need;
	bool needs_header_only;
	enum fetch_step step;
	uint32_t at;         /* next UID to look at; 0: none is left */
	uint32_t window_end; /* last UID of the window */
	unsigned untimed;    /* messages answered since the clock was looked at */
	bool is_by_page;     /* fetch_pages.h does it */
	struct flags_text flags_text;
	struct rangeset seen;   /* messages of the window that became \Seen */
	struct rangeset unseen; /* messages of the window that must become so */
	uint32_t cursor;
	struct fetch_message m;
	enum err result;
};

/** Asks for the records of messages that come later, as far as there is room (x->ahead). */
void fetch_read_ahead(struct session *s, struct fetch_ctx *x);

/* fetch_answer.c. */

/**
 * Answers the open message, x->m, or as much of it as can be: x->result says why. ERR_WAIT,
 * ERR_CLOSED.
 */
must_use enum err fetch_answer(struct session *s, struct fetch_ctx *x);
void fetch_message_close(struct fetch_message *m);

#endif

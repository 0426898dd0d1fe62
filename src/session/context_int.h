/* context_int.h - what context.c and context_update.c share. */
#ifndef SESSION_CONTEXT_INT_H
#define SESSION_CONTEXT_INT_H

#include "io/loop.h"
#include "search/ranking.h"
#include "session/cmd/fetch_news.h"
#include "session/cmd/finding.h"
#include "session/context.h"

enum { DELAYS_MAX = 8 };

struct context {
	struct context *next;
	struct arena arena; /* tag, correlator and program */
	struct str tag, correlator;
	bool is_uid, is_sorted;
	/* what is told of messages that come into it new; NULL: nothing (RFC 5465 7) */
	struct imap_fetch *fetch;
	struct rangeset fetched; /* the last ones */
	struct imap_sort *sort;  /* in the arena: the program, and by what it is sorted */
	bool has_star;           /* the last UID is named as "*" */
	struct rangeset told;    /* UIDs that the client has in its list */
	struct ranking ranking;  /* is_sorted: in what order */

	/*
	 * OLDER and YOUNGER: how long after its internal date a message is judged otherwise, each
	 * once.
	 */
	int64_t delays_s[DELAYS_MAX];
	size_t delay_count;
	bool has_many_delays;
	int64_t judged_s; /* of when the answers are */
	/*
	 * when one is to be judged anew; INT64_MAX: none of those that are there; 0: not known yet
	 */
	int64_t next_s;
};

/* Changes of a list, being written. */
struct context_places {
	bool is_add;
	struct place *list; /* own memory */
	size_t n, at;
};

enum contexts_phase { CONTEXTS_REST, CONTEXTS_GONE, CONTEXTS_CHANGED };

enum context_step {
	UPDATE_BEGIN,
	UPDATE_AGE,
	UPDATE_FIND,
	UPDATE_SORT,
	UPDATE_FETCH,
	UPDATE_REMOVE,
	UPDATE_ADD
};

struct contexts {
	struct session *session;
	struct context *first;
	unsigned count;
	struct loop_timer timer; /* for OLDER and YOUNGER in IDLE */

	/* What has changed and is not told yet. */
	uint32_t next_uid;             /* all below it were judged */
	uint32_t last_uid;             /* as "*" was last */
	uint32_t new_uid;              /* the first that has come since; for the delays */
	struct rangeset gone, changed; /* UIDs; those that came are changed too */
	enum contexts_phase phase;
	struct context *cursor; /* being told */

	/* The update of the one at the cursor. */
	enum context_step step;
	struct arena scratch;
	struct rangeset among; /* to be judged */
	int64_t now_s;         /* delays: looked at so far */
	uint32_t at_uid;
	int64_t next_s;
	struct finding finding;
	struct command command; /* for finding_run(), which may have words for one */
	const struct scan_found *found;
	struct sort *sort;
	struct fetch_news *fetch;
	struct context_places removed, added;
};

/** Ends a context. */
void context_end(struct contexts *c, struct context *x);
size_t contexts_bytes(const struct contexts *c);
/** The messages of a sort with their keys. */
void context_rank(const struct sort *sort, struct ranking *out);
/** Notes when the program's OLDER and YOUNGER change their answer. */
void context_find_delays(struct context *x, const struct imap_search_key *k);
/** Writes what is left of the changes. ERR_WAIT: call again. */
must_use enum err context_places_write(struct session *s, const struct context *x,
    struct context_places *w);
void context_places_done(struct context_places *w);

/** Gives an update that is under way up. */
void context_update_drop(struct session *s, struct contexts *c);
/** Whether OLDER or YOUNGER of some context has another answer by now. */
bool context_is_due(const struct session *s);
/** For the next time that it will be so. */

#endif

/*
 * run.h - for tests: some clients of one account (and an MTA) on a simulated server, the model of
 * the account beside them, and random commands.
 *
 * Two kinds of steps. In a *single* step one client sends a command, alone or some in a row, and
 * what is answered must be just what the model says. In a *burst* several send at the same time
 * while the engine completes late; then there must be an order of their commands in which the model
 * says the same and holds the same.
 */
#ifndef MODEL_RUN_H
#define MODEL_RUN_H

#include "imap/seqset.h"
#include "model/picture.h"
#include "model/state.h"
#include "model/watcher.h"

enum {
	PLAYERS = 3,
	PLAN_KEYS = 5,
	PLAN_SORTS = 3,
	KEPT = 4, /* searches of a mailbox that are kept up to date; less than the server allows */
	ANSWERS = 4,
	RECENTS = 4096,
	LOG_LINES = 60,
	LOG_WIDTH = 200,
	DELIVERIES_MAX = 20
};

/* In every message that is made; who has no business with them must not see it. */
#define PLAN_SECRET "jO7cret"

enum player_phase { PLAYER_OFF, PLAYER_IN, PLAYER_SELECTED, PLAYER_IDLE };

enum player_kind { KIND_PLAIN, KIND_CONDSTORE, KIND_QRESYNC, KIND_REV2, KINDS };

/* One key of a SEARCH. All of a search must be true. */
struct plan_key {
	enum { KEY_FLAG, KEY_UIDS, KEY_LARGER, KEY_SUBJECT, KEY_MODSEQ, KEY_ALL } kind;

	bool is_not;
	uint16_t flag;
	uint64_t number; /* size, content, modseq */
	uint32_t first, last;
};

/* By what a SORT sorts. Nothing else is told apart by the messages that are made. */
struct plan_sort {
	enum { BY_FROM, BY_SIZE, BY_SUBJECT, BY_NOTE } by; /* they are all from one */

	bool is_reverse;
	unsigned note; /* of annotated_notes */
};

/* A command that is to be sent, and what its answer is held against. */
struct plan {
	struct act act;
	struct buf text;
	bool may_expunge;              /* EXPUNGE may be told while it runs */
	uint32_t targets[PICTURE_MAX]; /* UIDs that its set names */
	uint32_t target_count;
	/*
	 * MESSAGELIMIT: the lowest UID of those that are done, and `targets` and the act's UIDs are
	 * no more than those; 0: all are
	 */
	uint32_t limit_uid;
	/* what it is done of depends on what is not told: it is not sent */
	bool is_vague;
	struct plan_key keys[PLAN_KEYS];
	uint32_t key_count;
	struct plan_sort sorts[PLAN_SORTS];
	uint32_t sort_count; /* SORT; 0: SEARCH */
	bool is_extended;    /* RETURN */
	bool is_context;     /* RETURN (UPDATE): told from then on what comes to it and goes */
	/* RETURN (PARTIAL 2:5); 0: all. Negative ones count from the end (RFC 9394) */
	int32_t part_first, part_last;
	unsigned cancels; /* CANCELUPDATE: bits of the player's `kept` */
	/* SEARCH RETURN (SAVE): what it finds is "$" from then on */
	bool saves;
	bool may_use_saved; /* nothing is sent before it that could change "$" */
	unsigned items;     /* FETCH: enum told_fetch */
	/* GETMETADATA: entries, as bits; all below /private/vendor and /shared/vendor */
	unsigned entries;
	bool is_deep;

	enum { LIST_ALL, LIST_SUBSCRIBED, LIST_OLD } list;

	bool has_percent;       /* LIST: of one level only */
	char above[STATE_NAME]; /* and that below this name; "": the highest */
	bool is_examine, is_delivery;
};

/* What came for one command. */
struct answer {
	bool is_there;
	char condition[8], code[16];
	/* SEARCH, ESEARCH, APPENDUID, MODIFIED, COPYUID's destination */
	struct rangeset uids;
	struct rangeset from; /* COPYUID */
	/* SEARCH, SORT, and theirs of ESEARCH, in the order in which they were told */
	uint32_t order[PICTURE_MAX];
	uint32_t order_count;
	uint32_t validity;
	uint32_t limit_uid; /* MESSAGELIMIT; 0: there was none */
	bool has_search;
	uint32_t fetched[PICTURE_MAX]; /* UIDs */
	uint32_t fetched_count;
	/* of each: its annotations, if they were told; bits: 1 << annotated_notes */
	struct annotated notes[PICTURE_MAX];
	bool has_notes[PICTURE_MAX];
	/* METADATA: entries that were told, as bits, and those with a value */
	unsigned entries;
	struct annotated annotations;
	char names[STATE_BOXES][STATE_NAME]; /* LIST, LSUB; STATUS */
	char attributes[STATE_BOXES][64];
	uint32_t name_count;
	char status[200];
};

/* The result of a search that is kept up to date (RFC 5267), as the client was told. */
struct kept {
	uint32_t tag; /* 0: there is none */
	bool is_uid;
	struct plan_key keys[PLAN_KEYS];
	uint32_t key_count;
	struct plan_sort sorts[PLAN_SORTS];
	uint32_t sort_count;
	uint32_t list[PICTURE_MAX]; /* UIDs or message numbers, in their order */
	uint32_t n;
};

struct player {
	struct picture pic;
	enum player_kind kind;
	enum player_phase phase;
	uint64_t box; /* the model's id of the selected mailbox */
	bool is_read_only;
	bool is_notified;      /* of what happens in the selected mailbox, without asking */
	bool is_foreign;       /* in another language than English (RFC 5255) */
	uint64_t selection;    /* which of all SELECTs that were ever made */
	struct rangeset saved; /* UIDs of "$" (RFC 5182) */
	struct kept kept[KEPT];
	/* From an earlier connection, for QRESYNC. */
	bool has_old;
	char old_name[STATE_NAME];
	uint32_t old_validity, old_n;
	uint64_t old_known;
	struct seen old[PICTURE_MAX];
	struct answer answers[ANSWERS];
	uint32_t first_tag; /* of what is being answered */
};

/* Who was told that a message is \Recent. */
struct recent {
	uint64_t box, selection;
	uint32_t uid;
};

struct run {
	struct sim sim;
	struct account *account;
	struct state state, real;
	struct contents contents;
	struct player players[PLAYERS];
	struct watcher watcher;
	struct sim_conn mta;
	bool is_mta_awaited;
	uint32_t deliveries;
	uint32_t validity_highest;      /* ever seen: a new mailbox has a higher one */
	struct recent recents[RECENTS]; /* by box and UID; one forgets another */
	uint64_t selections;
	uint64_t seed;
	uint32_t limit; /* messages that a command may be about (RFC 9738); 0: no limit */
	uint32_t step;
	uint64_t commands, bursts, orders, resyncs, limited, contexts, sorted;
	char log[LOG_LINES][LOG_WIDTH]; /* the last lines of the dialogue, a ring */
	uint32_t log_next;
	bool is_verbose;
	bool has_notes; /* annotations are set and asked for, of mailboxes and of messages */
	/* single steps only, and nobody idles; more messages that stream */
	bool is_calm;
	bool is_fuzzed; /* a failure aborts */
	/* the command that repeats a failure; "": this test with seed and steps */
	char again[120];
};

/** Prints what is wrong, the last lines and how to repeat it; ends the process. */
_Noreturn void run_fail(struct run *r, const char *fmt, ...) printf_like(2, 3);
void run_log(struct run *r, char side, const struct player *p, struct str line);

/* plan.c */
/**
 * Makes a random command for a player, the at-th of those sent together; the others are before it.
 * only_changes: for bursts.
 */
void plan_make(struct run *r, struct player *p, bool only_changes, uint32_t at, struct plan *out);
void plan_done(struct plan *p);
/** A set of the picture's messages, added to the command; MESSAGELIMIT is obeyed. */
void plan_messages(struct run *r, const struct player *p, struct plan *out);
/** A message: its number in contents; its text is added to b. */
uint32_t plan_message(struct run *r, bool is_delivered, struct buf *b);
const char *plan_name(struct run *r);

/* plan_search.c */
/** Makes a SEARCH or a SORT. */
void plan_search(struct run *r, struct player *p, bool only_changes, struct plan *out);
/** Makes a CANCELUPDATE; false: there is nothing to cancel. */
bool plan_cancel(struct run *r, const struct player *p, struct plan *out);

/* plan_notes.c */
/** Makes a command about annotations. */
void plan_noted(struct run *r, struct player *p, bool only_changes, struct plan *out);
/** What FETCH asks for to be told all of a message. */
#define PLAN_NOTES "ANNOTATION ((/comment /altsubject /vendor/m/x) (value.priv value.shared))"
/** Takes what was told of a message, or of a mailbox. False: it is nothing that could be told. */
bool notes_take(struct str told, struct annotated *out);
bool metadata_take(struct str told, struct answer *out);
/** Holds what was told against the state. before: the picture when it was asked for. */
void notes_check(struct run *r, const struct plan *plan, const struct answer *a,
    const struct seen *before, uint32_t before_n);
void metadata_check(struct run *r, const struct plan *plan, const struct answer *a);

/* check.c */
/** Takes what has come for a player, into its answers. */
void run_take(struct run *r, struct player *p, const struct plan *plans, uint32_t plan_count);
/** Holds an answer against what the model says; false: why not is in why. */
bool answer_fits(const struct plan *plan, const struct answer *a, const struct outcome *o,
    char *why, size_t size);
void answer_clear(struct answer *a);
/**
 * Holds the answer of a command that changes nothing against the state. before: the picture when it
 * was sent.
 */
void check_answer(struct run *r, struct player *p, const struct plan *plan, const struct answer *a,
    const struct seen *before, uint32_t before_n);
/**
 * The picture must be the state of its mailbox; with_ghosts: messages may be there that are gone.
 * What was not told is filled in.
 */
void check_picture(struct run *r, struct player *p, bool with_ghosts);

/* found.c */
/** Takes what SEARCH, SORT and ESEARCH tell, an answer to the plan or news; a NULL: no answer. */
void found_take(struct run *r, struct player *p, const struct plan *plan, uint32_t tag,
    struct answer *a, const struct told *t);
/**
 * Holds the answer of a search against the client's own picture, as it was. Of what is gone either
 * is right.
 */
void found_check(struct run *r, struct player *p, const struct plan *plan, const struct answer *a,
    const struct seen *before, uint32_t n);
/** A message is gone: the numbers behind it are others now. */
void kept_expunge(struct run *r, struct player *p, uint32_t number);
/** NOUPDATE: a search is not kept up to date. */
void kept_refused(struct run *r, struct player *p, struct str tag);
/** There is no search any more that is kept up to date, or those of these bits are none. */
void kept_forget(struct player *p, unsigned which);
/** What the client was told is found must be what a new search would find. */
void kept_check(struct run *r, const struct player *p, const struct state_box *b);

/* run.c */
/** @kv  the engine in memory if is_manual; to be closed by run_close() */
void run_open(struct run *r, struct kv *kv, bool is_manual, uint64_t seed);
/** The same with MESSAGELIMIT, at least STATE_ADDS, and other limits. */
void run_open_limited(struct run *r, struct kv *kv, bool is_manual, uint64_t seed,
    struct sim_limits limits);
void run_close(struct run *r);
/** For sim_settle(): somebody has not been answered; ctx is a struct run. */
bool run_awaits(void *ctx);
/** For state_read(): waits for the engine; ctx is a struct sim. */
bool run_wait(void *ctx);
void run_step(struct run *r);
/** From now on a client watches the account by NOTIFY. To be called before the first step. */
void run_watch(struct run *r);
/** Compares everything that the account holds with the model. */
void run_compare(struct run *r);

/** Takes over the UIDVALIDITY of new mailboxes; each must be higher than all before. */
void run_learn(struct run *r);
/**
 * Begins a delivery: what is left to send is added to text; the same as a command of the model is
 * a.
 */
void run_deliver_begin(struct run *r, struct buf *text, struct act *a);

/* burst.c */
void run_burst(struct run *r);

#endif

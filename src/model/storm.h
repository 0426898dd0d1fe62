/*
 * storm.h - for tests: all clients and an MTA act at the same time, some of them idle, on a server
 * that is about to meet its end; and what they were told is held against what is left of the
 * account when the server starts again. They may have been told nothing that is not there, and what
 * they were told is done must be done.
 *
 *     storm_open()  the steps of the model check, until there is something
 *     storm_rage()  everybody acts
 *     storm_end()   the server is gone
 *     storm_check() a new one starts on what is left
 *     storm_done()
 */
#ifndef MODEL_STORM_H
#define MODEL_STORM_H

#include "model/run.h"

enum { STORM_EACH = 3, STORM_UIDS = 512 };

struct storm {
	struct run r;      /* its state is that of before the storm */
	struct state left; /* what there is afterwards */
	struct seen before[PLAYERS][PICTURE_MAX];
	uint32_t before_n[PLAYERS];
	/* A bit for each value that a message of the UID had before, in any mailbox: views may be older. */
	uint32_t noted[STORM_UIDS][ANNOTATED_NOTES];
	struct plan plans[PLAYERS][STORM_EACH];
	uint32_t count[PLAYERS];
	bool was_sent[ACT_DONE + 1]; /* by anybody */
	struct buf message;          /* that the MTA is about to send */
	bool is_delivering, is_delivered;
	struct act delivery;
	uint64_t answers, pictures; /* compared */
	/* Told when the server's turn begins and ends; between its turns clients act. NULL: nobody. */
	void (*serves)(bool begins);
};

void storm_open(struct storm *s, struct kv *kv, bool is_manual, uint64_t seed);
void storm_rage(struct storm *s);
/** Takes what has come for everybody; storm_rage() does so at its end. */
void storm_take(struct storm *s);
void storm_end(struct storm *s);
void storm_check(struct storm *s, struct kv *kv, bool is_manual);
void storm_done(struct storm *s);

/** A mailbox by its UIDVALIDITY; NULL: there is none. */
struct state_box *storm_box(struct state *s, uint32_t validity);
/* storm_notes.c */
/** Keeps what messages are annotated with now, of which a view that is not refreshed may tell. */
void storm_keep_notes(struct storm *s);
/** What a command about annotations was answered must be so. */
void storm_check_noted(struct storm *s, const struct player *p, const struct plan *plan,
    const struct answer *a);

#endif

/*
 * model.h - a naive model of accounts' mailboxes, for tests: a whole copy of all mailboxes for each
 * version, sessions that open, refresh and change them, and what each must see.
 */
#ifndef STORE_MODEL_H
#define STORE_MODEL_H

#include "store/store_test_util.h"

#include "store/notes.h"
#include "store/view_int.h"

enum { BOXES = 8, SESSIONS = 3, ENTRIES = 600, VERSIONS = 16000, KEYWORDS = 5 };

/* Notes of an entry: a shared one of so many bytes, one of the user's, one of somebody else's. */
enum { NOTE_SHARED = 63, NOTE_OWN = 64, NOTE_OTHER = 128, OTHER_USER = 99 };

struct m_entry {
	uint32_t uid, msgno;
	uint16_t flags;
	uint8_t keywords; /* bits: names k0 … k4 */
	uint8_t notes;
	bool is_ghost;
	uint64_t modseq;
};

struct m_box {
	uint64_t id; /* 0: none */
	char name[16];
	uint32_t uidnext, count;
	uint64_t highestmodseq;
	struct m_entry *e; /* shared between versions; copied before a change */
	bool is_own;
};

struct m_state {
	uint64_t version;
	struct m_box box[BOXES];
};

struct m_session {
	struct view *view;
	struct snapshot *own;
	uint64_t box;         /* id */
	struct m_entry *told; /* what the client knows, ghosts too */
	uint32_t told_count;
	bool is_gone;
};

struct model {
	struct fixture f;
	uint64_t random;
	uint64_t seed;
	uint32_t step;
	struct m_state *states; /* by version; some versions are missing (failed) */
	uint32_t state_count;
	struct m_session s[SESSIONS];
	bool is_verbose;
};

#define SAY(m, ...)                                                                                \
	do {                                                                                       \
		if ((m)->is_verbose)                                                               \
			printf("# " __VA_ARGS__);                                                  \
	} while (0)
#define MUST(m, x)                                                                                 \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			printf("# seed %llu step %u: %s\n", (unsigned long long)(m)->seed,         \
			    (m)->step, #x);                                                        \
			CHECK(x);                                                                  \
			fflush(stdout);                                                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* ---- model.c: what should be there */

uint64_t model_random(struct model *m, uint64_t below);
struct m_state *model_latest(struct model *m);
struct m_state *model_state_of(struct model *m, uint64_t version);
/** NULL: there is none. */
struct m_box *model_box_of(struct m_state *s, uint64_t id);
/** A new version, which begins as a copy of the latest. */
struct m_state *model_push(struct model *m, uint64_t version);
/** Before its entries are changed: other versions keep theirs. */
void model_own(struct model *m, struct m_box *b);
void model_box_add(struct model *m, struct m_box *b, struct m_entry e);
void model_box_remove(struct model *m, struct m_box *b, uint32_t i);
void model_end_session(struct m_session *s);
/** A copy of many makes versions before its own, of which nothing can be seen. */
void model_note_stages(struct model *m, const struct snapshot *after);
/** Versions that the store does not have after a cut are forgotten. */
void model_take_back(struct model *m);

/* ---- model_compare.c: is it? */

/** The changes that make these notes of an entry; how many. */
size_t model_note_changes(struct model *m, uint8_t notes, bool has_removals,
    struct annotation out[3]);
void model_compare_view(struct model *m, struct m_session *s);
void model_compare_snapshot(struct model *m, const struct snapshot *s, const struct m_state *state);
/** The rows of the engine, when everything is durable, are what memory has. */
void model_compare_rows(struct model *m);

/* ---- model_act.c: one command each, of a random session on random messages */

void model_do_append(struct model *m);
void model_do_copy(struct model *m, bool moves);
void model_do_expunge(struct model *m);
void model_do_mailbox(struct model *m);
void model_do_note(struct model *m);
void model_do_open(struct model *m);
void model_do_refresh(struct model *m);
void model_do_rest(struct model *m);
void model_do_store(struct model *m);
void model_do_vanished(struct model *m);

#endif

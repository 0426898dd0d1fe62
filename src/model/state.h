/*
 * state.h - for tests: what an account should hold, kept in arrays and changed by a few loops, as
 * the RFCs say it. Commands come with the UIDs that they name, since what a sequence number means
 * is a matter of the client's picture.
 */
#ifndef MODEL_STATE_H
#define MODEL_STATE_H

#include "model/annotated.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	STATE_BOXES = 24,
	STATE_MESSAGES = 160,
	STATE_NAME = 40,
	STATE_ADDS = 4,
	/* of the store: COPY of more is made in stages, each a version (store/commit_stage.c) */
	STATE_STAGE_LINKS = 2,
	STATE_PAGE_UIDS = 64, /* of the store (store/page.h) */
};

struct state_message {
	uint32_t uid;
	uint32_t content; /* which message; its size says so */
	uint64_t modseq;
	uint16_t flags; /* as struct seen has them */
	struct annotated notes;
};

struct state_box {
	uint64_t id; /* of the model's own; 0 in what was read from a store */
	char name[STATE_NAME];
	bool is_level, is_subscribed;
	uint32_t validity; /* 0: not known yet */
	uint32_t uidnext;
	uint64_t highest;
	struct annotated annotations;
	uint32_t n;
	struct state_message m[STATE_MESSAGES];
};

struct state {
	uint64_t version;
	/* that one commit of EXPUNGE, MOVE and RENAME of INBOX changes, each a version; 0: all */
	uint32_t commit_pages;
	uint64_t next_id;
	uint32_t n;
	struct state_box box[STATE_BOXES];
};

enum act_op {
	ACT_APPEND,
	ACT_STORE,
	ACT_COPY,
	ACT_MOVE,
	ACT_EXPUNGE,
	ACT_CREATE,
	ACT_DELETE,
	ACT_RENAME,
	ACT_SUBSCRIBE,
	ACT_UNSUBSCRIBE,
	ACT_SETMETADATA,
	ACT_ANNOTATE, /* STORE ANNOTATION */
	ACT_OPS_THAT_CHANGE,
	/* These change nothing, but for FETCH with `sees`. */
	ACT_FETCH,
	ACT_SEARCH,
	ACT_NOOP,
	ACT_CANCEL, /* CANCELUPDATE */
	ACT_STATUS,
	ACT_LIST,
	ACT_GETMETADATA,
	ACT_SELECT,
	ACT_CLOSE,
	ACT_UNSELECT,
	ACT_IDLE,
	ACT_DONE,
};

enum act_how { HOW_SET, HOW_ADD, HOW_REMOVE };

/* One command. */
struct act {
	enum act_op op;
	bool is_uid, is_silent;
	uint64_t box; /* that the session has selected */
	bool is_read_only;
	uint32_t uids[STATE_MESSAGES * 2]; /* what its set names */
	uint32_t n;
	enum act_how how;
	uint16_t flags;
	bool has_unchangedsince;
	uint64_t unchangedsince;
	/* COPY of more messages than a command may be about (RFC 9738): none is copied */
	bool is_over;
	bool sees;             /* FETCH: of the messages in uids some body is asked for */
	struct annotated list; /* annotations to set; value 0: to remove */
	char name[STATE_NAME], to[STATE_NAME];

	struct {
		uint32_t content;
		uint16_t flags;
	} add[STATE_ADDS];

	uint32_t add_count;
};

/* What must be answered. */
struct outcome {
	const char *condition; /* "OK" */
	const char *code;      /* name of the response code; NULL: not looked at */
	bool may_be_refused;   /* NO [EXPUNGEISSUED] is as good (RFC 2180 4) */
	uint32_t validity;     /* APPENDUID, COPYUID */
	/* COPYUID, and APPENDUID's UIDs in `to` */
	uint32_t from[STATE_MESSAGES * 2], to[STATE_MESSAGES * 2];
	uint32_t n;
	uint32_t modified[STATE_MESSAGES * 2]; /* UIDs of MODIFIED */
	uint32_t modified_count;
	bool has_changed; /* there is a new version */
};

struct state_box *state_box(struct state *s, const char *name);
struct state_box *state_box_by_id(struct state *s, uint64_t id);
bool state_has_below(const struct state *s, const char *name);
/** -1: there is none */
int state_message(const struct state_box *b, uint32_t uid);

/** Does a command. A mailbox that the session has selected and that is gone has no messages. */
void state_apply(struct state *s, const struct act *a, struct outcome *out);

/* Sizes of messages, by which they are told apart. */
enum { CONTENTS_MAX = 6000, DELIVERED_MIN = 20000, DELIVERED_MAX = 290000, PREFIX_MAX = 1500 };

struct contents {
	uint32_t size[CONTENTS_MAX];
	uint32_t n;
};

/** The message of that size; UINT32_MAX: none. What was delivered has some lines more. */
uint32_t contents_find(const struct contents *c, uint64_t size);

/**
 * Reads what an account really holds: its durable snapshot. wait() is called while the store waits
 * for the engine. Sizes that are no message's are noted as content UINT32_MAX.
 */
enum err state_read(struct account *account, const struct contents *contents,
    bool (*wait)(void *ctx), void *ctx, struct state *out);
/**
 * Do both hold the same? A validity of 0 is not known yet. why: the first difference.
 */
bool state_equals(struct state *model, const struct state *real, char *why, size_t why_size);

#endif

/*
 * picture.h - for tests: a client's picture of one mailbox, made of nothing but what the server
 * told it: EXISTS, EXPUNGE, VANISHED, FETCH. What may not be told, or not at this moment, is noted
 * in `wrong` (RFC 9051 7.5.1, RFC 7162 3.2.10).
 */
#ifndef MODEL_PICTURE_H
#define MODEL_PICTURE_H

#include "model/annotated.h"
#include "model/sim.h"

/** The next word of a response, up to a space; absent when there is none. */
static inline struct str
picture_word(struct str *rest)
{
	struct str w;

	return str_split(rest, ' ', &w) ? w : STR_NONE;
}

enum { PICTURE_MAX = 512, PICTURE_COMMANDS = 8, PICTURE_WORDS = 5 };

/* Flags as bits: those of imap/flags.h, and behind them the keywords that tests use. */
enum { SEEN_KEYWORD_SHIFT = 6, SEEN_KEYWORDS = 4, SEEN_FLAGS = 31 | 15 << SEEN_KEYWORD_SHIFT };

extern const char *const seen_keywords[SEEN_KEYWORDS];

/** "\Seen k1". */
void seen_flags_format(unsigned flags, struct buf *b);

/* One message as the client knows it. */
struct seen {
	uint32_t uid; /* 0: not told yet */
	bool has_flags;
	uint16_t flags;
	uint64_t modseq; /* 0: not told yet */
	/* keywords that are none of the tests', see told_keyword() */
	uint32_t others;
	/* its annotations when the client was last told news; not told themselves */
	struct annotated notes;
};

enum told_kind {
	TOLD_TAGGED,
	TOLD_CONDITION,
	TOLD_EXISTS,
	TOLD_RECENT,
	TOLD_EXPUNGE,
	TOLD_VANISHED,
	TOLD_FETCH,
	TOLD_SEARCH,
	TOLD_ESEARCH,
	TOLD_STATUS,
	TOLD_LIST,
	TOLD_LSUB,
	TOLD_METADATA,
	TOLD_CONTINUE,
	TOLD_OTHER,
};

enum told_fetch {
	TOLD_UID = 1,
	TOLD_FLAGS = 2,
	TOLD_MODSEQ = 4,
	TOLD_SIZE = 8,
	TOLD_BODY = 16,
	TOLD_DATE = 32,
	TOLD_NOTES = 64 /* ANNOTATION */
};

/* A response, taken apart. Texts point into it. */
struct told {
	enum told_kind kind;
	struct str line;
	uint32_t number;      /* EXISTS, EXPUNGE, FETCH; TAGGED: of the tag */
	struct str condition; /* TAGGED, CONDITION: "OK" */
	struct str code;      /* without brackets; p NULL: none */
	struct str rest;      /* what follows the name */
	unsigned fetch;       /* enum told_fetch: which of these there are */
	uint32_t uid;
	uint16_t flags;
	uint32_t others;
	bool is_recent;
	uint64_t modseq, size;
	struct str body, section, date, notes;
};

struct picture {
	struct sim_conn conn;
	bool is_condstore, is_qresync, is_rev2; /* what was enabled */
	bool is_utf8;                           /* and all may be UTF-8 */
	/* expunges are told at any time, and news without being asked for (NOTIFY) */
	bool is_immediate;
	bool is_free; /* it may use keywords that are none of the tests' */
	/* the mailbox is larger than PICTURE_MAX: `wrong` says nothing any more */
	bool is_outgrown;
	bool is_selected;
	/* SELECT was sent: what is told is of the new mailbox, once the old one is closed */
	bool is_selecting;
	uint32_t validity;
	uint64_t known;          /* highest modseq that is safe to come back with */
	uint64_t known_at_reply; /* the same when the last command ended */
	struct seen m[PICTURE_MAX];
	uint32_t n;
	uint32_t tag, tag_done;             /* last one sent, last one answered */
	bool may_expunge[PICTURE_COMMANDS]; /* by tag % PICTURE_COMMANDS */
	bool is_bye;
	bool is_idling;             /* "+ idling" was told */
	uint64_t expunges, fetches; /* told */
	char wrong[512];            /* "": nothing is */
};

/** Sends a command (tag and CRLF are added); the tag's number. */
uint32_t picture_send(struct picture *p, bool may_expunge, struct str command);
/**
 * The next response, applied; false: there is none yet. Its texts are valid until the next call.
 */
bool picture_next(struct picture *p, struct told *t);
/** The flags of all messages are to be learnt anew. */
void picture_forget_flags(struct picture *p);
/** Forgets the mailbox: another one is being selected. */
void picture_clear(struct picture *p);
/** Any other keyword, as a number; those of a message are combined by ^. */
uint32_t told_keyword(struct str name);
/** Numbers of "1:3,7" or of "1 2 3": adds them to set, initialised. False: no set. */
bool told_numbers(struct str text, struct rangeset *set);

#endif

/* search_int.h - what the files of search/ share. */
#ifndef SEARCH_SEARCH_INT_H
#define SEARCH_SEARCH_INT_H

#include "imap/listmatch.h"
#include "mime/text.h"
#include "search/search.h"
#include "store/digest.h"
#include "store/message_ahead.h"
#include "store/trigrams.h"

enum truth { IS_NO, IS_YES, IS_UNKNOWN };

/* What a message must be read for. */
enum level { LEVEL_ENTRY, LEVEL_SUMMARY, LEVEL_HEADER, LEVEL_TEXT };

enum { FUZZY_LETTERS_MAX = 32 }; /* of a word; what is longer are several */

struct fuzzy_word {
	uint32_t letters[FUZZY_LETTERS_MAX];
	unsigned n;
	/* of the message at hand: how near a word came; 0: none did */
	unsigned best;
};

/* The words of a FUZZY text key. */
struct fuzzy {
	struct fuzzy_word *words;
	uint32_t count;
};

/* Cuts text into words, piece by piece. */
struct fuzzy_reader {
	uint32_t letters[FUZZY_LETTERS_MAX];
	unsigned n;
};

typedef void fuzzy_word_fn(void *ctx, const uint32_t *letters, unsigned n);

/* A key of the program with what compiling adds; a tree of the same shape. */
struct node {
	const struct imap_search_key *key;
	struct node *children, *next;
	enum level level;
	struct rangeset uids; /* SEQ, UID */
	int slot;             /* KEYWORD; -1: no message has it */
	/* HEADER: enum digest_column that has the field's text; -1: none */
	int column;
	/* HEADER, BODY, TEXT, ANNOTATION: the text in casemap form */
	struct str folded;
	struct imap_listmatch *names; /* ANNOTATION: whose names match */
	struct trigram_needle needle; /* BODY, TEXT: of the text */
	/* BODY, TEXT: the message that is judged does not have the text */
	bool is_absent;
	struct fuzzy *fuzzy; /* HEADER, BODY, TEXT: NULL unless FUZZY */
	unsigned score;      /* of a match: 100 is exact */
	/* BODY, TEXT, HEADER: of the message at hand, once it is known */
	enum truth text_truth;
};

struct search {
	struct arena *arena;
	const struct imap_search *program;
	struct view *view;
	int64_t now_s;
	struct node *root;
	struct node **text_nodes; /* BODY and TEXT keys */
	uint32_t text_count;
	size_t text_longest; /* bytes of the longest folded text */
	enum level deepest;
	uint32_t key_count;
	bool has_annotations;  /* ANNOTATION keys */
	uint32_t header_count; /* HEADER keys */
	/* all that its entry does not decide is decided by a message's text */
	bool needs_text_only;

	/* What every match must have, from the keys that stand in the top conjunction. */
	uint16_t flags_set, flags_unset;
	bool has_since;
	uint64_t since;       /* MODSEQ n: since n - 1 */
	struct rangeset uids; /* with has_uids */
	bool has_uids;

	search_should_yield_fn *should_yield;
	void *yield_ctx;

	/* of digests, 1 << enum digest_column; 0: the program has no keys of them */
	unsigned columns;
	struct glance *glance;
	const struct digest *digest; /* of the message that is judged now, or NULL */

	struct absence *absence; /* absent.c; NULL: the program has no text keys */
	bool has_absences;       /* nodes know them, of the message that is judged now */

	/* The message at hand. */
	struct uid at;               /* 0: none */
	struct message_ahead *ahead; /* messages with their texts, with needs_text_only */
	uint32_t asked_to;           /* UID up to which messages were asked for */
	enum level have;
	bool is_unreadable;
	struct message *message;
	struct str blob;      /* its bytes behind the prefix, when they are at hand */
	struct arena scratch; /* its part tree */
	bool has_sent_day;
	int64_t sent_day;
	struct message_reader *reader;
	struct mime_text *text;
	struct fuzzy_reader words; /* a word that may go on in the next piece */
	/* folded text: the tail of what was seen and the newest piece */
	struct buf window;
	struct buf source_window; /* the same of HTML source */
};

/** The words of a folded text; NULL when it has none. */
struct fuzzy *fuzzy_new(struct arena *a, struct str folded);
/** Another text begins. */
void fuzzy_reset(struct fuzzy *f);
void fuzzy_read(struct fuzzy_reader *r, struct str folded, bool is_last, fuzzy_word_fn *fn,
    void *ctx);
/** A fuzzy_word_fn: a word of the text; ctx is a struct fuzzy. */
void fuzzy_see(void *ctx, const uint32_t *letters, unsigned n);
/** How near the words came, 100 is best; 0 when some word did not at all. */
unsigned fuzzy_score(const struct fuzzy *f);

/** A key without children, and without its NOT. */
enum truth search_judge_leaf(struct search *s, struct node *n, const struct entry *e);
/** Judges a message by what is at hand of it. */
enum truth search_judge(struct search *s, const struct entry *e);

/**
 * What the message's digest says; of a program with columns. ERR_WAIT. Candidates are asked for in
 * their order.
 */
must_use enum err glance_at(struct search *s, const struct entry *e, struct waiter *w,
    enum truth *out);
/** A HEADER key with a column. */
enum truth glance_field(const struct digest *d, const struct node *n);
/** Takes NULL. */
void glance_free(struct glance *g);

/** Of a program with text keys; before the first message. */
void absence_init(struct search *s);
void absence_done(struct search *s);
/**
 * search_judge() of a message of which nothing but its entry is at hand: what searches before this
 * one know of its texts is looked at too.
 */
enum truth absence_judge(struct search *s, const struct entry *e);
/** The texts of the message at hand are read: collects what they have. */
void absence_begin(struct search *s, const struct entry *e);
/** A piece of a text in folded form. */
void absence_read(struct search *s, struct str folded, bool is_first, bool is_source);
/** All texts of the message at hand were read. */
void absence_end(struct search *s, struct msgno n);

bool match_contains(struct str hay, struct str needle);
/** HEADER: whether the header block has the field with the text. */
bool match_header(struct search *s, struct node *n, struct str header);
/**
 * ANNOTATION: whether the message has one of the name with the text; without a text, whether it has
 * none.
 */
bool match_annotation(const struct search *s, struct node *n, struct uid uid);
/** TEXT keys against the header block. */
void match_header_text(struct search *s, struct str header);
/** A text is over: its last word is compared. */
void match_text_ends(struct search *s);
/**
 * A piece of the body's text for all undecided keys. False: all are decided. Is a mime_text_fn; ctx
 * is the search.
 */
bool match_text_piece(void *ctx, struct str utf8, bool is_first, bool is_source);

#endif

/*
 * search.h - what a SEARCH asks for (RFC 9051 6.4.4; RFC 4731, 5032, 5182, 5257 4.8, 5466, 6203,
 * 7162 3.1.5, 8474, 8514, 9394, 9738 3.2).
 *
 * The program is a tree of keys; NOT is a mark on a key, keys that differ only in a value share a
 * kind, and strings are in UTF-8 whatever the charset was. Parsing keeps its own stack: depth is
 * bounded by SEARCH_DEPTH_MAX, and so is the tree, so that whoever walks it may recurse.
 */
#ifndef IMAP_SEARCH_H
#define IMAP_SEARCH_H

#include "imap/annotate.h"

enum {
	SEARCH_DEPTH_MAX = 32,                 /* nesting of lists, OR and NOT */
	SEARCH_KEYS_MAX = 4096,                /* keys of one program */
	SEARCH_FILTER_DEPTH_MAX = 8,           /* filters that name filters */
	SEARCH_FILTERS_MAX_BYTES = 256 * 1024, /* of all filters that one program takes in */
	SEARCH_FILTER_NAME_MAX = 255,
};

enum imap_search_kind {
	SEARCH_ALL,
	SEARCH_AND, /* children */
	SEARCH_OR,  /* two children */
	SEARCH_SEQ, /* set: sequence numbers */
	SEARCH_UID, /* set: UIDs */
	/*
	 * flags: one bit of enum imap_flag, FLAG_RECENT among them; UNSEEN is NOT of FLAG_SEEN, OLD
	 * of RECENT
	 */
	SEARCH_FLAG,
	SEARCH_KEYWORD, /* text: the keyword */
	/* field, text; an empty text: has the field. FROM, TO, CC, BCC and SUBJECT are this */
	SEARCH_HEADER,
	SEARCH_BODY,   /* text */
	SEARCH_TEXT,   /* text */
	SEARCH_BEFORE, /* day, by internal date */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SENTBEFORE, /* day, by the Date field */
	SEARCH_SENTON,
	SEARCH_SENTSINCE,
	SEARCH_SAVEDBEFORE, /* day, by save date (RFC 8514) */
	SEARCH_SAVEDON,
	SEARCH_SAVEDSINCE,
	SEARCH_SAVEDATESUPPORTED,
	SEARCH_LARGER, /* number: bytes */
	SEARCH_SMALLER,
	SEARCH_OLDER, /* number: seconds */
	SEARCH_YOUNGER,
	/*
	 * number: at least this modseq. The entry name of RFC 7162 3.1.5 is read and put aside: one
	 * clock for all flags
	 */
	SEARCH_MODSEQ,
	SEARCH_EMAILID,  /* text */
	SEARCH_THREADID, /* text */
	/*
	 * field: pattern of names; flags: enum imap_annotate_att; text: its value has it, p ==
	 * NULL: there is none (RFC 5257 4.8)
	 */
	SEARCH_ANNOTATION,
};

struct imap_search_key {
	enum imap_search_kind kind;
	bool is_not;
	/* FUZZY stands before it, or before what it is in (RFC 6203) */
	bool is_fuzzy;
	struct imap_search_key *next;     /* the next child of the same parent */
	struct imap_search_key *children; /* AND, OR */
	struct str text;
	struct str field;
	uint64_t number;
	int32_t day; /* days since 1970-01-01 */
	unsigned flags;
	struct seqset set;
};

enum imap_search_return {
	RETURN_MIN = 1 << 0,
	RETURN_MAX = 1 << 1,
	RETURN_ALL = 1 << 2,
	RETURN_COUNT = 1 << 3,
	RETURN_SAVE = 1 << 4,
	RETURN_PARTIAL = 1 << 5,   /* RFC 9394, RFC 5267 4.4 */
	RETURN_RELEVANCY = 1 << 6, /* RFC 6203 4: only with has_fuzzy */
	/* RFC 5267 4.2: a hint that more searches like this will come */
	RETURN_CONTEXT = 1 << 7,
	RETURN_UPDATE = 1 << 8, /* RFC 5267 4.3 */
	RETURN_DATA =
	    RETURN_MIN | RETURN_MAX | RETURN_ALL | RETURN_COUNT | RETURN_PARTIAL | RETURN_RELEVANCY,
};

/* PARTIAL 1:500, or PARTIAL -1:-100, which counts from the end. */
struct imap_partial {
	bool is_from_end;
	uint32_t first, last; /* first <= last */
	bool is_turned; /* 500:400, which is the same as 400:500, but is told as it was asked */
};

struct imap_search {
	struct imap_search_key *root; /* a SEARCH_AND, or one key */
	bool has_return;              /* RETURN (...) stood there: the answer is ESEARCH */
	/* enum imap_search_return bits; RETURN_ALL for "RETURN ()" */
	unsigned returns;
	struct imap_partial partial; /* with RETURN_PARTIAL */
	/*
	 * with RETURN_UPDATE: "(fetch-att ...)", what is fetched of messages that come into the
	 * result new (RFC 5465 7)
	 */
	struct str update_items;
	/* CHARSET stood there: not allowed after ENABLE UTF8=ACCEPT (RFC 6855 3) */
	bool has_charset;
	bool is_charset_needed; /* in SORT and THREAD */
	/* enum mime_collation: by what texts compare; the session's, set after parsing */
	unsigned collation;
	/* a MODSEQ key is in it: the answer tells the highest modseq (RFC 7162 3.1.5) */
	bool has_modseq;
	bool has_fuzzy; /* a FUZZY key is in it */
	bool has_saved; /* "$" is in some set */
	/* a set of sequence numbers is in it: not allowed after ENABLE UIDONLY (RFC 9586 3.5) */
	bool has_seqs;
	bool needs_text; /* BODY or TEXT: reads message bytes */
};

/*
 * Named programs (RFC 5466): FILTER is replaced by the words of the program, as if they stood in
 * the command. So a filter may bring several keys, of which NOT takes the first.
 */
struct imap_filters {
	/**
	 * False when there is none of this name, in any case. The value is valid as long as the
	 * scanner's arena.
	 */
	bool (*find)(void *ctx, struct str name, struct str *value_out);
	void *ctx;
};

/** Whether it is the name of a filter: ATOM-CHARs, but no "/". */
bool imap_filter_is_name(struct str name);
/**
 * Whether a text is a full program, in UTF-8; the filters that it names need not be there. Uses the
 * arena.
 */
bool imap_filter_is_valid(struct arena *a, struct str value);

/**
 * Parses from after "SEARCH SP" to the end: ["RETURN (...)" SP] ["CHARSET" SP charset SP] keys.
 *
 * ERR_BADCHARSET  the charset is not known; the caller answers NO [BADCHARSET]
 * ERR_FILTERCHARSET
 * ERR_NOFILTER    the scanner has its name: error_name
 * ERR_SYNTAX, ERR_LIMIT After an error out->returns is set as far as it was read: a SAVE that fails
 * with NO empties what was saved.
 */
must_use enum err imap_search_parse(struct imap_scan *s, struct imap_search *out);
/** Parses "RETURN (...) " when it is there, as SORT has it too. */
must_use bool imap_search_return(struct imap_scan *s, struct imap_search *out);
/** Parses "1:500" or "-1:-100". FETCH has it too. */
must_use bool imap_search_partial(struct imap_scan *s, struct imap_partial *out);
/** Parses keys to the end of the command, their strings in charset (any case). */
must_use bool imap_search_program(struct imap_scan *s, struct str charset, struct imap_search *out);

#endif

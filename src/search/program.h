/*
 * program.h - a SEARCH compiled once and asked of one message after another (RFC 9051 6.4.4).
 *
 * Keys are grouped by what they cost: what the mailbox's entry tells (flags, UIDs, sizes, dates), the message's summary (Date,
 * ids), its header, its text. A message is decided with the cheapest group that can: keys of the dearer ones count as unknown
 * until then, and a message's text is read at most once, for all keys together, only as far as it takes.
 *
 * Strings match as substrings under i;unicode-casemap (RFC 5051, mime/casemap.h), headers and text decoded. HTML is searched
 * both as text and as source.
 */
#ifndef SEARCH_PROGRAM_H
#define SEARCH_PROGRAM_H

#include "imap/search.h"
#include "imap/seqset.h"
#include "mime/part.h"
#include "store/view.h"

/* What compiling needs to know of the mailbox and the moment. */
struct search_scope {
	void *ctx;
	int64_t now_s;			/* for OLDER and YOUNGER */
	/** Turns a set into UIDs (view_resolve). */
	enum err (*resolve)(void *ctx, const struct seqset *set, bool is_uid, struct rangeset *uids_out);
	/** Slot of a keyword, or -1. */
	int (*keyword)(void *ctx, struct str name);
};

/* What evaluation asks of a message beyond its entry; each may return ERR_WAIT and is then called again. */
struct search_source {
	void *ctx;
	/** The Date field: has_date_out false when there is none that can be read. */
	enum err (*sent)(void *ctx, bool *has_date_out, int64_t *utc_ms_out, int *zone_minutes_out);
	enum err (*ids)(void *ctx, struct str *emailid_out, struct str *threadid_out);
	/** The header block; valid until the message changes. */
	enum err (*header)(void *ctx, struct str *header_out);
	/** The decoded part tree; valid until the message changes. */
	enum err (*structure)(void *ctx, const struct mime_message **msg_out);
	/** Bytes of it, offsets as in the structure: at least one, at most length; valid until the next call. */
	enum err (*bytes)(void *ctx, uint64_t offset, size_t length, struct str *data_out);
};

struct search_program;

/**
 * Compiles. The program lives in the arena, but for its sets: search_program_done().
 *
 * ERR_SYNTAX  a set can't be resolved (a sequence number above EXISTS)
 */
must_use enum err search_compile(struct arena *a, const struct imap_search *search, const struct search_scope *scope,
	struct search_program **out);
/** Takes NULL. */
void search_program_done(struct search_program *p);

enum search_needs { SEARCH_NEEDS_ENTRY, SEARCH_NEEDS_SUMMARY, SEARCH_NEEDS_HEADER, SEARCH_NEEDS_TEXT };
/** The dearest group that it may come to. */
enum search_needs search_program_needs(const struct search_program *p);
/** UIDs outside of which nothing matches, or NULL when that is not known. */
const struct rangeset *search_program_uids(const struct search_program *p);
/** Flags that every match has, and flags that none has. */
void search_program_flags(const struct search_program *p, uint16_t *set_out, uint16_t *unset_out);
/** No message of a lower modseq matches; 0 when that is not known. */
uint64_t search_program_modseq(const struct search_program *p);

/* One message being decided; keeps its progress between calls that wait. */
struct search_eval;
struct search_eval *search_eval_new(const struct search_program *p, const struct search_source *source);
/** Takes NULL. */
void search_eval_free(struct search_eval *e);
/** The next message: the entry is copied. */
void search_eval_begin(struct search_eval *e, const struct entry *entry);
/**
 * Decides it. ERR_WAIT: a source waits; call again. ERR_BUSY: max_bytes of text have been read without a decision; call again
 * at leisure. Other errors are the sources'; the message counts as undecided then.
 */
must_use enum err search_eval_run(struct search_eval *e, size_t max_bytes, bool *is_match_out);

#endif

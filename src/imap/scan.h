/*
 * scan.h - reads the words of one command: atoms, strings, literals, numbers, lists, mailboxes,
 * dates (RFC 9051 9).
 *
 * The input is a whole command as the framer cut it, literals in place ("{5}\r\nHELLO"), without
 * the line end. Every function either takes its word and returns true, or returns false and notes
 * once what was expected where; imap_scan_error() makes the words of the BAD reply from it. Strings
 * point into the input or, when quotes had to be undone, into the arena.
 */
#ifndef IMAP_SCAN_H
#define IMAP_SCAN_H

#include "imap/date.h"
#include "imap/flags.h"
#include "imap/seqset.h"

struct imap_filters; /* search.h */

struct imap_scan {
	struct str in;
	size_t at;
	struct arena *arena; /* what is parsed lives here */
	/* ENABLE UTF8=ACCEPT or IMAP4rev2: mailbox names are UTF-8 and quoted strings may be */
	bool is_utf8;
	/* ERR_OK, or why it stopped: ERR_SYNTAX, ERR_LIMIT, ERR_BADNAME, ERR_BADCHARSET, ... */
	enum err err;
	const char *expected; /* "a mailbox name" */
	size_t error_at;
	struct str error_name; /* what ERR_NOFILTER is about */
	/* for search programs: what FILTER names; NULL: nothing is named */
	const struct imap_filters *filters;
};

void imap_scan_init(struct imap_scan *s, struct arena *a, struct str command, bool is_utf8);
/** Notes an error (the first one stays) and returns false. */
bool imap_scan_fail(struct imap_scan *s, enum err e, const char *expected);

/** The error that was noted; ERR_OK when there was none. */
static inline enum err
imap_scan_err(const struct imap_scan *s)
{
	return s->err;
}

/**
 * "Expected a mailbox name at byte 12 of the command." Safe to send: nothing of the input is in it.
 */
void imap_scan_error(const struct imap_scan *s, struct buf *b);

/* Looking without taking. */
int imap_scan_peek(const struct imap_scan *s);    /* next byte, or -1 at the end */
bool imap_scan_is_end(const struct imap_scan *s); /* nothing is left */
bool imap_scan_at(const struct imap_scan *s, char c);
/** The words that follow here begin with this atom, any case, and the atom ends there. */
bool imap_scan_at_atom(const struct imap_scan *s, struct str name);

/* Taking. */
/* the end of the command must be here */
must_use bool imap_scan_end(struct imap_scan *s);
must_use bool imap_scan_sp(struct imap_scan *s); /* exactly one space */
must_use bool imap_scan_chr(struct imap_scan *s, char c);
/* takes c if it is there; notes no error */
bool imap_scan_try_chr(struct imap_scan *s, char c);
/* takes the atom if it is there; notes no error */
bool imap_scan_try_atom(struct imap_scan *s, struct str name);
must_use bool imap_scan_tag(struct imap_scan *s, struct str *out);
must_use bool imap_scan_atom(struct imap_scan *s, struct str *out);
must_use bool imap_scan_astring(struct imap_scan *s, struct str *out);
must_use bool imap_scan_string(struct imap_scan *s, struct str *out);  /* quoted or literal */
must_use bool imap_scan_nstring(struct imap_scan *s, struct str *out); /* NIL: out->p == NULL */
/* "~{n}" and bytes, NUL among them */
must_use bool imap_scan_literal8(struct imap_scan *s, struct str *out);
must_use bool imap_scan_number(struct imap_scan *s, uint32_t *out);
must_use bool imap_scan_nz_number(struct imap_scan *s, uint32_t *out);
must_use bool imap_scan_number64(struct imap_scan *s, uint64_t *out); /* up to 2^63 - 1 */
/* mod-sequence-valzer of RFC 7162: 0 .. 2^63 - 1 */
must_use bool imap_scan_modseq(struct imap_scan *s, uint64_t *out);
must_use bool imap_scan_date(struct imap_scan *s, int32_t *days_out); /* with or without quotes */
must_use bool imap_scan_datetime(struct imap_scan *s, struct imap_datetime *out);
must_use bool imap_scan_seqset(struct imap_scan *s, struct seqset *out);
/** A mailbox name as the store knows it: see imap_name_decode(). */
must_use bool imap_scan_mailbox(struct imap_scan *s, struct str *out);
/** A list-mailbox: an atom that may hold "%" and "*", or a string. Raw, not yet decoded. */
must_use bool imap_scan_list_mailbox(struct imap_scan *s, struct str *out);
/** "(\Seen $Junk)"; \Recent is refused as RFC 9051 flag does, "\*" too. */
must_use bool imap_scan_flag_list(struct imap_scan *s, struct imap_flags *out);
/** The same, also without parentheses: STORE's flags. */
must_use bool imap_scan_store_flags(struct imap_scan *s, struct imap_flags *out);

/**
 * Lists: open takes "(", more is true while a further item stands before ")", which it takes at the
 * end, and the one space between two items. Use:
 *     if (!imap_scan_list_open(s)) return false;
 *     for (bool is_first = true; imap_scan_list_more(s, &is_first);)
 *         ... take one item ...
 *     return imap_scan_err(s) == ERR_OK;
 */
must_use bool imap_scan_list_open(struct imap_scan *s);
bool imap_scan_list_more(struct imap_scan *s, bool *is_first);

/*
 * A literal whose bytes are not in the input: it ends with "{n}", "~{n}" or their "+" forms (a
 * streamed APPEND).
 */
struct imap_literal {
	uint64_t size;
	bool is_sync, is_binary;
};

must_use bool imap_scan_literal_open(struct imap_scan *s, struct imap_literal *out);

/* What characters are. */
bool imap_is_atom_char(char c);    /* ATOM-CHAR */
bool imap_is_astring_char(char c); /* ATOM-CHAR / "]" */
bool imap_is_tag_char(char c);     /* ASTRING-CHAR except "+" */

#endif

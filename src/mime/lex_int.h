/*
 * lex_int.h - the words of structured header fields (RFC 5322 3.2, RFC 2045 5.1), for the parsers
 * of this folder.
 */
#ifndef MIME_LEX_INT_H
#define MIME_LEX_INT_H

#include "base/buf.h"

struct mime_lex {
	const char *p, *end;
};

static inline struct mime_lex
mime_lex(struct str s)
{
	return (struct mime_lex){ s.p, s.n > 0 ? s.p + s.n : s.p };
}

static inline bool
mime_lex_is_end(const struct mime_lex *l)
{
	return l->p == l->end;
}

static inline bool
mime_lex_is(const struct mime_lex *l, char c)
{
	return l->p != l->end && *l->p == c;
}

/* What a byte is; the table is in lex.c. */
enum {
	CHR_WSP = 1,   /* space, tab, line ends */
	CHR_TOKEN = 2, /* may be in a token of RFC 2045 */
	CHR_ATOM = 4,  /* may be in an atom, as addresses are read: no blank, none of ()<>@,;:" */
};

extern const unsigned char mime_chr_kinds[256];

static inline bool
chr_is(char c, unsigned kind)
{
	return (mime_chr_kinds[(unsigned char)c] & kind) != 0;
}

static inline bool
chr_is_wsp(char c)
{
	return chr_is(c, CHR_WSP);
}

/**
 * Skips one comment that begins here, nested ones inside; with out, adds its text (quoting undone).
 */
void mime_lex_comment(struct mime_lex *l, struct buf *out);
/** Skips white space, line ends and comments. True when there was any. */
bool mime_lex_skip(struct mime_lex *l);
/**
 * Reads a quoted string that begins here, quoting undone; one that never ends goes to the end. Line
 * ends in it go.
 */
void mime_lex_quoted(struct mime_lex *l, struct buf *out);
/** Reads a token of RFC 2045 (8-bit bytes are let through). False when there is none. */
bool mime_lex_token(struct mime_lex *l, struct str *token_out);

#endif

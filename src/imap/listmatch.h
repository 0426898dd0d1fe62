/*
 * listmatch.h - LIST patterns against mailbox names (RFC 9051 6.3.9: "*" any characters, "%" any
 * but the separator).
 *
 * A pattern is a nondeterministic automaton with a state a byte, run as a bit set: time is length
 * of name times an eighth of a byte of pattern, whatever the wildcards. The state after a name also
 * answers whether names below it could match.
 */
#ifndef IMAP_LISTMATCH_H
#define IMAP_LISTMATCH_H

#include "base/arena.h"

struct imap_listmatch;

enum imap_listmatch_result {
	LISTMATCH_NO = 0,
	LISTMATCH_YES = 1 << 0,      /* the name matches */
	LISTMATCH_CHILDREN = 1 << 1, /* names below it may match */
};

/**
 * Compiles UTF-8 patterns, together at most 64 KiB. "INBOX" as first level of a pattern matches in
 * any case.
 */
struct imap_listmatch *imap_listmatch_new(struct arena *a, const struct str *patterns, size_t n,
    char separator);
/**
 * The same with wildcards that stand for one byte at least, and no INBOX: names of annotations (RFC
 * 5257 4.3).
 */
struct imap_listmatch *imap_listmatch_new_strict(struct arena *a, const struct str *patterns,
    size_t n, char separator);
/** Bits of enum imap_listmatch_result for a name as the store knows it. */
unsigned imap_listmatch_run(const struct imap_listmatch *m, struct str name);

#endif

/*
 * reply.h - typed writers of replies, so that quoting can't be forgotten (RFC 9051 9).
 *
 * They write onto a buf, whose maximum is the bound. What may hold any byte goes out as a quoted
 * string when it can be one and as a literal when not; NUL can only go out in a literal8.
 */
#ifndef IMAP_REPLY_H
#define IMAP_REPLY_H

#include "imap/date.h"
#include "imap/flags.h"
#include "imap/seqset.h"

/* How strings may look: what the client has enabled. */
enum reply_form {
	/* plain IMAP4rev1: 8-bit data only in literals, mailbox names in modified UTF-7 */
	REPLY_ASCII,
	/* UTF8=ACCEPT or IMAP4rev2 enabled: quoted strings and mailbox names are UTF-8 */
	REPLY_UTF8,
};

/* Words. The writers of values put no space before or after, but for the list helpers. */
/* the caller knows that it is one */
void reply_atom(struct buf *b, struct str s);
void reply_astring(struct buf *b, struct str s, enum reply_form form);
void reply_string(struct buf *b, struct str s, enum reply_form form);
void reply_nstring(struct buf *b, struct str s, enum reply_form form); /* s.p == NULL: NIL */
void reply_literal(struct buf *b, struct str s);
/* "{n}\r\n"; the bytes follow by other means */
void reply_literal_open(struct buf *b, uint64_t size);
void reply_literal8_open(struct buf *b, uint64_t size); /* "~{n}\r\n" */
void reply_number(struct buf *b, uint64_t v);
void reply_datetime(struct buf *b, struct imap_datetime t);
/** A mailbox name of the store. */
void reply_mailbox(struct buf *b, struct str name, enum reply_form form);
void reply_rangeset(struct buf *b, const struct rangeset *set);
/**
 * Text behind OK, NO, BAD: control characters and bytes above 0x7F become "?", so that a line stays
 * one.
 */
void reply_text(struct buf *b, struct str text);

/* Lists: reply_item() puts the space before each item but the first. */
void reply_list_open(struct buf *b, bool *is_first);
void reply_item(struct buf *b, bool *is_first);
void reply_list_close(struct buf *b);
/**
 * "(\Seen $Junk)". names: of the mailbox's keyword slots, n of them; may be NULL when no bit is
 * set.
 */
void reply_flags(struct buf *b, unsigned system, struct keywords keywords, const struct str *names,
    size_t n);

/* Lines. */
void reply_untagged(struct buf *b); /* "* " */
/* "* 3 EXISTS\r\n" */
void reply_untagged_number(struct buf *b, uint32_t n, const char *word);
void reply_end(struct buf *b); /* CRLF */
/* "+ text\r\n": always with the space */
void reply_continue(struct buf *b, const char *text);
/** "a1 OK [code] text\r\n"; code may be empty; an empty tag is "*". */
void reply_status(struct buf *b, struct str tag, const char *condition, struct str code,
    struct str text);
/** The same with a text in UTF-8, for clients that have chosen a language (RFC 5255 3.5). */
void reply_status_utf8(struct buf *b, struct str tag, const char *condition, struct str code,
    struct str text);
/** The tagged or untagged reply of an error's row in err.def. */
void reply_err(struct buf *b, struct str tag, enum err e);

/* Response codes that have arguments, without brackets, for reply_status(). */
/* "UIDNEXT 5" */
void reply_code_number(struct buf *b, const char *name, uint64_t v);
void reply_code_appenduid(struct buf *b, uint32_t uidvalidity, const struct rangeset *uids);
void reply_code_copyuid(struct buf *b, uint32_t uidvalidity, const struct rangeset *from,
    const struct rangeset *to);
void reply_code_modified(struct buf *b, const struct rangeset *set);

#endif

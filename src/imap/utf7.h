/*
 * utf7.h - mailbox names between the wire and the store: modified UTF-7 (RFC 3501 5.1.3) and UTF-8
 * (RFC 9051 5.1, RFC 6855).
 *
 * The store knows UTF-8 in normalisation form C only. A client that has not enabled IMAP4rev2 or
 * UTF8=ACCEPT speaks modified UTF-7, where "&" begins a shift; after ENABLE "&" is an ordinary
 * character.
 */
#ifndef IMAP_UTF7_H
#define IMAP_UTF7_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	MAILBOX_NAME_MAX = 1000, /* bytes of a name in UTF-8 */
	MAILBOX_LEVELS_MAX = 32, /* levels of hierarchy in a name */
};

#define MAILBOX_SEPARATOR '/'

/**
 * Modified UTF-7 to UTF-8, appended. Strict about what would make two spellings of one name or hide
 * characters: unpaired surrogates, NUL, stray bits, printable ASCII in base64 other than "&", a
 * missing "-". Bytes above 0x7F that are well-formed UTF-8 are taken as they are, since clients
 * send them (RFC 9051 appendix A.1 asks for it).
 */
must_use bool imap_utf7_decode(struct str text, struct buf *out);
/** UTF-8 to modified UTF-7, appended. The text must be well-formed. */
void imap_utf7_encode(struct str utf8, struct buf *out);

/**
 * A name as a client wrote it becomes one that the store knows: decoded, in form C, INBOX in
 * capitals when it is the first level ("inbox/x" is "INBOX/x"), one trailing separator removed
 * (CREATE sends it, RFC 9051 6.3.4).
 *
 * @is_utf8  the client has enabled UTF-8 names; else the name is modified UTF-7
 *
 * ERR_BADNAME  bad encoding, a control character, an empty level, too long, too deep
 */
must_use enum err imap_name_decode(struct arena *a, struct str text, bool is_utf8,
    struct str *name_out);
/**
 * The same rules for a name in UTF-8 from elsewhere (the admin tool, Sieve): form C, INBOX, no bad
 * characters.
 */
must_use enum err imap_name_normalise(struct arena *a, struct str utf8, struct str *name_out);
/**
 * A LIST pattern: decoded and in form C, "%" and "*" stay, no rule of names is applied, INBOX stays
 * as it is.
 */
must_use enum err imap_name_decode_pattern(struct arena *a, struct str text, bool is_utf8,
    struct str *pattern_out);

#endif

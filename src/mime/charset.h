/*
 * charset.h - text of any charset to UTF-8, streaming. ICU converts; labels mean what browsers and
 * mailers mean by them (ISO-8859-1 and US-ASCII are read as windows-1252, GB2312 as GB18030,
 * KS_C_5601 as windows-949, …).
 */
#ifndef MIME_CHARSET_H
#define MIME_CHARSET_H

#include "base/buf.h"

struct mime_charset;

enum mime_charset_fallback {
	MIME_CHARSET_STRICT, /* unknown label: ERR_BADCHARSET */
	MIME_CHARSET_GUESS,  /* unknown label: UTF-8, and what is not UTF-8 as windows-1252 */
};

/**
 * @label   absent: US-ASCII that may be UTF-8 after all
 *
 * ERR_BADCHARSET  not known (only when STRICT)
 */
must_use enum err mime_charset_open(struct str label, enum mime_charset_fallback fallback,
    struct mime_charset **cs_out);
void mime_charset_close(struct mime_charset *cs);
/**
 * Adds the bytes as UTF-8; a character may be split between calls. Bytes that are no text become
 * U+FFFD. The result is always well-formed.
 */
void mime_charset_feed(struct mime_charset *cs, struct str in, struct buf *out);
/** Ends the text: an unfinished character becomes U+FFFD; after that a new text may begin. */
void mime_charset_finish(struct mime_charset *cs, struct buf *out);
/** The character that a byte of windows-1252 is; one that it does not define is its own number. */
uint32_t mime_charset_windows_1252(unsigned char c);
/** True when a byte was no text since opening. */
bool mime_charset_is_bad(const struct mime_charset *cs);

#endif

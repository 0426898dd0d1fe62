/* words.h - encoded words (RFC 2047, with the language of RFC 2231 5) to UTF-8. */
#ifndef MIME_WORDS_H
#define MIME_WORDS_H

#include "base/buf.h"
#include "mime/decode.h"

/**
 * Adds the text with its encoded words decoded; space between two of them goes; a character split
 * over two words of one charset is put together. What can't be decoded stays as it is. 8-bit that
 * is not UTF-8 is read as Latin-1 (windows-1252).
 */
void mime_words_decode(struct str value, struct buf *out);

/* "=?charset*language?encoding?text?=" */
struct mime_word {
	struct str charset, text;
	bool is_base64;
	size_t length;
};

/** Whether an encoded word begins a text. Spaces inside it are wrong, but many send them in "Q". */
bool mime_word_parse(struct str s, struct mime_word *w);
/** Adds the bytes of a word, but what mime_decoder_finish() has to say. */
void mime_word_bytes(const struct mime_word *w, struct mime_decoder *d, struct buf *out);

#endif

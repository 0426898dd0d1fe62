/*
 * language_texts.h - the translations, in the order of the English words: language_texts.c is made
 * by tools/make-texts.
 */
#ifndef SESSION_LANGUAGE_TEXTS_H
#define SESSION_LANGUAGE_TEXTS_H

#include "session/language.h"

struct language_row {
	const char *english;
	const char *in[LANGUAGES - LANGUAGE_DE]; /* NULL: none */
};
extern const struct language_row language_texts[];
extern const size_t language_text_count;

#endif

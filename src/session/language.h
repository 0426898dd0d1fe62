/*
 * language.h - the language of the words for people in responses (RFC 5255 3).
 *
 * The code says everything in English; the words are looked up by that when they are written.
 * Translations are in texts/, a file a language, of which tools/make-texts makes a table. What has
 * none stays English.
 */
#ifndef SESSION_LANGUAGE_H
#define SESSION_LANGUAGE_H

#include "base/arena.h"
#include "base/str.h"

/* The files of texts/ come behind the first two, in the order of their names. */
enum language {
	LANGUAGE_DEFAULT, /* "i-default": English in ASCII (RFC 2277 4.5) */
	LANGUAGE_ENGLISH,
	LANGUAGE_DE,
	LANGUAGE_ES,
	LANGUAGE_FR,
	LANGUAGE_JA,
	LANGUAGE_ZH,
	LANGUAGES
};

/** "de" */
struct str language_tag(enum language l);
/**
 * Whether it is a language range (RFC 4647 2), or the word that stands for the administrator's
 * choice.
 */
bool language_is_range(struct str range);
/** The language of that tag, in any case. */
bool language_find(struct str tag, enum language *out);
/** The language that a range asks for, by looking it up with ever less subtags (RFC 4647 3.4). */
bool language_match(struct str range, enum language *out);
/** The words in a language; those that were given when they have no translation. */
struct str language_text(enum language l, struct str english);
/** The same for words with one "%s", in which `with` is put. */
struct str language_format(struct arena *a, enum language l, struct str english, struct str with);

#endif

/*
 * grammar.h - for tests: is a response one that a client could read (RFC 9051 9, RFC 4466 and what
 * uses it)? The forms of all responses, also of extensions that are not known here; of FETCH the
 * items that every client reads.
 */
#ifndef MODEL_GRAMMAR_H
#define MODEL_GRAMMAR_H

#include "base/str.h"

/**
 * A whole response with its literals, without its line end.
 *
 * @is_utf8  the client has said that it reads UTF-8 (ENABLE); else all but literals is ASCII
 *
 * NULL: it is well-formed. Else what is wrong.
 */
const char *grammar_check(struct str response, bool is_utf8);

#endif

/*
 * name.h - the names of accounts. One spelling each: SASLprep (RFC 4013), then lower case for ASCII
 * letters, so that an address finds its account whatever its case. "joe" and "joe@example.org" are
 * different accounts.
 */
#ifndef AUTH_NAME_H
#define AUTH_NAME_H

#include "base/arena.h"
#include "base/err.h"

enum { NAME_MAX_BYTES = 255 };

/**
 * ERR_SYNTAX: no name that an account can have (empty, too long, no UTF-8, control characters,
 * spaces, "/", "*", "%", '"', "\\").
 */
must_use enum err name_normalise(struct arena *a, struct str in, struct str *out);
/**
 * A password as SASLprep makes it; unchanged where it forbids it, for hashes brought along know
 * nothing of it.
 */
struct str password_prepare(struct arena *a, struct str in);

#endif

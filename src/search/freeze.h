/*
 * freeze.h - a program that outlives its command, for searches whose results are kept up to date
 * (RFC 5267 4.3).
 *
 * Sequence numbers and "$" mean what they meant when the command came; "*" among UIDs goes on
 * meaning the last one.
 */
#ifndef SEARCH_FREEZE_H
#define SEARCH_FREEZE_H

#include "search/search.h"

/**
 * Copies the program of a search, which is compiled, into the arena. What it is to return is left
 * out. has_star_out: see above.
 */
void search_freeze(const struct search *s, struct arena *a, struct imap_search *out,
    bool *has_star_out);

#endif

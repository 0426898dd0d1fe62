/*
 * ranking.h - UIDs in the order of a SORT that is kept while messages come and go: what an updated
 * context has told (RFC 5267 4.3).
 *
 * Each has a key (sort_key()), bytes that compare as the messages do and differ, so a place is
 * found without looking at a message again.
 */
#ifndef SEARCH_RANKING_H
#define SEARCH_RANKING_H

#include "imap/seqset.h"

struct ranked {
	uint32_t uid;
	uint32_t key_at, key_n;
};

struct ranking {
	struct ranked *list;
	size_t n, cap;
	struct buf keys;     /* of those that are gone too, until they are too many */
	size_t unused_bytes; /* of theirs */
};

/*
 * Where a message was put in, or taken out: counted from 1, in the list as it is when all before it
 * is done. 0: nowhere certain.
 */
struct place {
	uint32_t at;
	uint32_t number; /* UID, or what the caller makes of it */
};

/** bytes_max: of the keys. */
void ranking_init(struct ranking *r, size_t bytes_max);
void ranking_done(struct ranking *r);
/** Adds at the end: the key is above all others. */
void ranking_append(struct ranking *r, uint32_t uid, struct str key);
/** Takes out those that are there; places: own memory, n_out of them, to be freed. */
void ranking_remove(struct ranking *r, const struct rangeset *uids, struct place **places_out,
    size_t *n_out);
/** Puts those of another ranking in. */
void ranking_insert(struct ranking *r, const struct ranking *added, struct place **places_out,
    size_t *n_out);
/** The keys are too long: it is of no use any more. */
bool ranking_is_over(const struct ranking *r);
size_t ranking_bytes(const struct ranking *r);

#endif

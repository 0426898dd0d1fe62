/*
 * esearch_reply.h - the ESEARCH response (RFC 4731, 5267, 7162 3.1.10, 9394), written as the output
 * takes it; and what SAVE saves of a result (RFC 5182 2.4, RFC 9394 3.2).
 */
#ifndef SESSION_CMD_ESEARCH_REPLY_H
#define SESSION_CMD_ESEARCH_REPLY_H

#include "imap/search.h"
#include "session/session.h"

/* Numbers in the order in which they are told: that of a set, or that of a list. */
struct numbers {
	const struct rangeset *set; /* NULL: list */
	const uint32_t *list;
	size_t n; /* of list */
};

static inline struct numbers
numbers_of_set(const struct rangeset *set)
{
	return (struct numbers){ .set = set };
}

uint64_t numbers_count(const struct numbers *n);

struct esearch_reply {
	const struct imap_search *args; /* its returns say what is told */
	bool is_uid;
	struct numbers all;       /* UIDs or sequence numbers, as is_uid says */
	uint64_t modseq;          /* 0: none is told */
	const uint8_t *relevancy; /* of each in `all`; for RETURN_RELEVANCY (RFC 6203 4) */
	/* ESEARCH tells it and its UIDVALIDITY (RFC 7377); else empty */
	struct str mailbox;
	uint32_t uidvalidity;

	/* Its own. */
	unsigned step;
	size_t at;
	struct rangeset part_set;
	struct numbers part;
};

/** Whether there is a response: RETURN (SAVE) asks for none (RFC 5182 2.1). */
static inline bool
esearch_is_told(const struct imap_search *args)
{
	return (args->returns & RETURN_DATA) != 0 || (args->returns & RETURN_SAVE) == 0;
}
/** Writes the response. ERR_WAIT: call again when the output has drained. */
must_use enum err esearch_reply_write(struct session *s, struct command *c,
    struct esearch_reply *r);
void esearch_reply_done(struct esearch_reply *r);
/** What PARTIAL asks for, out of all. The set is made in *set when all is one. */
struct numbers numbers_part(const struct numbers *all, const struct imap_partial *p,
    struct rangeset *set);
/**
 * Saves what SAVE means of the UIDs found, in their order; `all` is the set of them. Does nothing
 * without SAVE.
 */
void esearch_save(struct session *s, const struct imap_search *args, const struct numbers *uids,
    const struct rangeset *all);

/* Of a response of numbers: all zero before it begins. */
struct numbers_reply {
	bool has_head;
	size_t at; /* the next range, and the next number in it */
	uint32_t at_number;
};

/**
 * Writes a response that ends with numbers, one by one: "* SEARCH 1 2 3 (MODSEQ 9)". modseq 0: none
 * is told. ERR_WAIT: call again when the output has drained.
 */
must_use enum err numbers_reply_write(struct session *s, struct numbers_reply *r, const char *head,
    const struct numbers *n, uint64_t modseq);

#endif

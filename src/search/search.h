/*
 * search.h - evaluates a SEARCH program on the messages of a view (RFC 9051 6.4.4; RFC 5032, 7162,
 * 8474, 8514).
 *
 * A program is compiled once: sets become UIDs, keywords slots, texts their i;unicode-casemap form.
 * Then each message is judged with as little as is needed, in levels: the entry (flags, dates,
 * sizes), the summary (Date field, ids), the header block, the text. Before records are read,
 * digests decide what they can (glance.c). A key that needs more than the level has is *unknown*;
 * the three-valued result often decides before any more is read. All BODY and TEXT keys look at a
 * message's text in one pass; where nothing but text is missing, the next messages are read ahead
 * with their texts, past the cache of records (store/message_ahead.h).
 *
 *     s = search_new(...)
 *     for (uid = 1; search_candidate(s, uid, &entry, &seq); uid = entry.uid.v + 1)
 *             e = search_match(s, &entry, waiter, &is_match);      ERR_WAIT: call again with the same entry
 *
 * One thread at a time, and any; not to be used after the view was refreshed.
 */
#ifndef SEARCH_SEARCH_H
#define SEARCH_SEARCH_H

#include "imap/search.h"
#include "store/view.h"

struct search;

/*
 * Asked before each piece of text, of next_bytes: true when the caller wants its thread back and
 * will call again; search_match() then returns ERR_WAIT.
 */
typedef bool search_should_yield_fn(void *ctx, size_t next_bytes);

/**
 * Compiles.
 *
 * @a      what is compiled lives here; program must outlive it
 * @saved  value of "$"; may be NULL when the program has none
 * @now_s  the time that OLDER and YOUNGER count from
 *
 * Sequence numbers above EXISTS name nothing (RFC 7377 2). search_free() in any case that set *out.
 */
must_use enum err search_new(struct arena *a, const struct imap_search *program, struct view *v,
    const struct rangeset *saved, int64_t now_s, struct search **out);
/** Takes NULL. Its waiter must not be waiting any more. */
void search_free(struct search *s);
/** The UIDs that the sets of the program leave to it; NULL: all. */
const struct rangeset *search_uids(const struct search *s);
/** Some key looks into headers or texts, so that messages may have to be read for it. */
bool search_reads_messages(const struct search *s);
/** Only these can match. Before the first candidate. */
void search_among(struct search *s, const struct rangeset *uids);
void search_set_yield(struct search *s, search_should_yield_fn *fn, void *ctx);
/**
 * Whether one message alone may take long: there are many keys that look into its header or text.
 */
bool search_is_heavy(const struct search *s);

/** The time that OLDER and YOUNGER count from. */
int64_t search_now_s(const struct search *s);
/**
 * The next message with a UID of at least `from` that may match; ghosts are left out. What can't
 * match is skipped by the tree.
 */
bool search_candidate(struct search *s, uint32_t from, struct entry *entry_out,
    struct seqnum *seq_out);
/**
 * Whether it matches. ERR_WAIT: the waiter was registered or the caller wants to yield; call again
 * with the same entry. A message that can't be read does not match a key that needs to read it.
 */
must_use enum err search_match(struct search *s, const struct entry *entry, struct waiter *w,
    bool *is_match_out);
/**
 * Entries alone decide, and nothing of a match is asked for but which it is: search_page() finds
 * them many at a time.
 */
bool search_is_of_entries(const struct search *s);
/**
 * The next page of messages from `from` on that some may match in, and which do. False: there is
 * none.
 */
bool search_page(struct search *s, uint32_t from, struct view_page *page_out,
    uint64_t *matches_out);
/** How relevant the message is that matched last, 1 to 100 (RFC 6203 4). */
unsigned search_relevancy(const struct search *s);

#endif

/*
 * thread.h - arranges messages into threads (RFC 5256 THREAD; THREAD=REFS of
 * draft-ietf-morg-inthread), from their digests, in steps.
 *
 *     t = thread_new(account, algorithm); for each message in mailbox order: thread_add(t, &entry, seq);
 *     e = thread_run(t, waiter, ...);            ERR_WAIT: call again, until it is ERR_OK
 *     while (!thread_write(t, is_uid, out)) ...  "(1)(2 3 (4)(5))", piece by piece
 */
#ifndef SEARCH_THREAD_H
#define SEARCH_THREAD_H

#include "mime/collation.h"
#include "search/sort.h"

struct thread;

struct thread *thread_new(struct account *a, enum imap_thread_algorithm algorithm,
    enum mime_collation by);
/** Takes NULL. Its waiter must not be waiting any more. */
void thread_free(struct thread *t);
/** So many are going to be added, as far as is known; need not be called. */
void thread_expect(struct thread *t, size_t count);
void thread_add(struct thread *t, const struct entry *e, struct seqnum seq);
/** ERR_WAIT; ERR_IO. */
must_use enum err thread_run(struct thread *t, struct waiter *w, sort_should_yield_fn *should_yield,
    void *ctx);
size_t thread_count(const struct thread *t);
/** Adds the next few KiB of the threads to b; true when that was the last. */
bool thread_write(struct thread *t, bool is_uid, struct buf *b);

#endif

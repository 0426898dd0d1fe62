/*
 * listener.h - accepts connections from a listening socket and deals them out to loops in turn.
 *
 * One loop accepts, a few at a time so that its own connections are served too; what becomes of a
 * connection is its loop's business. Out of descriptors: accepting pauses for a moment instead of
 * spinning; the last ones are left for others, so that those who are connected go on.
 */
#ifndef IO_LISTENER_H
#define IO_LISTENER_H

#include "io/loop.h"
#include "io/prefix.h"

#include <sys/socket.h>

struct listener;

struct listener_ops {
	/*
	 * A connection, on the loop it belongs to from now on; fd is non-blocking and
	 * close-on-exec, and the callee's. The callee also owns the place in `limit`
	 * (prefix_leave() when it is logged in or ends).
	 */
	void (*accepted)(void *ctx, struct loop *loop, int fd, const struct io_addr *peer);
	/*
	 * Optional: a connection was refused (over the limit), or accepting failed with errno_code
	 * (0: refused). Being out of descriptors is told once in ten seconds.
	 */
	void (*refused)(void *ctx, const struct io_addr *peer, int errno_code);
};

/**
 * @acceptor  the loop that accepts, whose thread calls
 * @loops   those that get the connections; borrowed, as is everything else
 * @fd      a listening socket, made non-blocking here; the caller's, who closes it after
 *          listener_close()
 * @limit   connections a prefix that may be open at once and not logged in; NULL: no limit
 * @ctx     handed to the callbacks
 */
struct listener *listener_open(struct loop *acceptor, struct loop *const *loops, size_t loop_count,
    int fd, struct prefix_limit *limit, const struct listener_ops *ops, void *ctx);
/** On the accepting loop. Connections on their way to their loops are closed when those turn. */
void listener_close(struct listener *ln);

#endif

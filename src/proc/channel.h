/*
 * channel.h - one end of the socket between supervisor and child: messages with descriptors.
 *
 * Sending blocks, for a few seconds at most: messages are few, and a child that does not read them
 * is broken. Receiving takes what is there.
 */
#ifndef PROC_CHANNEL_H
#define PROC_CHANNEL_H

#include "proc/message.h"

enum { CHANNEL_FDS_MAX = 64 };

struct channel {
	int fd; /* -1: closed */
	struct buf in;
	size_t used;              /* of in: the message returned last */
	int fds[CHANNEL_FDS_MAX]; /* received, not yet taken */
	size_t fd_count;
};

void channel_init(struct channel *ch, int fd);
/** Closes it and what was received and not taken. */
void channel_done(struct channel *ch);
/** @fd  goes with it, -1: none; stays the caller's. ERR_CLOSED, ERR_TIMEOUT. */
must_use enum err channel_send(struct channel *ch, const struct proc_message *m, int fd);
/**
 * Reads once. ERR_WAIT: nothing there (or, blocking, a signal came); ERR_CLOSED: the other end is
 * gone.
 */
must_use enum err channel_read(struct channel *ch, bool may_block);
/**
 * The next message of what was read; valid until the next call.
 *
 * @fd_out  the descriptor that came with it, now the caller's; -1: none
 *
 * ERR_WAIT  read first; ERR_CORRUPT  nonsense: close the channel
 */
must_use enum err channel_next(struct channel *ch, bool for_child, struct proc_message *out,
    int *fd_out);

#endif

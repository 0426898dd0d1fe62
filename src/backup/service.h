/*
 * service.h - what the tool asks of a store that is open: a checkpoint to back up, deleted mail
 * back, messages of a backup put back. It speaks frames (wire.h) over a socket, in a thread of its
 * own that may block: the daemon runs it on its control socket, the tool on a store that no daemon
 * has open.
 *
 *     C                    makes a checkpoint: C and the name of its folder; it stays until the connection ends
 *     R request            what can be brought back, and bringing it back (recovery.h); I for each message, then D
 *     A user               opens or makes the account that follows are for: D
 *     B name, special use, subscribed, 1 to make it      the mailbox that follows are for: D 1 made, 0 there, 2 neither
 *     E EMAILID, SHA-256 of the blob (44 bytes), …       which of them the mailbox has: H and a byte each, 0 no, 1 yes, 2 without bytes
 *     M flags, date, zone, EMAILID, THREADID, prefix, keywords     a message, then its blob in
 *     G                    the bytes of a message that is there without them, in
 *     P piece …            pieces, then
 *     F                    its end
 *     K                    all messages so far are durable: D and how many they were
 *
 * What can't be done is answered by X, the error's name and its text, and ends the connection.
 */
#ifndef BACKUP_SERVICE_H
#define BACKUP_SERVICE_H

#include "store/store.h"

struct service_store {
	struct store *store;
	struct kv *kv;
};

/**
 * Serves one connection to its end; does not close fd. Checkpoints are made in the working
 * directory.
 */
void service_run(const struct service_store *s, int fd);
/** Removes checkpoints that an earlier process left behind, but for those that somebody reads. */
void service_sweep(void);

#endif

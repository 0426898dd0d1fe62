/*
 * message.h - what the supervisor and its children say to each other, as frames (base/frame.h) over
 * a stream socket.
 *
 *     supervisor → child   CONFIG text · TLS certificates · LISTEN service +descriptor · PEER role number +descriptor
 *                          GO · STOP
 *     child → supervisor   READY
 *
 * A child gets CONFIG, TLS, LISTEN and PEER, then GO: only then does it leave its privileges and
 * begin. Afterwards CONFIG and TLS mean a reload, and PEER a new connection to another child; of
 * several to the same one each has a number. The process that keeps the keys says READY again when
 * it has taken others. A descriptor travels with its message.
 */
#ifndef PROC_MESSAGE_H
#define PROC_MESSAGE_H

#include "base/frame.h"
#include "proc/roles.h"

enum proc_message_type {
	MESSAGE_CONFIG = 1,
	MESSAGE_TLS,
	MESSAGE_LISTEN,
	MESSAGE_PEER,
	MESSAGE_GO,
	MESSAGE_STOP,
	MESSAGE_READY
};

enum { MESSAGE_CERTS_MAX = 16, MESSAGE_PEM_MAX = 65536, PEER_LINES_MAX = CONFIG_LOOPS_MAX };

struct proc_message_cert {
	/*
	 * PEM; one of them may be empty: the mail process gets no keys, the one that keeps them
	 * nothing else
	 */
	struct str cert, key;
};

/* Texts point into what was received. */
struct proc_message {
	enum proc_message_type type;
	struct str text; /* CONFIG: as config_format() writes it */
	struct proc_message_cert certs[MESSAGE_CERTS_MAX]; /* TLS */
	size_t cert_count;
	struct str client_ca; /* TLS: PEM, or empty */
	enum service service; /* LISTEN */
	enum role role;       /* PEER: who is at the other end */
	uint8_t number;       /* PEER: which of the connections to it */
};

/** Whether the certificates or keys of a MESSAGE_TLS are few enough for a frame. */
bool proc_message_fits(const struct proc_message *m);
/** It must fit. */
void proc_message_add(struct buf *b, const struct proc_message *m);
/** ERR_WAIT: not all of it is there; ERR_CORRUPT: no message of ours, or none for this side. */
must_use enum err proc_message_next(struct str in, bool for_child, struct proc_message *out,
    size_t *used_out);

static inline bool
proc_message_has_fd(enum proc_message_type t)
{
	return t == MESSAGE_LISTEN || t == MESSAGE_PEER;
}

#endif

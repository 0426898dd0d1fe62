/*
 * wire.h - what the mail process and the auth process say to each other, as frames (base/frame.h)
 * over one stream socket.
 *
 *     mail → auth   BEGIN id start · RESPONSE id data · CANCEL id · LOOKUP id address
 *     auth → mail   RESULT id outcome err data user groups · FOUND id err user
 *
 * Ids are the asker's and never used twice on a connection. After RESULT with CONTINUE the exchange
 * waits for RESPONSE or CANCEL; any other RESULT ends it. A CANCEL may cross a RESULT; both sides
 * ignore what names an exchange that is over.
 */
#ifndef AUTH_WIRE_H
#define AUTH_WIRE_H

#include "auth/client.h"
#include "base/frame.h"

enum wire_type { WIRE_BEGIN = 1, WIRE_RESPONSE, WIRE_CANCEL, WIRE_LOOKUP, WIRE_RESULT, WIRE_FOUND };

/*
 * Any of the messages; which members mean something is said by the type. Texts point into the
 * frame.
 */
struct wire_message {
	enum wire_type type;
	uint64_t id;
	struct auth_start start;   /* BEGIN */
	struct str data;           /* RESPONSE; LOOKUP: the address */
	struct auth_result result; /* RESULT; FOUND: err and user */
};

/** No text is longer than the other side takes. */
bool wire_fits(const struct wire_message *m);
void wire_add(struct buf *b, const struct wire_message *m);
/**
 * ERR_WAIT: not all of it is there; ERR_CORRUPT: no message of ours, or one that is not for this
 * side.
 */
must_use enum err wire_next(struct str in, bool for_server, struct wire_message *out,
    size_t *used_out);

#endif

/* status_reply.h - writes a STATUS line (RFC 9051 7.3.4): for STATUS and LIST RETURN (STATUS). */
#ifndef SESSION_CMD_STATUS_REPLY_H
#define SESSION_CMD_STATUS_REPLY_H

#include "imap/status.h"
#include "session/session.h"

/** items: enum imap_status_att bits. in: the account that the mailbox is in. */
void status_reply(struct session *s, struct str name, const struct mailbox_info *m,
    const struct account *in, unsigned items);

#endif

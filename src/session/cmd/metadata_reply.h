/* metadata_reply.h - METADATA replies with values (RFC 5464 4.4.1), for GETMETADATA and LIST. */
#ifndef SESSION_CMD_METADATA_REPLY_H
#define SESSION_CMD_METADATA_REPLY_H

#include "imap/metadata.h"
#include "session/metadata.h"

/**
 * Writes what was asked for, if that is anything. name: of the mailbox as the client knows it,
 * unless asked->is_server; m: the mailbox, or for the server the user's INBOX. longest_out: bytes
 * of the longest value that was left out for MAXSIZE; 0: none.
 */
void metadata_reply(struct session *s, const struct imap_metadata *asked, struct str name,
    const struct mailbox_info *m, bool is_own, uint64_t *longest_out);
/** Whether a user with these rights may read and set annotations (RFC 5464 3.3). */
bool metadata_is_allowed(unsigned rights);

#endif

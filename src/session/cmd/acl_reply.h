/* acl_reply.h - writes the answers of RFC 4314 3.6-3.8. */
#ifndef SESSION_CMD_ACL_REPLY_H
#define SESSION_CMD_ACL_REPLY_H

#include "session/target.h"

void acl_reply_myrights(struct session *s, struct str name, unsigned rights);
/** The mailbox's whole list; an owner who is not in it is told with all rights. */
void acl_reply_list(struct session *s, struct arena *a, const struct target *t);
/** What could be granted to an identifier, which is told as the client wrote it. */
void acl_reply_possible(struct session *s, struct arena *a, const struct target *t,
    struct str spelt, struct str identifier);

#endif

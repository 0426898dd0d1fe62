/* flag_lists.h - writes FLAGS and PERMANENTFLAGS of the selected mailbox (RFC 9051 7.3.5, 7.1). */
#ifndef SESSION_FLAG_LISTS_H
#define SESSION_FLAG_LISTS_H

#include "session/session.h"

/** The system flags that these rights (store/acl.h) let change. */
unsigned changeable_flags(unsigned rights);
/** Both lines: at SELECT and when a keyword has been added. */
void flag_lists_reply(struct session *s);

#endif

/*
 * namespace_reply.h - the NAMESPACE response (RFC 2342), with its prefixes translated (RFC 5255
 * 3.4).
 */
#ifndef SESSION_CMD_NAMESPACE_REPLY_H
#define SESSION_CMD_NAMESPACE_REPLY_H

#include "session/session.h"

void namespace_reply(struct session *s);

#endif

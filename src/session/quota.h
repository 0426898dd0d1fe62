/* quota.h - who may set quotas: decides what is announced, and what SETQUOTA does (cmd/quota.c). */
#ifndef SESSION_QUOTA_H
#define SESSION_QUOTA_H

#include "session/session.h"

bool quota_may_set(const struct session *s);

#endif

/*
 * capability.h - the table of capabilities: name, RFC, when shown. CAPABILITY, the greeting, `posthorn capabilities` and the tests
 * are made from it.
 */
#ifndef SESSION_CAPABILITY_H
#define SESSION_CAPABILITY_H

#include "base/str.h"

enum capability {
#define CAPABILITY(id, name, spec, when) CAP_##id,
#include "session/capability.def"
#undef CAPABILITY
	CAP_COUNT
};

enum capability_when {
	CAP_NEVER_SHOWN,	/* works, but is not a capability name (XLIST) */
	CAP_ALWAYS,
	CAP_BEFORE_LOGIN,
	CAP_AFTER_LOGIN,
	CAP_SPECIAL,		/* decided by code: STARTTLS, LOGINDISABLED, AUTH=, COMPRESS, APPENDLIMIT, QUOTASET */
};

struct capability_row {
	const char *name, *spec;
	enum capability_when when;
};
extern const struct capability_row capabilities[CAP_COUNT];

#endif

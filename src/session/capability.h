/*
 * capability.h - the table of capabilities: name, RFC, when shown. CAPABILITY, the greeting,
 * `posthorn capabilities` and the tests are made from it.
 */
#ifndef SESSION_CAPABILITY_H
#define SESSION_CAPABILITY_H

#include "base/str.h"

enum capability {

#define CAPABILITY(id, name, spec, when) CAP_##id,
#include "session/capability.def"
	CAP_COUNT
};

enum capability_when {
	CAP_NEVER_SHOWN, /* works, but is not a capability name (XLIST) */
	CAP_ALWAYS,
	CAP_BEFORE_LOGIN,
	CAP_AFTER_LOGIN,
	CAP_SPECIAL, /* decided by code; capability_when_text() says how */
};

struct capability_row {
	const char *name, *spec;
	uint8_t name_bytes;
	enum capability_when when;
};
extern const struct capability_row capabilities[CAP_COUNT];

/** When it is shown, in words for people. */
const char *capability_when_text(enum capability c);
/** True when c is never announced without other. */
bool capability_needs(enum capability c, enum capability other);

#endif

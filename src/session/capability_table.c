/*
 * capability_table.c - the table of capabilities, and what people are told of it (`posthorn
 * capabilities`).
 */
#include "session/capability.h"

#include "base/attr.h"

const struct capability_row capabilities[CAP_COUNT] = {
#define CAPABILITY(id, name_, spec_, when_)                                                        \
	[CAP_##id] = { .name = name_,                                                              \
		.name_bytes = sizeof(name_) - 1,                                                   \
		.spec = spec_,                                                                     \
		.when = CAP_##when_ },
#include "session/capability.def"
};

const char *
capability_when_text(enum capability c)
{
	static const char *const special[CAP_COUNT] = {
#define CAPABILITY_SPECIAL(id, words) [CAP_##id] = words,
#include "session/capability.def"
	};

	switch (capabilities[c].when) {
	case CAP_NEVER_SHOWN:
		return "works, is not announced";
	case CAP_ALWAYS:
		return "always";
	case CAP_BEFORE_LOGIN:
		return "before login";
	case CAP_AFTER_LOGIN:
		return "after login";
	case CAP_SPECIAL:
		break;
	}
	return special[c];
}

bool
capability_needs(enum capability c, enum capability other)
{
	static const struct {
		enum capability c, other;
	} needs[] = {

#define CAPABILITY_NEEDS(id, other_) { CAP_##id, CAP_##other_ },
#include "session/capability.def"
	};

	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		if (needs[i].c == c && needs[i].other == other)
			return true;
	}
	return false;
}

/* told.h - for tests: LIST and STATUS, as NOTIFY sends them, taken apart. */
#ifndef MODEL_TOLD_H
#define MODEL_TOLD_H

#include "model/picture.h"

struct told_list {
	struct str attributes; /* without parentheses */
	struct str name;
	struct str rest; /* ("OLDNAME" (old)) */
};

/* 0: not told */
struct told_status {
	uint32_t messages, uidnext, validity, unseen;
	uint64_t highest;
};

/** The name without its quotes, taken off what it begins; spaces may be in quotes only. */
struct str told_name(struct str *rest);
bool told_has(struct str attributes, const char *attribute);
/** False: it is none. */
bool told_list(const struct told *t, struct told_list *out);
/** "(MESSAGES 1 ...)": what is told, of what is not *s stays. False: something is no number. */
bool told_status(struct str items, struct told_status *s);

#endif

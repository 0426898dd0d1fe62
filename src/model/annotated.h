/*
 * annotated.h - for tests: annotations of a mailbox (RFC 5464) or of a message (RFC 5257), as a
 * list of a few entries that are known by number.
 */
#ifndef MODEL_ANNOTATED_H
#define MODEL_ANNOTATED_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	/* a mailbox may have so many, and INBOX some of the server */
	ANNOTATED_ENTRIES = 4,
	ANNOTATED_SERVER_ENTRIES = 2,
	ANNOTATED_ENTRIES_ALL = ANNOTATED_ENTRIES + ANNOTATED_SERVER_ENTRIES,
	/* a message */
	ANNOTATED_NOTES = 4,
	ANNOTATED_VALUES = 9
};

/* Annotations of a mailbox or a message, what was set last behind the others. */
struct annotated {
	uint8_t n;

	struct annotated_one {
		uint8_t entry; /* which of annotated_entries, or of annotated_notes */
		uint8_t value; /* "m7" */
	} e[ANNOTATED_ENTRIES_ALL];
};

struct annotated_name {
	const char *name;
	bool is_shared, is_server;
};

extern const struct annotated_name annotated_entries[ANNOTATED_ENTRIES_ALL],
    annotated_notes[ANNOTATED_NOTES];

/** The value of an entry; 0: there is none. */
unsigned annotated_value(const struct annotated *list, unsigned entry);
/** False: the list was the same before. */
bool annotated_set(struct annotated *list, const struct annotated *changes);
/** Without those of the server: for another mailbox. */
struct annotated annotated_of_mailbox(const struct annotated *list);
bool annotated_eq(const struct annotated *a, const struct annotated *b);
/** Reads what is stored. False: there is what nobody has set. */
bool annotated_read(struct str stored, const struct annotated_name *names, unsigned n,
    struct annotated *out);

#endif

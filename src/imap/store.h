/* store.h - what a STORE asks for (RFC 9051 6.4.6, RFC 5257 4.5, RFC 7162 3.1.3). */
#ifndef IMAP_STORE_H
#define IMAP_STORE_H

#include "imap/annotate.h"

enum imap_store_mode { STORE_REPLACE, STORE_ADD, STORE_REMOVE };

struct imap_store {
	enum imap_store_mode mode;
	bool is_silent;
	struct imap_flags flags;
	bool is_annotation; /* not flags but */
	struct imap_annotate_store annotation;
	bool has_unchangedsince;
	uint64_t unchangedsince;
};

/**
 * Parses from after "sequence-set SP" to the end: ["(UNCHANGEDSINCE n)" SP] (["+" / "-"] "FLAGS"
 * [".SILENT"] SP flags / "ANNOTATION" SP (...)).
 */
must_use enum err imap_store_parse(struct imap_scan *s, struct imap_store *out);

#endif

/* convert.h - arguments of CONVERT and CONVERSIONS (RFC 5259 10). */
#ifndef IMAP_CONVERT_H
#define IMAP_CONVERT_H

#include "imap/fetch.h"

enum { CONVERT_ITEMS_MAX = 256, CONVERT_PARAMS_MAX = 32, CONVERT_TYPE_MAX = 255 };

enum convert_item_kind {
	CONVERT_BINARY,
	CONVERT_BINARY_SIZE,
	CONVERT_BODYPARTSTRUCTURE,
	CONVERT_AVAILABLE, /* AVAILABLECONVERSIONS */
	CONVERT_HEADER,    /* BODY[HEADER], BODY[1.MIME] */
};

struct convert_item {
	enum convert_item_kind kind;
	struct imap_section section;
	struct str label; /* how the answer names it: "BINARY[3]<0>" */
};

struct convert_param {
	struct str name, value;
};

struct imap_convert {
	struct str type; /* p == NULL: the default conversion */
	struct convert_param *params;
	size_t param_count;
	bool has_uid; /* item UID */
	struct convert_item *items;
	size_t item_count;
};

struct imap_conversions {
	struct str from, to; /* "text/plain", "text" and any subtype, or "*" */
};

/** Parses "convert-params SP items" up to the end of the command. */
must_use enum err imap_convert_parse(struct imap_scan *s, struct imap_convert *out);
must_use enum err imap_conversions_parse(struct imap_scan *s, struct imap_conversions *out);
/** Whether "text/html" is what a pattern means: itself, all of text, or "*". Any case. */
bool imap_conversion_matches(struct str pattern, struct str type);

#endif

/*
 * sortkeys.h - what SORT (RFC 5256, RFC 5957) and THREAD need of a message without its header:
 * stored in its record. Texts are UTF-8 in i;unicode-casemap form (casemap.h), so that comparing
 * bytes sorts them; absent ones are empty.
 */
#ifndef MIME_SORTKEYS_H
#define MIME_SORTKEYS_H

#include "base/buf.h"
#include "mime/collation.h"
#include "mime/date.h"

struct arena;

struct mime_sortkeys {
	bool has_date; /* else sort by the internal date (RFC 5256 2.2) */
	struct mime_date date;
	bool is_reply;           /* the subject was one of a reply or forward */
	struct str subject;      /* base subject */
	struct str from, to, cc; /* mailbox of the first address */
	struct str from_name,
	    to_name;           /* DISPLAYFROM, DISPLAYTO: display name, else "mailbox@host" */
	struct str message_id; /* as written, without brackets */
	/* of References, else the first of In-Reply-To (RFC 5256 3) */
	struct str *references;
	uint32_t reference_count;
};

/** From a root header block; texts in the arena. */
void mime_sortkeys_parse(struct arena *a, struct str header, struct mime_sortkeys *keys_out);
/** The same in another collation, for who chose one. */
void mime_sortkeys_parse_by(struct arena *a, enum mime_collation by, struct str header,
    struct mime_sortkeys *keys_out);
void mime_sortkeys_encode(const struct mime_sortkeys *keys, struct buf *out);
/** ERR_CORRUPT when damaged. Texts point into the bytes; the list of references into the arena. */
must_use enum err mime_sortkeys_decode(struct arena *a, struct str bytes,
    struct mime_sortkeys *keys_out);

#endif

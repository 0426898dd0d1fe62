/*
 * part.h - the tree of a message's parts: what the parser makes, structure.h stores, and everybody
 * reads.
 *
 * Every offset counts from the first byte of the message. A part is a header and a body; for a part
 * of a multipart both are its own, for a message/rfc822 part the body is a whole message, whose
 * root is the part's only child (its header lies at the parent's body offset). Texts are as in the
 * message: unfolded, but 8-bit bytes and encoded words untouched, unless said otherwise; absent
 * ones have p == NULL.
 */
#ifndef MIME_PART_H
#define MIME_PART_H

#include "base/err.h"
#include "base/str.h"

struct arena;
struct mime_part;

enum mime_kind {
	MIME_KIND_BASIC,     /* anything else, opaque parts too */
	MIME_KIND_TEXT,      /* text/anything */
	MIME_KIND_MULTIPART, /* children are its parts; may have none */
	/* message/rfc822 or message/global: exactly one child, the root of the message inside */
	MIME_KIND_MESSAGE,
};

enum mime_encoding {
	MIME_ENC_7BIT, /* or absent */
	MIME_ENC_8BIT,
	MIME_ENC_BINARY,
	MIME_ENC_QP,
	MIME_ENC_BASE64,
	MIME_ENC_UUENCODE, /* x-uuencode, x-uue, uuencode */
	MIME_ENC_UNKNOWN,
	MIME_ENC_COUNT
};

struct mime_range {
	uint64_t offset, length;
};

/* A parameter, RFC 2231 continuations joined. An extended one ("name*") is decoded to UTF-8. */
struct mime_param {
	struct mime_param *next;
	struct str name; /* without "*" */
	struct str value;
	bool is_extended;
};

/*
 * The fields of an ENVELOPE, unfolded values; of a repeated field the first, but To, Cc and Bcc
 * joined (RFC 5322 4.5.3).
 */
struct mime_envelope {
	struct str date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id;
};

struct mime_part {
	struct mime_part *parent, *first_child, *last_child, *next;
	uint32_t child_count;
	uint32_t number; /* among its siblings, from 1; 1 for a root */
	uint16_t depth;  /* 0 for the root of the message */
	enum mime_kind kind;
	enum mime_encoding encoding;
	/* over a limit: its type is given as application/octet-stream */
	bool is_opaque;
	bool is_type_default;     /* no (usable) Content-Type */
	struct mime_range header; /* with the empty line that ends it, if it has one */
	/* of a multipart with preamble and epilogue; never the line end before a boundary */
	struct mime_range body;
	uint32_t header_lines, body_lines; /* line ends inside */

	struct str type, subtype; /* as written; never absent */
	struct mime_param *params;
	struct str charset;       /* of params, or absent */
	struct str encoding_name; /* as written; absent when it has none */
	struct str id, description, md5, location;
	struct str disposition;
	struct mime_param *disposition_params;
	struct str *languages;
	uint32_t language_count;
	/*
	 * Of a part that begins a message: the root, and the only child of a MESSAGE. NULL
	 * otherwise, and after decoding.
	 */
	struct mime_envelope *envelope;
};

struct mime_message {
	struct mime_part *root;
	uint64_t size; /* bytes fed */
	uint32_t part_count;
	/* the root's header block, up to MIME_MAX_HEADER_BYTES of it; absent after decoding */
	struct str header;
	bool is_header_cut; /* it is longer */
	bool is_8bit;       /* has bytes over 0x7F */
	bool has_nul;
};

/**
 * The next part in the order of the message: first the children, then the siblings. NULL after the
 * last.
 */
const struct mime_part *mime_part_next(const struct mime_part *part);
/** A parameter's value by name (no "*", any case), or absent. */
struct str mime_param_find(const struct mime_param *params, struct str name);
/** The encoding that a Content-Transfer-Encoding names. */
enum mime_encoding mime_encoding_parse(struct str name);

enum mime_section {
	MIME_SECTION_WHOLE, /* BODY[] and BODY[1.2] */
	/* BODY[HEADER] and BODY[1.2.HEADER]; also for HEADER.FIELDS, before picking */
	MIME_SECTION_HEADER,
	MIME_SECTION_TEXT, /* BODY[TEXT] and BODY[1.2.TEXT] */
	MIME_SECTION_MIME, /* BODY[1.2.MIME] */
};

/**
 * The bytes that a section names (RFC 9051 6.4.5.1).
 *
 * @path     part numbers from 1; none for the message itself
 * @part_out when not NULL: the part it is of (for TEXT and HEADER of a nested message, the root of
 *           that message)
 *
 * ERR_NOTFOUND  no such part, or no such section of it (HEADER of a part that is no message): FETCH
 *               answers NIL or ""
 */
must_use enum err mime_section_find(const struct mime_message *msg, const uint32_t *path,
    size_t path_count, enum mime_section section, struct mime_range *range_out,
    const struct mime_part **part_out);
/**
 * The part that a path names, for BINARY and BODY[path]; with no path the root. NULL when there is
 * none.
 */
const struct mime_part *mime_part_find(const struct mime_message *msg, const uint32_t *path,
    size_t path_count);

#endif

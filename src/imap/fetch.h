/*
 * fetch.h - what a FETCH asks for (RFC 9051 6.4.5, 9 fetch-att; RFC 3516, 5257, 7162, 8474, 8514,
 * 8970).
 *
 * Macros are spelt out and items that ask for the same are kept once, so an answer never tells an
 * item twice.
 */
#ifndef IMAP_FETCH_H
#define IMAP_FETCH_H

#include "imap/annotate.h"
#include "imap/search.h"

enum {
	FETCH_ITEMS_MAX = 256,      /* items of one FETCH */
	FETCH_ANNOTATIONS_MAX = 16, /* ANNOTATION items of one FETCH */
	FETCH_FIELDS_MAX = 1024,    /* field names of one section */
	SECTION_DEPTH_MAX = 100,    /* numbers in a section's path: as deep as MIME may nest */
};

/* Items that need no argument: bits, so that a command knows at once what it must load. */
enum imap_fetch_att {
	FETCH_FLAGS = 1 << 0,
	FETCH_UID = 1 << 1,
	FETCH_INTERNALDATE = 1 << 2,
	FETCH_RFC822_SIZE = 1 << 3,
	FETCH_ENVELOPE = 1 << 4,
	/* BODY without a section: the structure without extension data */
	FETCH_BODY = 1 << 5,
	FETCH_BODYSTRUCTURE = 1 << 6,
	FETCH_MODSEQ = 1 << 7,
	FETCH_EMAILID = 1 << 8,
	FETCH_THREADID = 1 << 9,
	FETCH_SAVEDATE = 1 << 10,
	FETCH_PREVIEW = 1 << 11,
	FETCH_PREVIEW_LAZY = 1 << 12, /* together with FETCH_PREVIEW: only if it costs nothing */
};

enum imap_section_kind {
	/* BODY[] or BODY[1.2]: the message, or the part's contents */
	SECTION_BODY,
	SECTION_HEADER,
	SECTION_HEADER_FIELDS,
	SECTION_HEADER_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
};

enum imap_section_form {
	/* BODY[...], RFC822, RFC822.HEADER, RFC822.TEXT: the bytes as they are */
	SECTION_RAW,
	SECTION_BINARY,      /* BINARY[...]: content transfer encoding undone */
	SECTION_BINARY_SIZE, /* BINARY.SIZE[...] */
};

struct imap_section {
	enum imap_section_form form;
	enum imap_section_kind kind;
	uint32_t *path; /* "1.2": part numbers, each >= 1 */
	size_t n_path;
	/* of HEADER.FIELDS and HEADER.FIELDS.NOT, as the client wrote them */
	struct str *fields;
	size_t n_fields;
	bool is_peek; /* does not set \Seen */
	bool has_partial;
	uint64_t offset, length; /* of <offset.length>; length >= 1 */
	/* how the answer names it: "BODY[1.HEADER.FIELDS (From To)]<0>", "RFC822.TEXT" */
	struct str label;
	uint64_t label_hash; /* of it in lower case */
	/* BINARY, known to hold no NUL: told as a literal, not a literal8 */
	bool is_nul_free;
};

struct imap_fetch {
	struct str text; /* of a list of items, as it was written */
	unsigned atts;   /* enum imap_fetch_att bits */
	struct imap_section *sections;
	size_t n_sections;
	/* in the order in which they were written */
	struct imap_annotate_fetch *annotations;
	size_t n_annotations;
	bool sets_seen; /* some section is not a peek */
	bool has_changedsince;
	uint64_t changedsince; /* FETCH_MODSEQ is set with it (RFC 7162 3.1.4.1) */
	/* PARTIAL: allowed in UID FETCH only (RFC 9394 3.3); the caller checks */
	bool has_partial;
	struct imap_partial partial;
	/*
	 * VANISHED: allowed in UID FETCH with CHANGEDSINCE when QRESYNC is enabled; the caller
	 * checks
	 */
	bool has_vanished;
};

/**
 * Parses "fetch-att" or "(fetch-att ...)" or a macro, and the modifiers behind it: from after
 * "sequence-set SP" to the end of the command. UID FETCH answers always tell the UID: the caller
 * sets FETCH_UID then.
 */
must_use enum err imap_fetch_parse(struct imap_scan *s, struct imap_fetch *out);

/** "(fetch-att ...)", at least one: adds to *out, which begins as zeroes. */
must_use bool imap_fetch_items(struct imap_scan *s, struct imap_fetch *out);

/**
 * Parses "HEADER", "1.2.MIME", "" ... without the brackets: also used by URLs. The label is not
 * made.
 */
must_use bool imap_fetch_section(struct imap_scan *s, struct imap_section *out);
/** "<offset.length>", if it is there. */
must_use bool imap_fetch_partial(struct imap_scan *s, struct imap_section *out);

#endif

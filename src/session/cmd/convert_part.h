/*
 * convert_part.h - one part of a message in the form that CONVERT asks for (RFC 5259): which forms
 * there are, and making them.
 */
#ifndef SESSION_CMD_CONVERT_PART_H
#define SESSION_CMD_CONVERT_PART_H

#include "imap/convert.h"
#include "mime/decode.h"
#include "mime/transcode.h"
#include "session/cmd/fetch_source.h"

enum {
	CONVERT_SOURCE_MAX = 4 << 20, /* bytes of a part that are converted, as they are stored */
	CONVERT_RESULT_MAX = 16 << 20,
};

struct conversion {
	struct str from, to;
	enum mime_transcode_how how;
};

/* All of them; the first of a type is the default one. */
extern const struct conversion conversions[];
extern const size_t conversion_count;

/* What a CONVERT asks for, apart from messages and items. */
struct convert_target {
	struct str type;                  /* p == NULL: the default */
	struct str charset, replacement;  /* p == NULL: not given */
	const struct convert_param **bad; /* parameters that mean nothing here */
	size_t bad_count;
};

void convert_target_make(struct arena *a, const struct imap_convert *args,
    struct convert_target *out);

/* Why a part can't be had: converterror-phrase. Texts are static, the arena's or the command's. */
struct convert_error {
	const char *why;               /* NULL: no error */
	bool is_temporary, is_missing; /* TEMPFAIL, MISSINGPARAMETERS; else BADPARAMETERS */
	struct str from;               /* p == NULL: there is no such part */
	struct str to;
	struct convert_param params[2]; /* that it is about, besides the target's bad ones */
	size_t param_count;
};

void convert_error_write(const struct convert_error *e, const struct convert_target *target,
    struct buf *out);

/* A part being converted, and then what has become of it; zeroed before. */
struct convert_part {
	bool is_begun, is_made;
	struct convert_error error;
	const struct conversion *conversion;
	struct str charset; /* that the result has */
	struct mime_decoder decoder;
	struct mime_transcode *transcode;
	uint64_t at, end; /* bytes of the message still to be read */
	struct buf decoded;
	struct buf result;
	uint64_t lines;
	bool has_nul, has_8bit;
};

/** Finds out what can be done with a part, without reading it: sets conversion or error. */
void convert_part_find(struct arena *a, struct fetch_source *src, const struct imap_section *sec,
    const struct convert_target *target, struct convert_part *x);
/**
 * Makes it. ERR_OK: is_made, with a result or an error; ERR_WAIT: call again. Faults of the message
 * are errors of the part.
 */
must_use enum err convert_part_make(struct session *s, struct arena *a, struct fetch_source *src,
    const struct imap_section *sec, const struct convert_target *target, struct convert_part *x);
/** A header with its encoded words in the target's charset, in the same way. */
must_use enum err convert_header_make(struct session *s, struct fetch_source *src,
    const struct imap_section *sec, const struct convert_target *target, struct convert_part *x);
void convert_part_done(struct convert_part *x);

#endif

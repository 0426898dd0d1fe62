/*
 * parser_int.h - what the parser knows between two bytes; its two halves: lines (parser.c) and the
 * tree of parts that they open and close (parser_tree.c).
 */
#ifndef MIME_PARSER_INT_H
#define MIME_PARSER_INT_H

#include "mime/content_int.h"
#include "mime/limits.h"
#include "mime/parser.h"

enum parser_state {
	STATE_HEADER,
	STATE_BODY,
	STATE_BOUNDARY, /* the rest of a boundary line */
};

/* A multipart that is open, and what separates its parts. */
struct boundary {
	struct mime_part *part;
	struct str text;
};

struct mime_parser {
	struct mime_keeper keep;
	struct mime_parser_hooks hooks;
	struct mime_message *msg;
	/* the current one; in a multipart's preamble or epilogue the multipart */
	struct mime_part *part;
	uint32_t open_count;
	enum parser_state state;
	uint64_t offset;     /* of the next byte */
	uint64_t lines;      /* line ends so far */
	uint64_t part_lines; /* their number where the current header began */
	bool is_mid_line;
	/* the last byte of the line so far, in a header or a boundary line */
	char last;
	uint64_t line_length; /* of the line so far, in a header */
	uint8_t eol;          /* length of the last line end in a header */
	bool is_closing;      /* STATE_BOUNDARY: the multipart is over */
	struct buf header;    /* of the current part */
	bool is_header_cut;
	char held[2 + MIME_MAX_BOUNDARY + 2]; /* begin of a candidate */
	size_t held_count;
	char tail[2]; /* line end, or CR, that was not given out yet */
	uint8_t tail_count;
	struct boundary open[MIME_MAX_DEPTH]; /* not zeroed: open_count of them */
};

/* Only leaves have bodies that are given out. */
static inline bool
mime_part_is_leaf(const struct mime_part *part)
{
	return part->kind == MIME_KIND_TEXT || part->kind == MIME_KIND_BASIC;
}

/** A part begins at the current offset, with its header; NULL for the message itself. */
void mime_header_begin(struct mime_parser *p, struct mime_part *parent);
/** A header is over at the current offset; its body begins. */
void mime_header_end(struct mime_parser *p);
/** The same for one with no empty line behind it, and for the messages that begin just there. */
void mime_header_cut(struct mime_parser *p);
/** The line that begins at the current offset is a boundary of this open multipart. */
void mime_boundary_found(struct mime_parser *p, uint32_t index, bool is_closing);
/** That line is over: the multipart's epilogue, or its next part, begins. */
void mime_boundary_end(struct mime_parser *p, bool has_cr);
/**
 * Ends the current part and those around it, up to but not including `upto`, where the given offset
 * and line count are.
 */
void mime_parts_end(struct mime_parser *p, const struct mime_part *upto, uint64_t offset,
    uint64_t lines);

#endif

/*
 * shapes.h - inputs that grow: what people who mean harm would send, each to any length.
 *
 *     begin, unit, unit, unit, ..., middle, close, close, ..., end
 *
 * In units %u counts up from 1, %d counts down, %r is a random number; see unit_add() for more.
 */
#ifndef SCALE_SHAPES_H
#define SCALE_SHAPES_H

#include "base/buf.h"

enum shape_kind {
	SHAPE_MESSAGE,
	SHAPE_TEXT,
	SHAPE_FETCH,
	SHAPE_SEARCH,
	SHAPE_STORE,
	SHAPE_SEQSET,
	SHAPE_LIST,
	SHAPE_SELECT,
	SHAPE_WORDS,
	SHAPE_LMTP,
	SHAPE_NAME
};

struct shape {
	const char *name;
	enum shape_kind kind;
	const char *begin, *unit, *middle, *close, *end; /* NULL: nothing */
};

extern const struct shape shapes[];
extern const size_t shape_count;

/** Appends the shape with about so many bytes. */
void shape_make(const struct shape *s, size_t bytes, struct buf *out);

#endif

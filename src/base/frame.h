/*
 * frame.h - messages between our own processes: frames with a length, a version and a type, and
 * fields of fixed kinds.
 *
 *     length u32 · version u8 · type u8 · fields        (little-endian; the length counts what follows it)
 *
 * Pure: bytes in, fields out. Readers check strictly: a frame of another version, one that is
 * longer than allowed, a field that runs over the end and bytes left over are all ERR_CORRUPT, and
 * then the connection is closed.
 */
#ifndef BASE_FRAME_H
#define BASE_FRAME_H

#include "base/buf.h"

enum { FRAME_VERSION = 1, FRAME_HEAD = 6, FRAME_MAX = 1 << 18 };

struct frame {
	uint8_t type;
	struct str fields; /* what is not read yet */
	bool is_bad;
};

/** Begins a frame at the end of b; returns where, for frame_end(). Fields follow. */
size_t frame_begin(struct buf *b, uint8_t type);
void frame_end(struct buf *b, size_t begun);
void frame_add_u8(struct buf *b, uint8_t v);
void frame_add_u32(struct buf *b, uint32_t v);
void frame_add_u64(struct buf *b, uint64_t v);
void frame_add_str(struct buf *b, struct str s);

/**
 * Takes the first frame of what has arrived.
 *
 * @used_out  its length, set on ERR_OK
 *
 * ERR_WAIT     not all of it is there
 * ERR_CORRUPT  no frame of ours
 */
must_use enum err frame_next(struct str in, struct frame *out, size_t *used_out);
/*
 * Fields in the order they were added; after a breach they give zeros and empty texts, and
 * frame_finish() tells.
 */
uint8_t frame_u8(struct frame *f);
uint32_t frame_u32(struct frame *f);
uint64_t frame_u64(struct frame *f);
/** Points into the frame. ERR_CORRUPT at the end when longer than max. */
struct str frame_str(struct frame *f, size_t max);

static inline bool
frame_bool(struct frame *f)
{
	uint8_t v = frame_u8(f);
	f->is_bad |= v > 1;
	return v == 1;
}
/** ERR_CORRUPT unless every field was there and nothing is left. */
must_use enum err frame_finish(const struct frame *f);

#endif

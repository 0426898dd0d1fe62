/*
 * structure.h - a part tree as bytes, which the store keeps in the message's record: ranges,
 * encoding, type, charset and nesting; what else ENVELOPE and BODYSTRUCTURE need is stored ready to
 * send. The layout is in structure.c, and docs/file-format.md; it begins with its version.
 */
#ifndef MIME_STRUCTURE_H
#define MIME_STRUCTURE_H

#include "base/buf.h"
#include "mime/part.h"

void mime_structure_encode(const struct mime_message *msg, struct buf *out);
/**
 * Rebuilds the tree; linear in the bytes; texts point into the arena.
 *
 * ERR_CORRUPT  damaged or of a version we don't know; every range of an accepted tree lies inside
 *              its parent and the message
 */
must_use enum err mime_structure_decode(struct arena *a, struct str bytes,
    struct mime_message **msg_out);

#endif

/*
 * wire.h - frames between the tool and the service that works on a store: kind (1), length (4),
 * that many bytes. Numbers are little-endian; a text has its length (4) before it. Blocking; for
 * threads of their own.
 */
#ifndef BACKUP_WIRE_H
#define BACKUP_WIRE_H

#include "base/buf.h"
#include "base/err.h"

enum { WIRE_MAX_BYTES = 1 << 20 };

/** ERR_CLOSED when the other side is gone. */
must_use enum err wire_send(int fd, char kind, struct str body);
/**
 * The body replaces what is in buf. ERR_END: closed between frames; ERR_CLOSED, ERR_IO; ERR_LIMIT:
 * longer than WIRE_MAX_BYTES.
 */
must_use enum err wire_receive(int fd, char *kind_out, struct buf *body);

void wire_u64(struct buf *out, uint64_t v);
void wire_str(struct buf *out, struct str s);
/** False when it is not there: what is read then is worth nothing. */
bool wire_take_u64(struct str *rest, uint64_t *out);
bool wire_take_str(struct str *rest, struct str *out);

#endif

/*
 * output.c - what commands write: a buffer that goes into the stream's queue in large pieces, and
 * the bytes of messages, which go there as they are.
 */
#include "session/core_int.h"

enum {
	OUT_MAX = 64 * 1024 * 1024,
	OUT_KEEP = 4096,
	/* Buffers of 64 KiB serve again and again; larger ones come from the system each time. */
	OUT_PIECE = 48 * 1024,
};

void
core_output_init(struct session_core *k)
{
	k->out = BUF_MAX(OUT_MAX);
}

void
core_flush(struct session_core *k)
{
	if (k->out.n == 0)
		return;
	if (k->out.n <= OUT_KEEP) {
		stream_write(k->s.stream, buf_str(&k->out));
		buf_clear(&k->out);
	} else {
		stream_write_buf(k->s.stream, &k->out);
		k->out.max = OUT_MAX;
	}
}

void
core_rest(struct session_core *k)
{
	if (k->out.n == 0)
		buf_done(&k->out);
}

void
session_pass_on(struct session *s)
{
	struct session_core *k = s->core;

	if (k->out.n >= OUT_PIECE)
		core_flush(k);
}

struct buf *
session_out(struct session *s)
{
	return &s->core->out;
}

static void
release_bytes(void *bytes)
{
	kv_bytes_unref(bytes);
}

void
session_send(struct session *s, struct kv_bytes *bytes, struct str data)
{
	struct session_core *k = s->core;

	/* Short pieces cost less copied than as a segment of their own. */
	if (data.n <= 1024) {
		buf_str_add(&k->out, data);
		kv_bytes_unref(bytes);
		return;
	}
	core_flush(k);
	stream_write_ref(s->stream, data, release_bytes, bytes);
}

bool
session_is_full(struct session *s)
{
	return s->core->out.n + stream_output_bytes(s->stream) >= STREAM_OUTPUT_HIGH;
}

enum err
session_wait_output(struct session *s)
{
	s->core->wants_output = true;
	return ERR_WAIT;
}

enum reply_form
session_form(const struct session *s)
{
	return (s->enabled & (ENABLED_UTF8 | ENABLED_IMAP4REV2)) != 0 ? REPLY_UTF8 : REPLY_ASCII;
}

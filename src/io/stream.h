/*
 * stream.h - a connection's byte stream: socket, then TLS, then DEFLATE, each added while it goes
 * on.
 *
 * 	caller    stream_write()                         stream_input(), stream_consume()
 * 	             |                                        ^
 * 	         queue of segments: bytes | gate | switch     | input buffer
 * 	             |                                        |
 * 	         [deflate]                                [inflate]
 * 	             |                                        |
 * 	          [TLS]  ------------- socket -------------  [TLS]
 *
 * The process ignores SIGPIPE: OpenSSL writes to sockets without MSG_NOSIGNAL. Never blocks. What
 * is written in one turn of the loop is sent together at its end; what readable() made much of,
 * when that returns. Callbacks come from the loop, never from inside a call of this interface, so a
 * caller can't be entered twice; stream_free() is allowed inside them. An idle stream owns no
 * buffers: input and output memory goes when it is empty, OpenSSL lets go of its own, the deflater
 * is freed after a moment without output and the inflater is reduced to its dictionary.
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "base/buf.h"
#include "io/loop.h"
#include "io/tls.h"

struct stream;

struct stream_ops {
	/*
	 * There is new input, or no more will come (stream_is_eof()). Called again only when more
	 * has come: who leaves bytes and wants to be called for them again asks with stream_wake().
	 */
	void (*readable)(struct stream *s, void *ctx);
	/* Output was full (stream_is_full()) and is below the low mark now. */
	void (*drained)(struct stream *s, void *ctx);
	/*
	 * A gate failed: it and all that was queued behind it have been dropped; what the caller
	 * writes now is sent.
	 */
	void (*gate_failed)(struct stream *s, void *ctx);
	/* The handshake is over (stream_ssl() tells about it). Optional. */
	void (*secured)(struct stream *s, void *ctx);
	/*
	 * The last call: the connection is of no use any more. ERR_OK after stream_close(),
	 * ERR_CLOSED the peer went, ERR_TLS, ERR_CORRUPT (broken DEFLATE data), ERR_IO. The callee
	 * calls stream_free().
	 */
	void (*closed)(struct stream *s, void *ctx, enum err why);
};

enum {
	STREAM_OUTPUT_HIGH = 256 * 1024, /* full: reading stops, and callers should too */
	STREAM_OUTPUT_LOW = 64 * 1024,
	STREAM_INPUT_MAX = 16 * 1024, /* until stream_set_input_max() */
};

/**
 * Takes over a connected socket, which must be non-blocking.
 *
 * @ops  static; @ctx is handed to them
 */
struct stream *stream_new(struct loop *loop, int fd, const struct stream_ops *ops, void *ctx);
/** Closes at once, dropping what is not sent. NULL is fine. */
void stream_free(struct stream *s);
struct loop *stream_loop(const struct stream *s);
/** Not while it is closing, or between two layers. */
bool stream_may_leave(const struct stream *s);
/**
 * Takes it off its loop, whose thread calls. Until stream_enter(), on the thread of another loop, it
 * is not to be used.
 */
void stream_leave(struct stream *s);
void stream_enter(struct stream *s, struct loop *loop);
void *stream_ctx(const struct stream *s);
/** Other callbacks from now on: the next protocol on the same connection. */
void stream_set_ops(struct stream *s, const struct stream_ops *ops, void *ctx);

/* --- Input --- */

/** What has come and is not consumed, in one piece; valid until the next call on the stream. */
struct str stream_input(const struct stream *s);
/** Drops the first n bytes of it; costs nothing but arithmetic. */
void stream_consume(struct stream *s, size_t n);
/**
 * Reading stops while this much waits to be consumed. A bound on memory and on the longest piece
 * that can be seen whole.
 */
void stream_set_input_max(struct stream *s, size_t max);
/**
 * Passwords may come: what has been consumed is overwritten, here and in TLS. Set it right after
 * stream_new(), and take it back when they have come.
 */
void stream_set_secret(struct stream *s, bool is_secret);
/**
 * Stops and starts reading from the peer; while stopped an end or reset of the connection may go
 * unnoticed.
 */
void stream_pause(struct stream *s, bool is_paused);
/** readable() is called in the next turn, whether or not anything came. */
void stream_wake(struct stream *s);
/** The peer sends no more. */
bool stream_is_eof(const struct stream *s);
/**
 * Whether such a peer takes nothing either, which nothing else tells: something that was written has
 * been answered by a reset. It is closed then.
 */
bool stream_is_reset(struct stream *s);

/* --- Output --- */

/** Queues a copy. After stream_close() or an error, writes are dropped. */
void stream_write(struct stream *s, struct str bytes);
/** Takes over the memory of b, which is empty afterwards. Small ones are copied. */
void stream_write_buf(struct stream *s, struct buf *b);
/**
 * Queues bytes without copying; release(arg), which may be NULL, is called when they are no longer
 * needed, whatever happens.
 */
void stream_write_ref(struct stream *s, struct str bytes, void (*release)(void *arg), void *arg);
/**
 * A buffer at the end of the queue to append to, at most until the next call on this stream; it has
 * no maximum of its own,
 *  so ask stream_is_full() between pieces. stream_write_end() must follow.
 */
struct buf *stream_write_begin(struct stream *s);
void stream_write_end(struct stream *s);
/** Bytes queued and not yet given to the socket. */
size_t stream_output_bytes(const struct stream *s);

static inline bool
stream_is_full(const struct stream *s)
{
	return stream_output_bytes(s) >= STREAM_OUTPUT_HIGH;
}

/**
 * Whose time it costs to send (io/loop.h: shares); 0: nobody's. While the owner has had much, what
 * the socket did not take at once goes on as shares.
 */
void stream_set_owner(struct stream *s, uint64_t owner);
/** Sends what it can now instead of at the end of the turn. */
void stream_flush(struct stream *s);

/*
 * A gate in the output: what is queued behind it is not sent before it opens. Embedded by its
 * maker.
 */
enum gate_state { GATE_CLOSED, GATE_OPEN, GATE_FAILED };

struct stream_gate {
	/* asked on the loop; never goes back from open or failed */
	enum gate_state (*state)(struct stream_gate *g);
	void (*release)(struct stream_gate *g); /* the stream is done with it */
};

/** Queues it, or releases it at once when it is open and nothing waits before it. */
void stream_gate(struct stream *s, struct stream_gate *g);
/** Loop thread: a gate may have opened or failed. */
void stream_gate_changed(struct stream *s);

/* --- Layers --- */

/**
 * Begins TLS as the server, after what is queued by now has been sent in the clear.
 * ERR_CLIENTBUG  bytes are buffered behind the command that asked for it, or TLS is on already: end
 *                the connection, for they could come from someone in between (RFC 9051 6.2.1).
 */
must_use enum err stream_start_tls(struct stream *s, struct tls *tls, const char *alpn);
/** NULL before the handshake is over. */
SSL *stream_ssl(const struct stream *s);
/**
 * From here on both directions are DEFLATE (RFC 4978): what was queued before is sent as it is.
 * ERR_EXISTS     it is on already
 * ERR_CLIENTBUG  bytes that are not compressed are buffered already
 */
must_use enum err stream_start_deflate(struct stream *s);
bool stream_is_deflated(const struct stream *s);
/**
 * Ends DEFLATE in both directions (RFC 8437 4.1): what is queued by now is sent compressed, what
 * follows as it is, and so is what comes in from here on. Bytes behind the end of the peer's
 * DEFLATE stream, if it ended it, are input.
 */
void stream_end_deflate(struct stream *s);

/**
 * Sends what is queued (waiting for gates too), ends the layers and the connection properly, then
 * calls closed(). When
 *  nothing moves for a few seconds it gives up. Nothing else is called meanwhile, except
 *  gate_failed().
 */
void stream_close(struct stream *s);
/**
 * The same when the peer has asked for it: its end is not waited for, unless it has sent more, which
 * would make the system drop what it has not read yet.
 */
void stream_part(struct stream *s);
/**
 * Closing, or about to be: does not wait for the peer's end once the peer's system has all that was
 * sent.
 */
void stream_hurry(struct stream *s);

struct stream_stats {
	uint64_t in_bytes, out_bytes; /* as the caller sees them */
	/* through TLS and DEFLATE, without TLS's own framing */
	uint64_t wire_in_bytes, wire_out_bytes;
};
struct stream_stats stream_stats(const struct stream *s);

#endif

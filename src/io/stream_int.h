/*
 * stream_int.h - the inside of a stream, shared by stream.c (life, callbacks), stream_input.c,
 * stream_queue.c (output), stream_close.c, stream_tls.c (handshake) and stream_deflate.c.
 */
#ifndef IO_STREAM_INT_H
#define IO_STREAM_INT_H

#include "io/sign_client.h"
#include "io/stream.h"

/* One piece of the output queue. */
struct segment {
	struct segment *next;

	enum { SEG_BYTES, SEG_REF, SEG_GATE, SEG_TLS, SEG_DEFLATE, SEG_DEFLATE_END } kind;

	size_t sent; /* of its bytes */

	union {
		struct buf own; /* SEG_BYTES */

		struct {
			struct str bytes;
			void (*release)(void *arg);
			void *arg;
		} ref;                    /* SEG_REF */
		struct stream_gate *gate; /* SEG_GATE */
	};
};

/* What has to be told to the caller, in this order, the next time the loop calls. */
enum stream_news {
	NEWS_GATE_FAILED = 1 << 0,
	NEWS_SECURED = 1 << 1,
	NEWS_READABLE = 1 << 2,
	NEWS_DRAINED = 1 << 3,
	NEWS_CLOSED = 1 << 4,
};

struct stream_deflate;

struct stream {
	struct loop *loop;
	const struct stream_ops *ops;
	void *ctx;
	struct loop_fd rfd, wfd;
	/* flush, read what the layers hold, tell the news: all outside the caller's calls */
	struct loop_task work;
	struct loop_timer close_timer;
	bool *freed; /* set when the stream goes during a callback */
	unsigned news;
	/* why the stream is of no use, with NEWS_CLOSED; ERR_OK while it lives */
	enum err end;

	/* Input: in.p[in_at..in.n) is not consumed. */
	struct buf in;
	size_t in_at, in_max;
	uint32_t read_room; /* for the next read: stream_input.c */

	/* Output. */
	struct segment *head, **tail, *last;
	size_t out_bytes;        /* not sent, of all segments */
	struct segment *writing; /* between stream_write_begin() and _end() */
	size_t writing_from;

	/* Layers. */
	struct tls *tls;
	SSL *ssl; /* from the start of the handshake */
	const char *alpn;
	/* the handshake waits for its signature, in a job of OpenSSL, where this is */
	struct sign_question *question;
	bool is_job_paused;            /* there is such a job: it must end before the SSL goes */
	struct sign_waiter job_waiter; /* or for such a job */
	/*
	 * Or for its turn, while many shake hands. Afterwards: its output does, while its owner has
	 * had much time.
	 */
	struct loop_share turn;
	uint64_t owner; /* 0: none */
	bool is_handshakes_turn;
	struct stream_deflate *z;

	bool is_paused, is_eof, is_closing, is_shut;
	bool is_tls_waiting; /* for the clear-text output before it */
	bool is_secured;     /* the handshake is over */
	/* OpenSSL or the inflater holds bytes that select can't see */
	bool has_layered_input;
	bool was_full, is_gate_failed;
	struct stream_stats stats;
	bool is_corked;  /* what is sent waits for more; see stream_cork() */
	bool is_parting; /* see stream_part() */
	bool is_hurried;
	int64_t hurried_until_ms;
	uint64_t close_mark; /* bytes sent when close_timer was set */
};

/* --- stream.c --- */
/**
 * The stream is of no use: drops all output and tells the caller from the loop. The first reason
 * stays.
 */
void stream_fail(struct stream *s, enum err why);
/** Runs stream_work() in the next turn. */
void stream_post(struct stream *s);
/**
 * Until it is uncorked, what is written goes out in whole segments only: for what is followed by
 * more at once. The end of our side (shutdown) lets all go too. A socket that can't do it sends as
 * it always does.
 */
void stream_cork(struct stream *s, bool is_corked);

/* --- stream_input.c --- */
void input_init(struct stream *s);
/** Whether it wants to read, now. */
bool input_may_come(const struct stream *s);
/**
 * The socket is watched when it wants to read. When nothing may be read it is watched on all the
 * same, until it has something: mostly it has not, and that costs nothing.
 */
void input_watch(struct stream *s);
/** Takes what has come. */
void input_take(struct stream *s);
/**
 * Reads from TLS or the socket. n_out > 0, ERR_OK; ERR_WAIT: nothing there; ERR_END: end; else the
 * stream has failed.
 */
enum err stream_wire_read(struct stream *s, char *p, size_t max, size_t *n_out);

/* --- stream_close.c --- */
void closing_init(struct stream *s);
/** When all has been sent: tells the peer that no more comes. */
void closing_go_on(struct stream *s);

/* --- stream_tls.c --- */
/** All that is sent in the clear has been: TLS begins with what comes. */
void handshake_begin(struct stream *s);
/**
 * As far as it goes: is_secured, or it waits for the socket, or for a signature, or the stream has
 * failed.
 */
void handshake_go_on(struct stream *s);
/** For something else than the socket: it goes on with stream_work(). */
bool handshake_is_waiting(const struct stream *s);
/** Before the SSL goes: nobody is asked any more, and the job is back where it came from. */
void handshake_abandon(struct stream *s);
/** Its turn has come. */
void handshake_take_turn(struct stream *s);

/* --- stream_queue.c --- */
void queue_init(struct stream *s);
/** Drops all, releasing what was lent. */
void queue_drop(struct stream *s);
void queue_mark(struct stream *s, int kind);
/** Sends as much as the socket takes. */
void queue_flush(struct stream *s);
bool queue_is_empty(const struct stream *s);

/* --- stream_deflate.c --- */
/*
 * Both directions of DEFLATE. Output waits in a buffer of its own (`wire`) until the socket takes
 * it.
 */
struct stream_deflate *deflate_new(struct stream *s);
void deflate_free(struct stream_deflate *z);
/** The output switch has been reached: from here on what is sent is compressed. */
void deflate_start_output(struct stream_deflate *z);
bool deflate_is_sending(const struct stream_deflate *z);
/** Compresses bytes into the wire buffer. */
void deflate_add(struct stream_deflate *z, struct str bytes);
/** Ends what was added so far at a byte, so that the peer can read all of it. */
void deflate_end_batch(struct stream_deflate *z);
struct str deflate_wire(const struct stream_deflate *z);
void deflate_wire_sent(struct stream_deflate *z, size_t n);
/**
 * Fills p with up to max inflated bytes, reading the wire as needed. Results as stream_wire_read().
 */
enum err deflate_read(struct stream *s, struct stream_deflate *z, char *p, size_t max,
    size_t *n_out);
/** True when bytes wait inside that no event of the socket will announce. */
bool deflate_has_input(const struct stream_deflate *z);
/**
 * Nothing more is inflated; what was received behind the end of the peer's stream. Valid until
 * deflate_free().
 */
struct str deflate_end_input(struct stream_deflate *z);
/** The stream leaves its loop, and enters another. */
void deflate_leave(struct stream_deflate *z);
void deflate_enter(struct stream_deflate *z, struct loop *loop);
bool deflate_is_over(const struct stream_deflate *z);
/** Owns neither a deflater nor an inflater at the moment. */
bool deflate_is_resting(const struct stream_deflate *z);

#endif

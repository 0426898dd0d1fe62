/*
 * stream_queue.c - a stream's output: the queue of segments and how it reaches the socket.
 *
 * Segments before a closed gate go out, those behind it stay. A segment that switches a layer on is
 * reached when all before it has been given to the socket. In the clear, many segments go with one
 * writev(); under TLS small ones are gathered into one record; with DEFLATE they are compressed a
 * batch at a time, and each batch ends with a flush.
 */
#include "base/arena.h"
#include "io/stream_int.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	OWN_MAX = 16 * 1024, /* bytes that small writes are gathered to */
	IOV_COUNT = 64,
	RECORD_BYTES = 16 * 1024, /* most that a TLS record carries */
	BATCH_BYTES = 64 * 1024,  /* compressed at a time */
};

void
queue_init(struct stream *s)
{
	s->head = s->last = NULL;
	s->tail = &s->head;
}

bool
queue_is_empty(const struct stream *s)
{
	return s->head == NULL && (s->z == NULL || deflate_wire(s->z).n == 0);
}

static struct segment *
queue_add(struct stream *s, int kind)
{
	struct segment *seg = xcalloc(1, sizeof(*seg));

	seg->kind = kind;
	*s->tail = seg;
	s->tail = &seg->next;
	s->last = seg;
	return seg;
}

static struct str
segment_rest(const struct segment *seg)
{
	struct str all = seg->kind == SEG_BYTES ? buf_str(&seg->own)
	    : seg->kind == SEG_REF              ? seg->ref.bytes
						: STR_NONE;

	return all.n > seg->sent ? str_make(all.p + seg->sent, all.n - seg->sent) : STR_NONE;
}

static void
segment_free(struct segment *seg)
{
	switch (seg->kind) {
	case SEG_BYTES:
		buf_done(&seg->own);
		break;
	case SEG_REF:
		if (seg->ref.release != NULL)
			seg->ref.release(seg->ref.arg);
		break;
	case SEG_GATE:
		seg->gate->release(seg->gate);
		break;
	case SEG_TLS:
	case SEG_DEFLATE:
	case SEG_DEFLATE_END:
		break;
	}
	free(seg);
}

/* Drops all from *from on. */
static void
drop_from(struct stream *s, struct segment **from)
{
	struct segment *seg = *from;

	*from = NULL;
	s->tail = from;
	s->last = from == &s->head ? NULL : container_of(from, struct segment, next);
	while (seg != NULL) {
		struct segment *next = seg->next;

		s->out_bytes -= segment_rest(seg).n;
		segment_free(seg);
		seg = next;
	}
}

void
queue_drop(struct stream *s)
{
	s->writing = NULL;
	drop_from(s, &s->head);
}

static void
pop_head(struct stream *s)
{
	struct segment *seg = s->head;

	s->head = seg->next;
	if (s->head == NULL) {
		s->tail = &s->head;
		s->last = NULL;
	}
	segment_free(seg);
}

/* --- Writing --- */

static bool
takes_output(const struct stream *s)
{
	return s->end == ERR_OK && !s->is_closing && !s->is_gate_failed;
}

/*
 * Whoever has seen stream_is_full() waits for drained(): so it must be noted whenever it becomes
 * true, compressed bytes and all.
 */
static void
note_full(struct stream *s)
{
	if (stream_is_full(s))
		s->was_full = true;
}

static void
was_written(struct stream *s, size_t n)
{
	s->out_bytes += n;
	s->stats.out_bytes += n;
	note_full(s);
	stream_post(s);
}

/* The last segment when small writes may be added to it, or a new one. */
static struct segment *
own_segment(struct stream *s)
{
	const bool is_more = s->last != NULL && s->last->kind == SEG_BYTES;

	if (is_more && s->last->own.n < OWN_MAX)
		return s->last;
	queue_add(s, SEG_BYTES)->own = BUF_MAX(SIZE_MAX);
	if (is_more) /* much is written: it need not grow step by step */
		buf_reserve(&s->last->own, 2 * OWN_MAX);
	return s->last;
}

void
stream_write(struct stream *s, struct str bytes)
{
	must(s->writing == NULL);
	if (bytes.n == 0 || !takes_output(s))
		return;
	buf_str_add(&own_segment(s)->own, bytes);
	was_written(s, bytes.n);
}

void
stream_write_buf(struct stream *s, struct buf *b)
{
	size_t n = b->n;

	must(s->writing == NULL);
	if (n < OWN_MAX / 8 || !takes_output(s)) {
		stream_write(s, buf_str(b));
		buf_done(b);
		return;
	}
	queue_add(s, SEG_BYTES)->own = *b;
	*b = BUF_MAX(b->max);
	s->last->own.max = SIZE_MAX;
	was_written(s, n);
}

void
stream_write_ref(struct stream *s, struct str bytes, void (*release)(void *arg), void *arg)
{
	struct segment *seg;

	must(s->writing == NULL);
	if (bytes.n == 0 || !takes_output(s)) {
		if (release != NULL)
			release(arg);
		return;
	}
	seg = queue_add(s, SEG_REF);
	seg->ref.bytes = bytes;
	seg->ref.release = release;
	seg->ref.arg = arg;
	was_written(s, bytes.n);
}

struct buf *
stream_write_begin(struct stream *s)
{
	must(s->writing == NULL);
	s->writing = own_segment(s);
	s->writing_from = s->writing->own.n;
	return &s->writing->own;
}

void
stream_write_end(struct stream *s)
{
	struct segment *seg = s->writing;

	must(seg != NULL);
	s->writing = NULL;
	if (!takes_output(s))
		buf_truncate(&seg->own, s->writing_from);
	was_written(s, seg->own.n - s->writing_from);
}

void
stream_gate(struct stream *s, struct stream_gate *g)
{
	if (!takes_output(s) || (s->head == NULL && g->state(g) == GATE_OPEN)) {
		g->release(g);
		return;
	}
	queue_add(s, SEG_GATE)->gate = g;
	stream_post(s);
}

void
queue_mark(struct stream *s, int kind)
{
	queue_add(s, kind);
	stream_post(s);
}

size_t
stream_output_bytes(const struct stream *s)
{
	return s->out_bytes + (s->z != NULL ? deflate_wire(s->z).n : 0);
}

/* --- Sending --- */

/*
 * The first `max` bytes of the queue that may go now, gathered in scratch when they are in several
 * segments.
 */
static struct str
gather(const struct stream *s, char scratch[RECORD_BYTES])
{
	const struct segment *seg = s->head;
	struct str first = segment_rest(seg);
	size_t n = 0;

	if (first.n >= RECORD_BYTES || seg->next == NULL)
		return str_make(first.p, MIN(first.n, RECORD_BYTES));
	for (; seg != NULL && (seg->kind == SEG_BYTES || seg->kind == SEG_REF) && n < RECORD_BYTES;
	     seg = seg->next) {
		struct str rest = segment_rest(seg);
		size_t take = MIN(rest.n, RECORD_BYTES - n);

		if (take > 0)
			memcpy(scratch + n, rest.p, take);
		n += take;
	}
	return str_make(scratch, n);
}

/* One record. A retry offers the same bytes and possibly more, which is what OpenSSL asks for. */
static size_t
tls_send(struct stream *s, struct str bytes)
{
	size_t n = 0;
	int r;

	ERR_clear_error();
	r = SSL_write_ex(s->ssl, bytes.p, MIN(bytes.n, RECORD_BYTES), &n);
	if (r == 1)
		return n;
	switch (SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_WRITE:
		loop_fd_on(&s->wfd);
		break;
	case SSL_ERROR_WANT_READ:
		break; /* flushed again after the next read */
	case SSL_ERROR_SYSCALL:
	case SSL_ERROR_ZERO_RETURN:
		stream_fail(s, ERR_CLOSED);
		break;
	default:
		stream_fail(s, ERR_TLS);
		break;
	}
	ERR_clear_error();
	return 0;
}

/* Is it the last before our side ends? Then it goes out with that. */
static bool
is_last(const struct stream *s, const struct iovec *iov, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count && s->is_closing; i++)
		n += iov[i].iov_len;
	return s->is_closing && s->z == NULL && n == s->out_bytes;
}

static size_t
socket_send(struct stream *s, struct iovec *iov, size_t count)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = count };
	int more = is_last(s, iov, count) ? MSG_MORE : 0;
	ssize_t n;

	do
		n = sendmsg(s->wfd.fd, &m, MSG_NOSIGNAL | more);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN)
		loop_fd_on(&s->wfd);
	else
		stream_fail(s, ERR_CLOSED);
	return 0;
}

static size_t
socket_send_queue(struct stream *s)
{
	struct iovec iov[IOV_COUNT];
	size_t count = 0;

	for (struct segment *seg = s->head;
	     seg != NULL && (seg->kind == SEG_BYTES || seg->kind == SEG_REF) && count < IOV_COUNT;
	     seg = seg->next) {
		struct str rest = segment_rest(seg);

		iov[count++] = (struct iovec){ .iov_base = (char *)rest.p, .iov_len = rest.n };
	}
	return socket_send(s, iov, count);
}

/* Takes n bytes off the front of the queue, and empty segments. */
static void
advance(struct stream *s, size_t n)
{
	s->out_bytes -= n;
	while (s->head != NULL && (s->head->kind == SEG_BYTES || s->head->kind == SEG_REF)) {
		size_t rest = segment_rest(s->head).n;

		if (rest > n) {
			s->head->sent += n;
			return;
		}
		n -= rest;
		pop_head(s);
	}
}

/*
 * Compresses the next bytes of the queue, up to a batch or to what may not go yet, and ends with a
 * flush.
 */
static void
compress_batch(struct stream *s)
{
	size_t n = 0;

	while (s->head != NULL && (s->head->kind == SEG_BYTES || s->head->kind == SEG_REF)
	    && n < BATCH_BYTES) {
		struct str rest = segment_rest(s->head);

		rest.n = MIN(rest.n, BATCH_BYTES);
		if (rest.n > 0)
			deflate_add(s->z, rest);
		advance(s, rest.n);
		n += rest.n;
	}
	if (n > 0)
		deflate_end_batch(s->z);
}

/* False when the socket takes no more now. */
static bool
send_wire(struct stream *s)
{
	struct str wire;

	while ((wire = deflate_wire(s->z)).n > 0) {
		struct iovec iov = { .iov_base = (char *)wire.p, .iov_len = wire.n };
		size_t n = s->ssl != NULL ? tls_send(s, wire) : socket_send(s, &iov, 1);

		if (n == 0)
			return false;
		s->stats.wire_out_bytes += n;
		deflate_wire_sent(s->z, n);
	}
	return true;
}

/* False when the socket takes no more now. */
static bool
send_bytes(struct stream *s)
{
	size_t n;

	if (s->z != NULL && deflate_is_sending(s->z)) {
		compress_batch(s);
		return send_wire(s);
	}
	if (segment_rest(s->head).n == 0) {
		advance(s, 0);
		return true;
	}
	if (s->ssl != NULL) {
		char scratch[RECORD_BYTES];
		struct str record = gather(s, scratch);

		if (s->is_closing && record.n == s->out_bytes)
			/* the last, the end of TLS and that of our side go out together */
			stream_cork(s, true);
		n = tls_send(s, record);
	} else {
		n = socket_send_queue(s);
	}
	s->stats.wire_out_bytes += n;
	if (n > 0)
		advance(s, n);
	return n > 0;
}

/* False when it holds. */
static bool
pass_gate(struct stream *s)
{
	switch (s->head->gate->state(s->head->gate)) {
	case GATE_CLOSED:
		return false;
	case GATE_OPEN:
		pop_head(s);
		return true;
	case GATE_FAILED:
		drop_from(s, &s->head);
		s->is_gate_failed = true;
		s->news |= NEWS_GATE_FAILED;
		stream_post(s);
		return false;
	}
	return false;
}

void
queue_flush(struct stream *s)
{
	bool goes_on = s->end == ERR_OK && s->writing == NULL && !s->wfd.is_on
	    && (s->ssl == NULL || s->is_secured);

	if (goes_on && s->z != NULL)
		goes_on = send_wire(s);
	while (goes_on && s->head != NULL) {
		switch (s->head->kind) {
		case SEG_BYTES:
		case SEG_REF:
			goes_on = send_bytes(s);
			break;
		case SEG_GATE:
			goes_on = pass_gate(s);
			break;
		case SEG_TLS:
			pop_head(s);
			handshake_begin(s);
			/* what follows is sent when the handshake is over */
			goes_on = false;
			break;
		case SEG_DEFLATE:
			pop_head(s);
			deflate_start_output(s->z);
			break;
		case SEG_DEFLATE_END:
			/* All before it has been sent: only then does the flush come here. */
			pop_head(s);
			deflate_free(s->z);
			s->z = NULL;
			break;
		}
	}
	note_full(s);
	if (s->was_full && stream_output_bytes(s) < STREAM_OUTPUT_LOW) {
		s->was_full = false;
		s->news |= NEWS_DRAINED;
		stream_post(s);
	}
}

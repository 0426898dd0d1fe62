/* stream_input.c - what a stream reads, and the caller's side of it. */
#include "io/stream_int.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>

enum {
	/* a read into an empty buffer: as much as came lately, so that one read takes it */
	READ_MIN = 4096,
	READ_MAX = 32 * 1024,
	READ_BUDGET = 128 * 1024, /* a turn */
	/* buffers that a loop keeps for its streams: below, malloc() has them at hand */
	SPARE_MIN = 64 * 1024,
	SPARE_MAX = 256 * 1024,
};

void
input_init(struct stream *s)
{
	s->in = BUF_MAX(SIZE_MAX);
	s->in_max = STREAM_INPUT_MAX;
	s->read_room = READ_MIN;
}

bool
input_may_come(const struct stream *s)
{
	if (s->end != ERR_OK || s->is_eof || s->is_tls_waiting || handshake_is_waiting(s))
		return false;
	if (s->is_shut || (s->ssl != NULL && !s->is_secured))
		return true; /* to notice the end; for the handshake */
	return !s->is_paused && !s->is_closing && !s->was_full && s->in.n - s->in_at < s->in_max;
}

void
input_watch(struct stream *s)
{
	if (!input_may_come(s))
		return;
	loop_fd_on(&s->rfd);
	if (s->has_layered_input)
		stream_post(s);
}

static enum err
tls_read(struct stream *s, char *p, size_t max, size_t *n_out)
{
	int r;

	ERR_clear_error();
	r = SSL_read_ex(s->ssl, p, max, n_out);
	if (r == 1)
		return ERR_OK;
	r = SSL_get_error(s->ssl, r);
	ERR_clear_error();
	switch (r) {
	case SSL_ERROR_WANT_READ:
		return ERR_WAIT;
	case SSL_ERROR_WANT_WRITE:
		loop_fd_on(&s->wfd);
		return ERR_WAIT;
	case SSL_ERROR_ZERO_RETURN:
		return ERR_END;
	case SSL_ERROR_SYSCALL:
		return ERR_CLOSED;
	default:
		return ERR_TLS;
	}
}

static enum err
socket_read(struct stream *s, char *p, size_t max, size_t *n_out)
{
	ssize_t n;

	do
		n = recv(s->rfd.fd, p, max, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		*n_out = (size_t)n;
		return ERR_OK;
	}
	return n == 0 ? ERR_END : errno == EAGAIN ? ERR_WAIT : ERR_CLOSED;
}

enum err
stream_wire_read(struct stream *s, char *p, size_t max, size_t *n_out)
{
	enum err e = s->ssl != NULL ? tls_read(s, p, max, n_out) : socket_read(s, p, max, n_out);

	if (e == ERR_OK)
		s->stats.wire_in_bytes += *n_out;
	return e;
}

/* Of a stream that is about to hold so much: the loop's large buffer, if there is one. */
static void
spare_take(struct stream *s, size_t held, size_t room)
{
	struct buf *spare = loop_spare(s->loop), mine;

	if (spare->cap < s->in.n + room || held + room < SPARE_MIN / 2 || s->in.is_secret)
		return;
	mine = s->in;
	s->in = (struct buf){ .p = spare->p, .cap = spare->cap, .max = mine.max };
	*spare = (struct buf){ .max = SIZE_MAX };
	buf_add(&s->in, mine.p, mine.n);
	buf_done(&mine);
}

static void
spare_leave(struct stream *s)
{
	struct buf *spare = loop_spare(s->loop);

	if (s->in.cap < SPARE_MIN || s->in.cap > SPARE_MAX || spare->p != NULL || s->in.is_secret)
		return;
	*spare = (struct buf){ .p = s->in.p, .cap = s->in.cap, .max = SIZE_MAX };
	s->in = (struct buf){ .max = s->in.max };
}

/* Room for the next read; NULL when the input is full. */
static char *
input_room(struct stream *s, size_t *n_out)
{
	size_t held = s->in.n - s->in_at;
	size_t n = held < s->in_max ? MIN(s->in_max - held, MAX(held, (size_t)s->read_room)) : 0;

	if (n == 0)
		return NULL;
	if (s->in_at > held) { /* moves fewer bytes than were consumed: cheap over the whole */
		buf_consume(&s->in, s->in_at);
		s->in_at = 0;
	}
	*n_out = n;
	s->in.max = SIZE_MAX; /* in_max bounds it, with what is consumed in front of it */
	if (s->in.cap < s->in.n + n)
		spare_take(s, held, n);
	return buf_reserve(&s->in, n);
}

static void
release_empty_input(struct stream *s)
{
	if (s->in_at == s->in.n) {
		spare_leave(s);
		buf_done(&s->in);
		s->in_at = 0;
	}
}

static void
read_input(struct stream *s)
{
	size_t budget = READ_BUDGET, room = READ_MIN;
	enum err e = ERR_OK;

	s->has_layered_input = false;
	while (e == ERR_OK) {
		size_t n = 0, max;
		char *p = input_room(s, &max);

		if (p == NULL || budget == 0) {
			s->has_layered_input = s->ssl != NULL || s->z != NULL;
			break;
		}
		e = stream_is_deflated(s) ? deflate_read(s, s->z, p, max, &n)
					  : stream_wire_read(s, p, max, &n);
		if (e != ERR_OK)
			break;
		s->in.n += n;
		s->stats.in_bytes += n;
		s->news |= NEWS_READABLE;
		budget -= MIN(budget, n);
		if (n < max && s->z == NULL && (s->ssl == NULL || SSL_has_pending(s->ssl) == 0))
			break; /* the socket is empty, or says so if it is not */
	}
	while (room <= READ_BUDGET - budget && room < READ_MAX)
		room *= 2;
	/* Slowly less: commands come between messages. */
	s->read_room = (uint32_t)MAX(room, s->read_room - s->read_room / 4);
	release_empty_input(s);
	if (e == ERR_END) {
		s->is_eof = true;
		s->news |= NEWS_READABLE;
	} else if (e != ERR_OK && e != ERR_WAIT) {
		stream_fail(s, e);
	}
}

/* After our end was sent: until theirs. */
static void
discard_input(struct stream *s)
{
	char scratch[4096];
	ssize_t n = recv(s->rfd.fd, scratch, sizeof(scratch), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		stream_fail(s, ERR_CLOSED);
}

void
input_take(struct stream *s)
{
	if (!input_may_come(s))
		return;
	if (s->is_shut) {
		discard_input(s);
		return;
	}
	if (s->ssl != NULL && !s->is_secured) {
		handshake_go_on(s);
		/* Of what came with its last bytes the socket says nothing any more. */
		if (!s->is_secured || SSL_has_pending(s->ssl) == 0)
			return;
	}
	read_input(s);
}

struct str
stream_input(const struct stream *s)
{
	return s->in.n > s->in_at ? str_make(s->in.p + s->in_at, s->in.n - s->in_at) : STR_NONE;
}

void
stream_consume(struct stream *s, size_t n)
{
	must(n <= s->in.n - s->in_at);
	s->in_at += n;
	release_empty_input(s);
	if (!s->rfd.is_on || s->has_layered_input)
		input_watch(s);
}

void
stream_set_input_max(struct stream *s, size_t max)
{
	s->in_max = max;
	input_watch(s);
}

void
stream_set_secret(struct stream *s, bool is_secret)
{
	if (s->in.is_secret && !is_secret && s->in_at > 0) {
		buf_consume(&s->in, s->in_at);
		s->in_at = 0;
	}
	s->in.is_secret = is_secret;
	if (s->ssl != NULL && is_secret)
		SSL_set_options(s->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	else if (s->ssl != NULL)
		SSL_clear_options(s->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

void
stream_pause(struct stream *s, bool is_paused)
{
	s->is_paused = is_paused;
	input_watch(s);
}

bool
stream_is_eof(const struct stream *s)
{
	return s->is_eof;
}

bool
stream_is_reset(struct stream *s)
{
	int error = 0;
	socklen_t n = sizeof(error);

	/* Others may be what a router said, which the connection outlives. */
	if (s->end == ERR_OK
	    && (getsockopt(s->wfd.fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 || error == ECONNRESET
		|| error == EPIPE || error == ETIMEDOUT))
		stream_fail(s, ERR_CLOSED);
	return s->end != ERR_OK;
}

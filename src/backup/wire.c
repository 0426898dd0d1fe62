/* wire.c - see wire.h. */
#include "backup/wire.h"

#include "base/bytes.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 5 };

static enum err
send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : ERR_IO;
		p += done;
		n -= (size_t)done;
	}
	return ERR_OK;
}

enum err
wire_send(int fd, char kind, struct str body)
{
	char head[HEAD_BYTES] = { kind };
	enum err e;

	must(body.n <= WIRE_MAX_BYTES);
	put_le32(head + 1, (uint32_t)body.n);
	e = send_all(fd, head, sizeof(head));
	return e == ERR_OK ? send_all(fd, body.p, body.n) : e;
}

/* ERR_END when nothing came. */
static enum err
receive_all(int fd, char *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t more = recv(fd, p + got, n - got, 0);

		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return errno == ECONNRESET ? ERR_CLOSED : ERR_IO;
		if (more == 0)
			return got == 0 ? ERR_END : ERR_CLOSED;
		got += (size_t)more;
	}
	return ERR_OK;
}

enum err
wire_receive(int fd, char *kind_out, struct buf *body)
{
	char head[HEAD_BYTES];
	enum err e = receive_all(fd, head, sizeof(head));
	size_t n;

	if (e != ERR_OK)
		return e;
	n = get_le32(head + 1);
	if (n > WIRE_MAX_BYTES)
		return ERR_LIMIT;
	buf_clear(body);
	if (n != 0) {
		char *p = buf_reserve(body, n);

		if (p == NULL)
			return ERR_LIMIT;
		e = receive_all(fd, p, n);
		body->n = n;
	}
	*kind_out = head[0];
	return e == ERR_END ? ERR_CLOSED : e;
}

void
wire_u64(struct buf *out, uint64_t v)
{
	char bytes[8];

	put_le64(bytes, v);
	buf_add(out, bytes, sizeof(bytes));
}

void
wire_str(struct buf *out, struct str s)
{
	char bytes[4];

	put_le32(bytes, (uint32_t)s.n);
	buf_add(out, bytes, sizeof(bytes));
	buf_str_add(out, s);
}

bool
wire_take_u64(struct str *rest, uint64_t *out)
{
	if (rest->n < 8)
		return false;
	*out = get_le64(rest->p);
	*rest = str_sub(*rest, 8, rest->n);
	return true;
}

bool
wire_take_str(struct str *rest, struct str *out)
{
	size_t n;

	if (rest->n < 4)
		return false;
	n = get_le32(rest->p);
	if (n > rest->n - 4)
		return false;
	*out = str_sub(*rest, 4, 4 + n);
	*rest = str_sub(*rest, 4 + n, rest->n);
	return true;
}

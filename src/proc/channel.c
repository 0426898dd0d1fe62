/* channel.c - see channel.h. */
#include "proc/channel.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SEND_TIMEOUT_MS = 5000, READ_BYTES = 65536 };

void
channel_init(struct channel *ch, int fd)
{
	*ch = (struct channel){ .fd = fd, .in = BUF_SECRET(2 * FRAME_MAX) };
}

void
channel_done(struct channel *ch)
{
	if (ch->fd >= 0)
		close(ch->fd);
	ch->fd = -1;
	for (size_t i = 0; i < ch->fd_count; i++)
		close(ch->fds[i]);
	ch->fd_count = 0;
	ch->used = 0;
	buf_done(&ch->in);
}

/* Room for one descriptor beside a message; a union for its alignment. */
union rights {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

static ssize_t
send_some(int socket, struct str data, int fd)
{
	struct iovec iov = { (void *)(uintptr_t)data.p, data.n };
	union rights rights = { .space = { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = &rights;
		msg.msg_controllen = sizeof(rights);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

enum err
channel_send(struct channel *ch, const struct proc_message *m, int fd)
{
	BUF_CLEAN struct buf b = BUF_SECRET(2 * FRAME_MAX);
	size_t at = 0;

	must((fd >= 0) == proc_message_has_fd(m->type));
	if (ch->fd < 0)
		return ERR_CLOSED;
	proc_message_add(&b, m);
	while (at < b.n) {
		ssize_t n = send_some(ch->fd, str_sub(buf_str(&b), at, b.n), at == 0 ? fd : -1);

		if (n > 0) {
			at += (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = { .fd = ch->fd, .events = POLLOUT };

			if (poll(&p, 1, SEND_TIMEOUT_MS) == 0)
				return ERR_TIMEOUT;
		} else if (errno != EINTR) {
			return ERR_CLOSED;
		}
	}
	explicit_bzero(b.p, b.n);
	return ERR_OK;
}

/*
 * Keeps the descriptors that came along; too many are closed, which the missing one will tell
 * later.
 */
static void
take_fds(struct channel *ch, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (ch->fd_count < CHANNEL_FDS_MAX)
				ch->fds[ch->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

enum err
channel_read(struct channel *ch, bool may_block)
{
	union rights rights;
	struct iovec iov = { NULL, READ_BYTES };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &rights,
		.msg_controllen = sizeof(rights) };
	ssize_t n;

	buf_consume(&ch->in, ch->used);
	ch->used = 0;
	iov.iov_base = buf_reserve(&ch->in, READ_BYTES);
	if (ch->fd < 0 || iov.iov_base == NULL)
		return ERR_CLOSED;
	n = recvmsg(ch->fd, &msg, MSG_CMSG_CLOEXEC | (may_block ? 0 : MSG_DONTWAIT));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return ERR_WAIT;
	if (n <= 0)
		return ERR_CLOSED;
	take_fds(ch, &msg);
	ch->in.n += (size_t)n;
	return ERR_OK;
}

enum err
channel_next(struct channel *ch, bool for_child, struct proc_message *out, int *fd_out)
{
	enum err e;

	buf_consume(&ch->in, ch->used);
	ch->used = 0;
	e = proc_message_next(buf_str(&ch->in), for_child, out, &ch->used);
	if (e != ERR_OK) {
		ch->used = 0;
		return e;
	}
	*fd_out = -1;
	if (!proc_message_has_fd(out->type))
		return ERR_OK;
	if (ch->fd_count == 0)
		return ERR_CORRUPT;
	*fd_out = ch->fds[0];
	memmove(ch->fds, ch->fds + 1, --ch->fd_count * sizeof(int));
	return ERR_OK;
}

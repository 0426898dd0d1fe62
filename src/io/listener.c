/* listener.c - see listener.h. */
#include "io/listener.h"

#include "base/arena.h"
#include "base/bell.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ACCEPT_BUDGET = 8,     /* connections a turn */
	ACCEPT_PAUSE_MS = 100, /* when descriptors or memory are out */
	TOLD_MS = 10000,       /* that they are out is told once in that time */
	/* descriptors that connections leave for the store's files, or a quarter */
	RESERVE_MAX = 768,
};

struct listener {
	struct loop *acceptor;
	struct loop *const *loops;
	size_t loop_count, next;
	struct loop_fd fd;
	struct loop_timer pause;
	int fd_end;      /* connections have descriptors below */
	int64_t told_ms; /* when we told last that descriptors are out; 0: never */
	struct prefix_limit *limit;
	const struct listener_ops *ops;
	void *ctx;
	atomic_uint refs; /* one of the owner, one for each connection on its way */
	atomic_bool is_closed;
};

/* A connection on its way to its loop. */
struct handover {
	struct loop_task task;
	struct listener *ln;
	struct loop *loop;
	int fd;
	struct io_addr peer;
};

static void
listener_unref(struct listener *ln)
{
	if (atomic_fetch_sub(&ln->refs, 1) == 1)
		free(ln);
}

static void
handover_run(struct loop_task *t)
{
	struct handover *h = container_of(t, struct handover, task);

	if (atomic_load(&h->ln->is_closed)) {
		prefix_leave(h->ln->limit, &h->peer);
		close(h->fd);
	} else {
		h->ln->ops->accepted(h->ln->ctx, h->loop, h->fd, &h->peer);
	}
	listener_unref(h->ln);
	free(h);
}

static void
hand_over(struct listener *ln, int fd, const struct io_addr *peer)
{
	struct handover *h;

	h = xcalloc(1, sizeof(*h));
	loop_task_init(&h->task, handover_run);
	h->ln = ln;
	h->loop = ln->loops[ln->next++ % ln->loop_count];
	h->fd = fd;
	h->peer = *peer;
	atomic_fetch_add(&ln->refs, 1);
	loop_post(h->loop, &h->task);
}

static void
refuse(struct listener *ln, const struct io_addr *peer, int errno_code)
{
	if (ln->ops->refused != NULL)
		ln->ops->refused(ln->ctx, peer, errno_code);
}

static void
pause_over(struct loop_timer *t)
{
	struct listener *ln = container_of(t, struct listener, pause);

	loop_fd_on(&ln->fd);
}

static void
accept_failed(struct listener *ln, int errno_code)
{
	const struct io_addr nobody = { .n = 0 };

	switch (errno_code) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		loop_fd_off(&ln->fd);
		loop_timer_set(ln->acceptor, &ln->pause, ACCEPT_PAUSE_MS);
		if (ln->told_ms != 0 && loop_now_ms(ln->acceptor) - ln->told_ms < TOLD_MS)
			break;
		ln->told_ms = loop_now_ms(ln->acceptor);
		refuse(ln, &nobody, errno_code);
		break;
	default: /* EAGAIN, or the one connection died before we came */
		break;
	}
}

/* False when there are no more, or none may be taken now. */
static bool
accept_one(struct listener *ln)
{
	struct io_addr peer = { .n = sizeof(peer.sa) };
	int fd =
	    accept4(ln->fd.fd, (struct sockaddr *)&peer.sa, &peer.n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		accept_failed(ln, errno);
		return false;
	}
	if (fd >= ln->fd_end) {
		close(fd);
		accept_failed(ln, EMFILE);
		return false;
	}
	if (prefix_enter(ln->limit, &peer)) {
		hand_over(ln, fd, &peer);
	} else {
		close(fd);
		refuse(ln, &peer, 0);
	}
	return true;
}

static void
accept_ready(struct loop_fd *f)
{
	struct listener *ln = container_of(f, struct listener, fd);
	int i = 0;

	bells_hold(); /* a loop that gets several is woken once */
	while (i < ACCEPT_BUDGET && accept_one(ln))
		i++;
	bells_release();
}

/* The system gives the lowest number that is free: one near the limit means that few are left. */
static int
descriptors_for_connections(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur > INT_MAX)
		return INT_MAX;
	return (int)(rl.rlim_cur - MIN(rl.rlim_cur / 4, (rlim_t)RESERVE_MAX));
}

/*
 * What is accepted has them from the socket that listens: answers are written whole, so waiting for
 * more only delays them; and a peer that vanished is noticed in time. Unix sockets have no such
 * options.
 */
static void
set_options(int fd)
{
	const int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

struct listener *
listener_open(struct loop *acceptor, struct loop *const *loops, size_t loop_count, int fd,
    struct prefix_limit *limit, const struct listener_ops *ops, void *ctx)
{
	struct listener *ln = xcalloc(1, sizeof(*ln));

	must(loop_count > 0);
	set_options(fd);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	ln->acceptor = acceptor;
	ln->loops = loops;
	ln->loop_count = loop_count;
	ln->limit = limit;
	ln->fd_end = descriptors_for_connections();
	ln->ops = ops;
	ln->ctx = ctx;
	atomic_init(&ln->refs, 1);
	atomic_init(&ln->is_closed, false);
	loop_timer_init(&ln->pause, pause_over);
	loop_fd_init(acceptor, &ln->fd, fd, false, accept_ready);
	loop_fd_on(&ln->fd);
	return ln;
}

void
listener_close(struct listener *ln)
{
	if (ln == NULL)
		return;
	atomic_store(&ln->is_closed, true);
	loop_fd_off(&ln->fd);
	loop_timer_cancel(ln->acceptor, &ln->pause);
	listener_unref(ln);
}

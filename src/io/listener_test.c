/*
 * listener_test.c - connections are dealt out in turn, counted, and wait while descriptors are out.
 */
#include "io/listener.h"

#include "base/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MANY = 100 };

struct seen {
	struct loop *loops[2];
	int per_loop[2], fds[MANY], count, refused, failed;
};

static bool
has_option(int fd, int level, int option)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return getsockopt(fd, level, option, &on, &n) == 0 && on != 0;
}

static void
on_accepted(void *ctx, struct loop *loop, int fd, const struct io_addr *peer)
{
	struct seen *s = ctx;

	CHECK(io_addr_is_local(peer));
	CHECK(has_option(fd, IPPROTO_TCP, TCP_NODELAY) && has_option(fd, SOL_SOCKET, SO_KEEPALIVE));
	s->per_loop[loop == s->loops[1]]++;
	s->fds[s->count++] = fd;
}

static void
on_refused(void *ctx, const struct io_addr *peer, int errno_code)
{
	struct seen *s = ctx;

	(void)peer;
	if (errno_code != 0)
		s->failed++;
	else
		s->refused++;
}

static const struct listener_ops ops = { .accepted = on_accepted, .refused = on_refused };

static int
listening(struct sockaddr_in *a)
{
	socklen_t n = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(bind(fd, (struct sockaddr *)a, sizeof(*a)) == 0 && listen(fd, MANY) == 0);
	must(getsockname(fd, (struct sockaddr *)a, &n) == 0);
	return fd;
}

static int
connect_to(const struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0);
	return fd;
}

static void
test_dealt_out_in_turn(void)
{
	struct seen s = { .loops = { loop_new(clock_system()), loop_new(clock_system()) } };
	struct sockaddr_in a;
	int fd = listening(&a), clients[MANY];
	struct listener *ln = listener_open(s.loops[0], s.loops, 2, fd, NULL, &ops, &s);

	for (int i = 0; i < MANY; i++)
		clients[i] = connect_to(&a);
	while (s.count < MANY) {
		loop_turn(s.loops[0], false);
		loop_turn(s.loops[1], false);
	}
	CHECK_U64(s.per_loop[0], MANY / 2);
	CHECK_U64(s.per_loop[1], MANY / 2);
	for (int i = 0; i < MANY; i++) {
		close(clients[i]);
		close(s.fds[i]);
	}
	/* One on its way when the listener closes is closed too. */
	clients[0] = connect_to(&a);
	loop_turn(s.loops[0], false);
	listener_close(ln);
	for (int i = 0; i < 3; i++) {
		loop_turn(s.loops[0], false);
		loop_turn(s.loops[1], false);
	}
	CHECK_U64(s.count, MANY);
	close(clients[0]);
	close(fd);
	loop_free(s.loops[0]);
	loop_free(s.loops[1]);
}

static void
test_out_of_descriptors(void)
{
	struct seen s = { .loops = { loop_new(clock_system()) } };
	struct sockaddr_in a;
	struct rlimit before, tight;
	int fd = listening(&a), probe = dup(fd);
	struct listener *ln = listener_open(s.loops[0], s.loops, 1, fd, NULL, &ops, &s);
	int client = connect_to(&a);

	close(probe);
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = (rlim_t)probe;
	setrlimit(RLIMIT_NOFILE, &tight);
	for (int i = 0; i < 5; i++)
		loop_turn(s.loops[0], false);
	CHECK_U64(s.failed, 1); /* and then it does not spin */
	CHECK_U64(s.count, 0);
	setrlimit(RLIMIT_NOFILE, &before);
	while (s.count == 0)
		loop_turn(s.loops[0], true);
	close(s.fds[0]);
	close(client);
	listener_close(ln);
	close(fd);
	loop_free(s.loops[0]);
}

TEST_MAIN(TEST(test_dealt_out_in_turn), TEST(test_out_of_descriptors))

/* selftest_sockets.c - whom no process of ours may talk to. */
#include "daemon/selftest_int.h"

#include "base/attr.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
accept_client(unused_arg const struct ground *g)
{
	int e = tried(accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC));

	return e == EPERM || e == EACCES ? e : 0; /* that it is no socket is no denial */
}

static int
make_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	return fd >= 0 || (errno != EPERM && errno != EACCES) ? 0 : errno;
}

static int
tcp4(unused_arg const struct ground *g)
{
	return make_socket(AF_INET, SOCK_STREAM, 0);
}

static int
tcp6(unused_arg const struct ground *g)
{
	return make_socket(AF_INET6, SOCK_STREAM, 0);
}

static int
udp(unused_arg const struct ground *g)
{
	return make_socket(AF_INET, SOCK_DGRAM, 0);
}

static int
raw(unused_arg const struct ground *g)
{
	return make_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int
packet(unused_arg const struct ground *g)
{
	return make_socket(AF_PACKET, SOCK_RAW, 0);
}

static int
netlink(unused_arg const struct ground *g)
{
	return make_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int
kernel_crypto(unused_arg const struct ground *g)
{
	return make_socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static int
vsock(unused_arg const struct ground *g)
{
	return make_socket(AF_VSOCK, SOCK_STREAM, 0);
}

static int
unix_stream(unused_arg const struct ground *g)
{
	return make_socket(AF_UNIX, SOCK_STREAM, 0);
}

static int
unix_datagram(unused_arg const struct ground *g)
{
	return make_socket(AF_UNIX, SOCK_DGRAM, 0);
}

static int
datagram_pair(unused_arg const struct ground *g)
{
	int fds[2];

	return tried(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds));
}

/* With a socket that it has. */
static int
on_pair(int (*what)(int fd, const struct sockaddr *to, socklen_t n))
{
	const struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "made" };
	int fds[2], e;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return 0;
	e = tried(what(fds[0], (const struct sockaddr *)&un, sizeof(un)));
	/* that it is connected already is no denial */
	return e == EPERM || e == EACCES ? e : 0;
}

static int
do_listen(int fd, unused_arg const struct sockaddr *to, unused_arg socklen_t n)
{
	return listen(fd, 1);
}

static int
do_send(int fd, const struct sockaddr *to, socklen_t n)
{
	return (int)sendto(fd, "x", 1, MSG_NOSIGNAL, to, n);
}

static int
connect_out(unused_arg const struct ground *g)
{
	return on_pair(connect);
}

static int
bind_name(unused_arg const struct ground *g)
{
	return on_pair(bind);
}

static int
listen_more(unused_arg const struct ground *g)
{
	return on_pair(do_listen);
}

static int
send_to_name(unused_arg const struct ground *g)
{
	return on_pair(do_send);
}

static const struct act acts[] = {
	ACT(BY_ALL, "TCP over IPv4", tcp4),
	ACT(BY_ALL, "TCP over IPv6", tcp6),
	ACT(BY_ALL, "UDP", udp),
	ACT(BY_ALL, "raw socket", raw),
	ACT(BY_ALL, "packet socket", packet),
	ACT(BY_ALL, "netlink socket", netlink),
	ACT(BY_ALL, "kernel crypto socket", kernel_crypto),
	ACT(BY_ALL, "vsock", vsock),
	ACT(BY_CHILDREN, "unix socket", unix_stream),
	ACT(BY_CHILDREN, "unix datagram socket", unix_datagram),
	ACT(BY_CHILDREN, "pair of datagram sockets", datagram_pair),
	ACT(BY_CHILDREN, "connect", connect_out),
	ACT(BY_ALL, "bind", bind_name),
	ACT(BY_ALL, "listen", listen_more),
	ACT(BY_CHILDREN, "send to an address", send_to_name),
	ACT(BY_KEY, "accept a connection", accept_client),
};
const struct act_group selftest_sockets = { acts, ARRAY_LEN(acts) };

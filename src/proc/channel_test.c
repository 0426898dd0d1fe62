/* channel_test.c - unit tests of channel.c and message.c. */
#include "proc/channel.h"

#include "base/test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void
pair(struct channel *a, struct channel *b)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	channel_init(a, fds[0]);
	channel_init(b, fds[1]);
}

static bool
same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino
	    && x.st_dev == y.st_dev;
}

static void
test_messages_with_descriptors(void)
{
	struct proc_message listen_ = { .type = MESSAGE_LISTEN, .service = SERVICE_IMAPS },
			    peer = { .type = MESSAGE_PEER, .role = ROLE_MAIL },
			    tls = { .type = MESSAGE_TLS,
				    .certs = { { STR("c"), STR("k") } },
				    .cert_count = 1,
				    .client_ca = STR("ca") },
			    config = { .type = MESSAGE_CONFIG, .text = STR("threads = 1\n") },
			    go = { .type = MESSAGE_GO }, got;
	struct channel a, b;
	int one[2], two[2], fd = 0, count = 0;
	enum err e;

	pair(&a, &b);
	must(pipe(one) == 0 && pipe(two) == 0);
	CHECK(channel_send(&a, &config, -1) == ERR_OK);
	CHECK(channel_send(&a, &listen_, one[0]) == ERR_OK);
	CHECK(channel_send(&a, &tls, -1) == ERR_OK);
	CHECK(channel_send(&a, &peer, two[0]) == ERR_OK);
	CHECK(channel_send(&a, &go, -1) == ERR_OK);
	while (count < 5) {
		e = channel_next(&b, true, &got, &fd);
		if (e == ERR_WAIT) {
			CHECK(channel_read(&b, true) == ERR_OK);
			continue;
		}
		if (!CHECK(e == ERR_OK))
			break;
		switch (count++) {
		case 0:
			CHECK(got.type == MESSAGE_CONFIG && fd == -1);
			CHECK_STR(got.text, STR("threads = 1\n"));
			break;
		case 1:
			CHECK(got.type == MESSAGE_LISTEN && got.service == SERVICE_IMAPS
			    && same_file(fd, one[0]));
			CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
			close(fd);
			break;
		case 2:
			CHECK(got.type == MESSAGE_TLS && got.cert_count == 1);
			CHECK_STR(got.certs[0].key, STR("k"));
			CHECK_STR(got.client_ca, STR("ca"));
			break;
		case 3:
			CHECK(got.type == MESSAGE_PEER && got.role == ROLE_MAIL
			    && same_file(fd, two[0]));
			close(fd);
			break;
		case 4:
			CHECK(got.type == MESSAGE_GO);
			break;
		}
	}
	CHECK(channel_read(&b, false) == ERR_WAIT);
	channel_done(&a);
	CHECK(channel_read(&b, false) == ERR_CLOSED);
	CHECK(channel_send(&b, &go, -1) == ERR_CLOSED);
	channel_done(&b);
	for (int i = 0; i < 2; i++) {
		close(one[i]);
		close(two[i]);
	}
}

static void
test_refuses(void)
{
	struct proc_message ready = { .type = MESSAGE_READY }, got;
	struct channel a, b;
	int fd;

	/* A child's message is none of the supervisor's, and the other way round. */
	pair(&a, &b);
	CHECK(channel_send(&a, &ready, -1) == ERR_OK);
	CHECK(channel_read(&b, true) == ERR_OK);
	CHECK(channel_next(&b, true, &got, &fd) == ERR_CORRUPT);
	channel_done(&a);
	channel_done(&b);
	/* A message that must bring a descriptor, without one. */
	pair(&a, &b);
	must(write(a.fd, "\4\0\0\0\1\4\1\0", 8) == 8);
	CHECK(channel_read(&b, true) == ERR_OK);
	CHECK(channel_next(&b, true, &got, &fd) == ERR_CORRUPT);
	channel_done(&a);
	channel_done(&b);
}

TEST_MAIN(TEST(test_messages_with_descriptors), TEST(test_refuses))

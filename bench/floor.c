/*
 * floor.c - what the kernel alone costs: answers of the size that Posthorn gives, made up, without looking
 * at more of a command than its name. What a server uses above that is its own.
 *
 *     floor PORT        until it is ended; prints "ready"
 *
 * A thread for each core, each with a listener of its own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_BYTES = 5000, ANSWER_MAX = 8192, EVENTS = 64 };

/* An answer: so many bytes of untagged lines, then the tagged one. */
struct answer {
	const char *command;
	char text[ANSWER_MAX];
	size_t n;
};

static struct answer answers[] = {
	{ .command = "LOGIN" }, { .command = "LOGOUT" }, { .command = "SELECT" },
	{ .command = "STATUS" }, { .command = "LIST" }, { .command = "FETCH" },
	{ .command = "" }, /* any other */
};

enum { ANSWERS = sizeof(answers) / sizeof(answers[0]) };

static const size_t untagged_bytes[ANSWERS] = { 0, 22, 650, 55, 130, 0, 0 };
static const char greeting[] =
    "* OK Posthorn would tell its capabilities here, which are as many as fit into a line of the "
    "length that this one has, more or less.\r\n";

static void
make_answers(void)
{
	for (int i = 0; i < ANSWERS; i++) {
		struct answer *a = &answers[i];

		if (strcmp(a->command, "FETCH") == 0) {
			a->n = (size_t)sprintf(a->text, "* 1 FETCH (BODY[] {%d}\r\n", BODY_BYTES);
			memset(a->text + a->n, 'x', BODY_BYTES);
			a->n += BODY_BYTES;
			a->n += (size_t)sprintf(a->text + a->n, ")\r\n");
		} else if (untagged_bytes[i] > 0) {
			a->n = (size_t)sprintf(a->text, "* OK %*s\r\n", (int)untagged_bytes[i] - 7,
			    "x");
		}
		a->n += (size_t)sprintf(a->text + a->n, "a OK %*s\r\n",
		    strcmp(a->command, "LOGIN") == 0 ? 780 : 20, "done");
	}
}

static const struct answer *
answer_to(const char *line, size_t n)
{
	for (int i = 0; i < ANSWERS; i++) {
		size_t length = strlen(answers[i].command);

		if (n >= 2 + length && memcmp(line + 2, answers[i].command, length) == 0)
			return &answers[i];
	}
	return &answers[ANSWERS - 1];
}

static void
say(int fd, const char *text, size_t n)
{
	if (send(fd, text, n, MSG_NOSIGNAL) < 0)
		perror("send");
}

static void
take_connection(int epoll_fd, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0)
		return;
	say(fd, greeting, sizeof(greeting) - 1);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/* A command is one line, and comes in one piece: it is our load generator that asks. */
static void
answer(int fd)
{
	char line[4096];
	ssize_t n = recv(fd, line, sizeof(line), 0);
	const struct answer *a;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 2) {
		close(fd);
		return;
	}
	for (char *at = line, *end; at < line + n; at = end + 1) {
		end = memchr(at, '\n', (size_t)(line + n - at));
		if (end == NULL)
			return;
		a = answer_to(at, (size_t)(end - at));
		say(fd, a->text, a->n);
		if (a == &answers[1]) {
			close(fd);
			return;
		}
	}
}

static void *
serve(void *arg)
{
	int listener = *(int *)arg, epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS], ev = { .events = EPOLLIN, .data.fd = listener };

	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				take_connection(epoll_fd, listener);
			else
				answer(events[i].data.fd);
		}
	}
	return NULL;
}

static int
listen_on(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, 1000) != 0) {
		perror("listen");
		exit(1);
	}
	return fd;
}

int
main(int argc, char **argv)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int *listeners = calloc((size_t)cores, sizeof(*listeners));
	pthread_t thread;

	if (argc != 2 || listeners == NULL) {
		fprintf(stderr, "usage: floor PORT\n");
		return 2;
	}
	make_answers();
	for (long i = 0; i < cores; i++)
		listeners[i] = listen_on(atoi(argv[1]));
	for (long i = 1; i < cores; i++) {
		if (pthread_create(&thread, NULL, serve, &listeners[i]) != 0)
			return 1;
	}
	puts("ready");
	fflush(stdout);
	serve(&listeners[0]);
	return 0;
}

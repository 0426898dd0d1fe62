/* admin_client.c - see admin_client.h. */
#include "ctl/admin_client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
connect_quietly(struct ctl *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n =
	    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.*s/control", STR_F(c->config->run_dir));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && n > 0 && (size_t)n < sizeof(sa.sun_path)
	    && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	n = errno;
	if (fd >= 0)
		close(fd);
	errno = n;
	return -1;
}

int
admin_connect(struct ctl *c)
{
	static const char ok[] = "OK\n";
	char answer[sizeof(ok)] = "";
	int fd = connect_quietly(c);
	size_t got = 0;

	if (fd < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return -1;
		ctl_fail(
		    "the daemon's control socket: %s; run this as root or as the user that posthornd runs as",
		    strerror(errno));
		return -2;
	}
	if (send(fd, "ADMIN\n", 6, MSG_NOSIGNAL) == 6) {
		while (got < sizeof(ok) - 1) {
			ssize_t n = recv(fd, answer + got, sizeof(ok) - 1 - got, 0);

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				break;
			got += (size_t)n;
		}
	}
	if (strcmp(answer, ok) == 0)
		return fd;
	ctl_fail("posthornd did not take the connection; is it of this version?");
	close(fd);
	return -2;
}

int
admin_fail(struct str body)
{
	struct str name = STR("BUG"), text = STR("it made no sense");

	if (wire_take_str(&body, &name))
		wire_take_str(&body, &text);
	return ctl_fail("posthornd: %.*s (%.*s)", STR_F(text), STR_F(name));
}

int
admin_expect(int fd, char kind, struct buf *body)
{
	char got;
	enum err e = wire_receive(fd, &got, body);

	if (e != ERR_OK)
		return ctl_fail(
		    "posthornd ended the connection (%s); is too much asked of it at once?",
		    err_name(e));
	if (got == 'X')
		return admin_fail(buf_str(body));
	return got == kind ? CTL_OK : ctl_fail("posthornd gave an answer that makes no sense");
}

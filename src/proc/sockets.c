/* sockets.c - see sockets.h. */
#include "proc/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SYSTEMD_FIRST_FD = 3, BACKLOG = 1024 };

void
sockets_inherit(struct sockets *s)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"),
		   *names = getenv("LISTEN_FDNAMES");
	struct str rest = str_c(names), name;
	uint32_t n;

	if (pid == NULL || fds == NULL || !str_to_u32(str_c(pid), &n) || n != (uint32_t)getpid()
	    || !str_to_u32(str_c(fds), &n))
		return;
	for (uint32_t i = 0; i < n && i < SOCKETS_MAX; i++) {
		int fd = SYSTEMD_FIRST_FD + (int)i;

		fcntl(fd, F_SETFD, FD_CLOEXEC);
		s->inherited[i] = fd;
		s->inherited_names[i] = "";
		if (str_split(&rest, ':', &name))
			for (unsigned j = 0; j < SERVICE_CONTROL; j++)
				if (str_eq(name, str_c(service_names[j])))
					s->inherited_names[i] = service_names[j];
		s->inherited_count++;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* Do two socket addresses listen at the same place? */
static bool
same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
	const struct sockaddr_un *au = (const void *)a, *bu = (const void *)b;

	if (a->ss_family != b->ss_family)
		return false;
	switch (a->ss_family) {
	case AF_INET:
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	case AF_INET6:
		return a6->sin6_port == b6->sin6_port
		    && memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
	case AF_UNIX:
		return strcmp(au->sun_path, bu->sun_path) == 0;
	default:
		return false;
	}
}

/* An inherited socket for this address, or -1; taken off the list. */
static int
take_inherited(struct sockets *s, enum service service, const struct listen_addr *want)
{
	for (size_t i = 0; i < s->inherited_count; i++) {
		struct sockaddr_storage sa = { 0 };
		socklen_t len = sizeof(sa);
		int fd = s->inherited[i];

		if (fd < 0 || getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
			continue;
		if (!same_address(&sa, &want->sa)
		    && strcmp(s->inherited_names[i], service_names[service]) != 0)
			continue;
		s->inherited[i] = -1;
		return fd;
	}
	return -1;
}

/* A file at the path that nobody listens on any more is in the way. */
static void
remove_stale(const struct sockaddr_un *un, socklen_t len)
{
	struct stat st;
	int fd;

	if (lstat(un->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)un, len) != 0 && errno == ECONNREFUSED)
		unlink(un->sun_path);
	close(fd);
}

static int
open_socket(const struct listen_addr *a, mode_t mode)
{
	int on = 1, off = 0, family = a->sa.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int rc, saved;

	if (fd < 0)
		return -1;
	if (family == AF_UNIX)
		remove_stale((const void *)&a->sa, a->len);
	else
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, a->is_any ? &off : &on, sizeof(on));
	mask = umask(family == AF_UNIX ? 0777 & ~mode : 022);
	rc = bind(fd, (const struct sockaddr *)&a->sa, a->len);
	saved = errno;
	umask(mask);
	if (rc == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	if (rc == 0)
		saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* "*" where the kernel has no IPv6. */
static void
use_ipv4(struct listen_addr *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = ((struct sockaddr_in6 *)&a->sa)->sin6_port };

	memset(&a->sa, 0, sizeof(a->sa));
	memcpy(&a->sa, &in, sizeof(in));
	a->len = sizeof(in);
	a->is_any = false;
}

static enum err
bind_one(struct sockets *s, enum service service, struct str address, mode_t mode, struct buf *why)
{
	struct listen_addr a;
	int fd;

	if (listen_addr_parse(address, &a) != ERR_OK || s->n == SOCKETS_MAX) {
		buf_printf(why, "%s: too many addresses, or \"%.*s\" is none",
		    service_names[service], STR_F(address));
		return ERR_CONFIG;
	}
	fd = take_inherited(s, service, &a);
	if (fd < 0)
		fd = open_socket(&a, mode);
	if (fd < 0 && a.is_any && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		use_ipv4(&a);
		fd = open_socket(&a, mode);
	}
	if (fd < 0) {
		buf_printf(why, "can't listen on %.*s for %s: %s", STR_F(address),
		    service_names[service], strerror(errno));
		return ERR_CONFIG;
	}
	s->v[s->n++] = (struct bound){ service, fd };
	return ERR_OK;
}

enum err
sockets_bind(struct sockets *s, const struct config *c, struct buf *why)
{
	static const mode_t lmtp_modes[] = { 0600, 0660, 0666 };
	struct arena a = ARENA_NONE;
	enum err e = ERR_OK;

	for (unsigned i = 0; e == ERR_OK && i < SERVICE_CONTROL; i++) {
		const struct config_list *list = service_addresses(i, c);

		for (size_t j = 0; e == ERR_OK && j < list->n; j++)
			e = bind_one(s, i, list->v[j],
			    i == SERVICE_LMTP ? lmtp_modes[c->lmtp_socket_mode] : 0600, why);
	}
	if (e == ERR_OK)
		e = bind_one(s, SERVICE_CONTROL,
		    arena_printf(&a, "unix:%.*s/control", STR_F(c->run_dir)), 0600, why);
	arena_done(&a);
	if (e != ERR_OK)
		sockets_close(s);
	return e;
}

void
sockets_close(struct sockets *s)
{
	for (size_t i = 0; i < s->n; i++)
		close(s->v[i].fd);
	s->n = 0;
}

/*
 * prefix.h - addresses of peers, and how many connections an address prefix (IPv4 /32, IPv6 /64)
 * may have.
 */
#ifndef IO_PREFIX_H
#define IO_PREFIX_H

#include "base/str.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct io_addr {
	struct sockaddr_storage sa;
	socklen_t n;
};

/* Long enough for every text of io_addr_text(). */
#define IO_ADDR_TEXT_MAX 64
/**
 * "192.0.2.1", "2001:db8::1" (mapped IPv4 as IPv4), "unix"; port added when with_port:
 * "[2001:db8::1]:143".
 */
struct str io_addr_text(const struct io_addr *a, bool with_port, char out[IO_ADDR_TEXT_MAX]);
/** 127/8, ::1 or a unix socket: nobody can listen in. */
bool io_addr_is_local(const struct io_addr *a);
/** The other end, or our end, of a connected socket; n is 0 when it can't be told. */
struct io_addr io_addr_peer(int fd);
struct io_addr io_addr_self(int fd);

struct prefix_limit;

/**
 * Thread-safe. Local addresses are not counted: a webmail or proxy on the same machine speaks for
 * many people.
 */
struct prefix_limit *prefix_limit_new(unsigned max_per_prefix);
void prefix_limit_free(struct prefix_limit *p);
/** False when this prefix has its maximum; then nothing was counted. p may be NULL: always true. */
bool prefix_enter(struct prefix_limit *p, const struct io_addr *a);
void prefix_leave(struct prefix_limit *p, const struct io_addr *a);

#endif

/* prefix.c - see prefix.h. */
#include "io/prefix.h"

#include "base/arena.h"
#include "base/hash.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* --- Addresses --- */

/* The IPv4 address when it is one, mapped into IPv6 or not (network order). */
static bool
as_ipv4(const struct io_addr *a, struct in_addr *v4_out)
{
	if (a->sa.ss_family == AF_INET) {
		*v4_out = ((const struct sockaddr_in *)&a->sa)->sin_addr;
		return true;
	}
	if (a->sa.ss_family == AF_INET6) {
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *)&a->sa)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(v6)) {
			memcpy(v4_out, v6->s6_addr + 12, 4);
			return true;
		}
	}
	return false;
}

struct str
io_addr_text(const struct io_addr *a, bool with_port, char out[IO_ADDR_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN];
	struct in_addr v4;
	int n;

	if (a->n == 0)
		return STR("unknown");
	if (as_ipv4(a, &v4)) {
		uint16_t port = a->sa.ss_family == AF_INET
		    ? ((const struct sockaddr_in *)&a->sa)->sin_port
		    : ((const struct sockaddr_in6 *)&a->sa)->sin6_port;

		inet_ntop(AF_INET, &v4, ip, sizeof(ip));
		n = with_port ? snprintf(out, IO_ADDR_TEXT_MAX, "%s:%u", ip, ntohs(port))
			      : snprintf(out, IO_ADDR_TEXT_MAX, "%s", ip);
	} else if (a->sa.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->sa;

		inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip));
		n = with_port ? snprintf(out, IO_ADDR_TEXT_MAX, "[%s]:%u", ip, ntohs(v6->sin6_port))
			      : snprintf(out, IO_ADDR_TEXT_MAX, "%s", ip);
	} else {
		return STR("unix");
	}
	return str_make(out, (size_t)n);
}

bool
io_addr_is_local(const struct io_addr *a)
{
	struct in_addr v4;

	if (a->n == 0)
		return false;
	if (as_ipv4(a, &v4))
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (a->sa.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&a->sa)->sin6_addr);
	return a->sa.ss_family == AF_UNIX;
}

struct io_addr
io_addr_peer(int fd)
{
	struct io_addr a = { .n = sizeof(a.sa) };

	if (getpeername(fd, (struct sockaddr *)&a.sa, &a.n) < 0)
		a.n = 0;
	return a;
}

struct io_addr
io_addr_self(int fd)
{
	struct io_addr a = { .n = sizeof(a.sa) };

	if (getsockname(fd, (struct sockaddr *)&a.sa, &a.n) < 0)
		a.n = 0;
	return a;
}

/* --- Counting --- */

struct prefix_key {
	uint8_t bytes[8]; /* IPv4: 4 bytes and zeroes; IPv6: the first 64 bits */
	bool is_v6;
};

struct prefix_count {
	struct prefix_key key;
	unsigned count;
};

struct prefix_limit {
	pthread_mutex_t lock;
	struct hash counts; /* of struct prefix_count, those above 0 */
	uint64_t seed;
	unsigned max;
};

static bool
count_has_key(const void *item, const void *key)
{
	const struct prefix_key *a = &((const struct prefix_count *)item)->key, *b = key;

	return a->is_v6 == b->is_v6 && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

struct prefix_limit *
prefix_limit_new(unsigned max_per_prefix)
{
	struct prefix_limit *p = xcalloc(1, sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	hash_init(&p->counts, count_has_key);
	if (getrandom(&p->seed, sizeof(p->seed), 0) < 0)
		p->seed = (uint64_t)(uintptr_t)p;
	p->max = max_per_prefix;
	return p;
}

void
prefix_limit_free(struct prefix_limit *p)
{
	size_t pos = 0;
	struct prefix_count *c;

	if (p == NULL)
		return;
	while ((c = hash_next(&p->counts, &pos)) != NULL)
		free(c);
	hash_done(&p->counts);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* False when this address is not counted. */
static bool
key_of(const struct io_addr *a, struct prefix_key *key_out)
{
	struct prefix_key key = { .is_v6 = false };
	struct in_addr v4;

	if (a->n == 0 || io_addr_is_local(a))
		return false;
	if (as_ipv4(a, &v4)) {
		memcpy(key.bytes, &v4, 4);
	} else {
		memcpy(key.bytes, ((const struct sockaddr_in6 *)&a->sa)->sin6_addr.s6_addr, 8);
		key.is_v6 = true;
	}
	*key_out = key;
	return true;
}

static uint64_t
key_hash(const struct prefix_limit *p, const struct prefix_key *k)
{
	return str_hash(str_make(k->bytes, sizeof(k->bytes)), p->seed + k->is_v6);
}

bool
prefix_enter(struct prefix_limit *p, const struct io_addr *a)
{
	struct prefix_key key;
	struct prefix_count *c;
	bool may;

	if (p == NULL || !key_of(a, &key))
		return true;
	pthread_mutex_lock(&p->lock);
	c = hash_find(&p->counts, key_hash(p, &key), &key);
	may = c == NULL ? p->max > 0 : c->count < p->max;
	if (may && c == NULL) {
		c = xcalloc(1, sizeof(*c));
		c->key = key;
		hash_insert(&p->counts, key_hash(p, &key), c);
	}
	if (may)
		c->count++;
	pthread_mutex_unlock(&p->lock);
	return may;
}

void
prefix_leave(struct prefix_limit *p, const struct io_addr *a)
{
	struct prefix_key key;
	struct prefix_count *c;

	if (p == NULL || !key_of(a, &key))
		return;
	pthread_mutex_lock(&p->lock);
	c = hash_find(&p->counts, key_hash(p, &key), &key);
	must(c != NULL && c->count > 0);
	if (--c->count == 0)
		free(hash_remove(&p->counts, key_hash(p, &key), &key));
	pthread_mutex_unlock(&p->lock);
}

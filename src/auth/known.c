/* known.c - see known.h. */
#include "auth/known.h"

#include "base/arena.h"
#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>

enum { PLACES = 4096, KEEP_MS = 10000 };

struct known {
	int64_t until_ms;
	char *address, *user;
};

struct known_users {
	struct clock *clock;
	uint64_t seed;
	pthread_mutex_t lock;
	struct known places[PLACES];
};

struct known_users *
known_users_new(struct clock *clock)
{
	struct known_users *k = xcalloc(1, sizeof(*k));

	k->clock = clock;
	k->seed = (uint64_t)(uintptr_t)k ^ (uint64_t)clock->wall_ms(clock);
	pthread_mutex_init(&k->lock, NULL);
	return k;
}

void
known_users_free(struct known_users *k)
{
	for (size_t i = 0; i < PLACES; i++) {
		free(k->places[i].address);
		free(k->places[i].user);
	}
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static int64_t
now_ms(const struct known_users *k)
{
	return k->clock->mono_us(k->clock) / 1000;
}

static struct known *
place_of(struct known_users *k, struct str address)
{
	return &k->places[str_hash(address, k->seed) % PLACES];
}

void
known_users_put(struct known_users *k, struct str address, struct str user)
{
	struct known *at = place_of(k, address);

	pthread_mutex_lock(&k->lock);
	free(at->address);
	free(at->user);
	*at = (struct known){ now_ms(k) + KEEP_MS, xstrdup(address), xstrdup(user) };
	pthread_mutex_unlock(&k->lock);
}

bool
known_users_get(struct known_users *k, struct str address, struct buf *user_out)
{
	const struct known *at = place_of(k, address);
	bool is_known;

	pthread_mutex_lock(&k->lock);
	is_known =
	    at->address != NULL && str_eq(str_c(at->address), address) && at->until_ms > now_ms(k);
	if (is_known)
		buf_str_add(user_out, str_c(at->user));
	pthread_mutex_unlock(&k->lock);
	return is_known;
}

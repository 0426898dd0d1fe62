/*
 * session_fuzz.c - what clients may send, against whole sessions: two of one account, on a store in memory that moves only when
 * it is told to. Bytes up to a NUL go to one, those behind it to the other, and so on.
 */
#include "auth/client_home.h"
#include "base/arena.h"
#include "base/log.h"
#include "kv/kv.h"
#include "session/server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CLIENTS = 2, TURNS_MAX = 400, QUIET_TURNS = 4 };

struct fuzz_clock {
	struct clock clock;
	int64_t now_us;
};

struct fuzz_world {
	struct fuzz_clock clock;
	struct loop *loop;
	struct kv *kv;
	struct store *store;
	struct auth_client *auth;
	struct server *server;
	int fds[CLIENTS];
	struct waiter waiter;
};

static int64_t
now(struct clock *c)
{
	return container_of(c, struct fuzz_clock, clock)->now_us;
}

static int64_t
wall(struct clock *c)
{
	return 1700000000000 + now(c) / 1000;
}

static void
fake_random(void *p, size_t n)
{
	static unsigned char next;

	for (size_t i = 0; i < n; i++)
		((unsigned char *)p)[i] = next++;
}

static void
woken(unused_arg struct waiter *w)
{
}

/* Takes what has come for the clients, so that nobody waits for them. */
static bool
drain(struct fuzz_world *w)
{
	char scratch[65536];
	bool has_some = false;

	for (int i = 0; i < CLIENTS; i++) {
		while (w->fds[i] >= 0 && recv(w->fds[i], scratch, sizeof(scratch), MSG_DONTWAIT) > 0)
			has_some = true;
	}
	return has_some;
}

static void
settle(struct fuzz_world *w)
{
	int quiet = 0;

	for (int i = 0; i < TURNS_MAX && quiet < QUIET_TURNS; i++) {
		loop_turn(w->loop, false);
		quiet = kv_memory_step(w->kv) || drain(w) ? 0 : quiet + 1;
		w->clock.now_us += 100;
	}
}

static struct account *
open_account(struct fuzz_world *w)
{
	struct account *a = NULL;
	enum err e;

	while ((e = store_account_open(w->store, STR("joe"), ACCOUNT_CREATE, &w->waiter, &a)) == ERR_WAIT)
		must(kv_memory_step(w->kv));
	must(e == ERR_OK);
	return a;
}

static void
connect_client(struct fuzz_world *w, int i)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	w->fds[i] = fds[0];
	server_serve_preauth(w->server, w->loop, fds[1], STR("joe"), open_account(w));
}

static void
world_open(struct fuzz_world *w)
{
	struct kv_memory_options ko = { .manual = true, .seed = 1 };
	struct store_options so = { .clock = &w->clock.clock, .random = fake_random, .retention_s = 86400 };
	struct server_options o = { 0 };

	*w = (struct fuzz_world){ .clock = { .clock = { .mono_us = now, .wall_ms = wall } } };
	w->loop = loop_new(&w->clock.clock);
	store_merge_functions(&ko.base);
	must(kv_memory_open(&ko, &w->kv) == ERR_OK);
	so.kv = w->kv;
	must(store_open(&so, &w->store) == ERR_OK);
	waiter_init(&w->waiter, woken);
	w->auth = auth_client_new(w->loop, true);
	o = (struct server_options){ .store = w->store, .auth = w->auth, .loops = &w->loop, .loop_count = 1 };
	w->server = server_new(&o);
	for (int i = 0; i < CLIENTS; i++)
		connect_client(w, i);
}

static void
world_close(struct fuzz_world *w)
{
	for (int i = 0; i < CLIENTS; i++)
		close(w->fds[i]);
	settle(w);
	server_free(w->server);
	waiter_cancel(&w->waiter);
	while (kv_memory_step(w->kv))
		continue;
	auth_client_free(w->auth);
	store_close(w->store);
	kv_close(w->kv);
	loop_free(w->loop);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool is_set_up;
	struct fuzz_world w;
	struct str rest = str_make(data, n), part;

	if (!is_set_up) {
		is_set_up = true;
		log_setup(LOG_ERROR + 1, "fuzz");
	}
	world_open(&w);
	for (int i = 0; str_split(&rest, '\0', &part); i++) {
		while (part.n > 0) {
			ssize_t sent = send(w.fds[i % CLIENTS], part.p, MIN(part.n, (size_t)16384), MSG_DONTWAIT | MSG_NOSIGNAL);

			if (sent <= 0)
				break;
			part = str_sub(part, (size_t)sent, part.n);
			settle(&w);
		}
		settle(&w);
	}
	world_close(&w);
	return 0;
}

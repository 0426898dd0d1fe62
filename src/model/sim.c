/* sim.c - see sim.h. */
#include "model/sim.h"

#include "auth/client_home.h"
#include "auth/wire.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/log.h"
#include "kv/kv.h"
#include "lmtp/server.h"
#include "model/state.h"
#include "store/account_int.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	QUIET_TURNS = 4,
	TURNS_MAX = 100000,
	IN_MAX = 64 * 1024 * 1024,
	TURN_US = 50,
	PAUSE_US = 50
};

/* ---- the clock and chance ---- */

static int64_t
sim_now(struct clock *c)
{
	return container_of(c, struct sim_clock, clock)->now_us;
}

static int64_t
sim_wall(struct clock *c)
{
	return 1700000000000 + sim_now(c) / 1000;
}

static void
sim_random_bytes(void *p, size_t n)
{
	memset(p, 7, n);
}

uint64_t
sim_random(struct sim *s, uint64_t n)
{
	uint64_t v = 0;

	if (s->choices.n > 0) {
		/* As few bytes as will do, so that a change of one changes one choice. */
		for (uint64_t left = n - 1; left > 0 && s->choices.n > 0; left >>= 8) {
			v = v << 8 | (unsigned char)s->choices.p[0];
			s->choices = str_sub(s->choices, 1, s->choices.n);
		}
		return v % n;
	}
	s->random = hash_u64(s->random + 0x9E3779B97F4A7C15u);
	return s->random % n;
}

/* ---- the auth process's part: everybody exists, and the password is "secret" ---- */

static void
auth_answer(struct sim *s, const struct wire_message *m)
{
	struct wire_message answer = { .id = m->id };
	BUF_CLEAN struct buf b = BUF_MAX(65536);

	if (m->type == WIRE_LOOKUP) {
		answer.type = WIRE_FOUND;
		answer.result.user = s->guest.p != NULL
		    ? s->guest
		    : str_sub(m->data, 0, MIN(str_chr(m->data, '@'), m->data.n));
	} else if (m->type == WIRE_BEGIN) {
		bool is_right = str_eq(m->start.password, STR("secret"));

		answer.type = WIRE_RESULT;
		answer.result.outcome = is_right ? AUTH_OK : AUTH_FAIL;
		answer.result.err = is_right ? ERR_OK : ERR_AUTHFAILED;
		answer.result.user = s->guest.p != NULL ? s->guest : m->start.user;
	} else {
		return;
	}
	wire_add(&b, &answer);
	must(send(s->auth_fd, b.p, b.n, MSG_NOSIGNAL) == (ssize_t)b.n);
}

static void
auth_readable(struct loop_fd *f)
{
	struct sim *s = container_of(f, struct sim, auth_ready);
	struct wire_message m;
	char *to = buf_reserve(&s->auth_in, 65536);
	ssize_t n = recv(s->auth_fd, to, 65536, MSG_DONTWAIT);
	size_t used;

	if (n <= 0)
		return;
	s->has_asked = true;
	s->auth_in.n += (size_t)n;
	while (wire_next(buf_str(&s->auth_in), true, &m, &used) == ERR_OK) {
		auth_answer(s, &m);
		buf_consume(&s->auth_in, used);
	}
}

static void
auth_open(struct sim *s)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	s->auth = auth_client_new(&s->loop, 1, true);
	auth_client_attach(s->auth, 0, fds[0]);
	s->auth_fd = fds[1];
	s->auth_in = BUF_MAX(1 << 20);
	loop_fd_init(s->loop, &s->auth_ready, s->auth_fd, false, auth_readable);
	loop_fd_on(&s->auth_ready);
}

static void
auth_close(struct sim *s)
{
	loop_fd_off(&s->auth_ready);
	auth_client_free(s->auth);
	close(s->auth_fd);
	buf_done(&s->auth_in);
}

/* ---- the server ---- */

struct kv *
sim_memory(uint64_t seed)
{
	struct kv_memory_options o = { .manual = true, .seed = seed };
	struct kv *kv;

	store_merge_functions(&o.base);
	must(kv_memory_open(&o, &kv) == ERR_OK);
	return kv;
}

void
sim_open(struct sim *s, struct kv *kv, bool is_manual, uint64_t seed)
{
	sim_open_limited(s, kv, is_manual, seed, (struct sim_limits){ 0 });
}

void
sim_open_limited(struct sim *s, struct kv *kv, bool is_manual, uint64_t seed,
    struct sim_limits limits)
{
	struct store_options so = { .kv = kv,
		.random = sim_random_bytes,
		.retention_s = 86400,
		.load_pages = 1,
		.stage_links = STATE_STAGE_LINKS,
		.commit_pages = limits.commit_pages };
	struct server_options o = { .loops = &s->loop,
		.loop_count = 1,
		.limits = { .message_told = limits.messages, .message_max = limits.messages } };
	struct lmtp_options lo = { .loops = &s->loop,
		.loop_count = 1,
		.hostname = STR("mx.example"),
		.delimiters = STR("+") };

	*s = (struct sim){ .clock = { .clock = { .mono_us = sim_now, .wall_ms = sim_wall } },
		.kv = kv,
		.is_manual = is_manual,
		.random = seed,
		.patience = 30 };
	log_setup(LOG_ERROR + 1, "sim");
	list_init(&s->conns);
	s->loop = loop_new(&s->clock.clock);
	so.clock = &s->clock.clock;
	must(store_open(&so, &s->store) == ERR_OK);
	auth_open(s);
	o.store = s->store;
	o.auth = s->auth;
	s->server = server_new(&o);
	lo.store = s->store;
	lo.auth = s->auth;
	lo.clock = &s->clock.clock;
	s->lmtp = lmtp_server_new(&lo);
}

static void
disconnect_all(struct sim *s)
{
	list_each(&s->conns, c, struct sim_conn, in_sim) sim_disconnect(c);
}

static void
free_servers(struct sim *s)
{
	server_free(s->server);
	lmtp_server_free(s->lmtp);
}

void
sim_close(struct sim *s)
{
	disconnect_all(s);
	s->steps_max = 0;
	s->is_stopped = false;
	s->awaits = NULL;
	sim_settle(s);
	free_servers(s);
	while (s->is_manual && kv_memory_step(s->kv))
		continue;
	auth_close(s);
	store_close(s->store);
	loop_free(s->loop);
}

void
sim_cut(struct sim *s)
{
	disconnect_all(s);
	free_servers(s);
	auth_close(s);
	if (s->is_manual) {
		kv_memory_power_cut(s->kv);
		store_discard(s->store);
	} else {
		store_close(s->store);
	}
	loop_free(s->loop);
}

/* ---- connections ---- */

static int
connect_pair(struct sim *s, struct sim_conn *c)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	*c = (struct sim_conn){ .sim = s,
		.fd = fds[0],
		.in = BUF_MAX(IN_MAX),
		.out = BUF_MAX(IN_MAX) };
	list_add_tail(&s->conns, &c->in_sim);
	return fds[1];
}

void
sim_connect(struct sim *s, struct sim_conn *c)
{
	int fd = connect_pair(s, c);
	struct io_addr peer = io_addr_peer(fd);

	server_serve(s->server, s->loop, fd, &peer, false);
}

void
sim_connect_lmtp(struct sim *s, struct sim_conn *c)
{
	int fd = connect_pair(s, c);
	struct io_addr peer = io_addr_peer(fd);

	lmtp_server_serve(s->lmtp, s->loop, fd, &peer);
}

void
sim_disconnect(struct sim_conn *c)
{
	if (c->fd < 0)
		return;
	close(c->fd);
	list_remove(&c->in_sim);
	buf_done(&c->in);
	buf_done(&c->out);
	c->fd = -1;
}

static bool
push(struct sim_conn *c)
{
	ssize_t n;

	if (c->out.n == 0)
		return false;
	n = send(c->fd, c->out.p, c->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n <= 0)
		return false;
	buf_consume(&c->out, (size_t)n);
	return true;
}

void
sim_send(struct sim_conn *c, struct str bytes)
{
	buf_str_add(&c->out, bytes);
	push(c);
}

bool
sim_pull(struct sim_conn *c)
{
	bool has_some = false;

	while (!c->is_eof) {
		char *to = buf_reserve(&c->in, 32768);
		ssize_t n = recv(c->fd, to, 32768, MSG_DONTWAIT);

		if (n < 0)
			break;
		has_some = true;
		c->is_eof = n == 0;
		c->in.n += (size_t)n;
		if (n < 32768)
			break;
	}
	return has_some;
}

static size_t
literal_at_end(struct str line)
{
	size_t open = str_rchr(line, '{');
	uint32_t n;

	if (line.n == 0 || line.p[line.n - 1] != '}' || open == SIZE_MAX
	    || !str_to_u32(str_sub(line, open + 1, line.n - 1), &n))
		return SIZE_MAX;
	return n;
}

struct str
sim_line(const struct sim_conn *c)
{
	struct str in = buf_str(&c->in);
	size_t from = 0;

	for (;;) {
		struct str rest = str_sub(in, from, in.n);
		size_t end = str_chr(rest, '\n'), literal;

		if (end == SIZE_MAX || end == 0)
			return STR_NONE;
		literal = literal_at_end(str_sub(rest, 0, end - 1));
		if (literal == SIZE_MAX)
			return str_sub(in, 0, from + end - 1);
		from += end + 1 + literal;
		if (from >= in.n)
			return STR_NONE;
	}
}

void
sim_consume(struct sim_conn *c, struct str line)
{
	buf_consume(&c->in, line.n + 2);
}

/* ---- time ---- */

bool
sim_turn(struct sim *s)
{
	bool has_some;

	s->has_asked = false;
	loop_turn(s->loop, false);
	has_some = s->has_asked;
	if (s->is_manual && !s->is_stopped && (s->steps_max == 0 || s->steps < s->steps_max)) {
		if (sim_random(s, 100) < s->patience) {
			has_some = true; /* it could have, for all we know */
		} else if (kv_memory_step(s->kv)) {
			s->steps++;
			has_some = true;
		}
	}
	list_each(&s->conns, c, struct sim_conn, in_sim)
	{
		has_some |= push(c);
		has_some |= !c->is_deaf && sim_pull(c);
	}
	s->clock.now_us += TURN_US;
	return has_some;
}

bool
sim_wait(struct sim *s)
{
	if (s->is_manual)
		return kv_memory_step(s->kv);
	usleep(PAUSE_US);
	return true;
}

/* Something is on its way that no turn shows. */
static bool
is_busy(const struct sim *s)
{
	return !s->is_manual
	    && ((s->awaits != NULL && s->awaits(s->awaits_ctx))
		|| atomic_load(&s->store->commits) != 0);
}

void
sim_settle(struct sim *s)
{
	int quiet = 0;

	for (int i = 0; quiet < QUIET_TURNS && !s->is_stuck; i++) {
		s->is_stuck = i == TURNS_MAX;
		quiet = sim_turn(s) || is_busy(s) ? 0 : quiet + 1;
		if (!s->is_manual)
			usleep(PAUSE_US);
	}
}

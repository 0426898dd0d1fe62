/* session_world.c - see session_world.h. */
#include "session/session_world.h"

#include "auth/client_home.h"
#include "auth/server.h"
#include "auth/users.h"
#include "base/arena.h"
#include "base/log.h"
#include "io/jobs.h"
#include "kv/kv.h"
#include "store/store.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOPS = 2, DOORS = 1, ASIDES = 2, ALL_LOOPS = LOOPS + DOORS + ASIDES };

struct world {
	struct loop *loops[ALL_LOOPS]; /* then the doors, then those aside */
	pthread_t threads[ALL_LOOPS];
	struct kv *kv;
	struct store *store;
	struct auth_server *auth_server;
	struct auth_client *auth;
	struct tls *tls;
	struct jobs *pool, *prompt_pool;
	struct server *server;
	int fd, tls_fd;
	uint16_t port, tls_port;
	char dir[64], path[96];
	struct loop_task stop_tasks[LOOPS];
};

static void
random_bytes(void *p, size_t n)
{
	must(getrandom(p, n, 0) == (ssize_t)n);
}

static int
listening_socket(uint16_t *port_out)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 64) == 0);
	must(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
	*port_out = ntohs(a.sin_port);
	return fd;
}

static void
open_store(struct world *w)
{
	struct kv_memory_options ko = { .seed = 1 };
	struct store_options so = { .clock = clock_system(), .random = random_bytes };

	store_merge_functions(&ko.base);
	must(kv_memory_open(&ko, &w->kv) == ERR_OK);
	so.kv = w->kv;
	must(store_open(&so, &w->store) == ERR_OK);
}

static void
no_event(unused_arg void *arg, unused_arg const struct auth_event *ev)
{
}

static void
open_auth(struct world *w)
{
	static const char *const names[] = { "joe", "ann" };
	struct auth_settings s = { .workers = 1,
		.cost = { .memory_bytes = 8192,
		    .passes = 1,
		    .scram_iterations = 4096,
		    .make_scram = true } };
	struct users *u;
	int fds[2];

	strcpy(w->dir, "/tmp/posthorn-session-XXXXXX");
	must(mkdtemp(w->dir) != NULL);
	snprintf(w->path, sizeof(w->path), "%s/users.db", w->dir);
	must(users_open(w->path, &u) == ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct user_row row = { .name = str_c(names[i]), .password = STR("{PLAIN}secret") };

		must(users_add(u, &row) == ERR_OK);
	}
	users_close(u);
	s.users_path = w->path;
	must(auth_server_new(w->loops[0], &s, no_event, NULL, &w->auth_server) == ERR_OK);
	w->auth = auth_client_new(w->loops, 1, true);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	auth_client_attach(w->auth, 0, fds[0]);
	auth_server_attach(w->auth_server, fds[1]);
}

static void
open_tls(struct world *w)
{
	static const struct str name = STR_INIT("localhost");
	BUF_CLEAN struct buf cert = BUF_MAX(65536);
	BUF_CLEAN struct buf key = BUF_MAX(65536);
	struct tls_cert pair;
	struct tls_config c = { .certs = &pair, .cert_count = 1 };

	must(tls_self_signed(&name, 1, clock_system()->wall_ms(clock_system()) / 1000, &cert, &key)
	    == ERR_OK);
	pair = (struct tls_cert){ .cert_pem = buf_str(&cert), .key_pem = buf_str(&key) };
	must(tls_open(&c, clock_system(), NULL, &w->tls) == ERR_OK);
}

static void *
run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

struct world *
world_new(const struct server_options *o)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct server_options so = o != NULL ? *o : (struct server_options){ 0 };

	/*
	 * As every process of ours does (proc/child.c): OpenSSL writes to sockets whose peer has
	 * gone.
	 */
	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_ERROR, "test");
	for (size_t i = 0; i < ALL_LOOPS; i++)
		w->loops[i] = loop_new(clock_system());
	open_store(w);
	open_auth(w);
	open_tls(w);
	so.store = w->store;
	so.auth = w->auth;
	so.tls = w->tls;
	so.loops = w->loops;
	so.loop_count = LOOPS;
	so.doors = w->loops + LOOPS;
	so.door_count = DOORS;
	so.asides = w->loops + LOOPS + DOORS;
	so.aside_count = ASIDES;
	w->pool = jobs_new_nice(2, 1, 1000);
	so.pool = w->pool;
	w->prompt_pool = jobs_new(2, 1000);
	so.prompt_pool = w->prompt_pool;
	w->server = server_new(&so);
	w->fd = listening_socket(&w->port);
	w->tls_fd = listening_socket(&w->tls_port);
	server_listen(w->server, w->fd, false);
	server_listen(w->server, w->tls_fd, true);
	for (size_t i = 0; i < ALL_LOOPS; i++)
		pthread_create(&w->threads[i], NULL, run_loop, w->loops[i]);
	return w;
}

struct call {
	struct loop_task task;
	void (*fn)(void *arg);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool is_done;
};

static void
call_done(void *arg)
{
	struct call *c = arg;

	pthread_mutex_lock(&c->lock);
	c->is_done = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static void
call_run(struct loop_task *t)
{
	struct call *c = container_of(t, struct call, task);

	c->fn(c->arg);
	call_done(c);
}

static void
call_wait(struct call *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->is_done)
		pthread_cond_wait(&c->cond, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

void
world_run(struct world *w, void (*fn)(void *arg), void *arg)
{
	struct call c = { .fn = fn,
		.arg = arg,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER };

	loop_task_init(&c.task, call_run);
	loop_post(w->loops[0], &c.task);
	call_wait(&c);
}

struct server *
world_server(struct world *w)
{
	return w->server;
}

struct kv *
world_kv(struct world *w)
{
	return w->kv;
}

uint16_t
world_tls_port(const struct world *w)
{
	return w->tls_port;
}

struct shutdown_call {
	struct world *w;
	struct call call;
};

static void
begin_shutdown(void *arg)
{
	struct shutdown_call *s = arg;

	server_shutdown(s->w->server, 2000, call_done, &s->call);
}

void
world_free(struct world *w)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	struct shutdown_call s = { .w = w,
		.call = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER } };

	world_run(w, begin_shutdown, &s);
	call_wait(&s.call);
	for (size_t i = 0; i < ALL_LOOPS; i++)
		loop_stop(w->loops[i]);
	for (size_t i = 0; i < ALL_LOOPS; i++)
		pthread_join(w->threads[i], NULL);
	server_free(w->server);
	jobs_free(w->prompt_pool);
	jobs_free(w->pool);
	auth_client_free(w->auth);
	auth_server_free(w->auth_server);
	store_close(w->store);
	kv_close(w->kv);
	tls_unref(w->tls);
	close(w->fd);
	close(w->tls_fd);
	for (size_t i = 0; i < ALL_LOOPS; i++)
		loop_free(w->loops[i]);
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s%s", w->path, suffixes[i]);
		unlink(path);
	}
	rmdir(w->dir);
	free(w);
}

/* --- Clients --- */

bool
has(struct str text, const char *what)
{
	return text.p != NULL && memmem(text.p, text.n, what, strlen(what)) != NULL;
}

void
client_open(struct client *c, struct world *w, bool is_tls)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(is_tls ? w->tls_port : w->port) };
	struct timeval limit = { .tv_sec = 20 };

	*c = (struct client){ .in = BUF_MAX(64 * 1024 * 1024), .last = BUF_MAX(64 * 1024 * 1024) };
	c->peer.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(connect(c->peer.fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	setsockopt(c->peer.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (is_tls)
		CHECK(peer_start_tls(&c->peer, 0, "imap", NULL));
	buf_str_add(&c->last, client_line(c));
}

struct serve_call {
	struct world *w;
	struct io_addr peer;
	int fd;
};

static void
serve(void *arg)
{
	struct serve_call *c = arg;

	server_serve(c->w->server, c->w->loops[0], c->fd, &c->peer, false);
}

void
client_open_from(struct client *c, struct world *w, uint32_t ipv4)
{
	struct serve_call call = { .w = w, .peer.n = sizeof(struct sockaddr_in) };
	struct sockaddr_in *a = (struct sockaddr_in *)&call.peer.sa;
	int fds[2];

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = ipv4 };
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	call.fd = fds[1];
	*c = (struct client){ .peer.fd = fds[0],
		.in = BUF_MAX(64 * 1024 * 1024),
		.last = BUF_MAX(64 * 1024 * 1024) };
	world_run(w, serve, &call);
	buf_str_add(&c->last, client_line(c));
}

void
client_close(struct client *c)
{
	peer_done(&c->peer);
	buf_done(&c->in);
	buf_done(&c->last);
}

void
client_send(struct client *c, struct str bytes)
{
	CHECK(peer_write(&c->peer, bytes));
}

/* Size of the literal announced at the end of a line, or SIZE_MAX. */
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

/* Makes sure that so many bytes are there. */
static bool
need(struct client *c, size_t n)
{
	while (c->in.n < n) {
		char *p = buf_reserve(&c->in, 4096);
		size_t got = peer_read(&c->peer, p, 4096);

		if (got == 0)
			return false;
		c->in.n += got;
	}
	return true;
}

struct str
client_line(struct client *c)
{
	static _Thread_local struct buf shown = { .max = 64 * 1024 * 1024 };
	size_t at = 0, line_from = 0, literal;

	for (;;) {
		if (!need(c, at + 2))
			return STR_NONE;
		if (c->in.p[at] != '\r' || c->in.p[at + 1] != '\n') {
			at++;
			continue;
		}
		literal = literal_at_end(str_make(c->in.p + line_from, at - line_from));
		if (literal == SIZE_MAX)
			break;
		line_from = at + 2 + literal;
		at = line_from;
	}
	buf_clear(&shown);
	buf_add(&shown, c->in.p, at);
	buf_consume(&c->in, at + 2);
	return buf_str(&shown);
}

struct str
client_do(struct client *c, const char *fmt, ...)
{
	BUF_CLEAN struct buf b = BUF_MAX(1024 * 1024);
	char text[8192];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	must(n >= 0 && (size_t)n < sizeof(text));
	snprintf(c->tag, sizeof(c->tag), "t%u ", ++c->tags % 100000);
	buf_c(&b, c->tag);
	buf_add(&b, text, (size_t)n);
	buf_lit(&b, "\r\n");
	client_send(c, buf_str(&b));
	buf_clear(&c->last);
	for (;;) {
		struct str line = client_line(c);

		buf_str_add(&c->last, line);
		buf_lit(&c->last, "\r\n");
		if (line.p == NULL || str_starts(line, str_c(c->tag)))
			return buf_str(&c->last);
	}
}

void
client_login(struct client *c, const char *user)
{
	CHECK_HAS(client_do(c, "LOGIN %s secret", user), " OK [CAPABILITY IMAP4rev1");
}

/*
 * client_test.c - many loops ask one client at once, cancel, and lose the connection meanwhile:
 * every question that was not cancelled gets exactly one last answer. Made for ThreadSanitizer.
 */
#include "auth/client_home.h"
#include "auth/server_int.h"
#include "base/test.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ASKERS = 3, LINES = 3, QUESTIONS = 300, AT_ONCE = 8 };

static struct auth_client *client;
static atomic_uint running;
static atomic_bool has_answered;

struct asker;

struct question {
	struct asker *asker;
	struct auth_exchange *x;
	struct auth_lookup *l;
	int answers;
};

/* A thread with a loop of its own. */
struct asker {
	pthread_t thread;
	struct loop *loop;
	struct loop_timer timer;
	unsigned seed, asked, open, ok, busy, wrong;
	struct question q[AT_ONCE];
};

static void ask(struct question *q);

static void
next(struct question *q)
{
	struct asker *a = q->asker;

	q->x = NULL;
	q->l = NULL;
	a->open--;
	if (a->asked < QUESTIONS)
		ask(q);
	else if (a->open == 0)
		loop_stop(a->loop);
}

static void
on_answer(void *arg, const struct auth_result *r)
{
	struct question *q = arg;
	struct asker *a = q->asker;

	if (r->outcome == AUTH_CONTINUE) {
		if (rand_r(&a->seed) % 4 == 0) {
			auth_cancel(q->x);
			next(q);
		} else {
			auth_continue(q->x, STR("\0joe\0secret"));
		}
		return;
	}
	if (r->outcome == AUTH_OK && str_eq(r->user, STR("joe"))) {
		a->ok++;
		atomic_store(&has_answered, true);
	} else if (r->err == ERR_BUSY)
		a->busy++;
	else
		a->wrong++;
	next(q);
}

static void
on_found(void *arg, enum err e, struct str user)
{
	struct question *q = arg;

	if (e == ERR_OK && str_eq(user, STR("joe")))
		q->asker->ok++;
	else if (e == ERR_BUSY)
		q->asker->busy++;
	else
		q->asker->wrong++;
	next(q);
}

static void
ask(struct question *q)
{
	static const struct auth_start plain = { .mech = STR_INIT("PLAIN"),
		.service = STR_INIT("imap"),
		.is_secure = true },
				       direct = { .user = STR_INIT("joe"),
					       .password = STR_INIT("secret"),
					       .service = STR_INIT("imap"),
					       .is_secure = true };
	struct asker *a = q->asker;

	a->asked++;
	a->open++;
	switch (rand_r(&a->seed) % 3) {
	case 0:
		auth_begin(client, a->loop, &plain, on_answer, q, &q->x);
		break;
	case 1:
		auth_begin(client, a->loop, &direct, on_answer, q, &q->x);
		break;
	default:
		auth_lookup(client, a->loop, STR("Joe"), on_found, q, &q->l);
		break;
	}
}

/* Now and then somebody goes away while the answer is on its way. */
static void
on_timer(struct loop_timer *t)
{
	struct asker *a = container_of(t, struct asker, timer);
	struct question *q = &a->q[rand_r(&a->seed) % AT_ONCE];

	if (q->x != NULL) {
		auth_cancel(q->x);
		next(q);
	} else if (q->l != NULL) {
		auth_lookup_cancel(q->l);
		next(q);
	}
	loop_timer_set(a->loop, t, 1);
}

static void *
asker_run(void *arg)
{
	struct asker *a = arg;

	for (size_t i = 0; i < AT_ONCE; i++) {
		a->q[i].asker = a;
		ask(&a->q[i]);
	}
	loop_timer_init(&a->timer, on_timer);
	loop_timer_set(a->loop, &a->timer, 1);
	loop_run(a->loop);
	loop_timer_cancel(a->loop, &a->timer);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void
attach(struct auth_server *server, size_t number)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	auth_client_attach(client, number, fds[0]);
	auth_server_attach(server, fds[1]);
}

static void
test_many_askers(void)
{
	char dir[] = "/tmp/posthorn-client-XXXXXX", path[64], file[80];
	struct auth_settings s = { .users_path = path,
		.workers = 2,
		.cache_ms = 60000,
		.cost = { .memory_bytes = 8192, .passes = 1, .scram_iterations = 4096 } };
	struct user_row joe = { .name = STR("joe"), .password = STR("{PLAIN}secret") };
	struct asker askers[ASKERS] = { 0 };
	struct auth_server *server = NULL;
	struct loop *loop = loop_new(clock_system());
	unsigned ok = 0;

	must(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/users.db", dir);
	must(auth_server_new(loop, &s, NULL, NULL, &server) == ERR_OK);
	must(users_add(server->users, &joe) == ERR_OK);
	for (unsigned i = 0; i < ASKERS; i++)
		askers[i].loop = loop_new(clock_system());
	/* Two of them have lines of their own. */
	client = auth_client_new((struct loop *[LINES]){ loop, askers[0].loop, askers[1].loop },
	    LINES, false);
	for (size_t i = 0; i < LINES; i++)
		attach(server, i);
	atomic_store(&running, ASKERS);
	for (unsigned i = 0; i < ASKERS; i++) {
		askers[i].seed = i + 1;
		must(pthread_create(&askers[i].thread, NULL, asker_run, &askers[i]) == 0);
	}
	for (unsigned turns = 0; atomic_load(&running) > 0; turns++) {
		loop_turn(loop, false);
		/* A new auth process, when the last has come to an answer. */
		if (turns % 2000 == 1999 && atomic_exchange(&has_answered, false))
			attach(server, turns / 2000 % LINES);
	}
	for (unsigned i = 0; i < ASKERS; i++) {
		pthread_join(askers[i].thread, NULL);
		CHECK_U64(askers[i].asked, QUESTIONS);
		CHECK_U64(askers[i].wrong, 0);
		ok += askers[i].ok;
	}
	CHECK(ok > 0);
	auth_client_free(client);
	auth_server_free(server);
	for (unsigned i = 0; i < ASKERS; i++)
		loop_free(askers[i].loop);
	loop_free(loop);
	for (size_t i = 0; i < 3; i++) {
		snprintf(file, sizeof(file), "%s%s", path, i == 0 ? "" : i == 1 ? "-wal" : "-shm");
		unlink(file);
	}
	rmdir(dir);
}

int
main(void)
{
	static const struct test_case cases[] = { TEST(test_many_askers) };

	return sodium_init() < 0 ? 1 : test_run(cases, ARRAY_LEN(cases));
}

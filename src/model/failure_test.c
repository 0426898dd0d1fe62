/*
 * failure_test.c - the n-th failure: each operation of the engine in memory, each operation on the
 * files of RocksDB, and each allocation of ours fails at its n-th call, n = 1, 2, ... until the
 * storm passes; the first two once and for good. What the clients allocate, who are in the same
 * process, does not fail: they would not know what they have read.
 *
 *     failure_test                   some of them, as a unit test
 *     failure_test long [KIND]       all of them, in more storms
 *     failure_test KIND SEED N       one: KIND is memory-once, memory-for-good, rocks-once, rocks-for-good or allocation
 *
 * The storm (storm.h) goes on as it can. What is answered OK must be there afterwards, and what is
 * shown too; when the engine has failed, nothing more is taken on. Then the power goes and the
 * server starts again. An allocation that fails ends the process, as it is meant to (base/arena.h):
 * so that runs in a child, and what the clients had been told is held against a copy of the files
 * as they were at that moment.
 */
#include "model/storm.h"

#include "kv/kv.h"
#include "kv/rocks_fault.h"
#include "kv/rocks_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct storm storm;
static uint64_t runs, answers;

/* ---- allocations: linked with --wrap ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static atomic_long allocations_left; /* 0: none fails */
/* The clients are in the same process, but have all the memory that they want. */
static _Thread_local bool is_client;

static void
on_turn(bool begins)
{
	is_client = !begins;
}

static bool
is_to_fail(void)
{
	long left = atomic_load(&allocations_left);

	return left > 0 && !is_client && atomic_fetch_sub(&allocations_left, 1) == 1;
}

void *
__wrap_malloc(size_t size)
{
	return is_to_fail() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return is_to_fail() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return is_to_fail() ? NULL : __real_realloc(old, size);
}

/* ---- what all have in common ---- */

static void
say_how(const char *kind, uint64_t seed, uint64_t n)
{
	snprintf(storm.r.again, sizeof(storm.r.again), "build/src/model/failure_test %s %llu %llu",
	    kind, (unsigned long long)seed, (unsigned long long)n);
}

/* After a failed sync nothing is acknowledged on top of it. */
static void
check_refused(struct storm *s)
{
	struct run *r = &s->r;
	struct answer kept;

	for (uint32_t i = 0; i < PLAYERS; i++) {
		struct player *p = &r->players[i];
		struct plan plan = { .text = BUF_MAX(4096), .may_expunge = true };
		bool is_idle = s->count[i] > 0 && s->plans[i][s->count[i] - 1].act.op == ACT_IDLE;

		if (p->phase == PLAYER_OFF || p->phase == PLAYER_IDLE || p->pic.is_bye
		    || p->pic.conn.is_eof || is_idle || p->pic.tag != p->pic.tag_done)
			continue;
		p->first_tag = p->pic.tag + 1;
		kept = p->answers[0];
		memset(&p->answers[0], 0, sizeof(kept));
		buf_lit(&plan.text, "APPEND INBOX {12+}\r\nSubject: x\r\n");
		run_log(r, 'C', p, buf_str(&plan.text));
		picture_send(&p->pic, true, buf_str(&plan.text));
		sim_settle(&r->sim);
		run_take(r, p, &plan, 1);
		if (strcmp(p->answers[0].condition, "OK") == 0)
			run_fail(r, "APPEND is OK after the engine has failed");
		answer_clear(&p->answers[0]);
		p->answers[0] = kept;
		plan_done(&plan);
	}
}

static void
finish(void)
{
	runs++;
	answers += storm.answers;
	storm_done(&storm);
}

/* ---- the engine in memory ---- */

/* False: nothing failed, the storm has passed. */
static bool
play_memory(uint64_t seed, uint64_t n, bool for_good)
{
	struct kv *kv = sim_memory(seed);
	bool has_failed;

	storm_open(&storm, kv, true, seed);
	say_how(for_good ? "memory-for-good" : "memory-once", seed, n);
	if (for_good)
		kv_memory_fail_from(kv, n, ERR_IO);
	else
		kv_memory_fail_at(kv, n, ERR_IO);
	storm_rage(&storm);
	has_failed = kv_memory_has_failed(kv);
	if (kv_is_failed(kv))
		check_refused(&storm);
	storm_end(&storm);
	storm_check(&storm, kv, true);
	finish();
	kv_close(kv);
	return has_failed;
}

/* ---- RocksDB ---- */

static char dir[64];

static void
each_file(const char *path, void (*fn)(const char *from, const char *to), const char *to)
{
	DIR *d = opendir(path);
	struct dirent *e;

	must(d != NULL);
	while ((e = readdir(d)) != NULL) {
		char a[400], b[400];

		if (e->d_name[0] == '.')
			continue;
		snprintf(a, sizeof(a), "%s/%s", path, e->d_name);
		snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
		fn(a, b);
	}
	closedir(d);
}

static void
remove_one(const char *path, unused_arg const char *to)
{
	unlink(path);
}

static void
dir_make(void)
{
	strcpy(dir, "/tmp/posthorn-failure-XXXXXX");
	must(mkdtemp(dir) != NULL);
}

static void
dir_remove(const char *path)
{
	each_file(path, remove_one, "");
	rmdir(path);
}

static struct kv *
rocks_at(const char *path, void *env)
{
	struct kv_options o = { .dir = path,
		.soft_floor_bytes = 1,
		.hard_floor_bytes = 1,
		.no_sync = env == NULL };
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	struct kv *kv;

	store_merge_functions(&o);
	if (env != NULL ? rocks_open_env(&o, env, &kv, &detail) != ERR_OK
			: kv_rocks_open(&o, &kv, &detail) != ERR_OK)
		run_fail(&storm.r, "RocksDB does not open: %.*s", STR_F(buf_str(&detail)));
	return kv;
}

static bool
play_rocks(uint64_t seed, uint64_t n, bool for_good)
{
	struct rocks_fault *f = rocks_fault_new();
	struct kv *kv;
	bool has_failed;

	dir_make();
	kv = rocks_at(dir, rocks_fault_env(f));
	storm_open(&storm, kv, false, seed);
	say_how(for_good ? "rocks-for-good" : "rocks-once", seed, n);
	rocks_fault_fail_at(f, n, for_good);
	storm_rage(&storm);
	if (kv_is_failed(kv))
		check_refused(&storm);
	has_failed = rocks_fault_has_failed(f);
	storm_end(&storm);
	rocks_abandon(kv);
	rocks_fault_fail_at(f, 0, false);
	rocks_fault_cut(f, (enum rocks_loss)(seed % LOSS_KINDS), seed + n);
	kv = rocks_at(dir, rocks_fault_env(f));
	storm_check(&storm, kv, false);
	finish();
	kv_close(kv);
	rocks_fault_free(f);
	dir_remove(dir);
	return has_failed;
}

/* ---- allocations ---- */

enum { CHILD_FAILED = 1, CHILD_DIED = 10, CHILD_PASSED = 11 };

/* A child that hangs is a failure too; the others take a fifth of a second. */
enum { CHILD_SECONDS = 300 };

static sigjmp_buf died;
static pthread_t main_thread;
static atomic_bool has_died_elsewhere;

/*
 * The process is over: what it was to the clients is looked at from where they stand. A thread of
 * the engine just stops.
 */
static void
on_abort(unused_arg int signo)
{
	if (pthread_equal(pthread_self(), main_thread))
		siglongjmp(died, 1);
	atomic_store(&has_died_elsewhere, true);
	for (;;)
		pause();
}

static void
copy_one(const char *from, const char *to)
{
	static char bytes[1 << 16];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0600);
	ssize_t n;

	must(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		must(write(out, bytes, (size_t)n) == n);
	close(in);
	close(out);
}

static bool
awaits_but_for_death(void *ctx)
{
	if (atomic_load(&has_died_elsewhere))
		siglongjmp(died, 1);
	return run_awaits(ctx);
}

/* What had come for the clients when it died. */
static void
take_what_came(void)
{
	list_each(&storm.r.sim.conns, c, struct sim_conn, in_sim) sim_pull(c);
	storm_take(&storm);
}

static void
child(uint64_t seed, uint64_t n)
{
	struct kv *kv = rocks_at(dir, NULL);
	char copy[80];

	storm_open(&storm, kv, false, seed);
	say_how("allocation", seed, n);
	storm.r.sim.awaits = awaits_but_for_death;
	storm.serves = on_turn;
	is_client = true;
	main_thread = pthread_self();
	signal(SIGABRT, on_abort);
	alarm(CHILD_SECONDS);
	must(freopen("/dev/null", "w", stderr) != NULL);
	if (sigsetjmp(died, 1) == 0) {
		atomic_store(&allocations_left, (long)n);
		storm_rage(&storm);
		if (atomic_exchange(&allocations_left, 0) > 0)
			_exit(CHILD_PASSED);
	}
	atomic_store(&allocations_left, 0);
	signal(SIGABRT, SIG_DFL);
	take_what_came();
	snprintf(copy, sizeof(copy), "%s.copy", dir);
	must(mkdir(copy, 0700) == 0);
	each_file(dir, copy_one, copy);
	storm_check(&storm, rocks_at(copy, NULL), false);
	dir_remove(copy);
	_exit(CHILD_DIED);
}

static bool
play_allocation(uint64_t seed, uint64_t n, unused_arg bool for_good)
{
	int status;
	pid_t pid;

	dir_make();
	fflush(stdout);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		child(seed, n);
	must(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status)
	    || (WEXITSTATUS(status) != CHILD_DIED && WEXITSTATUS(status) != CHILD_PASSED)) {
		printf(
		    "# failed: a child ended with %d\n# again: build/src/model/failure_test allocation %llu %llu\n",
		    status, (unsigned long long)seed, (unsigned long long)n);
		exit(1);
	}
	dir_remove(dir);
	runs++;
	return WEXITSTATUS(status) == CHILD_DIED;
}

/* ---- */

struct kind {
	const char *name;
	bool (*play)(uint64_t seed, uint64_t n, bool for_good);
	bool for_good;
	uint64_t storms, step; /* of a short run; step: every so many-th n */
	uint64_t long_storms, long_step;
};

static const struct kind kinds[] = {
	{ "memory-once", play_memory, false, 40, 1, 1000, 1 },
	{ "memory-for-good", play_memory, true, 40, 1, 1000, 1 },
	{ "rocks-once", play_rocks, false, 3, 1, 300, 1 },
	{ "rocks-for-good", play_rocks, true, 3, 1, 300, 1 },
	{ "allocation", play_allocation, false, 2, 61, 30, 1 },
};

int
main(int argc, char **argv)
{
	bool is_long = argc > 1 && strcmp(argv[1], "long") == 0;

	printf("1..%zu\n", argc > 2 ? 1 : ARRAY_LEN(kinds));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];
		uint64_t step = is_long ? k->long_step : k->step, fired = 0;

		if (argc > 3 && strcmp(argv[1], k->name) == 0) {
			k->play(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
			    k->for_good);
			printf("ok 1 - %s\n", k->name);
		}
		if (argc > 3 || (argc == 3 && strcmp(argv[2], k->name) != 0))
			continue;
		runs = answers = 0;
		for (uint64_t seed = 1; seed <= (is_long ? k->long_storms : k->storms); seed++) {
			for (uint64_t n = 1; k->play(seed, n, k->for_good); n += step)
				fired++;
		}
		printf("# %s: %llu failures in %llu storms, %llu answers compared\n", k->name,
		    (unsigned long long)fired, (unsigned long long)(runs - fired),
		    (unsigned long long)answers);
		printf("ok %zu - %s\n", argc > 2 ? 1 : i + 1, k->name);
		fflush(stdout);
	}
	return 0;
}

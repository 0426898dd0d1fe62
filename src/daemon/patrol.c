/* patrol.c - see patrol.h. */
#include "daemon/patrol.h"

#include "base/log.h"
#include "base/thread.h"
#include "daemon/patrol_state.h"
#include "store/store.h"
#include "store/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CHECKPOINT "checkpoint.patrol"
#define STATE "patrol.state" /* patrol_state.h */
#define STATE_NEW STATE ".new"

enum { LOOK_US = 60000000, SAVE_US = 60000000, CACHE_BYTES = 8 << 20 };

struct patrol {
	struct kv *kv;
	int64_t every_ms;
	uint64_t rate;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_ending;
	/* The thread's own. */
	int64_t due_ms, started_us, saved_us;
	uint64_t account, bytes;
};

/* ---- where it was ---- */

static void
state_save(struct patrol *p)
{
	struct clock *clock = clock_system();
	FILE *f = fopen(STATE_NEW, "we");
	char line[PATROL_STATE_BYTES];
	size_t n = patrol_state_format(&(struct patrol_state){ p->due_ms, p->account }, line);
	bool is_whole;

	p->saved_us = clock->mono_us(clock);
	if (f == NULL)
		return;
	is_whole = fwrite(line, 1, n, f) == n;
	is_whole = fclose(f) == 0 && is_whole;
	if (!is_whole || rename(STATE_NEW, STATE) != 0)
		unlink(STATE_NEW); /* then a run is made once more */
}

static void
state_load(struct patrol *p)
{
	struct clock *clock = clock_system();
	int64_t latest_ms = clock->wall_ms(clock) + p->every_ms;
	FILE *f = fopen(STATE, "re");
	char line[PATROL_STATE_BYTES];
	struct patrol_state was;

	p->due_ms = latest_ms;
	p->account = 1;
	if (f == NULL) {
		state_save(p);
		return;
	}
	if (patrol_state_parse(str_make(line, fread(line, 1, sizeof(line), f)), &was)) {
		/* the clock, or the option, may have been another */
		p->due_ms = MIN(was.due_ms, latest_ms);
		p->account = was.account;
	}
	fclose(f);
}

/* ---- a run ---- */

static void
checkpoint_remove(void)
{
	DIR *d = opendir(CHECKPOINT);
	struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	rmdir(CHECKPOINT);
}

/* Sleeps until then, or until it is to end; whether it goes on. */
static bool
rest(struct patrol *p, int64_t us)
{
	struct timespec until;
	bool goes_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += us / 1000000 + (until.tv_nsec + us % 1000000 * 1000) / 1000000000;
	until.tv_nsec = (until.tv_nsec + us % 1000000 * 1000) % 1000000000;
	pthread_mutex_lock(&p->lock);
	while (!p->is_ending && pthread_cond_timedwait(&p->changed, &p->lock, &until) != ETIMEDOUT)
		continue;
	goes_on = !p->is_ending;
	pthread_mutex_unlock(&p->lock);
	return goes_on;
}

static bool
pace(void *ctx, uint64_t bytes)
{
	struct clock *clock = clock_system();
	struct patrol *p = ctx;
	int64_t early_us;

	p->bytes += bytes;
	early_us = p->started_us + (int64_t)((double)p->bytes * 1e6 / (double)p->rate)
	    - clock->mono_us(clock);
	return rest(p, MAX(early_us, 0));
}

static void
found(void *ctx unused_arg, const struct verify_finding *f)
{
	BUF_CLEAN struct buf line = BUF_MAX(65536);

	verify_finding_text(f, &line);
	log_event(LOG_ERROR, "damage-found", F_C("kind", verify_kind_name(f->kind)),
	    F_STR("user", f->user), F_STR("mailbox", f->mailbox_name),
	    F_U64("mailbox_id", f->mailbox.v), F_U64("uid", f->uid_first),
	    F_U64("uid_last", f->uid_last), F_STR("detail", buf_str(&line)));
}

static void
account_done(void *ctx, struct account_id account)
{
	struct clock *clock = clock_system();
	struct patrol *p = ctx;

	p->account = account.v + 1;
	if (clock->mono_us(clock) - p->saved_us > SAVE_US)
		state_save(p);
}

/* Every message of the checkpoint is the store's: they are the same files. */
static enum err
prove(struct patrol *p, struct verify_result *result_out)
{
	struct kv_options ko = { .dir = CHECKPOINT,
		.read_only = true,
		.cache_bytes = CACHE_BYTES,
		.reader_threads = 1 };
	struct verify_options o = { .found = found,
		.pace = pace,
		.ctx = p,
		.first_account = { p->account },
		.account_done = account_done };
	enum err e;

	checkpoint_remove();
	e = kv_checkpoint(p->kv, CHECKPOINT);
	if (e != ERR_OK)
		return e;
	store_merge_functions(&ko);
	e = kv_rocks_open(&ko, &o.kv, NULL);
	if (e == ERR_OK) {
		e = verify_run(&o, result_out);
		kv_close(o.kv);
	}
	checkpoint_remove();
	return e;
}

static void
run(struct patrol *p)
{
	struct clock *clock = clock_system();
	struct verify_result r = { 0 };
	enum err e;

	p->started_us = clock->mono_us(clock);
	p->bytes = 0;
	e = prove(p, &r);
	if (e == ERR_END) {
		state_save(p); /* the next process goes on here */
		return;
	}
	log_event(e != ERR_OK    ? LOG_WARNING
		: r.findings > 0 ? LOG_ERROR
				 : LOG_INFO,
	    "verified", F_U64("accounts", r.accounts), F_U64("messages", r.messages),
	    F_U64("bytes", r.bytes), F_U64("findings", r.findings), F_U64("lost", r.lost),
	    F_ERR(e));
	p->account = 1;
	p->due_ms = clock->wall_ms(clock) + p->every_ms;
	state_save(p);
}

static void *
patrol_run(void *arg)
{
	struct clock *clock = clock_system();
	struct patrol *p = arg;

	thread_begin("patrol", THREAD_PATIENT);
	state_load(p);
	do {
		if (clock->wall_ms(clock) >= p->due_ms)
			run(p);
	} while (rest(p, MIN(MAX(p->due_ms - clock->wall_ms(clock), 10) * 1000, LOOK_US)));
	return NULL;
}

/* ---- life ---- */

struct patrol *
patrol_new(struct kv *kv, int64_t every_ms, uint64_t rate)
{
	struct patrol *p;
	pthread_condattr_t monotonic;

	if (every_ms == 0)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	*p = (struct patrol){ .kv = kv, .every_ms = every_ms, .rate = rate };
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&p->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&p->thread, NULL, patrol_run, p) == 0)
		return p;
	log_event(LOG_ERROR, "patrol", F_ERR(ERR_NOMEM));
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
	free(p);
	return NULL;
}

void
patrol_free(struct patrol *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->is_ending = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
	free(p);
}

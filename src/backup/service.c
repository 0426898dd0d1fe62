/* service.c - see service.h: the connection, and checkpoints. */
#include "backup/putting.h"
#include "backup/recovery.h"
#include "backup/service_int.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define CHECKPOINT_PREFIX "checkpoint."

/* ---- waiting --------------------------------------------------------------------------------- */

static void
sleeper_wake(struct waiter *w)
{
	struct sleeper *s = container_of(w, struct sleeper, w);

	pthread_mutex_lock(&s->lock);
	s->is_woken = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}

void
sleeper_init(struct sleeper *s)
{
	waiter_init(&s->w, sleeper_wake);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->cond, NULL);
	s->is_woken = false;
}

void
sleeper_done(struct sleeper *s)
{
	waiter_cancel(&s->w);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->cond);
}

void
sleeper_wait(struct sleeper *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->is_woken)
		pthread_cond_wait(&s->cond, &s->lock);
	s->is_woken = false;
	pthread_mutex_unlock(&s->lock);
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* A folder that has only files. */
static void
remove_folder(const char *name)
{
	DIR *d = opendir(name);
	struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	rmdir(name);
}

static bool
is_read_by_somebody(const char *name)
{
	char path[320];
	bool is_locked;
	int fd;

	snprintf(path, sizeof(path), "%s/lock", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	is_locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
	close(fd);
	return is_locked;
}

void
service_sweep(void)
{
	DIR *d = opendir(".");
	struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (str_starts(str_c(e->d_name), STR(CHECKPOINT_PREFIX))
		    && !is_read_by_somebody(e->d_name))
			remove_folder(e->d_name);
	}
	closedir(d);
}

static enum err
make_checkpoint(struct connection *c)
{
	struct clock *clock = clock_system();
	enum err e;

	if (c->checkpoint[0] != '\0')
		return ERR_EXISTS;
	snprintf(c->checkpoint, sizeof(c->checkpoint), CHECKPOINT_PREFIX "%lld.%d",
	    (long long)clock->mono_us(clock), c->fd);
	e = kv_checkpoint(c->service->kv, c->checkpoint);
	return e == ERR_OK ? wire_send(c->fd, 'C', str_c(c->checkpoint)) : e;
}

/* ---- the connection -------------------------------------------------------------------------- */

enum err
answer_done(struct connection *c, uint64_t count)
{
	buf_clear(&c->out);
	wire_u64(&c->out, count);
	return wire_send(c->fd, 'D', buf_str(&c->out));
}

static void
answer_error(struct connection *c, enum err e)
{
	buf_clear(&c->out);
	wire_str(&c->out, str_c(err_name(e)));
	wire_str(&c->out, str_c(c->why != NULL ? c->why : err_text(e)));
	ignore_err(wire_send(c->fd, 'X', buf_str(&c->out)), "the connection ends anyhow");
}

static enum err
serve(struct connection *c, char kind)
{
	switch (kind) {
	case 'C':
		return make_checkpoint(c);
	case 'R':
		return recovery_run(c);
	default:
		return putting_run(c, kind);
	}
}

void
service_run(const struct service_store *s, int fd)
{
	struct connection c = { .service = s,
		.fd = fd,
		.in = BUF_MAX(WIRE_MAX_BYTES),
		.out = BUF_MAX(WIRE_MAX_BYTES) };
	char kind;
	enum err e;

	sleeper_init(&c.sleeper);
	while ((e = wire_receive(fd, &kind, &c.in)) == ERR_OK && (e = serve(&c, kind)) == ERR_OK)
		continue;
	if (e != ERR_END && e != ERR_CLOSED)
		answer_error(&c, e);
	if (c.checkpoint[0] != '\0')
		remove_folder(c.checkpoint);
	putting_free(c.putting);
	sleeper_done(&c.sleeper);
	buf_done(&c.in);
	buf_done(&c.out);
}

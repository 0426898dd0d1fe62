/*
 * shifted_clock.c - a wall clock that a test sets: preloaded into the daemon, it adds to the time
 * the seconds that stand in the file which POSTHORN_TEST_CLOCK names (8 bytes, in the machine's
 * order). Intervals are not touched: nothing but an operator or a broken battery sets the wall
 * clock, and neither touches CLOCK_MONOTONIC.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *shift_s;
static int (*real_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

/* Before main(), and so before the process may open nothing any more. */
__attribute__((constructor)) static void
open_shift(void)
{
	const char *path = getenv("POSTHORN_TEST_CLOCK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p;

	real_timedwait = (int (*)(pthread_cond_t *, pthread_mutex_t *,
	    const struct timespec *))dlsym(RTLD_NEXT, "pthread_cond_timedwait");
	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		shift_s = p;
}

static int64_t
shift(void)
{
	return shift_s != NULL ? *shift_s : 0;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	long r = syscall(SYS_clock_gettime, id, ts);

	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += shift();
	return (int)r;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return -1;
	*tv = (struct timeval){ .tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000 };
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return (time_t)-1;
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

/*
 * The kernel waits by its own clock: until a time of the shifted one, RocksDB's background threads
 * would never or forever wait. What is no time of a wall clock (these began in 1970) is of another
 * clock.
 */
int
pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
    const struct timespec *restrict until)
{
	struct timespec t = *until;

	if (t.tv_sec > 500000000)
		t.tv_sec -= shift();
	return real_timedwait(cond, mutex, &t);
}

/* thread.c - see thread.h. */
#include "base/thread.h"

#include "base/attr.h"
#include "base/err.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	NICE_PATIENT = 10,
	TURN_PROMPT_NS = 100 * 1000, /* the shortest that there is */
	TURN_STEADY_NS = 3 * 1000 * 1000,
	TURN_PATIENT_NS = 10 * 1000 * 1000,
};

/* As the kernel has it: sched_setattr(2). glibc 2.36 has no declaration of it. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

void
thread_begin(const char *name, enum thread_pace pace)
{
	/*
	 * Short ones of those who give way, too: what a turn is, the clock's ticks decide, but the
	 * scheduler owes who has waited two turns of it, and then he comes before the prompt.
	 */
	static const uint64_t turns_ns[] = { [THREAD_PROMPT] = TURN_PROMPT_NS,
		[THREAD_STEADY] = TURN_STEADY_NS,
		[THREAD_MODEST] = TURN_PROMPT_NS,
		[THREAD_PATIENT] = TURN_PATIENT_NS };
	struct sched_attributes a = { .size = sizeof(a), .policy = SCHED_OTHER };

	if (name != NULL)
		pthread_setname_np(pthread_self(), name);
	errno = 0;
	a.nice = getpriority(PRIO_PROCESS, 0); /* of this thread: Linux has no other */
	if (errno != 0)
		return;
	a.runtime_ns = turns_ns[pace];
	/* Of two that give way it is the length of the turn by which one comes first. */
	if (pace == THREAD_MODEST || pace == THREAD_PATIENT)
		a.nice = MAX(a.nice, NICE_PATIENT);
	if (syscall(SYS_sched_setattr, 0, &a, 0) == 0)
		return;
	/* In a container that does not allow it: what can be had of it. */
	ignore_err(setpriority(PRIO_PROCESS, 0, a.nice) == 0 ? ERR_OK : ERR_NOPERM,
	    "it works without, if slower when the machine is busy");
}

void
thread_step_aside(void)
{
	sched_yield();
}

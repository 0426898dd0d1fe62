/* clock.h - time is handed in, so that a test can run a whole server on a virtual clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
	/* Wall clock: milliseconds since 1970 UTC. May jump. */
	int64_t (*wall_ms)(struct clock *c);
	/* Never goes back; for timeouts and measures. Microseconds. */
	int64_t (*mono_us)(struct clock *c);
};

/** The machine's clocks. */
struct clock *clock_system(void);
/** Microseconds of a processor that the calling thread has used. */
int64_t clock_thread_us(void);

#endif

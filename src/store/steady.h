/*
 * steady.h - is the wall clock to be believed? Retention deletes by it for good, and a clock that
 * an operator, a battery or a restored machine sets years ahead would end every retention at once.
 * So a clock that jumped is not believed until the retention period has passed again, in time that
 * the server was running: whatever was to be kept then has been kept for that long.
 */
#ifndef STORE_STEADY_H
#define STORE_STEADY_H

#include "base/clock.h"
#include "kv/kv.h"

struct steady {
	bool is_loaded;
	int64_t wall_ms, mono_us; /* at the last tick */
	int64_t hold_ms;          /* so long nothing is deleted yet */
	int64_t saved_us;         /* when the row was written */
	int64_t jump_ms;          /* that the last tick saw; 0: none */
};

/**
 * With each housekeeping, in its thread; retention_ms is the hold after a jump. Waits for the
 * engine.
 */
void steady_tick(struct steady *s, struct kv *kv, struct clock *clock, int64_t retention_ms);

#endif

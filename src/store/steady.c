/* steady.c - see steady.h. */
#include "store/steady.h"

#include "base/bytes.h"
#include "store/row.h"

#include <stdlib.h>

#define HOUR_MS (3600 * INT64_C(1000))
#define DAY_MS (24 * HOUR_MS)

/*
 * Forward, a month is a server that was switched off or a machine that slept, and both count: who
 * asks for seven days means the calendar's. Back, an hour is more than any correction.
 */
#define FORWARD_MS (30 * DAY_MS)
#define BACK_MS HOUR_MS
#define SAVE_US (HOUR_MS * 1000)

enum { ROW_BYTES = 16 };

/* What the last process knew; a store without the row begins with a clock that is believed. */
static enum err
steady_load(struct steady *s, struct kv *kv, struct clock *clock)
{
	struct row_key key = row_key_clock();
	struct kv_range range = { .kind = KV_ROW, .from = row_key_str(&key), .is_exact = true };
	struct kv_rows *rows = NULL;
	enum err e = kv_load_now(kv, ACCOUNT_SYSTEM, &range, 1, &rows);

	if (e != ERR_OK)
		return e;
	*s = (struct steady){ .is_loaded = true,
		.wall_ms = clock->wall_ms(clock),
		.mono_us = clock->mono_us(clock) };
	s->saved_us = s->mono_us - SAVE_US;
	if (rows->ranges[0].count == 1 && rows->ranges[0].rows[0].value.n == ROW_BYTES) {
		const char *p = rows->ranges[0].rows[0].value.p;

		s->wall_ms = (int64_t)get_le64(p);
		s->hold_ms = MAX((int64_t)get_le64(p + 8), 0);
	}
	kv_rows_free(rows);
	return ERR_OK;
}

static void
steady_save(struct steady *s, struct kv *kv)
{
	struct row_key key = row_key_clock();
	struct kv_txn *t = kv_txn_new(kv, ACCOUNT_SYSTEM, KV_UNVERSIONED, KV_UNVERSIONED);
	char row[ROW_BYTES];

	put_le64(row, (uint64_t)s->wall_ms);
	put_le64(row + 8, (uint64_t)s->hold_ms);
	kv_put(t, KV_ROW, row_key_str(&key), str_make(row, sizeof(row)));
	if (kv_commit_now(kv, &t, 1) == ERR_OK)
		s->saved_us = s->mono_us;
}

void
steady_tick(struct steady *s, struct kv *kv, struct clock *clock, int64_t retention_ms)
{
	int64_t wall_ms, mono_us, passed_ms;

	if (!s->is_loaded && steady_load(s, kv, clock) != ERR_OK) {
		/* nothing is deleted by what is not known */
		s->hold_ms = MAX(s->hold_ms, 1);
		return;
	}
	wall_ms = clock->wall_ms(clock);
	mono_us = clock->mono_us(clock);
	passed_ms = (mono_us - s->mono_us) / 1000;
	s->jump_ms = wall_ms - s->wall_ms - passed_ms;
	if (s->jump_ms > FORWARD_MS || s->jump_ms < -BACK_MS)
		s->hold_ms = retention_ms;
	else {
		s->jump_ms = 0;
		s->hold_ms = MAX(s->hold_ms - passed_ms, 0);
	}
	s->wall_ms = wall_ms;
	s->mono_us = mono_us;
	if (s->jump_ms != 0 || mono_us - s->saved_us >= SAVE_US)
		steady_save(s, kv);
}

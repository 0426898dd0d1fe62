/*
 * patrol_state.h - where the patrol was: when the next run is due (ms since 1970), and the account
 * that it begins with, as a line.
 */
#ifndef DAEMON_PATROL_STATE_H
#define DAEMON_PATROL_STATE_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define PATROL_STATE_BYTES 48

struct patrol_state {
	int64_t due_ms;   /* > 0 */
	uint64_t account; /* > 0 */
};

size_t patrol_state_format(const struct patrol_state *s, char line[PATROL_STATE_BYTES]);
/** False: it says nothing. */
bool patrol_state_parse(struct str line, struct patrol_state *out);

#endif

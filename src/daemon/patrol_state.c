/* patrol_state.c - see patrol_state.h. */
#include "daemon/patrol_state.h"

#include <inttypes.h>
#include <stdio.h>

size_t
patrol_state_format(const struct patrol_state *s, char line[PATROL_STATE_BYTES])
{
	return (size_t)snprintf(line, PATROL_STATE_BYTES, "%" PRId64 " %" PRIu64 "\n", s->due_ms,
	    s->account);
}

bool
patrol_state_parse(struct str line, struct patrol_state *out)
{
	struct str rest = line, due;
	uint64_t due_ms, account;

	if (!str_ends(rest, STR("\n")))
		return false; /* it was cut short */
	rest.n--;
	if (!str_split(&rest, ' ', &due) || !str_to_u64(due, &due_ms) || !str_to_u64(rest, &account)
	    || due_ms == 0 || due_ms > INT64_MAX || account == 0)
		return false;
	*out = (struct patrol_state){ (int64_t)due_ms, account };
	return true;
}

/* patrol_state_fuzz.c - what is accepted says the same when it is written again. */
#include "base/test.h"
#include "daemon/patrol_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patrol_state s, again;
	char line[PATROL_STATE_BYTES];
	size_t n;

	if (!patrol_state_parse(str_make(data, size), &s))
		return 0;
	must(s.due_ms > 0 && s.account > 0);
	n = patrol_state_format(&s, line);
	must(n < sizeof(line) && patrol_state_parse(str_make(line, n), &again));
	must(again.due_ms == s.due_ms && again.account == s.account);
	return 0;
}

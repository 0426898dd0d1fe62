/* control_line_fuzz.c - who is named in the line is all of what stands behind the verb. */
#include "base/test.h"
#include "daemon/control_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str line = str_make(data, size), user;
	enum control_verb verb;
	bool names;

	if (!control_line_parse(line, &verb, &user))
		return 0;
	line = str_trim(line);
	names = verb == CONTROL_USER || verb == CONTROL_DELETE;
	must(names == (user.n > 0));
	must(!names || (user.p + user.n == line.p + line.n && str_chr(user, '\0') == SIZE_MAX));
	return 0;
}

/* control_line.c - see control_line.h. */
#include "daemon/control_line.h"

bool
control_line_parse(struct str line, enum control_verb *verb_out, struct str *user_out)
{
	struct str rest = str_trim(line), verb;

	*user_out = STR("");
	if (str_eq(rest, STR("WHO")) || str_eq(rest, STR("ADMIN"))) {
		*verb_out = str_eq(rest, STR("WHO")) ? CONTROL_WHO : CONTROL_ADMIN;
		return true;
	}
	if (!str_split(&rest, ' ', &verb) || rest.n == 0
	    || str_chr(rest, '\0') != SIZE_MAX) /* a name that ends there would be another one */
		return false;
	if (!str_eq(verb, STR("USER")) && !str_eq(verb, STR("DELETE")))
		return false;
	*verb_out = str_eq(verb, STR("USER")) ? CONTROL_USER : CONTROL_DELETE;
	*user_out = rest;
	return true;
}

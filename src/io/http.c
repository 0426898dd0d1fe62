/* http.c - see http.h. */
#include "io/http.h"

#include "base/attr.h"

bool
http_is_method(struct str word)
{
	static const struct str methods[] = {
		STR_INIT("GET"),
		STR_INIT("HEAD"),
		STR_INIT("POST"),
		STR_INIT("PUT"),
		STR_INIT("DELETE"),
		STR_INIT("CONNECT"),
		STR_INIT("OPTIONS"),
		STR_INIT("TRACE"),
		STR_INIT("PATCH"),
	};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(word, methods[i]))
			return true;
	return false;
}

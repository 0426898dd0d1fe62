/* number_line.c - see number_line.h. */
#include "kv/number_line.h"

#include "base/str.h"
#include "kv/crc32c.h"

#include <inttypes.h>
#include <stdio.h>

size_t
number_line_format(uint64_t number, char line[NUMBER_LINE_BYTES])
{
	size_t n = (size_t)snprintf(line, NUMBER_LINE_BYTES, "%" PRIu64, number);

	return n
	    + (size_t)snprintf(line + n, NUMBER_LINE_BYTES - n, " %08" PRIx32 "\n",
		crc32c(0, line, n));
}

bool
number_line_parse(struct str line, uint64_t *out)
{
	char right[NUMBER_LINE_BYTES];
	size_t space = str_chr(line, ' ');
	uint64_t number;

	if (space == SIZE_MAX || !str_to_u64(str_sub(line, 0, space), &number)
	    || !str_eq(line, str_make(right, number_line_format(number, right))))
		return false;
	*out = number;
	return true;
}

/*
 * number_line_fuzz.c - a line that is accepted is written back byte for byte; with one bit of it
 * flipped it is none.
 */
#include "base/str.h"
#include "base/test.h"
#include "kv/number_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[NUMBER_LINE_BYTES];
	uint64_t number, other;
	size_t n;

	if (!number_line_parse(str_make(data, size), &number))
		return 0;
	n = number_line_format(number, line);
	must(str_eq(str_make(line, n), str_make(data, size)));
	for (size_t i = 0; i < 8 * n; i++) {
		line[i / 8] = (char)(line[i / 8] ^ 1 << i % 8);
		must(!number_line_parse(str_make(line, n), &other));
		line[i / 8] = (char)(line[i / 8] ^ 1 << i % 8);
	}
	return 0;
}

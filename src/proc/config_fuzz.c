/*
 * config_fuzz.c - a configuration that is accepted must come back from its own text; any other is
 * refused with a reason.
 */
#include "proc/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BUF_CLEAN struct buf errors = BUF_MAX(65536), a = BUF_MAX(1u << 20), b = BUF_MAX(1u << 20);
	struct config *c = NULL, *d = NULL;

	if (config_parse("fuzz", str_make(data, size), &c, &errors) != ERR_OK) {
		must(errors.n > 0);
		return 0;
	}
	config_format(c, false, &a);
	if (a.n <= CONFIG_TEXT_MAX) {
		must(config_parse("again", buf_str(&a), &d, &errors) == ERR_OK);
		config_format(d, false, &b);
		must(str_eq(buf_str(&a), buf_str(&b)));
		config_free(d);
	}
	config_free(c);
	return 0;
}

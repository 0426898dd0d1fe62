/*
 * annotate_fuzz.c - annotations in commands: what is taken keeps the rules of names, attributes and
 * values.
 */
#include "imap/annotate.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_name(struct str name)
{
	uint32_t path[ANNOTATE_DEPTH_MAX];

	must(name.n > 1 && name.n <= ANNOTATE_NAME_MAX && name.p[0] == '/' && str_is_ascii(name)
	    && memmem(name.p, name.n, "//", 2) == NULL);
	must(!imap_annotate_is_pattern(name) && !str_ends(name, STR("/"))
	    && !str_starts(name, STR("/flags/")));
	must((imap_annotate_part(name, path) != 0) == chr_is_digit(name.p[1]));
}

static void
check_fetch(const struct imap_annotate_fetch *f)
{
	must(f->atts != 0 && f->name_count + f->pattern_count > 0
	    && f->name_count + f->pattern_count <= ANNOTATE_ENTRIES_MAX);
	for (size_t i = 0; i < f->name_count; i++)
		check_name(f->names[i]);
	for (size_t i = 0; i < f->pattern_count; i++)
		must(imap_annotate_is_pattern(f->patterns[i]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	struct str in = str_make(data + 1, size == 0 ? 0 : size - 1), name;
	struct imap_annotate_fetch f = { 0 };
	struct imap_annotate_store store = { 0 };
	struct imap_scan s;
	bool is_shared;
	unsigned atts;

	if (size == 0)
		return 0;
	imap_scan_init(&s, &a, in, data[0] % 2 == 0);
	switch (data[0] / 2 % 4) {
	case 0:
		if (imap_annotate_fetch(&s, &f))
			check_fetch(&f);
		break;
	case 1:
		if (imap_annotate_store(&s, &store))
			must(store.count > 0 && store.count <= ANNOTATE_ENTRIES_MAX);
		for (size_t i = 0; i < store.count; i++)
			check_name(store.values[i].entry);
		break;
	case 2:
		if (imap_annotate_search(&s, &name, &atts))
			must(name.n > 0 && atts != 0);
		break;
	case 3:
		if (imap_annotate_sort(&s, &name, &is_shared))
			check_name(name);
		break;
	}
	arena_done(&a);
	return 0;
}

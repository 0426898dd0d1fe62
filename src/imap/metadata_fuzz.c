/*
 * metadata_fuzz.c - GETMETADATA and SETMETADATA of anything: what is taken keeps the rules of names
 * and values.
 */
#include "imap/metadata.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct imap_metadata *m)
{
	must(m->count > 0 && m->count <= METADATA_ENTRIES_MAX
	    && m->depth <= METADATA_DEPTH_INFINITY);
	must(m->is_server || m->mailbox.n > 0);
	for (size_t i = 0; i < m->count; i++) {
		struct str name = m->entries[i].name;

		must(name.n > 1 && name.n <= METADATA_NAME_MAX && str_is_ascii(name)
		    && str_chr(name, '*') == SIZE_MAX);
		must(imap_metadata_is_private(name) || str_starts_nocase(name, STR("/shared")));
		must(imap_metadata_covers(name, 0, name) && !str_ends(name, STR("/")));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	struct imap_metadata m;
	struct imap_scan s;

	imap_scan_init(&s, &a, str_make(data, size), true);
	if (imap_getmetadata_parse(&s, &m) == ERR_OK)
		check(&m);
	imap_scan_init(&s, &a, str_make(data, size), false);
	if (imap_setmetadata_parse(&s, &m) == ERR_OK)
		check(&m);
	arena_done(&a);
	return 0;
}

/* convert_fuzz.c - CONVERT and CONVERSIONS of anything: what is taken keeps the rules. */
#include "imap/convert.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	struct imap_conversions p;
	struct imap_convert c;
	struct imap_scan s;

	imap_scan_init(&s, &a, str_make(data, size), true);
	if (imap_convert_parse(&s, &c) == ERR_OK) {
		must(c.param_count <= CONVERT_PARAMS_MAX && c.item_count <= CONVERT_ITEMS_MAX
		    && (c.has_uid || c.item_count > 0));
		for (size_t i = 0; i < c.item_count; i++) {
			const struct convert_item *item = &c.items[i];

			must((item->kind == CONVERT_HEADER) == (item->section.kind != SECTION_BODY)
			    && (item->kind != CONVERT_HEADER || c.type.p == NULL));
			must(!item->section.has_partial
			    || (item->kind == CONVERT_BINARY && item->section.length > 0));
			must(str_chr(item->label, '[') != SIZE_MAX && str_is_ascii(item->label));
		}
	}
	imap_scan_init(&s, &a, str_make(data, size), false);
	if (imap_conversions_parse(&s, &p) == ERR_OK) {
		must(imap_conversion_matches(p.from, p.from)
		    && imap_conversion_matches(STR("*"), p.to));
		must(str_eq(p.to, STR("*")) || str_chr(p.to, '/') != SIZE_MAX);
	}
	arena_done(&a);
	return 0;
}

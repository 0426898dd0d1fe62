/* utf7_fuzz.c - decodes a mailbox name; what a name decodes to must encode and decode to itself. */
#include "imap/utf7.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size), name, again;
	BUF_CLEAN struct buf utf8 = BUF_MAX(100000), utf7 = BUF_MAX(1000000),
			     back = BUF_MAX(1000000);
	struct arena a = ARENA_NONE;

	if (imap_utf7_decode(text, &utf8)) {
		must(str_is_utf8(buf_str(&utf8)));
		imap_utf7_encode(buf_str(&utf8), &utf7);
		must(str_is_ascii(buf_str(&utf7)));
		/* NUL is no part of a name: it is let through as a plain byte, but not shifted. */
		if (str_chr(buf_str(&utf8), '\0') == SIZE_MAX)
			must(imap_utf7_decode(buf_str(&utf7), &back)
			    && str_eq(buf_str(&back), buf_str(&utf8)));
	}
	for (int is_utf8 = 0; is_utf8 < 2; is_utf8++) {
		if (imap_name_decode(&a, text, is_utf8 != 0, &name) != ERR_OK)
			continue;
		must(name.n > 0 && name.n <= MAILBOX_NAME_MAX && str_is_utf8(name));
		must(imap_name_normalise(&a, name, &again) == ERR_OK && str_eq(name, again));
	}
	arena_done(&a);
	return 0;
}

/*
 * url_fuzz.c - reads a URL; written anew with all of its name encoded it must be the same one, and
 * quoting leaves no bad character.
 */
#include "imap/url.h"

#include "imap/utf7.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_anew(const struct imap_url *url, struct buf *b)
{
	if (url->base == IMAP_URL_ABSOLUTE)
		buf_lit(b, "imap://host");
	if (url->base != IMAP_URL_MAILBOX) {
		buf_chr(b, '/');
		for (size_t i = 0; i < url->mailbox.n; i++)
			buf_printf(b, "%%%02x", (unsigned char)url->mailbox.p[i]);
		if (url->uidvalidity != 0)
			buf_printf(b, ";UIDVALIDITY=%u", url->uidvalidity);
		buf_chr(b, '/');
	}
	buf_printf(b, ";UID=%u", url->uid);
	if (url->section.has_partial)
		buf_printf(b, "/;PARTIAL=%llu", (unsigned long long)url->section.offset);
	if (url->section.has_partial && url->section.length != UINT64_MAX)
		buf_printf(b, ".%llu", (unsigned long long)url->section.length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(4 * IMAP_URL_MAX);
	struct str text = str_make(data, size), name;
	struct imap_url url, again;

	if (imap_url_parse(&a, text, &url) == ERR_OK) {
		must(url.uid != 0 && (url.base == IMAP_URL_MAILBOX) == (url.mailbox.n == 0));
		must(url.mailbox.n == 0
		    || (imap_name_normalise(&a, url.mailbox, &name) == ERR_OK
			&& str_eq(name, url.mailbox)));
		write_anew(&url, &b);
		must(imap_url_parse(&a, buf_str(&b), &again) == ERR_OK && again.base == url.base
		    && again.uid == url.uid);
		must(again.uidvalidity == url.uidvalidity && str_eq(again.mailbox, url.mailbox));
		must(again.section.offset == url.section.offset
		    && again.section.length == url.section.length);
	}
	buf_clear(&b);
	imap_url_quote(text, &b);
	for (size_t i = 0; i < b.n; i++)
		must(b.p[i] > ' ' && b.p[i] < 0x7F && b.p[i] != '"' && b.p[i] != ']'
		    && b.p[i] != '\\');
	arena_done(&a);
	return 0;
}

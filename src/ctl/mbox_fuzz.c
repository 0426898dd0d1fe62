/*
 * mbox_fuzz.c - whatever stands in a file that an operator imports: messages are no longer than
 * the file together, and have sane flags and keywords.
 */
#include "ctl/mailbag.h"

#include "imap/flags.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The reader's complaints are for people. */
int
ctl_fail(unused_arg const char *fmt, ...)
{
	return CTL_FAILED;
}

static bool
on_mailbox(unused_arg void *ctx, unused_arg struct str mailbox)
{
	return true;
}

static bool
on_item(void *ctx, const struct mail_item *item)
{
	uint64_t *left = ctx;

	must(item->bytes.n <= *left);
	*left -= item->bytes.n;
	must(item->keyword_count <= KEYWORDS_MAX);
	for (size_t i = 0; i < item->keyword_count; i++)
		must(imap_flags_is_keyword(item->keywords[i]));
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint64_t left;
	const struct mail_sink to = { .mailbox = on_mailbox, .item = on_item, .ctx = &left };
	/* No byte behind the end: a mapped file may have none either. */
	char *bytes = xmalloc(n);

	if (n != 0)
		memcpy(bytes, data, n);
	left = n;
	(void)mbox_read_bytes(str_make(bytes, n), "file", STR("INBOX"), &to);
	free(bytes);
	return 0;
}

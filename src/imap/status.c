/* status.c - see status.h. */
#include "imap/status.h"

static const struct {
	struct str name;
	unsigned bit;
} items[] = {
	{ STR_INIT("MESSAGES"), STATUS_MESSAGES },
	{ STR_INIT("RECENT"), STATUS_RECENT },
	{ STR_INIT("UIDNEXT"), STATUS_UIDNEXT },
	{ STR_INIT("UIDVALIDITY"), STATUS_UIDVALIDITY },
	{ STR_INIT("UNSEEN"), STATUS_UNSEEN },
	{ STR_INIT("DELETED"), STATUS_DELETED },
	{ STR_INIT("DELETED-STORAGE"), STATUS_DELETED_STORAGE },
	{ STR_INIT("SIZE"), STATUS_SIZE },
	{ STR_INIT("HIGHESTMODSEQ"), STATUS_HIGHESTMODSEQ },
	{ STR_INIT("APPENDLIMIT"), STATUS_APPENDLIMIT },
	{ STR_INIT("MAILBOXID"), STATUS_MAILBOXID },
};

struct str
imap_status_name(unsigned bit)
{
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		if (items[i].bit == bit)
			return items[i].name;
	}
	return STR_NONE;
}

static bool
take_item(struct imap_scan *s, unsigned *bits)
{
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		if (imap_scan_try_atom(s, items[i].name)) {
			*bits |= items[i].bit;
			return true;
		}
	}
	return imap_scan_fail(s, ERR_SYNTAX, "a status item");
}

bool
imap_status_items(struct imap_scan *s, unsigned *items_out)
{
	unsigned bits = 0;

	if (!imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (!take_item(s, &bits))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && bits == 0)
		return imap_scan_fail(s, ERR_SYNTAX, "a status item");
	*items_out = bits;
	return imap_scan_err(s) == ERR_OK;
}

/* flags.c - see flags.h. */
#include "imap/flags.h"

#include "imap/scan.h"

/*
 * From the IANA registry of IMAP keywords. The order is part of the file format: a slot's name
 * never changes.
 */
static const struct str registered[KEYWORDS_REGISTERED] = {
	STR_INIT("$Forwarded"),
	STR_INIT("$MDNSent"),
	STR_INIT("$Junk"),
	STR_INIT("$NotJunk"),
	STR_INIT("$Phishing"),
	STR_INIT("$Important"),
	STR_INIT("$SubmitPending"),
	STR_INIT("$Submitted"),
	STR_INIT("$HasAttachment"),
	STR_INIT("$HasNoAttachment"),
	STR_INIT("$MailFlagBit0"),
	STR_INIT("$MailFlagBit1"),
	STR_INIT("$MailFlagBit2"),
	STR_INIT("$Muted"),
	STR_INIT("$Followed"),
	STR_INIT("$Notify"),
};

static const struct {
	struct str name;
	unsigned bit;
} system_flags[] = {
	{ STR_INIT("\\Answered"), FLAG_ANSWERED },
	{ STR_INIT("\\Flagged"), FLAG_FLAGGED },
	{ STR_INIT("\\Deleted"), FLAG_DELETED },
	{ STR_INIT("\\Seen"), FLAG_SEEN },
	{ STR_INIT("\\Draft"), FLAG_DRAFT },
	{ STR_INIT("\\Recent"), FLAG_RECENT },
};

struct str
imap_flags_registered(unsigned slot)
{
	must(slot < KEYWORDS_REGISTERED);
	return registered[slot];
}

unsigned
imap_flags_registered_slot(struct str name)
{
	for (unsigned i = 0; i < KEYWORDS_REGISTERED; i++) {
		if (str_eq_nocase(registered[i], name))
			return i;
	}
	return KEYWORDS_MAX;
}

unsigned
imap_flags_system(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
		if (str_eq_nocase(system_flags[i].name, name))
			return system_flags[i].bit;
	}
	return 0;
}

struct str
imap_flags_system_name(unsigned bit)
{
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
		if (system_flags[i].bit == bit)
			return system_flags[i].name;
	}
	return STR_NONE;
}

bool
imap_flags_is_keyword(struct str name)
{
	if (name.n == 0 || name.n > KEYWORD_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (!imap_is_atom_char(name.p[i]))
			return false;
	}
	return true;
}

void
imap_flags_format_system(unsigned system, bool *is_first, struct buf *b)
{
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
		if ((system & system_flags[i].bit) == 0)
			continue;
		if (!*is_first)
			buf_chr(b, ' ');
		*is_first = false;
		buf_str_add(b, system_flags[i].name);
	}
}

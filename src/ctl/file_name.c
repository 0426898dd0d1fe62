/* file_name.c - see file_name.h. */
#include "ctl/file_name.h"

#include "imap/utf7.h"

static const char hex[] = "0123456789abcdef";

static void
add_escaped(struct buf *out, char c)
{
	buf_chr(out, '\\');
	buf_chr(out, hex[(unsigned char)c >> 4]);
	buf_chr(out, hex[(unsigned char)c & 15]);
}

void
file_name_add(struct buf *out, struct str mailbox, char separator)
{
	bool is_first = true; /* in its level */

	for (size_t i = 0; i < mailbox.n; i++) {
		char c = mailbox.p[i];
		bool is_end = c == MAILBOX_SEPARATOR;

		if (is_end)
			buf_chr(out, separator);
		else if (c == separator || c == '\\' || (c == '.' && is_first))
			add_escaped(out, c);
		else
			buf_chr(out, c);
		is_first = is_end;
	}
}

/* What "\xx" at the beginning stands for, or 0. */
static char
escaped(struct str s)
{
	static const char *const codes[] = { "\\2e", "\\2f", "\\5c", "\\7e" };
	static const char bytes[] = "./\\~";

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (str_starts_nocase(s, str_c(codes[i])))
			return bytes[i];
	return 0;
}

void
file_name_level(struct buf *out, struct str level)
{
	for (size_t i = 0; i < level.n; i++) {
		char c = escaped(str_sub(level, i, level.n));

		buf_chr(out, c != 0 ? c : level.p[i]);
		if (c != 0)
			i += 2;
	}
}

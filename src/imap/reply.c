/* reply.c - see reply.h. */
#include "imap/reply.h"

#include "imap/scan.h"
#include "imap/utf7.h"

/*
 * Longer strings go out as literals: quoting them gains nothing and old clients have short line
 * buffers.
 */
enum { QUOTED_MAX = 4096 };

void
reply_atom(struct buf *b, struct str s)
{
	buf_str_add(b, s);
}

/* A quoted string can hold it. */
static bool
is_quotable(struct str s, enum reply_form form)
{
	bool is_ascii = true;

	if (s.n > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || s.p[i] == '\r' || s.p[i] == '\n')
			return false;
		is_ascii = is_ascii && (unsigned char)s.p[i] < 0x80;
	}
	return is_ascii || (form == REPLY_UTF8 && str_is_utf8(s));
}

void
reply_literal_open(struct buf *b, uint64_t size)
{
	buf_chr(b, '{');
	buf_u64(b, size);
	buf_lit(b, "}\r\n");
}

void
reply_literal8_open(struct buf *b, uint64_t size)
{
	buf_chr(b, '~');
	reply_literal_open(b, size);
}

void
reply_literal(struct buf *b, struct str s)
{
	reply_literal_open(b, s.n);
	buf_str_add(b, s);
}

void
reply_string(struct buf *b, struct str s, enum reply_form form)
{
	if (!is_quotable(s, form)) {
		reply_literal(b, s);
		return;
	}
	buf_chr(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_chr(b, '\\');
		buf_chr(b, s.p[i]);
	}
	buf_chr(b, '"');
}

void
reply_nstring(struct buf *b, struct str s, enum reply_form form)
{
	if (s.p == NULL)
		buf_lit(b, "NIL");
	else
		reply_string(b, s, form);
}

void
reply_astring(struct buf *b, struct str s, enum reply_form form)
{
	bool is_atom = s.n > 0 && s.n < 256 && !str_eq_nocase(s, STR("NIL"));

	for (size_t i = 0; i < s.n && is_atom; i++)
		/* at a line's end it looks like a literal's */
		is_atom = imap_is_astring_char(s.p[i]) && s.p[i] != '}';
	if (is_atom)
		buf_str_add(b, s);
	else
		reply_string(b, s, form);
}

void
reply_number(struct buf *b, uint64_t v)
{
	buf_u64(b, v);
}

void
reply_datetime(struct buf *b, struct imap_datetime t)
{
	imap_datetime_format(t, b);
}

void
reply_mailbox(struct buf *b, struct str name, enum reply_form form)
{
	BUF_CLEAN struct buf encoded = BUF_MAX(8 * MAILBOX_NAME_MAX);

	if (form == REPLY_UTF8) {
		reply_astring(b, name, form);
		return;
	}
	imap_utf7_encode(name, &encoded);
	reply_astring(b, buf_str(&encoded), form);
}

void
reply_rangeset(struct buf *b, const struct rangeset *set)
{
	rangeset_format(set, b);
}

/* Control characters never; bytes above ASCII only if they are UTF-8 and may be. */
static void
write_text(struct buf *b, struct str text, bool is_utf8)
{
	const bool keeps_utf8 = is_utf8 && str_is_utf8(text);
	char *to = buf_reserve(b, text.n);

	if (to == NULL)
		return;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		to[i] = c < 0x20 || c == 0x7F || (c >= 0x80 && !keeps_utf8) ? '?' : (char)c;
	}
	b->n += text.n;
	/* resp-text is at least one character (RFC 9051 9 text). */
	if (text.n == 0)
		buf_chr(b, '.');
}

void
reply_text(struct buf *b, struct str text)
{
	write_text(b, text, false);
}

void
reply_list_open(struct buf *b, bool *is_first)
{
	buf_chr(b, '(');
	*is_first = true;
}

void
reply_item(struct buf *b, bool *is_first)
{
	if (!*is_first)
		buf_chr(b, ' ');
	*is_first = false;
}

void
reply_list_close(struct buf *b)
{
	buf_chr(b, ')');
}

void
reply_flags(struct buf *b, unsigned system, struct keywords keywords, const struct str *names,
    size_t n)
{
	bool is_first;

	reply_list_open(b, &is_first);
	imap_flags_format_system(system, &is_first, b);
	for (unsigned w = 0; w < 2; w++) {
		for (uint64_t bits = keywords.w[w]; bits != 0; bits &= bits - 1) {
			unsigned slot = w * 64 + (unsigned)__builtin_ctzll(bits);

			if (slot >= n || names[slot].n == 0)
				continue;
			reply_item(b, &is_first);
			reply_atom(b, names[slot]);
		}
	}
	reply_list_close(b);
}

void
reply_untagged(struct buf *b)
{
	buf_lit(b, "* ");
}

void
reply_untagged_number(struct buf *b, uint32_t n, const char *word)
{
	reply_untagged(b);
	reply_number(b, n);
	buf_chr(b, ' ');
	buf_c(b, word);
	reply_end(b);
}

void
reply_end(struct buf *b)
{
	buf_lit(b, "\r\n");
}

void
reply_continue(struct buf *b, const char *text)
{
	buf_lit(b, "+ ");
	buf_c(b, text);
	reply_end(b);
}

static void
write_status(struct buf *b, struct str tag, const char *condition, struct str code, struct str text,
    bool is_utf8)
{
	buf_str_add(b, tag.n == 0 ? STR("*") : tag);
	buf_chr(b, ' ');
	buf_c(b, condition);
	buf_chr(b, ' ');
	if (code.n > 0) {
		buf_chr(b, '[');
		buf_str_add(b, code);
		buf_lit(b, "] ");
	}
	write_text(b, text, is_utf8);
	reply_end(b);
}

void
reply_status(struct buf *b, struct str tag, const char *condition, struct str code, struct str text)
{
	write_status(b, tag, condition, code, text, false);
}

void
reply_status_utf8(struct buf *b, struct str tag, const char *condition, struct str code,
    struct str text)
{
	write_status(b, tag, condition, code, text, true);
}

void
reply_err(struct buf *b, struct str tag, enum err e)
{
	static const char *const conditions[] = {
		[ERR_REPLY_OK] = "OK",
		[ERR_REPLY_NO] = "NO",
		[ERR_REPLY_BAD] = "BAD",
	};

	reply_status(b, tag, conditions[err_reply(e)], str_c(err_rcode(e)), str_c(err_text(e)));
}

void
reply_code_number(struct buf *b, const char *name, uint64_t v)
{
	buf_c(b, name);
	buf_chr(b, ' ');
	reply_number(b, v);
}

void
reply_code_appenduid(struct buf *b, uint32_t uidvalidity, const struct rangeset *uids)
{
	reply_code_number(b, "APPENDUID", uidvalidity);
	buf_chr(b, ' ');
	reply_rangeset(b, uids);
}

void
reply_code_copyuid(struct buf *b, uint32_t uidvalidity, const struct rangeset *from,
    const struct rangeset *to)
{
	reply_code_number(b, "COPYUID", uidvalidity);
	buf_chr(b, ' ');
	reply_rangeset(b, from);
	buf_chr(b, ' ');
	reply_rangeset(b, to);
}

void
reply_code_modified(struct buf *b, const struct rangeset *set)
{
	buf_lit(b, "MODIFIED ");
	reply_rangeset(b, set);
}

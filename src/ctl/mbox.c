/*
 * mbox.c - reads mbox files of all kinds: a message begins with a line "From " after an empty line
 * (or at the beginning), unless its Content-Length says that it goes on (mboxcl); ">From " loses
 * one ">" (mboxrd, mboxo) unless Content-Length held.
 *
 * Flags come from Status and X-Status (mutt, Pine), X-Mozilla-Status and X-Keywords. INTERNALDATE
 * is the From_ line's, or the Date field's where that line has another form.
 */
#include "ctl/mailbag.h"

#include "imap/flags.h"
#include "mime/header.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

bool
mbox_is(const char *path)
{
	char t[5];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, t, sizeof(t));
	close(fd);
	return n == (ssize_t)sizeof(t) && memcmp(t, "From ", 5) == 0;
}

/* End of the line at `at`: behind its LF. */
static size_t
line_end(struct str s, size_t at)
{
	size_t lf = str_chr(str_sub(s, at, s.n), '\n');

	return lf == SIZE_MAX ? s.n : at + lf + 1;
}

static bool
is_from_line(struct str s, size_t at)
{
	return str_starts(str_sub(s, at, s.n), STR("From "));
}

static size_t
header_end(struct str s, size_t at)
{
	while (at < s.n) {
		size_t next = line_end(s, at);

		if (s.p[at] == '\n' || (s.p[at] == '\r' && next == at + 2))
			return next;
		if (is_from_line(s, at))
			return at;
		at = next;
	}
	return at;
}

/* Where Content-Length says that the message ends, if what follows there confirms it; 0 if not. */
static size_t
end_by_length(struct str s, size_t begin, size_t body)
{
	struct mime_field f;
	uint64_t n;
	size_t at;

	if (!mime_header_find(str_sub(s, begin, body), STR("Content-Length"), &f)
	    || !str_to_u64(str_trim(f.value), &n) || n > s.n - body)
		return 0;
	at = body + (size_t)n;
	if (at == s.n || is_from_line(s, at))
		return at;
	if (s.p[at] == '\r' && at + 1 < s.n)
		at++;
	if (s.p[at] == '\n' && (at + 1 == s.n || is_from_line(s, at + 1)))
		return body + (size_t)n;
	return 0;
}

static bool
is_empty_line(struct str s, size_t at, size_t next)
{
	return str_trim(str_sub(s, at, next)).n == 0;
}

/* Whether the line before is empty. */
static bool
is_behind_empty_line(struct str s, size_t begin, size_t at)
{
	size_t line = at;

	while (line > begin && (line == at || s.p[line - 1] != '\n'))
		line--;
	return line < at && is_empty_line(s, line, at);
}

/*
 * Where the next From_ line is, or the end; the empty line before it is the separator's. Who writes no
 * body may write one empty line only, the header's end.
 */
static size_t
end_by_from(struct str s, size_t begin, size_t body)
{
	if (is_from_line(s, body) && is_behind_empty_line(s, begin, body))
		return body;
	for (size_t at = body; at < s.n;) {
		size_t next = line_end(s, at);

		/* An empty line, then From_. */
		if (next < s.n && is_from_line(s, next) && is_empty_line(s, at, next))
			return at;
		at = next;
	}
	return s.n;
}

/*
 * "From joe@example.org Thu Jan  1 00:00:00 1970": ctime's form, mostly UTC, with a zone perhaps.
 */
static void
take_date(struct mail_item *item, struct str line)
{
	struct tm tm = { 0 };
	char text[128];
	const char *p;

	if (line.n >= sizeof(text))
		return;
	memcpy(text, line.p, line.n);
	text[line.n] = '\0';
	for (p = strchr(text, ' '); p != NULL; p = strchr(p + 1, ' ')) {
		while (p[1] == ' ')
			p++;
		memset(&tm, 0, sizeof(tm));
		if (strptime(p + 1, "%a %b %d %H:%M:%S %Y", &tm) != NULL) {
			item->has_date = true;
			item->date_s = timegm(&tm);
			return;
		}
	}
}

static void
take_status(struct mail_item *item, struct str header)
{
	struct mime_field f;
	struct str word;

	while (mime_header_next(&header, &f)) {
		struct str v = str_trim(f.value);

		if (str_eq_nocase(f.name, STR("Status")) && str_chr(v, 'R') != SIZE_MAX)
			item->flags |= FLAG_SEEN;
		if (str_eq_nocase(f.name, STR("X-Status"))) {
			item->flags |= str_chr(v, 'A') != SIZE_MAX ? FLAG_ANSWERED : 0;
			item->flags |= str_chr(v, 'F') != SIZE_MAX ? FLAG_FLAGGED : 0;
			item->flags |= str_chr(v, 'D') != SIZE_MAX ? FLAG_DELETED : 0;
			item->flags |= str_chr(v, 'T') != SIZE_MAX ? FLAG_DRAFT : 0;
		}
		if (str_eq_nocase(f.name, STR("X-Mozilla-Status")) && v.n == 4) {
			const char digits[5] = { v.p[0], v.p[1], v.p[2], v.p[3] };
			unsigned long bits = strtoul(digits, NULL, 16);

			item->flags |= (bits & 0x1) != 0 ? FLAG_SEEN : 0;
			item->flags |= (bits & 0x2) != 0 ? FLAG_ANSWERED : 0;
			item->flags |= (bits & 0x4) != 0 ? FLAG_FLAGGED : 0;
			item->flags |= (bits & 0x8) != 0 ? FLAG_DELETED : 0;
			if ((bits & 0x1000) != 0)
				mail_item_keyword(item, STR("$Forwarded"));
		}
		if (str_eq_nocase(f.name, STR("X-Keywords"))) {
			while (str_split(&v, ' ', &word))
				mail_item_keyword(item, str_trim(word));
		}
	}
}

/* Without one ">" before each ">…From ". */
static struct str
unquote(struct buf *out, struct str bytes)
{
	buf_clear(out);
	for (size_t at = 0; at < bytes.n;) {
		size_t next = line_end(bytes, at), gt = at;

		while (gt < next && bytes.p[gt] == '>')
			gt++;
		if (gt > at && is_from_line(bytes, gt))
			at++;
		buf_add(out, bytes.p + at, next - at);
		at = next;
	}
	return buf_str(out);
}

bool
mbox_read_bytes(struct str s, const char *path, struct str mailbox, const struct mail_sink *to)
{
	BUF_CLEAN struct buf text = BUF_MAX(SIZE_MAX / 2);
	bool goes_on = to->mailbox(to->ctx, mailbox);
	size_t at = 0;

	if (goes_on && s.n > 0 && !is_from_line(s, 0)) {
		ctl_fail("%s: not an mbox: it does not begin with \"From \"", path);
		goes_on = false;
	}
	while (goes_on && at < s.n) {
		size_t begin = line_end(s, at), body = header_end(s, begin),
		       end = end_by_length(s, begin, body);
		struct mail_item item = { .mailbox = mailbox, .where = path };
		bool has_length = end != 0;

		if (!has_length)
			end = end_by_from(s, begin, body);
		take_date(&item, str_trim(str_sub(s, at, begin)));
		take_status(&item, str_sub(s, begin, body));
		item.bytes = str_sub(s, begin, end);
		if (!has_length)
			item.bytes = unquote(&text, item.bytes);
		if (!item.has_date)
			mail_item_date_from_header(&item);
		goes_on = to->item(to->ctx, &item);
		at = end;
		/* Empty lines may have blanks in them, as what is taken for a separator may. */
		while (at < s.n && is_empty_line(s, at, line_end(s, at)))
			at = line_end(s, at);
		/*
		 * What Content-Length ended may be followed by lines that are no From_ line only at
		 * the end.
		 */
		if (at < s.n && !is_from_line(s, at))
			at = s.n;
	}
	return goes_on;
}

bool
mbox_read(unused_arg struct ctl *c, const char *path, struct str mailbox,
    const struct mail_sink *to)
{
	struct str s = mail_file_map(path);
	bool goes_on = s.p != NULL && mbox_read_bytes(s, path, mailbox, to);

	mail_file_unmap(s);
	return goes_on;
}

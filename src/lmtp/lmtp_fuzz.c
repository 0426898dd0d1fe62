/*
 * lmtp_fuzz.c - what an LMTP client may send: each line as a command, all of it as DATA in two
 * pieces. Addresses hold no control characters, data is cut anywhere with the same result, and
 * taking the dots off undoes putting them on.
 */
#include "lmtp/command.h"
#include "lmtp/data.h"

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		must((unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7F);
}

static void
check_line(struct str line)
{
	struct arena a = ARENA_NONE;
	struct lmtp_command c;

	if (lmtp_command_parse(&a, line, &c) == ERR_OK) {
		check_clean(c.argument);
		check_clean(c.path.text);
		check_clean(c.path.address);
		check_clean(c.xclient.name);
		check_clean(c.xclient.addr);
		check_clean(c.xclient.helo);
		must(c.path.local_bytes <= c.path.address.n && c.path.text.n <= LMTP_PATH_MAX);
		must(c.path.address.n <= c.path.text.n);
	}
	arena_done(&a);
}

/* Unstuffs what it finds in `in`, cut in two. Returns the bytes left behind the end. */
static size_t
unstuff(struct str in, size_t cut, struct buf *out)
{
	struct lmtp_data d = LMTP_DATA_START;
	struct str pieces[2] = { str_sub(in, 0, cut), str_sub(in, cut, in.n) };

	for (int i = 0; i < 2; i++) {
		while (pieces[i].n != 0 && d.state != LMTP_DATA_END)
			buf_str_add(out, lmtp_data_next(&d, &pieces[i]));
	}
	return pieces[0].n + pieces[1].n;
}

static void
check_stuffing(struct str text)
{
	struct buf BUF_CLEAN stuffed = BUF_MAX(1 << 22), BUF_CLEAN back = BUF_MAX(1 << 22);

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '.'
		    && (i == 0 || (i >= 2 && text.p[i - 1] == '\n' && text.p[i - 2] == '\r')))
			buf_chr(&stuffed, '.');
		buf_chr(&stuffed, text.p[i]);
	}
	if (!str_ends(text, STR("\r\n")) && text.n != 0)
		return;
	buf_lit(&stuffed, ".\r\n");
	must(unstuff(buf_str(&stuffed), 0, &back) == 0);
	must(str_eq(buf_str(&back), text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf BUF_CLEAN once = BUF_MAX(1 << 22), BUF_CLEAN twice = BUF_MAX(1 << 22);
	struct str all = str_make(data, size), rest = all, line;
	size_t left;

	while (str_split(&rest, '\n', &line))
		check_line(str_ends(line, STR("\r")) ? str_sub(line, 0, line.n - 1) : line);
	left = unstuff(all, 0, &once);
	must(unstuff(all, size == 0 ? 0 : data[0] % (size - left + 1), &twice) == left);
	must(str_eq(buf_str(&once), buf_str(&twice)));
	check_stuffing(all);
	return 0;
}

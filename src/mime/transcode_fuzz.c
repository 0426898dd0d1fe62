/*
 * transcode_fuzz.c - texts in other forms: the same in one piece and in many; headers in other
 * charsets: without words they stay.
 */
#include "mime/header_recode.h"
#include "mime/transcode.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const labels[] = { "utf-8", "us-ascii", "iso-8859-7", "iso-2022-jp", "gb18030",
	"utf-16", "koi8-r", "x-none" };

static enum err
convert(const struct str *labels_of, enum mime_transcode_how how, struct str text, size_t piece,
    struct buf *out)
{
	struct mime_transcode *t;
	enum err e = mime_transcode_open(how, labels_of[0], labels_of[1], STR("?"), &t);

	if (e != ERR_OK)
		return e;
	while (text.n > 0 && e == ERR_OK) {
		e = mime_transcode_feed(t, str_sub(text, 0, piece), out);
		text = str_sub(text, piece, text.n);
	}
	if (e == ERR_OK)
		e = mime_transcode_finish(t, out);
	mime_transcode_close(t);
	return e;
}

static void
fuzz_text(struct str in, unsigned which)
{
	const struct str pair[2] = { str_c(labels[which & 7]), str_c(labels[which >> 3 & 7]) };
	BUF_CLEAN struct buf whole = BUF_MAX(1 << 24), pieces = BUF_MAX(1 << 24);
	enum mime_transcode_how how = (enum mime_transcode_how)((which >> 6) % 3);
	enum err e;

	e = convert(pair, how, in, in.n + 1, &whole);
	must(convert(pair, how, in, 1 + which % 5, &pieces) == e);
	must(e != ERR_OK || str_eq(buf_str(&whole), buf_str(&pieces)));
	must(e != ERR_OK || !str_eq(pair[1], STR("utf-8")) || str_is_utf8(buf_str(&whole)));
}

static void
fuzz_header(struct str in)
{
	BUF_CLEAN struct buf other = BUF_MAX(1 << 24), after = BUF_MAX(1 << 24);
	enum err e = mime_header_recode(in, STR("utf-8"), STR_NONE, &other);

	must(e == ERR_OK);
	/* Without encoded words nothing is touched. */
	if (memmem(in.p, in.n, "=?", 2) == NULL)
		must(str_eq(in, buf_str(&other)));
	e = mime_header_recode(in, STR("us-ascii"), STR("?"), &after);
	must(e == ERR_OK);
	buf_clear(&after);
	e = mime_header_recode(in, STR("iso-2022-jp"), STR_NONE, &after);
	must(e == ERR_OK || e == ERR_CANNOT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make(data, size);

	if (size == 0)
		return 0;
	fuzz_text(str_sub(in, 1, in.n), data[0]);
	fuzz_header(str_sub(in, 1, in.n));
	return 0;
}

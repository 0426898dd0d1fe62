/* log.c - see log.h. */
#include "base/log.h"

#include "base/buf.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 8192, VALUE_MAX_BYTES = 1024 };

/* Written at start, before threads; a reload may change the level. */
static _Atomic(enum log_level) lowest_level = LOG_INFO;
static const char *_Atomic process_name = "posthorn";

void
log_setup(enum log_level lowest, const char *process)
{
	lowest_level = lowest;
	process_name = process;
}

bool
log_is_on(enum log_level level)
{
	return level >= lowest_level;
}

static bool
is_bare(struct str s)
{
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!chr_is_alpha(c) && !chr_is_digit(c) && (c == '\0' || strchr("-_.:/@+[]", c) == NULL))
			return false;
	}
	return true;
}

/* Quoted unless it is harmless; every byte that is not printable ASCII, quotes and backslashes as \xNN. */
static void
add_value(struct buf *b, struct str s)
{
	size_t n = MIN(s.n, (size_t)VALUE_MAX_BYTES);

	if (n == s.n && is_bare(s)) {
		buf_str_add(b, s);
		return;
	}
	buf_chr(b, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\' || c < 0x20 || c >= 0x7F)
			buf_printf(b, "\\x%02x", c);
		else
			buf_chr(b, (char)c);
	}
	if (n < s.n)
		buf_lit(b, "...");
	buf_chr(b, '"');
}

void
log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
	static const char *const names[] = { "debug", "info", "warning", "error" };
	BUF_CLEAN struct buf b = BUF_MAX(LINE_MAX_BYTES);
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	buf_printf(&b, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ level=%s process=%s event=%s", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000, names[level],
	    process_name, event);
	for (size_t i = 0; i < count; i++) {
		buf_printf(&b, " %s=", fields[i].key);
		switch (fields[i].kind) {
		case LOG_F_STR:
			add_value(&b, fields[i].s);
			break;
		case LOG_F_U64:
			buf_u64(&b, fields[i].u);
			break;
		case LOG_F_I64:
			buf_printf(&b, "%lld", (long long)(int64_t)fields[i].u);
			break;
		}
	}
	b.is_over = false;
	buf_truncate(&b, LINE_MAX_BYTES - 1);
	buf_chr(&b, '\n');
	if (write(STDERR_FILENO, b.p, b.n) < 0)
		return;	/* nowhere left to say so */
}

/* log.c - see log.h. */
#include "base/log.h"

#include "base/buf.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_MAX_BYTES = 8192,
	LINE_FIRST_BYTES = 512, /* most are shorter */
	HELD_BYTES = 4096,      /* PIPE_BUF: a write of that much is never mixed with others */
	VALUE_MAX_BYTES = 1024,
	STAMP_BYTES = sizeof("2026-01-01T00:00:00.000Z"),
	SECONDS_A_DAY = 86400
};

/* Written at start, before threads; a reload may change the level. */
static _Atomic(enum log_level) lowest_level = LOG_INFO;
static const char *_Atomic process_name = "posthorn";

static const char *const level_names[] = { "debug", "info", "warning", "error" };

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

		if (!chr_is_alpha(c) && !chr_is_digit(c)
		    && (c == '\0' || strchr("-_.:/@+[]", c) == NULL))
			return false;
	}
	return true;
}

/*
 * Quoted unless it is harmless; every byte that is not printable ASCII, quotes and backslashes as
 * \xNN.
 */
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

static char *
digits(char *to, unsigned v, unsigned count)
{
	for (unsigned i = count; i > 0; i--, v /= 10)
		to[i - 1] = (char)('0' + v % 10);
	return to + count;
}

/*
 * The time in UTC. Not by gmtime_r(), which takes a lock. The calendar's arithmetic counts years
 * from March.
 */
static const char *
stamp_now(char out[STAMP_BYTES])
{
	struct timespec ts;
	unsigned days, second, era_day, era_year, year_day, month;
	char *p = out;

	clock_gettime(CLOCK_REALTIME, &ts);
	days = (unsigned)(ts.tv_sec / SECONDS_A_DAY) + 719468; /* since 0000-03-01 */
	second = (unsigned)(ts.tv_sec % SECONDS_A_DAY);
	era_day = days % 146097;
	era_year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
	month = (5 * year_day + 2) / 153; /* 0 is March */
	p = digits(p, era_year + days / 146097 * 400 + (month >= 10), 4);
	*p++ = '-';
	p = digits(p, month < 10 ? month + 3 : month - 9, 2);
	*p++ = '-';
	p = digits(p, year_day - (153 * month + 2) / 5 + 1, 2);
	*p++ = 'T';
	p = digits(p, second / 3600, 2);
	*p++ = ':';
	p = digits(p, second / 60 % 60, 2);
	*p++ = ':';
	p = digits(p, second % 60, 2);
	*p++ = '.';
	p = digits(p, (unsigned)(ts.tv_nsec / 1000000), 3);
	*p++ = 'Z';
	*p = '\0';
	return out;
}

static size_t
put(char *line, size_t at, size_t size, const char *text)
{
	while (*text != '\0' && at < size)
		line[at++] = *text++;
	return at;
}

static void
line_write(const char *p, size_t n)
{
	if (write(STDERR_FILENO, p, n) < 0)
		return; /* nowhere left to say so */
}

void
log_in_handler(enum log_level level, const char *event, const char *key1, const char *value1,
    const char *key2, const char *value2)
{
	char line[512], stamp[STAMP_BYTES];
	const char *const parts[] = { "time=", stamp_now(stamp), " level=", level_names[level],
		" process=", process_name, " event=", event, " ", key1, "=", value1, " ", key2, "=",
		value2 };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		n = put(line, n, sizeof(line) - 1, parts[i]);
	line[n++] = '\n';
	line_write(line, n);
}

static void
add_field(struct buf *b, const struct log_field *f)
{
	buf_chr(b, ' ');
	buf_c(b, f->key);
	buf_chr(b, '=');
	switch (f->kind) {
	case LOG_F_STR:
		add_value(b, f->s);
		break;
	case LOG_F_U64:
		buf_u64(b, f->u);
		break;
	case LOG_F_I64:
		if ((int64_t)f->u < 0)
			buf_chr(b, '-');
		buf_u64(b, (int64_t)f->u < 0 ? -f->u : f->u);
		break;
	}
}

/* Lines that are held. */
static _Thread_local struct {
	bool is_held;
	size_t n;
	char text[HELD_BYTES];
} held;

static void
held_write(void)
{
	if (held.n > 0)
		line_write(held.text, held.n);
	held.n = 0;
}

void
log_hold(void)
{
	held.is_held = true;
}

void
log_release(void)
{
	held_write();
	held.is_held = false;
}

static void
line_end(struct str line)
{
	if (!held.is_held) {
		line_write(line.p, line.n);
		return;
	}
	if (line.n > sizeof(held.text) - held.n)
		held_write();
	if (line.n > sizeof(held.text)) {
		line_write(line.p, line.n);
		return;
	}
	memcpy(held.text + held.n, line.p, line.n);
	held.n += line.n;
}

/* Lines are many: two for a login. They are not made by printf(), which took longer than the rest. */
void
log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
	BUF_CLEAN struct buf b = BUF_MAX(LINE_MAX_BYTES);
	char stamp[STAMP_BYTES];

	buf_reserve(&b, LINE_FIRST_BYTES);
	buf_lit(&b, "time=");
	buf_c(&b, stamp_now(stamp));
	buf_lit(&b, " level=");
	buf_c(&b, level_names[level]);
	buf_lit(&b, " process=");
	buf_c(&b, process_name);
	buf_lit(&b, " event=");
	buf_c(&b, event);
	for (size_t i = 0; i < count; i++)
		add_field(&b, &fields[i]);
	b.is_over = false;
	buf_truncate(&b, LINE_MAX_BYTES - 1);
	buf_chr(&b, '\n');
	line_end(buf_str(&b));
}

/* trace.c - see trace.h. */
#include "lmtp/trace.h"

#include "mime/date.h"

enum { SECONDS_A_DAY = 86400 };

/* A name that a client made up, for a Received line: anything odd is "unknown". */
static void
name_add(struct str name, struct buf *out)
{
	size_t i = 0;

	while (i < name.n
	    && (chr_is_alpha(name.p[i]) || chr_is_digit(name.p[i])
		|| memchr(".-_:[]", name.p[i], 6) != NULL))
		i++;
	buf_str_add(out, i == name.n && name.n != 0 ? name : STR("unknown"));
}

static void
digits_add(unsigned v, unsigned count, struct buf *out)
{
	char *to = buf_reserve(out, count);

	for (unsigned i = count; to != NULL && i > 0; i--, v /= 10)
		to[i - 1] = (char)('0' + v % 10);
	if (to != NULL)
		out->n += count;
}

static void
date_add(int64_t now_s, struct buf *out)
{
	static const char days[7][6] = { "Thu, ", "Fri, ", "Sat, ", "Sun, ", "Mon, ", "Tue, ",
		"Wed, " }; /* from 1970-01-01 on */
	static const char months[12][6] = { " Jan ", " Feb ", " Mar ", " Apr ", " May ", " Jun ",
		" Jul ", " Aug ", " Sep ", " Oct ", " Nov ", " Dec " };
	int64_t day = now_s / SECONDS_A_DAY, year;
	unsigned second = (unsigned)(now_s % SECONDS_A_DAY);
	int month, day_of_month;

	mime_days_split(day, &year, &month, &day_of_month);
	buf_c(out, days[day % 7]);
	buf_u64(out, (uint64_t)day_of_month);
	buf_c(out, months[month - 1]);
	digits_add((unsigned)year, 4, out);
	buf_chr(out, ' ');
	digits_add(second / 3600, 2, out);
	buf_chr(out, ':');
	digits_add(second / 60 % 60, 2, out);
	buf_chr(out, ':');
	digits_add(second % 60, 2, out);
	buf_lit(out, " +0000");
}

void
trace_format(const struct trace *t, struct buf *out)
{
	buf_lit(out, "Return-Path: <");
	buf_str_add(out, t->sender);
	buf_lit(out, ">\r\nDelivered-To: ");
	buf_str_add(out, t->recipient);
	buf_lit(out, "\r\nReceived: from ");
	name_add(t->client, out);
	buf_lit(out, " (");
	name_add(t->client_address, out);
	buf_lit(out, ")\r\n\tby ");
	name_add(t->hostname, out);
	buf_lit(out, " (Posthorn) with ");
	buf_c(out, t->protocol);
	buf_lit(out, " id ");
	buf_str_add(out, t->id);
	buf_lit(out, "\r\n\tfor <");
	buf_str_add(out, t->recipient);
	buf_lit(out, ">; ");
	date_add(t->now_s, out);
	buf_lit(out, "\r\n");
}

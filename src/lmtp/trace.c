/* trace.c - see trace.h. */
#include "lmtp/trace.h"

#include <time.h>

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
date_add(int64_t now_s, struct buf *out)
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)now_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	buf_printf(out, "%s, %d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
	    months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
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
	buf_printf(out, " (Posthorn) with %s id ", t->protocol);
	buf_str_add(out, t->id);
	buf_lit(out, "\r\n\tfor <");
	buf_str_add(out, t->recipient);
	buf_lit(out, ">; ");
	date_add(t->now_s, out);
	buf_lit(out, "\r\n");
}

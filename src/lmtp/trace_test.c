/* trace_test.c - unit tests of trace.c. */
#include "lmtp/trace.h"

#include "base/test.h"

#include <time.h>

static struct trace
trace_at(int64_t now_s)
{
	return (struct trace){ .sender = STR("ann@example.org"),
		.recipient = STR("joe@example.net"),
		.client = STR("mx.example.org"),
		.client_address = STR("192.0.2.1"),
		.hostname = STR("mail.example.net"),
		.protocol = "LMTP",
		.id = STR("1.2.3"),
		.now_s = now_s };
}

/* The C library's dates of days of every kind. */
static void
test_dates(void)
{
	static const int64_t step_s = 86400 * 17 + 3671;

	for (int64_t now_s = 0; now_s < INT64_C(4102444800); now_s += step_s) {
		struct trace t = trace_at(now_s);
		BUF_CLEAN struct buf out = BUF_MAX(1024);
		time_t then = (time_t)now_s;
		struct tm tm;
		char date[64];

		must(gmtime_r(&then, &tm) != NULL);
		strftime(date, sizeof(date), ">; %a, %e %b %Y %H:%M:%S +0000\r\n", &tm);
		if (tm.tm_mday < 10)
			memmove(date + 8, date + 9, strlen(date + 9) + 1);
		trace_format(&t, &out);
		CHECK_STR(str_sub(buf_str(&out), str_rchr(buf_str(&out), '>'), out.n), str_c(date));
	}
}

static void
test_lines(void)
{
	struct trace t = trace_at(0);
	BUF_CLEAN struct buf out = BUF_MAX(1024);

	t.client = STR("two words");
	trace_format(&t, &out);
	CHECK_STR(buf_str(&out),
	    STR("Return-Path: <ann@example.org>\r\nDelivered-To: joe@example.net\r\n"
		"Received: from unknown (192.0.2.1)\r\n\tby mail.example.net (Posthorn) with LMTP id 1.2.3\r\n"
		"\tfor <joe@example.net>; Thu, 1 Jan 1970 00:00:00 +0000\r\n"));
}

TEST_MAIN(TEST(test_dates), TEST(test_lines))

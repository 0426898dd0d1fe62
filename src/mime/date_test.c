/* date_test.c - unit tests of date.c. */
#include "mime/date.h"

#include "base/test.h"

static const struct {
	const char *in;
	int64_t utc_s; /* NONE: no date */
	int zone;
} dates[] = {

#define NONE INT64_MIN
	{ "Mon, 7 Feb 1994 21:52:25 -0800 (PST)", 760686745, -480 },
	{ "7 Feb 1994 21:52 -0800", 760686720, -480 },
	{ "07 Feb 1994 21:52:25.123 -0800", 760686745, -480 },
	{ "Tue, 1 Jul 2003 10:52:37 +0200", 1057049557, 120 },
	/* RFC 5322 4.3 and A.6.2: two-digit years, zones by name, comments and space anywhere. */
	{ "21 Nov 97 09:55:06 GMT", 880106106, 0 },
	{ "21 Nov 97 09:55:06 EST", 880124106, -300 },
	{ "21 Nov 100 09:55:06 GMT", 974800506, 0 },
	{ "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)",
	    -27723480, -210 },
	{ "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360 },
	{ "21 Nov 49 00:00:00 Z", 2521065600, 0 },
	{ "21 Nov 50 00:00:00 A", -603158400, 0 },
	/* What is sent as dates. */
	{ "Thu Feb  3 17:03:55 GMT 1994", 760295035, 0 },
	{ "Thu Feb  3 17:03:55 1994", 760295035, 0 },
	{ "7-Feb-1994 21:52:25 -0800", 760686745, -480 },
	{ "1994-02-07T21:52:25+01:30", 760652545, 90 },
	{ "1994-02-07 21:52:25", 760657945, 0 },
	{ "Mon, 7 Feb 1994 9:52:25 PM", 760657945, 0 },
	{ "Mon, 7 Feb 1994 12:00:00 AM", 760579200, 0 },
	{ "Mon, 7 Feb 1994", 760579200, 0 },
	{ "Monday, 7 February 1994 21.52.25 +1", 760654345, 60 },
	{ "29 Feb 2000 23:59:60 +0000", 951868800, 0 },
	{ "", NONE, 0 },
	{ "yesterday", NONE, 0 },
	{ "31 Feb 2000 10:00 +0000", NONE, 0 },
	{ "29 Feb 1900 10:00 +0000", NONE, 0 },
	{ "7 Feb 1994 25:00 +0000", NONE, 0 },
	{ "7 Feb 1994 10:61 +0000", NONE, 0 },
	{ "99999999999 Feb 1994", NONE, 0 },
	{ "7 Feb 1994 10:00 +9999", 760615200, 0 },
};

static void
test_dates(void)
{
	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		struct mime_date d = { 0 };
		enum err e = mime_date_parse(str_c(dates[i].in), &d);

		if (!CHECK(dates[i].utc_s == NONE ? e == ERR_SYNTAX
						  : e == ERR_OK && d.utc_ms == dates[i].utc_s * 1000
				&& d.zone_minutes == dates[i].zone))
			printf("# in %s: %s %lld %d\n", dates[i].in, err_name(e),
			    (long long)d.utc_ms / 1000, d.zone_minutes);
	}
}

static void
test_days(void)
{
	int64_t year;
	int month, day;

	CHECK(mime_days(1970, 1, 1) == 0);
	CHECK(mime_days(2000, 3, 1) == 11017);
	for (int64_t d = -800000; d < 3000000; d += 37) {
		mime_days_split(d, &year, &month, &day);
		if (!CHECK(mime_days(year, month, day) == d))
			break;
	}
}

TEST_MAIN(TEST(test_dates), TEST(test_days))

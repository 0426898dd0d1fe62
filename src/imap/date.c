/* date.c - see date.h. */
#include "imap/date.h"

#include "mime/date.h"

#include <stdio.h>

static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
	"Sep", "Oct", "Nov", "Dec" };

enum {
	DAY_S = 86400,
	YEAR_MIN = 1,
	YEAR_MAX = 9999,
	DAY_MIN = -719162, /* the first of YEAR_MIN */
	DAY_MAX = 2932896, /* the last of YEAR_MAX */
};

int32_t
imap_date_days(int year, int month, int day)
{
	return (int32_t)mime_days(year, month, day);
}

static void
date_of_days(int32_t days, int *year_out, int *month_out, int *day_out)
{
	int64_t year;

	mime_days_split(days, &year, month_out, day_out);
	*year_out = (int)year;
}

static int
days_in_month(int year, int month)
{
	static const char days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && is_leap ? 29 : days[month - 1];
}

/* Takes between min and max digits off the front. */
static bool
take_digits(struct str *s, size_t min, size_t max, int *out)
{
	size_t n = 0;
	int v = 0;

	while (n < s->n && n < max && chr_is_digit(s->p[n]))
		v = v * 10 + (s->p[n++] - '0');
	if (n < min)
		return false;
	*s = str_sub(*s, n, s->n);
	*out = v;
	return true;
}

static bool
take_chr(struct str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = str_sub(*s, 1, s->n);
	return true;
}

/* Takes "1-Feb-1994". */
static bool
take_date(struct str *s, int *year_out, int *month_out, int *day_out)
{
	int month = 0;

	if (!take_digits(s, 1, 2, day_out) || !take_chr(s, '-') || s->n < 4)
		return false;
	for (int i = 0; i < 12; i++) {
		if (str_eq_nocase(str_sub(*s, 0, 3), str_make(month_names[i], 3)))
			month = i + 1;
	}
	*s = str_sub(*s, 3, s->n);
	*month_out = month;
	return month != 0 && take_chr(s, '-') && take_digits(s, 4, 4, year_out)
	    && *year_out >= YEAR_MIN && *day_out >= 1
	    && *day_out <= days_in_month(*year_out, month);
}

bool
imap_date_parse(struct str text, int32_t *days_out)
{
	int year, month, day;

	if (!take_date(&text, &year, &month, &day) || text.n != 0)
		return false;
	*days_out = imap_date_days(year, month, day);
	return true;
}

bool
imap_datetime_parse(struct str s, struct imap_datetime *out)
{
	int year, month, day, h, m, sec, zh, zm;
	bool is_west;

	/* date-day-fixed is two digits or a space and one. */
	take_chr(&s, ' ');
	if (!take_date(&s, &year, &month, &day) || !take_chr(&s, ' '))
		return false;
	if (!take_digits(&s, 2, 2, &h) || !take_chr(&s, ':') || !take_digits(&s, 2, 2, &m)
	    || !take_chr(&s, ':') || !take_digits(&s, 2, 2, &sec) || !take_chr(&s, ' '))
		return false;
	is_west = take_chr(&s, '-');
	if ((!is_west && !take_chr(&s, '+')) || !take_digits(&s, 2, 2, &zh)
	    || !take_digits(&s, 2, 2, &zm) || s.n != 0)
		return false;
	/* 60 is a leap second. */
	if (h > 23 || m > 59 || sec > 60 || zh > 23 || zm > 59)
		return false;
	out->zone_min = (int16_t)((zh * 60 + zm) * (is_west ? -1 : 1));
	out->utc_s = (int64_t)imap_date_days(year, month, day) * DAY_S + h * 3600 + m * 60 + sec
	    - out->zone_min * 60;
	return true;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Seconds of the local clock, held within the years that a date can show. */
static int64_t
local_seconds(struct imap_datetime t)
{
	int64_t min = (int64_t)DAY_MIN * DAY_S;
	int64_t max = ((int64_t)DAY_MAX + 1) * DAY_S - 1;
	int64_t s;

	if (__builtin_add_overflow(t.utc_s, (int64_t)t.zone_min * 60, &s))
		s = t.utc_s < 0 ? min : max;
	return s < min ? min : s > max ? max : s;
}

/* "Z", "+01:00" */
static bool
take_zone(struct str *s, int *minutes_out)
{
	bool is_west = take_chr(s, '-');
	int h, m;

	*minutes_out = 0;
	if (!is_west && (take_chr(s, 'Z') || take_chr(s, 'z')))
		return true;
	if ((!is_west && !take_chr(s, '+')) || !take_digits(s, 2, 2, &h) || !take_chr(s, ':')
	    || !take_digits(s, 2, 2, &m))
		return false;
	*minutes_out = (h * 60 + m) * (is_west ? -1 : 1);
	return h <= 23 && m <= 59;
}

bool
imap_timestamp_parse(struct str s, int64_t *utc_s_out)
{
	int year, month, day, h, m, sec, zone;

	if (!take_digits(&s, 4, 4, &year) || !take_chr(&s, '-') || !take_digits(&s, 2, 2, &month)
	    || !take_chr(&s, '-') || !take_digits(&s, 2, 2, &day)
	    || (!take_chr(&s, 'T') && !take_chr(&s, 't')))
		return false;
	if (!take_digits(&s, 2, 2, &h) || !take_chr(&s, ':') || !take_digits(&s, 2, 2, &m)
	    || !take_chr(&s, ':') || !take_digits(&s, 2, 2, &sec))
		return false;
	if (take_chr(&s, '.')) {
		size_t n = 0;

		while (n < s.n && chr_is_digit(s.p[n]))
			n++;
		if (n == 0)
			return false;
		s = str_sub(s, n, s.n);
	}
	if (!take_zone(&s, &zone) || s.n != 0 || year < YEAR_MIN || month < 1 || month > 12
	    || day < 1 || day > days_in_month(year, month) || h > 23 || m > 59 || sec > 60)
		return false;
	*utc_s_out =
	    (int64_t)imap_date_days(year, month, day) * DAY_S + h * 3600 + m * 60 + sec - zone * 60;
	return true;
}

int32_t
imap_datetime_day(struct imap_datetime t)
{
	return (int32_t)floor_div(local_seconds(t), DAY_S);
}

static void
two_digits(char *p, int n)
{
	p[0] = (char)('0' + n / 10);
	p[1] = (char)('0' + n % 10);
}

void
imap_datetime_format(struct imap_datetime t, struct buf *b)
{
	int64_t local = local_seconds(t);
	int32_t days = (int32_t)floor_div(local, DAY_S);
	int s = (int)(local - (int64_t)days * DAY_S);
	int zone = t.zone_min < 0 ? -t.zone_min : t.zone_min;
	int year, month, day;
	char out[] = "\"00-Jan-0000 00:00:00 +0000\"";

	date_of_days(days, &year, &month, &day);
	/* Digit by digit: a list of a mailbox has one a message. */
	out[1] = day < 10 ? ' ' : (char)('0' + day / 10);
	out[2] = (char)('0' + day % 10);
	memcpy(out + 4, month_names[month - 1], 3);
	two_digits(out + 8, year / 100 % 100);
	two_digits(out + 10, year % 100);
	two_digits(out + 13, s / 3600);
	two_digits(out + 16, s / 60 % 60);
	two_digits(out + 19, s % 60);
	out[22] = t.zone_min < 0 ? '-' : '+';
	two_digits(out + 23, zone / 60 % 100);
	two_digits(out + 25, zone % 60);
	buf_add(b, out, sizeof(out) - 1);
}

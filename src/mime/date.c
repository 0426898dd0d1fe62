/* date.c - see date.h. */
#include "mime/date.h"

#include "mime/lex_int.h"

int64_t
mime_days(int64_t year, int month, int day)
{
	/* Years begin in March, so that the leap day is the last; 400 years have 146,097 days. */
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

void
mime_days_split(int64_t days, int64_t *year_out, int *month_out, int *day_out)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t in_era = z - era * 146097;
	int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * in_year + 2) / 153;

	*day_out = (int)(in_year - (153 * m + 2) / 5 + 1);
	*month_out = (int)(m < 10 ? m + 3 : m - 9);
	*year_out = y + era * 400 + (*month_out <= 2 ? 1 : 0);
}

static int
month_of(struct str word)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	if (word.n < 3)
		return 0;
	for (int m = 0; m < 12; m++)
		if (str_eq_nocase(str_sub(word, 0, 3), str_make(names + 3 * m, 3)))
			return m + 1;
	return 0;
}

static bool
is_word_chr(char c)
{
	return chr_is_alpha(c) || chr_is_digit(c);
}

/* A run of letters or of digits; what stands between runs is skipped, comments too. */
static bool
run_next(struct mime_lex *l, struct str *run_out, char *before_out)
{
	const char *begin;
	bool is_digits;

	*before_out = ' ';
	for (;;) {
		mime_lex_skip(l);
		if (mime_lex_is_end(l))
			return false;
		if (is_word_chr(*l->p))
			break;
		*before_out = *l->p++;
	}
	begin = l->p;
	is_digits = chr_is_digit(*l->p);
	while (!mime_lex_is_end(l) && is_word_chr(*l->p) && chr_is_digit(*l->p) == is_digits)
		l->p++;
	*run_out = str_make(begin, (size_t)(l->p - begin));
	return true;
}

static bool
number(struct str s, uint32_t max, int *out)
{
	uint32_t v;

	if (!str_to_u32(s, &v) || v > max)
		return false;
	*out = (int)v;
	return true;
}

/* Zones by name (RFC 5322 4.3). Military ones are all unknown; so is any other word. */
static int
zone_of(struct str word)
{
	static const struct {
		struct str name;
		int hours;
	} zones[] = {
		{ STR_INIT("EDT"), -4 },
		{ STR_INIT("EST"), -5 },
		{ STR_INIT("CDT"), -5 },
		{ STR_INIT("CST"), -6 },
		{ STR_INIT("MDT"), -6 },
		{ STR_INIT("MST"), -7 },
		{ STR_INIT("PDT"), -7 },
		{ STR_INIT("PST"), -8 },
		{ STR_INIT("BST"), 1 },
		{ STR_INIT("CET"), 1 },
		{ STR_INIT("MET"), 1 },
		{ STR_INIT("CEST"), 2 },
		{ STR_INIT("MEST"), 2 },
		{ STR_INIT("EET"), 2 },
		{ STR_INIT("EEST"), 3 },
		{ STR_INIT("MSK"), 3 },
		{ STR_INIT("JST"), 9 },
		{ STR_INIT("KST"), 9 },
	};

	for (size_t i = 0; i < ARRAY_LEN(zones); i++)
		if (str_eq_nocase(zones[i].name, word))
			return zones[i].hours * 60;
	return 0;
}

/* Behind the time: "+hhmm", "GMT", "GMT+2", AM and PM, or the year of asctime(). */
static void
rest_parse(struct mime_lex *l, int *year, int *hour, int *zone)
{
	struct str run;
	char before;
	int v;

	while (run_next(l, &run, &before)) {
		if (chr_is_digit(run.p[0])) {
			char sign = before;

			/* "10:00 +02:00", "+0200", "+2" */
			if ((sign == '+' || sign == '-') && number(run, 9999, &v)) {
				int minutes = run.n > 2 ? v / 100 * 60 + v % 100 : v * 60;

				if (run.n <= 2 && mime_lex_is(l, ':') && run_next(l, &run, &before)
				    && number(run, 59, &v))
					minutes += v;
				if (minutes < 24 * 60)
					*zone = sign == '-' ? -minutes : minutes;
				return;
			}
			if (*year < 0 && run.n == 4 && number(run, 9999, &v))
				*year = v;
		} else if (str_eq_nocase(run, STR("pm"))) {
			*hour = *hour < 12 ? *hour + 12 : *hour;
		} else if (str_eq_nocase(run, STR("am"))) {
			*hour = *hour == 12 ? 0 : *hour;
		} else {
			*zone = zone_of(run);
		}
	}
}

/* Two and three digits (RFC 5322 4.3). */
static int
year_fix(int year, size_t digits)
{
	if (digits == 2)
		return year < 50 ? year + 2000 : year + 1900;
	return digits == 3 ? year + 1900 : year;
}

/* "hh:mm" and perhaps ":ss" behind the hour's run. */
static bool
time_parse(struct mime_lex *l, struct str hour_run, int *hour, int *minute, int *second)
{
	struct str run;
	char before;
	struct mime_lex ahead;

	if (!number(hour_run, 24, hour) || !run_next(l, &run, &before) || !number(run, 59, minute))
		return false;
	ahead = *l;
	mime_lex_skip(&ahead);
	if ((mime_lex_is(&ahead, ':') || mime_lex_is(&ahead, '.'))
	    && run_next(&ahead, &run, &before)) {
		if (!number(run, 60, second))
			return false;
		*l = ahead;
		/* Fractions of a second. */
		if (mime_lex_is(l, '.') && run_next(&ahead, &run, &before)
		    && chr_is_digit(run.p[0]))
			*l = ahead;
	}
	return true;
}

static bool
is_valid_day(int year, int month, int day)
{
	static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return day >= 1 && day <= days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

enum err
mime_date_parse(struct str value, struct mime_date *date_out)
{
	struct mime_lex l = mime_lex(value);
	int year = -1, month = 0, day = -1, hour = 0, minute = 0, second = 0, zone = 0;
	bool has_time = false;
	struct str run;
	char before;

	/*
	 * Day, month and year in the order of RFC 5322 or asctime(), or ISO 8601; weekdays and
	 * other words are skipped.
	 */
	while (!has_time && run_next(&l, &run, &before)) {
		struct mime_lex ahead = l;

		if (!chr_is_digit(run.p[0])) {
			if (month == 0)
				month = month_of(run);
			continue;
		}
		mime_lex_skip(&ahead);
		if (run.n <= 2 && day >= 0 && month > 0
		    && (mime_lex_is(&ahead, ':') || (mime_lex_is(&ahead, '.') && year >= 0))) {
			has_time = time_parse(&l, run, &hour, &minute, &second);
			if (!has_time)
				return ERR_SYNTAX;
		} else if (day < 0 && run.n <= 2) {
			if (!number(run, 31, &day))
				return ERR_SYNTAX;
		} else if (day < 0 && month == 0 && run.n == 4) {
			/* 2026-11-22 */
			if (!number(run, 9999, &year) || !run_next(&l, &run, &before)
			    || !number(run, 12, &month) || !run_next(&l, &run, &before)
			    || !number(run, 31, &day))
				return ERR_SYNTAX;
		} else if (year < 0 && run.n <= 4) {
			if (!number(run, 9999, &year))
				return ERR_SYNTAX;
			year = year_fix(year, run.n);
		}
	}
	if (has_time)
		rest_parse(&l, &year, &hour, &zone);
	if (year < 0 || month == 0 || day < 0 || !is_valid_day(year, month, day) || hour > 24)
		return ERR_SYNTAX;
	date_out->utc_ms =
	    ((mime_days(year, month, day) * 24 + hour) * 3600 + (minute - zone) * 60 + second)
	    * 1000;
	date_out->zone_minutes = (int16_t)zone;
	return ERR_OK;
}

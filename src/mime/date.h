/* date.h - Date fields (RFC 5322 3.3 with the obsolete forms), tolerant. */
#ifndef MIME_DATE_H
#define MIME_DATE_H

#include "base/err.h"
#include "base/str.h"

struct mime_date {
	int64_t utc_ms;       /* since 1970 */
	int16_t zone_minutes; /* east of UTC; 0 for an unknown zone */
};

/** ERR_SYNTAX when there is no date in it. */
must_use enum err mime_date_parse(struct str value, struct mime_date *date_out);
/** Days since 1970-01-01 of a date of the Gregorian calendar; month 1–12. */
int64_t mime_days(int64_t year, int month, int day);
/** The other way. */
void mime_days_split(int64_t days, int64_t *year_out, int *month_out, int *day_out);

#endif

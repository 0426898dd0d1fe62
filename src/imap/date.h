/*
 * date.h - dates of commands and replies: date ("1-Feb-1994") and date-time ("17-Jul-1996 02:44:25
 * -0700"), RFC 9051 9.
 */
#ifndef IMAP_DATE_H
#define IMAP_DATE_H

#include "base/buf.h"

struct imap_datetime {
	int64_t utc_s;    /* seconds since 1970-01-01 00:00:00 UTC */
	int16_t zone_min; /* minutes east of UTC, as it was given; told back the same */
};

/**
 * Days since 1970-01-01 of a date of the proleptic Gregorian calendar. Month and day begin at 1.
 */
int32_t imap_date_days(int year, int month, int day);
/** "1-Feb-1994" without quotes. False when it is not a date of the calendar. */
must_use bool imap_date_parse(struct str text, int32_t *days_out);
/**
 * "17-Jul-1996 02:44:25 -0700" without quotes; the day may have one digit, with or without a space
 * before it.
 */
must_use bool imap_datetime_parse(struct str text, struct imap_datetime *out);
/** "2006-05-20T14:09:54.25-07:00" (RFC 3339), as seconds UTC; fractions are left out. */
must_use bool imap_timestamp_parse(struct str text, int64_t *utc_s_out);
/**
 * The day that the clock at its place showed: what BEFORE, ON and SINCE compare (time and zone are
 * disregarded).
 */
int32_t imap_datetime_day(struct imap_datetime t);
/**
 * With quotes: "17-Jul-1996 02:44:25 -0700"; a day of one digit has a space before it. Years
 * outside 1..9999 are told as the nearest one that can be.
 */
void imap_datetime_format(struct imap_datetime t, struct buf *b);

#endif

/*
 * date_fuzz.c - Date fields: no undefined arithmetic, and a date that is found is one of the
 * calendar.
 */
#include "mime/date.h"

#include "base/attr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_date d;
	int64_t year;
	int month, day;

	if (mime_date_parse(str_make(data, size), &d) != ERR_OK)
		return 0;
	must(d.zone_minutes > -24 * 60 && d.zone_minutes < 24 * 60);
	mime_days_split(d.utc_ms / 86400000, &year, &month, &day);
	must(year >= -1 && year <= 10000 && month >= 1 && month <= 12 && day >= 1 && day <= 31);
	must(mime_days(year, month, day) == d.utc_ms / 86400000);
	return 0;
}

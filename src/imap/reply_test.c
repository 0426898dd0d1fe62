/* reply_test.c - unit tests of reply.c, date.c and flags.c. */
#include "imap/reply.h"

#include "base/test.h"

static const struct {
	struct str in;
	const char *astring, *string, *string_utf8;
} strings[] = {
	{ STR_INIT("abc"), "abc", "\"abc\"", "\"abc\"" },
	{ STR_INIT(""), "\"\"", "\"\"", "\"\"" },
	{ STR_INIT("nil"), "\"nil\"", "\"nil\"", "\"nil\"" },
	{ STR_INIT("a b"), "\"a b\"", "\"a b\"", "\"a b\"" },
	{ STR_INIT("{1}"), "\"{1}\"", "\"{1}\"", "\"{1}\"" },
	{ STR_INIT("}"), "\"}\"", "\"}\"", "\"}\"" },
	{ STR_INIT("a\"\\"), "\"a\\\"\\\\\"", "\"a\\\"\\\\\"", "\"a\\\"\\\\\"" },
	{ STR_INIT("a\r\nb"), "{4}\r\na\r\nb", "{4}\r\na\r\nb", "{4}\r\na\r\nb" },
	{ STR_INIT("\xc3\xbc"), "{2}\r\n\xc3\xbc", "{2}\r\n\xc3\xbc", "\"\xc3\xbc\"" },
	{ STR_INIT("\xfc"), "{1}\r\n\xfc", "{1}\r\n\xfc", "{1}\r\n\xfc" },
};

static void
test_strings(void)
{
	BUF_CLEAN struct buf b = BUF_MAX(10000);

	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		buf_clear(&b);
		reply_astring(&b, strings[i].in, REPLY_ASCII);
		CHECK_STR(buf_str(&b), str_c(strings[i].astring));
		buf_clear(&b);
		reply_nstring(&b, strings[i].in, REPLY_ASCII);
		CHECK_STR(buf_str(&b), str_c(strings[i].string));
		buf_clear(&b);
		reply_string(&b, strings[i].in, REPLY_UTF8);
		CHECK_STR(buf_str(&b), str_c(strings[i].string_utf8));
	}
	buf_clear(&b);
	reply_nstring(&b, STR_NONE, REPLY_ASCII);
	buf_chr(&b, ' ');
	reply_mailbox(&b, STR("R&D/\xc3\xa9"), REPLY_ASCII);
	buf_chr(&b, ' ');
	reply_mailbox(&b, STR("R&D/\xc3\xa9"), REPLY_UTF8);
	CHECK_STR(buf_str(&b), STR("NIL R&-D/&AOk- \"R&D/\xc3\xa9\""));
}

static void
test_lines(void)
{
	BUF_CLEAN struct buf b = BUF_MAX(10000);
	RANGESET_CLEAN struct rangeset from = RANGESET_NONE, to = RANGESET_NONE;
	struct str names[40] = { STR_INIT("$Forwarded") };
	struct keywords k = { { 0 } };

	names[33] = STR("foo");
	keywords_set(&k, 0);
	keywords_set(&k, 33);
	keywords_set(&k, 100);
	reply_flags(&b, FLAG_SEEN | FLAG_DELETED, k, names, ARRAY_LEN(names));
	reply_flags(&b, 0, (struct keywords){ { 0 } }, NULL, 0);
	CHECK_STR(buf_str(&b), STR("(\\Deleted \\Seen $Forwarded foo)()"));
	buf_clear(&b);
	reply_untagged_number(&b, 3, "EXISTS");
	reply_continue(&b, "");
	reply_status(&b, STR("a1"), "OK", STR("READ-WRITE"), STR("Done\r\n* BYE"));
	reply_err(&b, STR_NONE, ERR_OVERQUOTA);
	CHECK_STR(buf_str(&b),
	    STR("* 3 EXISTS\r\n+ \r\na1 OK [READ-WRITE] Done??* BYE\r\n"
		"* NO [OVERQUOTA] The mailbox is full.\r\n"));
	buf_clear(&b);
	rangeset_add(&from, 3, 5);
	rangeset_add(&to, 7, 9);
	reply_code_copyuid(&b, 38505, &from, &to);
	CHECK_STR(buf_str(&b), STR("COPYUID 38505 3:5 7:9"));
}

static const struct {
	const char *in, *out; /* out NULL: an error */
	int64_t utc_s;
} datetimes[] = {
	{ "17-Jul-1996 02:44:25 -0700", "\"17-Jul-1996 02:44:25 -0700\"", 837596665 },
	{ " 1-Jan-1970 00:00:00 +0000", "\" 1-Jan-1970 00:00:00 +0000\"", 0 },
	{ "1-jan-1970 00:00:00 +0000", "\" 1-Jan-1970 00:00:00 +0000\"", 0 },
	{ "31-Dec-1969 23:59:59 +0000", "\"31-Dec-1969 23:59:59 +0000\"", -1 },
	{ "29-Feb-2024 12:00:00 +0530", "\"29-Feb-2024 12:00:00 +0530\"", 1709188200 },
	{ "31-Dec-9999 23:59:59 +0000", "\"31-Dec-9999 23:59:59 +0000\"", 253402300799 },
	{ "01-Jan-0001 00:00:00 +0000", "\" 1-Jan-0001 00:00:00 +0000\"", -62135596800 },
	{ "31-Dec-2016 23:59:60 +0000", "\" 1-Jan-2017 00:00:00 +0000\"", 1483228800 },
	{ "29-Feb-2023 12:00:00 +0000", NULL, 0 },
	{ "32-Jan-2023 12:00:00 +0000", NULL, 0 },
	{ "00-Jan-2023 12:00:00 +0000", NULL, 0 },
	{ "01-Foo-2023 12:00:00 +0000", NULL, 0 },
	{ "01-Jan-23 12:00:00 +0000", NULL, 0 },
	{ "01-Jan-2023 24:00:00 +0000", NULL, 0 },
	{ "01-Jan-2023 12:60:00 +0000", NULL, 0 },
	{ "01-Jan-2023 12:00 +0000", NULL, 0 },
	{ "01-Jan-2023 12:00:00", NULL, 0 },
	{ "01-Jan-2023 12:00:00 0000", NULL, 0 },
	{ "01-Jan-2023 12:00:00 +0060", NULL, 0 },
	{ "01-Jan-2023 12:00:00 +0000 ", NULL, 0 },
	{ "", NULL, 0 },
};

static void
test_datetime(void)
{
	for (size_t i = 0; i < ARRAY_LEN(datetimes); i++) {
		BUF_CLEAN struct buf b = BUF_MAX(100);
		struct imap_datetime t;
		bool is_good = imap_datetime_parse(str_c(datetimes[i].in), &t);

		if (is_good)
			imap_datetime_format(t, &b);
		if (!CHECK(is_good == (datetimes[i].out != NULL))
		    || (is_good
			&& (!CHECK_STR(buf_str(&b), str_c(datetimes[i].out))
			    || !CHECK(t.utc_s == datetimes[i].utc_s))))
			printf("# for %s\n", datetimes[i].in);
	}
}

static void
test_days(void)
{
	struct imap_datetime t = { 837596665, -420 };
	BUF_CLEAN struct buf b = BUF_MAX(100);
	int32_t day;

	CHECK(imap_datetime_day(t) == imap_date_days(1996, 7, 17));
	CHECK(imap_date_parse(STR("1-Feb-1994"), &day) && day == 8797);
	CHECK(!imap_date_parse(STR("31-Apr-1994"), &day));
	/* Every day of 400 years and a bit, there and back. */
	for (int32_t d = imap_date_days(1799, 12, 31); d < imap_date_days(2201, 1, 1); d++) {
		buf_clear(&b);
		imap_datetime_format((struct imap_datetime){ (int64_t)d * 86400, 0 }, &b);
		if (!imap_date_parse(str_trim(str_sub(buf_str(&b), 1, 12)), &day) || day != d)
			CHECK(!"day does not come back");
	}
	/* What no date can show is shown as the nearest. */
	CHECK(imap_datetime_day((struct imap_datetime){ INT64_MIN, 0 }) == imap_date_days(1, 1, 1));
	CHECK(imap_datetime_day((struct imap_datetime){ INT64_MAX, 0 })
	    == imap_date_days(9999, 12, 31));
	buf_clear(&b);
	imap_datetime_format((struct imap_datetime){ INT64_MAX, 60 }, &b);
	CHECK_STR(buf_str(&b), STR("\"31-Dec-9999 23:59:59 +0100\""));
	buf_clear(&b);
	imap_datetime_format((struct imap_datetime){ INT64_MIN, -60 }, &b);
	CHECK_STR(buf_str(&b), STR("\" 1-Jan-0001 00:00:00 -0100\""));
}

static void
test_flags(void)
{
	CHECK_U64(imap_flags_system(STR("\\sEEN")), FLAG_SEEN);
	CHECK_U64(imap_flags_system(STR("Seen")), 0);
	CHECK_U64(imap_flags_registered_slot(STR("$junk")), 2);
	CHECK_STR(imap_flags_registered(2), STR("$Junk"));
	CHECK_U64(imap_flags_registered_slot(STR("junk")), KEYWORDS_MAX);
	CHECK(imap_flags_is_keyword(STR("a.b/c")) && !imap_flags_is_keyword(STR("a b"))
	    && !imap_flags_is_keyword(STR("")));
}

TEST_MAIN(TEST(test_strings), TEST(test_lines), TEST(test_datetime), TEST(test_days),
    TEST(test_flags))

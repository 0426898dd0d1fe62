/* message_record_test.c - rows of messages: what is encoded decodes, and damage is seen. */
#include "store/message_record.h"

#include "base/test.h"

static const struct message_record SAMPLE = {
	.blob = { { 1, 2, 3 } },
	.blob_bytes = 5000,
	.prefix_bytes = 9,
	.header_bytes = 29,
	.is_header_cut = true,
	.email = { 0x1F, 0x2A },
	.thread = { 0x10000000000, 0 },
	.envelope = STR_INIT("(NIL)"),
	.bodystructure = STR_INIT("(\"text\" \"plain\")"),
	.structure = STR_INIT("tree"),
	.sortkeys = STR_INIT(""),
	.preview = STR_INIT("Hello"),
};

static void
test_summary_round_trip(void)
{
	struct buf BUF_CLEAN row = BUF_MAX(1000);
	struct message_record r;

	message_summary_encode(&SAMPLE, &row);
	CHECK(message_summary_decode(buf_str(&row), &r) == ERR_OK);
	CHECK(memcmp(&r.blob, &SAMPLE.blob, sizeof(r.blob)) == 0);
	CHECK_U64(r.blob_bytes, 5000);
	CHECK_U64(r.prefix_bytes, 9);
	CHECK_U64(r.header_bytes, 29);
	CHECK(r.is_header_cut);
	CHECK_U64(r.email.account, 0x1F);
	CHECK_U64(r.thread.account, 0x10000000000);
	CHECK_STR(r.envelope, SAMPLE.envelope);
	CHECK_STR(r.bodystructure, SAMPLE.bodystructure);
	CHECK_STR(r.structure, SAMPLE.structure);
	CHECK_U64(r.sortkeys.n, 0);
	CHECK_STR(r.preview, SAMPLE.preview);
}

/* Since format 6 rows end with the place of the bytes; those before them don't. */
static void
test_place(void)
{
	struct buf BUF_CLEAN row = BUF_MAX(1000), old = BUF_MAX(1000), other = BUF_MAX(1000);
	struct message_record r = SAMPLE;

	CHECK(!r.has_place);
	message_summary_encode(&r, &old);
	r.has_place = true;
	r.place = 0x123456789AB;
	message_summary_encode(&r, &row);
	CHECK_U64(row.n, old.n + KV_PLACE_BYTES);
	CHECK(message_summary_decode(buf_str(&row), &r) == ERR_OK);
	CHECK(r.has_place);
	CHECK_U64(r.place, 0x123456789AB);
	CHECK_STR(r.preview, SAMPLE.preview);
	/* without it, but as long; what has none, or makes no sense, stays as it is */
	message_summary_unplace(buf_str(&row), &other);
	CHECK_U64(other.n, row.n);
	CHECK(message_summary_decode(buf_str(&other), &r) == ERR_OK);
	CHECK(r.has_place);
	CHECK_U64(r.place, 0);
	CHECK_STR(r.preview, SAMPLE.preview);
	buf_clear(&other);
	message_summary_unplace(buf_str(&old), &other);
	CHECK_STR(buf_str(&other), buf_str(&old));
	buf_clear(&other);
	message_summary_unplace(STR("?"), &other);
	CHECK_STR(buf_str(&other), STR("?"));
	for (size_t n = 0; n < row.n; n++)
		CHECK(message_summary_decode(str_make(row.p, n), &r) == ERR_CORRUPT);
	CHECK(message_summary_decode(buf_str(&old), &r) == ERR_OK);
	CHECK(!r.has_place);
	CHECK_U64(r.place, 0);
}

static void
test_cut_or_longer_rows_are_corrupt(void)
{
	struct buf BUF_CLEAN row = BUF_MAX(1000);
	struct message_record r;

	message_summary_encode(&SAMPLE, &row);
	for (size_t n = 0; n < row.n; n++)
		CHECK(message_summary_decode(str_make(row.p, n), &r) == ERR_CORRUPT);
	buf_chr(&row, 'x');
	CHECK(message_summary_decode(buf_str(&row), &r) == ERR_CORRUPT);
}

static void
test_impossible_fields_are_corrupt(void)
{
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{ 0, 2 },     /* version */
		{ 1, 0x81 },  /* flags */
		{ 3, 0x20 },  /* a prefix of 8 KiB */
		{ 4, 8 },     /* a header shorter than its prefix */
		{ 6, 1 },     /* a header longer than the message */
		{ 15, 0x80 }, /* a blob of 2^63 bytes */
		{ 75, 0xFF }, /* an envelope longer than the row */
		{ 88, 4 },    /* texts that don't fill the row */
	};
	struct message_record r;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf BUF_CLEAN row = BUF_MAX(1000);

		message_summary_encode(&SAMPLE, &row);
		row.p[cases[i].at] = (char)cases[i].value;
		if (!CHECK(message_summary_decode(buf_str(&row), &r) == ERR_CORRUPT))
			printf("# case %zu\n", i);
	}
}

static void
test_header_row(void)
{
	struct buf BUF_CLEAN row = BUF_MAX(1000);
	struct str header;

	message_header_encode(STR("Trace: 1\n"), STR("Subject: 12345678\r\n\r\n"), &row);
	CHECK(message_header_decode(buf_str(&row), &SAMPLE, &header) == ERR_CORRUPT);
	buf_clear(&row);
	message_header_encode(STR("Trace: 1\n"), STR("Subject: 123456\r\n\r\n"), &row);
	CHECK(message_header_decode(buf_str(&row), &SAMPLE, &header) == ERR_CORRUPT);
	buf_clear(&row);
	message_header_encode(STR("Trace: 1\n"), STR("Subject: 1234\r\n\r\n..."), &row);
	if (CHECK(message_header_decode(buf_str(&row), &SAMPLE, &header) == ERR_OK))
		CHECK_STR(header, STR("Trace: 1\nSubject: 1234\r\n\r\n..."));
	row.p[0] = 9;
	CHECK(message_header_decode(buf_str(&row), &SAMPLE, &header) == ERR_CORRUPT);
	CHECK(message_header_decode(STR_NONE, &SAMPLE, &header) == ERR_CORRUPT);
}

static void
test_object_ids(void)
{
	static const struct {
		struct object_id id;
		struct str text;
	} cases[] = {
		{ { 1, 42 }, STR_INIT("M1-2a") },
		{ { 0, 0 }, STR_INIT("M0-0") },
		{ { 0x10, 0xF }, STR_INIT("M10-f") },
		{ { UINT64_MAX, UINT32_MAX }, STR_INIT("Mffffffffffffffff-ffffffff") },
	};

	char text[OBJECT_ID_TEXT_MAX], row[OBJECT_ID_BYTES];
	struct object_id back;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_STR(object_id_text(cases[i].id, 'M', text), cases[i].text);
		object_id_encode(cases[i].id, row);
		CHECK(object_id_decode(str_make(row, sizeof(row)), &back) == ERR_OK);
		CHECK(back.account == cases[i].id.account && back.n == cases[i].id.n);
	}
	CHECK(object_id_decode(STR("short"), &back) == ERR_CORRUPT);
}

static void
test_keys_sort_by_number(void)
{
	struct message_key a = message_summary_key((struct msgno){ 255 }),
			   b = message_summary_key((struct msgno){ 256 });
	struct message_key h = message_header_key((struct msgno){ UINT32_MAX });

	CHECK(str_cmp(message_key_str(&a), message_key_str(&b)) < 0);
	CHECK(str_cmp(message_key_str(&h), message_key_str(&a)) < 0);
}

TEST_MAIN(TEST(test_summary_round_trip), TEST(test_place),
    TEST(test_cut_or_longer_rows_are_corrupt), TEST(test_impossible_fields_are_corrupt),
    TEST(test_header_row), TEST(test_object_ids), TEST(test_keys_sort_by_number))

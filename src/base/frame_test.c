/* frame_test.c - unit tests of frame.c. */
#include "base/frame.h"

#include "base/test.h"

static void
test_round_trip_cut_anywhere(void)
{
	BUF_CLEAN struct buf b = BUF_MAX(1024);
	size_t used = 0, at = frame_begin(&b, 7);
	struct frame f;

	frame_add_u8(&b, 1);
	frame_add_u32(&b, 0xFFFFFFFF);
	frame_add_u64(&b, 1ull << 63);
	frame_add_str(&b, STR("a\0b"));
	frame_add_str(&b, STR(""));
	frame_end(&b, at);
	for (size_t i = 0; i < b.n; i++)
		CHECK(frame_next(str_make(b.p, i), &f, &used) == ERR_WAIT);
	CHECK(frame_next(buf_str(&b), &f, &used) == ERR_OK && used == b.n && f.type == 7);
	CHECK(frame_bool(&f));
	CHECK(frame_u32(&f) == 0xFFFFFFFF);
	CHECK(frame_u64(&f) == 1ull << 63);
	CHECK_STR(frame_str(&f, 3), STR("a\0b"));
	CHECK(frame_finish(&f) == ERR_CORRUPT); /* one field is left */
	CHECK_STR(frame_str(&f, 0), STR(""));
	CHECK(frame_finish(&f) == ERR_OK);
	CHECK(frame_u8(&f) == 0 && frame_finish(&f) == ERR_CORRUPT);
}

static void
test_refuses(void)
{
	struct frame f;
	size_t used;

	/* no room for version and type */
	CHECK(frame_next(STR("\1\0\0\0\1"), &f, &used) == ERR_CORRUPT);
	/* another version */
	CHECK(frame_next(STR("\2\0\0\0\2"), &f, &used) == ERR_CORRUPT);
	CHECK(frame_next(STR("\xff\xff\xff\xff"), &f, &used) == ERR_CORRUPT); /* too long */
	CHECK(frame_next(STR("\7\0\0\0\1\1\2\0\0\0a"), &f, &used) == ERR_OK);
	/* runs over the end */
	CHECK_STR(frame_str(&f, 9), STR(""));
	CHECK(frame_finish(&f) == ERR_CORRUPT);
	CHECK(frame_next(STR("\7\0\0\0\1\1\1\0\0\0a"), &f, &used) == ERR_OK);
	/* longer than allowed */
	CHECK_STR(frame_str(&f, 0), STR(""));
	CHECK(frame_finish(&f) == ERR_CORRUPT);
}

TEST_MAIN(TEST(test_round_trip_cut_anywhere), TEST(test_refuses))

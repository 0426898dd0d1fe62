/* throttle_test.c - unit tests of throttle.c. */
#include "auth/throttle.h"

#include "base/test.h"

#include <stdio.h>

static void
test_grows_and_is_forgotten(void)
{
	struct throttle *t = throttle_new(1000, 1);
	struct str peer = STR("192.0.2.1"), other = STR("192.0.2.2"), joe = STR("joe"), jim = STR("jim");

	CHECK_U64(throttle_before_ms(t, peer, joe, 0), 0);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 1000);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 2000);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 4000);
	CHECK_U64(throttle_before_ms(t, peer, joe, 0), 0);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 8000);
	CHECK_U64(throttle_before_ms(t, peer, jim, 0), 1000);
	CHECK_U64(throttle_before_ms(t, other, joe, 0), 1000);
	CHECK_U64(throttle_before_ms(t, other, jim, 0), 0);
	for (int i = 0; i < 100; i++)
		throttle_failed_ms(t, peer, joe, 0);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 16000);
	CHECK_U64(throttle_before_ms(t, peer, jim, 0), 16000);
	CHECK_U64(throttle_before_ms(t, other, joe, 0), 2000);	/* its owner elsewhere waits less */
	throttle_succeeded(t, joe);
	CHECK_U64(throttle_before_ms(t, other, joe, 0), 0);
	CHECK_U64(throttle_before_ms(t, peer, joe, 0), 16000);
	CHECK_U64(throttle_before_ms(t, peer, joe, THROTTLE_FORGET_MS + 1), 0);
	throttle_free(t);
}

static void
test_prefixes(void)
{
	struct throttle *t = throttle_new(1000, 1);

	for (int i = 0; i < 4; i++) {
		throttle_failed_ms(t, STR("2001:db8:1:2::1"), STR_NONE, 0);
		throttle_failed_ms(t, STR("127.0.0.1"), STR_NONE, 0);
		throttle_failed_ms(t, STR("::1"), STR_NONE, 0);
		throttle_failed_ms(t, STR(""), STR_NONE, 0);
	}
	CHECK_U64(throttle_before_ms(t, STR("2001:db8:1:2:ffff::9"), STR_NONE, 0), 1000);
	CHECK_U64(throttle_before_ms(t, STR("2001:db8:1:3::1"), STR_NONE, 0), 0);
	CHECK_U64(throttle_before_ms(t, STR("127.0.0.1"), STR_NONE, 0), 0);
	CHECK_U64(throttle_before_ms(t, STR("::1"), STR_NONE, 0), 0);
	CHECK_U64(throttle_before_ms(t, STR(""), STR_NONE, 0), 0);
	throttle_free(t);
	t = throttle_new(0, 1);
	CHECK_U64(throttle_failed_ms(t, STR("192.0.2.1"), STR("joe"), 0), 0);
	throttle_free(t);
}

/* A flood of addresses pushes out old ones, and never the one that failed just now. */
static void
test_is_bounded(void)
{
	struct throttle *t = throttle_new(1000, 1);

	for (int i = 0; i < 100000; i++) {
		char peer[32];

		snprintf(peer, sizeof(peer), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		throttle_failed_ms(t, str_c(peer), STR_NONE, i);
		CHECK(throttle_failed_ms(t, str_c(peer), STR_NONE, i) == 2000);
	}
	throttle_free(t);
}

TEST_MAIN(TEST(test_grows_and_is_forgotten), TEST(test_prefixes), TEST(test_is_bounded))

/* throttle_test.c - unit tests of throttle.c. */
#include "auth/throttle.h"

#include "base/test.h"

#include <stdio.h>

static void
fail_often(struct throttle *t, struct str peer, struct str account, int times, int64_t now_ms)
{
	for (int i = 0; i < times; i++)
		throttle_failed_ms(t, peer, account, now_ms);
}

static void
test_grows_and_is_forgotten(void)
{
	struct throttle *t = throttle_new(1000, 1);
	struct str peer = STR("192.0.2.1"), other = STR("198.51.100.2"), joe = STR("joe"),
		   jim = STR("jim");

	CHECK_U64(throttle_address_ms(t, peer, 0), 0);
	CHECK_U64(throttle_account_ms(t, peer, joe, 0), 0);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 1000);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 2000);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 4000);
	CHECK_U64(throttle_address_ms(t, peer, 0), 0);
	CHECK_U64(throttle_account_ms(t, peer, joe, 0), 0);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 8000);
	CHECK_U64(throttle_address_ms(t, peer, 0), 1000);
	CHECK_U64(throttle_account_ms(t, peer, jim, 0), 0);
	CHECK_U64(throttle_account_ms(t, other, joe, 0), 1000);
	CHECK_U64(throttle_address_ms(t, other, 0), 0);
	fail_often(t, peer, joe, 100, 0);
	CHECK_U64(throttle_failed_ms(t, peer, joe, 0), 16000);
	CHECK_U64(throttle_address_ms(t, peer, 0), 16000);
	CHECK_U64(throttle_account_ms(t, other, joe, 0), 2000); /* its owner elsewhere waits less */
	throttle_succeeded(t, other, joe, 0);
	CHECK_U64(throttle_account_ms(t, peer, joe, 0), 0);
	CHECK_U64(throttle_address_ms(t, peer, 0), 16000);
	CHECK_U64(throttle_address_ms(t, peer, THROTTLE_FORGET_MS + 1), 0);
	throttle_set_base(t, 10);
	CHECK_U64(throttle_address_ms(t, peer, 0), 0); /* forgotten it stays */
	CHECK_U64(throttle_failed_ms(t, peer, joe, THROTTLE_FORGET_MS + 2), 10);
	throttle_free(t);
}

static void
test_prefixes(void)
{
	struct throttle *t = throttle_new(1000, 1);

	for (int i = 0; i < 4; i++) {
		fail_often(t, STR("2001:db8:1:2::1"), STR_NONE, 1, 0);
		fail_often(t, STR("127.0.0.1"), STR_NONE, 1, 0);
		fail_often(t, STR("::1"), STR_NONE, 1, 0);
		fail_often(t, STR(""), STR_NONE, 1, 0);
		fail_often(t, STR("nonsense"), STR_NONE, 1, 0);
	}
	CHECK_U64(throttle_address_ms(t, STR("2001:db8:1:2:ffff::9"), 0), 1000);
	CHECK_U64(throttle_address_ms(t, STR("2001:db8:1:3::1"), 0), 0);
	CHECK_U64(throttle_address_ms(t, STR("127.0.0.1"), 0), 0);
	CHECK_U64(throttle_address_ms(t, STR("::1"), 0), 0);
	CHECK_U64(throttle_address_ms(t, STR(""), 0), 0);
	CHECK_U64(throttle_address_ms(t, STR("nonsense"), 0), 0);
	throttle_free(t);
	t = throttle_new(0, 1);
	CHECK_U64(throttle_failed_ms(t, STR("192.0.2.1"), STR("joe"), 0), 0);
	throttle_free(t);
}

/* Who changes address within a network is counted there, more patiently. */
static void
test_networks(void)
{
	struct throttle *t = throttle_new(1000, 1);
	char peer[64];

	for (int i = 0; i < 27; i++) {
		CHECK_U64(throttle_address_ms(t, STR("192.0.2.250"), 0),
		    i <= 24       ? 0
			: i == 25 ? 1000
				  : 2000);
		CHECK_U64(throttle_address_ms(t, STR("2001:db8:7:ffff::1"), 0),
		    i <= 24       ? 0
			: i == 25 ? 1000
				  : 2000);
		snprintf(peer, sizeof(peer), "192.0.2.%d", i);
		fail_often(t, str_c(peer), STR_NONE, 1, 0);
		snprintf(peer, sizeof(peer), "2001:db8:7:%x::1", i);
		fail_often(t, str_c(peer), STR_NONE, 1, 0);
	}
	CHECK_U64(throttle_address_ms(t, STR("192.0.3.1"), 0), 0);
	CHECK_U64(throttle_address_ms(t, STR("2001:db8:8::1"), 0), 0);
	throttle_free(t);
}

/*
 * Where the owner has logged in, guesses from elsewhere change nothing for him; guesses from there
 * do after a while.
 */
static void
test_known(void)
{
	struct throttle *t = throttle_new(1000, 1);
	struct str home = STR("192.0.2.1"), near = STR("192.0.2.77"), far = STR("198.51.100.1"),
		   joe = STR("joe");
	int64_t later = 20ll * 24 * 60 * 60 * 1000;

	CHECK(!throttle_knows(t, home, joe, 0));
	throttle_succeeded(t, home, joe, 0);
	fail_often(t, far, joe, 1000, later);
	CHECK_U64(throttle_account_ms(t, far, joe, later), 2000);
	CHECK_U64(throttle_account_ms(t, home, joe, later), 0);
	CHECK(throttle_knows(t, near, joe, later));
	CHECK(!throttle_knows(t, near, STR("jim"), later));
	CHECK(!throttle_knows(t, home, joe, 2 * later));
	/* A known network has more patience. */
	fail_often(t, near, STR("jim"), 20, later);
	CHECK_U64(throttle_address_ms(t, near, later), 0);
	fail_often(t, near, STR("jim"), 1, later);
	CHECK_U64(throttle_address_ms(t, near, later), 1000);
	/*
	 * But not without end, and the account is soon known there no longer, until its owner
	 * comes.
	 */
	CHECK_U64(throttle_account_ms(t, near, joe, later), 0);
	fail_often(t, near, joe, 10, later);
	CHECK(throttle_knows(t, home, joe, later));
	fail_often(t, near, joe, 1, later);
	CHECK(!throttle_knows(t, home, joe, later));
	CHECK_U64(throttle_account_ms(t, home, joe, later), 2000);
	throttle_succeeded(t, home, joe, later);
	CHECK(throttle_knows(t, home, joe, later));
	/*
	 * On this machine an address is known by itself: the webmail's users are not those of a
	 * shell.
	 */
	throttle_succeeded(t, STR("127.0.0.1"), joe, 0);
	CHECK(throttle_knows(t, STR("127.0.0.1"), joe, 0));
	CHECK(!throttle_knows(t, STR("127.0.0.2"), joe, 0));
	throttle_free(t);
}

/*
 * A million addresses push out neither who guesses much, nor those who are known; and memory does
 * not grow.
 */
static void
test_is_bounded(void)
{
	struct throttle *t = throttle_new(1000, 1);
	struct str guesser = STR("192.0.2.1"), home = STR("198.51.100.1");

	throttle_succeeded(t, home, STR("joe"), 0);
	fail_often(t, guesser, STR("joe"), 50, 0);
	for (int i = 0; i < 1000000; i++) {
		char peer[32];

		snprintf(peer, sizeof(peer), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		throttle_failed_ms(t, str_c(peer), STR_NONE, i / 2);
	}
	CHECK_U64(throttle_address_ms(t, guesser, 500000), 16000);
	CHECK_U64(throttle_account_ms(t, guesser, STR("joe"), 500000), 2000);
	CHECK(throttle_knows(t, home, STR("joe"), 500000));
	/* One who fails just now is never the one that makes room. */
	CHECK(throttle_failed_ms(t, STR("203.0.113.5"), STR_NONE, 500000)
	    < throttle_failed_ms(t, STR("203.0.113.5"), STR_NONE, 500000));
	throttle_free(t);
}

TEST_MAIN(TEST(test_grows_and_is_forgotten), TEST(test_prefixes), TEST(test_networks),
    TEST(test_known), TEST(test_is_bounded))

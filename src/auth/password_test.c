/* password_test.c - unit tests of password.c, scram.c, name.c and remember.c. */
#include "auth/name.h"
#include "auth/password.h"
#include "auth/remember.h"
#include "auth/scram.h"
#include "base/arena.h"
#include "base/test.h"

#include <sodium.h>

static const struct password_cost cheap = { .memory_bytes = 8192,
	.passes = 1,
	.scram_iterations = 4096,
	.make_scram = true };

static void
test_schemes(void)
{
	static const char *const verifiers[] = {
		"{SHA512-CRYPT}$6$zw7.oJhABuUyJWbK$TXdsQQOldXZXZmq6oIdW8IzDUs83w1wrvt7NRdoB8ICTj.aqtKytU02a9DX4pz1TGtNQSrSsS52XapVPvs.fV/",
		"{CRYPT}$5$Y3P/y4Yr0Zq4Y5d5$21KnPZRlqJh.84rXQ3ImxVJFOkn1KphGfxDn3Wlh922",
		"{blf-crypt}$2b$04$sudlUzB0Pu70vkGIa.rJXOAlflOq19csn9U0xTbUCKOfYVQD3H5i6",
		"{MD5-CRYPT}$1$J9hOHB8B$fhNseU.e1lqUWyzLChwvp0",
		"{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==",
		"{SSHA256}oBmrdHcA6OZEkkCLeXh71YAerbvhXz1qqwjrPsXmEtNzYWx0c2FsdA==",
		"{SSHA512}aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+E5usqoAixeTPihKqZmkWal4mUfp63tqvCAkFV1LKTDFH6XNhbHRzYWx0",
		"{PLAIN}secret",
	};

	for (size_t i = 0; i < ARRAY_LEN(verifiers); i++) {
		CHECK(password_is_verifier(str_c(verifiers[i])));
		CHECK(password_verify(str_c(verifiers[i]), STR("secret")));
		CHECK(!password_verify(str_c(verifiers[i]), STR("secreT")));
		CHECK(!password_verify(str_c(verifiers[i]), STR("")));
		CHECK(!password_verify(str_c(verifiers[i]), STR_NONE));
		CHECK(!password_verify(str_c(verifiers[i]), STR("secret\0x")));
		CHECK(password_is_outdated(str_c(verifiers[i]), &cheap));
	}
}

static void
test_nonsense_fits_nothing(void)
{
	static const char *const verifiers[] = { "", "secret", "{}secret", "{CRYPT}", "{CRYPT}*",
		"{CRYPT}x", "{SSHA}", "{SSHA}====", "{SSHA256}1G904nLk", "{ARGON2ID}",
		"{ARGON2ID}$argon2id$v=19$m=1", "{NONE}", "{PLAIN" };

	for (size_t i = 0; i < ARRAY_LEN(verifiers); i++)
		CHECK(!password_verify(str_c(verifiers[i]), STR("secret")));
	CHECK(!password_is_verifier(STR("secret")));
}

static void
test_argon2(void)
{
	struct password_cost dearer = cheap;
	BUF_CLEAN struct buf b = BUF_MAX(VERIFIER_MAX_BYTES), c = BUF_MAX(VERIFIER_MAX_BYTES);

	dearer.passes = 2;
	CHECK(password_hash(STR("secret"), &cheap, &b) == ERR_OK);
	CHECK(password_hash(STR("secret"), &cheap, &c) == ERR_OK);
	CHECK(!str_eq(buf_str(&b), buf_str(&c)));
	CHECK(str_starts(buf_str(&b), STR("{ARGON2ID}$argon2id$")));
	CHECK(password_verify(buf_str(&b), STR("secret")));
	CHECK(!password_verify(buf_str(&b), STR("Secret")));
	CHECK(!password_is_outdated(buf_str(&b), &cheap));
	CHECK(password_is_outdated(buf_str(&b), &dearer));
}

static void
test_scram(void)
{
	unsigned char secret[32] = { 7 };
	struct scram_verifier v, w;

	for (unsigned h = 0; h < SCRAM_HASHES; h++) {
		BUF_CLEAN struct buf b = BUF_MAX(SCRAM_TEXT_MAX);

		CHECK(scram_make(h, STR("pencil"), 4096, &b) == ERR_OK);
		CHECK(scram_parse(h, buf_str(&b), &v) == ERR_OK);
		CHECK(strcmp(v.iterations, "4096") == 0);
		CHECK(scram_parse(!h, buf_str(&b), &v) == ERR_SYNTAX);
		CHECK(scram_parse(h, str_sub(buf_str(&b), 0, b.n - 4), &v) == ERR_SYNTAX);
		/* The fake looks like the real one, is stable, and differs between users. */
		scram_fake(h, STR("joe"), secret, 4096, &w);
		CHECK(strlen(w.salt) == strlen(v.salt) && strcmp(w.iterations, v.iterations) == 0);
		scram_fake(h, STR("joe"), secret, 4096, &v);
		CHECK(strcmp(w.salt, v.salt) == 0);
		scram_fake(h, STR("jim"), secret, 4096, &v);
		CHECK(strcmp(w.salt, v.salt) != 0);
		/* An account whose count changes gets another salt with it. */
		scram_fake(h, STR("joe"), secret, 5000, &v);
		CHECK(strcmp(w.salt, v.salt) != 0 && strcmp(v.iterations, "5000") == 0);
	}
	CHECK(scram_parse(SCRAM_SHA1, STR(""), &v) == ERR_SYNTAX);
	CHECK(scram_parse(SCRAM_SHA1, STR("0:a:b:c"), &v) == ERR_SYNTAX);
}

static void
test_names(void)
{
	static const struct {
		const char *in, *want;
	} good[] = {
		{ "Joe", "joe" },
		{ "joe@Example.ORG", "joe@example.org" },
		{ "j\xc3\xbcrgen", "j\xc3\xbcrgen" },
		/* soft hyphen is mapped to nothing: RFC 4013 3.1 */
		{ "I\xc2\xadX", "ix" },
		{ "a+b", "a+b" },
	};

	static const char *const bad[] = { "", ".x", "-x", "a/b", "a b", "a*", "a%", "a\x01",
		"a\xff", "a\"b", "a\\b", "\xe2\x80\x8f" };
	char long_name[300];
	struct arena a = ARENA_NONE;
	struct str out;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (CHECK(name_normalise(&a, str_c(good[i].in), &out) == ERR_OK))
			CHECK_STR(out, str_c(good[i].want));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(name_normalise(&a, str_c(bad[i]), &out) == ERR_SYNTAX);
	CHECK(name_normalise(&a, STR("a\0b"), &out) == ERR_SYNTAX);
	memset(long_name, 'x', sizeof(long_name));
	CHECK(name_normalise(&a, str_make(long_name, NAME_MAX_BYTES), &out) == ERR_OK);
	CHECK(name_normalise(&a, str_make(long_name, NAME_MAX_BYTES + 1), &out) == ERR_SYNTAX);
	arena_done(&a);
}

static void
test_remember(void)
{
	struct remember *r = remember_new(1000);

	CHECK(!remember_has(r, STR("joe"), STR("v"), STR("pw"), 0));
	remember_add(r, STR("joe"), STR("v"), STR("pw"), 0);
	CHECK(remember_has(r, STR("joe"), STR("v"), STR("pw"), 999));
	CHECK(!remember_has(r, STR("joe"), STR("v"), STR("pw"), 1000));
	CHECK(!remember_has(r, STR("joe"), STR("v"), STR("pW"), 1));
	CHECK(!remember_has(r, STR("joe"), STR("v2"), STR("pw"), 1));
	CHECK(!remember_has(r, STR("joe"), STR("vp"), STR("w"), 1));
	CHECK(!remember_has(r, STR("jim"), STR("v"), STR("pw"), 1));
	remember_free(r);
	r = remember_new(0);
	remember_add(r, STR("joe"), STR("v"), STR("pw"), 0);
	CHECK(!remember_has(r, STR("joe"), STR("v"), STR("pw"), 0));
	remember_free(r);
}

int
main(void)
{
	static const struct test_case cases[] = { TEST(test_schemes),
		TEST(test_nonsense_fits_nothing), TEST(test_argon2), TEST(test_scram),
		TEST(test_names), TEST(test_remember) };

	return sodium_init() < 0 ? 1 : test_run(cases, ARRAY_LEN(cases));
}

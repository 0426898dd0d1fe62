/*
 * test.h - unit tests in TAP: a file of TEST functions and a main that runs them.
 *
 *     static void test_parses_quotes(void) { CHECK(x == 1); CHECK_STR(got, STR("want")); }
 *     TEST_MAIN(TEST(test_parses_quotes), TEST(test_other))
 *
 * A failed CHECK prints where and goes on; the test it is in is then "not ok". Exit status 1 when
 * any failed.
 */
#ifndef BASE_TEST_H
#define BASE_TEST_H

#include "base/attr.h"
#include "base/str.h"

#include <stdio.h>

struct test_case {
	const char *name;
	void (*fn)(void);
};

/* One for all files of a program: a CHECK in any of them is of the test that runs. */
__attribute__((weak)) int test_failures;

#define TEST(fn_)                                                                                  \
	{                                                                                          \
#fn_, fn_                                                                          \
	}
#define CHECK(x) test_check((x), #x, __FILE__, __LINE__)
#define CHECK_STR(got, want) test_check_str((got), (want), #got, __FILE__, __LINE__)
#define CHECK_U64(got, want)                                                                       \
	test_check_u64((uint64_t)(got), (uint64_t)(want), #got, __FILE__, __LINE__)

static inline bool
test_check(bool ok, const char *what, const char *file, int line)
{
	if (!ok) {
		test_failures++;
		printf("# %s:%d: failed: %s\n", file, line, what);
	}
	return ok;
}

static inline bool
test_check_str(struct str got, struct str want, const char *what, const char *file, int line)
{
	if (str_eq(got, want))
		return true;
	test_failures++;
	printf("# %s:%d: %s\n#  got  \"%.*s\"\n#  want \"%.*s\"\n", file, line, what, STR_F(got),
	    STR_F(want));
	return false;
}

static inline bool
test_check_u64(uint64_t got, uint64_t want, const char *what, const char *file, int line)
{
	if (got == want)
		return true;
	test_failures++;
	printf("# %s:%d: %s: got %llu, want %llu\n", file, line, what, (unsigned long long)got,
	    (unsigned long long)want);
	return false;
}

#define TEST_MAIN(...)                                                                             \
	int main(void)                                                                             \
	{                                                                                          \
		static const struct test_case cases[] = { __VA_ARGS__ };                           \
		return test_run(cases, ARRAY_LEN(cases));                                          \
	}

static inline int
test_run(const struct test_case *cases, size_t count)
{
	bool all_ok = true;

	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		test_failures = 0;
		cases[i].fn();
		printf("%s %zu - %s\n", test_failures == 0 ? "ok" : "not ok", i + 1, cases[i].name);
		fflush(stdout);
		all_ok = all_ok && test_failures == 0;
	}
	return all_ok ? 0 : 1;
}

#endif

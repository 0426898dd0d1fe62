/* tls_memory_test.c - blocks of all sizes keep what is in them, and go back where they came from. */
#include "io/tls_memory.h"

#include "base/sanitized.h"
#include "base/test.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { COUNT = 500 };

static const size_t sizes[] = { 1, 4095, 4096, 4097, 7624, 8192, 8193, 16713, 20480, 21848, 24576,
	24577, 100000 };

static bool is_there;

static bool
is_filled(const unsigned char *p, size_t n, int with)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != (unsigned char)with)
			return false;
	}
	return true;
}

static void
test_sizes(void)
{
	unsigned char *p[ARRAY_LEN(sizes)];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		p[i] = OPENSSL_malloc(sizes[i]);
		memset(p[i], (int)i, sizes[i]);
	}
	/* those of a page up to six */
	CHECK_U64(tls_memory_blocks(), is_there ? 9 : 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CHECK(is_filled(p[i], sizes[i], (int)i));
		OPENSSL_free(p[i]);
	}
	CHECK_U64(tls_memory_blocks(), 0);
	CHECK(OPENSSL_malloc(0) == NULL);
	OPENSSL_free(NULL);
}

static void
test_growing(void)
{
	unsigned char *p = NULL;
	size_t had = 0;

	for (size_t n = 10; n < 60000; n = n * 5 / 4) {
		p = OPENSSL_realloc(p, n);
		CHECK(is_filled(p, had, 7));
		memset(p, 7, n);
		had = n;
	}
	for (size_t n = had; n > 10; n = n * 4 / 5) {
		p = OPENSSL_realloc(p, n);
		CHECK(is_filled(p, n, 7));
	}
	CHECK(OPENSSL_realloc(p, 0) == NULL);
	CHECK_U64(tls_memory_blocks(), 0);
}

static size_t
resident(unsigned char *const *p, size_t n)
{
	size_t found = 0;
	unsigned char in_memory;

	for (size_t i = 0; i < n; i++)
		found += mincore(p[i], 1, &in_memory) == 0 && (in_memory & 1) != 0;
	return found;
}

/* A crowd's memory is the system's again, but for a few blocks; and is empty when it comes back. */
static void
test_crowd(void)
{
	unsigned char *p[COUNT];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < COUNT; i++) {
			p[i] = OPENSSL_malloc(21848);
			memset(p[i], i, 21848);
		}
		for (int i = 0; i < COUNT; i++)
			CHECK(is_filled(p[i], 21848, i));
		/* every second one, then the rest */
		for (int i = 0; i < COUNT; i++)
			OPENSSL_free(p[i * 2 % COUNT + (i * 2 >= COUNT)]);
		if (is_there)
			CHECK(resident(p, COUNT) <= 32);
	}
	CHECK_U64(tls_memory_blocks(), 0);
}

static void *
exercise(void *arg)
{
	unsigned char *p[50];
	intptr_t mark = (intptr_t)arg, wrong = 0;

	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < ARRAY_LEN(p); i++) {
			p[i] = OPENSSL_malloc(4096 + i * 500);
			memset(p[i], (int)mark, 4096 + i * 500);
		}
		for (size_t i = 0; i < ARRAY_LEN(p); i++) {
			wrong += !is_filled(p[i], 4096 + i * 500, (int)mark);
			OPENSSL_free(p[i]);
		}
	}
	return (void *)wrong;
}

static void
test_threads(void)
{
	pthread_t t[4];
	void *wrong;

	for (intptr_t i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, exercise, (void *)(i + 1)) == 0);
	for (int i = 0; i < 4; i++) {
		CHECK(pthread_join(t[i], &wrong) == 0);
		CHECK(wrong == NULL);
	}
	CHECK_U64(tls_memory_blocks(), 0);
}

/* It is the process's, so it can't be begun anew for each. */
static void
test_begins(void)
{
	is_there = tls_memory_init();
	CHECK(is_there != IS_SANITIZED);
}

TEST_MAIN(TEST(test_begins), TEST(test_sizes), TEST(test_growing), TEST(test_crowd),
    TEST(test_threads))

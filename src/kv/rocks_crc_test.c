/* rocks_crc_test.c - RocksDB takes our checksum for its own, and it is the same. */
#include "base/arena.h"
#include "base/hash.h"
#include "base/test.h"
#include "kv/crc32c.h"

#include <dlfcn.h>
#include <rocksdb/c.h>
#include <stdlib.h>

enum { BYTES = 5000 };

static const char name[] = "_ZN7rocksdb6crc32c6ExtendEjPKcm";

typedef uint32_t extend_fn(uint32_t crc, const char *p, size_t n);

/* What RocksDB's calls of that name come to. */
static void
test_is_taken(void)
{
	extend_fn *theirs = (extend_fn *)dlsym(RTLD_NEXT, name),
		  *called = (extend_fn *)dlsym(RTLD_DEFAULT, name);

	rocksdb_free(NULL); /* the library is there because of this */
	CHECK(theirs != NULL && called != NULL);
#if defined(__x86_64__)
	CHECK(theirs != called);
#endif
}

static void
test_is_the_same(void)
{
	extend_fn *theirs = (extend_fn *)dlsym(RTLD_NEXT, name),
		  *called = (extend_fn *)dlsym(RTLD_DEFAULT, name);
	char *p = xmalloc(BYTES + 8);

	for (size_t i = 0; i < BYTES + 8; i++)
		p[i] = (char)hash_u64(i);
	for (size_t n = 0; theirs != NULL && n <= BYTES; n += n < 1100 ? 1 : 173)
		for (size_t at = 0; at < 8; at += 3) {
			uint32_t before = (uint32_t)(n * 0x9E3779B9u);

			CHECK_U64(called(before, p + at, n), theirs(before, p + at, n));
			CHECK_U64(called(before, p + at, n), crc32c_plain(before, p + at, n));
		}
	free(p);
}

TEST_MAIN(TEST(test_is_taken), TEST(test_is_the_same))

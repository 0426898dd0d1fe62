/* chunk_test.c - the stored form of a piece of a message, and its checksum. */
#include "base/bytes.h"
#include "base/hash.h"
#include "base/test.h"
#include "kv/crc32c.h"
#include "kv/kv_int.h"

#include <stdlib.h>

/* RFC 3720 B.4. */
static void
test_crc32c(void)
{
	char zeros[32] = { 0 }, ones[32], up[32];

	memset(ones, 0xFF, sizeof(ones));
	for (unsigned i = 0; i < sizeof(up); i++)
		up[i] = (char)i;
	CHECK_U64(crc32c(0, "123456789", 9), 0xE3069283);
	CHECK_U64(crc32c(0, zeros, 32), 0x8A9136AA);
	CHECK_U64(crc32c(0, ones, 32), 0x62A8AB43);
	CHECK_U64(crc32c(0, up, 32), 0x46DD794E);
	CHECK_U64(crc32c(0, "", 0), 0);
	CHECK_U64(crc32c(crc32c(0, up, 13), up + 13, 19), 0x46DD794E);
	for (unsigned n = 0; n < 32; n++)
		CHECK_U64(crc32c_plain(0, up, n), crc32c(0, up, n));
}

static char *
text(size_t n, bool is_noise)
{
	char *p = xmalloc(MAX(n, 1));

	for (size_t i = 0; i < n; i++)
		p[i] = is_noise ? (char)hash_u64(i) : "Received: from "[i % 15];
	return p;
}

/* Long ones take other ways, from about a thousand bytes on: at any address, and continued. */
static void
test_crc32c_long(void)
{
	enum { BYTES = 5000 };

	char *p = text(BYTES + 8, true);

	for (size_t n = 1000; n <= BYTES; n += n < 1040 || n > 4980 ? 1 : 173)
		for (size_t at = 0; at < 8; at++)
			CHECK_U64(crc32c((uint32_t)n, p + at, n),
			    crc32c_plain((uint32_t)n, p + at, n));
	CHECK_U64(crc32c(crc32c(0, p, 1500), p + 1500, BYTES - 1500), crc32c_plain(0, p, BYTES));
	free(p);
}

static void
test_sizes(void)
{
	static const size_t sizes[] = { 0, 1, 255, 256, 257, 4096, 8192, 8193, KV_CHUNK_BYTES - 1,
		KV_CHUNK_BYTES };
	const struct blob_id id = { { 1, 2, 3 } };
	struct kv_codecs codecs;

	kv_codecs_init(&codecs);
	for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
		size_t n = sizes[i / 2];
		char *p = text(n, i % 2 == 1);
		BUF_CLEAN struct buf stored = BUF_MAX(2 * KV_CHUNK_BYTES);
		struct kv_bytes *back = NULL;

		kv_chunk_encode(&codecs, str_make(p, n), n > 8193 ? NULL : &id, &stored);
		CHECK(stored.n <= KV_CHUNK_HEAD + KV_CHUNK_NAME + n);
		CHECK(n < 256 || i % 2 == 1 || stored.n < n / 4);
		/* which codec it is */
		CHECK_U64((uint64_t)stored.p[0], n < 256 || i % 2 == 1 ? 0 : n <= 8192 ? 2 : 1);
		if (CHECK_U64(kv_chunk_decode(&codecs, buf_str(&stored), &back), ERR_OK))
			CHECK(str_eq(kv_bytes_str(back), str_make(p, n)));
		kv_bytes_unref(back);
		free(p);
	}
	kv_codecs_done(&codecs);
}

/*
 * Base64 has no repetitions for LZ4, but fewer than 256 characters. Some text in front of it does
 * not make LZ4 the better one.
 */
static void
test_base64(void)
{
	const size_t texts[] = { 0, 800 };
	char p[4000];
	BUF_CLEAN struct buf stored = BUF_MAX(2 * KV_CHUNK_BYTES);
	struct kv_codecs codecs;

	kv_codecs_init(&codecs);
	for (size_t i = 0; i < sizeof(p); i++)
		p[i] =
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[hash_u64(i)
			% 64];
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		memset(p, 'x', texts[i]);
		stored.n = 0;
		kv_chunk_encode(&codecs, str_make(p, sizeof(p)), NULL, &stored);
		CHECK_U64((uint64_t)stored.p[0], 1);
		CHECK(stored.n < sizeof(p) * 4 / 5);
	}
	kv_codecs_done(&codecs);
}

/* A chunk that is all of a blob says of which. */
static void
test_name(void)
{
	const struct blob_id id = { { [0] = 1, [15] = 2, [16] = 3 } };
	struct blob_id other = id;
	BUF_CLEAN struct buf stored = BUF_MAX(4096), piece = BUF_MAX(4096);
	struct kv_codecs codecs;

	kv_codecs_init(&codecs);
	kv_chunk_encode(&codecs, STR("some text"), &id, &stored);
	CHECK(kv_chunk_is_of(buf_str(&stored), &id));
	other.sha256[15]++;
	CHECK(!kv_chunk_is_of(buf_str(&stored), &other));
	CHECK(!kv_chunk_is_of(str_make(stored.p, KV_CHUNK_HEAD + KV_CHUNK_NAME - 1), &id));
	CHECK(!kv_chunk_is_of(STR_NONE, &id));
	kv_chunk_encode(&codecs, STR("some text"), NULL, &piece);
	CHECK(!kv_chunk_is_of(buf_str(&piece), &id));
	kv_codecs_done(&codecs);
}

/* As programs before LZ4 and names have stored it. */
static void
test_old(void)
{
	static const char plain[] = "\0\0\0\0\x09\0\0\0\x83\x92\x06\xE3"
				    "123456789";
	struct kv_codecs codecs;
	struct kv_bytes *back = NULL;

	kv_codecs_init(&codecs);
	if (CHECK_U64(kv_chunk_decode(&codecs, str_make(plain, sizeof(plain) - 1), &back), ERR_OK))
		CHECK_STR(kv_bytes_str(back), STR("123456789"));
	kv_bytes_unref(back);
	kv_codecs_done(&codecs);
}

/*
 * One bit anywhere, or bytes missing at the end: an error, or the right bytes (a bit that nothing
 * depends on).
 */
static void
test_damage(void)
{
	const struct blob_id id = { { 1 } };
	struct kv_codecs codecs;

	kv_codecs_init(&codecs);
	for (unsigned i = 0; i < 4; i++) {
		const size_t length = i < 2 ? 1000 : 9000; /* LZ4, none; zstd, none */
		char *p = text(length, i % 2 == 1);
		BUF_CLEAN struct buf stored = BUF_MAX(2 * KV_CHUNK_BYTES);

		kv_chunk_encode(&codecs, str_make(p, length), i % 2 == 0 ? &id : NULL, &stored);
		for (size_t bit = 0; bit < stored.n * 8; bit++) {
			struct kv_bytes *back = NULL;

			stored.p[bit / 8] ^= (char)(1 << bit % 8);
			if (kv_chunk_decode(&codecs, buf_str(&stored), &back) == ERR_OK)
				CHECK(str_eq(kv_bytes_str(back), str_make(p, length)));
			kv_bytes_unref(back);
			stored.p[bit / 8] ^= (char)(1 << bit % 8);
		}
		for (size_t n = 0; n < stored.n; n++) {
			struct kv_bytes *back = NULL;

			CHECK_U64(kv_chunk_decode(&codecs, str_make(stored.p, n), &back),
			    ERR_CORRUPT);
		}
		free(p);
	}
	kv_codecs_done(&codecs);
}

TEST_MAIN(TEST(test_crc32c), TEST(test_crc32c_long), TEST(test_sizes), TEST(test_base64),
    TEST(test_name), TEST(test_old), TEST(test_damage))

/* base_test.c - unit tests of base/. */
#include "base/arena.h"
#include "base/bell.h"
#include "base/big.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "base/sanitized.h"
#include "base/test.h"
#include "base/waiter.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
test_str(void)
{
	struct str rest = STR("a,b,,c"), head;
	uint64_t v;
	uint32_t w;

	CHECK(str_eq_nocase(STR("InBox"), STR("INBOX")));
	CHECK(!str_eq_nocase(STR("InBox"), STR("INBO")));
	CHECK(str_split(&rest, ',', &head));
	CHECK_STR(head, STR("a"));
	CHECK_STR(rest, STR("b,,c"));
	CHECK(str_to_u64(STR("18446744073709551615"), &v) && v == UINT64_MAX);
	CHECK(!str_to_u64(STR("18446744073709551616"), &v));
	CHECK(!str_to_u32(STR("4294967296"), &w));
	CHECK(!str_to_u32(STR(""), &w));
	CHECK(!str_to_u32(STR("+1"), &w));
	CHECK_STR(str_trim(STR(" \tx y\r\n")), STR("x y"));
}

static void
test_utf8(void)
{
	CHECK(str_is_utf8(STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\xaf")));
	CHECK(!str_is_utf8(STR("\xc0\xaf")));
	CHECK(!str_is_utf8(STR("\xed\xa0\x80")));
	CHECK(!str_is_utf8(STR("\xf4\x90\x80\x80")));
	CHECK(!str_is_utf8(STR("a\xe2\x82")));
}

static void
test_ascii(void)
{
	const char all[] = "@AZ[`az{ 0azAZ\x7f\x01-zebra\xc3\xa4";
	char to[sizeof(all)], want[sizeof(all)];

	for (size_t from = 0; from < sizeof(all) - 1; from++) {
		struct str s = str_make(all + from, sizeof(all) - 1 - from);
		size_t n = from < sizeof(all) - 3 ? sizeof(all) - 3 - from : 0;

		for (size_t i = 0; i < n; i++)
			want[i] = chr_upper(s.p[i]);
		CHECK_U64(str_ascii_length(s), n);
		CHECK_U64(str_ascii_upper(to, s), n);
		CHECK_STR(str_make(to, n), str_make(want, n));
	}
}

static void
test_buf_limit(void)
{
	BUF_CLEAN struct buf b = BUF_MAX(10);

	buf_lit(&b, "12345");
	buf_u64(&b, 6789);
	CHECK(buf_err(&b) == ERR_OK);
	buf_lit(&b, "ab");
	CHECK(buf_err(&b) == ERR_LIMIT);
	buf_lit(&b, "c");
	CHECK_STR(buf_str(&b), STR("123456789"));
}

static void
test_buf_numbers(void)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 64; i++) {
		for (uint64_t n = v < 3 ? 0 : v - 3; n < v + 3; n++) {
			BUF_CLEAN struct buf b = BUF_MAX(20);
			char want[24];

			buf_u64(&b, n);
			snprintf(want, sizeof(want), "%llu", (unsigned long long)n);
			CHECK_STR(buf_str(&b), str_c(want));
		}
		v = i < 19 ? (i == 0 ? 1 : v * 10) : (uint64_t)1 << i;
	}
	for (uint64_t i = 0, n = 0; i < 11; n = n == 0 ? 1 : n * 10, i++) {
		BUF_CLEAN struct buf b = BUF_MAX(70), want = BUF_MAX(100);
		const uint32_t some[] = { (uint32_t)MIN(n, UINT32_MAX), (uint32_t)(n - 1), 7,
			(uint32_t)(n + 1), 0, UINT32_MAX };

		buf_u32s(&b, ' ', some, ARRAY_LEN(some));
		for (size_t j = 0; j < ARRAY_LEN(some); j++)
			buf_printf(&want, " %u", some[j]);
		CHECK_STR(buf_str(&b), buf_str(&want));
		buf_u32s(&b, ' ', some, ARRAY_LEN(some));
		CHECK(buf_err(&b) == ERR_LIMIT);
	}
	BUF_CLEAN struct buf most = BUF_MAX(20);

	buf_u64(&most, UINT64_MAX);
	CHECK_STR(buf_str(&most), STR("18446744073709551615"));
}

static void
test_arena(void)
{
	struct arena a = ARENA_NONE;
	struct str s = arena_printf(&a, "%d-%s", 7, "x");
	char *big = arena_alloc(&a, 1000000);

	memset(big, 1, 1000000);
	for (int i = 0; i < 1000; i++)
		memset(arena_alloc(&a, (size_t)i), 2, (size_t)i);
	CHECK_STR(s, STR("7-x"));
	CHECK(big[999999] == 1);
	arena_done(&a);
	CHECK(a.total_bytes == 0);
}

static bool
int_eq(const void *item, const void *key)
{
	return *(const int *)item == *(const int *)key;
}

static void
test_hash(void)
{
	static int items[1000];
	struct hash h;
	size_t pos = 0, n = 0;

	hash_init(&h, int_eq);
	for (int i = 0; i < 1000; i++) {
		items[i] = i;
		hash_insert(&h, hash_u64((uint64_t)i), &items[i]);
	}
	for (int i = 0; i < 1000; i += 2)
		CHECK(hash_remove(&h, hash_u64((uint64_t)i), &i) == &items[i]);
	for (int i = 0; i < 1000; i++)
		CHECK((hash_find(&h, hash_u64((uint64_t)i), &i) != NULL) == (i % 2 == 1));
	while (hash_next(&h, &pos) != NULL)
		n++;
	CHECK_U64(n, 500);
	hash_done(&h);
}

static int woken;

static void
count_wake(struct waiter *w)
{
	(void)w;
	woken++;
}

static void
test_waiter(void)
{
	struct waitlist l;
	struct waiter a, b;

	waitlist_init(&l);
	waiter_init(&a, count_wake);
	waiter_init(&b, count_wake);
	waiter_wait(&a, &l);
	waiter_wait(&a, &l);
	waiter_wait(&b, &l);
	waiter_cancel(&b);
	woken = 0;
	waitlist_wake_all(&l);
	waitlist_wake_all(&l);
	CHECK(woken == 1);
	waitlist_done(&l);
}

static unsigned rings[70];
static struct bell bells[70];

static void
count_ring(struct bell *b)
{
	rings[b - bells]++;
}

/* Held bells ring once, at the end; more than there is room for ring at once. */
static void
test_bells(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bells); i++)
		bells[i].ring = count_ring;
	bell_ring(&bells[0]);
	CHECK(rings[0] == 1);
	bells_hold();
	bell_ring(&bells[0]);
	bell_ring(&bells[1]);
	bell_ring(&bells[0]);
	CHECK(rings[0] == 1 && rings[1] == 0);
	bells_release();
	CHECK(rings[0] == 2 && rings[1] == 1);
	bell_ring(&bells[1]);
	CHECK(rings[1] == 2);
	bells_hold();
	for (size_t i = 2; i < ARRAY_LEN(bells); i++)
		bell_ring(&bells[i]);
	CHECK(rings[2] == 0 && rings[69] == 1);
	bells_release();
	for (size_t i = 2; i < ARRAY_LEN(bells); i++)
		CHECK(rings[i] == 1);
}

/* What is for later rings at the end of a turn, once; without a turn at once. */
static void
test_bells_later(void)
{
	memset(rings, 0, sizeof(rings));
	bell_ring_later(&bells[0]);
	CHECK(rings[0] == 1);
	bells_turn();
	bells_turn();
	bell_ring_later(&bells[0]);
	bell_ring_later(&bells[0]);
	CHECK(rings[0] == 1);
	bell_ring_later(&bells[1]); /* there is room for one */
	CHECK(rings[1] == 1);
	bells_turn_end();
	CHECK(rings[0] == 2);
	bells_turn_end();
	CHECK(rings[0] == 2 && rings[1] == 1);
	bell_ring_later(&bells[0]);
	CHECK(rings[0] == 3);
}

/* What one event writes, without its time. */
static struct str
logged(char *line, size_t size, const struct log_field *fields, size_t count)
{
	int pipe_fd[2], saved = dup(STDERR_FILENO);
	ssize_t n;
	char *level;

	must(pipe(pipe_fd) == 0);
	dup2(pipe_fd[1], STDERR_FILENO);
	log_fields(LOG_INFO, "tested", fields, count);
	dup2(saved, STDERR_FILENO);
	n = read(pipe_fd[0], line, size - 1);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	close(saved);
	line[MAX(n, 0)] = '\0';
	level = strstr(line, " level=");
	return level != NULL ? str_c(level + 1) : STR_NONE;
}

static void
test_log(void)
{
	static char line[16384], longest[2000];
	struct log_field many[10];
	struct str s;

	log_setup(LOG_INFO, "base");
	s = logged(line, sizeof(line), NULL, 0);
	CHECK(str_eq(s, STR("level=info process=base event=tested\n")));
	CHECK(line[sizeof("time=2026-01-01T00:00:00.000") - 1] == 'Z');
	s = logged(line, sizeof(line),
	    (struct log_field[]){ F_STR("user", STR("joe@example.org")),
		F_STR("peer", STR("a \"b\\\n\xC3")), F_STR("none", STR_NONE),
		F_U64("most", UINT64_MAX), F_I64("least", INT64_MIN), F_I64("minus", -7),
		F_I64("zero", 0) },
	    7);
	CHECK(str_eq(s,
	    STR("level=info process=base event=tested user=joe@example.org peer=\"a \\x22b\\x5c\\x0a\\xc3\" none=\"\" "
		"most=18446744073709551615 least=-9223372036854775808 minus=-7 zero=0\n")));
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = F_STR("long", str_make(longest, sizeof(longest)));
	logged(line, sizeof(line), many, 1);
	CHECK(strlen(line) < 1200 && strstr(line, "aaa...\"\n") != NULL);
	logged(line, sizeof(line), many, ARRAY_LEN(many));
	CHECK(strlen(line) == 8192 && line[8191] == '\n');
}

/* The same text whether there is room, or some of it, or none. */
static void
test_buf_printf(void)
{
	for (size_t before = 0; before < 300; before++) {
		BUF_CLEAN struct buf b = BUF_MAX(400);

		for (size_t i = 0; i < before; i++)
			buf_chr(&b, 'x');
		buf_printf(&b, "%s-%d", "0123456789", 42);
		CHECK(b.n == before + 13 && memcmp(b.p + before, "0123456789-42", 13) == 0);
	}
	{
		BUF_CLEAN struct buf b = BUF_MAX(10);

		buf_printf(&b, "%d", 123);
		buf_printf(&b, "%s", "0123456789");
		CHECK(buf_err(&b) == ERR_LIMIT && b.n == 3);
	}
}

/* All pairs of bytes, wherever they are. */
static void
test_nocase(void)
{
	char a[20], b[20];

	for (int x = 0; x < 256; x++)
		for (int y = 0; y < 256; y++)
			for (size_t at = 0; at < sizeof(a); at += x == y ? 1 : 9) {
				memset(a, 'q', sizeof(a));
				memset(b, 'Q', sizeof(b));
				a[at] = (char)x;
				b[at] = (char)y;
				CHECK(str_eq_nocase(str_make(a, sizeof(a)), str_make(b, sizeof(b)))
				    == (chr_lower((char)x) == chr_lower((char)y)));
			}
	CHECK(str_eq_nocase(STR_NONE, STR("")));
	CHECK(!str_eq_nocase(STR("a"), STR("")));
}

/* KiB that the process can write, whether they are used or not. */
static unsigned long
writable_kb(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long kb = 0;
	char line[200];

	while (f != NULL && kb == 0 && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "VmData: %lu", &kb);
	if (f != NULL)
		fclose(f);
	return kb;
}

enum { HEAP_PIECES = 1024, HEAP_PIECE_BYTES = 4096 };

/* In a thread of its own, which gets a heap of its own. */
static void *
use_heap(void *arg)
{
	unsigned long *grown_kb = arg, before;
	void *pieces[HEAP_PIECES];

	heap_prepare((size_t)2 * HEAP_PIECES * HEAP_PIECE_BYTES);
	before = writable_kb();
	for (size_t i = 0; i < HEAP_PIECES; i++)
		pieces[i] = xmalloc(HEAP_PIECE_BYTES);
	*grown_kb = writable_kb() - before;
	for (size_t i = 0; i < HEAP_PIECES; i++)
		free(pieces[i]);
	return NULL;
}

/* What a thread takes after heap_prepare() needs no growing. */
static void
test_heap(void)
{
	unsigned long grown_kb = 0;
	pthread_t thread;

	if (IS_SANITIZED)
		return;
	CHECK(writable_kb() > 0);
	CHECK(pthread_create(&thread, NULL, use_heap, &grown_kb) == 0);
	pthread_join(thread, NULL);
	CHECK(grown_kb < 64);
}

/*
 * Zeroed, whatever the size; what was in it is in the larger one; it takes no more than a huge page
 * beside what was asked for, and all of it goes.
 */
static void
test_big(void)
{
	static const size_t sizes[] = { 0, 1, 4096, (1 << 20) - 17, (1 << 20) - 16, 1 << 20,
		(3 << 20) - 4096, 3 << 20, (3 << 20) + 1, 9 << 20 };
	unsigned long before = writable_kb();
	unsigned char *p, sum;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		p = big_alloc(sizes[i], 1);
		sum = 0;
		for (size_t at = 0; at < sizes[i]; at++)
			sum |= p[at];
		CHECK(sum == 0);
		CHECK((uintptr_t)p % _Alignof(max_align_t) == 0);
		CHECK(IS_SANITIZED || sizes[i] < 2 << 20 || (uintptr_t)p % (2 << 20) <= 64);
		memset(p, 0xAA, sizes[i]);
		p = big_grow(p, sizes[i], 2 * sizes[i] + 1);
		CHECK(sizes[i] == 0 || (p[0] == 0xAA && p[sizes[i] - 1] == 0xAA));
		CHECK(p[sizes[i]] == 0 && p[2 * sizes[i]] == 0);
		big_free(p);
	}
	big_free(NULL);
	CHECK(IS_SANITIZED || writable_kb() < before + 4096);
	p = big_alloc(5 << 20, 2);
	CHECK(IS_SANITIZED
	    || (writable_kb() >= before + 10240 && writable_kb() < before + 10240 + 2048 + 4096));
	big_free(p);
}

TEST_MAIN(TEST(test_nocase), TEST(test_log), TEST(test_buf_printf), TEST(test_str), TEST(test_utf8),
    TEST(test_ascii), TEST(test_buf_limit), TEST(test_buf_numbers), TEST(test_arena),
    TEST(test_hash), TEST(test_waiter), TEST(test_bells), TEST(test_bells_later), TEST(test_heap),
    TEST(test_big))

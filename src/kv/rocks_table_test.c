/*
 * rocks_table_test.c - a table whose end is damaged: it is found, bit by bit, and whoever opens the
 * store is told, instead of being ended by an assertion of RocksDB.
 */
#include "base/bytes.h"
#include "base/hash.h"
#include "base/test.h"
#include "kv/kept.h"
#include "kv/kv.h"
#include "kv/rocks_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FOOTER = 53, ROWS = 400, VALUE_BYTES = 1000 };

static const struct account_id account = { 1 };
static char dir[64];
static char table_name[300];
static unsigned char table[1 << 20];
static size_t table_bytes;

static enum err
store_open(bool read_only, struct kv **kv)
{
	/* No room: what is written goes into tables. */
	struct kv_options o = { .dir = dir,
		.read_only = read_only,
		.write_buffer_bytes = 256 * 1024 };
	BUF_CLEAN struct buf detail = BUF_MAX(4000);

	return kv_rocks_open(&o, kv, &detail);
}

static void
rows_put(struct kv *kv)
{
	for (uint64_t version = 1; version <= ROWS; version++) {
		struct kv_txn *t = kv_txn_new(kv, account, version - 1, version);
		char key[8], value[VALUE_BYTES];

		put_be64(key, version);
		for (size_t at = 0; at < sizeof(value); at += 8)
			put_le64(value + at, hash_u64(version * VALUE_BYTES + at));
		kv_put(t, KV_LOG, str_make(key, sizeof(key)), str_make(value, sizeof(value)));
		must(kv_commit_now(kv, &t, 1) == ERR_OK);
	}
}

/* ---- files */

static bool
is_table(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".sst") == 0;
}

/* Reads the largest table there is. */
static void
table_read(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	must(d != NULL);
	table_bytes = 0;
	while ((entry = readdir(d)) != NULL) {
		char path[300];
		ssize_t n;
		int fd;

		if (!is_table(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		must(fd >= 0);
		n = lseek(fd, 0, SEEK_END);
		must(n > FOOTER && (size_t)n <= sizeof(table));
		if ((size_t)n > table_bytes) {
			must(pread(fd, table, (size_t)n, 0) == n);
			table_bytes = (size_t)n;
			snprintf(table_name, sizeof(table_name), "%s", path);
		}
		close(fd);
	}
	closedir(d);
	must(table_bytes > 0);
}

static void
table_write(size_t bytes)
{
	int fd = open(table_name, O_WRONLY | O_TRUNC | O_CLOEXEC);

	must(fd >= 0 && write(fd, table, bytes) == (ssize_t)bytes);
	close(fd);
}

/* Where the properties begin: before the first of their names, three lengths. */
static size_t
properties_at(void)
{
	const char *name = "rocksdb.block.based.table.index.type";
	unsigned char *p = memmem(table, table_bytes, name, strlen(name));

	must(p != NULL);
	return (size_t)(p - table) - 3;
}

/* ---- the look */

static size_t look_bytes;

static bool
memory_read(void *ctx unused_arg, uint64_t offset, void *p, size_t n)
{
	if (offset > look_bytes || n > look_bytes - offset)
		return false;
	memcpy(p, table + offset, n);
	return true;
}

static const char *
look(size_t bytes)
{
	look_bytes = bytes;
	return rocks_table_look(memory_read, NULL, bytes);
}

/*
 * The footer's second handle, of the index, is left to RocksDB, but for what is no handle; the zeros
 * behind it nobody reads.
 */
static bool
is_left(size_t at)
{
	size_t handle = table_bytes - FOOTER + 1, version = table_bytes - 12;

	for (unsigned i = 0; i < 2; i++) /* offset and size of the first */
		while (table[handle++] >= 0x80)
			;
	return at >= handle && at < version;
}

static void
test_each_bit_is_seen(void)
{
	size_t seen = 0, at;

	CHECK(look(table_bytes) == NULL);
	for (at = properties_at(); at < table_bytes; at++) {
		for (unsigned bit = 0; bit < 8 && !is_left(at); bit++) {
			table[at] = (unsigned char)(table[at] ^ 1u << bit);
			CHECK(look(table_bytes) != NULL);
			table[at] = (unsigned char)(table[at] ^ 1u << bit);
			seen++;
		}
	}
	CHECK(seen > (size_t)8 * 800);
	CHECK(look(table_bytes) == NULL);
}

static void
test_each_cut_is_seen(void)
{
	for (size_t bytes = 0; bytes < table_bytes; bytes++)
		CHECK(look(bytes) != NULL);
}

/* ---- the store */

static enum err
row_read(struct kv *kv)
{
	char key[8];
	struct kv_range range = { .kind = KV_LOG, .from = str_make(key, sizeof(key)) };
	struct kv_rows *rows = NULL;
	enum err e;

	put_be64(key, 1);
	e = kv_load_now(kv, account, &range, 1, &rows);
	kv_rows_free(rows);
	return e;
}

/* What the damage does to who opens the store and reads of it: an error, or nothing. */
static enum err
damaged_use(bool read_only)
{
	struct kv *kv = NULL;
	enum err e = store_open(read_only, &kv);

	if (e != ERR_OK)
		return e;
	e = row_read(kv);
	kv_close(kv);
	return e;
}

static void
test_opened_with_bytes_damaged(void)
{
	size_t at = properties_at(), last = table_bytes - 100;
	enum err e;

	CHECK_U64(damaged_use(true), ERR_OK);
	for (; at < table_bytes; at += at < last ? 13 : 1) {
		table[at] ^= 0x80;
		table_write(table_bytes);
		table[at] ^= 0x80;
		e = damaged_use(true);
		CHECK(e == ERR_CORRUPT || (e == ERR_OK && is_left(at)));
	}
	table_write(table_bytes);
	CHECK_U64(damaged_use(true), ERR_OK);
}

/* The one that ended the process: the top bit of how many restarts the properties have. */
static void
test_written_to_with_the_flag_damaged(void)
{
	size_t begin = properties_at(), end;

	/* one restart, at 0; then how it is compressed, not; the first that looks so is it */
	for (end = begin; memcmp(table + end, "\0\0\0\0\1\0\0\0\0", 9) != 0; end++)
		must(end < table_bytes - FOOTER);
	table[end + 7] ^= 0x80;
	table_write(table_bytes);
	CHECK_U64(damaged_use(false), ERR_CORRUPT);
	CHECK_U64(damaged_use(false), ERR_CORRUPT);
	table[end + 7] ^= 0x80;
}

int
main(void)
{
	static const struct test_case cases[] = {
		TEST(test_each_bit_is_seen),
		TEST(test_each_cut_is_seen),
		TEST(test_opened_with_bytes_damaged),
		TEST(test_written_to_with_the_flag_damaged),
	};
	struct kv *kv = NULL;
	int status;

	/* In memory when there is such a place: nothing here depends on the disk. */
	snprintf(dir, sizeof(dir), "%s/kv-table-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(dir) != NULL);
	must(store_open(false, &kv) == ERR_OK);
	rows_put(kv);
	kv_close(kv);
	table_read();
	status = test_run(cases, ARRAY_LEN(cases));
	dir_remove(dir);
	return status;
}

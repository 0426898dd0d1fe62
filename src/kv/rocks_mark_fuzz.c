/*
 * rocks_mark_fuzz.c - what is read of a store's files before RocksDB opens them: the mark, the list
 * of files and a log, from bytes that anything may have happened to.
 *
 *     flags (1), length of the mark (2), of the list (2); mark, list; the rest is the log
 *
 * With flag 1 the mark's checksum is made right, with flag 2 those of the records that stand where
 * one begins: so what is behind a checksum is reached too.
 */
#include "base/bytes.h"
#include "base/test.h"
#include "kv/crc32c.h"
#include "kv/rocks_int.h"
#include "kv/rocks_mark.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MENDS_MARK = 1,
	MENDS_RECORDS = 2,
	READS_ONLY = 4,
	HEAD_BYTES = 5,
	BLOCK_BYTES = 32768,
	RECORD_HEAD = 7,
	MARK_HEAD = 32,
	MARK_FILE = 16
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char dir[64];

static void
dir_remove(void)
{
	static const char *const names[] = { "/CURRENT", "/MANIFEST-000005", "/000007.log",
		"/synced", "" };
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, names[i]);
		remove(path);
	}
}

static void
file_put(const char *name, struct str bytes)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
	close(fd);
}

static uint64_t
file_size(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	must(stat(path, &st) == 0);
	return (uint64_t)st.st_size;
}

static void
mend_mark(char *p, size_t n)
{
	size_t length = n >= MARK_HEAD + 4
	    ? MARK_HEAD + (size_t)(get_le32(p + 4) % (MARK_LOGS + 1)) * MARK_FILE
	    : n;

	if (length + 4 <= n)
		put_le32(p + length, crc32c(0, p, length));
}

static void
mend_records(char *p, size_t n)
{
	for (size_t at = 0; at + RECORD_HEAD <= n;) {
		size_t left = MIN(n - at, BLOCK_BYTES - at % BLOCK_BYTES),
		       length = left >= RECORD_HEAD ? get_le16(p + at + 4) : left;
		uint32_t crc;

		if (left < RECORD_HEAD + length) {
			at += left;
			continue;
		}
		crc = crc32c(0, p + at + 6, 1 + length);
		put_le32(p + at, (crc >> 15 | crc << 17) + 0xA282EAD8u);
		at += RECORD_HEAD + length;
	}
}

static void
look(bool is_read_only)
{
	struct rocks_marks *m = rocks_marks_new();
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	struct wal_report report;
	uint64_t list, reach, again;
	bool is_torn;

	rocks_marks_open(m, dir, is_read_only);
	must(rocks_wal_look(dir, m, &report) == ERR_OK);
	must(report.files == 1 && report.newest == 7 && report.bytes == file_size("000007.log"));
	must(report.reach <= report.bytes);
	must(rocks_manifest_look(dir, &list, &reach, &is_torn) && list == 5);
	must(reach <= file_size("MANIFEST-000005"));
	must(!is_torn == rocks_manifest_is_whole(dir) || file_size("MANIFEST-000005") == 0);
	if (rocks_marks_check(m, dir, &detail) == ERR_OK) {
		/* What is cut off a list was not whole, and nothing else is. */
		must(rocks_manifest_look(dir, &list, &again, &is_torn) && again == reach);
		if (rocks_marks_opened(m, report.durable_seq, &detail) == ERR_OK && !is_read_only)
			must(rocks_marks_log_gone(m, 7) && rocks_marks_log_gone(m, 7));
	}
	rocks_marks_free(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *bytes = (char *)data;
	size_t mark, list;
	char *copy;

	if (n < HEAD_BYTES)
		return 0;
	if (dir[0] == '\0') {
		snprintf(dir, sizeof(dir), "%s/marks-XXXXXX",
		    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		must(mkdtemp(dir) != NULL);
		atexit(dir_remove);
	}
	mark = MIN(get_le16(bytes + 1), n - HEAD_BYTES);
	list = MIN(get_le16(bytes + 3), n - HEAD_BYTES - mark);
	copy = xmalloc(n);
	memcpy(copy, data, n);
	if ((data[0] & MENDS_MARK) != 0)
		mend_mark(copy + HEAD_BYTES, mark);
	if ((data[0] & MENDS_RECORDS) != 0) {
		mend_records(copy + HEAD_BYTES + mark, list);
		mend_records(copy + HEAD_BYTES + mark + list, n - HEAD_BYTES - mark - list);
	}
	file_put(MARK_NAME, str_make(copy + HEAD_BYTES, mark));
	file_put("CURRENT", STR("MANIFEST-000005\n"));
	file_put("MANIFEST-000005", str_make(copy + HEAD_BYTES + mark, list));
	file_put("000007.log",
	    str_make(copy + HEAD_BYTES + mark + list, n - HEAD_BYTES - mark - list));
	free(copy);
	look((data[0] & READS_ONLY) != 0);
	return 0;
}

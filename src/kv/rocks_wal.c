/*
 * rocks_wal.c - before opening: is what the log lost a torn tail, or damage?
 *
 * RocksDB's recovery mode that goes with recycled log files stops at the first record that is not whole and silently drops
 * what follows. After a power cut that is right: only what was not synced can be torn. But when a disk damaged a record
 * in the middle, acknowledged commits would be gone without a word. So every batch of the committer begins with a record
 * that says up to which sequence number the log was synced when it was written. If any intact batch, wherever it stands,
 * names a higher number than recovery arrives at, something that was durable is lost, and we refuse to open.
 *
 * Format of the log (RocksDB's log_format.h): blocks of 32 KiB; in them records of CRC (4, masked CRC-32C of all behind
 * the length), length (2), type (1), in recycled files the log's number (4), data. A batch is one record, or a FIRST, MIDDLE
 * and LAST ones: sequence number (8), count (4), then changes; ours is of type 3 (log data): length (1), data.
 */
#include "base/bytes.h"
#include "base/size.h"
#include "kv/crc32c.h"
#include "kv/rocks_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_BYTES 32768u
#define HEAD_BYTES 7u
#define RECYCLED_HEAD_BYTES 11u

enum { TYPE_ZERO = 0, TYPE_FULL = 1, TYPE_FIRST = 2, TYPE_LAST = 4, TYPE_RECYCLED_FULL = 5, TYPE_RECYCLED_FIRST = 6,
	TYPE_RECYCLED_LAST = 8, TYPE_COUNT = 11 };

#define BATCH_HEAD_BYTES 12u
#define TAG_LOG_DATA 3
static const char mark_magic[4] = { 'P', 'H', 'w', '1' };

void
rocks_wal_mark(char mark[WAL_MARK_BYTES], uint64_t durable_seq)
{
	memcpy(mark, mark_magic, sizeof(mark_magic));
	put_le64(mark + 4, durable_seq);
}

/* What is being looked at. */
struct look {
	struct wal_report *report;
	uint32_t number;	/* of the file; a record of another was there before the file was recycled */
	bool is_behind_end;	/* a record that is not ours or not whole has been met */
};

static void
batch_look(struct look *l, struct str batch)
{
	if (batch.n < BATCH_HEAD_BYTES + 2 + WAL_MARK_BYTES || batch.p[BATCH_HEAD_BYTES] != TAG_LOG_DATA ||
	    batch.p[BATCH_HEAD_BYTES + 1] != WAL_MARK_BYTES ||
	    memcmp(batch.p + BATCH_HEAD_BYTES + 2, mark_magic, sizeof(mark_magic)) != 0)
		return;
	l->report->durable_seq = MAX(l->report->durable_seq, get_le64(batch.p + BATCH_HEAD_BYTES + 2 + 4));
}

static bool
record_is_whole(const char *p, size_t head, size_t length)
{
	uint32_t masked = get_le32(p) - 0xA282EAD8u;
	uint32_t crc = masked >> 17 | masked << 15;

	return crc32c(0, p + 6, head - 6 + length) == crc;
}

static bool
is_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static void
block_look(struct look *l, const char *p, size_t n)
{
	while (n >= HEAD_BYTES) {
		size_t length = get_le16(p + 4);
		unsigned type = (unsigned char)p[6];
		size_t head = type >= TYPE_RECYCLED_FULL && type <= TYPE_RECYCLED_LAST ? RECYCLED_HEAD_BYTES : HEAD_BYTES;

		if (type == TYPE_ZERO && length == 0 && is_zero(p, n)) {
			l->is_behind_end = true;	/* room that was made and not used */
			return;
		}
		if (type >= TYPE_COUNT || head + length > n || !record_is_whole(p, head, length)) {
			l->is_behind_end = true;
			l->report->is_torn = true;
			return;		/* where the next record begins is not known; the next block does */
		}
		if (head == RECYCLED_HEAD_BYTES && get_le32(p + HEAD_BYTES) != l->number) {
			l->is_behind_end = true;
		} else {
			l->report->is_torn = l->report->is_torn || l->is_behind_end;
			if (type == TYPE_FULL || type == TYPE_FIRST || type == TYPE_RECYCLED_FULL || type == TYPE_RECYCLED_FIRST)
				batch_look(l, str_make(p + head, length));
		}
		p += head + length;
		n -= head + length;
	}
	if (n > 0 && !is_zero(p, n)) {
		l->is_behind_end = true;
		l->report->is_torn = true;
	}
}

static enum err
file_look(int dir_fd, const char *name, struct wal_report *report)
{
	struct look l = { .report = report, .number = (uint32_t)strtoull(name, NULL, 10) };
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	enum err e = ERR_OK;
	char *block;
	ssize_t n;

	if (fd < 0)
		return ERR_IO;
	block = xmalloc(BLOCK_BYTES);
	for (off_t at = 0; (n = pread(fd, block, BLOCK_BYTES, at)) > 0; at += n) {
		block_look(&l, block, (size_t)n);
		report->bytes += (uint64_t)n;
	}
	if (n < 0)
		e = ERR_IO;
	free(block);
	close(fd);
	return e;
}

static bool
is_log_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits > 0 && strcmp(name + digits, ".log") == 0;
}

enum err
rocks_wal_look(const char *dir, struct wal_report *out)
{
	struct wal_report report = { 0 };
	DIR *d = opendir(dir);
	enum err e = ERR_OK;
	struct dirent *entry;

	if (d == NULL)
		return ERR_IO;
	while (e == ERR_OK && (entry = readdir(d)) != NULL)
		if (is_log_name(entry->d_name))
			e = file_look(dirfd(d), entry->d_name, &report);
	closedir(d);
	if (e == ERR_OK)
		*out = report;
	return e;
}

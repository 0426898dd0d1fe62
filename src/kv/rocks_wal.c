/*
 * rocks_wal.c - before opening: is what the log lost a torn tail, or damage?
 *
 * RocksDB's recovery mode that survives torn writes (point in time) stops at the first record that
 * is not whole and silently drops what follows. After a power cut that is right: only what was not
 * synced can be torn. But when a disk damaged a record in the middle, acknowledged commits would be
 * gone without a word; and the mode that refuses this refuses torn pages too. So every batch of the
 * committer begins with a record that says up to which sequence number the log was synced when it
 * was written. If any intact batch, wherever it stands, names a higher number than recovery arrives
 * at, something that was durable is lost, and we refuse to open.
 *
 * Format of the log (RocksDB's log_format.h): blocks of 32 KiB; in them records of CRC (4, masked
 * CRC-32C of type and data), length (2), type (1), data. A batch is one record, or a FIRST, MIDDLE
 * and LAST ones: sequence number (8), count (4), then changes; ours is of type 3 (log data): length
 * (1), data.
 */
#include "kv/rocks_wal.h"
#include "kv/number_line.h"

#include "base/bytes.h"
#include "base/size.h"
#include "kv/crc32c.h"
#include "kv/rocks_int.h"
#include "kv/rocks_mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_BYTES 32768u
#define HEAD_BYTES 7u

enum { TYPE_ZERO = 0, TYPE_FULL = 1, TYPE_FIRST = 2, TYPE_MIDDLE = 3, TYPE_LAST = 4 };

#define BATCH_HEAD_BYTES 12u
#define TAG_LOG_DATA 3
#define MARK_AT (BATCH_HEAD_BYTES + 2) /* behind tag and length */
static const char mark_magic[4] = { 'P', 'H', 'w', '1' };

void
rocks_wal_mark(char mark[WAL_MARK_BYTES], uint64_t durable_seq)
{
	memcpy(mark, mark_magic, sizeof(mark_magic));
	put_le64(mark + 4, durable_seq);
}

static void
batch_look(struct wal_report *report, struct str batch)
{
	if (batch.n < MARK_AT + WAL_MARK_BYTES || batch.p[BATCH_HEAD_BYTES] != TAG_LOG_DATA
	    || batch.p[BATCH_HEAD_BYTES + 1] != WAL_MARK_BYTES
	    || memcmp(batch.p + MARK_AT, mark_magic, sizeof(mark_magic)) != 0)
		return;
	report->durable_seq =
	    MAX(report->durable_seq, get_le64(batch.p + MARK_AT + sizeof(mark_magic)));
}

static bool
record_is_whole(const char *p, size_t n)
{
	uint32_t masked = get_le32(p) - 0xA282EAD8u;
	uint32_t crc = masked >> 17 | masked << 15;
	size_t length = get_le16(p + 4);

	return p[6] >= TYPE_FULL && p[6] <= TYPE_LAST && HEAD_BYTES + length <= n
	    && crc32c(0, p + 6, 1 + length) == crc;
}

static bool
is_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/*
 * Behind damage, where the next record begins is not known: a whole one with our mark in its place
 * shows it.
 */
static size_t
damage_skip(const char *p, size_t n)
{
	const char *at = p + HEAD_BYTES + MARK_AT + 1, *end = p + n;

	while (at < end
	    && (at = memmem(at, (size_t)(end - at), mark_magic, sizeof(mark_magic))) != NULL) {
		const char *record = at - MARK_AT - HEAD_BYTES;

		if (record_is_whole(record, (size_t)(end - record)))
			return (size_t)(record - p);
		at++;
	}
	return n;
}

/* From its beginning on the file is whole up to there, unless something was wrong before. */
static void
reach_add(struct wal_report *report, uint64_t at)
{
	if (!report->has_gap && !report->has_damage)
		report->reach = at;
}

static void
block_look(struct wal_report *report, const char *p, size_t n, uint64_t at)
{
	const char *begin = p;

	while (n >= HEAD_BYTES) {
		size_t skip;

		if (p[6] == TYPE_ZERO && is_zero(p, n)) {
			report->has_gap = true; /* room that was made and not used */
			return;
		}
		if (record_is_whole(p, n)) {
			report->is_torn = report->is_torn || report->has_gap;
			if (p[6] == TYPE_FULL || p[6] == TYPE_FIRST)
				batch_look(report, str_make(p + HEAD_BYTES, get_le16(p + 4)));
			skip = HEAD_BYTES + get_le16(p + 4);
			reach_add(report, at + (uint64_t)(p - begin) + skip);
		} else {
			report->is_torn = report->has_damage = true;
			skip = damage_skip(p, n);
		}
		p += skip;
		n -= skip;
	}
	report->is_torn = report->is_torn || !is_zero(p, n);
}

static enum err
file_look(int dir_fd, const char *name, struct wal_report *report)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	enum err e = ERR_OK;
	char *block;
	ssize_t n;

	if (fd < 0)
		return ERR_IO;
	block = xmalloc(BLOCK_BYTES);
	report->has_gap = report->has_damage = false;
	report->reach = 0;
	report->files++;
	for (off_t at = 0; (n = pread(fd, block, BLOCK_BYTES, at)) > 0; at += n) {
		block_look(report, block, (size_t)n, (uint64_t)at);
		report->bytes += (uint64_t)n;
	}
	if (n < 0)
		e = ERR_IO;
	free(block);
	close(fd);
	return e;
}

uint64_t
rocks_log_number(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	uint64_t number;

	return digits > 0 && strcmp(name + digits, ".log") == 0
		&& str_to_u64(str_make(name, digits), &number)
	    ? number
	    : 0;
}

/* 0: there is none. */
static uint64_t
note_read(int dir_fd)
{
	char text[NUMBER_LINE_BYTES];
	int fd = openat(dir_fd, LOG_NOTE_NAME, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : 0;
	uint64_t number;

	if (fd >= 0)
		close(fd);
	return n > 0 && number_line_parse(str_make(text, (size_t)n), &number) ? number : 0;
}

/* The list of files that CURRENT names. */
static bool
manifest_look(const char *dir, uint64_t *number_out, struct wal_report *report)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	bool is_read = false;
	char name[256];
	ssize_t n = 0;

	if (dir_fd >= 0)
		fd = openat(dir_fd, "CURRENT", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, name, sizeof(name) - 1);
	if (n > 0 && name[n - 1] == '\n')
		n--;
	name[MAX(n, 0)] = '\0';
	*number_out = rocks_list_number(name);
	is_read = n > 0 && file_look(dir_fd, name, report) == ERR_OK;
	if (fd >= 0)
		close(fd);
	if (dir_fd >= 0)
		close(dir_fd);
	return is_read;
}

bool
rocks_manifest_is_whole(const char *dir)
{
	struct wal_report report = { 0 };
	uint64_t number;

	return manifest_look(dir, &number, &report) && !report.is_torn && report.bytes > 0;
}

/* The first list stands alone until CURRENT names it: then nothing has been stored yet. */
bool
rocks_store_exists(const char *dir)
{
	DIR *d = opendir(dir);
	bool is_found = false;
	struct dirent *entry;

	while (d != NULL && !is_found && (entry = readdir(d)) != NULL)
		is_found = rocks_list_number(entry->d_name) > 1;
	if (d != NULL)
		closedir(d);
	return is_found;
}

bool
rocks_manifest_look(const char *dir, uint64_t *number_out, uint64_t *reach_out, bool *is_torn_out)
{
	struct wal_report report = { 0 };

	if (!manifest_look(dir, number_out, &report))
		return false;
	*reach_out = report.reach;
	*is_torn_out = report.is_torn;
	return true;
}

enum err
rocks_wal_look(const char *dir, struct rocks_marks *marks, struct wal_report *out)
{
	struct wal_report report = { 0 };
	DIR *d = opendir(dir);
	enum err e = ERR_OK;
	struct dirent *entry;

	if (d == NULL)
		return ERR_IO;
	report.noted = note_read(dirfd(d));
	while (e == ERR_OK && (entry = readdir(d)) != NULL) {
		uint64_t number = rocks_log_number(entry->d_name);

		if (number == 0)
			continue;
		report.newest = MAX(report.newest, number);
		e = file_look(dirfd(d), entry->d_name, &report);
		if (e == ERR_OK)
			rocks_marks_log(marks, number, report.reach);
	}
	closedir(d);
	if (e == ERR_OK)
		*out = report;
	return e;
}

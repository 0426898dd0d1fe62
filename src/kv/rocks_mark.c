/*
 * rocks_mark.c - what has surely reached the disk is noted in a second place, so that a store which
 * has gone back to an earlier state of itself is told from one that has always been in it.
 *
 * A log that ends at the end of a batch, or a list of files at that of an edit, has nothing in it
 * that says there was more: cut there, or exchanged for an older copy, it looks as if the machine
 * had stopped earlier. So behind every sync of the committer a mark is written over the last one:
 * the sequence number that was reached, how far the logs are synced that the store still has, and
 * how far the list of files. It is written without a sync of its own, for the kernel keeps it when
 * the process is killed; after a power cut it may be an older one, which says less and nothing
 * wrong: never does it name what was not on the disk before. It is synced when nobody waits (the
 * store idles, or closes), and before a log is deleted that it names.
 *
 * Programs that write no marks, older ones, begin a new list of files whenever they open a store. So
 * of logs and lists a mark says something only as long as the list is in use that it names.
 */
#include "kv/rocks_mark.h"

#include "base/bytes.h"
#include "kv/crc32c.h"
#include "kv/rocks_int.h"
#include "kv/rocks_wal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct mark_file {
	uint64_t number, bytes;
};

struct mark {
	uint64_t seq;
	struct mark_file list;
	size_t count;
	struct mark_file logs[MARK_LOGS]; /* the newest */
};

struct rocks_marks {
	pthread_mutex_t lock;
	int fd; /* -1: it is not written */
	struct mark now, said;
	bool has_said;
	uint64_t removed,
	    removed_synced; /* logs; and of how many of them the mark on the disk knows */
};

#define HEAD_BYTES 32u
#define FILE_BYTES 16u
static const char mark_magic[4] = { 'P', 'H', 's', '1' };

_Static_assert(HEAD_BYTES + MARK_LOGS * FILE_BYTES + 4 <= MARK_BYTES_MAX, "it is in one sector");

/* ---- the file */

static char *
file_encode(char *p, const struct mark_file *f)
{
	put_le64(p, f->number);
	put_le64(p + 8, f->bytes);
	return p + FILE_BYTES;
}

static size_t
mark_encode(const struct mark *mark, char bytes[MARK_BYTES_MAX])
{
	char *p = bytes;

	memcpy(p, mark_magic, sizeof(mark_magic));
	put_le32(p + 4, (uint32_t)mark->count);
	put_le64(p + 8, mark->seq);
	p = file_encode(p + 16, &mark->list);
	for (size_t i = 0; i < mark->count; i++)
		p = file_encode(p, &mark->logs[i]);
	put_le32(p, crc32c(0, bytes, (size_t)(p - bytes)));
	return (size_t)(p + 4 - bytes);
}

static struct mark_file
file_decode(const char *p)
{
	return (struct mark_file){ get_le64(p), get_le64(p + 8) };
}

/* False: it is none, or torn. What stands behind it is of an older one. */
static bool
mark_decode(const char *p, size_t n, struct mark *mark)
{
	size_t length;

	*mark = (struct mark){ .count = n >= HEAD_BYTES + 4 ? get_le32(p + 4) : 0 };
	if (n < HEAD_BYTES + 4 || memcmp(p, mark_magic, sizeof(mark_magic)) != 0
	    || mark->count > MARK_LOGS)
		return false;
	length = HEAD_BYTES + mark->count * FILE_BYTES;
	if (length + 4 > n || get_le32(p + length) != crc32c(0, p, length))
		return false;
	mark->seq = get_le64(p + 8);
	mark->list = file_decode(p + 16);
	for (size_t i = 0; i < mark->count; i++)
		mark->logs[i] = file_decode(p + HEAD_BYTES + i * FILE_BYTES);
	return true;
}

struct rocks_marks *
rocks_marks_new(void)
{
	struct rocks_marks *m = xcalloc(1, sizeof(*m));

	pthread_mutex_init(&m->lock, NULL);
	m->fd = -1;
	return m;
}

void
rocks_marks_open(struct rocks_marks *m, const char *dir, bool is_read_only)
{
	BUF_CLEAN struct buf path = BUF_MAX(4096);
	char bytes[MARK_BYTES_MAX];
	ssize_t n;

	buf_printf(&path, "%s/%s", dir, MARK_NAME);
	buf_chr(&path, '\0');
	m->fd = open(path.p, (is_read_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0600);
	n = m->fd >= 0 ? pread(m->fd, bytes, sizeof(bytes), 0) : -1;
	m->has_said = n > 0 && mark_decode(bytes, (size_t)n, &m->said);
	m->now.seq = m->has_said ? m->said.seq : 0;
	if (is_read_only && m->fd >= 0) {
		close(m->fd);
		m->fd = -1;
	}
}

void
rocks_marks_free(struct rocks_marks *m)
{
	if (m->fd >= 0)
		close(m->fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* Locked. */
static bool
mark_write(struct rocks_marks *m)
{
	char bytes[MARK_BYTES_MAX];
	size_t n = mark_encode(&m->now, bytes);

	return m->fd < 0 || pwrite(m->fd, bytes, n, 0) == (ssize_t)n;
}

static bool
mark_sync(const struct rocks_marks *m)
{
	return m->fd < 0 || fdatasync(m->fd) == 0;
}

void
rocks_marks_write(struct rocks_marks *m, uint64_t seq, bool is_synced)
{
	pthread_mutex_lock(&m->lock);
	m->now.seq = MAX(m->now.seq, seq);
	is_synced = mark_write(m) && is_synced;
	pthread_mutex_unlock(&m->lock);
	if (is_synced)
		ignore_err(mark_sync(m) ? ERR_OK : ERR_IO, "the mark that is there is right too");
}

/* ---- what has been reached */

static struct mark_file *
log_find(struct mark *mark, uint64_t number)
{
	for (size_t i = 0; i < mark->count; i++)
		if (mark->logs[i].number == number)
			return &mark->logs[i];
	return NULL;
}

static void
log_remove(struct mark *mark, struct mark_file *log)
{
	*log = mark->logs[--mark->count];
}

/* There is room for one that is newer than some. */
static bool
room_make(struct mark *mark, uint64_t number)
{
	struct mark_file *oldest = &mark->logs[0];

	if (mark->count < MARK_LOGS)
		return true;
	for (size_t i = 1; i < mark->count; i++)
		if (mark->logs[i].number < oldest->number)
			oldest = &mark->logs[i];
	if (oldest->number > number)
		return false;
	log_remove(mark, oldest);
	return true;
}

void
rocks_marks_log(struct rocks_marks *m, uint64_t number, uint64_t bytes)
{
	struct mark_file *log;

	pthread_mutex_lock(&m->lock);
	log = log_find(&m->now, number);
	if (log != NULL)
		log->bytes = MAX(log->bytes, bytes);
	else if (room_make(&m->now, number))
		m->now.logs[m->now.count++] = (struct mark_file){ number, bytes };
	pthread_mutex_unlock(&m->lock);
}

bool
rocks_marks_log_gone(struct rocks_marks *m, uint64_t number)
{
	struct mark_file *log;
	bool is_known;
	uint64_t removed;

	pthread_mutex_lock(&m->lock);
	log = log_find(&m->now, number);
	if (log != NULL) {
		log_remove(&m->now, log);
		m->removed++;
	}
	removed = m->removed;
	is_known = removed == m->removed_synced;
	/* an empty one says nothing, and needs no room on a full disk */
	if (!is_known && !mark_write(m) && ftruncate(m->fd, 0) != 0)
		removed = 0;
	pthread_mutex_unlock(&m->lock);
	if (is_known)
		return true;
	if (removed == 0 || !mark_sync(m))
		return false;
	pthread_mutex_lock(&m->lock);
	m->removed_synced = MAX(m->removed_synced, removed);
	pthread_mutex_unlock(&m->lock);
	return true;
}

void
rocks_marks_list(struct rocks_marks *m, uint64_t number, uint64_t bytes)
{
	pthread_mutex_lock(&m->lock);
	if (number > m->now.list.number) { /* CURRENT does not name it yet */
		m->now.list = (struct mark_file){ number, bytes };
	} else if (bytes > m->now.list.bytes && number == m->now.list.number) {
		/* what it now does without may be deleted before there is another commit */
		m->now.list.bytes = bytes;
		ignore_err(mark_write(m) ? ERR_OK : ERR_IO, "the mark that is there is right too");
	}
	pthread_mutex_unlock(&m->lock);
}

void
rocks_marks_flushed(struct rocks_marks *m)
{
	pthread_mutex_lock(&m->lock);
	m->now.count = 0;
	pthread_mutex_unlock(&m->lock);
	rocks_marks_write(m, 0, true);
}

uint64_t
rocks_list_number(const char *name)
{
	static const char prefix[] = "MANIFEST-";
	uint64_t number;

	return strncmp(name, prefix, sizeof(prefix) - 1) == 0
		&& str_to_u64(str_c(name + sizeof(prefix) - 1), &number)
	    ? number
	    : 0;
}

/* ---- at start */

static enum err
behind(struct buf *detail, const char *name, uint64_t reach, uint64_t bytes)
{
	if (detail != NULL)
		buf_printf(detail,
		    "The file %s is whole for %llu bytes only, and was for %llu: changes that were acknowledged are gone with the rest; to go on without them remove the file " MARK_NAME
		    ".",
		    name, (unsigned long long)reach, (unsigned long long)bytes);
	return ERR_CORRUPT;
}

static enum err
log_check(const struct rocks_marks *m, const struct mark_file *said, struct buf *detail)
{
	uint64_t oldest = UINT64_MAX;
	char name[32];

	snprintf(name, sizeof(name), "%06llu.log", (unsigned long long)said->number);
	for (size_t i = 0; i < m->now.count; i++) {
		oldest = MIN(oldest, m->now.logs[i].number);
		if (m->now.logs[i].number == said->number)
			return m->now.logs[i].bytes >= said->bytes
			    ? ERR_OK
			    : behind(detail, name, m->now.logs[i].bytes, said->bytes);
	}
	/* There are more of them than are known here. */
	if (m->now.count == MARK_LOGS && said->number < oldest)
		return ERR_OK;
	return behind(detail, name, 0, said->bytes);
}

/*
 * An edit that the power cut off: it was never synced, so nothing relies on it. RocksDB, which knows
 * no such end of the list of files, would refuse the store.
 */
static enum err
end_cut(const char *dir, const char *name, uint64_t bytes)
{
	BUF_CLEAN struct buf path = BUF_MAX(4096);
	enum err e;
	int fd;

	buf_printf(&path, "%s/%s", dir, name);
	buf_chr(&path, '\0');
	fd = open(path.p, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return ERR_IO;
	e = ftruncate(fd, (off_t)bytes) == 0 && fsync(fd) == 0 ? ERR_OK : ERR_IO;
	close(fd);
	return e;
}

enum err
rocks_marks_check(const struct rocks_marks *m, const char *dir, struct buf *detail)
{
	struct mark_file list;
	enum err e = ERR_OK;
	bool is_torn;
	char name[32];

	if (!m->has_said || !rocks_manifest_look(dir, &list.number, &list.bytes, &is_torn)
	    || list.number != m->said.list.number)
		return ERR_OK;
	snprintf(name, sizeof(name), "MANIFEST-%06llu", (unsigned long long)list.number);
	if (list.bytes < m->said.list.bytes)
		e = behind(detail, name, list.bytes, m->said.list.bytes);
	else if (is_torn && m->fd >= 0)
		e = end_cut(dir, name, list.bytes);
	for (size_t i = 0; i < m->said.count && e == ERR_OK; i++)
		e = log_check(m, &m->said.logs[i], detail);
	return e;
}

enum err
rocks_marks_opened(struct rocks_marks *m, uint64_t seq, struct buf *detail)
{
	if (m->has_said && seq < m->said.seq) {
		if (detail != NULL)
			buf_printf(detail,
			    "The store ends with change %llu, and had %llu: those that were acknowledged behind it are gone; to go on without them remove the file " MARK_NAME
			    ".",
			    (unsigned long long)seq, (unsigned long long)m->said.seq);
		return ERR_CORRUPT;
	}
	rocks_marks_write(m, seq, false);
	return ERR_OK;
}

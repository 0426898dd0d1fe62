/* rocks_test.c - the conformance suite on the RocksDB engine. */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/test.h"
#include "kv/conform.h"
#include "kv/kept.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char dir[] = "/tmp/kv-rocks-XXXXXX";

static struct kv *
rocks_open_again(void)
{
	struct kv_options o = conform_options();
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	struct kv *kv = NULL;

	o.dir = dir;
	if (kv_rocks_open(&o, &kv, &detail) != ERR_OK)
		printf("# %.*s\n", STR_F(buf_str(&detail)));
	must(kv != NULL);
	return kv;
}

static struct kv *
rocks_open(void)
{
	dir_remove(dir);
	return rocks_open_again();
}

static struct kv *
rocks_reopen(struct kv *kv)
{
	kv_close(kv);
	return rocks_open_again();
}

static void
rocks_close_remove(struct kv *kv)
{
	kv_close(kv);
	dir_remove(dir);
}

/* ---- a range over several tables, of which not all are in memory ---- */

enum { OPENS = 12, ROWS_EACH = 50, ROWS = OPENS * ROWS_EACH };

static void
rows_put(struct kv *kv, unsigned from)
{
	struct account_id account = { 1 };
	uint64_t version = 0;
	struct kv_txn *t;

	CHECK(kv_versions(kv, &account, 1, &version) == ERR_OK);
	t = kv_txn_new(kv, account, version, version + 1);
	for (unsigned i = 0; i < ROWS_EACH; i++) {
		char key[4];

		put_be32(key, from + i);
		kv_put(t, KV_LOG, str_make(key, sizeof(key)), STR("value"));
	}
	CHECK(kv_commit_now(kv, &t, 1) == ERR_OK);
}

struct answer {
	pthread_mutex_t lock;
	pthread_cond_t come;
	bool has_come;
	enum err e;
	size_t rows;
};

static void
answered(void *ctx, enum err e, struct kv_rows *rows)
{
	struct answer *a = ctx;

	pthread_mutex_lock(&a->lock);
	a->e = e;
	a->rows = e == ERR_OK ? rows->ranges[0].count : 0;
	a->has_come = true;
	pthread_cond_signal(&a->come);
	pthread_mutex_unlock(&a->lock);
	kv_rows_free(rows);
}

static size_t
rows_count(struct kv *kv, unsigned first)
{
	struct answer a = { .lock = PTHREAD_MUTEX_INITIALIZER, .come = PTHREAD_COND_INITIALIZER };
	struct kv_rows *rows = NULL;
	char key[4];
	struct kv_range range = { .kind = KV_LOG, .from = str_make(key, sizeof(key)) };
	enum err e;

	put_be32(key, first);
	e = kv_load(kv, (struct account_id){ 1 }, &range, 1, &rows, answered, &a);
	if (e != ERR_WAIT) {
		answered(&a, e, rows);
	} else {
		pthread_mutex_lock(&a.lock);
		while (!a.has_come)
			pthread_cond_wait(&a.come, &a.lock);
		pthread_mutex_unlock(&a.lock);
	}
	CHECK_U64(a.e, ERR_OK);
	return a.rows;
}

/* Tables below level 0, once the background has moved them there. */
static size_t
tables_wait(struct kv *kv)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	size_t n = 0;

	for (unsigned i = 0; i < 2000 && n < 2; i++) {
		struct rocks_bounds *b = rocks_bounds_get(rocks_of(kv), (enum rocks_cf)KV_LOG);

		n = b->n;
		rocks_bounds_unref(b);
		if (n < 2)
			nanosleep(&pause, NULL);
	}
	return n;
}

/*
 * The first table is in memory, the next ones are not: the load waits for them. RocksDB's iterator
 * would go on behind them without a word (rocks_bounds.c).
 */
static void
test_range_over_tables(void)
{
	struct kv *kv = rocks_open();
	struct kv_range first = { .kind = KV_LOG, .from = STR(""), .limit = 1 };

	for (unsigned i = 0; i < OPENS; i++) {
		rows_put(kv, i * ROWS_EACH);
		kv = rocks_reopen(kv);
	}
	CHECK(tables_wait(kv) >= 2);
	for (unsigned from = 0; from < ROWS; from += 3 * ROWS_EACH) {
		struct kv_rows *rows = NULL;

		kv = rocks_reopen(kv);
		CHECK(kv_load_now(kv, (struct account_id){ 1 }, &first, 1, &rows) == ERR_OK);
		kv_rows_free(rows);
		CHECK_U64(rows_count(kv, from), ROWS - from);
	}
	rocks_close_remove(kv);
}

/* ---- room in the log, which a sync does not have to enter into the file system's journal */

static uint64_t
log_size(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	struct stat st;
	uint64_t size = 0;

	must(d != NULL);
	while ((entry = readdir(d)) != NULL) {
		size_t n = strlen(entry->d_name);

		if (n > 4 && strcmp(entry->d_name + n - 4, ".log") == 0
		    && fstatat(dirfd(d), entry->d_name, &st, 0) == 0)
			size = MAX(size, (uint64_t)st.st_size);
	}
	closedir(d);
	return size;
}

static void
test_log_room(void)
{
	struct kv *kv = rocks_open();
	uint64_t size;

	rows_put(kv, 0);
	size = log_size();
	CHECK(size > 100 * 1024);
	for (unsigned i = 1; i < 10; i++)
		rows_put(kv, i * ROWS_EACH);
	CHECK_U64(log_size(), size); /* they are in it */
	for (unsigned i = 0; i < 500; i++)
		rows_put(kv, 10 * ROWS_EACH);
	CHECK(log_size() > size);
	kv_close(kv);
	CHECK(log_size() < size); /* none is left behind */
	kv = rocks_open_again();
	CHECK_U64(rows_count(kv, 0), 11 * ROWS_EACH);
	rocks_close_remove(kv);
}

/* ---- compactions wait for who reads */

enum { TABLES_COMPACTED = 4 };

static unsigned
level0_tables(struct kv *kv)
{
	struct rocks *r = rocks_of(kv);
	char *value =
	    rocksdb_property_value_cf(r->db, r->cf[KV_LOG], "rocksdb.num-files-at-level0");
	unsigned n;

	must(value != NULL);
	n = (unsigned)strtoul(value, NULL, 10);
	rocksdb_free(value);
	return n;
}

static void
table_write(struct kv *kv, unsigned from)
{
	struct rocks *r = rocks_of(kv);
	rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
	char *message = NULL;

	rows_put(kv, from);
	rocksdb_flush_cf(r->db, o, r->cf[KV_LOG], &message);
	CHECK(message == NULL);
	rocksdb_flushoptions_destroy(o);
}

static bool
is_compacted(struct kv *kv)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	for (unsigned i = 0; i < 2000 && level0_tables(kv) >= TABLES_COMPACTED; i++)
		nanosleep(&pause, NULL);
	return level0_tables(kv) < TABLES_COMPACTED;
}

/* Nothing was compacted in a moment: unless the machine stood still for all the time that they wait. */
static bool
all_wait(struct kv *kv)
{
	const struct timespec moment = { .tv_nsec = 100000000 };

	nanosleep(&moment, NULL);
	return rocks_env_outwaited(rocks_of(kv)->env) > 0 || level0_tables(kv) == TABLES_COMPACTED;
}

static void
test_compactions_wait(void)
{
	int64_t far_us = clock_system()->mono_us(clock_system()) + 3600000000;
	struct kv *kv = rocks_open();
	struct rocks *r = rocks_of(kv);

	rocks_env_reading(r->env, far_us);
	for (unsigned i = 0; i < TABLES_COMPACTED; i++)
		table_write(kv, 0);
	CHECK(all_wait(kv));
	rocks_env_hurry(r->env, true);
	CHECK(is_compacted(kv));

	/* again, until there is more to compact */
	rocks_env_hurry(r->env, false);
	for (unsigned i = 0; i < TABLES_COMPACTED; i++)
		table_write(kv, 0);
	CHECK(all_wait(kv));
	table_write(kv, 0); /* the next flush ends the wait */
	CHECK(is_compacted(kv));
	CHECK_U64(rows_count(kv, 0), ROWS_EACH);

	/* a store that is closed while they wait */
	rocks_env_reading(r->env, far_us);
	for (unsigned i = 0; i < TABLES_COMPACTED; i++)
		table_write(kv, 0);
	kv = rocks_reopen(kv);
	CHECK_U64(rows_count(kv, 0), ROWS_EACH);
	rocks_close_remove(kv);
}

/* A blob whose row is gone: by its place it is linked again, by another it is not. */
static void
test_adopt(void)
{
	struct kv *kv = rocks_open();
	struct rocks *r = rocks_of(kv);
	rocksdb_writeoptions_t *o = rocksdb_writeoptions_create();
	struct kv_stage *s = kv_stage_new(kv);
	struct kv_bytes *bytes = NULL;
	struct kv_blob row, again;
	struct waiter none;
	struct blob_id id;
	struct kv_txn *t;
	char *message = NULL;
	uint64_t length, swept;
	size_t taken;

	waiter_init(&none, NULL);
	CHECK_U64(kv_stage_write(s, STR("what is kept"), &taken, &none), ERR_OK);
	CHECK_U64(kv_stage_seal(s, &id, &length), ERR_OK);
	t = kv_txn_new(kv, (struct account_id){ 1 }, 0, 1);
	kv_link(t, &id, 1, s);
	kv_stage_unref(s);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	CHECK_U64(kv_blob_get(kv, &id, &row), ERR_OK);
	CHECK(row.place != 0 && row.links == 1 && row.length == length && !row.is_doubtful);
	rocksdb_delete_cf(r->db, o, r->cf[CF_BLOB], (const char *)id.sha256, sizeof(id.sha256),
	    &message);
	rocksdb_writeoptions_destroy(o);
	CHECK(message == NULL);
	CHECK_U64(kv_blob_get(kv, &id, &again), ERR_NOTFOUND);
	for (unsigned i = 0; i < 2; i++) {
		t = kv_txn_new(kv, (struct account_id){ 1 }, 1, 2);
		kv_adopt(t, &id, row.place + (i == 0), length + (i == 1));
		CHECK_U64(kv_commit_now(kv, &t, 1), ERR_CORRUPT);
	}
	t = kv_txn_new(kv, (struct account_id){ 1 }, 1, 2);
	kv_adopt(t, &id, row.place, length);
	kv_adopt(t, &id, row.place, length);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	kv = rocks_reopen(kv);
	CHECK_U64(kv_blob_get(kv, &id, &again), ERR_OK);
	CHECK(again.place == row.place && again.links == 2 && again.is_doubtful);
	t = kv_txn_new(kv, (struct account_id){ 1 }, 2, 3);
	kv_unlink(t, &id, 2);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	CHECK_U64(kv_blob_sweep(kv, 0, &swept), ERR_OK);
	CHECK_U64(swept, 0);
	CHECK_U64(kv_blob_read_now(kv, &id, 0, 0, 100, &bytes), ERR_OK);
	CHECK_STR(kv_bytes_str(bytes), STR("what is kept"));
	kv_bytes_unref(bytes);
	rocks_close_remove(kv);
}

/* ---- bytes that can't be read come again ---- */

enum { LONG_BYTES = 3 * KV_CHUNK_BYTES + 5 };

/* Another account has it. */
static void
blob_link(struct kv *kv, uint64_t account, struct str data, struct blob_id *id_out)
{
	struct kv_stage *s = conform_stage(kv, data, id_out);
	struct kv_txn *t = kv_txn_new(kv, (struct account_id){ account }, 0, 1);

	kv_link(t, id_out, 1, s);
	kv_stage_unref(s);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
}

/* The bytes from an offset on, to the end of their piece. */
static enum err
blob_piece(struct kv *kv, const struct kv_blob *b, uint64_t place, uint64_t offset, struct str want)
{
	struct kv_bytes *bytes = NULL;
	enum err e = kv_blob_read_now(kv, &b->id, place, offset, KV_CHUNK_BYTES, &bytes);

	if (e == ERR_OK)
		CHECK(bytes->s.n > 0
		    && str_eq(kv_bytes_str(bytes), str_sub(want, offset, offset + bytes->s.n)));
	kv_bytes_unref(bytes);
	return e;
}

static unsigned
chunks_of(struct rocks *r, enum rocks_cf cf)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, o, r->cf[cf]);
	unsigned n = 0;

	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
		n++;
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	return n;
}

/* Who brings the bytes of a blob that has lost some has them, and so has everybody else. */
static void
check_bytes_again(struct str data, uint32_t no, bool is_overwritten)
{
	struct kv *kv = rocks_open();
	struct rocks *r = rocks_of(kv);
	const enum rocks_cf cf = data.n > KV_CHUNK_BYTES ? CF_LONG : CF_CHUNK;
	const uint64_t offset = (uint64_t)no * KV_CHUNK_BYTES;
	rocksdb_writeoptions_t *o = rocksdb_writeoptions_create();
	struct blob_id id;
	struct blob_row row;
	struct kv_blob before, after;
	char key[12], *message = NULL;
	unsigned chunks;

	blob_link(kv, 1, data, &id);
	CHECK_U64(kv_blob_get(kv, &id, &before), ERR_OK);
	chunks = chunks_of(r, cf);
	CHECK_U64(blob_row_get(r, &id, &row), ERR_OK);
	chunk_key_put(key, row.stage_id, no);
	if (is_overwritten)
		rocksdb_put_cf(r->db, o, r->cf[cf], key, sizeof(key), "damage", 6, &message);
	else
		rocksdb_delete_cf(r->db, o, r->cf[cf], key, sizeof(key), &message);
	CHECK(message == NULL);
	rocksdb_writeoptions_destroy(o);
	kv = rocks_reopen(kv); /* nothing of it is in memory */
	r = rocks_of(kv);
	CHECK_U64(blob_piece(kv, &before, before.place, offset, data), ERR_CORRUPT);
	blob_link(kv, 2, data, &id);
	CHECK_U64(blob_piece(kv, &before, before.place, offset, data), ERR_OK);
	CHECK_U64(blob_piece(kv, &before, 0, offset, data), ERR_OK);
	CHECK_U64(blob_piece(kv, &before, 0, 0, data), ERR_OK);
	blob_link(kv, 3, data, &id);
	kv = rocks_reopen(kv);
	r = rocks_of(kv);
	CHECK_U64(kv_blob_get(kv, &id, &after), ERR_OK);
	CHECK(after.links == 3 && after.length == data.n && !after.is_doubtful);
	CHECK_U64(after.place, before.place);
	CHECK_U64(blob_piece(kv, &after, after.place, offset, data), ERR_OK);
	CHECK_U64(chunks_of(r, cf), chunks);
	rocks_close_remove(kv);
}

static void
test_bytes_again(void)
{
	char *data = xmalloc(LONG_BYTES);

	for (size_t i = 0; i < LONG_BYTES; i++)
		data[i] = (char)('a' + i % 23 + i / 70000);
	for (unsigned is_overwritten = 0; is_overwritten < 2; is_overwritten++) {
		check_bytes_again(STR("what is lost"), 0, is_overwritten);
		check_bytes_again(str_make(data, 100000), 0, is_overwritten);
		check_bytes_again(str_make(data, LONG_BYTES), 0, is_overwritten);
		check_bytes_again(str_make(data, LONG_BYTES), 1, is_overwritten);
		check_bytes_again(str_make(data, LONG_BYTES), 3, is_overwritten);
	}
	free(data);
}

/* ---- and not when writes wait for them */

enum { TABLES_STOPPED = 37 };

/* A number that RocksDB tells of a family. */
static uint64_t
family_number(struct rocks *r, unsigned cf, const char *name)
{
	char *value = rocksdb_property_value_cf(r->db, r->cf[cf], name);
	uint64_t n;

	must(value != NULL);
	n = strtoull(value, NULL, 10);
	rocksdb_free(value);
	return n;
}

static void
long_put(struct rocks *r, unsigned i)
{
	static const char value[400];
	rocksdb_writeoptions_t *o = rocksdb_writeoptions_create();
	char key[4], *message = NULL;

	put_be32(key, i);
	rocksdb_writeoptions_disable_WAL(o, 1);
	rocksdb_put_cf(r->db, o, r->cf[CF_LONG], key, sizeof(key), value, sizeof(value), &message);
	CHECK(message == NULL);
	rocksdb_writeoptions_destroy(o);
}

static void
auto_compactions_set(struct rocks *r, const char *is_disabled)
{
	static const char *const names[] = { "disable_auto_compactions" };
	char *message = NULL;

	rocksdb_set_options_cf(r->db, r->cf[CF_LONG], 1, names, &is_disabled, &message);
	CHECK(message == NULL);
}

/* Tables heap up, as they do while compactions are busy elsewhere, until writes are stopped. */
static void
test_compactions_of_stopped_writes(void)
{
	struct kv *kv = rocks_open();
	struct rocks *r = rocks_of(kv);
	unsigned i = 0;

	rocks_env_reading(r->env, clock_system()->mono_us(clock_system()) + 3600000000);
	auto_compactions_set(r, "true");
	while (i % 1000 != 0
	    || family_number(r, CF_LONG, "rocksdb.num-files-at-level0") < TABLES_STOPPED)
		long_put(r, i++);
	auto_compactions_set(r, "false");
	for (unsigned end = i + 5000; i < end; i++)
		long_put(r, i);
	CHECK_U64(rocks_env_outwaited(r->env), 0);
	rocks_close_remove(kv);
}

/* ---- rows that several commits of a batch write */

static void
note_err(void *ctx, enum err e)
{
	*(enum err *)ctx = e;
}

/* Keeps the committer, whose thread it runs in. */
static void
keep_busy(void *ctx, enum err e)
{
	CHECK_U64(e, ERR_OK);
	sem_wait(ctx);
}

static void
value_commit(struct kv *kv, uint64_t base, const char *key, const char *value, enum err *e_out)
{
	struct kv_txn *t = kv_txn_new(kv, (struct account_id){ 1 }, base, base + 1);

	kv_put(t, KV_ROW, str_c(key), str_c(value));
	kv_commit(kv, &t, 1, note_err, e_out);
}

static void
value_check(struct kv *kv, const char *key, const char *value)
{
	struct kv_range range = { .kind = KV_ROW, .from = str_c(key), .to = str_c("z") };
	struct kv_rows *rows = NULL;

	if (!CHECK_U64(kv_load_now(kv, (struct account_id){ 1 }, &range, 1, &rows), ERR_OK))
		return;
	CHECK_U64(rows->version, 5);
	if (CHECK(rows->ranges[0].count > 0))
		CHECK_STR(rows->ranges[0].rows[0].value, str_c(value));
	kv_rows_free(rows);
}

static uint64_t
entries_written(struct rocks *r, unsigned cf)
{
	return family_number(r, cf, "rocksdb.num-entries-active-mem-table");
}

/* The last counts, and of those only that were not refused. */
static void
test_the_last_put_is_written(void)
{
	struct kv *kv = rocks_open();
	struct rocks *r = rocks_of(kv);
	struct kv_txn *first = kv_txn_new(kv, (struct account_id){ 2 }, 0, 1);
	struct kv_txn *last = kv_txn_new(kv, (struct account_id){ 2 }, 1, 2);
	uint64_t rows = entries_written(r, KV_ROW), versions = entries_written(r, CF_META);
	enum err e[6];
	sem_t queued;

	for (unsigned i = 0; i < ARRAY_LEN(e); i++)
		e[i] = ERR_WAIT;
	sem_init(&queued, 0, 0);
	kv_commit(kv, &first, 1, keep_busy, &queued);
	while (entries_written(r, CF_META) == versions)
		; /* that commit is a batch of its own */
	value_commit(kv, 0, "a", "a1", &e[0]);
	value_commit(kv, 1, "b", "b1", &e[1]);
	value_commit(kv, 2, "a", "a2", &e[2]);
	value_commit(kv, 3, "a", "a3", &e[3]);
	value_commit(kv, 3, "a", "refused", &e[4]);
	value_commit(kv, 4, "c", "c1", &e[5]);
	sem_post(&queued);
	CHECK_U64(kv_commit_now(kv, &last, 1), ERR_OK); /* answered behind them */
	for (unsigned i = 0; i < ARRAY_LEN(e); i++)
		CHECK_U64(e[i], i == 4 ? ERR_CONFLICT : ERR_OK);
	CHECK_U64(entries_written(r, KV_ROW) - rows, 3);
	CHECK_U64(entries_written(r, CF_META) - versions, 3);
	for (unsigned i = 0; i < 2; i++) {
		value_check(kv, "a", "a3");
		value_check(kv, "b", "b1");
		value_check(kv, "c", "c1");
		kv = rocks_reopen(kv);
	}
	sem_destroy(&queued);
	rocks_close_remove(kv);
}

/* ---- a sector that can't be read ---- */

enum { SECTOR_BYTES = 512, SECTOR_AT = 30000, LONG_ROWS = 64, LONG_ROW_BYTES = 4096 };

static struct {
	bool is_broken;
	ino_t file;
} sector;

/* What the engine's library calls. */
ssize_t disk_read(int fd, void *to, size_t n, off_t at) __asm__("pread");

ssize_t
disk_read(int fd, void *to, size_t n, off_t at)
{
	struct stat s;

	if (sector.is_broken && at < SECTOR_AT + SECTOR_BYTES && at + (off_t)n > SECTOR_AT
	    && fstat(fd, &s) == 0 && s.st_ino == sector.file) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, to, n, at);
}

/* The one table of the family. */
static void
sector_find(struct kv *kv, const char *family)
{
	const rocksdb_livefiles_t *files = rocksdb_livefiles(rocks_of(kv)->db);

	for (int i = 0; i < rocksdb_livefiles_count(files); i++) {
		char path[128];
		struct stat s;

		snprintf(path, sizeof(path), "%s%s", dir, rocksdb_livefiles_name(files, i));
		if (strcmp(rocksdb_livefiles_column_family_name(files, i), family) == 0
		    && CHECK(stat(path, &s) == 0))
			sector.file = s.st_ino;
	}
	rocksdb_livefiles_destroy(files);
	CHECK(sector.file != 0);
}

static enum err
long_rows_load(struct kv *kv, const char *to, size_t *count_out)
{
	const struct kv_range range = { .kind = KV_LOG, .from = STR("k00"), .to = str_c(to) };
	struct kv_rows *rows = NULL;
	enum err e = kv_load_now(kv, (struct account_id){ 1 }, &range, 1, &rows);

	if (e == ERR_OK)
		*count_out = rows->ranges[0].count;
	kv_rows_free(rows);
	return e;
}

/* Rows are not lost with what lies behind them, though it is read with them where it can be. */
static void
test_broken_sector_behind(void)
{
	struct kv *kv = rocks_open();
	struct kv_txn *t = kv_txn_new(kv, (struct account_id){ 1 }, KV_UNVERSIONED, KV_UNVERSIONED);
	char value[LONG_ROW_BYTES], key[8];
	size_t count = 0;

	for (unsigned i = 0; i < LONG_ROWS; i++) {
		for (size_t at = 0; at < sizeof(value); at += 8)
			put_le64(value + at, hash_u64(i * sizeof(value) + at));
		snprintf(key, sizeof(key), "k%02u", i);
		kv_put(t, KV_LOG, str_c(key), str_make(value, sizeof(value)));
	}
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	kv = rocks_reopen(kv);
	sector_find(kv, "log");
	sector.is_broken = true;
	CHECK_U64(long_rows_load(kv, "k02", &count), ERR_OK);
	CHECK_U64(count, 2);
	CHECK_U64(long_rows_load(kv, "k63", &count), ERR_IO);
	sector.is_broken = false;
	CHECK_U64(long_rows_load(kv, "k63", &count), ERR_OK);
	CHECK_U64(count, LONG_ROWS - 1);
	rocks_close_remove(kv);
}

/* ---- blobs without links */

/* More than a step has, and time for a machine that is slow: it takes a fraction of a second. */
enum { SWEPT = 800, SWEEP_AT_ONCE = 100, SWEEP_WAIT_US = 60000000 };

static void
blob_name(unsigned i, char text[16])
{
	snprintf(text, 16, "message %u", i);
}

/* Blobs that come and go, of one account. */
static void
blobs_come(struct kv *kv, struct blob_id ids[SWEPT])
{
	struct account_id account = { 1 };
	struct waiter none;
	uint64_t length, version = 0;
	size_t taken;

	waiter_init(&none, NULL);
	for (unsigned i = 0; i < SWEPT;) {
		struct kv_txn *come = kv_txn_new(kv, account, version, version + 1),
			      *go = kv_txn_new(kv, account, version + 1, version + 2);

		for (unsigned end = i + SWEEP_AT_ONCE; i < end; i++) {
			struct kv_stage *s = kv_stage_new(kv);
			char text[16];

			blob_name(i, text);
			CHECK_U64(kv_stage_write(s, str_c(text), &taken, &none), ERR_OK);
			CHECK_U64(kv_stage_seal(s, &ids[i], &length), ERR_OK);
			kv_link(come, &ids[i], 1, s);
			kv_unlink(go, &ids[i], 1);
			kv_stage_unref(s);
		}
		CHECK_U64(kv_commit_now(kv, &come, 1), ERR_OK);
		CHECK_U64(kv_commit_now(kv, &go, 1), ERR_OK);
		version += 2;
	}
}

static size_t
blobs_left(struct kv *kv, const struct blob_id ids[SWEPT])
{
	struct kv_blob blob;
	size_t n = 0;

	for (unsigned i = 0; i < SWEPT; i++)
		n += kv_blob_get(kv, &ids[i], &blob) != ERR_NOTFOUND;
	return n;
}

struct due {
	struct rocks_request q;
	struct rocks *r;
};

static void
make_due(struct rocks_request *q)
{
	container_of(q, struct due, q)->r->sweep_due_us = 0;
}

/* When it is time all of them go, however many they are, and not some hundreds a minute. */
static void
test_sweep_of_many(void)
{
	static struct blob_id ids[SWEPT];
	struct kv_options o = conform_options();
	struct clock *clock = clock_system();
	struct due due = { .q.run = make_due };
	int64_t end_us;
	struct kv *kv;

	dir_remove(dir);
	o.dir = dir;
	o.grace_ms = 1;
	must(kv_rocks_open(&o, &kv, NULL) == ERR_OK);
	blobs_come(kv, ids);
	CHECK_U64(blobs_left(kv, ids), SWEPT);
	due.r = rocks_of(kv);
	list_init(&due.q.node);
	rocks_request(due.r, &due.q);
	end_us = clock->mono_us(clock) + SWEEP_WAIT_US;
	while (blobs_left(kv, ids) != 0 && clock->mono_us(clock) < end_us)
		continue;
	CHECK_U64(blobs_left(kv, ids), 0);
	rocks_close_remove(kv);
}

/* One whose row can't be read stays, and keeps no other. */
static void
test_sweep_of_damaged(void)
{
	static struct blob_id ids[SWEPT];
	static const char damaged[BLOB_ROW_BYTES] = "?";
	struct kv *kv = rocks_open();
	struct rocks *r = rocks_of(kv);
	rocksdb_writeoptions_t *o = rocksdb_writeoptions_create();
	char *message = NULL;
	uint64_t swept;

	blobs_come(kv, ids);
	rocksdb_put_cf(r->db, o, r->cf[CF_BLOB], (const char *)ids[7].sha256, sizeof(ids[7].sha256),
	    damaged, sizeof(damaged), &message);
	rocksdb_writeoptions_destroy(o);
	CHECK(message == NULL);
	for (unsigned i = 0; i < 2; i++)
		CHECK_U64(kv_blob_sweep(kv, 0, &swept), ERR_OK);
	CHECK_U64(swept, 0);
	CHECK_U64(blobs_left(kv, ids), 1);
	rocks_close_remove(kv);
}

int
main(void)
{
	static const struct test_case more[] = { TEST(test_range_over_tables), TEST(test_log_room),
		TEST(test_compactions_wait), TEST(test_adopt), TEST(test_bytes_again),
		TEST(test_compactions_of_stopped_writes), TEST(test_the_last_put_is_written),
		TEST(test_broken_sector_behind), TEST(test_sweep_of_many),
		TEST(test_sweep_of_damaged) };
	static const struct conform_engine engine = { rocks_open, rocks_reopen,
		rocks_close_remove };

	must(mkdtemp(dir) != NULL);
	return conform_run(&engine, more, ARRAY_LEN(more));
}

/* rocks_open.c - opening: is all there that was written, and of a format that is known? */
#include "base/bytes.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_int.h"
#include "kv/rocks_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Behind a start clients come back: for so long compactions give them the time to. */
#define CLIENTS_BACK_US 1000000

/*
 * A write or a sync failed, or work in the background did: a flush, the manifest. RocksDB writes no
 * more, and neither do we.
 */
static void
background_failed(void *ctx, const char *text)
{
	rocks_fail(ctx, text);
}

/* A compaction met damage: nothing is lost by it, and the family goes on without. */
static void
compaction_damaged(void *ctx, const char *family)
{
	struct rocks *r = ctx;

	for (unsigned i = 0; i < CF_COUNT; i++)
		if (strcmp(rocks_cf_name((enum rocks_cf)i), family) == 0)
			rocks_tidy_stop_compactions(r, (enum rocks_cf)i);
}

static void
detail_add(struct buf *detail, const char *text)
{
	if (detail != NULL)
		buf_c(detail, text);
}

/* A lock of our own: RocksDB's message for its own can't be told from other I/O errors. */
/* The lock is the folder's owner's, whoever comes first: root, who makes a backup, may have made it. */
static void
lock_give(struct rocks *r)
{
	struct stat folder, lock;

	if (geteuid() == 0 && stat(r->dir, &folder) == 0 && fstat(r->lock_fd, &lock) == 0
	    && lock.st_uid != folder.st_uid
	    && fchown(r->lock_fd, folder.st_uid, folder.st_gid) != 0)
		ignore_err(ERR_IO, "its owner then can't open the store, and says so");
}

static enum err
dir_lock(struct rocks *r, struct buf *detail)
{
	BUF_CLEAN struct buf path = BUF_MAX(4096);

	if (!r->options.read_only && mkdir(r->dir, 0700) != 0 && errno != EEXIST) {
		detail_add(detail, "The data directory can't be made.");
		return ERR_IO;
	}
	buf_printf(&path, "%s/lock", r->dir);
	buf_chr(&path, '\0');
	if (buf_err(&path) != ERR_OK)
		return ERR_LIMIT;
	r->lock_fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->lock_fd < 0) {
		detail_add(detail, "The data directory can't be opened.");
		return ERR_IO;
	}
	lock_give(r);
	if (flock(r->lock_fd, (r->options.read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
		detail_add(detail, "Another process has the data directory open.");
		return errno == EWOULDBLOCK ? ERR_INUSE : ERR_IO;
	}
	return ERR_OK;
}

static enum err
open_err(char *message, struct buf *detail)
{
	if (detail != NULL)
		buf_clear(detail);
	detail_add(detail, message);
	/*
	 * What a family or a merge operator of another version does to an open is "Invalid
	 * argument".
	 */
	if (strncmp(message, "Invalid argument", 16) == 0) {
		rocksdb_free(message);
		return ERR_CORRUPT;
	}
	return rocks_err(message);
}

/*
 * is_damaged: tables that are missing or can't be read are left alone; whatever they may have can't
 * be read.
 */
static enum err
db_try(struct rocks *r, bool read_only, bool is_flushed, bool is_damaged, struct buf *detail)
{
	struct rocks_extra extra = { .on_error = background_failed,
		.on_damage = compaction_damaged,
		.ctx = r,
		.env = r->env,
		.avoid_flush_during_recovery = !is_flushed };
	const char *names[CF_COUNT];
	char *message = NULL;

	if (r->db_options != NULL)
		rocksdb_options_destroy(r->db_options);
	r->db_options = rocks_db_options(&r->options);
	rocks_options_extra(r->db_options, &extra);
	if (is_damaged)
		rocksdb_options_set_paranoid_checks(r->db_options, 0);
	for (unsigned i = 0; i < CF_COUNT; i++)
		names[i] = rocks_cf_name((enum rocks_cf)i);
	rocks_env_begin(r->env);
	rocks_env_reading(r->env, clock_system()->mono_us(clock_system()) + CLIENTS_BACK_US);
	if (read_only)
		r->db = rocksdb_open_for_read_only_column_families(r->db_options, r->dir, CF_COUNT,
		    names, (const rocksdb_options_t *const *)r->cf_options, r->cf, 0, &message);
	else
		r->db = rocksdb_open_column_families(r->db_options, r->dir, CF_COUNT, names,
		    (const rocksdb_options_t *const *)r->cf_options, r->cf, &message);
	if (message != NULL)
		r->db = NULL;
	return message == NULL ? ERR_OK : open_err(message, detail);
}

/*
 * A table that is not there, was cut short or has a damaged end is no reason to serve nothing:
 * opened without, every read that would have to look into it fails, and all others are right. But
 * RocksDB then overlooks damage of the log and of the manifest too, so these must be whole.
 */
static enum err
db_open(struct rocks *r, bool read_only, bool is_flushed, struct buf *detail)
{
	BUF_CLEAN struct buf why = BUF_MAX(4096), again = BUF_MAX(4096);
	enum err e = db_try(r, read_only, is_flushed, r->is_damaged, &why);

	if (e == ERR_CORRUPT && !r->is_damaged && !r->is_log_torn
	    && rocks_manifest_is_whole(r->dir)) {
		r->is_damaged = true;
		e = db_try(r, read_only, is_flushed, true, &again);
	}
	if (detail != NULL)
		buf_str_add(detail, buf_str(&why));
	return e;
}

static bool
is_new(const struct rocks *r)
{
	BUF_CLEAN struct buf path = BUF_MAX(4096);

	buf_printf(&path, "%s/CURRENT", r->dir);
	buf_chr(&path, '\0');
	return access(path.p, F_OK) != 0;
}

static enum err
log_lost(struct buf *detail)
{
	detail_add(detail,
	    "The log is damaged before its end: changes that were acknowledged can't be read back.");
	return ERR_CORRUPT;
}

/* A later one may be there, which a program that makes no notes has begun. */
static enum err
log_gone(const struct wal_report *wal, struct buf *detail)
{
	if (wal->newest >= wal->noted)
		return ERR_OK;
	if (detail != NULL)
		buf_printf(detail,
		    "The newest log, %06llu.log, is gone, and with it the latest changes; to go on without them remove the file newest-log.",
		    (unsigned long long)wal->noted);
	return ERR_CORRUPT;
}

/* RocksDB would begin a new store on top of it. */
static enum err
list_gone(const struct rocks *r, struct buf *detail)
{
	if (!rocks_store_exists(r->dir))
		return ERR_OK;
	detail_add(detail,
	    "The file CURRENT is gone, which names the list of files (MANIFEST-...): nothing was touched.");
	return ERR_CORRUPT;
}

/*
 * A log that is not whole is read once without touching anything: does all come back that was
 * synced?
 */
static enum err
log_check(struct rocks *r, const struct wal_report *wal, struct buf *detail)
{
	enum err e;

	if (!wal->is_torn)
		return ERR_OK;
	e = db_open(r, true, true, detail);
	if (e != ERR_OK)
		return e;
	if (rocksdb_get_latest_sequence_number(r->db) < wal->durable_seq)
		e = log_lost(detail);
	rocks_db_close(r);
	return e;
}

/* A 64-bit row of CF_META named by one byte; 0 when there is none. */
enum err
rocks_meta_get(struct rocks *r, char name, uint64_t *value_out)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	char *message = NULL;
	size_t n = 0;
	char *value = rocksdb_get_cf(r->db, o, r->cf[CF_META], &name, 1, &n, &message);
	enum err e = rocks_read_err(message);

	*value_out = 0;
	if (e == ERR_OK && value != NULL) {
		if (n == 8)
			*value_out = get_le64(value);
		else
			e = ERR_CORRUPT;
	}
	rocksdb_free(value);
	rocksdb_readoptions_destroy(o);
	return e;
}

void
rocks_meta_put(struct rocks *r, char name, uint64_t value)
{
	char bytes[8];

	put_le64(bytes, value);
	rocksdb_writebatch_put_cf(r->batch, r->cf[CF_META], &name, 1, bytes, sizeof(bytes));
}

/*
 * The format's version is checked, and stage ids begin a new epoch: 32 bits of opens, 32 of ids in
 * each. Whatever uses an id of this epoch stands in the log behind the row that begins it, so no id
 * is given twice.
 */
static enum err
meta_check(struct rocks *r, struct buf *detail)
{
	uint64_t format, epoch;
	enum err e = rocks_meta_get(r, META_FORMAT, &format);

	if (e == ERR_CORRUPT)
		/* the upgrade begins anew, which it may; a newer one is found by the file */
		format = 0;
	else if (e != ERR_OK)
		return e;
	e = rocks_meta_get(r, META_EPOCH, &epoch);
	if (e == ERR_CORRUPT) /* nobody opens a store once a second */
		epoch = (uint64_t)(clock_system()->wall_ms(clock_system()) / 1000) & UINT32_MAX;
	else if (e != ERR_OK)
		return e;
	if (format > r->formats.newest) {
		detail_add(detail, "The data was written by a newer version of this program.");
		return ERR_NEWER;
	}
	atomic_init(&r->stage_ids, (epoch + 1) << 32);
	if (r->options.read_only)
		return ERR_OK;
	rocks_meta_put(r, META_EPOCH, epoch + 1);
	return rocks_batch_write(r, false);
}

static enum err
logs_sync(struct rocks *r, struct buf *detail)
{
	char *message = NULL;

	if (r->options.read_only)
		return ERR_OK;
	rocks_logs_sync(r->env, r->dir, &message);
	if (message != NULL)
		detail_add(detail, message);
	return rocks_err(message);
}

static enum err
rocks_start(struct rocks *r, struct buf *detail)
{
	struct wal_report wal = { 0 };
	enum err e = dir_lock(r, detail);

	if (e == ERR_OK)
		e = rocks_format_look(r, detail);
	if (e == ERR_OK)
		rocks_marks_open(r->marks, r->dir, r->options.read_only);
	if (e == ERR_OK && is_new(r)) {
		e = list_gone(r, detail);
	} else if (e == ERR_OK) {
		e = logs_sync(r, detail);
		if (e == ERR_OK)
			e = rocks_wal_look(r->dir, r->marks, &wal);
		r->is_log_torn = wal.is_torn;
		if (e == ERR_OK)
			e = log_gone(&wal, detail);
		if (e == ERR_OK)
			e = rocks_marks_check(r->marks, r->dir, detail);
		if (e == ERR_OK)
			e = log_check(r, &wal, detail);
	}
	if (e == ERR_OK)
		e = db_open(r, r->options.read_only, wal.is_torn || wal.files > WAL_FILES_KEPT,
		    detail);
	if (e != ERR_OK)
		return e;
	if (rocksdb_get_latest_sequence_number(r->db) < wal.durable_seq)
		return log_lost(detail);
	e = rocks_marks_opened(r->marks, rocksdb_get_latest_sequence_number(r->db), detail);
	if (e != ERR_OK)
		return e;
	r->batch = rocksdb_writebatch_create();
	e = meta_check(r, detail);
	if (e == ERR_OK && !r->options.read_only)
		e = rocks_upgrade(r);
	if (e == ERR_OK && !r->options.read_only)
		e = rocks_stages_sweep(r);
	if (e == ERR_OK && !r->options.read_only)
		e = rocks_committer_start(r);
	if (e == ERR_OK && !r->options.read_only)
		e = rocks_tidier_start(r);
	if (e == ERR_OK)
		e = rocks_readers_start(r);
	return e;
}

enum err
rocks_open_formats(const struct kv_options *o, void *env, struct rocks_formats formats,
    struct kv **kv_out, struct buf *detail)
{
	struct rocks *r = xcalloc(1, sizeof(*r));
	enum err e;

	rocks_init(r, o);
	r->formats = formats;
	r->marks = rocks_marks_new();
	r->env = rocks_env_new(env, r->dir, r->marks, background_failed, r);
	e = rocks_start(r, detail);
	if (e != ERR_OK) {
		rocks_end(r, false);
		return e;
	}
	*kv_out = &r->kv;
	return ERR_OK;
}

enum err
rocks_open_env(const struct kv_options *o, void *env, struct kv **kv_out, struct buf *detail)
{
	return rocks_open_formats(o, env, rocks_formats, kv_out, detail);
}

enum err
kv_rocks_open(const struct kv_options *o, struct kv **kv_out, struct buf *detail)
{
	return rocks_open_env(o, NULL, kv_out, detail);
}

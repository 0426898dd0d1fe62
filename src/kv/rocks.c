/*
 * rocks.c - the RocksDB engine: its state, closing, room on the disk, numbers. See rocks_int.h for
 * the other parts.
 */
#include "kv/rocks_cxx.h"
#include "kv/rocks_int.h"
#include "kv/rocks_mark.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPACE_US 1000000 /* statvfs() at most that often */

enum err
rocks_err(char *message)
{
	enum err e = ERR_IO;

	if (message == NULL)
		return ERR_OK;
	if (strncmp(message, "Corruption", 10) == 0)
		e = ERR_CORRUPT;
	else if (strncmp(message, "Result incomplete", 17) == 0)
		e = ERR_WAIT;
	rocksdb_free(message);
	return e;
}

enum err
rocks_read_err(char *message)
{
	if (message != NULL && strstr(message, "No such file") != NULL) {
		rocksdb_free(message);
		return ERR_CORRUPT;
	}
	return rocks_err(message);
}

/* ---- room on the disk */

static enum kv_space
rocks_space(struct kv *kv)
{
	struct rocks *r = rocks_of(kv);
	int64_t now = clock_system()->mono_us(clock_system());
	uint64_t soft = r->options.soft_floor_bytes != 0 ? r->options.soft_floor_bytes : 256u << 20;
	uint64_t hard = r->options.hard_floor_bytes != 0 ? r->options.hard_floor_bytes : 64u << 20;
	enum kv_space space = KV_SPACE_OK;
	struct statvfs s;

	if (now - atomic_load_explicit(&r->space_us, memory_order_relaxed) < SPACE_US)
		return (enum kv_space)atomic_load_explicit(&r->space, memory_order_relaxed);
	atomic_store_explicit(&r->space_us, now, memory_order_relaxed);
	if (statvfs(r->dir, &s) == 0) {
		uint64_t room = (uint64_t)s.f_bavail * s.f_frsize;

		space = room < hard ? KV_SPACE_HARD : room < soft ? KV_SPACE_SOFT : KV_SPACE_OK;
	}
	atomic_store_explicit(&r->space, (int)space, memory_order_relaxed);
	return space;
}

static bool
rocks_is_failed(struct kv *kv)
{
	return atomic_load_explicit(&rocks_of(kv)->is_failed, memory_order_relaxed);
}

static bool
rocks_is_out_of_room(struct kv *kv)
{
	return atomic_load_explicit(&rocks_of(kv)->is_out_of_room, memory_order_relaxed);
}

void
rocks_fail(struct rocks *r, const char *message)
{
	if (message != NULL
	    && (strstr(message, strerror(ENOSPC)) != NULL
		|| strstr(message, strerror(EDQUOT)) != NULL))
		atomic_store(&r->is_out_of_room, true);
	atomic_store(&r->is_failed, true);
}

/* ---- closing */

void
rocks_db_close(struct rocks *r)
{
	if (r->db == NULL)
		return;
	rocks_env_hurry(r->env, true);
	for (unsigned i = 0; i < CF_COUNT; i++)
		rocksdb_column_family_handle_destroy(r->cf[i]);
	rocksdb_close(r->db);
	r->db = NULL;
}

/* False: some of it is in the log only. */
static bool
db_flush(struct rocks *r)
{
	rocksdb_flushoptions_t *o;
	char *message = NULL;

	if (r->db == NULL || r->options.read_only || atomic_load(&r->is_failed))
		return false;
	o = rocksdb_flushoptions_create();
	for (unsigned i = 0; i < CF_COUNT && message == NULL; i++)
		rocksdb_flush_cf(r->db, o, r->cf[i], &message);
	rocksdb_flushoptions_destroy(o);
	return rocks_err(message) == ERR_OK;
}

/* Whoever deletes the logs of a store that was closed takes nothing away. */
static void
note_flushed(struct rocks *r)
{
	char *message = NULL;

	rocks_env_note_flushed(r->env, r->dir, &message);
	ignore_err(rocks_err(message), "the note that is there is right too");
}

void
rocks_end(struct rocks *r, bool is_flushed)
{
	rocks_committer_stop(r);
	rocks_tidier_stop(r);
	if (r->readers != NULL)
		rocks_readers_stop(r);
	is_flushed = is_flushed && db_flush(r);
	if (atomic_load(&r->settled) != NULL)
		rocksdb_release_snapshot(r->db, atomic_load(&r->settled));
	rocks_db_close(r);
	if (is_flushed) {
		note_flushed(r);
		rocks_marks_flushed(r->marks);
	}
	if (r->blobs.eq != NULL)
		hash_done(&r->blobs);
	for (unsigned i = 0; i < CF_COUNT; i++)
		rocksdb_options_destroy(r->cf_options[i]);
	if (r->db_options != NULL)
		rocksdb_options_destroy(r->db_options);
	rocksdb_cache_destroy(r->cache);
	rocksdb_writeoptions_destroy(r->write_lazy);
	rocks_env_free(r->env);
	rocks_marks_free(r->marks);
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	pthread_mutex_destroy(&r->lock);
	sem_destroy(&r->bell);
	pthread_cond_destroy(&r->done);
	pthread_mutex_destroy(&r->read_lock);
	pthread_cond_destroy(&r->jobs_changed);
	pthread_cond_destroy(&r->ahead.changed);
	pthread_cond_destroy(&r->late.changed);
	pthread_mutex_destroy(&r->unpacked_lock);
	pthread_mutex_destroy(&r->bounds_lock);
	for (unsigned i = 0; i < CF_COUNT; i++)
		rocks_bounds_unref(r->bounds[i]);
	pthread_mutex_destroy(&r->tidy_lock);
	pthread_cond_destroy(&r->tidy_changed);
	kv_done(&r->kv);
	free(r->dir);
	free(r);
}

static void
rocks_close(struct kv *kv)
{
	rocks_end(rocks_of(kv), true);
}

void
rocks_abandon(struct kv *kv)
{
	rocks_end(rocks_of(kv), false);
}

/* ---- numbers */

static uint64_t
rocks_stage_id(struct kv *kv)
{
	return atomic_fetch_add(&rocks_of(kv)->stage_ids, 1);
}

static void
rocks_stats(struct kv *kv, struct kv_stats *out)
{
	struct rocks *r = rocks_of(kv);

	*out = (struct kv_stats){
		.commits = atomic_load(&r->stat_commits),
		.batches = atomic_load(&r->stat_batches),
		.syncs = atomic_load(&r->stat_syncs),
		.bytes_written = atomic_load(&r->stat_bytes),
		.loads_now = atomic_load(&r->stat_loads_now),
		.loads_waited = atomic_load(&r->stat_loads_waited),
		.blob_reads = atomic_load(&r->stat_blob_reads),
		.cache_bytes = rocksdb_cache_get_usage(r->cache),
	};
	for (unsigned i = 0; i < CF_COUNT; i++) {
		uint64_t n;

		if (rocksdb_property_int_cf(r->db, r->cf[i], "rocksdb.cur-size-all-mem-tables", &n)
		    == 0)
			out->memtable_bytes += n;
	}
}

static enum err
rocks_checkpoint(struct kv *kv, const char *dir)
{
	char *message = NULL;
	rocksdb_checkpoint_t *c = rocksdb_checkpoint_object_create(rocks_of(kv)->db, &message);

	if (message == NULL) {
		rocksdb_checkpoint_create(c, dir, 0, &message);
		rocksdb_checkpoint_object_destroy(c);
	}
	return rocks_err(message);
}

static const struct kv_ops rocks_ops = {
	.close = rocks_close,
	.space = rocks_space,
	.is_failed = rocks_is_failed,
	.is_out_of_room = rocks_is_out_of_room,
	.load = rocks_load,
	.load_ahead = rocks_load_ahead,
	.load_now = rocks_load_now,
	.commit = rocks_commit,
	.stage_id = rocks_stage_id,
	.chunk_write = rocks_chunk_write,
	.stage_drop = rocks_stage_drop,
	.blob_read = rocks_blob_read,
	.blob_read_now = rocks_blob_read_now,
	.blobs_load = rocks_blobs_load,
	.blob_get = rocks_blob_get,
	.blob_sweep = rocks_blob_sweep,
	.versions = rocks_versions,
	.stats = rocks_stats,
	.check = rocks_check,
	.blobs_each = rocks_blobs_each,
	.checkpoint = rocks_checkpoint,
};

void
rocks_init(struct rocks *r, const struct kv_options *o)
{
	kv_init(&r->kv, &rocks_ops, o);
	r->options = *o;
	r->dir = xstrdup(str_c(o->dir));
	r->lock_fd = -1;
	r->is_marked = true;
	r->busy_us = clock_system()->mono_us(clock_system());
	r->sweep_due_us = r->busy_us + ROCKS_SWEEP_US;
	r->sweep = (struct sweep){ .from = { META_UNLINKED } };
	atomic_init(&r->space_us, -SPACE_US);
	pthread_mutex_init(&r->lock, NULL);
	sem_init(&r->bell, 0, 0);
	pthread_cond_init(&r->done, NULL);
	pthread_mutex_init(&r->read_lock, NULL);
	pthread_cond_init(&r->jobs_changed, NULL);
	pthread_cond_init(&r->ahead.changed, NULL);
	pthread_cond_init(&r->late.changed, NULL);
	pthread_mutex_init(&r->unpacked_lock, NULL);
	pthread_mutex_init(&r->bounds_lock, NULL);
	pthread_mutex_init(&r->tidy_lock, NULL);
	pthread_cond_init(&r->tidy_changed, NULL);
	list_init(&r->commits);
	list_init(&r->chunks);
	list_init(&r->drops);
	list_init(&r->requests);
	list_init(&r->pending);
	list_init(&r->jobs);
	r->cache = rocksdb_cache_create_lru(o->cache_bytes != 0 ? o->cache_bytes : 64u << 20);
	r->write_lazy = rocksdb_writeoptions_create();
	for (unsigned i = 0; i < CF_COUNT; i++)
		r->cf_options[i] = rocks_cf_options(&r->options, (enum rocks_cf)i,
		    i < KV_KINDS ? r->kv.merge[i] : NULL, r->cache);
}

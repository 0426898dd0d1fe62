/*
 * memory.c - the engine in memory, for tests and simulation.
 *
 * One map a kind holds what is visible. What is visible but not durable (lazy commits) is in the
 * undo list, oldest first; a sync forgets the list and a power cut plays it backwards. By itself
 * the engine has a committer thread and answers loads at once; in manual mode it has no thread, and
 * everything outstanding waits for kv_memory_step().
 */
#include "kv/memory_int.h"

#include <stdlib.h>

static enum kv_space
memory_space(struct kv *kv)
{
	struct memory *m = memory_of(kv);
	enum kv_space space;

	pthread_mutex_lock(&m->lock);
	space = m->space;
	pthread_mutex_unlock(&m->lock);
	return space;
}

/* It is told how much room there is, and never meets the end of it. */
static bool
memory_is_out_of_room(unused_arg struct kv *kv)
{
	return false;
}

static bool
memory_is_failed(struct kv *kv)
{
	struct memory *m = memory_of(kv);
	bool is_failed;

	pthread_mutex_lock(&m->lock);
	is_failed = m->is_failed;
	pthread_mutex_unlock(&m->lock);
	return is_failed;
}

static uint64_t
memory_stage_id(struct kv *kv)
{
	return atomic_fetch_add(&memory_of(kv)->stage_ids, 1) + 1;
}

static void
memory_stats(struct kv *kv, struct kv_stats *out)
{
	struct memory *m = memory_of(kv);

	pthread_mutex_lock(&m->lock);
	*out = m->stats;
	pthread_mutex_unlock(&m->lock);
}

static enum err
memory_checkpoint(struct kv *kv unused_arg, const char *dir unused_arg)
{
	return ERR_CANNOT; /* there are no files */
}

static void
memory_close(struct kv *kv)
{
	struct memory *m = memory_of(kv);

	if (m->is_manual) {
		while (kv_memory_step(kv))
			continue;
	} else {
		pthread_mutex_lock(&m->lock);
		m->is_closing = true;
		pthread_cond_signal(&m->changed);
		pthread_mutex_unlock(&m->lock);
		pthread_join(m->thread, NULL);
	}
	memory_undo_forget(m);
	free(m->undo);
	for (struct memory_node *n = m->blobs.head[0]; n != NULL; n = n->next[0]) {
		struct blob_row row;

		memcpy(&row, n->value.p, sizeof(row));
		kv_bytes_unref(row.bytes);
	}
	for (size_t i = 0; i < KV_KINDS; i++)
		memory_map_done(&m->rows[i]);
	memory_map_done(&m->versions);
	memory_map_done(&m->blobs);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	kv_done(kv);
	free(m);
}

static const struct kv_ops memory_ops = {
	.close = memory_close,
	.space = memory_space,
	.is_failed = memory_is_failed,
	.is_out_of_room = memory_is_out_of_room,
	.load = memory_load,
	.load_ahead = memory_load_ahead,
	.load_now = memory_load_now,
	.commit = memory_commit,
	.stage_id = memory_stage_id,
	.blob_read = memory_blob_read,
	.blob_read_now = memory_blob_read_now,
	.blobs_load = memory_blobs_load,
	.blob_get = memory_blob_get,
	.blob_sweep = memory_blob_sweep,
	.versions = memory_versions,
	.stats = memory_stats,
	.check = memory_check,
	.blobs_each = memory_blobs_each,
	.checkpoint = memory_checkpoint,
};

enum err
kv_memory_open(const struct kv_memory_options *o, struct kv **kv_out)
{
	struct memory *m = xcalloc(1, sizeof(*m));

	m->ops = memory_ops;
	m->ops.pump = o->manual ? kv_memory_step : NULL;
	kv_init(&m->kv, &m->ops, &o->base);
	m->kv.keeps_stages = true;
	m->is_manual = o->manual;
	m->random = o->seed;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	list_init(&m->commits);
	list_init(&m->loads);
	list_init(&m->blob_reads);
	list_init(&m->blobs_loads);
	for (size_t i = 0; i < KV_KINDS; i++)
		memory_map_init(&m->rows[i], o->seed + i);
	memory_map_init(&m->versions, o->seed);
	memory_map_init(&m->blobs, o->seed);
	if (!m->is_manual && pthread_create(&m->thread, NULL, memory_committer, m) != 0) {
		m->is_manual = true; /* so that close waits for no thread */
		memory_close(&m->kv);
		return ERR_NOMEM;
	}
	*kv_out = &m->kv;
	return ERR_OK;
}

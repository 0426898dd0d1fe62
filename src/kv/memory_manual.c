/*
 * memory_manual.c - the engine in memory driven by hand: one outstanding thing a step, a cut of the
 * power, the n-th operation that fails, a disk that is full.
 */
#include "base/hash.h"
#include "kv/memory_int.h"

#include <stdlib.h>

enum err
memory_operation(struct memory *m)
{
	if (m->fail_in == 0 || --m->fail_in > 0)
		return ERR_OK;
	m->fail_in = m->fails_for_good ? 1 : 0;
	m->has_failed = true;
	return m->fail_with;
}

static uint64_t
random_below(struct memory *m, uint64_t n)
{
	m->random = hash_u64(m->random + 0x9E3779B97F4A7C15u);
	return m->random % n;
}

static struct list *
list_nth(struct list *l, uint64_t n)
{
	struct list *node = l->next;

	while (n-- > 0)
		node = node->next;
	return node;
}

static size_t
list_count(const struct list *l)
{
	size_t n = 0;

	for (const struct list *node = l->next; node != l; node = node->next)
		n++;
	return n;
}

static void
load_step(struct memory *m, struct kv_load_job *j)
{
	struct kv_rows *rows = NULL;
	enum err e = ERR_CLOSED;

	list_remove(&j->node);
	if (kv_load_job_is_wanted(j))
		e = memory_load_locked(m, j->account, j->ranges, j->count, &rows);
	pthread_mutex_unlock(&m->lock);
	j->fn(j->ctx, e, rows);
	kv_load_job_free(j);
}

static void
blob_step(struct memory *m, struct blob_job *j)
{
	struct kv_bytes *bytes = NULL;
	enum err e;

	list_remove(&j->node);
	e = memory_blob_read_locked(m, &j->id, j->offset, j->length, &bytes);
	pthread_mutex_unlock(&m->lock);
	j->fn(j->ctx, e, bytes);
	free(j);
}

static void
blobs_step(struct memory *m, struct blobs_job *j)
{
	struct kv_blobs *blobs;

	list_remove(&j->node);
	blobs = memory_blobs_load_locked(m, j->refs, j->count);
	pthread_mutex_unlock(&m->lock);
	j->fn(j->ctx, blobs);
	free(j);
}

/* Any outstanding read, or the oldest commit: commits are totally ordered. */
bool
kv_memory_step(struct kv *kv)
{
	struct memory *m = memory_of(kv);
	size_t loads, blobs, batches, commits;
	uint64_t pick;

	pthread_mutex_lock(&m->lock);
	loads = list_count(&m->loads);
	blobs = list_count(&m->blob_reads);
	batches = list_count(&m->blobs_loads);
	commits = list_is_empty(&m->commits) ? 0 : 1;
	if (!m->is_manual || loads + blobs + batches + commits == 0) {
		pthread_mutex_unlock(&m->lock);
		return false;
	}
	pick = random_below(m, loads + blobs + batches + commits);
	if (pick < loads) {
		load_step(m, list_item(list_nth(&m->loads, pick), struct kv_load_job, node));
	} else if (pick < loads + blobs) {
		blob_step(m,
		    list_item(list_nth(&m->blob_reads, pick - loads), struct blob_job, node));
	} else if (pick < loads + blobs + batches) {
		blobs_step(m,
		    list_item(list_nth(&m->blobs_loads, pick - loads - blobs), struct blobs_job,
			node));
	} else {
		struct kv_commit *c = list_first(&m->commits, struct kv_commit, node);

		list_remove(&c->node);
		memory_decide(m, c);
		m->stats.batches++;
		pthread_mutex_unlock(&m->lock);
		kv_commit_end(c);
	}
	return true;
}

void
kv_memory_power_cut(struct kv *kv)
{
	struct memory *m = memory_of(kv);

	/* Who reads gets something to clean up after; nobody is left to be told of it. */
	list_each(&m->loads, j, struct kv_load_job, node)
	{
		list_remove(&j->node);
		j->fn(j->ctx, ERR_IO, NULL);
		kv_load_job_free(j);
	}
	list_each(&m->blob_reads, j, struct blob_job, node)
	{
		list_remove(&j->node);
		j->fn(j->ctx, ERR_IO, NULL);
		free(j);
	}
	list_each(&m->blobs_loads, j, struct blobs_job, node)
	{
		char *none;

		list_remove(&j->node);
		j->fn(j->ctx, kv_blobs_new(kv, j->count, 0, &none));
		free(j);
	}
	pthread_mutex_lock(&m->lock);
	list_each(&m->commits, c, struct kv_commit, node)
	{
		list_remove(&c->node);
		kv_commit_free(c);
	}
	memory_undo_play(m);
	m->is_failed = false;
	m->fail_in = 0;
	m->fails_for_good = false;
	pthread_mutex_unlock(&m->lock);
}

static void
fail(struct memory *m, uint64_t n, enum err e, bool for_good)
{
	pthread_mutex_lock(&m->lock);
	m->fail_in = n;
	m->fail_with = e;
	m->fails_for_good = for_good;
	m->has_failed = false;
	pthread_mutex_unlock(&m->lock);
}

void
kv_memory_fail_at(struct kv *kv, uint64_t n, enum err e)
{
	fail(memory_of(kv), n, e, false);
}

void
kv_memory_fail_from(struct kv *kv, uint64_t n, enum err e)
{
	fail(memory_of(kv), n, e, true);
}

bool
kv_memory_has_failed(struct kv *kv)
{
	struct memory *m = memory_of(kv);
	bool has_failed;

	pthread_mutex_lock(&m->lock);
	has_failed = m->has_failed;
	pthread_mutex_unlock(&m->lock);
	return has_failed;
}

void
kv_memory_set_space(struct kv *kv, enum kv_space space)
{
	struct memory *m = memory_of(kv);

	pthread_mutex_lock(&m->lock);
	m->space = space;
	pthread_mutex_unlock(&m->lock);
}

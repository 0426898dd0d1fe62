/*
 * rocks_tidy.c - gives the space of deleted messages back to the disk. Deleting a chunk writes a
 * mark; its bytes go when compaction meets both and when the blob file that holds them is rewritten
 * or wholly garbage. A thread of its own does this when enough was swept, in steps of one blob
 * file, so that little is rewritten and little more room is needed. The same thread ends
 * compactions of families that turn out to be damaged.
 */
#include "base/thread.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_int.h"

#define TIDY_BYTES (32u << 20) /* swept since the last time; less is not worth the work */
#define GARBAGE_RATIO 0.4      /* a blob file is rewritten when that much of it is garbage */

/* Does what there is to do in one of the families that hold chunks. */
static void
tidy(struct rocks *r, enum rocks_cf cf)
{
	char *message = NULL;
	uint64_t file = 0;

	rocks_compact_deletions(r->db, r->cf[cf], &r->tidy_ends, &message);
	while (message == NULL && !atomic_load(&r->tidy_ends)
	    && rocks_reclaim_step(r->db, r->cf[cf], GARBAGE_RATIO, &file, &r->tidy_ends, &message))
		continue;
	/*
	 * What failed for good is told by the listener; the rest is tried again when more was
	 * swept.
	 */
	ignore_err(rocks_err(message), "nothing is lost by not tidying");
}

/*
 * A family whose tables are damaged is compacted no more: writes would stall behind compactions
 * that fail, and what can still be read must not be touched. It goes on growing until it is
 * restored or repaired.
 */
static void
compactions_stop(struct rocks *r, unsigned families)
{
	static const char *const keys[] = { "disable_auto_compactions" },
				 *const values[] = { "true" };

	for (unsigned i = 0; i < CF_COUNT; i++) {
		char *message = NULL;

		if ((families & 1u << i) == 0)
			continue;
		rocksdb_set_options_cf(r->db, r->cf[i], 1, keys, values, &message);
		ignore_err(rocks_err(message), "then it is tried again, every second");
	}
}

static void *
tidier_run(void *arg)
{
	struct rocks *r = arg;
	unsigned stopped = 0;

	thread_begin("kv-tidy", THREAD_PATIENT);
	pthread_mutex_lock(&r->tidy_lock);
	while (!atomic_load(&r->tidy_ends)) {
		unsigned stop = atomic_load(&r->compactions_end) & ~stopped;

		if (stop != 0) {
			stopped |= stop;
			pthread_mutex_unlock(&r->tidy_lock);
			compactions_stop(r, stop);
			pthread_mutex_lock(&r->tidy_lock);
			continue;
		}
		if (r->tidy_bytes < TIDY_BYTES) {
			pthread_cond_wait(&r->tidy_changed, &r->tidy_lock);
			continue;
		}
		r->tidy_bytes = 0;
		pthread_mutex_unlock(&r->tidy_lock);
		rocks_env_hurry(r->env, true);
		if ((stopped & 1u << CF_CHUNK) == 0)
			tidy(r, CF_CHUNK);
		if ((stopped & 1u << CF_LONG) == 0)
			tidy(r, CF_LONG);
		rocks_env_hurry(r->env, false);
		pthread_mutex_lock(&r->tidy_lock);
	}
	pthread_mutex_unlock(&r->tidy_lock);
	return NULL;
}

void
rocks_tidy_stop_compactions(struct rocks *r, enum rocks_cf cf)
{
	atomic_fetch_or(&r->compactions_end, 1u << cf);
	pthread_mutex_lock(&r->tidy_lock);
	pthread_cond_signal(&r->tidy_changed);
	pthread_mutex_unlock(&r->tidy_lock);
}

void
rocks_tidy_note(struct rocks *r, uint64_t swept)
{
	pthread_mutex_lock(&r->tidy_lock);
	r->tidy_bytes += swept;
	if (r->tidy_bytes >= TIDY_BYTES)
		pthread_cond_signal(&r->tidy_changed);
	pthread_mutex_unlock(&r->tidy_lock);
}

enum err
rocks_tidier_start(struct rocks *r)
{
	if (pthread_create(&r->tidier, NULL, tidier_run, r) != 0)
		return ERR_NOMEM;
	r->has_tidier = true;
	return ERR_OK;
}

void
rocks_tidier_stop(struct rocks *r)
{
	if (!r->has_tidier)
		return;
	pthread_mutex_lock(&r->tidy_lock);
	atomic_store(&r->tidy_ends, true);
	pthread_cond_signal(&r->tidy_changed);
	pthread_mutex_unlock(&r->tidy_lock);
	pthread_join(r->tidier, NULL);
	r->has_tidier = false;
}

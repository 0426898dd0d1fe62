/*
 * store.c - the accounts that are open, by user, and what is done for all of them now and then.
 */
#include "store/commit_int.h"

#include "store/arrival_int.h"
#include "store/digest.h"
#include "store/trigrams.h"
#include "store/undo_int.h"

#include <stdlib.h>
#include <time.h>

enum {
	CACHE_BYTES = 32 << 20,
	STAGE_LINKS = 512,
	COMMIT_PAGES = 64,
	LOAD_PAGES = 192, /* 600 KB of rows */
	MESSAGE_MAX_BYTES = 64 << 20,
	MAILBOXES_MAX = 10000,
	IDLE_ACCOUNT_US = 60000000
};

#define RETAINED_MAX_BYTES ((uint64_t)20 << 30)
#define LOG_ROWS_MAX 100000

static bool
account_has_user(const void *item, const void *key)
{
	return str_eq(((const struct account *)item)->user, *(const struct str *)key);
}

void
store_merge_functions(struct kv_options *o)
{
	o->merge[KV_PAGE] = page_merge;
}

enum err
store_open(const struct store_options *o, struct store **out)
{
	struct store *s = xcalloc(1, sizeof(*s));
	uint64_t seed = 0;

	s->o = *o;
	if (s->o.message_max_bytes == 0)
		s->o.message_max_bytes = MESSAGE_MAX_BYTES;
	if (s->o.cache_bytes == 0)
		s->o.cache_bytes = CACHE_BYTES;
	if (s->o.commit_pages == 0)
		s->o.commit_pages = COMMIT_PAGES;
	if (s->o.stage_links == 0)
		s->o.stage_links = STAGE_LINKS;
	if (s->o.load_pages == 0)
		s->o.load_pages = LOAD_PAGES;
	if (s->o.retained_max_bytes == 0)
		s->o.retained_max_bytes = RETAINED_MAX_BYTES;
	if (s->o.log_rows_max == 0)
		s->o.log_rows_max = LOG_ROWS_MAX;
	if (s->o.mailboxes_max == 0)
		s->o.mailboxes_max = MAILBOXES_MAX;
	if (s->o.quota.storage_kib == 0)
		s->o.quota.storage_kib = UINT64_MAX;
	if (s->o.quota.messages == 0)
		s->o.quota.messages = UINT64_MAX;
	if (s->o.quota.mailboxes == 0)
		s->o.quota.mailboxes = UINT64_MAX;
	if (s->o.quota.annotations_kib == 0)
		s->o.quota.annotations_kib = UINT64_MAX;
	pthread_mutex_init(&s->lock, NULL);
	hash_init(&s->by_user, account_has_user);
	list_init(&s->accounts);
	waitlist_init(&s->opened);
	waitlist_init(&s->shared);
	s->sweep_from = BUF_MAX(USER_NAME_MAX + 2);
	s->messages = message_cache_new(o->kv, s->o.cache_bytes / 2);
	if (o->random != NULL)
		o->random(&seed, sizeof(seed));
	s->digests = digest_cache_new(o->kv, s->o.cache_bytes / 2, seed);
	s->trigrams =
	    trigram_cache_new(s->o.trigrams_bytes != 0 ? s->o.trigrams_bytes : s->o.cache_bytes);
	*out = s;
	return ERR_OK;
}

/* Nobody finds it any more; s->lock held. */
static void
unfind(struct store *s, struct account *a)
{
	if (a->is_in_table)
		hash_remove(&s->by_user, str_hash(a->user, 0), &a->user);
	a->is_in_table = false;
}

void
store_forget(struct store *s, struct account *a)
{
	pthread_mutex_lock(&s->lock);
	unfind(s, a);
	pthread_mutex_unlock(&s->lock);
	message_cache_forget(s->messages, a->id);
	digest_cache_forget(s->digests, a->id);
	trigram_cache_forget(s->trigrams, a->id);
}

bool
store_has_user(struct store *s, struct str user)
{
	bool has;

	pthread_mutex_lock(&s->lock);
	has = hash_find(&s->by_user, str_hash(user, 0), &user) != NULL;
	pthread_mutex_unlock(&s->lock);
	return has;
}

bool
store_has_account(struct store *s, struct account_id id)
{
	bool has = false;

	pthread_mutex_lock(&s->lock);
	list_each(&s->accounts, a, struct account, in_store)
	{
		if (a->id.v == id.v)
			has = true;
	}
	pthread_mutex_unlock(&s->lock);
	return has;
}

void
store_drop_account(struct store *s, struct account *a)
{
	unfind(s, a);
	list_remove(&a->in_store);
	s->account_count--;
}

void
store_let_go(struct store *s, struct str user)
{
	struct account *a;

	pthread_mutex_lock(&s->lock);
	a = hash_find(&s->by_user, str_hash(user, 0), &user);
	if (a != NULL && a->state == ACCOUNT_READY && account_is_idle(a)) {
		store_drop_account(s, a);
		account_free(a);
	}
	pthread_mutex_unlock(&s->lock);
}

void
store_close(struct store *s)
{
	const struct timespec pause = { .tv_nsec = 200000 };

	while (atomic_load(&s->commits) != 0)
		nanosleep(&pause, NULL);
	list_each(&s->accounts, a, struct account, in_store)
	{
		while (atomic_load(&a->refs) != 0)
			nanosleep(&pause, NULL); /* a load whose answer nobody wants */
	}
	store_discard(s);
}

void
store_discard(struct store *s)
{
	list_each(&s->accounts, a, struct account, in_store)
	{
		store_drop_account(s, a);
		account_free(a);
	}
	hash_done(&s->by_user);
	buf_done(&s->sweep_from);
	waitlist_done(&s->opened);
	waitlist_done(&s->shared);
	message_cache_free(s->messages);
	digest_cache_free(s->digests);
	trigram_cache_free(s->trigrams);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Closes what nobody has used for a while; s->lock held. */
static void
close_idle(struct store *s, int64_t now_us)
{
	list_each(&s->accounts, a, struct account, in_store)
	{
		bool is_settled = a->state == ACCOUNT_READY || a->state == ACCOUNT_BROKEN
		    || a->state == ACCOUNT_MISSING || (a->is_step_done && a != s->numbering);

		if (is_settled && now_us - atomic_load(&a->used_us) > IDLE_ACCOUNT_US
		    && account_is_idle(a)) {
			store_drop_account(s, a);
			account_free(a);
		}
	}
}

/* Accounts that are open, referenced, at most `max`. */
static size_t
hold_open(struct store *s, struct account **out, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&s->lock);
	close_idle(s, s->o.clock->mono_us(s->o.clock));
	list_each(&s->accounts, a, struct account, in_store)
	{
		if (a->state == ACCOUNT_READY && n < max)
			out[n++] = account_ref(a);
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}

void
store_tick(struct store *s)
{
	struct account **open;
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->account_count;
	pthread_mutex_unlock(&s->lock);
	steady_tick(&s->steady, s->o.kv, s->o.clock, (int64_t)s->o.retention_s * 1000);
	open = xcalloc(n + 1, sizeof(struct account *));
	n = hold_open(s, open, n);
	for (size_t i = 0; i < n; i++) {
		retention_tick(open[i]);
		account_evict(open[i]);
		atomic_fetch_sub(&open[i]->refs, 1); /* this was no use of it: used_us stays */
	}
	free(open);
	directory_sweep(s);
	directory_purge(s);
}

int64_t
store_clock_jump(const struct store *s)
{
	return s->steady.jump_ms;
}

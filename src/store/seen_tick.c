/*
 * seen_tick.c - users who are no more leave private pages in the mailboxes of others: here they go.
 * On a job thread, one account at a time; looked for when an account was opened, and again when
 * somebody's account has gone.
 */
#include "store/commit_int.h"

#include "store/seen_int.h"

#include <stdlib.h>

/* His account has no row any more. What can't be read is there. */
static bool
is_user_gone(struct kv *kv, uint64_t user)
{
	struct row_key key = row_key_account();
	struct kv_range range = { .kind = KV_ROW, .from = row_key_str(&key), .is_exact = true };
	struct kv_rows *rows = NULL;
	bool is_gone;

	if (user == SEEN_OWNER
	    || kv_load_now(kv, (struct account_id){ user }, &range, 1, &rows) != ERR_OK)
		return false;
	is_gone = rows->ranges[0].count == 0;
	kv_rows_free(rows);
	return is_gone;
}

/* Those of a mailbox's users who are gone are taken out of it. */
static void
drop_gone(struct account *a, const struct mailbox_state *s)
{
	bool *gone = xcalloc(s->seen->count, sizeof(*gone)), has_some = false;
	struct mailbox_change *m;
	struct commit *c;
	int64_t at;

	for (uint32_t i = 0; i < s->seen->count; i++) {
		gone[i] = is_user_gone(a->kv, s->seen->u[i].user);
		has_some = has_some || gone[i];
	}
	pthread_mutex_lock(&a->lock);
	at = snapshot_find_id(a->latest, s->info.id);
	if (has_some && at >= 0 && commit_begin(a, &c) == ERR_OK) {
		m = commit_mailbox(c, (uint32_t)at);
		for (uint32_t i = 0; i < s->seen->count; i++) {
			if (gone[i] && seen_users_find(m->state->seen, s->seen->u[i].user) != NULL)
				commit_drop_seen(c, m, s->seen->u[i].user);
		}
		c->frees_room = true;
		snapshot_unref(commit_publish_one(c));
	}
	pthread_mutex_unlock(&a->lock);
	free(gone);
}

void
seen_tick(struct account *a)
{
	uint64_t purges = atomic_load(&a->store->purges) + 1;
	struct snapshot *s;

	if (atomic_exchange(&a->seen_looked_at, purges) == purges)
		return;
	pthread_mutex_lock(&a->lock);
	s = snapshot_ref(a->latest);
	pthread_mutex_unlock(&a->lock);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct mailbox_state *state = snapshot_state(s, i);

		if (state->seen != NULL)
			drop_gone(a, state);
	}
	snapshot_unref(s);
}

/* quota.c - see quota.h. */
#include "store/quota.h"

#include "store/commit_int.h"
#include "store/notes.h"
#include "store/sharing.h"

static uint64_t
kib(uint64_t bytes)
{
	return bytes / 1024 + (bytes % 1024 != 0);
}

/*
 * What holds for an account with this row. The mailboxes that are nobody's have limits only of
 * their own.
 */
static struct quota_limits
limits_of(const struct account *a, const struct account_row *row)
{
	if (row->has_limits)
		return row->limits;
	return str_eq(a->user, SHARED_USER) ? QUOTA_NO_LIMITS : a->store->o.quota;
}

static uint64_t
count_mailboxes(struct mailbox_state *const *states, uint32_t count)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		n += !states[i]->info.is_noselect;
	return n;
}

void
snapshot_quota(const struct snapshot *s, struct quota *out)
{
	uint64_t annotations = 0;

	*out = (struct quota){
		.limits = limits_of(s->account, &s->row),
		.storage_kib = kib(s->row.size_bytes),
		.messages = s->row.messages,
	};
	for (uint32_t i = 0; i < s->count; i++) {
		const struct mailbox_info *m = &snapshot_state(s, i)->info;

		out->mailboxes += !m->is_noselect;
		annotations += m->notes_bytes;
	}
	out->annotations_kib = kib(annotations);
}

static bool
is_too_much(const struct account *a, const struct account_row *row, uint64_t more_bytes,
    uint64_t more_messages)
{
	struct quota_limits limits = limits_of(a, row);

	return (more_bytes != 0 && kib(row->size_bytes + more_bytes) > limits.storage_kib)
	    || (more_messages != 0 && row->messages + more_messages > limits.messages);
}

bool
snapshot_is_over_quota(const struct snapshot *s, uint64_t more_bytes, uint64_t more_messages)
{
	return is_too_much(s->account, &s->row, more_bytes, more_messages);
}

bool
snapshot_exceeds_quota(const struct snapshot *s)
{
	struct quota_limits limits = limits_of(s->account, &s->row);

	return kib(s->row.size_bytes) > limits.storage_kib || s->row.messages > limits.messages;
}

enum err
commit_check_room(const struct commit *c, uint64_t more_bytes, uint64_t more_messages)
{
	return is_too_much(c->account, &c->base->row, more_bytes, more_messages) ? ERR_OVERQUOTA
										 : ERR_OK;
}

enum err
commit_check_quota(const struct commit *c)
{
	int64_t bytes = 0, messages = 0, notes = 0;
	enum err e = ERR_OK;

	for (uint32_t i = 0; i < c->change_count; i++) {
		const struct mailbox_change *m = &c->changes[i];
		const struct mailbox_info *before = &snapshot_state(c->base, m->at)->info;
		const struct page_sums *sums = tree_sums(tree_edit_now(&m->edit));

		if (m->state->has_tree)
			notes += (int64_t)sums->notes_bytes
			    - (int64_t)tree_sums(snapshot_state(c->base, m->at)->tree)->notes_bytes;
		else
			notes += (int64_t)m->state->info.notes_bytes - before->notes_bytes;
		bytes +=
		    (int64_t)(m->state->has_tree ? sums->size_bytes : m->state->info.size_bytes)
		    - (int64_t)before->size_bytes;
		messages += (int64_t)(m->state->has_tree ? sums->count : m->state->info.exists)
		    - (int64_t)before->exists;
	}
	if (notes > 0)
		e = commit_check_notes(c, (uint64_t)notes);
	return e != ERR_OK ? e
			   : commit_check_room(c, bytes > 0 ? (uint64_t)bytes : 0,
			       messages > 0 ? (uint64_t)messages : 0);
}

enum err
commit_check_notes(const struct commit *c, uint64_t more_bytes)
{
	struct quota_limits limits = limits_of(c->account, &c->base->row);
	uint64_t bytes = more_bytes;

	for (uint32_t i = 0; i < c->base->count; i++)
		bytes += snapshot_state(c->base, i)->info.notes_bytes;
	return more_bytes > NOTES_ACCOUNT_MAX_BYTES || bytes > NOTES_ACCOUNT_MAX_BYTES
		|| kib(bytes) > limits.annotations_kib
	    ? ERR_OVERQUOTA
	    : ERR_OK;
}

enum err
commit_check_mailbox_quota(const struct commit *c)
{
	struct quota_limits limits = limits_of(c->account, &c->row);
	uint64_t before = 0, after;

	if (limits.mailboxes == UINT64_MAX)
		return ERR_OK;
	for (uint32_t i = 0; i < c->base->count; i++)
		before += !snapshot_state(c->base, i)->info.is_noselect;
	after = count_mailboxes(c->states, c->state_count);
	return after > before && after > limits.mailboxes ? ERR_OVERQUOTA : ERR_OK;
}

enum err
account_set_quota(struct account *a, const struct quota_limits *limits, struct snapshot **after_out)
{
	struct row_key key = row_key_limits();
	char space[64];
	struct buf row = { .p = space, .cap = sizeof(space), .max = sizeof(space) };
	struct commit *c = NULL;
	enum err e = ERR_FULL;

	pthread_mutex_lock(&a->lock);
	if (kv_space(a->kv) != KV_SPACE_HARD)
		e = commit_begin(a, &c);
	if (e == ERR_OK) {
		c->row.has_limits = limits != NULL;
		if (limits != NULL) {
			c->row.limits = *limits;
			limits_row_encode(limits, &row);
			kv_put(c->txn, KV_ROW, row_key_str(&key), buf_str(&row));
		} else {
			kv_del(c->txn, KV_ROW, row_key_str(&key));
		}
		*after_out = commit_publish_one(c);
	}
	pthread_mutex_unlock(&a->lock);
	return e;
}

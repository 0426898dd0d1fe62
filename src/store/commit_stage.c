/*
 * commit_stage.c - a COPY of many messages raises as many counters, which is more than others
 * should wait for; so it does that in stages, each a commit of its own in front of the one that
 * makes the entries.
 *
 *     stage: counters of 512, row C ── stage ── … ── stage ── the copy: entries, no rows C any more
 *
 * All are queued at once, with the account's mutex held, and of the stages nothing can be seen; so
 * the copy is still made as a whole or not at all. If it is not, for the power went or the disk
 * became full, rows C say of which messages too many links are counted. They hold those messages
 * as an undo record does, until retention_tick() takes them back.
 */
#include "store/commit_int.h"

#include "base/size.h"
#include "store/arrival_int.h"

#include <stdlib.h>

/* Takes the version that comes after all stages. */
void
commit_stage(struct commit *c, uint64_t links)
{
	const uint32_t each = c->account->store->o.stage_links;

	must(c->stage_count == 0 && c->staged_count == 0 && c->change_count == 0);
	if (links <= each)
		return;
	must(links <= UINT32_MAX - each);
	c->stage_count = (uint32_t)((links + each - 1) / each);
	c->staged = xcalloc((size_t)links, sizeof(*c->staged));
	c->staged_cap = (uint32_t)links;
	kv_txn_abort(c->txn);
	c->txn = kv_txn_new(c->account->kv, c->account->id, c->version + c->stage_count - 1,
	    c->version + c->stage_count);
	c->version += c->stage_count;
}

void
commit_link(struct commit *c, struct msgno n)
{
	if (c->stage_count == 0) {
		message_put_links(c->txn, n, 1);
		return;
	}
	must(c->staged_count < c->staged_cap);
	c->staged[c->staged_count++] = n;
}

/* A commit that changes nothing yet: it stands on the last that was published. */
static void
publish_stage(struct commit *c, const struct msgno *numbers, uint32_t count)
{
	struct commit *stage = commit_next(c->account);
	struct row_key key = row_key_staged(stage->version);
	BUF_CLEAN struct buf row = BUF_MAX(SIZE_MAX);

	for (uint32_t i = 0; i < count; i++)
		message_put_links(stage->txn, numbers[i], 1);
	staged_row_encode(numbers, count, &row);
	kv_put(stage->txn, KV_LOG, row_key_str(&key), buf_str(&row));
	kv_del(c->txn, KV_LOG, row_key_str(&key));
	stage->is_stage = true;
	snapshot_unref(commit_publish_one(stage));
}

void
commit_publish_stages(struct commit *c)
{
	const uint32_t stages = c->stage_count;
	uint32_t at = 0;

	for (uint32_t i = 0; i < stages; i++) {
		uint32_t end = (uint32_t)((uint64_t)c->staged_count * (i + 1) / stages);

		publish_stage(c, c->staged + at, end - at);
		at = end;
	}
	must(c->account->version_high + 1 == c->version);
	free(c->staged);
	c->staged = NULL;
}

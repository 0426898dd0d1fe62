/* message_limit.c - see message_limit.h. */
#include "session/cmd/message_limit.h"

#include "session/cmd/message_set.h"

/* The member behind the first `skip` ones; 0: there is none. */
static uint32_t
nth(const struct rangeset *set, uint64_t skip)
{
	for (size_t i = 0; i < set->n; i++) {
		uint64_t count = (uint64_t)set->r[i].last - set->r[i].first + 1;

		if (skip < count)
			return set->r[i].first + (uint32_t)skip;
		skip -= count;
	}
	return 0;
}

static void
drop_below(struct rangeset *set, struct uid lowest)
{
	if (lowest.v > 1)
		rangeset_remove(set, 1, lowest.v - 1);
}

uint64_t
message_limit_count(const struct view *v, const struct rangeset *uids)
{
	RANGESET_CLEAN struct rangeset seqs = RANGESET_NONE;

	message_set_ranges(v, uids, &seqs);
	return rangeset_count(&seqs);
}

bool
message_limit_is_over(const struct view *v, const struct rangeset *uids, uint64_t limit,
    struct uid *lowest_out)
{
	RANGESET_CLEAN struct rangeset seqs = RANGESET_NONE;
	uint64_t count;

	message_set_ranges(v, uids, &seqs);
	count = rangeset_count(&seqs);
	if (count <= limit)
		return false;
	if (!view_uid(v, (struct seqnum){ nth(&seqs, count - limit) }, lowest_out))
		*lowest_out = (struct uid){ 0 };
	return true;
}

struct uid
message_limit_cut(const struct session *s, struct rangeset *uids)
{
	const uint32_t limit = session_message_limit(s);
	struct uid lowest = { 0 };

	if (limit > 0 && message_limit_is_over(s->view, uids, limit, &lowest))
		drop_below(uids, lowest);
	return lowest;
}

struct uid
message_limit_cut_listed(const struct session *s, struct rangeset *uids)
{
	const uint64_t limit = session_message_limit(s), count = rangeset_count(uids);
	struct uid lowest = { 0 };

	if (limit > 0 && count > limit) {
		lowest.v = nth(uids, count - limit);
		drop_below(uids, lowest);
	}
	return lowest;
}

void
message_limit_tell(const struct session *s, struct command *c, struct uid lowest)
{
	if (lowest.v == 0)
		return;
	c->limited_to = session_message_limit(s);
	c->limited_uid = lowest.v;
}

enum err
message_limit_refuse(struct command *c, uint32_t limit, struct uid lowest)
{
	c->code = lowest.v == 0 ? arena_printf(c->arena, "MESSAGELIMIT %u", limit)
				: arena_printf(c->arena, "MESSAGELIMIT %u %u", limit, lowest.v);
	c->text = STR("These are too many messages at once.");
	return ERR_LIMIT;
}

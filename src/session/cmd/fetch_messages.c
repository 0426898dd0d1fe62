/* fetch_messages.c - see fetch_messages.h. */
#include "session/cmd/fetch_messages.h"

#include "session/cmd/esearch_reply.h"
#include "session/cmd/message_limit.h"
#include "session/cmd/message_set.h"

/* A part that is larger than the limit is refused as a whole (RFC 9738 3.1). */
static enum err
check_part(struct session *s, struct command *c, const struct fetch_messages *m)
{
	const uint32_t limit = session_message_limit(s);
	struct uid lowest;

	if (limit == 0 || !message_limit_is_over(s->view, &m->uids, limit, &lowest))
		return ERR_OK;
	return message_limit_refuse(c, limit, (struct uid){ 0 });
}

enum err
fetch_messages_take_part(struct session *s, struct command *c, struct fetch_messages *m,
    const struct imap_partial *range)
{
	RANGESET_CLEAN struct rangeset seqs = RANGESET_NONE, set = RANGESET_NONE;
	struct numbers all = numbers_of_set(&seqs), part;

	message_set_ranges(s->view, &m->uids, &seqs);
	part = numbers_part(&all, range, &set);
	rangeset_clear(&m->uids);
	for (size_t i = 0; i < part.set->n; i++) {
		struct uid first, last;

		if (view_uid(s->view, (struct seqnum){ part.set->r[i].first }, &first)
		    && view_uid(s->view, (struct seqnum){ part.set->r[i].last }, &last))
			rangeset_add(&m->uids, first.v, last.v);
	}
	return check_part(s, c, m);
}

enum err
fetch_messages_limit(struct session *s, struct fetch_messages *m)
{
	const uint32_t limit = session_message_limit(s);
	struct entry e;
	struct uid lowest;

	if (limit == 0 || !message_limit_is_over(s->view, &m->uids, limit, &lowest))
		return ERR_OK;
	if (!m->has_since) {
		m->lowest = message_limit_cut(s, &m->uids);
		return ERR_OK;
	}
	/* Those count that have changed, for the others are not looked at. */
	for (unsigned n = 1;
	     message_set_next_changed(s->view, &m->uids, m->count_at, m->since, &e, NULL); n++) {
		rangeset_add_one(&m->counted, e.uid.v);
		if (e.uid.v == UINT32_MAX)
			break;
		m->count_at = e.uid.v + 1;
		if (n % 256 == 0 && session_should_yield(s))
			return session_yield(s);
	}
	m->lowest = message_limit_cut_listed(s, &m->counted);
	if (m->lowest.v != 0)
		rangeset_copy(&m->uids, &m->counted);
	return ERR_OK;
}

void
fetch_messages_done(struct fetch_messages *m)
{
	rangeset_done(&m->uids);
	rangeset_done(&m->counted);
}

bool
fetch_messages_next(const struct session *s, const struct fetch_messages *m, uint32_t from,
    struct entry *out, struct seqnum *seq_out)
{
	if (from == 0)
		return false;
	if (m->lowest.v != 0)
		return message_set_previous(s->view, &m->uids, from, out, seq_out);
	if (m->has_since)
		return message_set_next_changed(s->view, &m->uids, from, m->since, out, seq_out);
	return message_set_next(s->view, &m->uids, from, out, seq_out);
}

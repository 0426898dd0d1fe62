/* status_reply.c - see status_reply.h. All numbers are kept by commits: nothing is counted here. */
#include "session/cmd/status_reply.h"

/* What \Recent would be: exact but for messages expunged before any session was told of them. */
static uint32_t
recent_count(const struct mailbox_info *m)
{
	return MIN(m->uidnext - MIN(m->recent_from, m->uidnext), m->exists);
}

/*
 * Of the selected mailbox nothing may be told that is at or above a change which was held back
 * (DESIGN: ghosts).
 */
static uint64_t
highestmodseq(const struct session *s, const struct mailbox_info *m, const struct account *in,
    struct account_id reader)
{
	uint64_t modseq = mailbox_highestmodseq(m, reader);

	if (s->view != NULL && view_account(s->view) == in
	    && view_mailbox(s->view)->id.v == m->id.v)
		return MIN(modseq, view_highestmodseq(s->view));
	return modseq;
}

static void
add_value(struct session *s, struct buf *b, const struct mailbox_info *m, const struct account *in,
    unsigned item)
{
	const struct account_id own = { 0 };
	const bool is_own = in == s->account;
	const struct account_id reader = is_own ? own : account_id(s->account);
	struct arena scratch = ARENA_NONE;

	switch ((enum imap_status_att)item) {
	case STATUS_MESSAGES:
		buf_u64(b, m->exists);
		break;
	case STATUS_RECENT:
		buf_u64(b, recent_count(m));
		break;
	case STATUS_UIDNEXT:
		buf_u64(b, m->uidnext);
		break;
	case STATUS_UIDVALIDITY:
		buf_u64(b, m->uidvalidity);
		break;
	case STATUS_UNSEEN:
		buf_u64(b, mailbox_unseen(m, reader));
		break;
	case STATUS_DELETED:
		buf_u64(b, m->deleted);
		break;
	case STATUS_SIZE:
		buf_u64(b, m->size_bytes);
		break;
	case STATUS_DELETED_STORAGE:
		buf_u64(b, m->deleted_bytes);
		break;
	case STATUS_HIGHESTMODSEQ:
		buf_u64(b, highestmodseq(s, m, in, reader));
		break;
	case STATUS_APPENDLIMIT:
		buf_u64(b, session_append_limit(s));
		break;
	case STATUS_MAILBOXID:
		buf_chr(b, '(');
		buf_str_add(b, mailbox_objectid(&scratch, m, is_own ? own : account_id(in)));
		buf_chr(b, ')');
		break;
	}
	arena_done(&scratch);
}

void
status_reply(struct session *s, struct str name, const struct mailbox_info *m,
    const struct account *in, unsigned items)
{
	struct buf *b = session_out(s);
	bool is_first;

	reply_untagged(b);
	buf_lit(b, "STATUS ");
	reply_mailbox(b, name, session_form(s));
	buf_chr(b, ' ');
	reply_list_open(b, &is_first);
	for (unsigned item = 1; item != 0 && item <= items; item <<= 1) {
		if ((items & item) == 0)
			continue;
		reply_item(b, &is_first);
		buf_str_add(b, imap_status_name(item));
		buf_chr(b, ' ');
		add_value(s, b, m, in, item);
	}
	reply_list_close(b);
	reply_end(b);
}

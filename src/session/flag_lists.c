/* flag_lists.c - see flag_lists.h. */
#include "session/flag_lists.h"

static void
add_names(struct buf *b, bool *is_first, const struct mailbox_info *m)
{
	imap_flags_format_system(FLAGS_STORABLE, is_first, b);
	for (uint32_t i = 0; i < m->keyword_count; i++) {
		if (m->keywords[i].n == 0)
			continue;
		reply_item(b, is_first);
		reply_atom(b, m->keywords[i]);
	}
}

void
flag_lists_reply(struct session *s)
{
	const struct mailbox_info *m = view_mailbox(s->view);
	struct buf *b = session_out(s);
	bool is_first;

	buf_lit(b, "* FLAGS ");
	reply_list_open(b, &is_first);
	add_names(b, &is_first, m);
	reply_list_close(b);
	reply_end(b);

	buf_lit(b, "* OK [PERMANENTFLAGS ");
	reply_list_open(b, &is_first);
	if (!view_is_read_only(s->view)) {
		add_names(b, &is_first, m);
		/* New keywords can be made as long as a slot is free. */
		if (m->keyword_count < KEYWORDS_MAX) {
			reply_item(b, &is_first);
			buf_lit(b, "\\*");
		}
	}
	reply_list_close(b);
	buf_lit(b, "] Flags that can be changed.");
	reply_end(b);
}

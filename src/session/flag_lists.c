/* flag_lists.c - see flag_lists.h. */
#include "session/flag_lists.h"

static void
add_names(struct buf *b, bool *is_first, const struct mailbox_info *m, unsigned system,
    bool with_keywords)
{
	imap_flags_format_system(system, is_first, b);
	for (uint32_t i = 0; with_keywords && i < m->keyword_count; i++) {
		if (m->keywords[i].n == 0)
			continue;
		reply_item(b, is_first);
		reply_atom(b, m->keywords[i]);
	}
}

unsigned
changeable_flags(unsigned rights)
{
	unsigned flags = 0;

	if ((rights & RIGHT_S) != 0)
		flags |= FLAG_SEEN;
	if ((rights & RIGHT_T) != 0)
		flags |= FLAG_DELETED;
	if ((rights & RIGHT_W) != 0)
		flags |= FLAGS_STORABLE & ~(unsigned)(FLAG_SEEN | FLAG_DELETED);
	return flags;
}

void
flag_lists_reply(struct session *s)
{
	const struct mailbox_info *m = view_mailbox(s->view);
	struct buf *b = session_out(s);
	bool is_first;

	buf_lit(b, "* FLAGS ");
	reply_list_open(b, &is_first);
	add_names(b, &is_first, m, FLAGS_STORABLE, true);
	reply_list_close(b);
	reply_end(b);

	buf_lit(b, "* OK [PERMANENTFLAGS ");
	reply_list_open(b, &is_first);
	if (!view_is_read_only(s->view)) {
		bool may_write = (s->rights & RIGHT_W) != 0;

		add_names(b, &is_first, m, changeable_flags(s->rights), may_write);
		/* New keywords can be made as long as a slot is free. */
		if (may_write && m->keyword_count < KEYWORDS_MAX) {
			reply_item(b, &is_first);
			buf_lit(b, "\\*");
		}
	}
	reply_list_close(b);
	buf_lit(b, "] ");
	buf_str_add(b, language_text(s->language, STR("Flags that can be changed.")));
	reply_end(b);
}

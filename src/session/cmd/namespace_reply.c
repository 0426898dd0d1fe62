/* namespace_reply.c - see namespace_reply.h. The personal namespace has an empty prefix. */
#include "session/cmd/namespace_reply.h"

#include "imap/utf7.h"
#include "session/target.h"

static void
add_translation(struct session *s, struct str name)
{
	struct str translated = language_text(s->language, name);
	BUF_CLEAN struct buf prefix = BUF_MAX(8 * MAILBOX_NAME_MAX);
	struct buf *b = session_out(s);

	/* Names of the administrator's own have none. */
	if (str_eq(translated, name))
		return;
	imap_utf7_encode(translated, &prefix);
	buf_chr(&prefix, MAILBOX_SEPARATOR);
	buf_lit(b, " \"TRANSLATION\" (");
	reply_string(b, buf_str(&prefix), REPLY_ASCII);
	buf_chr(b, ')');
}

static void
add_space(struct session *s, enum target_space space)
{
	struct str name = target_space_name(s, space);
	BUF_CLEAN struct buf prefix = BUF_MAX(8 * MAILBOX_NAME_MAX);
	struct buf *b = session_out(s);

	if (name.n == 0) {
		buf_lit(b, " NIL");
		return;
	}
	if (session_form(s) == REPLY_UTF8)
		buf_str_add(&prefix, name);
	else
		imap_utf7_encode(name, &prefix);
	buf_chr(&prefix, MAILBOX_SEPARATOR);
	buf_lit(b, " ((");
	reply_string(b, buf_str(&prefix), session_form(s));
	buf_lit(b, " \"/\"");
	add_translation(s, name);
	buf_lit(b, "))");
}

void
namespace_reply(struct session *s)
{
	buf_lit(session_out(s), "* NAMESPACE ((\"\" \"/\"))");
	add_space(s, SPACE_OTHER);
	add_space(s, SPACE_SHARED);
	reply_end(session_out(s));
}

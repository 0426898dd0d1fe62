/* msgid.c - see msgid.h. */
#include "mime/msgid.h"

#include "mime/lex_int.h"

/* msg-id = "<" id-left "@" id-right ">": git's "<yes>" would tie half of a mailbox together. */
static bool
is_msgid(struct str id)
{
	size_t at = str_rchr(id, '@');

	return at != SIZE_MAX && at > 0 && at + 1 < id.n;
}

static bool
is_plain(char c)
{
	return c != '>' && c != '<' && c != '"' && !chr_is_wsp(c);
}

/* What is plain from here on; there is some. */
static void
run_add(struct mime_lex *l, struct buf *id)
{
	const char *run = l->p;

	while (!mime_lex_is_end(l) && is_plain(*l->p))
		l->p++;
	buf_add(id, run, (size_t)(l->p - run));
}

bool
mime_msgid_next(struct str *rest, struct buf *id)
{
	struct mime_lex l = mime_lex(*rest);
	bool is_found = false;

	while (!is_found && !mime_lex_is_end(&l)) {
		if (*l.p == '(') {
			mime_lex_comment(&l, NULL);
			continue;
		}
		if (*l.p == '"') {
			struct buf none = BUF_MAX(0);

			/* Old In-Reply-To fields have words in them. */
			mime_lex_quoted(&l, &none);
			continue;
		}
		if (*l.p++ != '<')
			continue;
		buf_clear(id);
		while (!mime_lex_is_end(&l) && *l.p != '>' && *l.p != '<') {
			if (chr_is_wsp(*l.p))
				l.p++;
			else if (*l.p == '"')
				mime_lex_quoted(&l, id);
			else
				run_add(&l, id);
		}
		is_found = is_msgid(buf_str(id));
	}
	*rest = str_make(l.p, (size_t)(l.end - l.p));
	return is_found;
}

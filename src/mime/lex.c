/* lex.c - see lex_int.h. */
#include "mime/lex_int.h"

#define W CHR_WSP
#define A CHR_ATOM
#define B (CHR_TOKEN | CHR_ATOM)

/* clang-format off */
const unsigned char mime_chr_kinds[256] = {
	A, A, A, A, A, A, A, A, A, W, W, A, A, W, A, A,
	A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
	W, B, 0, B, B, B, B, B, 0, 0, B, B, 0, B, B, A,
	B, B, B, B, B, B, B, B, B, B, 0, 0, 0, A, 0, A,
	0, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	B, B, B, B, B, B, B, B, B, B, B, A, A, A, B, B,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, A,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
	B, B, B, B, B, B, B, B, B, B, B, B, B, B, B, B,
};
/* clang-format on */

#undef W
#undef A
#undef B

void
mime_lex_comment(struct mime_lex *l, struct buf *out)
{
	size_t depth = 0;

	for (; l->p != l->end; l->p++) {
		char c = *l->p;

		if (c == '(') {
			if (depth++ == 0)
				continue;
		} else if (c == ')') {
			if (--depth == 0) {
				l->p++;
				return;
			}
		} else if (c == '\\' && l->p + 1 != l->end) {
			c = *++l->p;
		}
		if (out != NULL && c != '\r' && c != '\n')
			buf_chr(out, c);
	}
}

bool
mime_lex_skip(struct mime_lex *l)
{
	const char *begin = l->p;

	while (l->p != l->end) {
		if (chr_is_wsp(*l->p))
			l->p++;
		else if (*l->p == '(')
			mime_lex_comment(l, NULL);
		else
			break;
	}
	return l->p != begin;
}

void
mime_lex_quoted(struct mime_lex *l, struct buf *out)
{
	for (l->p++; l->p != l->end; l->p++) {
		char c = *l->p;

		if (c == '"') {
			l->p++;
			return;
		}
		if (c == '\\' && l->p + 1 != l->end)
			c = *++l->p;
		if (c != '\r' && c != '\n')
			buf_chr(out, c);
	}
}

bool
mime_lex_token(struct mime_lex *l, struct str *token_out)
{
	const char *begin = l->p;

	while (l->p != l->end && chr_is(*l->p, CHR_TOKEN))
		l->p++;
	if (l->p == begin)
		return false;
	*token_out = str_make(begin, (size_t)(l->p - begin));
	return true;
}

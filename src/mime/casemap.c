/* casemap.c - see casemap.h. ASCII, which is most text, is mapped here; ICU knows the rest. */
#include "mime/casemap.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

static void
utf8_add(UChar32 c, struct buf *out)
{
	char b[U8_MAX_LENGTH];
	size_t n = 0;

	U8_APPEND_UNSAFE(b, n, c);
	buf_add(out, b, n);
}

/* RFC 5051 2: (a) title case, (b) decomposed as far as it goes, compatibility forms too. */
static void
char_map(const UNormalizer2 *nfkd, UChar32 c, struct buf *out)
{
	UChar u[64];
	UErrorCode e = U_ZERO_ERROR;
	int32_t n;

	c = u_totitle(c);
	n = nfkd != NULL ? unorm2_getDecomposition(nfkd, c, u, (int32_t)ARRAY_LEN(u), &e) : -1;
	if (n < 0 || U_FAILURE(e) || n > (int32_t)ARRAY_LEN(u)) {
		utf8_add(c, out);
		return;
	}
	for (int32_t i = 0; i < n;) {
		U16_NEXT(u, i, n, c);
		utf8_add(c, out);
	}
}

void
mime_casemap(struct str s, struct buf *out)
{
	UErrorCode e = U_ZERO_ERROR;
	const UNormalizer2 *nfkd = NULL;
	size_t i = 0;

	while (i < s.n) {
		struct str rest = str_sub(s, i, s.n);
		char *to = buf_reserve(out, rest.n);
		UChar32 c;

		if (to != NULL) {
			size_t n = str_ascii_upper(to, rest);

			out->n += n;
			i += n;
		} else {
			i += str_ascii_length(rest);
		}
		if (i == s.n)
			break;
		if (nfkd == NULL)
			nfkd = unorm2_getNFKDInstance(&e);
		U8_NEXT((const uint8_t *)s.p, i, s.n, c);
		char_map(nfkd, c < 0 ? 0xFFFD : c, out);
	}
}

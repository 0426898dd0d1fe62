/* name.c - see name.h. */
#include "auth/name.h"

#include "base/buf.h"

#include <gsasl.h>
#include <sodium.h>

static bool
saslprep(struct arena *a, struct str in, Gsasl_saslprep_flags flags, struct str *out)
{
	char *prepared = NULL;
	bool ok;

	if (in.n > 0 && memchr(in.p, '\0', in.n) != NULL)
		return false;
	if (str_is_ascii(in)) {
		/* Only control characters are forbidden among ASCII, and nothing is mapped. */
		for (size_t i = 0; i < in.n; i++)
			if ((unsigned char)in.p[i] < 0x20 || in.p[i] == 0x7F)
				return false;
		*out = arena_str(a, in);
		return true;
	}
	ok = gsasl_saslprep(arena_cstr(a, in), flags, &prepared, NULL) == GSASL_OK
	    && prepared != NULL;
	if (ok)
		*out = arena_str(a, str_c(prepared));
	if (prepared != NULL)
		sodium_memzero(prepared, strlen(prepared)); /* it may be a password */
	gsasl_free(prepared);
	return ok;
}

enum err
name_normalise(struct arena *a, struct str in, struct str *out)
{
	struct str s;
	char *p;

	if (in.n == 0 || in.n > NAME_MAX_BYTES || !str_is_utf8(in) || !saslprep(a, in, 0, &s))
		return ERR_SYNTAX;
	if (s.n == 0 || s.n > NAME_MAX_BYTES || s.p[0] == '.' || s.p[0] == '-')
		return ERR_SYNTAX;
	p = arena_cstr(a, s);
	for (size_t i = 0; i < s.n; i++) {
		if (strchr(" /*%\"\\", p[i]) != NULL)
			return ERR_SYNTAX;
		p[i] = chr_lower(p[i]);
	}
	*out = str_make(p, s.n);
	return ERR_OK;
}

struct str
password_prepare(struct arena *a, struct str in)
{
	struct str out;

	return str_is_utf8(in) && saslprep(a, in, GSASL_ALLOW_UNASSIGNED, &out) ? out : in;
}

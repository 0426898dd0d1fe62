/*
 * command.c - see command.h. A cursor over the line; each function takes what its name says, or
 * nothing and says false.
 */
#include "lmtp/command.h"

#include "io/http.h"

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7F;
}

static bool
take_chr(struct str *rest, char c)
{
	if (rest->n == 0 || rest->p[0] != c)
		return false;
	*rest = str_sub(*rest, 1, rest->n);
	return true;
}

static void
skip_spaces(struct str *rest)
{
	while (take_chr(rest, ' '))
		;
}

/* Up to the next space or the end. */
static struct str
take_word(struct str *rest)
{
	size_t n = MIN(str_chr(*rest, ' '), rest->n);
	struct str word = str_sub(*rest, 0, n);

	*rest = str_sub(*rest, n, rest->n);
	return word;
}

static bool
is_atext(char c)
{
	return chr_is_alpha(c) || chr_is_digit(c) || (unsigned char)c >= 0x80
	    || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Dot-string, tolerating what real addresses have: dots at the ends and in a row. */
static bool
take_dot_string(struct str *rest, char *out, size_t *n)
{
	size_t i = 0;

	while (i < rest->n && (is_atext(rest->p[i]) || rest->p[i] == '.'))
		out[(*n)++] = rest->p[i++];
	*rest = str_sub(*rest, i, rest->n);
	return i != 0;
}

/* Quoted-string (RFC 5321 4.1.2), unquoted. */
static bool
take_quoted(struct str *rest, char *out, size_t *n)
{
	struct str r = *rest;

	if (!take_chr(&r, '"'))
		return false;
	for (;;) {
		if (r.n == 0)
			return false;
		if (take_chr(&r, '"'))
			break;
		if (r.p[0] == '\\')
			r = str_sub(r, 1, r.n);
		if (r.n == 0)
			return false;
		out[(*n)++] = r.p[0];
		r = str_sub(r, 1, r.n);
	}
	*rest = r;
	return true;
}

/* A domain or an address literal, up to what can't be in one. */
static bool
take_domain(struct str *rest, char *out, size_t *n)
{
	bool is_literal = rest->n != 0 && rest->p[0] == '[';
	size_t i = 0;

	while (i < rest->n) {
		char c = rest->p[i];

		if (!(chr_is_alpha(c) || chr_is_digit(c) || (unsigned char)c >= 0x80 || c == '.'
			|| c == '-' || c == '_'
			|| (is_literal && (c == '[' || c == ':' || c == ']'))))
			break;
		out[(*n)++] = c;
		i++;
		if (is_literal && c == ']')
			break;
	}
	if (i == 0 || (is_literal && rest->p[i - 1] != ']'))
		return false;
	*rest = str_sub(*rest, i, rest->n);
	return true;
}

/* "@a,@b:" before the mailbox: accepted and ignored (RFC 5321 4.1.1.3, appendix C). */
static void
skip_source_route(struct str *inside)
{
	size_t colon;

	if (inside->n == 0 || inside->p[0] != '@')
		return;
	colon = str_chr(*inside, ':');
	if (colon != SIZE_MAX)
		*inside = str_sub(*inside, colon + 1, inside->n);
}

/* Where the path ends: the '>' that is not in a quoted string. SIZE_MAX: nowhere. */
static size_t
path_end(struct str s)
{
	bool is_quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if (is_quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			is_quoted = !is_quoted;
		else if (s.p[i] == '>' && !is_quoted)
			return i;
	}
	return SIZE_MAX;
}

static bool
take_path(struct arena *a, struct str *rest, bool may_be_null, struct lmtp_path *out)
{
	struct str inside;
	size_t end, n = 0;
	char *to;

	if (!take_chr(rest, '<'))
		return false;
	end = path_end(*rest);
	if (end == SIZE_MAX || end > LMTP_PATH_MAX)
		return false;
	inside = str_sub(*rest, 0, end);
	*rest = str_sub(*rest, end + 1, rest->n);
	*out = (struct lmtp_path){ 0 };
	skip_source_route(&inside);
	out->text = inside;
	if (inside.n == 0)
		return may_be_null;
	out->is_utf8 = !str_is_ascii(inside);
	if (out->is_utf8 && !str_is_utf8(inside))
		return false;
	to = arena_alloc(a, inside.n);
	if (inside.p[0] == '"' ? !take_quoted(&inside, to, &n) : !take_dot_string(&inside, to, &n))
		return false;
	out->local_bytes = n;
	if (inside.n != 0) {
		if (!take_chr(&inside, '@'))
			return false;
		to[n++] = '@';
		if (!take_domain(&inside, to, &n) || inside.n != 0)
			return false;
	}
	out->address = str_make(to, n);
	return true;
}

/* The next " keyword[=value]"; false at the end. */
static bool
take_param(struct str *rest, struct str *name, struct str *value)
{
	struct str word;
	size_t eq;

	skip_spaces(rest);
	if (rest->n == 0)
		return false;
	word = take_word(rest);
	eq = str_chr(word, '=');
	*name = str_sub(word, 0, MIN(eq, word.n));
	*value = eq == SIZE_MAX ? STR_NONE : str_sub(word, eq + 1, word.n);
	return true;
}

static enum err
mail_param(struct lmtp_command *c, struct str name, struct str value)
{
	if (str_eq_nocase(name, STR("SIZE"))) {
		if (!str_to_u64(value, &c->size))
			return ERR_SYNTAX;
		c->has_size = true;
	} else if (str_eq_nocase(name, STR("BODY"))) {
		if (str_eq_nocase(value, STR("7BIT")))
			c->body = LMTP_BODY_7BIT;
		else if (str_eq_nocase(value, STR("8BITMIME")))
			c->body = LMTP_BODY_8BITMIME;
		else if (str_eq_nocase(value, STR("BINARYMIME")))
			c->body = LMTP_BODY_BINARYMIME;
		else
			return ERR_SYNTAX;
	} else if (str_eq_nocase(name, STR("SMTPUTF8"))) {
		if (value.p != NULL)
			return ERR_SYNTAX;
		c->is_smtputf8 = true;
	} else {
		return ERR_UNKNOWN;
	}
	return ERR_OK;
}

/* "FROM:<path> params" and "TO:<path> params". */
static enum err
parse_envelope(struct arena *a, struct str rest, struct str word, struct lmtp_command *out)
{
	struct str name, value;

	if (!str_starts_nocase(rest, word))
		return ERR_SYNTAX;
	rest = str_sub(rest, word.n, rest.n);
	skip_spaces(&rest);
	if (!take_path(a, &rest, out->verb == LMTP_MAIL, &out->path)
	    || (rest.n != 0 && rest.p[0] != ' '))
		return ERR_SYNTAX;
	while (take_param(&rest, &name, &value)) {
		enum err e = out->verb == LMTP_MAIL ? mail_param(out, name, value) : ERR_UNKNOWN;

		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err
parse_bdat(struct str rest, struct lmtp_command *out)
{
	if (!str_to_u64(take_word(&rest), &out->size))
		return ERR_SYNTAX;
	skip_spaces(&rest);
	out->is_last = str_eq_nocase(rest, STR("LAST"));
	return rest.n == 0 || out->is_last ? ERR_OK : ERR_SYNTAX;
}

static int
hex_digit(char c)
{
	if (chr_is_digit(c))
		return c - '0';
	c = chr_upper(c);
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* xtext (RFC 3461 4): "+3D" is '='. False when it is none or hides a control character. */
static bool
xtext_decode(struct arena *a, struct str s, struct str *out)
{
	char *to = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '+') {
			int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1,
			    low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (is_control(c))
			return false;
		to[n++] = c;
	}
	*out = str_make(to, n);
	if (str_eq_nocase(*out, STR("[UNAVAILABLE]")) || str_eq_nocase(*out, STR("[TEMPUNAVAIL]")))
		*out = STR_NONE;
	return true;
}

static enum err
parse_xclient(struct arena *a, struct str rest, struct lmtp_command *out)
{
	struct lmtp_xclient *x = &out->xclient;

	const struct {
		struct str name;
		struct str *to;
	} known[] = {
		{ STR("NAME"), &x->name },
		{ STR("ADDR"), &x->addr },
		{ STR("PORT"), &x->port },
		{ STR("PROTO"), &x->proto },
		{ STR("HELO"), &x->helo },
		{ STR("LOGIN"), &x->login },
		{ STR("DESTADDR"), NULL },
		{ STR("DESTPORT"), NULL },
	};
	struct str name, value, text;

	if (rest.n == 0)
		return ERR_SYNTAX;
	while (take_param(&rest, &name, &value)) {
		bool is_known = false;

		if (value.p == NULL || value.n > LMTP_NAME_MAX || !xtext_decode(a, value, &text))
			return ERR_SYNTAX;
		for (size_t i = 0; i < ARRAY_LEN(known); i++) {
			if (!str_eq_nocase(name, known[i].name))
				continue;
			is_known = true;
			if (known[i].to != NULL)
				*known[i].to = text;
		}
		if (!is_known)
			return ERR_UNKNOWN;
	}
	return ERR_OK;
}

static enum lmtp_verb
verb_find(struct str word)
{
	static const struct {
		struct str name;
		enum lmtp_verb verb;
	} verbs[] = {
		{ STR_INIT("LHLO"), LMTP_LHLO },
		{ STR_INIT("MAIL"), LMTP_MAIL },
		{ STR_INIT("RCPT"), LMTP_RCPT },
		{ STR_INIT("DATA"), LMTP_DATA },
		{ STR_INIT("BDAT"), LMTP_BDAT },
		{ STR_INIT("RSET"), LMTP_RSET },
		{ STR_INIT("NOOP"), LMTP_NOOP },
		{ STR_INIT("QUIT"), LMTP_QUIT },
		{ STR_INIT("VRFY"), LMTP_VRFY },
		{ STR_INIT("HELP"), LMTP_HELP },
		{ STR_INIT("STARTTLS"), LMTP_STARTTLS },
		{ STR_INIT("XCLIENT"), LMTP_XCLIENT },
		{ STR_INIT("HELO"), LMTP_HELO },
		{ STR_INIT("EHLO"), LMTP_HELO },
	};

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (str_eq_nocase(word, verbs[i].name))
			return verbs[i].verb;
	}
	return http_is_method(word) ? LMTP_HTTP : LMTP_UNKNOWN;
}

enum err
lmtp_command_parse(struct arena *a, struct str line, struct lmtp_command *out)
{
	struct str rest = line;

	*out = (struct lmtp_command){ .verb = LMTP_UNKNOWN };
	while (rest.n != 0 && rest.p[rest.n - 1] == ' ')
		rest.n--;
	out->verb = verb_find(take_word(&rest));
	for (size_t i = 0; i < line.n; i++) {
		if (is_control(line.p[i]))
			return ERR_SYNTAX;
	}
	skip_spaces(&rest);
	out->argument = rest;
	switch (out->verb) {
	case LMTP_LHLO:
		return rest.n != 0 && rest.n <= LMTP_NAME_MAX && str_is_utf8(rest) ? ERR_OK
										   : ERR_SYNTAX;
	case LMTP_MAIL:
		return parse_envelope(a, rest, STR("FROM:"), out);
	case LMTP_RCPT:
		return parse_envelope(a, rest, STR("TO:"), out);
	case LMTP_BDAT:
		return parse_bdat(rest, out);
	case LMTP_XCLIENT:
		return parse_xclient(a, rest, out);
	case LMTP_DATA:
	case LMTP_RSET:
	case LMTP_QUIT:
	case LMTP_STARTTLS:
		return rest.n == 0 ? ERR_OK : ERR_SYNTAX;
	case LMTP_NOOP:
	case LMTP_VRFY:
	case LMTP_HELP:
	case LMTP_HELO:
	case LMTP_HTTP:
	case LMTP_UNKNOWN:
		break;
	}
	return ERR_OK;
}

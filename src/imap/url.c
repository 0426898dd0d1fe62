/*
 * url.c - see url.h. The path is cut at its ";NAME=" parameters before anything is decoded, so that
 * an encoded ";" or "/" is text.
 */
#include "imap/url.h"

#include "imap/date.h"
#include "imap/utf7.h"

enum { URLAUTH_TOKEN_MIN = 32 }; /* digits */

/* ---- characters ---- */

static int
hex_value(char c)
{
	if (chr_is_digit(c))
		return c - '0';
	c = chr_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* bchar of RFC 5092 11, without pct-encoded. */
static bool
is_plain(char c)
{
	return chr_is_alpha(c) || chr_is_digit(c)
	    || (c != '\0' && strchr("-._~!$'()*+,&=:@/", c) != NULL);
}

static bool
percent_decode(struct arena *a, struct str in, struct str *out)
{
	char *to = arena_alloc(a, in.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		int high, low;

		if (in.p[i] != '%') {
			if (!is_plain(in.p[i]))
				return false;
			to[n++] = in.p[i];
			continue;
		}
		if (in.n - i < 3)
			return false;
		high = hex_value(in.p[i + 1]);
		low = hex_value(in.p[i + 2]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return false;
		to[n++] = (char)(high * 16 + low);
		i += 2;
	}
	*out = str_make(to, n);
	return str_is_utf8(*out);
}

void
imap_url_quote(struct str text, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c > ' ' && c < 0x7F && strchr("\"\\[]{}", c) == NULL) {
			buf_chr(out, (char)c);
			continue;
		}
		buf_chr(out, '%');
		buf_chr(out, digits[c >> 4]);
		buf_chr(out, digits[c & 15]);
	}
}

/* ---- the server ---- */

/* iserver: [user[;AUTH=mechanism]@]host[:port] */
static bool
take_server(struct arena *a, struct str in, struct imap_url *url)
{
	size_t at = str_rchr(in, '@'), colon, semicolon;
	struct str host = in;

	if (at != SIZE_MAX) {
		struct str info = str_sub(in, 0, at), mechanism;

		host = str_sub(in, at + 1, in.n);
		semicolon = str_chr(info, ';');
		if (semicolon != SIZE_MAX) {
			mechanism = str_sub(info, semicolon, info.n);
			/*
			 * The session is authenticated already: how it was to be is read, and means
			 * nothing.
			 */
			if (!str_starts_nocase(mechanism, STR(";AUTH=")) || mechanism.n == 6
			    || !percent_decode(a, str_sub(mechanism, 6, mechanism.n), &mechanism))
				return false;
			info = str_sub(info, 0, semicolon);
		}
		if ((info.n == 0 && semicolon == SIZE_MAX) || !percent_decode(a, info, &url->user))
			return false;
	}
	colon = str_rchr(host, ':');
	if (colon != SIZE_MAX) {
		if (!str_to_u32(str_sub(host, colon + 1, host.n), &url->port) || url->port == 0)
			return false;
		host = str_sub(host, 0, colon);
	}
	return host.n > 0 && percent_decode(a, host, &url->host);
}

/* ---- the path ---- */

/* RFC 3986 5.2.4. The path begins with "/". */
static struct str
remove_dots(struct arena *a, struct str path)
{
	char *to = arena_alloc(a, path.n + 1);
	size_t n = 0;

	for (size_t at = 0, end; at < path.n; at = end) {
		size_t length = str_chr(str_sub(path, at + 1, path.n), '/');
		struct str segment;
		bool goes_up;

		end = length == SIZE_MAX ? path.n : at + 1 + length;
		segment = str_sub(path, at + 1, end);
		goes_up = str_eq(segment, STR(".."));
		if (!goes_up && !str_eq(segment, STR("."))) {
			memcpy(to + n, path.p + at, end - at);
			n += end - at;
			continue;
		}
		while (goes_up && n > 0 && to[--n] != '/')
			;
		if (end == path.n)
			to[n++] = '/';
	}
	return str_make(to, n);
}

/*
 * Takes ";NAME=value" off the front, if it is there; the "/" before the next parameter goes with
 * it. False: it is there and something is wrong.
 */
static bool
take_parameter(struct str *rest, struct str name, struct str *value_out)
{
	struct str value;
	size_t next;

	*value_out = STR_NONE;
	if (!str_starts_nocase(*rest, name))
		return true;
	value = str_sub(*rest, name.n, rest->n);
	next = str_chr(value, ';');
	*rest = next == SIZE_MAX ? STR("") : str_sub(value, next, value.n);
	if (next != SIZE_MAX) {
		value = str_sub(value, 0, next);
		if (!str_ends(value, STR("/")))
			return false;
		value.n--;
	}
	*value_out = value;
	return value.n > 0;
}

static bool
take_section(struct arena *a, struct str value, struct imap_section *out)
{
	struct imap_scan s;
	struct str text;

	if (!percent_decode(a, value, &text))
		return false;
	imap_scan_init(&s, a, text, true);
	return imap_fetch_section(&s, out) && imap_scan_end(&s);
}

/* "offset" or "offset.length" */
static bool
take_partial(struct str value, struct imap_section *out)
{
	size_t dot = str_chr(value, '.');

	out->has_partial = true;
	out->length = UINT64_MAX;
	if (dot != SIZE_MAX
	    && (!str_to_u64(str_sub(value, dot + 1, value.n), &out->length) || out->length == 0))
		return false;
	return str_to_u64(str_sub(value, 0, dot), &out->offset);
}

/* ---- URLAUTH ---- */

static bool
is_word(struct str text, const char *others)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!chr_is_alpha(text.p[i]) && !chr_is_digit(text.p[i])
		    && (text.p[i] == '\0' || strchr(others, text.p[i]) == NULL))
			return false;
	}
	return text.n > 0;
}

/* ":mechanism:token" */
static bool
take_verifier(struct str text, struct imap_urlauth *out)
{
	size_t colon = str_chr(text, ':');

	if (colon == SIZE_MAX)
		return false;
	out->mechanism = str_sub(text, 0, colon);
	out->token = str_sub(text, colon + 1, text.n);
	for (size_t i = 0; i < out->token.n; i++) {
		if (hex_value(out->token.p[i]) < 0)
			return false;
	}
	return is_word(out->mechanism, "-.") && out->token.n >= URLAUTH_TOKEN_MIN;
}

/* "submit+fred", "anonymous" (RFC 5593 4). An enc-user has no ":", "@" or "/" but encoded ones. */
static bool
take_access(struct arena *a, struct str text, struct imap_urlauth *out)
{
	size_t plus = str_chr(text, '+');

	out->application = str_sub(text, 0, plus);
	out->has_user = plus != SIZE_MAX;
	if (!is_word(out->application, ""))
		return false;
	if (!out->has_user)
		return true;
	text = str_sub(text, plus + 1, text.n);
	return text.n > 0 && str_chr(text, '@') == SIZE_MAX && str_chr(text, '/') == SIZE_MAX
	    && percent_decode(a, text, &out->user);
}

/* Where a parameter begins, or SIZE_MAX. A ";" that is text is encoded. */
static size_t
find_parameter(struct str path, struct str name)
{
	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] == ';' && str_starts_nocase(str_sub(path, i, path.n), name))
			return i;
	}
	return SIZE_MAX;
}

/*
 * Cuts all of it off the end of the path, as long as nothing of it is decoded: the token is made of
 * what was written.
 */
static bool
take_urlauth(struct arena *a, struct str text, struct str *path, struct imap_urlauth *out)
{
	size_t expire = find_parameter(*path, STR(";EXPIRE=")),
	       at = find_parameter(*path, STR(";URLAUTH=")), colon;
	struct str access;

	if (at == SIZE_MAX)
		return expire == SIZE_MAX; /* it stands before URLAUTH only */
	access = str_sub(*path, at + 9, path->n);
	colon = str_chr(access, ':');
	out->rump = str_sub(text, 0, colon == SIZE_MAX ? text.n : text.n - (access.n - colon));
	if (expire != SIZE_MAX) {
		out->has_expire = true;
		if (expire > at
		    || !imap_timestamp_parse(str_sub(*path, expire + 8, at), &out->expire_s))
			return false;
		at = expire;
	}
	*path = str_sub(*path, 0, at);
	return take_access(a, str_sub(access, 0, colon), out)
	    && (colon == SIZE_MAX || take_verifier(str_sub(access, colon + 1, access.n), out));
}

/* ---- the message ---- */

/*
 * What stands before the parameters; the "/" before ";UID=" is no part of the name, before
 * ";UIDVALIDITY=" there is none.
 */
static bool
take_mailbox(struct arena *a, struct str *rest, struct imap_url *url)
{
	size_t end = str_chr(*rest, ';');
	struct str name;

	if (end == SIZE_MAX)
		return false;
	name = str_sub(*rest, 0, end);
	*rest = str_sub(*rest, end, rest->n);
	if (!str_starts_nocase(*rest, STR(";UIDVALIDITY="))) {
		if (!str_ends(name, STR("/")))
			return false;
		name.n--;
	}
	return name.n > 0 && name.p[0] != '/' && percent_decode(a, name, &name)
	    && imap_name_normalise(a, name, &url->mailbox) == ERR_OK;
}

/* Behind the first "/" of the path. */
static bool
take_path(struct arena *a, struct str rest, struct imap_url *url)
{
	struct str uidvalidity = STR_NONE, uid, section, partial;

	if (url->base != IMAP_URL_MAILBOX
	    && (!take_mailbox(a, &rest, url)
		|| !take_parameter(&rest, STR(";UIDVALIDITY="), &uidvalidity)))
		return false;
	if (!take_parameter(&rest, STR(";UID="), &uid)
	    || !take_parameter(&rest, STR(";SECTION="), &section)
	    || !take_parameter(&rest, STR(";PARTIAL="), &partial) || rest.n > 0)
		return false;
	if (!str_to_u32(uid, &url->uid) || url->uid == 0)
		return false;
	if (uidvalidity.n > 0
	    && (!str_to_u32(uidvalidity, &url->uidvalidity) || url->uidvalidity == 0))
		return false;
	if (section.n > 0 && !take_section(a, section, &url->section))
		return false;
	return partial.n == 0 || take_partial(partial, &url->section);
}

enum err
imap_url_parse(struct arena *a, struct str text, struct imap_url *out)
{
	struct imap_url url = { .base = IMAP_URL_SERVER };
	struct str path = text;

	if (text.n > IMAP_URL_MAX)
		return ERR_BADURL;
	url.has_scheme = str_starts_nocase(path, STR("imap:"));
	if (url.has_scheme)
		path = str_sub(path, 5, path.n);
	if (str_starts(path, STR("//"))) {
		size_t end;

		url.base = IMAP_URL_ABSOLUTE;
		path = str_sub(path, 2, path.n);
		end = MIN(str_chr(path, '/'), path.n);
		if (!take_server(a, str_sub(path, 0, end), &url))
			return ERR_BADURL;
		path = str_sub(path, end, path.n);
	} else if (url.has_scheme) {
		return ERR_BADURL; /* "imap:" without a server */
	} else if (str_starts_nocase(path, STR(";UID="))) {
		url.base = IMAP_URL_MAILBOX;
		path = arena_printf(a, "/%.*s", STR_F(path));
	}
	/* Other relative paths MUST NOT be accepted (RFC 5092 7.2). */
	if (!str_starts(path, STR("/")) || !take_urlauth(a, text, &path, &url.auth))
		return ERR_BADURL;
	path = remove_dots(a, path);
	if (!str_starts(path, STR("/")) || !take_path(a, str_sub(path, 1, path.n), &url))
		return ERR_BADURL;
	*out = url;
	return ERR_OK;
}

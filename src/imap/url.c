/* url.c - see url.h. The path is cut at its ";NAME=" parameters before anything is decoded, so that an encoded ";" or "/" is text. */
#include "imap/url.h"

#include "imap/utf7.h"

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
	return chr_is_alpha(c) || chr_is_digit(c) || (c != '\0' && strchr("-._~!$'()*+,&=:@/", c) != NULL);
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
			/* The session is authenticated already: how it was to be is read, and means nothing. */
			if (!str_starts_nocase(mechanism, STR(";AUTH=")) || mechanism.n == 6 ||
			    !percent_decode(a, str_sub(mechanism, 6, mechanism.n), &mechanism))
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
 * Takes ";NAME=value" off the front, if it is there; the "/" before the next parameter goes with it. False: it is there and
 * something is wrong.
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
	if (dot != SIZE_MAX && (!str_to_u64(str_sub(value, dot + 1, value.n), &out->length) || out->length == 0))
		return false;
	return str_to_u64(str_sub(value, 0, dot), &out->offset);
}

/* What stands before the parameters; the "/" before ";UID=" is no part of the name, before ";UIDVALIDITY=" there is none. */
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
	return name.n > 0 && name.p[0] != '/' && percent_decode(a, name, &name) &&
	    imap_name_normalise(a, name, &url->mailbox) == ERR_OK;
}

/* Behind the first "/" of the path. */
static bool
take_path(struct arena *a, struct str rest, struct imap_url *url)
{
	struct str uidvalidity = STR_NONE, uid, section, partial;

	if (url->base != IMAP_URL_MAILBOX &&
	    (!take_mailbox(a, &rest, url) || !take_parameter(&rest, STR(";UIDVALIDITY="), &uidvalidity)))
		return false;
	if (!take_parameter(&rest, STR(";UID="), &uid) || !take_parameter(&rest, STR(";SECTION="), &section) ||
	    !take_parameter(&rest, STR(";PARTIAL="), &partial) || rest.n > 0)
		return false;
	if (!str_to_u32(uid, &url->uid) || url->uid == 0)
		return false;
	if (uidvalidity.n > 0 && (!str_to_u32(uidvalidity, &url->uidvalidity) || url->uidvalidity == 0))
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
	if (str_starts_nocase(path, STR("imap:")))
		path = str_sub(path, 5, path.n);
	if (str_starts(path, STR("//"))) {
		size_t end;

		url.base = IMAP_URL_ABSOLUTE;
		path = str_sub(path, 2, path.n);
		end = MIN(str_chr(path, '/'), path.n);
		if (!take_server(a, str_sub(path, 0, end), &url))
			return ERR_BADURL;
		path = str_sub(path, end, path.n);
	} else if (path.n != text.n) {
		return ERR_BADURL;	/* "imap:" without a server */
	} else if (str_starts_nocase(path, STR(";UID="))) {
		url.base = IMAP_URL_MAILBOX;
		path = arena_printf(a, "/%.*s", STR_F(path));
	}
	/* Other relative paths MUST NOT be accepted (RFC 5092 7.2). */
	if (!str_starts(path, STR("/")))
		return ERR_BADURL;
	path = remove_dots(a, path);
	if (!str_starts(path, STR("/")) || !take_path(a, str_sub(path, 1, path.n), &url))
		return ERR_BADURL;
	*out = url;
	return ERR_OK;
}

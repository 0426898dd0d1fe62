/* urlauth.c - see urlauth.h. */
#include "imap/urlauth.h"

/* Room for one more element of an array in the arena, which doubles. */
static void *
grow(struct arena *a, void *array, size_t count, size_t *cap, size_t size)
{
	void *grown;

	if (count < *cap)
		return array;
	*cap = *cap == 0 ? 4 : 2 * *cap;
	grown = arena_alloc(a, *cap * size);
	if (count > 0)
		memcpy(grown, array, count * size);
	return grown;
}

enum err
imap_genurlauth_parse(struct imap_scan *s, struct imap_genurlauth *out)
{
	struct imap_genurlauth g = { 0 };
	size_t cap = 0;

	do {
		struct genurlauth_url u;

		if (!imap_scan_astring(s, &u.url) || !imap_scan_sp(s)
		    || !imap_scan_atom(s, &u.mechanism))
			return imap_scan_err(s);
		if (g.count == URLAUTH_URLS_MAX) {
			imap_scan_fail(s, ERR_LIMIT, "fewer URLs");
			return ERR_LIMIT;
		}
		g.urls = grow(s->arena, g.urls, g.count, &cap, sizeof(u));
		g.urls[g.count++] = u;
	} while (imap_scan_try_chr(s, ' '));
	if (!imap_scan_end(s))
		return imap_scan_err(s);
	*out = g;
	return ERR_OK;
}

/* url-fetch-param: each at most once, and not the content in two forms (RFC 5524 3.1). */
static bool
take_item(struct imap_scan *s, unsigned *items)
{
	const unsigned content = URLFETCH_BODY | URLFETCH_BINARY;
	unsigned item = 0;

	if (imap_scan_try_atom(s, STR("BODYPARTSTRUCTURE")))
		item = URLFETCH_BODYPARTSTRUCTURE;
	else if (imap_scan_try_atom(s, STR("BINARY")))
		item = URLFETCH_BINARY;
	else if (imap_scan_try_atom(s, STR("BODY")))
		item = URLFETCH_BODY;
	if (item == 0 || (*items & item) != 0
	    || ((item & content) != 0 && (*items & content) != 0)) {
		imap_scan_fail(s, ERR_SYNTAX, "BODYPARTSTRUCTURE once, and one of BODY and BINARY");
		return false;
	}
	*items |= item;
	return true;
}

/* url-fetch-arg: a URL, or one in parentheses with items. */
static bool
take_url(struct imap_scan *s, struct urlfetch_url *out)
{
	*out = (struct urlfetch_url){ 0 };
	if (!imap_scan_try_chr(s, '('))
		return imap_scan_astring(s, &out->url);
	if (!imap_scan_astring(s, &out->url))
		return false;
	while (imap_scan_try_chr(s, ' ')) {
		if (!take_item(s, &out->items))
			return false;
	}
	return imap_scan_chr(s, ')');
}

enum err
imap_urlfetch_parse(struct imap_scan *s, struct imap_urlfetch *out)
{
	struct imap_urlfetch f = { 0 };
	size_t cap = 0;

	do {
		struct urlfetch_url u;

		if (!take_url(s, &u))
			return imap_scan_err(s);
		if (f.count == URLAUTH_URLS_MAX) {
			imap_scan_fail(s, ERR_LIMIT, "fewer URLs");
			return ERR_LIMIT;
		}
		f.urls = grow(s->arena, f.urls, f.count, &cap, sizeof(u));
		f.urls[f.count++] = u;
	} while (imap_scan_try_chr(s, ' '));
	if (!imap_scan_end(s))
		return imap_scan_err(s);
	*out = f;
	return ERR_OK;
}

enum err
imap_resetkey_parse(struct imap_scan *s, struct imap_resetkey *out)
{
	struct imap_resetkey r = { .has_mailbox = !imap_scan_is_end(s) };

	if (r.has_mailbox && !imap_scan_mailbox(s, &r.mailbox))
		return imap_scan_err(s);
	while (r.has_mailbox && imap_scan_try_chr(s, ' ')) {
		if (r.count == URLAUTH_MECHANISMS_MAX) {
			imap_scan_fail(s, ERR_LIMIT, "fewer mechanisms");
			return ERR_LIMIT;
		}
		if (!imap_scan_atom(s, &r.mechanisms[r.count++]))
			return imap_scan_err(s);
	}
	if (!imap_scan_end(s))
		return imap_scan_err(s);
	*out = r;
	return ERR_OK;
}

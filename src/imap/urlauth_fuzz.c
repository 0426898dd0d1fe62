/*
 * urlauth_fuzz.c - arguments of URLAUTH's commands, and the URLs in them: what is taken keeps the
 * rules.
 */
#include "imap/url.h"
#include "imap/urlauth.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_url(struct arena *a, struct str text)
{
	struct imap_url url;

	if (imap_url_parse(a, text, &url) != ERR_OK || url.auth.application.p == NULL)
		return;
	must(url.auth.application.n > 0 && str_starts(text, url.auth.rump)
	    && url.auth.has_user == (url.auth.user.n > 0));
	must(url.auth.mechanism.p != NULL || url.auth.rump.n == text.n);
	if (url.auth.mechanism.p != NULL)
		must(url.auth.rump.n + url.auth.mechanism.n + url.auth.token.n + 2 == text.n
		    && url.auth.token.n >= 32);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned content = URLFETCH_BODY | URLFETCH_BINARY;
	struct arena a = ARENA_NONE;
	struct imap_genurlauth g;
	struct imap_resetkey r;
	struct imap_urlfetch f;
	struct imap_scan s;

	imap_scan_init(&s, &a, str_make(data, size), true);
	if (imap_urlfetch_parse(&s, &f) == ERR_OK) {
		must(f.count > 0 && f.count <= URLAUTH_URLS_MAX);
		for (size_t i = 0; i < f.count; i++) {
			must((f.urls[i].items & content) != content);
			check_url(&a, f.urls[i].url);
		}
	}
	imap_scan_init(&s, &a, str_make(data, size), false);
	if (imap_genurlauth_parse(&s, &g) == ERR_OK) {
		must(g.count > 0 && g.count <= URLAUTH_URLS_MAX);
		for (size_t i = 0; i < g.count; i++)
			check_url(&a, g.urls[i].url);
	}
	imap_scan_init(&s, &a, str_make(data, size), false);
	if (imap_resetkey_parse(&s, &r) == ERR_OK)
		must(r.count <= URLAUTH_MECHANISMS_MAX
		    && (r.has_mailbox || (r.count == 0 && size == 0)));
	arena_done(&a);
	return 0;
}

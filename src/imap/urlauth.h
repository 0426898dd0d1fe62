/* urlauth.h - arguments of GENURLAUTH, URLFETCH and RESETKEY (RFC 4467 9, RFC 5524 5). */
#ifndef IMAP_URLAUTH_H
#define IMAP_URLAUTH_H

#include "imap/scan.h"

enum { URLAUTH_URLS_MAX = 1000, URLAUTH_MECHANISMS_MAX = 16 };

struct imap_genurlauth {
	struct genurlauth_url {
		struct str url; /* not looked into */
		struct str mechanism;
	} * urls;

	size_t count; /* at least 1 */
};

enum urlfetch_item {
	URLFETCH_BODY = 1 << 0,
	URLFETCH_BINARY = 1 << 1,
	URLFETCH_BODYPARTSTRUCTURE = 1 << 2,
};

struct imap_urlfetch {
	struct urlfetch_url {
		struct str url;
		unsigned items; /* enum urlfetch_item; 0: as without RFC 5524 */
	} * urls;

	size_t count; /* at least 1 */
};

struct imap_resetkey {
	bool has_mailbox; /* else it is about all of them */
	struct str mailbox;
	struct str mechanisms[URLAUTH_MECHANISMS_MAX];
	size_t count;
};

/** ERR_LIMIT: too many URLs or mechanisms. */
must_use enum err imap_genurlauth_parse(struct imap_scan *s, struct imap_genurlauth *out);
must_use enum err imap_urlfetch_parse(struct imap_scan *s, struct imap_urlfetch *out);
/** From behind the command's name; nothing may follow. */
must_use enum err imap_resetkey_parse(struct imap_scan *s, struct imap_resetkey *out);

#endif

/*
 * url.h - IMAP URLs that name a message or a part of one (RFC 5092 11, imessagepart), as CATENATE
 * takes them:
 *
 *     /Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.MIME/;PARTIAL=0.1024
 *     ;UID=20                                   in the mailbox that is selected
 *     imap://joe@mail.example.org/Drafts/;UID=20
 *     imap://joe@mail.example.org/Drafts/;UID=20;EXPIRE=2027-01-01T00:00:00Z;URLAUTH=submit+fred:internal:01ab...
 *
 * Whose mailbox it is, whether this server is meant, and what may be read there: the caller
 * decides.
 */
#ifndef IMAP_URL_H
#define IMAP_URL_H

#include "imap/fetch.h"

enum { IMAP_URL_MAX = 8192 }; /* bytes */

/* What it is relative to (RFC 3986 4.2). */
enum imap_url_base {
	IMAP_URL_ABSOLUTE, /* nothing: names a server, as "imap://..." or "//..." */
	IMAP_URL_SERVER,   /* the connection: "/mailbox/;UID=..." */
	IMAP_URL_MAILBOX,  /* the selected mailbox: ";UID=..." */
};

/*
 * "[;EXPIRE=time];URLAUTH=access[:mechanism:token]" at the end of a URL (RFC 4467 3 and 9, RFC 5593
 * 4).
 */
struct imap_urlauth {
	/*
	 * "submit", "user", "authuser", "anonymous", "stream", ...; p == NULL: the URL has no
	 * URLAUTH
	 */
	struct str application;
	bool has_user;   /* "submit+fred" */
	struct str user; /* percent-encoding undone, not normalised */
	bool has_expire;
	int64_t expire_s; /* UTC: the last second in which the URL is valid */
	/* the URL's bytes before ":mechanism:token": what the token is made of */
	struct str rump;
	struct str mechanism; /* p == NULL: neither it nor a token is there */
	struct str token;     /* at least 32 hexadecimal digits */
};

struct imap_url {
	enum imap_url_base base;
	bool has_scheme; /* "imap:" is there */
	struct str user; /* percent-encoding undone, not normalised; empty: none */
	struct str host;
	uint32_t port; /* 0: none is named */
	/* as the store knows it (imap_name_normalise()); empty for IMAP_URL_MAILBOX */
	struct str mailbox;
	uint32_t uidvalidity; /* 0: none is named */
	uint32_t uid;
	/*
	 * What FETCH BODY.PEEK[section]<partial> would be asked for; a PARTIAL without length goes
	 * to the end: UINT64_MAX.
	 */
	struct imap_section section;
	struct imap_urlauth auth;
};

/**
 * ERR_BADURL: not such a URL, among them those of lists of messages. Texts live in the arena or the
 * input.
 */
must_use enum err imap_url_parse(struct arena *a, struct str text, struct imap_url *out);
/**
 * Adds it so that it can stand in quotes in a response code: what no URL may hold is
 * percent-encoded (RFC 4469 5).
 */
void imap_url_quote(struct str text, struct buf *out);

#endif

/*
 * urlauth.h - URLs that carry an authorization (RFC 4467, RFC 5593): making their tokens, and
 * opening what they name.
 *
 * A token is the algorithm's number (one byte: 1) and an HMAC-SHA-256, by the mailbox access key,
 * of the URL as it was written up to the token. Whoever presents the URL reads with the rights that
 * its user has at that moment.
 */
#ifndef SESSION_URLAUTH_H
#define SESSION_URLAUTH_H

#include "imap/url.h"
#include "session/target.h"
#include "store/access_key.h"

#define URLAUTH_MECHANISM "INTERNAL"

/* A URL on its way to the message that it names; zeroed before. */
struct urlauth {
	struct account *owner; /* of the user that the URL is of */
	struct target target;  /* the mailbox, as he sees it */
	bool is_verified;
	struct view *view;
	struct entry entry; /* the message */
};

/** Whether a URL names this server. */
bool urlauth_is_here(const struct session *s, const struct imap_url *url);
/** Whether an access identifier is one that this server knows (RFC 5593 3.3). */
bool urlauth_is_known(const struct session *s, const struct imap_urlauth *auth);
/** The user whose URL it is, normalised. False: it has none, or none that can be. */
bool urlauth_owner(struct arena *a, const struct imap_url *url, struct str *user_out);
/** Appends ":internal:" and the token. */
void urlauth_sign(const struct access_key *key, struct str rump, struct buf *out);
/** ERR_IO: there is no randomness to be had. */
must_use enum err urlauth_random(struct access_key *out);

/**
 * Opens what a URL names, if it authorizes this session to. ERR_WAIT: call again. ERR_BADURL: it
 * does not, for whatever reason. Faults.
 */
must_use enum err urlauth_open(struct session *s, struct arena *a, const struct imap_url *url,
    struct urlauth *x);
/** Zeroes it. The session's waiter must not be waiting for it. */
void urlauth_done(struct urlauth *x);

/** The keys of the selected mailbox as they are: what urlauth_tell() compares with. */
void urlauth_look(struct session *s);
/**
 * "* OK [URLMECH INTERNAL]" when the user's key of the selected mailbox has changed (RFC 4467 7).
 */
void urlauth_tell(struct session *s);
/** The response code, or nothing on connections that can be listened to (RFC 4467 10). */
struct str urlauth_code(const struct session *s);

#endif

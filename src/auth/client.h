/*
 * client.h - asks the auth process whether somebody is who he says he is. The mail process's side;
 * it never sees a verifier.
 *
 * All is asynchronous. An exchange belongs to the loop that began it: every callback runs there,
 * never inside the call that asked, and never after auth_cancel(). All functions on one exchange
 * are called on that loop. When the auth process dies, what is in flight ends with ERR_BUSY, and so
 * does what is asked before a new one is there (about 100 ms).
 *
 *          auth_begin()                     auth_continue()
 *     (none) ──────► asked ──CONTINUE──► answering ──────► asked
 *                      │ OK / FAIL: the exchange ends with the callback
 */
#ifndef AUTH_CLIENT_H
#define AUTH_CLIENT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

struct auth_client;
struct auth_exchange;
struct auth_lookup;
struct loop;

enum {
	AUTH_CERT_NAMES_MAX = 8,
	AUTH_MESSAGE_MAX = 16384,
	AUTH_USER_MAX = 255,
	AUTH_GROUPS_MAX = 8192
};

/* What the client connection is. Everything is copied by auth_begin(). */
struct auth_start {
	/* "PLAIN"; any case. "" means user and password below (IMAP LOGIN, POP3 PASS) */
	struct str mech;
	/* an initial response came with the command (SASL-IR), maybe an empty one */
	bool has_initial;
	struct str initial;        /* decoded from base64 */
	struct str user, password; /* only when mech is "" */
	struct str service;        /* "imap", "pop3", "smtp", "sieve" */
	/*
	 * the client's address as text without port: "192.0.2.1", "2001:db8::1"; "" for a unix
	 * socket
	 */
	struct str peer;
	/*
	 * TLS, or a connection that needs none: else mechanisms that show the password are refused
	 */
	bool is_secure;
	/* channel bindings, raw bytes; empty when the connection has none (RFC 5929, RFC 9266) */
	struct str tls_unique;
	struct str tls_exporter;
	/*
	 * Names of the client certificate that TLS has verified (SAN e-mail addresses, then subject
	 * CN); for EXTERNAL.
	 */
	struct str cert_names[AUTH_CERT_NAMES_MAX];
	size_t cert_name_count;
};

enum auth_outcome { AUTH_CONTINUE, AUTH_OK, AUTH_FAIL };

/* Valid during the callback only. */
struct auth_result {
	enum auth_outcome outcome;
	/*
	 * CONTINUE: the server's challenge, not yet base64. What a mechanism has to say with its
	 * success (SCRAM's signature) comes as a last CONTINUE too, which the client answers with
	 * an empty response (RFC 9051 6.2.2 has no other place for it).
	 */
	struct str data;
	struct str groups; /* OK: "sales,staff": what the user is a member of */
	/* OK: the account's name, normalised; it names the account in the store */
	struct str user;
	/*
	 * FAIL: AUTHFAILED, AUTHZFAILED, EXPIRED, CONTACTADMIN (disabled), PRIVACY, SYNTAX (no
	 * base64 or malformed message: BAD), UNKNOWN (no such mechanism), BUSY
	 */
	enum err err;
};

typedef void auth_done_fn(void *arg, const struct auth_result *r);

/**
 * Begins an exchange.
 *
 * @loop   the caller's loop, where done runs
 * @x_out  for auth_continue() and auth_cancel(); the exchange ends by itself after a callback with
 *         OK or FAIL, and is no longer valid once that callback has returned
 *
 * The answer may be delayed on purpose (throttling, failed passwords). A mechanism that wants the
 * client to speak first and got no initial response answers CONTINUE with empty data, as RFC 4422
 * wants it.
 */
void auth_begin(struct auth_client *c, struct loop *loop, const struct auth_start *start,
    auth_done_fn *done, void *arg, struct auth_exchange **x_out);
/** The client's next response, decoded from base64. Only after a callback with CONTINUE. */
void auth_continue(struct auth_exchange *x, struct str response);
/** Ends it without a callback: the client sent "*", or its connection is gone. */
void auth_cancel(struct auth_exchange *x);

/**
 * Mechanisms to offer, ended by NULL: "SCRAM-SHA-256-PLUS", … . @has_binding: -PLUS ones too.
 * @is_secure: those that show the password.
 */
const char *const *auth_mechs(struct auth_client *c, bool is_secure, bool has_binding,
    bool has_cert);

/**
 * e      ERR_OK; ERR_UNKNOWN: no such user; ERR_CONTACTADMIN: exists but disabled; ERR_BUSY: no answer now, try again later
 * user   on ERR_OK and ERR_CONTACTADMIN the account's name, normalised
 */
typedef void auth_lookup_fn(void *arg, enum err e, struct str user);
/**
 * Is there an account for this name or address, and what is it called? For LMTP and shared
 * mailboxes. The address is tried whole, then its local part when its domain is one of ours (option
 * mail_domains; none given: every domain). "+detail" is the caller's to cut off, after a try with
 * it. Answers are remembered for some seconds.
 */
void auth_lookup(struct auth_client *c, struct loop *loop, struct str address, auth_lookup_fn *done,
    void *arg, struct auth_lookup **l_out);
void auth_lookup_cancel(struct auth_lookup *l);

#endif

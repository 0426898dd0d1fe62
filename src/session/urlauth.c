/*
 * urlauth.c - see urlauth.h.
 *
 *     user of the URL -> account -> mailbox, as he sees it -> token -> access, expiry, rights -> view -> message
 *
 * What is wrong is not told, nor shown by leaving the token out: without a key it is calculated by
 * one that nobody has (RFC 4467 6).
 */
#include "session/urlauth.h"

#include "auth/name.h"
#include "session/server.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

enum {
	IMAP_PORT = 143,
	ALGORITHM_HMAC_SHA256 = 1,
	TOKEN_BYTES = 1 + 32,
};

/* ---- tokens ---------------------------------------------------------------------------------- */

static void
token_make(const struct access_key *key, struct str rump, unsigned char out[TOKEN_BYTES])
{
	unsigned n = 0;

	out[0] = ALGORITHM_HMAC_SHA256;
	must(HMAC(EVP_sha256(), key->bytes, ACCESS_KEY_BYTES, (const unsigned char *)rump.p, rump.n,
		 out + 1, &n)
		!= NULL
	    && n == 32);
}

void
urlauth_sign(const struct access_key *key, struct str rump, struct buf *out)
{
	unsigned char token[TOKEN_BYTES];

	token_make(key, rump, token);
	buf_lit(out, ":internal:");
	for (size_t i = 0; i < TOKEN_BYTES; i++)
		buf_printf(out, "%02x", token[i]);
}

/* The digits are hexadecimal: the parser has seen to it. */
static bool
token_is(const unsigned char token[TOKEN_BYTES], struct str digits)
{
	unsigned char given[TOKEN_BYTES];

	if (digits.n != (size_t)2 * TOKEN_BYTES)
		return false;
	for (size_t i = 0; i < TOKEN_BYTES; i++) {
		unsigned v = 0;

		for (size_t k = 2 * i; k < 2 * i + 2; k++) {
			char c = chr_lower(digits.p[k]);

			v = v * 16 + (unsigned)(chr_is_digit(c) ? c - '0' : c - 'a' + 10);
		}
		given[i] = (unsigned char)v;
	}
	return CRYPTO_memcmp(token, given, TOKEN_BYTES) == 0;
}

enum err
urlauth_random(struct access_key *out)
{
	return RAND_bytes((unsigned char *)out->bytes, ACCESS_KEY_BYTES) == 1 ? ERR_OK : ERR_IO;
}

/* ---- who may use it -------------------------------------------------------------------------- */

bool
urlauth_is_here(const struct session *s, const struct imap_url *url)
{
	const struct str host = server_options(s->server)->hostname;

	return host.n > 0 && str_eq_nocase(url->host, host)
	    && (url->port == 0 || url->port == IMAP_PORT);
}

bool
urlauth_owner(struct arena *a, const struct imap_url *url, struct str *user_out)
{
	return url->base == IMAP_URL_ABSOLUTE && url->has_scheme && url->user.n > 0
	    && name_normalise(a, url->user, user_out) == ERR_OK;
}

/*
 * An entry of option urlauth_entities: "submit+=relay", "stream=media". Whose it is, if it is of
 * this application.
 */
static bool
entity_user(struct str entry, const struct imap_urlauth *auth, struct str *user_out)
{
	size_t equals = str_chr(entry, '=');
	struct str application = str_sub(entry, 0, equals);
	bool has_user = str_ends(application, STR("+"));

	if (equals == SIZE_MAX)
		return false;
	if (has_user)
		application.n--;
	*user_out = str_sub(entry, equals + 1, entry.n);
	return has_user == auth->has_user && str_eq_nocase(application, auth->application);
}

static bool
is_access(const struct imap_urlauth *auth, struct str name, bool has_user)
{
	return auth->has_user == has_user && str_eq_nocase(auth->application, name);
}

bool
urlauth_is_known(const struct session *s, const struct imap_urlauth *auth)
{
	const struct server_options *o = server_options(s->server);
	struct str user;

	for (size_t i = 0; i < o->urlauth_entity_count; i++) {
		if (entity_user(o->urlauth_entities[i], auth, &user))
			return true;
	}
	return is_access(auth, STR("submit"), true) || is_access(auth, STR("user"), true)
	    || is_access(auth, STR("authuser"), false) || is_access(auth, STR("anonymous"), false)
	    || is_access(auth, STR("stream"), false);
}

/* Whether this session is one that the access identifier means. There are no anonymous logins. */
static bool
is_allowed(const struct session *s, struct arena *a, const struct imap_urlauth *auth)
{
	const struct server_options *o = server_options(s->server);
	struct str user;

	if (is_access(auth, STR("anonymous"), false) || is_access(auth, STR("authuser"), false))
		return true;
	if (is_access(auth, STR("user"), true))
		return name_normalise(a, auth->user, &user) == ERR_OK && str_eq(user, s->user);
	/* The user that is named is the entity's business (RFC 4467 3, RFC 5593 3.3). */
	for (size_t i = 0; i < o->urlauth_entity_count; i++) {
		if (entity_user(o->urlauth_entities[i], auth, &user) && str_eq(user, s->user))
			return true;
	}
	return false;
}

static bool
is_expired(const struct session *s, const struct imap_urlauth *auth)
{
	struct clock *clock = loop_clock(s->core->loop);

	return auth->has_expire && clock->wall_ms(clock) / 1000 > auth->expire_s;
}

/* ---- opening --------------------------------------------------------------------------------- */

/*
 * Groups are known of who has logged in: a mailbox that the URL's user may read by a group only is
 * nobody else's.
 */
static enum err
find(struct session *s, struct arena *a, const struct imap_url *url, struct urlauth *x)
{
	struct target_asker asker = { .who = session_identity(s) };
	struct str user;
	enum err e = ERR_OK;

	if (!urlauth_owner(a, url, &user) || !urlauth_is_here(s, url))
		return ERR_BADURL;
	if (!str_eq(user, s->user))
		asker.who = (struct identity){ .user = user };
	if (x->owner == NULL && str_eq(user, s->user))
		x->owner = account_ref(s->account);
	if (x->owner == NULL)
		e = store_account_open(server_options(s->server)->store, user, ACCOUNT_EXISTING,
		    session_waiter(s), &x->owner);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_BADURL : e;
	asker.account = x->owner;
	e = target_open_as(s, a, &asker, url->mailbox, &x->target);
	return e == ERR_OK && x->target.mailbox == NULL ? ERR_BADURL : e;
}

static enum err
verify(struct session *s, struct arena *a, const struct imap_url *url, const struct urlauth *x)
{
	unsigned char token[TOKEN_BYTES];
	struct access_key key;
	bool has_key = false;
	enum err e = urlauth_random(&key);

	if (e != ERR_OK)
		return e;
	if (x->target.mailbox != NULL) {
		struct snapshot *own = session_snapshot_of(s, x->owner);

		has_key =
		    access_key_find(own, account_id(x->target.account), x->target.mailbox, &key);
		snapshot_unref(own);
	}
	token_make(&key, url->auth.rump, token);
	OPENSSL_cleanse(&key, sizeof(key));
	if (!token_is(token, url->auth.token) || !has_key
	    || !str_eq_nocase(url->auth.mechanism, STR(URLAUTH_MECHANISM)))
		return ERR_BADURL;
	return is_allowed(s, a, &url->auth) && !is_expired(s, &url->auth)
		&& target_check(&x->target, RIGHT_R) == ERR_OK
	    ? ERR_OK
	    : ERR_BADURL;
}

enum err
urlauth_open(struct session *s, struct arena *a, const struct imap_url *url, struct urlauth *x)
{
	enum err e, found;

	if (url->auth.mechanism.p == NULL)
		return ERR_BADURL;
	if (!x->is_verified) {
		found = find(s, a, url, x);
		if (found != ERR_OK && found != ERR_BADURL)
			return found;
		e = verify(s, a, url, x);
		if (e != ERR_OK)
			return e;
		x->is_verified = true;
	}
	e = view_open(x->target.snapshot, x->target.mailbox->id, VIEW_READ_ONLY, session_waiter(s),
	    &x->view);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND || e == ERR_NOSELECT ? ERR_BADURL : e;
	if (url->uidvalidity != 0 && url->uidvalidity != view_mailbox(x->view)->uidvalidity)
		return ERR_BADURL;
	if (!view_entry(x->view, (struct uid){ url->uid }, &x->entry) || x->entry.is_ghost)
		return ERR_BADURL;
	return x->entry.msgno.v == 0 ? ERR_CORRUPT : ERR_OK;
}

void
urlauth_done(struct urlauth *x)
{
	view_close(x->view);
	target_close(&x->target);
	account_unref(x->owner);
	*x = (struct urlauth){ 0 };
}

/* ---- telling of keys ------------------------------------------------------------------------- */

struct str
urlauth_code(const struct session *s)
{
	return session_is_secure(s) ? STR("URLMECH " URLAUTH_MECHANISM) : STR("");
}

/* 0: there is no key. */
static uint64_t
key_hash(struct session *s)
{
	struct snapshot *own = session_snapshot(s);
	struct access_key key;
	uint64_t hash = 0;

	if (access_key_find(own, account_id(view_account(s->view)), view_mailbox(s->view), &key))
		hash = str_hash(str_make(key.bytes, ACCESS_KEY_BYTES), 0) | 1;
	snapshot_unref(own);
	return hash;
}

void
urlauth_look(struct session *s)
{
	s->key_hash = s->view != NULL ? key_hash(s) : 0;
	s->key_version = s->view != NULL ? view_version(s->view) : 0;
}

void
urlauth_tell(struct session *s)
{
	uint64_t now;

	if (s->view == NULL || view_is_gone(s->view))
		return;
	/* Keys are in the user's account: while a view of it stays, so do they. */
	if (view_account(s->view) == s->account && view_version(s->view) == s->key_version)
		return;
	s->key_version = view_version(s->view);
	now = key_hash(s);
	if (now == s->key_hash)
		return;
	s->key_hash = now;
	if (session_is_secure(s))
		session_untagged(s, "OK", urlauth_code(s),
		    STR("The mailbox has another key for URLs."));
}

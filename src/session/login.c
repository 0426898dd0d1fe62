/* login.c - see login.h. */
#include "session/login.h"

#include "base/arena.h"
#include "base/log.h"
#include "io/stream.h"
#include "session/core.h"
#include "session/foreign.h"
#include "session/server.h"

enum { FAILED_LOGINS_MAX = 10 };

enum err
login_check_privacy(const struct session *s)
{
	return session_may_send_password(s) ? ERR_OK : ERR_PRIVACY;
}

static void
answered(void *arg, const struct auth_result *r)
{
	struct login *l = arg;

	l->data = arena_str(l->c->arena, r->data);
	switch (r->outcome) {
	case AUTH_CONTINUE:
		l->phase = LOGIN_CHALLENGED;
		break;
	case AUTH_OK:
		l->x = NULL;
		l->user = arena_str(l->c->arena, r->user);
		l->groups = arena_str(l->c->arena, r->groups);
		l->phase = LOGIN_SUCCEEDED;
		break;
	case AUTH_FAIL:
		l->x = NULL;
		l->err = r->err;
		l->phase = LOGIN_FAILED;
		break;
	}
	session_wake(l->s);
}

void
login_begin(struct login *l, struct session *s, struct command *c, struct auth_start *start)
{
	SSL *ssl = stream_ssl(s->stream);
	BUF_CLEAN struct buf unique = BUF_MAX(256);
	BUF_CLEAN struct buf exporter = BUF_MAX(256);
	char peer[IO_ADDR_TEXT_MAX];

	l->s = s;
	l->c = c;
	start->service = STR("imap");
	start->peer = s->core->peer.sa.ss_family == AF_UNIX
	    ? STR("")
	    : io_addr_text(&s->core->peer, false, peer);
	start->is_secure = session_may_send_password(s);
	/* The others don't bind, and the exporter takes a while. */
	if (ssl != NULL && str_starts_nocase(start->mech, STR("SCRAM-"))) {
		if (tls_binding(ssl, TLS_BINDING_UNIQUE, &unique))
			start->tls_unique = buf_str(&unique);
		if (tls_binding(ssl, TLS_BINDING_EXPORTER, &exporter))
			start->tls_exporter = buf_str(&exporter);
	}
	if (ssl != NULL)
		start->cert_name_count =
		    tls_peer_names(ssl, c->arena, start->cert_names, AUTH_CERT_NAMES_MAX);
	l->phase = LOGIN_ASKED;
	auth_begin(server_options(s->server)->auth, s->core->loop, start, answered, l, &l->x);
}

void
login_respond(struct login *l, struct str response)
{
	l->phase = LOGIN_ASKED;
	auth_continue(l->x, response);
}

static void
log_login(const struct login *l)
{
	struct session *s = l->s;
	SSL *ssl = stream_ssl(s->stream);
	char peer[IO_ADDR_TEXT_MAX];

	log_event(LOG_INFO, "login", F_U64("session", s->id), F_STR("user", l->user),
	    F_STR("peer", io_addr_text(&s->core->peer, false, peer)),
	    F_C("command", l->c->entry->name),
	    F_STR("tls", ssl != NULL ? tls_version(ssl) : STR("none")));
}

/* Says why not, and ends the connection of who keeps on guessing. */
static enum err
fail(struct login *l)
{
	struct session_core *k = l->s->core;
	/* by the auth process */
	bool is_told =
	    l->err == ERR_AUTHFAILED || l->err == ERR_AUTHZFAILED || l->err == ERR_CONTACTADMIN;
	char peer[IO_ADDR_TEXT_MAX];

	log_event(is_told ? LOG_DEBUG : LOG_INFO, "login-refused", F_U64("session", l->s->id),
	    F_STR("peer", io_addr_text(&k->peer, false, peer)), F_C("command", l->c->entry->name),
	    F_ERR(l->err));
	if (l->err == ERR_AUTHFAILED && ++k->failed_login_count >= FAILED_LOGINS_MAX) {
		k->end_reason = "too many failed logins";
		session_bye(l->s, STR_NONE, STR("Too many failed logins."));
	}
	return l->err;
}

enum err
login_finish(struct login *l)
{
	struct session *s = l->s;
	BUF_CLEAN struct buf code = BUF_MAX(4096);
	enum err e;

	if (l->phase == LOGIN_FAILED)
		return fail(l);
	l->phase = LOGIN_OPENING;
	e = store_account_open(server_options(s->server)->store, l->user, ACCOUNT_CREATE,
	    session_waiter(s), &l->account);
	if (e != ERR_OK)
		return e;
	session_logged_in(s, l->user, l->account);
	foreign_set_groups(s, l->groups);
	l->account = NULL;
	log_login(l);
	buf_lit(&code, "CAPABILITY ");
	capability_format(s, &code);
	l->c->code = arena_str(l->c->arena, buf_str(&code));
	l->c->text = STR("Logged in.");
	return ERR_OK;
}

void
login_done(struct login *l)
{
	if (l->x != NULL)
		auth_cancel(l->x);
	l->x = NULL;
}

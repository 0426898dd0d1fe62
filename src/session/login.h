/*
 * login.h - what LOGIN and AUTHENTICATE share: asking the auth process, opening the account, the
 * reply.
 */
#ifndef SESSION_LOGIN_H
#define SESSION_LOGIN_H

#include "auth/client.h"
#include "session/session.h"

enum login_phase {
	LOGIN_NEW,
	LOGIN_ASKED,      /* the auth process has it */
	LOGIN_CHALLENGED, /* it has answered with data for the client */
	LOGIN_SUCCEEDED,  /* it has said yes */
	LOGIN_OPENING,    /* the account is being opened */
	LOGIN_FAILED,
};

/* Embedded in a command's context. */
struct login {
	struct session *s;
	struct command *c;
	enum login_phase phase;
	struct auth_exchange *x; /* while asked or challenged */
	struct str data;         /* CHALLENGED: for the client; in the command's arena */
	struct str user, groups;
	struct account *account;
	enum err err; /* FAILED */
};

/** ERR_PRIVACY when a password may not be sent over this connection, else ERR_OK. */
must_use enum err login_check_privacy(const struct session *s);
/**
 * Begins; start names mechanism and credentials, the rest is filled in here. The command runs again
 * when there is an answer.
 */
void login_begin(struct login *l, struct session *s, struct command *c, struct auth_start *start);
/** After CHALLENGED: the client's response, decoded. */
void login_respond(struct login *l, struct str response);
/** After SUCCEEDED: opens the account and logs the session in. ERR_WAIT: run again. */
must_use enum err login_finish(struct login *l);
/** In done(): gives up what is under way. */
void login_done(struct login *l);

#endif

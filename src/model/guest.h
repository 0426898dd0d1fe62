/*
 * guest.h - for tests: a client that says what it is told to say, whatever that is, and believes
 * what the server answers.
 *
 * As long as it says one command at a time, each on a line of its own, it is *tame*: its picture of
 * the mailbox is complete, and can be held against what the mailbox holds. After raw bytes, or a
 * command that changes what responses mean, it is wild until it hangs up; then it checks that they
 * are responses at all. In no case may it see what is secret.
 */
#ifndef MODEL_GUEST_H
#define MODEL_GUEST_H

#include "model/picture.h"

struct account;

enum guest_kind {
	GUEST_USER,     /* logs in */
	GUEST_OPERATOR, /* is logged in: the admin tool's connection */
	GUEST_STRANGER, /* does not log in */
	GUEST_MTA,      /* LMTP */
};

struct guest {
	struct sim *sim;
	char name; /* in what is printed */
	enum guest_kind kind;
	struct str user;
	struct str secret;       /* must not be seen */
	struct account *account; /* the user's; borrowed */
	struct picture pic;
	bool is_on;
	bool is_wild;
	bool is_opaque; /* what comes is compressed */
	/* the command that runs leaves the mailbox if it succeeds */
	bool is_leaving;
	bool is_silent;    /* a STORE is on its way whose flags are not told */
	bool was_selected; /* before a SELECT that may fail */
	bool is_verbose;
	char wrong[600]; /* "": nothing is */
};

/**
 * A command, without tag and line end. "{{text}}" in it is a literal, in which "|" is a line end.
 * Connects first if needed.
 */
void guest_command(struct guest *g, struct str text, bool settles);
/** Bytes as they are, but that "|" is a line end. */
void guest_raw(struct guest *g, struct str text);
void guest_hang_up(struct guest *g);
/** Takes what has come. */
void guest_take(struct guest *g);
/**
 * When all is settled: was all answered that should be, and is the picture what the store holds? It
 * may have to ask for news.
 */
void guest_check(struct guest *g);
void guest_done(struct guest *g);

#endif

/*
 * imap_client.h - the tool's IMAP connection over the control socket: blocking, one command at a
 * time. UTF8=ACCEPT is enabled, so mailbox names are UTF-8 quoted strings both ways.
 */
#ifndef CTL_IMAP_CLIENT_H
#define CTL_IMAP_CLIENT_H

#include "ctl/ctl.h"

struct imap_client;

/** Logs in as the user. NULL after telling what is wrong. */
struct imap_client *imap_client_open(struct ctl *c, const char *user);
/** Says LOGOUT. Takes NULL. */
void imap_client_close(struct imap_client *ic);

/*
 * Writing a command: begin (the tag is written), words, end. Short writes and a full socket are
 * waited for.
 */
void imap_client_begin(struct imap_client *ic, const char *words);
void imap_client_words(struct imap_client *ic, const char *words);
void imap_client_mailbox(struct imap_client *ic, struct str name);
/** A non-synchronising literal. */
void imap_client_literal(struct imap_client *ic, struct str bytes);

/* Called for each untagged response: text without "* " and the line end, literals in place. */
typedef void imap_client_fn(void *ctx, struct str response);

/**
 * Ends the command and reads up to its tagged reply. True: OK. False: NO, BAD, or the connection
 * broke; imap_client_error() tells. fn may be NULL.
 */
bool imap_client_end(struct imap_client *ic, imap_client_fn *fn, void *ctx);
/** The text of the last tagged reply, with its response code. */
struct str imap_client_reply(const struct imap_client *ic);

/**
 * Takes a quoted string, literal, or atom off the front of *s; false when there is none. Quotes are
 * undone in place of a.
 */
bool imap_client_take(struct arena *a, struct str *s, struct str *word_out);

#endif

/*
 * command.h - the lines an LMTP client sends (RFC 2033, RFC 5321 4.1, RFC 3030, RFC 3207, XCLIENT
 * of Postfix), as data. Pure.
 *
 * What a mail transfer agent sends is taken as RFC 5321 writes it, and a little more: a space
 * behind the colon, a recipient without a domain. Whatever holds a control character is refused, so
 * that nothing can be smuggled into a header or log line.
 */
#ifndef LMTP_COMMAND_H
#define LMTP_COMMAND_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
	/* with its line end; RFC 5321 4.5.3.1.4 asks for 512 and room for parameters */
	LMTP_LINE_MAX = 4096,
	/* between the angle brackets; RFC 5321 4.5.3.1.3 asks for 256 */
	LMTP_PATH_MAX = 1000,
	LMTP_NAME_MAX = 255, /* of the client, in LHLO */
};

enum lmtp_verb {
	LMTP_LHLO,
	LMTP_MAIL,
	LMTP_RCPT,
	LMTP_DATA,
	LMTP_BDAT,
	LMTP_RSET,
	LMTP_NOOP,
	LMTP_QUIT,
	LMTP_VRFY,
	LMTP_HELP,
	LMTP_STARTTLS,
	LMTP_XCLIENT,
	LMTP_HELO, /* HELO and EHLO, which belong to SMTP: RFC 2033 4.1 */
	LMTP_HTTP, /* a request of HTTP: a browser that somebody led here */
	LMTP_UNKNOWN,
};

enum lmtp_body { LMTP_BODY_7BIT, LMTP_BODY_8BITMIME, LMTP_BODY_BINARYMIME };

/* A mailbox between angle brackets, without a source route. */
struct lmtp_path {
	/* as it was sent: for Return-Path; empty is the null reverse-path */
	struct str text;
	struct str address; /* local part unquoted, '@' and domain if it has one */
	size_t local_bytes; /* of address */
	bool is_utf8;       /* has non-ASCII: needs SMTPUTF8 (RFC 6531) */
};

/*
 * What Postfix tells of the client that it had the mail from; texts are decoded, absent or
 * "[UNAVAILABLE]" ones have p == NULL.
 */
struct lmtp_xclient {
	struct str name, addr, port, proto, helo, login;
};

struct lmtp_command {
	enum lmtp_verb verb;
	struct str argument;   /* of LHLO, HELO, NOOP, VRFY, HELP */
	struct lmtp_path path; /* MAIL, RCPT */
	bool has_size;         /* MAIL: SIZE= (RFC 1870) */
	uint64_t size;         /* also BDAT's */
	enum lmtp_body body;   /* MAIL: BODY= (RFC 6152, RFC 3030) */
	bool is_smtputf8;      /* MAIL: SMTPUTF8 */
	bool is_last;          /* BDAT */
	struct lmtp_xclient xclient;
};

/**
 * Parses a line, given without its line end. Texts point into the line or the arena.
 *
 * ERR_SYNTAX    501 5.5.4 (of a path: 5.1.7, 5.1.3); the verb is set
 * ERR_UNKNOWN   a parameter that we don't know: 555 5.5.4
 */
must_use enum err lmtp_command_parse(struct arena *a, struct str line, struct lmtp_command *out);

#endif

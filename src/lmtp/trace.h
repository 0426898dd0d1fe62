/*
 * trace.h - the lines put in front of a message at delivery (RFC 5321 4.4): Return-Path,
 * Delivered-To, Received. Pure.
 */
#ifndef LMTP_TRACE_H
#define LMTP_TRACE_H

#include "base/buf.h"

struct trace {
	struct str sender;         /* reverse-path as it was sent, no brackets; may be empty */
	struct str recipient;      /* the same of the forward-path */
	struct str client;         /* as it called itself in LHLO */
	struct str client_address; /* "192.0.2.1", "unix" */
	struct str hostname;       /* ours */
	/* "LMTP", "LMTPS", "UTF8LMTP", "UTF8LMTPS" (RFC 3848, RFC 6531) */
	const char *protocol;
	struct str id; /* of the transaction, as in the log */
	int64_t now_s;
};

/** At most MESSAGE_PREFIX_MAX bytes, given texts within the limits of command.h. */
void trace_format(const struct trace *t, struct buf *out);

#endif

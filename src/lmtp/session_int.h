/*
 * session_int.h - a session's state, shared by session.c (connection, commands), transaction.c
 * (sender, recipients, answers) and body.c (DATA, BDAT).
 */
#ifndef LMTP_SESSION_INT_H
#define LMTP_SESSION_INT_H

#include "auth/client.h"
#include "io/stream.h"
#include "lmtp/command.h"
#include "lmtp/data.h"
#include "lmtp/delivery.h"
#include "lmtp/session.h"

enum mode {
	MODE_COMMAND,
	MODE_LONG_LINE, /* the rest of a line that was too long is being skipped */
	MODE_DATA,
	MODE_CHUNK,  /* BDAT */
	MODE_ENDING, /* nothing is read any more */
};

enum wait { WAIT_NONE, WAIT_LOOKUP, WAIT_ROOM, WAIT_DELIVERIES, WAIT_TLS };

struct recipient {
	struct recipient *next;
	struct lmtp_session *session;
	struct str path; /* as it was sent */
	struct str user, folder;
	struct delivery delivery;
};

struct lmtp_session {
	struct list in_shard; /* first */
	struct lmtp_shard *shard;
	const struct lmtp_options *o;
	struct stream *stream;
	uint64_t id, transaction;
	char peer_text[IO_ADDR_TEXT_MAX];
	struct str peer;
	bool is_trusted, is_local;
	bool is_stopping; /* 421 when what is under way is answered */
	uint32_t bad_commands;
	enum mode mode;
	enum wait waits;
	struct loop_timer idle;
	/* replies, sent together when the input is used up or something takes long */
	struct buf out;

	char client[LMTP_NAME_MAX + 1];         /* of LHLO; empty before it */
	char client_address[LMTP_NAME_MAX + 1]; /* the peer's, or of XCLIENT */

	/* The transaction. */
	struct arena arena;
	bool has_sender;
	struct str sender; /* reverse-path as it was sent */
	enum lmtp_body body;
	bool is_smtputf8;
	struct recipient *recipients, **recipients_end;
	uint32_t recipient_count, pending;
	struct auth_lookup *lookup;
	/* of what follows: refused recipients leave nothing behind */
	struct arena lookup_arena;
	struct lmtp_path looked_up;
	/* "+detail" of what is looked up, when it has been cut off */
	struct str folder;

	/* Its body. */
	struct arrival *arrival;
	enum err body_error; /* the rest is skipped */
	struct lmtp_data data;
	/* bytes at the start of the input that are the message's, dots done */
	size_t owed;
	bool owes_cr;
	uint64_t chunk_left;
	bool is_chunk_last, is_chunk_refused;
	struct waiter room;
	struct loop_task room_task;
};

/* ---- session.c ---- */

/** A reply, and one about a path; sent with others. */
void lmtp_reply(struct lmtp_session *s, const char *line);
void lmtp_reply_path(struct lmtp_session *s, const char *code, struct str path, const char *text);
/** A mistake of the client's; too many end the session. */
void lmtp_refuse(struct lmtp_session *s, const char *line);
/** Goes on when a wait is over. */
void lmtp_session_run(struct lmtp_session *s);

/* ---- transaction.c ---- */

void lmtp_transaction_reset(struct lmtp_session *s);
void lmtp_mail(struct lmtp_session *s, const struct lmtp_command *c);
void lmtp_rcpt(struct lmtp_session *s, const struct lmtp_command *c);
/** The body is complete or has failed: every recipient gets a delivery and an answer. */
void lmtp_deliveries_begin(struct lmtp_session *s);

/* ---- body.c ---- */

void lmtp_data_begin(struct lmtp_session *s);
void lmtp_bdat(struct lmtp_session *s, const struct lmtp_command *c);
/** Take some of the input. False: it waits, or more input is needed. */
bool lmtp_data_step(struct lmtp_session *s);
bool lmtp_chunk_step(struct lmtp_session *s);

#endif

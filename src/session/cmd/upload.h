/*
 * upload.h - messages that come in with a command and stream into the store as they come: what
 * APPEND and REPLACE have in common.
 *
 *     literal() -- the mailbox's name ---> collected, asked again when it is there
 *               -- a message -----------> literal_data() ... literal_end() -- another message -> literal()
 *                                                                          -- end ------------> parse() -> run()
 *
 * With CATENATE a message's literals are parts of it, and URLs stand between them. They are queued
 * as they are read, and copied before the next literal's first byte, or, behind the last literal,
 * when the command runs: upload_gather().
 *
 * A command's context begins with a struct upload; its table entry names the functions below.
 */
#ifndef SESSION_CMD_UPLOAD_H
#define SESSION_CMD_UPLOAD_H

#include "session/cmd/catenate.h"
#include "session/cmd/mailbox_name.h"

/* What the next word is. */
enum upload_word {
	UPLOAD_MAILBOX,
	UPLOAD_MESSAGE,
	UPLOAD_PART,         /* of a CATENATE */
	UPLOAD_NEXT_PART,    /* or its end */
	UPLOAD_NEXT_MESSAGE, /* or the end of the command */
	UPLOAD_END,
};

/* A URL that is still to be copied. */
struct upload_url {
	struct str text;
	struct imap_url url;
	uint32_t message; /* index of the message that it is a part of */
};

struct upload {
	enum upload_word word;
	struct mailbox_arg mailbox;
	/* REPLACE: a message is named before the mailbox, and one follows */
	bool replaces;
	struct uid replaced;
	bool is_open; /* the mailbox was read and found */
	struct target dest;
	/* in the arena, room for cap; no arrival before its first byte is there */
	struct append *messages;
	uint32_t count, cap;
	uint32_t finished;       /* messages whose bytes are all there */
	uint64_t bytes;          /* announced, and copied, so far */
	uint32_t parts;          /* of all CATENATEs */
	struct upload_url *urls; /* in the arena, room for url_cap */
	uint32_t url_at, url_count, url_cap;
	struct catenate catenate;
	/* the words end in the announcement of one that is to stream */
	bool has_literal;
	bool was_utf8;  /* the last literal stood in UTF8 () */
	bool is_binary; /* it is a literal8: may hold NUL */
	uint32_t uidvalidity;
};

enum err upload_literal(struct session *s, struct command *c, struct imap_scan *sofar,
    struct imap_literal lit);
enum err upload_literal_data(struct session *s, struct command *c, struct str data,
    size_t *taken_out);
enum err upload_literal_end(struct session *s, struct command *c);
enum err upload_parse(struct session *s, struct command *c, struct imap_scan *in);
/**
 * The first thing in run(): ERR_OK when the mailbox is found and all messages are complete.
 * ERR_WAIT.
 */
must_use enum err upload_gather(struct session *s, struct command *c);
void upload_done(struct session *s, struct command *c);
/** How the mailbox is called, to who wrote it otherwise and may list it. after: its account's. */
void upload_tell_name(struct session *s, struct command *c, const struct snapshot *after);
/** A mailbox that went meanwhile can be made again: TRYCREATE. */
enum err upload_result(enum err e);

#endif

/*
 * upload.h - messages that come in with a command and stream into the store as they come: what APPEND and REPLACE have in common.
 *
 *     literal() -- the mailbox's name ---> collected, asked again when it is there
 *               -- a message -----------> literal_data() ... literal_end() -- another message -> literal()
 *                                                                          -- end ------------> parse() -> run()
 *
 * A command's context begins with a struct upload; its table entry names the functions below.
 */
#ifndef SESSION_CMD_UPLOAD_H
#define SESSION_CMD_UPLOAD_H

#include "session/target.h"

struct upload {
	bool replaces;			/* REPLACE: a message is named before the mailbox, and one follows */
	struct uid replaced;
	bool is_open;			/* the mailbox was read and found */
	struct target dest;
	struct append *messages;	/* in the arena, room for cap */
	uint32_t count, cap;
	uint64_t bytes;			/* announced so far */
	bool was_utf8;			/* the last literal stood in UTF8 () */
	bool is_binary;			/* it is a literal8: may hold NUL */
	uint32_t uidvalidity;
};

enum err upload_literal(struct session *s, struct command *c, struct imap_scan *sofar, struct imap_literal lit);
enum err upload_literal_data(struct session *s, struct command *c, struct str data, size_t *taken_out);
enum err upload_literal_end(struct session *s, struct command *c);
enum err upload_parse(struct session *s, struct command *c, struct imap_scan *in);
void upload_done(struct session *s, struct command *c);
/** A mailbox that went meanwhile can be made again: TRYCREATE. */
enum err upload_result(enum err e);

#endif

/*
 * framer.h - cuts a client's bytes into commands (RFC 9051 2.2.1, 4.3; RFC 7888).
 *
 * A command is a line, or lines joined by literals: "a login {3}\r\njoe {6}\r\nsecret\r\n". The
 * framer finds the line ends and the "{n}", "{n+}", "~{n}", "~{n+}" before them; it never looks
 * inside a literal and never looks at a byte twice. It holds positions only: the caller keeps the
 * bytes, from the first byte of the command on, and passes them all each time.
 *
 *     next() -- MORE ------> read more bytes, call again
 *            -- COMMAND ---> length bytes are one command: parse them, consume them, reset()
 *            -- LITERAL ---> take()     its bytes belong to the buffer: send "+ " when is_sync, then call next() again
 *                            or consume length bytes, reset(), and read literal_size bytes elsewhere (APPEND streams so);
 *                            what follows the literal is then framed as if it were a command
 *                            or, when it is refused: is_sync: consume length bytes, reset(), answer; else discard()
 *            -- TOO_LONG --> discard()
 *     discard(): from here on the command is thrown away up to its end:
 *            -- DROP ------> consume length bytes, call again
 *            -- COMMAND ---> consume length bytes, reset(), answer
 */
#ifndef IMAP_FRAMER_H
#define IMAP_FRAMER_H

#include "base/str.h"

struct imap_framer_limits {
	size_t line_max;      /* bytes of the lines of a command, without its literals */
	uint64_t literal_max; /* bytes of a literal that take() may be called for */
	size_t command_max;   /* bytes of everything */
};

struct imap_framer {
	struct imap_framer_limits limits;
	size_t at;          /* looked at up to here */
	size_t line_from;   /* where the line now looked at began */
	size_t lines_bytes; /* of the lines before it */
	uint64_t skip;      /* bytes of a literal still to be thrown away */
	uint64_t pending;   /* size of the literal that was told last */
	bool is_discarding;
};

enum imap_frame_kind {
	IMAP_FRAME_MORE,
	IMAP_FRAME_COMMAND,
	IMAP_FRAME_LITERAL,
	IMAP_FRAME_TOO_LONG,
	IMAP_FRAME_DROP,
};

struct imap_frame {
	enum imap_frame_kind kind;
	/* bytes from the beginning of the input; for LITERAL up to and with the line end */
	size_t length;
	size_t text_length; /* COMMAND, LITERAL: the same without the line end */
	/*
	 * UINT64_MAX when the number does not fit: the connection can't go on if it is not is_sync
	 */
	uint64_t literal_size;
	bool is_sync;   /* the client waits for "+ " before it sends the literal */
	bool is_binary; /* "~{": literal8, may hold NUL (RFC 3516) */
	bool is_over;   /* over literal_max or command_max: must not be take()n */
};

void imap_framer_init(struct imap_framer *f, const struct imap_framer_limits *limits);
/** Ready for the next command. The limits stay. */
void imap_framer_reset(struct imap_framer *f);
/**
 * Looks at input, which begins where the command does and holds all that next() has seen and not
 * told to drop.
 */
struct imap_frame imap_framer_next(struct imap_framer *f, struct str input);
/**
 * The same for a line that is not a command (IDLE's DONE, SASL responses): braces at its end mean
 * nothing.
 */
struct imap_frame imap_framer_next_line(struct imap_framer *f, struct str input);
/** After LITERAL: its bytes follow in the buffer. */
void imap_framer_take(struct imap_framer *f);
/** After LITERAL (not is_sync) or TOO_LONG: throws the rest of the command away. */
void imap_framer_discard(struct imap_framer *f);

#endif

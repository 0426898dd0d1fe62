/*
 * command.h - what a command is: one table entry, made in its own file in cmd/.
 *
 * The core frames the command, parses tag and name, checks state, permissions and limits from the
 * entry, calls parse() once and then run() until it does not return ERR_WAIT. Afterwards it tells
 * what has changed in the mailbox (EXPUNGE only when the flags allow it), and sends the tagged
 * reply: OK when run() returned ERR_OK, else NO or BAD from the table of errors. So parse() and
 * run() begin with the work, and write only their own untagged data.
 *
 *     framed -> parse() -> [may run?] -> run() -> ... ERR_WAIT, woken, run() ... -> told changes -> tagged reply -> done()
 */
#ifndef SESSION_COMMAND_H
#define SESSION_COMMAND_H

#include "base/arena.h"
#include "imap/scan.h"
#include "session/capability.h"

struct session;

enum command_states {
	IN_NOT_AUTHENTICATED = 1 << 0,
	IN_AUTHENTICATED = 1 << 1, /* no mailbox selected */
	IN_SELECTED = 1 << 2,
	IN_LOGGED_IN = IN_AUTHENTICATED | IN_SELECTED,
	IN_ANY = IN_NOT_AUTHENTICATED | IN_LOGGED_IN,
};

enum command_flags {
	/*
	 * its arguments or answers hold sequence numbers: no EXPUNGE is told during it (RFC 9051
	 * 7.5.1)
	 */
	USES_SEQS = 1 << 0,
	/* expunges: what is pipelined behind it and uses sequence numbers waits (5.5) */
	BREAKS_SEQS = 1 << 1,
	/* changes the selected mailbox: refused when it is open read-only */
	WRITES = 1 << 2,
	/* nothing pipelined is looked at before it is over (STARTTLS, AUTHENTICATE, COMPRESS) */
	ALONE = 1 << 3,
	STREAMS = 1 << 4, /* takes literals by literal() instead of in the command (APPEND) */
	/* changes are not told before the tagged reply (SELECT, LOGOUT, ...) */
	NO_TELL = 1 << 5,
	/* with WRITES: looks itself whether a mailbox that is open read-only forbids it */
	JUDGES = 1 << 9,
	/* tells all changes of the selected mailbox, whatever NOTIFY says: NOTIFY itself */
	TELLS_ALL = 1 << 8,
	/* changes the account: its answer, whatever it is, waits for what it was computed on */
	CHANGES = 1 << 6,
	/* searches: the keys may be sequence numbers, in the UID form too (RFC 9051 6.4.9) */
	SEARCHES = 1 << 7,
};

/* One command being worked on. All of it lives in the command arena. */
struct command {
	const struct imap_command *entry;
	struct str tag;
	bool is_uid; /* came as "UID ..." */
	struct arena *arena;
	/* entry->ctx_size bytes, zeroed: the command's own progress */
	void *ctx;
	/* response code of the tagged reply, without brackets; overrides the error's */
	struct str code;
	struct str text; /* words of the tagged reply; overrides */
	/*
	 * MESSAGELIMIT (RFC 9738): the command was done of so many messages only, 0: of all; the
	 * lowest UID among them, 0: not known
	 */
	uint32_t limited_to, limited_uid;
};

struct imap_command {
	const char *name; /* "FETCH" */
	bool uid;         /* has a UID form too */
	bool uid_only;    /* has only that (none today) */
	unsigned states, flags;
	/* in the selected mailbox (store/acl.h) that it can't do without */
	unsigned rights;
	enum capability capability; /* what announces it; CAP_IMAP4REV1 for the base */
	const char *args, *spec, *summary;
	/* response code to a literal that is too long, when not that of ERR_LIMIT */
	const char *literal_code;
	size_t ctx_size;
	/**
	 * Reads the arguments (from after the name and a space, if any) up to the end. Syntax
	 * errors are the scanner's.
	 */
	enum err (*parse)(struct session *s, struct command *c, struct imap_scan *in);
	/**
	 * Does the work; ERR_WAIT after registering session_waiter(s), or calling
	 * session_wait_output(s) or session_yield(s).
	 */
	enum err (*run)(struct session *s, struct command *c);
	/**
	 * For what may work for long: whether an untagged line may be written now (not in the
	 * middle of an answer), and how many messages of how many are done; 0: not known. Optional.
	 */
	bool (*progress)(struct session *s, const struct command *c, uint64_t *done_out,
	    uint64_t *goal_out);
	/**
	 * The tagged OK is in the output: what must come right behind it (STARTTLS, COMPRESS,
	 * LOGOUT). Optional.
	 */
	void (*replied)(struct session *s, struct command *c);
	/** Frees what the arena does not; called exactly once if parse() was called. Optional. */
	void (*done)(struct session *s, struct command *c);
	/**
	 * STREAMS only. A literal begins: `sofar` is the command up to and with its "{n}". ERR_OK:
	 * its bytes go to literal_data(); ERR_WAIT: asked again, from the beginning when it is the
	 * first. ERR_EXISTS: not a message, collect it into the command. Else: refused.
	 */
	enum err (*literal)(struct session *s, struct command *c, struct imap_scan *sofar,
	    struct imap_literal lit);
	/** Takes some bytes of it; may return ERR_WAIT. */
	enum err (*literal_data)(struct session *s, struct command *c, struct str data,
	    size_t *taken_out);
	/**
	 * It is complete. What follows it (up to the next literal or the end of the command) is
	 * given to literal() or parse().
	 */
	enum err (*literal_end)(struct session *s, struct command *c);
};

/* All commands, by name; ended by NULL. command_table.c */
extern const struct imap_command *const imap_commands[];
const struct imap_command *imap_command_find(struct str name);

#endif

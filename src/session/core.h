/*
 * core.h - the life of a session: from a connection to its end. For server.c (which makes sessions)
 * and the files of the core (core_int.h lists them); commands see session.h only.
 *
 *     bytes -> framer -> command -> parse() -> run() -> tell changes -> tagged reply -> next
 *                          |          ERR_WAIT: woken by store, output drained, input line, or own yield
 *                          +-> literal() / literal_data() / literal_end() for what streams (APPEND)
 *
 * Commands are executed one after the other, to completion, in the order in which they came, so no
 * two of them are ever ambiguous (RFC 9051 5.5); what is pipelined waits in the stream's input,
 * whose size is bounded.
 */
#ifndef SESSION_CORE_H
#define SESSION_CORE_H

#include "imap/framer.h"
#include "io/loop.h"
#include "io/prefix.h"
#include "io/stream.h"
#include "session/session.h"

enum session_phase {
	PHASE_IDLE,    /* between commands */
	PHASE_NEWS,    /* between commands: what NOTIFY asked for is told */
	PHASE_LITERAL, /* a literal streams into the command */
	PHASE_SKIP,    /* a literal is thrown away: the command has failed */
	PHASE_DISCARD, /* the rest of a refused command is thrown away */
	PHASE_RUN,
	PHASE_TELL, /* done; changes are being told */
};

/* A difference being told, which may be longer than the output takes at once. */
struct session_tell {
	bool is_active;
	struct arena arena;
	struct view_changes changes;
	uint32_t at_expunge, at_changed;
	struct fetch_news *fetch; /* of new messages, for NOTIFY; NULL: nothing */
	bool is_head_done;
};

struct session_core {
	struct session s; /* what commands see; s.core is this */
	struct loop *loop;
	struct buf out; /* written by commands, not yet given to the stream */
	struct imap_framer framer;
	enum session_phase phase;
	struct arena arena; /* of the current command */
	struct command cmd;
	bool has_cmd; /* cmd.entry is set; done() must be called if was_parsed */
	bool was_parsed;
	/* of the command, while PHASE_TELL, PHASE_SKIP or PHASE_DISCARD */
	enum err result;
	uint64_t literal_left;
	/* a command held one: an empty line after it is forgiven, once */
	bool had_literal;
	struct session_tell tell;

	/* What a waiting command waits for; each event just goes on with it. */
	bool wants_output, wants_line;
	struct waiter waiter;
	struct loop_task wake_task; /* posted by the waiter and by session_wake() */
	/* posted instead by who has had much time: see core_go_on() */
	struct loop_share share;
	bool is_inside; /* core_continue() is on the stack */
	bool is_share;  /* and this turn is a share */
	bool is_aside;  /* its loop is one of those aside: move.c */
	int64_t aside_since_us;

	/*
	 * The output gate: woken whenever the durable version moves that the first of the queued
	 * gates waits for.
	 */
	struct waiter gate_waiter;
	struct loop_task gate_task;
	struct list gates;

	struct loop_timer progress; /* set while a long command waits: progress.c */
	int64_t progress_due_ms;    /* when it is told next */
	struct loop_timer timer;    /* login time or inactivity; keep-alives in IDLE */
	int64_t last_input_ms;
	int64_t turn_began_us;
	int64_t command_us; /* that the current command has had of the loop */

	/* For the log and `posthorn who`. */
	struct io_addr peer;
	bool is_tls_implicit;
	bool is_idling;
	int64_t started_ms;
	uint64_t command_count;
	uint32_t bad_count, failed_login_count;
	struct str client_id; /* from ID; heap */
	const char *end_reason;
	struct list in_server; /* server.c: registry of the loop or server */
	void *server_data;     /* server.c's own */
};

/**
 * Takes over a connected socket (non-blocking). tls != NULL: it begins with a TLS handshake. Greets
 * when it can. The session ends by itself; server_session_closed() is told before it is freed.
 */
struct session *session_new(struct server *server, struct loop *loop, int fd,
    const struct io_addr *peer, struct tls *tls);
/**
 * As session_new(), already logged in as user: greets with PREAUTH (control socket of the admin
 * tool). Takes over account.
 */
struct session *session_new_preauth(struct server *server, struct loop *loop, int fd,
    struct str user, struct account *account);
/**
 * A session whose handshake is over goes on elsewhere: it leaves its loop, whose thread calls, and
 * arrives on the other, where server_session_arrived() is told.
 */
void session_move(struct session *s, struct loop *loop);
/** Ends it without further ado. */
void session_free(struct session *s);

/** The connection is under TLS, or local so that nobody can listen in. */
bool session_is_secure(const struct session *s);
/** Passwords may be sent: it is secure, or the server's options say so. */
bool session_may_send_password(const struct session *s);
/** Ends it when what is written so far is sent; the reason is for the log. */
void session_end(struct session *s, const char *reason);
/** Forgets what the client said of itself. */
void session_forget_client_id(struct session *s);
/** A login has succeeded: takes over account; the limits of logged-in clients apply from now on. */
void session_logged_in(struct session *s, struct str user, struct account *account);
/**
 * The session is as before login, but for TLS and what the client said of itself (RFC 8437 3): no
 * mailbox, nothing enabled, nothing saved, no compression. Gates in the output stay.
 */
void session_logged_out(struct session *s);
/** Runs the current command again, in the next turn. Loop thread. */
void session_wake(struct session *s);
/**
 * For IDLE and AUTHENTICATE: the next line the client sends, without its line end. False: not there
 * yet; return ERR_WAIT, and the command is run again when it is. The text is valid until the
 * command ends.
 */
bool session_take_line(struct session *s, struct str *line_out);

/** The longest line that session_take_line() takes; a longer one ends the session. */
enum { SESSION_LINE_MAX = 16384 };

/* What the core needs of the server: server.c. */
struct server_limits {
	uint64_t append_max_bytes;
	/* messages that one COPY or APPEND may add (RFC 9738); 0: none is told */
	uint32_t save_max;
	/*
	 * messages that one command may be about, as it is told, and from which on it is refused
	 * more (RFC 9738); 0: no limit
	 */
	uint32_t message_told, message_max;
	int64_t login_timeout_ms, idle_timeout_ms, keepalive_ms;
	int64_t progress_ms; /* between two INPROGRESS */
	uint32_t bad_commands_max;
};
const struct server_limits *server_limits(const struct server *srv);
/** The tagged or untagged list of capabilities of this session: "IMAP4rev1 …". */
void capability_format(const struct session *s, struct buf *b);
/** Told once, before the session is freed; writes its log line and takes it out of the registry. */
void server_session_closed(struct server *srv, struct session_core *k);

#endif

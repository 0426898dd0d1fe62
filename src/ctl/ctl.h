/*
 * ctl.h - the posthorn tool: a table of subcommands, one file each.
 *
 * Mailboxes and messages are reached through the running daemon: its control socket
 * (run_dir/control, mode 0600) takes the line "USER name" and is an IMAP connection from then on,
 * logged in as that user; "WHO" answers with a JSON object a line. Users are rows of the database,
 * which the tool opens itself.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "base/arena.h"
#include "base/buf.h"
#include "proc/config.h"

struct ctl {
	struct arena arena;      /* for the life of the process */
	const char *config_path; /* NULL: the default, if it exists */
	struct config *config;   /* loaded before run() unless the command needs none */
	bool is_json, is_quiet;
};

/* Exit statuses. */
enum { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

struct ctl_command {
	const char *name; /* "user add", "import" */
	const char *args; /* "NAME [--mailbox M]" */
	const char *summary;
	/* the manual page's paragraph on it; NULL: the summary says all */
	const char *help;
	bool needs_no_config;
	/* the status when it could not do what it is for, where CTL_FAILED means something else; 0: it does not */
	int failed_status;
	/** argv[0] is the first argument. */
	int (*run)(struct ctl *c, int argc, char **argv);
};

extern const struct ctl_command *const ctl_commands[]; /* ended by NULL */

/** Tells on stderr: "posthorn: …". Returns CTL_FAILED. */
int ctl_fail(const char *fmt, ...) printf_like(1, 2);
/**
 * Text that clients or files gave, for a terminal: control characters (C0, C1, line and paragraph
 * separators, those that turn the direction of writing) as \\xNN, byte by byte. In the arena.
 */
const char *ctl_shown(struct arena *a, struct str text);
/** Tells how the command is used. Returns CTL_USAGE. */
int ctl_usage(const struct ctl_command *cmd, const char *what);

/**
 * Takes an option out of the arguments: "--name value" or "--name=value" (value_out != NULL), or
 * "--name" alone. True when it was there. Call for all options first; what is left are the
 * operands, and ctl_has_options() tells of strangers.
 */
bool ctl_option(int *argc, char **argv, const char *name, const char **value_out);
/**
 * "--shared" stands for the account of the mailboxes that are nobody's, in the place of a user:
 * puts its name there.
 */
void ctl_take_shared(int *argc, char **argv);
/** The first argument that looks like an option, or NULL. "--" ends options and is taken out. */
const char *ctl_stray_option(int *argc, char **argv);

/** "dir/name" in b, which the result points into; it is as long as it must be. */
const char *ctl_path(struct buf *b, const char *dir, const char *name);
#define CTL_PATH BUF_MAX(65536)

/** Connects to the daemon's control socket; -1 after telling what is wrong and what to do. */
int ctl_connect(struct ctl *c);

/** True when stderr is a terminal and progress is wanted. */
bool ctl_shows_progress(const struct ctl *c);

#endif

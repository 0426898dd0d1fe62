/*
 * config.h - the configuration: a struct made from config.def, so that adding an option is adding a
 * row there.
 *
 * An empty file is a valid one. A loaded configuration does not change; a reload makes another.
 * Processes get it as text (config_format()), so that all run on what the supervisor has read and
 * checked.
 */
#ifndef PROC_CONFIG_H
#define PROC_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <sys/socket.h>
#include <sys/un.h>

enum { CONFIG_TEXT_MAX = 65536, CONFIG_LIST_MAX = 64, CONFIG_LOOPS_MAX = 256 };

struct config_list {
	const struct str *v; /* each with a NUL behind it */
	size_t n;
};

/* Each value type's C type; texts have a NUL behind them. */
typedef struct str config_STR;
typedef struct config_list config_LIST;
typedef struct config_list config_ADDRS;
typedef struct config_list config_IPS;
typedef struct config_list config_PATHS;
typedef struct str config_PATH;
typedef bool config_BOOL;
typedef uint32_t config_UINT;
typedef uint64_t config_SIZE;
typedef uint64_t config_TIME;
typedef unsigned config_ENUM; /* index of the choice */

struct config {
#define OPT(name, when, kind, def, lo, hi, choices, help) config_##kind name;
#include "proc/config.def"
#undef OPT
	struct arena arena;
};

enum config_cleartext { CLEARTEXT_NEVER, CLEARTEXT_LOOPBACK, CLEARTEXT_ALWAYS };

enum config_sandbox { SANDBOX_AUTO, SANDBOX_REQUIRE, SANDBOX_OFF };

enum config_quota_delivery { QUOTA_DELIVERY_RETRY, QUOTA_DELIVERY_REFUSE };

enum config_durability { DURABILITY_SYNC, DURABILITY_RELAXED };

enum config_kind {
	CONFIG_STR,
	CONFIG_LIST,
	CONFIG_ADDRS,
	CONFIG_IPS,
	CONFIG_PATHS,
	CONFIG_PATH,
	CONFIG_BOOL,
	CONFIG_UINT,
	CONFIG_SIZE,
	CONFIG_TIME,
	CONFIG_ENUM
};

/* A row of the table, for the manual page and `config show`. */
struct config_option {
	const char *name;
	bool can_reload; /* a reload changes it, else a restart */
	enum config_kind kind;
	const char *def;
	uint64_t lowest, highest;
	const char *choices;
	const char *help;
	size_t offset; /* in struct config */
};
extern const struct config_option config_options[];
extern const size_t config_option_count;

/** True for kinds of which an option has any number. */
bool config_is_list(enum config_kind kind);
/** How many loops the mail process has: `threads`, or one a core. */
size_t config_loops(const struct config *c);
/** And those that only shake hands: one for two of the others, as far as there are numbers. */
size_t config_doors(const struct config *c);

/**
 * Reads a file. A file that does not exist is an error.
 *
 * @errors  gets a line for each thing that is wrong: "FILE:LINE: what, and what would be right"
 *
 * ERR_CONFIG  *out is untouched
 */
must_use enum err config_load(const char *path, struct config **out, struct buf *errors);
/** The same from text. @name stands for the file in errors. "" gives the defaults. */
must_use enum err config_parse(const char *name, struct str text, struct config **out,
    struct buf *errors);
void config_free(struct config *c);
/**
 * All options with their values, as a file that gives the same configuration. only_changed: without
 * those at their default.
 */
void config_format(const struct config *c, bool only_changed, struct buf *out);
/** One value as in the file. */
void config_format_value(const struct config *c, const struct config_option *o, struct buf *out);
/** The default as config_format_value() would write it. */
void config_format_default(const struct config_option *o, struct buf *out);
/** What values of a kind look like: "a number from 1 to 64". */
void config_expected(const struct config_option *o, struct buf *out);
/** The option whose name is most like this one, or NULL when none is near. */
const struct config_option *config_nearest(struct str name);

struct listen_addr {
	struct sockaddr_storage sa;
	socklen_t len;
	bool is_any; /* "*": IPv6 that takes IPv4 too, or IPv4 where there is no IPv6 */
};

/** ERR_SYNTAX when it is not an address of the forms that ADDRS takes. */
must_use enum err listen_addr_parse(struct str text, struct listen_addr *out);

#endif

/*
 * log.h - structured log lines, one an event: `time=… level=info event=login user="joe" …` on
 * stderr.
 *
 * Only session/, proc/, daemon/ and ctl/ (and the faces beside session/) log; lower layers return
 * errors. Values are quoted and escaped, so no client's byte can forge a line. Thread-safe: a line
 * is one write(), or part of one.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* One field of a line. Made by the macros below. */
struct log_field {
	const char *key;

	enum { LOG_F_STR, LOG_F_U64, LOG_F_I64 } kind;
	struct str s;
	uint64_t u;
};

#define F_STR(key_, val)                                                                           \
	(struct log_field) { .key = (key_), .kind = LOG_F_STR, .s = (val) }
#define F_C(key_, val)                                                                             \
	(struct log_field) { .key = (key_), .kind = LOG_F_STR, .s = str_c(val) }
#define F_U64(key_, val)                                                                           \
	(struct log_field) { .key = (key_), .kind = LOG_F_U64, .u = (uint64_t)(val) }
#define F_I64(key_, val)                                                                           \
	(struct log_field) { .key = (key_), .kind = LOG_F_I64, .u = (uint64_t)(int64_t)(val) }
#define F_ERR(val) F_C("error", err_name(val))

/* Set once at start: the lowest level written, and the name of the process ("mail", "auth", …). */
void log_setup(enum log_level lowest, const char *process);
bool log_is_on(enum log_level level);
void log_fields(enum log_level level, const char *event, const struct log_field *fields,
    size_t count);

/**
 * What this thread logs until log_release() is written together: of several lines about one thing. Only
 * within a function, for who dies between the two loses them.
 */
void log_hold(void);
void log_release(void);

/**
 * A line from a signal's handler, which may have interrupted anything: no lock, no memory. Values
 * are ours, not a client's.
 */
void log_in_handler(enum log_level level, const char *event, const char *key1, const char *value1,
    const char *key2, const char *value2);

/* log_event(LOG_INFO, "login", F_STR("user", user), F_U64("session", id)); */
#define log_event(level, event, ...)                                                               \
	do {                                                                                       \
		if (log_is_on(level)) {                                                            \
			const struct log_field log_f_[] = { __VA_ARGS__ };                         \
			log_fields(level, event, log_f_, sizeof(log_f_) / sizeof(log_f_[0]));      \
		}                                                                                  \
	} while (0)

#endif

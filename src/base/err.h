/* err.h - results of functions. Every one is a row of err.def; ERR_OK is 0. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"

enum err {

#define ERR(code, text, reply, rcode, level) ERR_##code,
#include "base/err.def"
#undef ERR
	ERR_COUNT
};

enum err_reply { ERR_REPLY_OK, ERR_REPLY_NO, ERR_REPLY_BAD };

/** The name: "NOTFOUND". */
const char *err_name(enum err e);
/** The words that a client may read. */
const char *err_text(enum err e);
/** OK, NO or BAD: the tagged reply that tells it (RFC 9051 7.1). */
enum err_reply err_reply(enum err e);
/** The response code (RFC 5530), "" when there is none. */
const char *err_rcode(enum err e);
/** The level to log it at (enum log_level of log.h). */
int err_level(enum err e);

/* An error ignored on purpose, with the reason. */
#define ignore_err(call, why)                                                                      \
	do {                                                                                       \
		enum err ignored_ = (call);                                                        \
		(void)ignored_;                                                                    \
	} while (0)

#endif

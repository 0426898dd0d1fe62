/*
 * data.h - the bytes behind DATA: finds their end and takes off the dots (RFC 5321 4.5.2). Pure.
 *
 * Only CR LF dot CR LF ends a message. Line ends of any other form, alone or around a dot, are
 * bytes of the message like any other: who counts them as line ends lets a sender hide a second
 * message inside the first ("SMTP smuggling").
 */
#ifndef LMTP_DATA_H
#define LMTP_DATA_H

#include "base/str.h"

enum lmtp_data_state {
	LMTP_DATA_LINE,   /* after CR LF, or at the start */
	LMTP_DATA_DOT,    /* the dot that began the line is held back */
	LMTP_DATA_DOT_CR, /* so are the dot and a CR */
	LMTP_DATA_TEXT,
	LMTP_DATA_CR, /* in text, after a CR, which is given out already */
	LMTP_DATA_END,
};

struct lmtp_data {
	enum lmtp_data_state state;
};

#define LMTP_DATA_START ((struct lmtp_data){ LMTP_DATA_LINE })

/**
 * Takes a piece off *in and returns bytes of the message, which point into it or are static: maybe
 * none. Call it until *in is empty or the state is LMTP_DATA_END; what is left in *in then belongs
 * to the next command.
 */
struct str lmtp_data_next(struct lmtp_data *d, struct str *in);

#endif

/* err.c - the table of errors. */
#include "base/err.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name, *text, *rcode;
	enum err_reply reply;
	int level;
} table[] = {

#define ERR(code, text, reply, rcode, level)                                                       \
	[ERR_##code] = { #code, text, rcode, ERR_REPLY_##reply, LOG_##level },
#include "base/err.def"
#undef ERR
};

const char *
err_name(enum err e)
{
	return table[e].name;
}

const char *
err_text(enum err e)
{
	return table[e].text;
}

enum err_reply
err_reply(enum err e)
{
	return table[e].reply;
}

const char *
err_rcode(enum err e)
{
	return table[e].rcode;
}

int
err_level(enum err e)
{
	return table[e].level;
}

void
must_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "level=error event=assertion what=\"%s\" file=%s line=%d\n", what, file,
	    line);
	abort();
}

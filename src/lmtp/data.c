/*
 * data.c - see data.h.
 *
 * 	LINE --dot--> DOT --CR--> DOT_CR --LF--> END
 * 	  |            |             `--other: CR was text (the dot is gone: it began a line)--> TEXT
 * 	  |            `--other: the dot is gone--> TEXT
 * 	  `--other--> TEXT --CR--> CR --LF--> LINE
 */
#include "lmtp/data.h"

/* The text of one or more lines, up to where a line begins with a dot or the input ends. */
static struct str
text_take(struct lmtp_data *d, struct str *in)
{
	const char *p = in->p, *end = in->p + in->n;
	struct str text;

	while (p < end) {
		const char *cr;

		if (d->state == LMTP_DATA_LINE && *p == '.')
			break;
		if (d->state == LMTP_DATA_CR && *p == '\n') {
			d->state = LMTP_DATA_LINE;
			p++;
			continue;
		}
		cr = memchr(p, '\r', (size_t)(end - p));
		d->state = cr != NULL ? LMTP_DATA_CR : LMTP_DATA_TEXT;
		p = cr != NULL ? cr + 1 : end;
	}
	text = str_make(in->p, (size_t)(p - in->p));
	*in = str_sub(*in, text.n, in->n);
	return text;
}

struct str
lmtp_data_next(struct lmtp_data *d, struct str *in)
{
	char c;

	if (in->n == 0 || d->state == LMTP_DATA_END)
		return STR_NONE;
	c = in->p[0];
	switch (d->state) {
	case LMTP_DATA_LINE:
		if (c != '.')
			break;
		d->state = LMTP_DATA_DOT;
		*in = str_sub(*in, 1, in->n);
		return STR_NONE;
	case LMTP_DATA_DOT:
		if (c != '\r') {
			d->state = LMTP_DATA_TEXT;
			break;
		}
		d->state = LMTP_DATA_DOT_CR;
		*in = str_sub(*in, 1, in->n);
		return STR_NONE;
	case LMTP_DATA_DOT_CR:
		if (c == '\n') {
			d->state = LMTP_DATA_END;
			*in = str_sub(*in, 1, in->n);
			return STR_NONE;
		}
		d->state = LMTP_DATA_CR;
		return STR("\r");
	case LMTP_DATA_TEXT:
	case LMTP_DATA_CR:
	case LMTP_DATA_END:
		break;
	}
	return text_take(d, in);
}

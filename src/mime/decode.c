/* decode.c - see decode.h. */
#include "mime/decode.h"

enum { DIGIT_NONE = 64, DIGIT_BLANK, DIGIT_PAD };

/* What a byte is in base64, plus one; 0: nothing. */
static const uint8_t digits[256] = {
	['A'] = 1,
	['B'] = 2,
	['C'] = 3,
	['D'] = 4,
	['E'] = 5,
	['F'] = 6,
	['G'] = 7,
	['H'] = 8,
	['I'] = 9,
	['J'] = 10,
	['K'] = 11,
	['L'] = 12,
	['M'] = 13,
	['N'] = 14,
	['O'] = 15,
	['P'] = 16,
	['Q'] = 17,
	['R'] = 18,
	['S'] = 19,
	['T'] = 20,
	['U'] = 21,
	['V'] = 22,
	['W'] = 23,
	['X'] = 24,
	['Y'] = 25,
	['Z'] = 26,
	['a'] = 27,
	['b'] = 28,
	['c'] = 29,
	['d'] = 30,
	['e'] = 31,
	['f'] = 32,
	['g'] = 33,
	['h'] = 34,
	['i'] = 35,
	['j'] = 36,
	['k'] = 37,
	['l'] = 38,
	['m'] = 39,
	['n'] = 40,
	['o'] = 41,
	['p'] = 42,
	['q'] = 43,
	['r'] = 44,
	['s'] = 45,
	['t'] = 46,
	['u'] = 47,
	['v'] = 48,
	['w'] = 49,
	['x'] = 50,
	['y'] = 51,
	['z'] = 52,
	['0'] = 53,
	['1'] = 54,
	['2'] = 55,
	['3'] = 56,
	['4'] = 57,
	['5'] = 58,
	['6'] = 59,
	['7'] = 60,
	['8'] = 61,
	['9'] = 62,
	['+'] = 63,
	['/'] = 64,
	[' '] = DIGIT_BLANK + 1,
	['\t'] = DIGIT_BLANK + 1,
	['\r'] = DIGIT_BLANK + 1,
	['\n'] = DIGIT_BLANK + 1,
	['='] = DIGIT_PAD + 1,
};

static uint8_t
digit_of(char c)
{
	uint8_t v = digits[(unsigned char)c];

	return v == 0 ? DIGIT_NONE : v - 1;
}

/*
 * Decodes whole groups from in[i] on, as long as they are nothing but digits. Returns how many
 * bytes of in were taken.
 */
static size_t
base64_groups(struct str in, size_t i, char *to, size_t *n)
{
	size_t from = i;

	for (; in.n - i >= 4; i += 4) {
		unsigned a = digit_of(in.p[i]), b = digit_of(in.p[i + 1]),
			 c = digit_of(in.p[i + 2]), d = digit_of(in.p[i + 3]);
		uint32_t bits = a << 18 | b << 12 | c << 6 | d;

		if ((a | b | c | d) >= 64)
			break;
		to[(*n)++] = (char)(bits >> 16);
		to[(*n)++] = (char)(bits >> 8);
		to[(*n)++] = (char)bits;
	}
	return i - from;
}

/* Adds the bytes of a group that is not full. */
static void
base64_flush(struct mime_decoder *d, struct buf *out)
{
	if (d->count == 1)
		d->is_bad = true;
	if (d->count >= 2)
		buf_chr(out, (char)(d->bits >> (d->count == 2 ? 4 : 10)));
	if (d->count == 3)
		buf_chr(out, (char)(d->bits >> 2));
	d->count = 0;
	d->bits = 0;
}

/*
 * Bytes that are no digits are passed over (RFC 2045 6.8) and noted. Padding ends the data: mailing
 * lists append their footers as plain text, which would decode to noise.
 */
static void
base64_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
	char *to = buf_reserve(out, in.n + 3);
	size_t n = 0;

	if (to == NULL)
		return;
	for (size_t i = 0; i < in.n; i++) {
		uint8_t v;

		if (d->count == 0 && !d->is_ended) {
			i += base64_groups(in, i, to, &n);
			if (i == in.n)
				break;
		}
		v = digit_of(in.p[i]);
		if (v < 64 && !d->is_ended) {
			d->bits = d->bits << 6 | v;
			if (++d->count == 4) {
				to[n++] = (char)(d->bits >> 16);
				to[n++] = (char)(d->bits >> 8);
				to[n++] = (char)d->bits;
				d->count = 0;
				d->bits = 0;
			}
		} else if (v == DIGIT_PAD) {
			if (!d->is_ended) {
				if (d->count < 2)
					d->is_bad = true;
				if (d->count >= 2)
					to[n++] = (char)(d->bits >> (d->count == 2 ? 4 : 10));
				if (d->count == 3)
					to[n++] = (char)(d->bits >> 2);
				d->count = 0;
				d->bits = 0;
				d->is_ended = true;
			}
		} else if (v != DIGIT_BLANK) {
			d->is_bad = true;
		}
	}
	out->n += n;
}

static int
hex_of(char c)
{
	if (chr_is_digit(c))
		return c - '0';
	c = chr_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
qp_release(struct mime_decoder *d, struct buf *out)
{
	buf_add(out, d->held, d->held_count);
	d->held_count = 0;
	d->count = 0;
}

/*
 * One character behind "=": two hex digits, or blanks and a line end (a soft one, which goes). True
 * when it was taken; else the escape was none, is given out as it stands, and the character is
 * still to be read.
 */
static bool
qp_escape(struct mime_decoder *d, char c, struct buf *out)
{
	char last = d->held[d->held_count - 1];

	if (d->count == 1 && hex_of(c) >= 0) {
		d->held[d->held_count++] = c;
		d->count = 2;
		return true;
	}
	if (d->count == 2 && hex_of(c) >= 0) {
		d->held_count = 0;
		d->count = 0;
		buf_chr(out, (char)(hex_of(last) * 16 + hex_of(c)));
		return true;
	}
	if (d->count != 2 && c == '\n') {
		d->held_count = 0;
		d->count = 0;
		return true;
	}
	if (d->count != 2 && (c == ' ' || c == '\t' || c == '\r')
	    && d->held_count < sizeof(d->held)) {
		d->held[d->held_count++] = c;
		d->count = 3;
		return true;
	}
	d->is_bad = true;
	qp_release(d, out);
	return false;
}

/*
 * Blanks at the end of a line were added on the way (RFC 2045 6.7, rule 3), so they are held until
 * something follows.
 */
static void
qp_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
	size_t i = 0;

	while (i < in.n) {
		char c = in.p[i];

		if (d->count > 0) {
			i += qp_escape(d, c, out) ? 1 : 0;
			continue;
		}
		i++;
		if (c == '=') {
			qp_release(d, out);
			d->held[d->held_count++] = '=';
			d->count = 1;
		} else if (c == ' ' || c == '\t') {
			if (d->held_count == sizeof(d->held))
				qp_release(d, out);
			d->held[d->held_count++] = c;
		} else if (c == '\r' || c == '\n') {
			d->held_count = 0;
			buf_chr(out, c);
		} else {
			size_t from = i - 1;

			qp_release(d, out);
			while (i < in.n && in.p[i] > ' ' && in.p[i] != '=')
				i++;
			buf_add(out, in.p + from, i - from);
		}
	}
}

static void
qp_finish(struct mime_decoder *d, struct buf *out)
{
	/* "=" at the very end is a soft line break whose line end belongs to the boundary. */
	if (d->count == 2) {
		d->is_bad = true;
		qp_release(d, out);
	}
	d->held_count = 0;
	d->count = 0;
}

static uint32_t
uu_of(struct str line, size_t i)
{
	/* Spaces at the end of a line may be lost. */
	return i < line.n ? ((uint32_t)(unsigned char)line.p[i] - 32) & 63 : 0;
}

static void
uu_line(struct mime_decoder *d, struct str line, struct buf *out)
{
	size_t n;

	while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
		line.n--;
	if (!d->is_begun) {
		d->is_begun = str_starts(line, STR("begin "));
		return;
	}
	if (d->is_ended || line.n == 0)
		return;
	if (str_eq(line, STR("end"))) {
		d->is_ended = true;
		return;
	}
	n = uu_of(line, 0);
	if (n > (line.n - 1 + 3) / 4 * 3)
		d->is_bad = true;
	for (size_t i = 1; n > 0 && i < line.n; i += 4) {
		uint32_t v = uu_of(line, i) << 18 | uu_of(line, i + 1) << 12
		    | uu_of(line, i + 2) << 6 | uu_of(line, i + 3);

		for (int shift = 16; shift >= 0 && n > 0; shift -= 8, n--)
			buf_chr(out, (char)(v >> shift));
	}
}

static void
uu_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		if (d->held_count < sizeof(d->held))
			d->held[d->held_count++] = in.p[i];
		else if (d->is_begun && !d->is_ended)
			d->is_bad = true;
		if (in.p[i] == '\n') {
			uu_line(d, str_make(d->held, d->held_count), out);
			d->held_count = 0;
		}
	}
}

void
mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding)
{
	*d = (struct mime_decoder){ .encoding = encoding };
}

void
mime_decoder_feed(struct mime_decoder *d, struct str in, struct buf *out)
{
	switch (d->encoding) {
	case MIME_ENC_BASE64:
		base64_feed(d, in, out);
		break;
	case MIME_ENC_QP:
		qp_feed(d, in, out);
		break;
	case MIME_ENC_UUENCODE:
		uu_feed(d, in, out);
		break;
	case MIME_ENC_7BIT:
	case MIME_ENC_8BIT:
	case MIME_ENC_BINARY:
	case MIME_ENC_UNKNOWN:
	case MIME_ENC_COUNT:
		buf_str_add(out, in);
		break;
	}
}

enum err
mime_decoder_finish(struct mime_decoder *d, struct buf *out)
{
	switch (d->encoding) {
	case MIME_ENC_BASE64:
		base64_flush(d, out);
		break;
	case MIME_ENC_QP:
		qp_finish(d, out);
		break;
	case MIME_ENC_UUENCODE:
		uu_line(d, str_make(d->held, d->held_count), out);
		d->held_count = 0;
		if (!d->is_ended)
			d->is_bad = true;
		break;
	case MIME_ENC_UNKNOWN:
	case MIME_ENC_COUNT:
		return ERR_UNKNOWN_CTE;
	case MIME_ENC_7BIT:
	case MIME_ENC_8BIT:
	case MIME_ENC_BINARY:
		break;
	}
	return d->is_bad ? ERR_UNKNOWN_CTE : ERR_OK;
}

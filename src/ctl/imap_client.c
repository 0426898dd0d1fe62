/* imap_client.c - see imap_client.h. */
#include "ctl/imap_client.h"

#include "imap/reply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OUT_KEEP = 256 * 1024, READ_BYTES = 65536 };

#define RESPONSE_MAX ((size_t)1024 * 1024 * 1024)

struct imap_client {
	int fd;
	bool is_broken;
	struct buf out;
	struct buf in; /* from the response at hand on */
	size_t in_at;  /* the response before it ended here */
	struct buf reply;
};

static void
flush(struct imap_client *ic)
{
	for (size_t at = 0; at < ic->out.n && !ic->is_broken;) {
		ssize_t n = write(ic->fd, ic->out.p + at, ic->out.n - at);

		if (n < 0 && errno != EINTR)
			ic->is_broken = true;
		else if (n > 0)
			at += (size_t)n;
	}
	buf_clear(&ic->out);
}

static bool
fill(struct imap_client *ic)
{
	char *to = buf_reserve(&ic->in, READ_BYTES);
	ssize_t n;

	if (to == NULL || ic->is_broken)
		return false;
	do
		n = read(ic->fd, to, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		ic->is_broken = true;
		return false;
	}
	ic->in.n += (size_t)n;
	return true;
}

/* A line that ends with a literal's announcement goes on behind the literal. */
static bool
literal_size(struct str line, uint64_t *size_out)
{
	size_t open = str_rchr(line, '{');

	return open != SIZE_MAX && str_ends(line, STR("}"))
	    && str_to_u64(str_sub(line, open + 1, line.n - 1), size_out);
}

/* The next response, valid until the next call; false when the connection is broken. */
static bool
read_response(struct imap_client *ic, struct str *out)
{
	size_t from = 0, at = 0;

	buf_consume(&ic->in, ic->in_at);
	ic->in_at = 0;
	for (;;) {
		size_t lf = str_chr(str_sub(buf_str(&ic->in), at, ic->in.n), '\n');
		struct str line;
		uint64_t size;

		if (lf == SIZE_MAX) {
			at = ic->in.n;
			if (!fill(ic))
				return false;
			continue;
		}
		lf += at;
		line = str_trim(str_sub(buf_str(&ic->in), from, lf));
		at = from = lf + 1;
		if (!literal_size(line, &size)) {
			ic->in_at = at;
			*out = str_sub(buf_str(&ic->in), 0, lf);
			if (str_ends(*out, STR("\r")))
				out->n--;
			return true;
		}
		while (ic->in.n - at < size) {
			if (!fill(ic))
				return false;
		}
		at += size;
		from = at;
	}
}

void
imap_client_begin(struct imap_client *ic, const char *words)
{
	buf_lit(&ic->out, "t ");
	buf_c(&ic->out, words);
}

void
imap_client_words(struct imap_client *ic, const char *words)
{
	buf_c(&ic->out, words);
}

void
imap_client_mailbox(struct imap_client *ic, struct str name)
{
	reply_string(&ic->out, name, REPLY_UTF8);
}

void
imap_client_literal(struct imap_client *ic, struct str bytes)
{
	/* NUL may stand in a literal8 only (RFC 3516 4.4). */
	buf_printf(&ic->out, "%s{%zu+}\r\n", str_chr(bytes, '\0') != SIZE_MAX ? "~" : "", bytes.n);
	buf_str_add(&ic->out, bytes);
	if (ic->out.n > OUT_KEEP)
		flush(ic);
}

bool
imap_client_end(struct imap_client *ic, imap_client_fn *fn, void *ctx)
{
	struct str r;

	buf_lit(&ic->out, "\r\n");
	flush(ic);
	buf_clear(&ic->reply);
	while (read_response(ic, &r)) {
		if (str_starts(r, STR("* "))) {
			if (fn != NULL)
				fn(ctx, str_sub(r, 2, r.n));
		} else if (str_starts(r, STR("t "))) {
			buf_str_add(&ic->reply, str_sub(r, 2, r.n));
			return str_starts(buf_str(&ic->reply), STR("OK"));
		}
	}
	buf_lit(&ic->reply, "the connection to posthornd broke");
	return false;
}

struct str
imap_client_reply(const struct imap_client *ic)
{
	return buf_str(&ic->reply);
}

struct imap_client *
imap_client_open(struct ctl *c, const char *user)
{
	struct imap_client *ic;
	struct str greeting;
	int fd;

	if (strpbrk(user, "\r\n") != NULL) {
		ctl_fail("a user's name has no line end");
		return NULL;
	}
	fd = ctl_connect(c);
	if (fd < 0)
		return NULL;
	ic = xcalloc(1, sizeof(*ic));
	*ic = (struct imap_client){ .fd = fd,
		.out = BUF_MAX(RESPONSE_MAX),
		.in = BUF_MAX(RESPONSE_MAX),
		.reply = BUF_MAX(65536) };
	buf_printf(&ic->out, "USER %s\n", user);
	flush(ic);
	if (!read_response(ic, &greeting))
		ctl_fail("posthornd closed the control connection");
	else if (!str_starts(greeting, STR("* PREAUTH")))
		ctl_fail("%s: %.*s", user, STR_F(greeting));
	else {
		imap_client_begin(ic, "ENABLE UTF8=ACCEPT");
		if (imap_client_end(ic, NULL, NULL))
			return ic;
		ctl_fail("%.*s", STR_F(imap_client_reply(ic)));
	}
	imap_client_close(ic);
	return NULL;
}

void
imap_client_close(struct imap_client *ic)
{
	if (ic == NULL)
		return;
	if (!ic->is_broken) {
		imap_client_begin(ic, "LOGOUT");
		imap_client_end(ic, NULL, NULL);
	}
	close(ic->fd);
	buf_done(&ic->out);
	buf_done(&ic->in);
	buf_done(&ic->reply);
	free(ic);
}

static bool
take_quoted(struct arena *a, struct str *s, struct str *word_out)
{
	size_t n = 0, i = 1;
	char *to;

	for (; i < s->n && s->p[i] != '"'; i++)
		i += s->p[i] == '\\' ? 1 : 0;
	to = arena_alloc(a, i);
	for (i = 1; i < s->n && s->p[i] != '"'; i++) {
		if (s->p[i] == '\\' && i + 1 < s->n)
			i++;
		to[n++] = s->p[i];
	}
	*word_out = str_make(to, n);
	*s = str_sub(*s, i + 1, s->n);
	return true;
}

bool
imap_client_take(struct arena *a, struct str *s, struct str *word_out)
{
	size_t i = 0;

	while (s->n > 0 && s->p[0] == ' ')
		*s = str_sub(*s, 1, s->n);
	if (s->n == 0)
		return false;
	if (s->p[0] == '"')
		return take_quoted(a, s, word_out);
	if (s->p[0] == '{' || str_starts(*s, STR("~{"))) {
		size_t lf = str_chr(*s, '\n');
		uint64_t size;

		if (lf == SIZE_MAX || !literal_size(str_trim(str_sub(*s, 0, lf)), &size)
		    || size > s->n - lf - 1)
			return false;
		*word_out = str_sub(*s, lf + 1, lf + 1 + size);
		*s = str_sub(*s, lf + 1 + size, s->n);
		return true;
	}
	if (s->p[0] == '(' || s->p[0] == ')') {
		*word_out = str_sub(*s, 0, 1);
		*s = str_sub(*s, 1, s->n);
		return true;
	}
	while (i < s->n && s->p[i] != ' ' && s->p[i] != '(' && s->p[i] != ')')
		i++;
	*word_out = str_sub(*s, 0, i);
	*s = str_sub(*s, i, s->n);
	return true;
}

/* envelope.c - see envelope.h. */
#include "mime/envelope.h"

#include "base/arena.h"
#include "mime/address.h"
#include "mime/content_int.h"
#include "mime/header.h"

/*
 * Longer texts go as literals, so that no line of ours is longer than clients' buffers are known to
 * be.
 */
#define QUOTED_MAX 2000

#define ALL(c) (0x0101010101010101u * (c))
/* The high bit of each byte of w that is 0, and perhaps of some above it. */
#define ZEROS(w) (((w)-ALL(1)) & ~(w))

/* Nothing in it is quoted or forbidden between quotes. Eight at a time; it may say no for nothing. */
static bool
is_plain(struct str s)
{
	size_t i = 0;
	uint64_t w, odd = 0;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&w, s.p + i, 8);
		/* what is below 0x20, or 8-bit, is left to who looks closer */
		odd |= w | (w - ALL(0x20)) | ZEROS(w ^ ALL('"')) | ZEROS(w ^ ALL('\\'));
	}
	for (; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		odd |= c < 0x20 || c >= 0x80 || c == '"' || c == '\\' ? 0x80 : 0;
	}
	return (odd & ALL(0x80)) == 0;
}

void
mime_string_format(struct str s, struct buf *out)
{
	size_t nuls = 0, escapes = 0;
	bool is_quotable = s.n <= QUOTED_MAX;

	if (is_quotable && is_plain(s)) {
		char *to = buf_room(out, s.n + 2);

		if (to == NULL)
			return;
		to[0] = '"';
		if (s.n > 0)
			memcpy(to + 1, s.p, s.n);
		to[s.n + 1] = '"';
		out->n += s.n + 2;
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		nuls += c == '\0';
		escapes += c == '"' || c == '\\';
		if (c >= 0x80 || c == '\r' || c == '\n')
			is_quotable = false;
	}
	if (!is_quotable)
		buf_printf(out, "{%zu}\r\n", s.n - nuls);
	else
		buf_chr(out, '"');
	if (nuls == 0 && (!is_quotable || escapes == 0)) {
		buf_str_add(out, s);
	} else {
		for (size_t i = 0; i < s.n; i++) {
			if (s.p[i] == '\0')
				continue;
			if (is_quotable && (s.p[i] == '"' || s.p[i] == '\\'))
				buf_chr(out, '\\');
			buf_chr(out, s.p[i]);
		}
	}
	if (is_quotable)
		buf_chr(out, '"');
}

void
mime_nstring_format(struct str s, struct buf *out)
{
	if (s.p == NULL)
		buf_lit(out, "NIL");
	else
		mime_string_format(s, out);
}

static void
address_format(const struct mime_address *a, struct buf *out)
{
	switch (a->kind) {
	case MIME_ADDR_MAILBOX:
		buf_chr(out, '(');
		mime_nstring_format(a->name, out);
		buf_chr(out, ' ');
		mime_nstring_format(a->route, out);
		buf_chr(out, ' ');
		mime_string_format(a->mailbox, out);
		buf_chr(out, ' ');
		/* Not NIL, which would make it the begin of a group. */
		mime_string_format(a->host, out);
		buf_chr(out, ')');
		break;
	case MIME_ADDR_GROUP:
		buf_lit(out, "(NIL NIL ");
		mime_string_format(a->name, out);
		buf_lit(out, " NIL)");
		break;
	case MIME_ADDR_GROUP_END:
		buf_lit(out, "(NIL NIL NIL NIL)");
		break;
	}
}

/* Adds the list, or NIL. False when there was no address in it. */
static bool
addresses_format(struct arena *a, struct str value, struct buf *out)
{
	struct mime_address *list = mime_address_parse(a, value);

	if (list == NULL) {
		buf_lit(out, "NIL");
		return false;
	}
	buf_chr(out, '(');
	for (; list != NULL; list = list->next)
		address_format(list, out);
	buf_chr(out, ')');
	return true;
}

void
mime_envelope_format(const struct mime_envelope *env, struct buf *out)
{
	struct arena a = ARENA_NONE;
	const struct str after[] = { env->sender, env->reply_to, env->to, env->cc, env->bcc };
	struct str from;
	size_t from_at;

	buf_chr(out, '(');
	mime_nstring_format(env->date, out);
	buf_chr(out, ' ');
	mime_nstring_format(env->subject, out);
	buf_chr(out, ' ');
	from_at = out->n;
	addresses_format(&a, env->from, out);
	from = str_sub(buf_str(out), from_at, out->n);
	/* The buffer moves when it grows. */
	from = arena_str(&a, from);
	for (size_t i = 0; i < ARRAY_LEN(after); i++) {
		size_t at;

		buf_chr(out, ' ');
		at = out->n;
		if (!addresses_format(&a, after[i], out) && i < 2) {
			/*
			 * Sender and Reply-To are From where they are absent or empty (RFC 9051
			 * 7.5.2).
			 */
			buf_truncate(out, at);
			buf_str_add(out, from);
		}
	}
	buf_chr(out, ' ');
	mime_nstring_format(env->in_reply_to, out);
	buf_chr(out, ' ');
	mime_nstring_format(env->message_id, out);
	buf_chr(out, ')');
	arena_done(&a);
}

/* This field and those of its name behind it, with commas between. */
static void
destinations_join(struct mime_field f, struct str rest, struct buf *out)
{
	struct str name = f.name;

	mime_value_unfold(f.value, out);
	while (mime_header_next(&rest, &f)) {
		if (!str_eq_nocase(f.name, name))
			continue;
		if (out->n > 0)
			buf_lit(out, ", ");
		mime_value_unfold(f.value, out);
	}
}

void
mime_envelope_keep(struct mime_keeper *k, struct str header, struct mime_envelope *env)
{
	const struct {
		struct str name;
		struct str *value;
	} fields[] = {
		{ STR("Date"), &env->date },
		{ STR("Subject"), &env->subject },
		{ STR("From"), &env->from },
		{ STR("Sender"), &env->sender },
		{ STR("Reply-To"), &env->reply_to },
		{ STR("To"), &env->to },
		{ STR("Cc"), &env->cc },
		{ STR("Bcc"), &env->bcc },
		{ STR("In-Reply-To"), &env->in_reply_to },
		{ STR("Message-ID"), &env->message_id },
	};
	struct str rest = header;
	struct mime_field f;

	while (mime_header_next(&rest, &f))
		for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
			bool is_destination = fields[i].value == &env->to
			    || fields[i].value == &env->cc || fields[i].value == &env->bcc;

			if (fields[i].value->p != NULL || !str_eq_nocase(f.name, fields[i].name))
				continue;
			buf_clear(&k->scratch);
			if (is_destination)
				destinations_join(f, rest, &k->scratch);
			else
				mime_value_unfold(f.value, &k->scratch);
			*fields[i].value = STR("");
			if (k->scratch.n > 0)
				*fields[i].value = mime_keep(k, buf_str(&k->scratch));
		}
}

void
mime_envelope_parse(struct arena *a, struct str header, struct mime_envelope *env_out)
{
	struct mime_keeper k = { .a = a,
		.left = 2 * header.n,
		.scratch = BUF_MAX(2 * header.n + 1) };

	*env_out = (struct mime_envelope){ 0 };
	mime_envelope_keep(&k, header, env_out);
	buf_done(&k.scratch);
}

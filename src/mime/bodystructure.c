/* bodystructure.c - see bodystructure.h. */
#include "mime/bodystructure.h"

#include "base/arena.h"
#include "mime/envelope.h"
#include "mime/limits.h"

/*
 * RFC 9051 7.5.2 wants an extended parameter decoded, in UTF-8, under its name with a star. What a
 * "name*" holds has a form (RFC 2231 4), and clients rely on it; so the value goes in that form,
 * charset'language'text with % escapes.
 */
static void
extended_format(struct str value, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	buf_lit(out, "\"utf-8''");
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c <= ' ' || c >= 0x7F || memchr("()<>@,;:\\\"/[]?=*'%", c, 18) != NULL) {
			buf_chr(out, '%');
			buf_chr(out, hex[c >> 4]);
			buf_chr(out, hex[c & 15]);
		} else {
			buf_chr(out, (char)c);
		}
	}
	buf_chr(out, '"');
}

static void
params_format(const struct mime_param *p, struct buf *out)
{
	if (p == NULL) {
		buf_lit(out, "NIL");
		return;
	}
	for (char c = '('; p != NULL; p = p->next, c = ' ') {
		buf_chr(out, c);
		if (p->is_extended) {
			struct arena a = ARENA_NONE;

			mime_string_format(arena_printf(&a, "%.*s*", STR_F(p->name)), out);
			arena_done(&a);
			buf_chr(out, ' ');
			extended_format(p->value, out);
		} else {
			mime_string_format(p->name, out);
			buf_chr(out, ' ');
			mime_string_format(p->value, out);
		}
	}
	buf_chr(out, ')');
}

static void
type_params_format(const struct mime_part *part, struct buf *out)
{
	/* What text without a type is (RFC 2045 5.2), said aloud. */
	if (part->is_type_default && part->kind == MIME_KIND_TEXT)
		buf_lit(out, "(\"charset\" \"us-ascii\")");
	else
		params_format(part->params, out);
}

/* Disposition, language, location: the extension data that both kinds end with. */
static void
extension_format(const struct mime_part *part, struct buf *out)
{
	buf_chr(out, ' ');
	if (part->disposition.p == NULL) {
		buf_lit(out, "NIL");
	} else {
		buf_chr(out, '(');
		mime_string_format(part->disposition, out);
		buf_chr(out, ' ');
		params_format(part->disposition_params, out);
		buf_chr(out, ')');
	}
	buf_chr(out, ' ');
	if (part->language_count == 0)
		buf_lit(out, "NIL");
	for (uint32_t i = 0; i < part->language_count; i++) {
		buf_chr(out, i == 0 ? '(' : ' ');
		mime_string_format(part->languages[i], out);
	}
	if (part->language_count > 0)
		buf_chr(out, ')');
	buf_chr(out, ' ');
	mime_nstring_format(part->location, out);
}

static void
one_part_begin(const struct mime_part *part, struct buf *out)
{
	mime_string_format(part->type, out);
	buf_chr(out, ' ');
	mime_string_format(part->subtype, out);
	buf_chr(out, ' ');
	type_params_format(part, out);
	buf_chr(out, ' ');
	mime_nstring_format(part->id, out);
	buf_chr(out, ' ');
	mime_nstring_format(part->description, out);
	buf_chr(out, ' ');
	mime_string_format(part->encoding_name.n > 0 ? part->encoding_name : STR("7bit"), out);
	buf_chr(out, ' ');
	buf_u64(out, part->body.length);
}

static void
one_part_end(const struct mime_part *part, bool is_extended, struct buf *out)
{
	if (part->kind != MIME_KIND_BASIC) {
		buf_chr(out, ' ');
		buf_u64(out, part->body_lines);
	}
	if (is_extended) {
		buf_chr(out, ' ');
		mime_nstring_format(part->md5, out);
		extension_format(part, out);
	}
	buf_chr(out, ')');
}

static void
multipart_end(const struct mime_part *part, bool is_extended, struct buf *out)
{
	buf_chr(out, ' ');
	mime_string_format(part->subtype, out);
	if (is_extended) {
		buf_chr(out, ' ');
		params_format(part->params, out);
		extension_format(part, out);
	}
	buf_chr(out, ')');
}

/* Begins a part. True when its first child comes next. */
static bool
part_begin(const struct mime_part *part, bool is_extended, struct buf *out)
{
	static const struct mime_envelope empty_envelope;
	const struct mime_envelope *env;

	buf_chr(out, '(');
	switch (part->kind) {
	case MIME_KIND_MULTIPART:
		if (part->child_count > 0)
			return true;
		/* The grammar wants one part at least (RFC 9051 9, body-type-mpart). */
		buf_lit(out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
		if (is_extended)
			buf_lit(out, " NIL NIL NIL NIL");
		buf_chr(out, ')');
		multipart_end(part, is_extended, out);
		return false;
	case MIME_KIND_MESSAGE:
		one_part_begin(part, out);
		buf_chr(out, ' ');
		env = part->first_child->envelope;
		mime_envelope_format(env != NULL ? env : &empty_envelope, out);
		buf_chr(out, ' ');
		return true;
	case MIME_KIND_TEXT:
	case MIME_KIND_BASIC:
		one_part_begin(part, out);
		one_part_end(part, is_extended, out);
		return false;
	}
	return false;
}

static void
format(const struct mime_message *msg, bool is_extended, struct buf *out)
{
	const struct mime_part *part = msg->root;

	for (;;) {
		if (part_begin(part, is_extended, out)) {
			part = part->first_child;
			continue;
		}
		while (part->next == NULL) {
			part = part->parent;
			if (part == NULL)
				return;
			if (part->kind == MIME_KIND_MULTIPART)
				multipart_end(part, is_extended, out);
			else
				one_part_end(part, is_extended, out);
		}
		part = part->next;
	}
}

void
mime_bodystructure_format(const struct mime_message *msg, struct buf *out)
{
	format(msg, true, out);
}

void
mime_body_format(const struct mime_message *msg, struct buf *out)
{
	format(msg, false, out);
}

/* Takes one string, number, NIL or list off *s. False when there is none, or it is damaged. */
static bool
item_next(struct str *s, struct str *item_out)
{
	size_t i = 0, depth = 0;

	do {
		if (i >= s->n)
			return false;
		switch (s->p[i]) {
		case '(':
			depth++;
			i++;
			break;
		case ')':
			if (depth == 0)
				return false;
			depth--;
			i++;
			break;
		case ' ':
			if (depth == 0)
				return false;
			i++;
			break;
		case '"':
			for (i++; i < s->n && s->p[i] != '"'; i++)
				if (s->p[i] == '\\')
					i++;
			i++;
			break;
		case '{': {
			size_t end = str_chr(str_sub(*s, i, s->n), '}');
			uint32_t n;

			if (end == SIZE_MAX || !str_to_u32(str_sub(*s, i + 1, i + end), &n))
				return false;
			i += end + 3 + n;
			break;
		}
		default:
			while (i < s->n && s->p[i] != ' ' && s->p[i] != '(' && s->p[i] != ')')
				i++;
		}
	} while (depth > 0);
	if (i > s->n)
		return false;
	*item_out = str_sub(*s, 0, i);
	*s = str_sub(*s, i, s->n);
	return true;
}

/* Copies count items, and the space before each. */
static bool
items_copy(struct str *s, size_t count, struct buf *out)
{
	struct str item;

	for (; count > 0; count--) {
		if (s->n == 0 || s->p[0] != ' ')
			return false;
		*s = str_sub(*s, 1, s->n);
		if (!item_next(s, &item))
			return false;
		buf_chr(out, ' ');
		buf_str_add(out, item);
	}
	return true;
}

/* Leaves out the extension data, up to and with the parenthesis that ends the body. */
static bool
extension_skip(struct str *s, struct buf *out)
{
	struct str item;

	while (s->n > 0 && s->p[0] == ' ') {
		*s = str_sub(*s, 1, s->n);
		if (!item_next(s, &item))
			return false;
	}
	if (s->n == 0 || s->p[0] != ')')
		return false;
	*s = str_sub(*s, 1, s->n);
	buf_chr(out, ')');
	return true;
}

/* Begins a body that is no multipart. *has_message_out: the message inside comes next. */
static bool
one_part_copy(struct str *s, struct buf *out, bool *has_message_out)
{
	struct str type, rest, subtype;

	*has_message_out = false;
	if (!item_next(s, &type))
		return false;
	buf_str_add(out, type);
	rest = str_sub(*s, 1, s->n);
	if (!item_next(&rest, &subtype) || !items_copy(s, 6, out))
		return false;
	if (str_eq_nocase(type, STR("\"text\"")))
		return items_copy(s, 1, out) && extension_skip(s, out);
	if (str_eq_nocase(type, STR("\"message\""))
	    && (str_eq_nocase(subtype, STR("\"rfc822\""))
		|| str_eq_nocase(subtype, STR("\"global\"")))) {
		*has_message_out = true;
		if (!items_copy(s, 1, out) || s->n == 0 || s->p[0] != ' ')
			return false;
		*s = str_sub(*s, 1, s->n);
		buf_chr(out, ' ');
		return true;
	}
	return extension_skip(s, out);
}

enum err
mime_body_from_bodystructure(struct str s, struct buf *out)
{
	bool is_message[MIME_MAX_DEPTH + 2];
	size_t depth = 0;

	do {
		bool has_message, is_ok;

		if (s.n < 2 || s.p[0] != '(' || depth == ARRAY_LEN(is_message))
			return ERR_CORRUPT;
		s = str_sub(s, 1, s.n);
		buf_chr(out, '(');
		if (s.p[0] == '(') {
			is_message[depth++] = false;
			continue;
		}
		if (!one_part_copy(&s, out, &has_message))
			return ERR_CORRUPT;
		if (has_message) {
			is_message[depth++] = true;
			continue;
		}
		/* A body is over: so may be those around it. */
		while (depth > 0 && (is_message[depth - 1] || (s.n > 0 && s.p[0] != '('))) {
			is_ok = items_copy(&s, 1, out) && extension_skip(&s, out);
			if (!is_ok)
				return ERR_CORRUPT;
			depth--;
		}
	} while (depth > 0);
	return s.n == 0 ? ERR_OK : ERR_CORRUPT;
}

/* ---- one part of it -------------------------------------------------------------------------- */

enum { ITEM_PARAMS = 2, ITEM_ENCODING = 5, ITEM_OCTETS = 6, ITEM_INNER = 8, ITEMS_MAX = 16 };

static bool
is_multipart(struct str body)
{
	return str_starts(body, STR("(("));
}

/* Takes the parentheses off. */
static bool
open_list(struct str *s)
{
	if (s->n < 2 || s->p[0] != '(' || s->p[s->n - 1] != ')')
		return false;
	*s = str_sub(*s, 1, s->n - 1);
	return true;
}

/* The items of a body that is no multipart, as far as there is room for them; 0: damaged. */
static size_t
split(struct str body, struct str items[ITEMS_MAX])
{
	size_t n = 0;

	if (!open_list(&body))
		return 0;
	while (n < ITEMS_MAX) {
		if (!item_next(&body, &items[n++]))
			return 0;
		if (body.n == 0)
			return n > ITEM_OCTETS ? n : 0;
		if (body.p[0] != ' ')
			return 0;
		body = str_sub(body, 1, body.n);
	}
	return n;
}

static bool
is_message(const struct str *items, size_t n)
{
	return n > ITEM_INNER + 1 && str_eq_nocase(items[0], STR("\"message\""))
	    && (str_eq_nocase(items[1], STR("\"rfc822\""))
		|| str_eq_nocase(items[1], STR("\"global\"")));
}

static enum err
child(struct str body, uint32_t number, struct str *out)
{
	if (!open_list(&body))
		return ERR_CORRUPT;
	for (; number > 0; number--) {
		if (body.n == 0 || body.p[0] != '(')
			return ERR_NOTFOUND;
		if (!item_next(&body, out))
			return ERR_CORRUPT;
	}
	return ERR_OK;
}

enum err
mime_bodystructure_inner(struct str part, struct str *inner_out)
{
	struct str items[ITEMS_MAX];
	size_t n;

	if (is_multipart(part))
		return ERR_NOTFOUND;
	n = split(part, items);
	if (n == 0)
		return ERR_CORRUPT;
	if (!is_message(items, n))
		return ERR_NOTFOUND;
	*inner_out = items[ITEM_INNER];
	return ERR_OK;
}

enum err
mime_bodystructure_part(struct str body, const uint32_t *path, size_t path_count,
    struct str *part_out)
{
	for (size_t i = 0; i < path_count; i++) {
		enum err e = ERR_OK;

		/* What is inside a message is numbered as if it stood alone. */
		if (i > 0 && !is_multipart(body))
			e = mime_bodystructure_inner(body, &body);
		if (e == ERR_OK && is_multipart(body))
			e = child(body, path[i], &body);
		else if (e == ERR_OK && path[i] != 1)
			e = ERR_NOTFOUND;
		if (e != ERR_OK)
			return e;
	}
	*part_out = body;
	return ERR_OK;
}

/* The parameters with another charset, at the place of the old one or in front. */
static bool
charset_params(struct str params, struct str charset, struct buf *out)
{
	struct str name, value;

	buf_lit(out, "(\"charset\" ");
	mime_string_format(charset, out);
	if (open_list(&params)) {
		while (params.n > 0) {
			if (!item_next(&params, &name) || params.n == 0)
				return false;
			params = str_sub(params, 1, params.n);
			if (!item_next(&params, &value))
				return false;
			params = str_sub(params, 1, params.n);
			/* How its lines were folded (RFC 3676) is not so any more. */
			if (str_starts_nocase(name, STR("\"charset"))
			    || str_eq_nocase(name, STR("\"format\""))
			    || str_eq_nocase(name, STR("\"delsp\"")))
				continue;
			buf_chr(out, ' ');
			buf_str_add(out, name);
			buf_chr(out, ' ');
			buf_str_add(out, value);
		}
	}
	buf_chr(out, ')');
	return true;
}

static bool
item_reform(size_t i, struct str item, const struct mime_body_form *form, struct buf *out)
{
	const struct str texts[] = { form->type, form->subtype, STR_NONE, STR_NONE, STR_NONE,
		form->encoding };

	if (i == ITEM_PARAMS && form->charset.p != NULL)
		return charset_params(item, form->charset, out);
	if (i == ITEM_OCTETS)
		buf_u64(out, form->octets);
	else if (i < ARRAY_LEN(texts) && texts[i].p != NULL)
		mime_string_format(texts[i], out);
	else
		buf_str_add(out, item);
	return true;
}

enum err
mime_bodystructure_reform(struct str part, const struct mime_body_form *form, struct buf *out)
{
	struct str items[ITEMS_MAX];
	size_t n, at_lines = SIZE_MAX;

	if (is_multipart(part)) {
		buf_str_add(out, part);
		return ERR_OK;
	}
	n = split(part, items);
	if (n == 0)
		return ERR_CORRUPT;
	if (is_message(items, n))
		at_lines = ITEM_INNER + 1;
	else if (str_eq_nocase(items[0], STR("\"text\"")))
		at_lines = ITEM_OCTETS + 1;
	for (size_t i = 0; i < n; i++) {
		buf_chr(out, i == 0 ? '(' : ' ');
		if (i == at_lines)
			buf_u64(out, form->lines);
		else if (!item_reform(i, items[i], form, out))
			return ERR_CORRUPT;
	}
	buf_chr(out, ')');
	return ERR_OK;
}

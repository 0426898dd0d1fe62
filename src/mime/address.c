/*
 * address.c - see address.h.
 *
 * Words are collected until a character tells what they were: "<" a display name, "@" a local part,
 * ":" the name of a group, and "," ";" or the end an address without a host. No lookahead, no
 * failure: whatever comes is taken as one of these.
 */
#include "mime/address.h"

#include "base/arena.h"
#include "mime/lex_int.h"
#include "mime/limits.h"

struct parser {
	struct arena *a;
	struct mime_lex l;
	struct mime_address *first, **tail;
	size_t count;
	bool is_in_group;
	/* The words since the last address: joined by one space where there was some. */
	struct buf words;
	size_t local_begin; /* in words: of what would be the local part */
	struct buf local;   /* the same, blanks around dots left out */
	bool has_words;
	struct buf comment; /* the last one */
	bool has_comment;
};

static struct mime_address *
address_add(struct parser *p, enum mime_address_kind kind)
{
	struct mime_address *a;

	if (p->count >= MIME_MAX_ADDRESSES)
		return NULL;
	p->count++;
	a = arena_new(p->a, struct mime_address);
	a->kind = kind;
	*p->tail = a;
	p->tail = &a->next;
	return a;
}

static void
words_clear(struct parser *p)
{
	buf_clear(&p->words);
	buf_clear(&p->local);
	p->local_begin = 0;
	p->has_words = false;
	p->has_comment = false;
}

/* Skips white space and comments, of which the last is remembered. True when there was any. */
static bool
skip(struct parser *p)
{
	const char *begin = p->l.p;

	while (p->l.p != p->l.end) {
		if (chr_is_wsp(*p->l.p)) {
			p->l.p++;
		} else if (*p->l.p == '(') {
			buf_clear(&p->comment);
			mime_lex_comment(&p->l, &p->comment);
			p->has_comment = true;
		} else {
			break;
		}
	}
	return p->l.p != begin;
}

static bool
is_atom_chr(char c)
{
	return chr_is(c, CHR_ATOM);
}

/* The text of an atom up to a special; a backslash quotes, and stands for itself before nothing. */
static void
atom_read(struct parser *p, struct buf *out)
{
	while (p->l.p != p->l.end && is_atom_chr(*p->l.p)) {
		const char *run = p->l.p;

		if (*run == '\\' && run + 1 != p->l.end)
			run++;
		p->l.p = run + 1;
		while (p->l.p != p->l.end && is_atom_chr(*p->l.p) && *p->l.p != '\\')
			p->l.p++;
		buf_add(out, run, (size_t)(p->l.p - run));
	}
}

/* "[...]" with all that is in it, comments' parentheses too. */
static void
literal_read(struct parser *p, struct buf *out)
{
	while (p->l.p != p->l.end && *p->l.p != ']' && *p->l.p != '>') {
		if (!chr_is_wsp(*p->l.p))
			buf_chr(out, *p->l.p);
		p->l.p++;
	}
	if (mime_lex_is(&p->l, ']'))
		buf_chr(out, *p->l.p++);
}

static struct str
keep_trimmed(struct parser *p, struct str s)
{
	s = str_trim(s);
	return s.n > 0 ? arena_str(p->a, s) : STR_NONE;
}

static struct str
keep_text(struct parser *p, struct str s)
{
	return s.n > 0 ? arena_str(p->a, s) : STR("");
}

/*
 * Reads a domain behind "@": atoms and dots, or a literal; white space and comments between them do
 * not count.
 */
static struct str
domain_read(struct parser *p)
{
	struct buf out = BUF_MAX(p->words.max);
	struct str domain;
	bool was_dot = true;

	for (;;) {
		bool had_space = skip(p);

		if (p->l.p == p->l.end || (!is_atom_chr(*p->l.p) && !(was_dot && *p->l.p == '@')))
			break;
		/* Two words are one domain only with a dot between them. */
		if (had_space && !was_dot && *p->l.p != '.')
			break;
		if (*p->l.p == '@')
			p->l.p++;
		else if (*p->l.p == '[')
			literal_read(p, &out);
		else
			atom_read(p, &out);
		was_dot = out.n > 0 && out.p[out.n - 1] == '.';
	}
	domain = keep_text(p, buf_str(&out));
	buf_done(&out);
	return domain;
}

/* "@a,@b:" in front of an address in angle brackets. */
static struct str
route_read(struct parser *p)
{
	struct buf out = BUF_MAX(p->words.max);
	struct str route;

	while (mime_lex_is(&p->l, '@') || mime_lex_is(&p->l, ',')) {
		char c = *p->l.p++;

		if (c == ',') {
			skip(p);
			continue;
		}
		if (out.n > 0)
			buf_chr(&out, ',');
		buf_chr(&out, '@');
		buf_str_add(&out, domain_read(p));
		skip(p);
	}
	if (mime_lex_is(&p->l, ':'))
		p->l.p++;
	route = out.n > 0 ? arena_str(p->a, buf_str(&out)) : STR_NONE;
	buf_done(&out);
	return route;
}

/* Behind "<": everything up to ">", or up to what can't be in there. */
static void
angle_read(struct parser *p)
{
	struct mime_address a = { .kind = MIME_ADDR_MAILBOX }, *added;
	struct buf local = BUF_MAX(p->words.max);

	if (p->has_words)
		a.name = keep_trimmed(p, buf_str(&p->words));
	p->l.p++;
	skip(p);
	if (mime_lex_is(&p->l, '@'))
		a.route = route_read(p);
	for (;;) {
		skip(p);
		if (p->l.p == p->l.end || *p->l.p == '>' || *p->l.p == '@' || *p->l.p == ',')
			break;
		if (*p->l.p == '"')
			mime_lex_quoted(&p->l, &local);
		else if (is_atom_chr(*p->l.p))
			atom_read(p, &local);
		else
			buf_chr(&local, *p->l.p++);
	}
	a.mailbox = keep_text(p, buf_str(&local));
	if (mime_lex_is(&p->l, '@')) {
		p->l.p++;
		a.host = domain_read(p);
	}
	buf_done(&local);
	/* What is left in the brackets is junk. */
	while (p->l.p != p->l.end && *p->l.p != '>' && *p->l.p != ',' && *p->l.p != ';')
		p->l.p++;
	if (mime_lex_is(&p->l, '>'))
		p->l.p++;
	skip(p);
	if (a.name.p == NULL && p->has_comment)
		a.name = keep_trimmed(p, buf_str(&p->comment));
	added = address_add(p, MIME_ADDR_MAILBOX);
	if (added != NULL) {
		a.next = NULL;
		*added = a;
	}
	words_clear(p);
}

/* At "@" behind words: the last of them is the local part. */
static void
addr_spec_read(struct parser *p)
{
	struct str name = STR_NONE, local = keep_text(p, buf_str(&p->local)), host;
	struct mime_address *a;

	if (p->local_begin > 0)
		name = keep_trimmed(p, str_sub(buf_str(&p->words), 0, p->local_begin));
	p->l.p++;
	host = domain_read(p);
	skip(p);
	if (mime_lex_is(&p->l, '<')) {
		/* "joe@home <joe@example.org>": it was but a name. */
		buf_chr(&p->words, '@');
		buf_str_add(&p->words, host);
		p->has_words = true;
		return;
	}
	if (name.n == 0 && p->has_comment)
		name = keep_trimmed(p, buf_str(&p->comment));
	a = address_add(p, MIME_ADDR_MAILBOX);
	if (a != NULL) {
		a->name = name.n > 0 ? name : STR_NONE;
		a->mailbox = local;
		a->host = host;
	}
	words_clear(p);
}

/* Words that no special character told about: a name without an address. */
static void
words_end(struct parser *p)
{
	struct mime_address *a;

	if (!p->has_words)
		return;
	a = address_add(p, MIME_ADDR_MAILBOX);
	if (a != NULL) {
		a->mailbox = keep_text(p, str_trim(buf_str(&p->words)));
		if (p->has_comment)
			a->name = keep_trimmed(p, buf_str(&p->comment));
	}
	words_clear(p);
}

static void
group_begin(struct parser *p)
{
	struct mime_address *a;

	p->l.p++;
	if (p->is_in_group)
		return;
	a = address_add(p, MIME_ADDR_GROUP);
	if (a != NULL) {
		a->name = keep_text(p, str_trim(buf_str(&p->words)));
		p->is_in_group = true;
	}
	words_clear(p);
}

static void
group_end(struct parser *p)
{
	if (!p->is_in_group)
		return;
	/*
	 * Whoever opened it gets it closed, also one above the limit: the reader must be able to
	 * count.
	 */
	p->count--;
	address_add(p, MIME_ADDR_GROUP_END);
	p->is_in_group = false;
}

static void
word_read(struct parser *p, bool had_space)
{
	bool ends_in_dot = p->local.n > 0 && p->local.p[p->local.n - 1] == '.';
	size_t from;

	if (p->has_words && had_space) {
		buf_chr(&p->words, ' ');
		/*
		 * "joe . smith" is one local part (RFC 5322 4.4), so a dot joins; of the words of a
		 * name it does not.
		 */
		if (!ends_in_dot && *p->l.p != '.') {
			p->local_begin = p->words.n;
			buf_clear(&p->local);
		}
	}
	from = p->words.n;
	if (*p->l.p == '"')
		mime_lex_quoted(&p->l, &p->words);
	else
		atom_read(p, &p->words);
	buf_str_add(&p->local, str_sub(buf_str(&p->words), from, p->words.n));
	p->has_words = true;
}

/* ---- addresses with nothing in them that must be undone: most there are */

static struct str
plain_atom(const char **at, const char *end)
{
	const char *begin = *at;

	while (*at != end && is_atom_chr(**at) && **at != '\\' && **at != '[')
		++*at;
	return str_make(begin, (size_t)(*at - begin));
}

/* Words with a blank between them, or what stands between quotes; a blank behind it is skipped. */
static bool
plain_name(const char **at, const char *end, struct str *name_out)
{
	const char *begin = *at;

	if (*begin == '"') {
		for (++*at; *at != end && **at != '"'; ++*at)
			if (**at == '\\' || **at == '\r' || **at == '\n')
				return false;
		if (*at == end)
			return false;
		*name_out = str_make(begin + 1, (size_t)(*at - begin - 1));
		++*at;
	} else {
		while (plain_atom(at, end).n > 0)
			if (*at != end && **at == ' ')
				++*at;
		*name_out = str_make(begin, (size_t)(*at - begin));
	}
	if (*at != end && **at == ' ')
		++*at;
	return true;
}

/*
 * `Name <local@host>`, `"Name" <local@host>`, `<local@host>` or `local@host`, and behind it a comma or
 * the end. False, and nothing is read, when it is something else.
 */
static bool
plain_read(struct parser *p)
{
	const char *at = p->l.p, *end = p->l.end;
	struct str name = STR_NONE, local, host;
	struct mime_address *a;
	bool is_angle;

	if (p->has_words || p->has_comment)
		return false;
	local = plain_atom(&at, end);
	is_angle = at == end || *at != '@';
	if (is_angle) {
		at = p->l.p;
		if (!plain_name(&at, end, &name) || at == end || *at != '<')
			return false;
		at++;
		local = plain_atom(&at, end);
	}
	if (local.n == 0 || at == end || *at != '@')
		return false;
	at++;
	host = plain_atom(&at, end);
	if (host.n == 0 || (is_angle && (at == end || *at++ != '>')))
		return false;
	while (at != end && chr_is_wsp(*at))
		at++;
	if (at != end && *at != ',')
		return false;
	p->l.p = at;
	a = address_add(p, MIME_ADDR_MAILBOX);
	if (a != NULL) {
		a->name = keep_trimmed(p, name);
		a->mailbox = keep_text(p, local);
		a->host = keep_text(p, host);
	}
	return true;
}

static struct mime_address *
parse(struct arena *a, struct str value, bool is_first_only)
{
	struct parser p = { .a = a,
		.l = mime_lex(value),
		.words = BUF_MAX(2 * value.n + 1),
		.local = BUF_MAX(2 * value.n + 1),
		.comment = BUF_MAX(value.n + 1) };

	p.tail = &p.first;
	while (value.n > 0 && !(is_first_only && p.first != NULL)) {
		bool had_space = skip(&p);

		if (p.l.p == p.l.end)
			break;
		if (plain_read(&p))
			continue;
		switch (*p.l.p) {
		case '<':
			angle_read(&p);
			break;
		case '@':
			addr_spec_read(&p);
			break;
		case ':':
			group_begin(&p);
			break;
		case ';':
			words_end(&p);
			group_end(&p);
			p.l.p++;
			break;
		case ',':
			words_end(&p);
			p.l.p++;
			break;
		case '>':
		case ')':
			p.l.p++;
			break;
		default:
			word_read(&p, had_space);
		}
	}
	words_end(&p);
	group_end(&p);
	buf_done(&p.words);
	buf_done(&p.local);
	buf_done(&p.comment);
	return p.first;
}

struct mime_address *
mime_address_parse(struct arena *a, struct str value)
{
	return parse(a, value, false);
}

struct mime_address *
mime_address_first(struct arena *a, struct str value)
{
	struct mime_address *first = parse(a, value, true);

	if (first != NULL)
		first->next = NULL; /* the end of a group */
	return first;
}

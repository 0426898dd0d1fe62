/* picture.c - see picture.h. */
#include "model/picture.h"

#include "imap/flags.h"
#include "imap/seqset.h"
#include "model/grammar.h"

#include <stdarg.h>

const char *const seen_keywords[SEEN_KEYWORDS] = { "$Forwarded", "k1", "k2", "K3" };

static void wrong(struct picture *p, const char *fmt, ...) printf_like(2, 3);

/* Notes the first thing that is wrong. */
static void
wrong(struct picture *p, const char *fmt, ...)
{
	va_list ap;

	if (p->wrong[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(p->wrong, sizeof(p->wrong), fmt, ap);
	va_end(ap);
}

void
seen_flags_format(unsigned flags, struct buf *b)
{
	bool is_first = true;

	for (unsigned bit = 1; bit <= FLAG_DRAFT; bit <<= 1) {
		if ((flags & bit) == 0)
			continue;
		buf_c(b, is_first ? "" : " ");
		buf_str_add(b, imap_flags_system_name(bit));
		is_first = false;
	}
	for (unsigned i = 0; i < SEEN_KEYWORDS; i++) {
		if ((flags >> (SEEN_KEYWORD_SHIFT + i) & 1) == 0)
			continue;
		buf_c(b, is_first ? "" : " ");
		buf_c(b, seen_keywords[i]);
		is_first = false;
	}
}

uint32_t
picture_send(struct picture *p, bool may_expunge, struct str command)
{
	BUF_CLEAN struct buf b = BUF_MAX(1 << 20);

	p->tag++;
	must(p->tag - p->tag_done <= PICTURE_COMMANDS);
	p->may_expunge[p->tag % PICTURE_COMMANDS] = may_expunge;
	buf_printf(&b, "t%u ", p->tag);
	buf_str_add(&b, command);
	buf_lit(&b, "\r\n");
	sim_send(&p->conn, buf_str(&b));
	return p->tag;
}

void
picture_clear(struct picture *p)
{
	p->is_selected = p->is_selecting;
	p->n = 0;
	p->known = p->known_at_reply = 0;
	p->validity = 0;
}

void
picture_forget_flags(struct picture *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		p->m[i].has_flags = false;
}

/* ---- taking apart ---- */

static uint64_t
number_at(struct str s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n && chr_is_digit(s.p[i]); i++)
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	return v;
}

bool
told_numbers(struct str text, struct rangeset *set)
{
	BUF_CLEAN struct buf b = BUF_MAX(1 << 20);
	RANGESET_CLEAN struct rangeset more = RANGESET_NONE, all = RANGESET_NONE;

	if (text.n == 0)
		return true;
	buf_str_add(&b, text);
	for (size_t i = 0; i < b.n; i++)
		b.p[i] = b.p[i] == ' ' ? ',' : b.p[i];
	if (rangeset_parse(buf_str(&b), &more) != ERR_OK)
		return false;
	rangeset_union(&all, set, &more);
	rangeset_copy(set, &all);
	return true;
}

uint32_t
told_keyword(struct str name)
{
	return (uint32_t)str_hash(name, 1);
}

/* Where the section that begins at i ends: [HEADER.FIELDS ("a]" b]c)] */
static size_t
section_end(struct str s, size_t i)
{
	bool is_inside = false;

	while (i < s.n && (is_inside || s.p[i] != ']')) {
		is_inside = s.p[i] == '(' || (is_inside && s.p[i] != ')');
		if (s.p[i] == '"') {
			for (i++; i < s.n && s.p[i] != '"'; i++)
				i += s.p[i] == '\\';
		} else if (s.p[i] == '{') {
			i += str_chr(str_sub(s, i, s.n), '\n') + number_at(str_sub(s, i + 1, s.n));
		}
		i++;
	}
	return i;
}

/* One value: quoted, a literal, a list, or an atom. It is cut off *rest. */
static struct str
value(struct str *rest)
{
	struct str s = *rest;
	size_t i = 0;

	if (s.n == 0)
		return STR_NONE;
	if (s.p[0] == '"') {
		for (i = 1; i < s.n && s.p[i] != '"'; i++)
			i += s.p[i] == '\\';
		*rest = str_sub(s, i + 1, s.n);
		return str_sub(s, 1, i);
	}
	if (s.p[0] == '{' || str_starts(s, STR("~{"))) {
		size_t n = number_at(str_sub(s, s.p[0] == '~' ? 2 : 1, s.n)),
		       from = str_chr(s, '\n') + 1;

		*rest = str_sub(s, from + n, s.n);
		return str_sub(s, from, from + n);
	}
	if (s.p[0] == '(') {
		struct str inside = str_sub(s, 1, s.n);

		while (inside.n > 0 && inside.p[0] != ')') {
			if (inside.p[0] == ' ')
				inside = str_sub(inside, 1, inside.n);
			else
				value(&inside);
		}
		*rest = str_sub(inside, 1, inside.n);
		return str_sub(s, 1, s.n - inside.n);
	}
	while (i < s.n && s.p[i] != ' ' && s.p[i] != ')')
		i = s.p[i] == '[' ? section_end(s, i) : i + 1;
	*rest = str_sub(s, i, s.n);
	return str_sub(s, 0, i);
}

static void
flags(struct picture *p, struct told *t, struct str list)
{
	struct str w;

	while (list.n > 0 && str_split(&list, ' ', &w)) {
		unsigned bit = imap_flags_system(w), i = 0;

		if (bit == FLAG_RECENT) {
			t->is_recent = true;
			continue;
		}
		while (bit == 0 && i < SEEN_KEYWORDS) {
			if (str_eq_nocase(w, str_c(seen_keywords[i])))
				bit = 1u << (SEEN_KEYWORD_SHIFT + i);
			i++;
		}
		if (bit == 0 && p->is_free)
			t->others ^= told_keyword(w);
		else if (bit == 0)
			wrong(p, "unknown flag in \"%.*s\"", STR_F(t->line));
		t->flags |= (uint16_t)bit;
	}
	t->fetch |= TOLD_FLAGS;
}

static void
fetch_items(struct picture *p, struct told *t)
{
	struct str rest = t->rest;

	if (!str_starts(rest, STR("(")) || !str_ends(rest, STR(")"))) {
		wrong(p, "no list: \"%.*s\"", STR_F(t->line));
		return;
	}
	rest = str_sub(rest, 1, rest.n - 1);
	while (rest.n > 0) {
		struct str name = value(&rest), v;

		rest = str_sub(rest, 1, rest.n);
		v = value(&rest);
		if (rest.n > 0)
			rest = str_sub(rest, 1, rest.n);
		if (str_eq(name, STR("UID"))) {
			t->uid = (uint32_t)number_at(v);
			t->fetch |= TOLD_UID;
		} else if (str_eq(name, STR("MODSEQ"))) {
			t->modseq = number_at(v);
			t->fetch |= TOLD_MODSEQ;
		} else if (str_eq(name, STR("FLAGS"))) {
			flags(p, t, v);
		} else if (str_eq(name, STR("RFC822.SIZE"))) {
			t->size = number_at(v);
			t->fetch |= TOLD_SIZE;
		} else if (str_eq(name, STR("INTERNALDATE"))) {
			t->date = v;
			t->fetch |= TOLD_DATE;
		} else if (str_eq(name, STR("ANNOTATION"))) {
			t->notes = v;
			t->fetch |= TOLD_NOTES;
		} else if (str_starts(name, STR("BODY["))) {
			t->section = name;
			t->body = v;
			t->fetch |= TOLD_BODY;
		}
	}
}

/* "OK [code] text" */
static void
condition(struct told *t, struct str rest)
{
	t->condition = picture_word(&rest);
	if (rest.n > 0 && rest.p[0] == '[')
		t->code = str_sub(rest, 1, str_chr(rest, ']'));
	t->rest = rest;
}

static void
parse(struct picture *p, struct told *t)
{
	static const struct {
		const char *name;
		enum told_kind kind;
	} kinds[] = {
		{ "VANISHED", TOLD_VANISHED },
		{ "SEARCH", TOLD_SEARCH },
		{ "ESEARCH", TOLD_ESEARCH },
		{ "SORT", TOLD_SEARCH },
		{ "STATUS", TOLD_STATUS },
		{ "LIST", TOLD_LIST },
		{ "LSUB", TOLD_LSUB },
		{ "METADATA", TOLD_METADATA },
		{ "EXISTS", TOLD_EXISTS },
		{ "RECENT", TOLD_RECENT },
		{ "EXPUNGE", TOLD_EXPUNGE },
		{ "FETCH", TOLD_FETCH },
		{ "OK", TOLD_CONDITION },
		{ "NO", TOLD_CONDITION },
		{ "BAD", TOLD_CONDITION },
		{ "BYE", TOLD_CONDITION },
		{ "PREAUTH", TOLD_CONDITION },
	};
	struct str rest = t->line, first = picture_word(&rest), name, after;

	if (str_eq(first, STR("+"))) {
		t->kind = TOLD_CONTINUE;
		return;
	}
	if (!str_eq(first, STR("*"))) {
		t->kind = TOLD_TAGGED;
		if (!str_starts(first, STR("t"))
		    || !str_to_u32(str_sub(first, 1, first.n), &t->number))
			wrong(p, "no tag: \"%.*s\"", STR_F(t->line));
		condition(t, rest);
		return;
	}
	after = rest;
	name = picture_word(&after);
	if (str_to_u32(name, &t->number))
		name = picture_word(&after);
	else
		t->number = 0;
	t->kind = TOLD_OTHER;
	t->rest = after;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(name, str_c(kinds[i].name)))
			t->kind = kinds[i].kind;
	}
	if (t->kind == TOLD_CONDITION)
		condition(t, rest);
	else if (t->kind == TOLD_FETCH)
		fetch_items(p, t);
}

/* ---- believing ---- */

static void
exists(struct picture *p, const struct told *t)
{
	if (t->number < p->n || t->number > PICTURE_MAX) {
		p->is_outgrown = t->number > PICTURE_MAX;
		wrong(p, "EXISTS %u when there were %u", t->number, p->n);
		return;
	}
	while (p->n < t->number)
		p->m[p->n++] = (struct seen){ 0 };
}

static void
remove_at(struct picture *p, uint32_t i)
{
	p->n--;
	memmove(&p->m[i], &p->m[i + 1], (p->n - i) * sizeof(*p->m));
	p->expunges++;
}

static void
check_may_expunge(struct picture *p, const struct told *t)
{
	uint32_t current = p->tag_done + 1;

	if (!p->is_immediate
	    && (p->tag == p->tag_done || !p->may_expunge[current % PICTURE_COMMANDS]))
		wrong(p, "\"%.*s\" while no command runs or one with sequence numbers",
		    STR_F(t->line));
	if (!p->is_selected)
		wrong(p, "\"%.*s\" without a mailbox", STR_F(t->line));
}

static void
expunge(struct picture *p, const struct told *t)
{
	check_may_expunge(p, t);
	if (p->is_qresync)
		wrong(p, "EXPUNGE after ENABLE QRESYNC");
	if (t->number == 0 || t->number > p->n)
		wrong(p, "EXPUNGE %u when there are %u", t->number, p->n);
	else
		remove_at(p, t->number - 1);
}

/*
 * The place of a UID that the client was not told yet, between those that it was; n: there is none.
 */
static uint32_t
place_of_unknown(const struct picture *p, uint32_t uid)
{
	uint32_t place = p->n;

	for (uint32_t i = p->n; i > 0 && (p->m[i - 1].uid == 0 || p->m[i - 1].uid > uid); i--) {
		if (p->m[i - 1].uid != 0)
			place = p->n;
		else if (place == p->n)
			place = i - 1;
	}
	return place;
}

static void
forget_unknown(struct picture *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		p->m[i].has_flags &= p->m[i].uid != 0;
}

static void
vanished(struct picture *p, const struct told *t)
{
	RANGESET_CLEAN struct rangeset set = RANGESET_NONE;
	struct str numbers = t->rest;
	bool is_earlier = str_starts(numbers, STR("(EARLIER) "));

	if (is_earlier)
		numbers = str_sub(numbers, 10, numbers.n);
	else
		check_may_expunge(p, t);
	if (!p->is_qresync)
		wrong(p, "VANISHED without QRESYNC");
	if (!told_numbers(numbers, &set))
		wrong(p, "no set: \"%.*s\"", STR_F(t->line));
	for (size_t k = 0; k < set.n && !is_earlier; k++) {
		for (uint32_t uid = set.r[k].first; uid <= set.r[k].last; uid++) {
			uint32_t i = 0;

			while (i < p->n && p->m[i].uid != uid)
				i++;
			if (i == p->n) {
				/*
				 * Which of those whose UIDs it does not know, a client can't say.
				 */
				i = place_of_unknown(p, uid);
				forget_unknown(p);
			}
			if (i == p->n)
				wrong(p, "VANISHED of UID %u, which was not there", uid);
			else
				remove_at(p, i);
		}
	}
}

static void
fetch(struct picture *p, const struct told *t)
{
	struct seen *m;

	if (t->number == 0 || t->number > p->n || !p->is_selected) {
		wrong(p, "\"%.*s\" when there are %u", STR_F(t->line), p->n);
		return;
	}
	m = &p->m[t->number - 1];
	p->fetches++;
	if ((t->fetch & TOLD_UID) != 0) {
		if (m->uid != 0 && m->uid != t->uid)
			wrong(p, "message %u is UID %u, not %u", t->number, m->uid, t->uid);
		m->uid = t->uid;
		for (uint32_t i = 0; i < p->n; i++) {
			if (p->m[i].uid != 0
			    && (i < t->number - 1 ? p->m[i].uid >= t->uid
						  : i > t->number - 1 && p->m[i].uid <= t->uid))
				wrong(p, "UIDs do not ascend: %u at %u, %u at %u", p->m[i].uid,
				    i + 1, t->uid, t->number);
		}
	}
	if ((t->fetch & TOLD_FLAGS) != 0) {
		m->flags = t->flags;
		m->others = t->others;
		m->has_flags = true;
	}
	if ((t->fetch & TOLD_MODSEQ) != 0) {
		if (t->modseq < m->modseq)
			wrong(p, "a modseq went back from %llu: \"%.*s\"",
			    (unsigned long long)m->modseq, STR_F(t->line));
		m->modseq = t->modseq;
		p->known = MAX(p->known, t->modseq);
	}
}

static void
code(struct picture *p, const struct told *t)
{
	struct str rest = t->code, name = picture_word(&rest);

	/*
	 * An explicit one counts also when it is lower than a MODSEQ before it (RFC 7162 3.2.6:
	 * expunges are held back).
	 */
	if (str_eq(name, STR("HIGHESTMODSEQ")))
		p->known = number_at(rest);
	else if (str_eq(name, STR("UIDVALIDITY")))
		p->validity = (uint32_t)number_at(rest);
	else if (str_eq(name, STR("CLOSED")))
		picture_clear(p);
	if (t->kind == TOLD_CONDITION && str_eq(t->condition, STR("BYE")))
		p->is_bye = true;
}

static void
apply(struct picture *p, const struct told *t)
{
	switch (t->kind) {
	case TOLD_EXISTS:
		exists(p, t);
		break;
	case TOLD_RECENT:
		if (t->number > p->n)
			wrong(p, "RECENT %u of %u", t->number, p->n);
		break;
	case TOLD_EXPUNGE:
		expunge(p, t);
		break;
	case TOLD_VANISHED:
		vanished(p, t);
		break;
	case TOLD_FETCH:
		fetch(p, t);
		break;
	case TOLD_TAGGED:
		code(p, t);
		if (t->number != p->tag_done + 1)
			wrong(p, "\"%.*s\" out of order", STR_F(t->line));
		p->tag_done = t->number;
		p->is_idling = false;
		p->known_at_reply = p->known;
		break;
	case TOLD_CONDITION:
		code(p, t);
		break;
	case TOLD_CONTINUE:
		p->is_idling = str_eq(t->line, STR("+ idling"));
		break;
	case TOLD_SEARCH:
	case TOLD_ESEARCH:
	case TOLD_STATUS:
	case TOLD_LIST:
	case TOLD_LSUB:
	case TOLD_METADATA:
	case TOLD_OTHER:
		break;
	}
}

bool
picture_next(struct picture *p, struct told *t)
{
	struct str line = sim_line(&p->conn);
	static struct buf shown = { .max = 64 * 1024 * 1024 };
	const char *malformed;

	if (line.p == NULL)
		return false;
	malformed =
	    line.p[line.n] == '\r' ? grammar_check(line, p->is_utf8) : "a line end that is none";
	buf_clear(&shown);
	buf_str_add(&shown, line);
	sim_consume(&p->conn, line);
	*t = (struct told){ .line = buf_str(&shown) };
	if (malformed != NULL) {
		wrong(p, "%s: \"%.*s\"", malformed, STR_F(str_sub(t->line, 0, 400)));
		return true;
	}
	parse(p, t);
	apply(p, t);
	return true;
}

/*
 * session_mutate.c - how libFuzzer changes inputs of session_fuzz.c: by lines, and with commands
 * made from a grammar, so that most of what comes is understood by the server and the rest nearly
 * is.
 */
#include "base/attr.h"
#include "base/hash.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 4096, DEPTH_MAX = 8, LINES_MAX = 200, LONG = 30, NUMBERS_TRIED = 10 };

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
    uint8_t *out, size_t max, unsigned seed);
/* Of libFuzzer; not there when the corpus is only replayed. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t max);

/* ---- the grammar: "%x" stands for one of the lines of x ---- */

static const char *const lines[] = {
	"%w %c",
	"%w %c",
	"%w %c",
	"%w %c",
	"%w %c",
	"%w %c",
	"%w&%c",
	"%w&%c",
	"%w-",
	"%w!%c|",
	"%w!x %c|y %c|",
	"m%t%n%t%n%n",
	"m%n%t%t",
	"t%n",
	"p%n",
	"n%n",
	"l %l",
	"l!MAIL FROM:<a@b>|RCPT TO:<x@y>|RCPT TO:<x+%m@y>|DATA|",
	"l!%M|.|",
};
static const char *const who[] = { "a", "a", "a", "b", "b", "b", "o", "s" };
static const char *const commands[] = {
	"SELECT %m",
	"SELECT INBOX",
	"EXAMINE %m",
	"SELECT %m (CONDSTORE)",
	"SELECT %m (QRESYNC (1700000000 %n))",
	"SELECT INBOX (QRESYNC (1700000000 %n %s (%s %s)))",
	"CLOSE",
	"UNSELECT",
	"EXPUNGE",
	"UID EXPUNGE %s",
	"NOOP",
	"CHECK",
	"FETCH %s %i",
	"FETCH %s (%i %i)",
	"UID FETCH %s (%i %i %i)",
	"UID FETCH %s (FLAGS) (CHANGEDSINCE %n VANISHED)",
	"FETCH %s (%i) (CHANGEDSINCE %n)",
	"UID FETCH %s %i (PARTIAL %n:%n)",
	"STORE %s %F (%f %f)",
	"UID STORE %s %F (%f)",
	"STORE %s %F %f %f",
	"STORE %s (UNCHANGEDSINCE %n) %F (%f)",
	"COPY %s %m",
	"UID COPY %s %m",
	"MOVE %s %m",
	"UID MOVE %s %m",
	"SEARCH %k",
	"SEARCH %k %k %k",
	"UID SEARCH RETURN (%r %r) %k %k",
	"SEARCH RETURN (%r) %k",
	"SEARCH CHARSET UTF-8 %k",
	"SEARCH RETURN (SAVE) %k",
	"SORT (%o) UTF-8 %k",
	"SORT (%o %o) US-ASCII %k %k",
	"UID SORT RETURN (%r) (REVERSE %o) UTF-8 %k",
	"THREAD REFERENCES UTF-8 %k",
	"UID THREAD ORDEREDSUBJECT UTF-8 %k",
	"THREAD REFS UTF-8 ALL",
	"ESEARCH IN (%S) RETURN (%r) %k",
	"ESEARCH IN (%S %S) %k",
	"APPEND %m {{%M}}",
	"APPEND %m (%f %f) {{%M}}",
	"APPEND INBOX (%f) \"17-Jul-1996 02:44:25 -0700\" {{%M}}",
	"APPEND INBOX {{%M}}",
	"APPEND INBOX ~{{%M}}",
	"APPEND INBOX UTF8 (~{{%M}})",
	"APPEND %m {{%M}} (%f) {{%M}}",
	"APPEND INBOX CATENATE (TEXT {{%M}} URL \"%u\" TEXT {{%t}})",
	"REPLACE %n %m (%f) {{%M}}",
	"UID REPLACE %n INBOX {{%M}}",
	"CREATE %m",
	"CREATE %m (USE (\\Drafts))",
	"DELETE %m",
	"RENAME %m %m",
	"RENAME INBOX %m",
	"SUBSCRIBE %m",
	"UNSUBSCRIBE %m",
	"LIST \"\" %p",
	"LIST %m %p",
	"LIST (%L) \"\" %p RETURN (%R %R)",
	"LIST \"\" (%p %p) RETURN (%R STATUS (%q %q))",
	"LSUB \"\" %p",
	"STATUS %m (%q %q %q)",
	"NAMESPACE",
	"GETACL %m",
	"SETACL %m %I %a",
	"SETACL %m %I +%a",
	"DELETEACL %m %I",
	"MYRIGHTS %m",
	"LISTRIGHTS %m %I",
	"GETQUOTA \"\"",
	"GETQUOTAROOT %m",
	"SETQUOTA \"\" (%Q %n)",
	"GETMETADATA %m %e",
	"GETMETADATA (DEPTH 1) %m (%e %e)",
	"GETMETADATA (MAXSIZE %n) \"\" %e",
	"SETMETADATA %m (%e %v)",
	"SETMETADATA \"\" (%e %v %e NIL)",
	"ENABLE QRESYNC",
	"ENABLE CONDSTORE",
	"ENABLE UTF8=ACCEPT",
	"ENABLE IMAP4rev2",
	"ENABLE UIDONLY METADATA",
	"IDLE",
	"DONE",
	"ID (\"name\" %v)",
	"ID NIL",
	"CAPABILITY",
	"LOGOUT",
	"UNAUTHENTICATE",
	"COMPARATOR",
	"COMPARATOR %v",
	"COMPRESS DEFLATE",
	"LOGIN mallory secret",
	"AUTHENTICATE PLAIN AG1hbGxvcnkAc2VjcmV0",
	"NOTIFY SET (SELECTED (MessageNew (%i) MessageExpunge FlagChange)) (personal (MailboxName MessageNew MessageExpunge))",
	"NOTIFY NONE",
	"SEARCH RETURN (UPDATE %r) %k",
	"CANCELUPDATE \"t%n\"",
	"GENURLAUTH \"%u;URLAUTH=anonymous\" INTERNAL",
	"URLFETCH \"%u\"",
	"RESETKEY %m INTERNAL",
	"LANGUAGE (en de)",
	"CONVERT %s (\"text/plain\" (\"charset\" \"utf-8\")) BINARY[%n]",
	"GETANNOTATION %m",
	"SETMETADATA \"\" (/private/filters/values/f \"%k\")",
	"SEARCH FILTER f",
	"UIDBATCHES %n",
	"UIDBATCHES %n %n:%n",
	"LANGUAGE",
	"LANGUAGE %v",
	"CONVERSIONS \"text/plain\" \"%v\"",
	"CANCELUPDATE \"t%n\" \"x\"",
	"STORE %s ANNOTATION (/comment (value.%A %v))",
	"UID STORE %s ANNOTATION (/%v (value.%A NIL) /comment (value.%A %v))",
	"FETCH %s (ANNOTATION (/* (value.%A size.%A)))",
	"FETCH %s (ANNOTATION ((/comment /%v) (value size)) FLAGS)",
	"SORT (ANNOTATION /comment value.%A) UTF-8 %k",
	"SELECT %m (ANNOTATE)",
	"SELECT INBOX (ANNOTATE CONDSTORE)",
	"NOTIFY SET STATUS (selected-delayed (MessageNew (%i %i) MessageExpunge)) (subtree (%m) (MailboxName MessageNew))",
	"NOTIFY SET (inboxes NONE) (personal (FlagChange MessageNew MessageExpunge MailboxMetadataChange))",
	"SEARCH RETURN (CONTEXT %r) %k",
	"SORT RETURN (UPDATE PARTIAL 1:%n) (%o) UTF-8 %k",
	"UID SEARCH RETURN (UPDATE CONTEXT COUNT) %k",
	"UID %c",
	"%c%c",
};
static const char *const mailboxes[] = {
	"INBOX",
	"INBOX",
	"INBOX",
	"Sent",
	"Drafts",
	"a",
	"a/b",
	"a/b/c",
	"\"a b\"",
	"{{a}}",
	"~joe/INBOX",
	"\"Other Users/mallory/INBOX\"",
	"&AOk-",
	"\"\"",
	"a&-b",
	"\"x\xc3\xa9\"",
	"INBOX/x",
	"a/",
	"Trash",
	"new%n",
	"\"%v\"",
};
static const char *const sets[] = { "1", "1", "1:*", "1:*", "*", "%n", "%n:%n", "%s,%s", "$",
	"%n:*", "2", "1:3" };
static const char *const numbers[] = { "0", "1", "2", "3", "4", "5", "7", "10", "63", "64", "100",
	"1000", "1700000000", "4294967295", "4294967296", "9223372036854775807",
	"18446744073709551615", "-1" };
static const char *const items[] = {
	"FLAGS",
	"UID",
	"INTERNALDATE",
	"RFC822.SIZE",
	"ENVELOPE",
	"BODYSTRUCTURE",
	"BODY",
	"BODY[]",
	"BODY.PEEK[]",
	"BODY[%P]",
	"BODY.PEEK[%P]<%n.%n>",
	"BODY[HEADER]",
	"BODY.PEEK[HEADER.FIELDS (%h %h)]",
	"BODY.PEEK[%n.HEADER.FIELDS.NOT (%h)]",
	"BODY[TEXT]<%n.%n>",
	"BODY[%P.MIME]",
	"BINARY[%P]",
	"BINARY.PEEK[%P]<%n.%n>",
	"BINARY.SIZE[%P]",
	"MODSEQ",
	"PREVIEW",
	"PREVIEW (LAZY)",
	"EMAILID",
	"THREADID",
	"SAVEDATE",
	"RFC822",
	"RFC822.HEADER",
	"RFC822.TEXT",
	"ALL",
	"FULL",
	"FAST",
	"ANNOTATION (/comment (value size))",
	"OBJECTID",
};
static const char *const parts[] = { "1", "2", "1.1", "1.2", "2.1", "%n.%n", "1.HEADER", "1.TEXT",
	"2.MIME", "" };
static const char *const headers[] = { "Subject", "From", "To", "Date", "\"a]b\"", "X", "{{Cc}}",
	"Content-Type" };
static const char *const store_items[] = { "FLAGS", "+FLAGS", "-FLAGS", "FLAGS.SILENT",
	"+FLAGS.SILENT", "-FLAGS.SILENT" };
static const char *const flags[] = { "\\Seen", "\\Deleted", "\\Deleted", "\\Flagged", "\\Answered",
	"\\Draft", "\\Recent", "k1", "K2", "$Forwarded", "kw%n", "\\Other", "%v", "" };
static const char *const keys[] = {
	"ALL",
	"SEEN",
	"UNSEEN",
	"DELETED",
	"NEW",
	"OLD",
	"RECENT",
	"FLAGGED",
	"KEYWORD k1",
	"UNKEYWORD %v",
	"NOT %k",
	"OR %k %k",
	"(%k %k)",
	"UID %s",
	"UIDAFTER %n",
	"UIDBEFORE %n",
	"%s",
	"SUBJECT %v",
	"FROM %v",
	"TO a",
	"TEXT %v",
	"BODY %v",
	"HEADER %h %v",
	"HEADER X \"\"",
	"LARGER %n",
	"SMALLER %n",
	"BEFORE 1-Jan-2024",
	"SENTSINCE 1-Feb-1994",
	"ON 14-Nov-2023",
	"YOUNGER %n",
	"OLDER %n",
	"MODSEQ %n",
	"MODSEQ \"/flags/\\\\seen\" all %n",
	"EMAILID %v",
	"SAVEDBEFORE 1-Jan-2024",
	"FUZZY SUBJECT %v",
	"FUZZY %k",
	"$",
	"ANNOTATION /comment value %v",
};
static const char *const returns[] = { "MIN", "MAX", "ALL", "COUNT", "SAVE", "PARTIAL 1:%n",
	"PARTIAL -1:-%n", "RELEVANCY", "" };
static const char *const orders[] = { "ARRIVAL", "CC", "DATE", "FROM", "REVERSE SIZE", "SUBJECT",
	"TO", "DISPLAYFROM", "DISPLAYTO", "RELEVANCY" };
static const char *const sources[] = { "selected", "inboxes", "personal", "subscribed",
	"subtree %m", "subtree-one %m", "mailboxes (%m %m)", "selected-delayed" };
static const char *const patterns[] = { "*", "%%", "\"*\"", "\"\"", "%%/%%", "a*", "INBOX",
	"\"Other Users/*\"", "%m" };
static const char *const list_selections[] = { "SUBSCRIBED", "REMOTE", "SUBSCRIBED RECURSIVEMATCH",
	"SPECIAL-USE", "" };
static const char *const list_returns[] = { "SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "MYRIGHTS",
	"METADATA (%e)", "STATUS (%q)", "" };
static const char *const status_items[] = { "MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN",
	"RECENT", "DELETED", "SIZE", "HIGHESTMODSEQ", "MAILBOXID", "DELETED-STORAGE" };
static const char *const identifiers[] = { "anyone", "joe", "mallory", "-joe", "\"\"", "$g", "%v" };
static const char *const rights[] = { "lrswipkxtea", "lr", "l", "\"\"", "cd", "r", "lrs", "0" };
static const char *const attributes[] = { "priv", "shared", "x" };
static const char *const resources[] = { "STORAGE", "MESSAGE", "MAILBOX", "X" };
static const char *const entries[] = { "/private/comment", "/shared/comment",
	"/private/vendor/x/%n", "/shared/admin", "/private/specialuse", "\"/private/%v\"",
	"(/private)" };
static const char *const values[] = { "x", "\"a b\"", "{{x|y}}", "NIL", "\"\"", "\"q\\\"\\\\\"",
	"hello", "\"\xc3\xa9\"", "{{}}", "~{{%t}}" };
static const char *const texts[] = { "x", "y|", "abc", "\xc3\xa9", " ", "", "=20", "--q", "\x01",
	"%n", "zz", "~", "(", ")", "\"", "\\", "{1}", "{3+}" };
static const char *const messages[] = {
	"Subject: x||y",
	"",
	"|",
	"From: a@b|Subject: %t%t||%t%t",
	"From: a@b|To: c@d|Subject: =?utf-8?q?x%t?=|Date: Mon, 7 Feb 1994 21:52:25 -0800|Message-ID: <%n@x>||body|",
	"Subject: Re: x|Message-ID: <%n@x>|References: <%n@x> <%n@x>||r",
	"Content-Type: multipart/mixed; boundary=q||--q||%t|--q|Content-Type: text/html; charset=utf-8|Content-Transfer-Encoding: base64||PGI+%t|--q--|",
	"Content-Type: multipart/mixed; boundary=q||--q|Content-Type: message/rfc822||%M|--q--|",
	"Content-Type: text/plain; charset=%t|Content-Transfer-Encoding: quoted-printable||=C3=A9%t|",
};
static const char *const urls[] = { "/INBOX;UIDVALIDITY=1700000000/;UID=%n",
	"/INBOX/;UID=1/;SECTION=%P", "imap://mallory@localhost/INBOX/;UID=1",
	"/%m/;UID=%n/;PARTIAL=%n.%n" };
static const char *const lmtp[] = { "MAIL FROM:<a@b> SIZE=%n", "MAIL FROM:<> BODY=8BITMIME",
	"RCPT TO:<x@y>", "RCPT TO:<x+%m@y>", "DATA", "BDAT %n LAST", "RSET", "NOOP", "QUIT",
	"VRFY x", "LHLO x", "XCLIENT NAME=x ADDR=192.0.2.1", "%M", "." };

static const struct {
	char name;
	const char *const *of;
	size_t n;
} rules[] = {

#define RULE(name, of)                                                                             \
	{                                                                                          \
		name, of, ARRAY_LEN(of)                                                            \
	}
	RULE('w', who),
	RULE('c', commands),
	RULE('m', mailboxes),
	RULE('s', sets),
	RULE('n', numbers),
	RULE('i', items),
	RULE('P', parts),
	RULE('h', headers),
	RULE('F', store_items),
	RULE('f', flags),
	RULE('k', keys),
	RULE('r', returns),
	RULE('o', orders),
	RULE('S', sources),
	RULE('p', patterns),
	RULE('L', list_selections),
	RULE('R', list_returns),
	RULE('q', status_items),
	RULE('I', identifiers),
	RULE('a', rights),
	RULE('Q', resources),
	RULE('e', entries),
	RULE('v', values),
	RULE('t', texts),
	RULE('M', messages),
	RULE('u', urls),
	RULE('l', lmtp),
	RULE('A', attributes),
#undef RULE
};

/* ---- making text ---- */

struct maker {
	uint64_t random;
	char text[TEXT_MAX];
	size_t n;
};

static size_t
rnd(struct maker *m, size_t n)
{
	m->random = hash_u64(m->random + 0x9E3779B97F4A7C15u);
	return n > 0 ? (size_t)(m->random % n) : 0;
}

static void
add(struct maker *m, const void *p, size_t n)
{
	n = MIN(n, sizeof(m->text) - m->n);
	memcpy(m->text + m->n, p, n);
	m->n += n;
}

static void expand(struct maker *m, const char *s, unsigned depth);

static void
expand_rule(struct maker *m, char name, unsigned depth)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		/* What is too deep becomes what comes first, which is short. */
		if (rules[i].name == name)
			expand(m, rules[i].of[depth < DEPTH_MAX ? rnd(m, rules[i].n) : 0],
			    depth + 1);
	}
}

static void
expand(struct maker *m, const char *s, unsigned depth)
{
	for (; *s != '\0' && m->n < sizeof(m->text); s++) {
		if (*s != '%' || s[1] == '\0')
			add(m, s, 1);
		else if (*++s == '%')
			add(m, s, 1);
		else
			expand_rule(m, *s, depth);
	}
}

/* ---- lines of an input ---- */

static size_t
split(struct str input, struct str *out)
{
	size_t n = 0;

	while (n < LINES_MAX && str_split(&input, '\n', &out[n]))
		n += out[n].n > 0;
	return n;
}

static size_t
join(const struct str *part, size_t n, uint8_t *out, size_t max)
{
	size_t at = 0;

	for (size_t i = 0; i < n && at + part[i].n + 1 <= max; i++) {
		memcpy(out + at, part[i].p, part[i].n);
		at += part[i].n;
		out[at++] = '\n';
	}
	return at;
}

/* Another number in place of one of a line's. */
static void
change_number(struct maker *m, struct str line)
{
	for (int i = 0; i < NUMBERS_TRIED && line.n > 1; i++) {
		size_t from = 1 + rnd(m, line.n - 1), to = from;

		while (to < line.n && chr_is_digit(line.p[to]))
			to++;
		if (to == from)
			continue;
		add(m, line.p, from);
		expand(m, "%n", 0);
		add(m, line.p + to, line.n - to);
		return;
	}
	add(m, line.p, line.n);
}

/* Another word in place of one of a line's. */
static void
change_word(struct maker *m, struct str line)
{
	static const char *const any[] = { "%n", "%s", "%m", "%i", "%k", "%f", "%v", "(%i %f)",
		"%c", "NIL", "\"", "(", ")", "" };
	size_t from = 1 + rnd(m, line.n), to;

	while (from < line.n && line.p[from] != ' ')
		from++;
	to = MIN(from + 1, line.n);
	while (to < line.n && line.p[to] != ' ')
		to++;
	add(m, line.p, MIN(from + 1, line.n));
	expand(m, any[rnd(m, ARRAY_LEN(any))], 2);
	add(m, line.p + to, line.n - to);
}

static void
insert(struct str *part, size_t *n, size_t at, struct str line)
{
	if (*n == LINES_MAX)
		return;
	memmove(&part[at + 1], &part[at], (*n - at) * sizeof(*part));
	part[at] = line;
	++*n;
}

static void
change_lines(struct maker *m, struct str *part, size_t *n)
{
	size_t at = rnd(m, *n), from = m->n, other;
	struct str line;

	/* Long inputs are slow, and say little more. */
	switch (*n == 0 ? 0 : *n > LONG && rnd(m, 2) == 0 ? 4 : rnd(m, 10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		expand(m, lines[rnd(m, ARRAY_LEN(lines))], 0);
		insert(part, n, rnd(m, *n + 1), str_make(m->text + from, m->n - from));
		return;
	case 4:
		memmove(&part[at], &part[at + 1], (*n - at - 1) * sizeof(*part));
		--*n;
		return;
	case 5:
		insert(part, n, rnd(m, *n), part[at]);
		return;
	case 6:
		other = rnd(m, *n);
		line = part[at];
		part[at] = part[other];
		part[other] = line;
		return;
	case 7:
		/* Somebody else says it. */
		expand(m, "%w", 0);
		add(m, part[at].p + 1, part[at].n - 1);
		break;
	case 8:
		change_number(m, part[at]);
		break;
	default:
		change_word(m, part[at]);
		break;
	}
	part[at] = str_make(m->text + from, m->n - from);
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned seed)
{
	static struct maker m;
	static char copy[1 << 20];
	struct str part[LINES_MAX];
	size_t count;

	m.random = seed;
	m.n = 0;
	if (n > sizeof(copy) || (n > 0 && rnd(&m, 8) == 0))
		return LLVMFuzzerMutate(data, n, max);
	memcpy(copy, data, n);
	count = split(str_make(copy, n), part);
	for (size_t i = 1 + rnd(&m, 3); i > 0; i--)
		change_lines(&m, part, &count);
	return join(part, count, data, max);
}

/* Some of the lines of both in their order, shuffled into each other. */
size_t
LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t an, const uint8_t *b, size_t bn, uint8_t *out,
    size_t max, unsigned seed)
{
	struct maker m = { .random = seed };
	struct str of_a[LINES_MAX], of_b[LINES_MAX], both[2 * LINES_MAX];
	size_t na = split(str_make(a, an), of_a), nb = split(str_make(b, bn), of_b), i = 0, k = 0,
	       n = 0;
	bool from_a = true;

	while (i < na || k < nb) {
		if (rnd(&m, 4) == 0)
			from_a = !from_a;
		both[n] = (from_a && i < na) || k == nb ? of_a[i++] : of_b[k++];
		n += na + nb <= LONG || rnd(&m, na + nb) < LONG;
	}
	return join(both, n, out, max);
}

/* command_test.c - unit tests of fetch.c, search.c, store.c, list.c and status.c. */
#include "imap/fetch.h"
#include "imap/list.h"
#include "imap/search.h"
#include "imap/store.h"

#include "base/test.h"

/* What a FETCH was understood as: "atts in hex|label;label!peek;..." */
static void
describe_fetch(const struct imap_fetch *f, struct buf *b)
{
	buf_printf(b, "%x", f->atts);
	for (size_t i = 0; i < f->n_sections; i++) {
		const struct imap_section *s = &f->sections[i];

		buf_chr(b, ' ');
		buf_str_add(b, s->label);
		if (s->has_partial)
			buf_printf(b, "+%llu", (unsigned long long)s->length);
		if (s->is_peek)
			buf_chr(b, '.');
	}
	if (f->has_changedsince)
		buf_printf(b, " >%llu", (unsigned long long)f->changedsince);
	if (f->has_vanished)
		buf_lit(b, " V");
}

static const struct {
	const char *in, *want; /* want NULL: an error */
} fetches[] = {
	{ "FLAGS", "1" },
	{ "(FLAGS)", "1" },
	{ "(flags uid)", "3" },
	{ "FAST", "d" },
	{ "ALL", "1d" },
	{ "full", "3d" },
	{ "BODY", "20" },
	{ "(BODYSTRUCTURE BODY)", "60" },
	{ "BODY[]", "0 BODY[]" },
	{ "body.peek[]", "0 BODY[]." },
	{ "BODY[TEXT]", "0 BODY[TEXT]" },
	{ "BODY[HEADER]<0.100>", "0 BODY[HEADER]<0>+100" },
	{ "BODY.PEEK[1.2.header.fields (From \"x y\")]",
	    "0 BODY[1.2.HEADER.FIELDS (From \"x y\")]." },
	{ "BODY[HEADER.FIELDS.NOT (To)]", "0 BODY[HEADER.FIELDS.NOT (To)]" },
	{ "BODY[1.MIME]", "0 BODY[1.MIME]" },
	{ "(BODY[] BODY[] BODY.PEEK[])", "0 BODY[]" },
	{ "(BODY[]<0.5> BODY[]<0.6>)", "0 BODY[]<0>+5 BODY[]<0>+6" },
	{ "(BINARY[1] BINARY.PEEK[1.2]<5.6> BINARY.SIZE[1])",
	    "0 BINARY[1] BINARY[1.2]<5>+6. BINARY.SIZE[1]." },
	{ "(RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)", "8 RFC822 RFC822.HEADER. RFC822.TEXT" },
	{ "(PREVIEW)", "800" },
	{ "PREVIEW (LAZY)", "1800" },
	{ "(PREVIEW (LAZY) UID)", "1802" },
	{ "PREVIEW (CHANGEDSINCE 5)", "880 >5" },
	{ "PREVIEW (LAZY) (CHANGEDSINCE 5)", "1880 >5" },
	{ "(EMAILID THREADID SAVEDATE MODSEQ)", "780" },
	{ "(FLAGS) (CHANGEDSINCE 0)", "81 >0" },
	{ "(UID) (CHANGEDSINCE 5 VANISHED)", "82 >5 V" },
	{ "(UID) (VANISHED)", NULL },
	{ "(FLAGS) (CHANGEDSINCE)", NULL },
	{ "(FLAGS) (FOO)", NULL },
	{ "(FLAGS) ()", NULL },
	{ "(FLAGS  UID)", NULL },
	{ "(FLAGS UID )", NULL },
	{ "FLAGS ", NULL },
	{ "(FLAGS", NULL },
	{ "()", NULL },
	{ "", NULL },
	{ "(ALL)", NULL },
	{ "FLAGS UID", NULL },
	{ "BODY.PEEK", NULL },
	{ "BODY[", NULL },
	{ "BODY[MIME]", NULL },
	{ "BODY[FOO]", NULL },
	{ "BODY[0]", NULL },
	{ "BODY[1.]", NULL },
	{ "BODY[.1]", NULL },
	{ "BODY[1TEXT]", NULL },
	{ "BODY[HEADER.FIELDS]", NULL },
	{ "BODY[HEADER.FIELDS ()]", NULL },
	{ "BODY[]<0.0>", NULL },
	{ "BODY[]<0>", NULL },
	{ "BODY[]<.5>", NULL },
	{ "BINARY[TEXT]", NULL },
	{ "BINARY.SIZE[1]<0.5>", NULL },
	{ "FOO", NULL },
	{ "FLAGS[]", NULL },
};

static void
test_fetch(void)
{
	for (size_t i = 0; i < ARRAY_LEN(fetches); i++) {
		struct arena a = ARENA_NONE;
		BUF_CLEAN struct buf b = BUF_MAX(10000);
		struct imap_scan s;
		struct imap_fetch f;
		enum err e;

		imap_scan_init(&s, &a, str_c(fetches[i].in), false);
		e = imap_fetch_parse(&s, &f);
		if (e == ERR_OK)
			describe_fetch(&f, &b);
		if (!CHECK((e == ERR_OK) == (fetches[i].want != NULL))
		    || (e == ERR_OK && !CHECK_STR(buf_str(&b), str_c(fetches[i].want))))
			printf("# for %s\n", fetches[i].in);
		arena_done(&a);
	}
}

/* The tree as "(& key key)" and "(| key key)", "!" before what is negated. */
static void
describe_key(const struct imap_search_key *k, struct buf *b)
{
	static const char *const names[] = {
		[SEARCH_ALL] = "all",
		[SEARCH_AND] = "&",
		[SEARCH_OR] = "|",
		[SEARCH_SEQ] = "seq",
		[SEARCH_UID] = "uid",
		[SEARCH_FLAG] = "flag",
		[SEARCH_KEYWORD] = "keyword",
		[SEARCH_HEADER] = "header",
		[SEARCH_BODY] = "body",
		[SEARCH_TEXT] = "text",
		[SEARCH_BEFORE] = "before",
		[SEARCH_ON] = "on",
		[SEARCH_SINCE] = "since",
		[SEARCH_SENTBEFORE] = "sentbefore",
		[SEARCH_SENTON] = "senton",
		[SEARCH_SENTSINCE] = "sentsince",
		[SEARCH_SAVEDBEFORE] = "savedbefore",
		[SEARCH_SAVEDON] = "savedon",
		[SEARCH_SAVEDSINCE] = "savedsince",
		[SEARCH_SAVEDATESUPPORTED] = "savedatesupported",
		[SEARCH_LARGER] = "larger",
		[SEARCH_SMALLER] = "smaller",
		[SEARCH_OLDER] = "older",
		[SEARCH_YOUNGER] = "younger",
		[SEARCH_MODSEQ] = "modseq",
		[SEARCH_EMAILID] = "emailid",
		[SEARCH_THREADID] = "threadid",
		[SEARCH_ANNOTATION] = "annotation",
	};

	if (k->is_not)
		buf_chr(b, '!');
	if (k->kind == SEARCH_AND || k->kind == SEARCH_OR) {
		buf_printf(b, "(%s", names[k->kind]);
		for (const struct imap_search_key *c = k->children; c != NULL; c = c->next) {
			buf_chr(b, ' ');
			describe_key(c, b);
		}
		buf_chr(b, ')');
		return;
	}
	buf_c(b, names[k->kind]);
	if (k->flags != 0)
		buf_printf(b, "=%u", k->flags);
	if (k->field.n > 0)
		buf_printf(b, ".%.*s", STR_F(k->field));
	if (k->text.p != NULL)
		buf_printf(b, "'%.*s'", STR_F(k->text));
	if (k->number != 0)
		buf_printf(b, "%llu", (unsigned long long)k->number);
	if (k->day != 0)
		buf_printf(b, "@%d", k->day);
}

static const struct {
	const char *in, *want; /* want NULL: an error */
	enum err e;
} searches[] = {
	{ "ALL", "all", ERR_OK },
	{ "all seen", "(& all flag=1)", ERR_OK },
	{ "UNSEEN UNANSWERED UNFLAGGED UNDELETED UNDRAFT",
	    "(& !flag=1 !flag=2 !flag=4 !flag=8 !flag=16)", ERR_OK },
	{ "NEW OLD RECENT", "(& (& flag=32 !flag=1) !flag=32 flag=32)", ERR_OK },
	{ "NOT SEEN", "!flag=1", ERR_OK },
	{ "NOT NOT SEEN", "flag=1", ERR_OK },
	{ "NOT NEW", "!(& flag=32 !flag=1)", ERR_OK },
	{ "OR SEEN DELETED", "(| flag=1 flag=8)", ERR_OK },
	{ "OR OR SEEN DELETED NOT (DRAFT FLAGGED) ALL",
	    "(& (| (| flag=1 flag=8) !(& flag=16 flag=4)) all)", ERR_OK },
	{ "(SEEN)", "flag=1", ERR_OK },
	{ "((SEEN (DELETED)))", "(& flag=1 flag=8)", ERR_OK },
	{ "1:3 UID 5,$", "(& seq uid)", ERR_OK },
	{ "*", "seq", ERR_OK },
	{ "$", "seq", ERR_OK },
	{ "FROM joe SUBJECT \"a b\" HEADER X-Foo \"\"",
	    "(& header.From'joe' header.Subject'a b' header.X-Foo'')", ERR_OK },
	{ "TO a CC b BCC c", "(& header.To'a' header.Cc'b' header.Bcc'c')", ERR_OK },
	{ "BODY {3}\r\na b TEXT x", "(& body'a b' text'x')", ERR_OK },
	{ "BEFORE 2-Jan-1970 ON 3-Jan-1970 SINCE \"4-Jan-1970\"", "(& before@1 on@2 since@3)",
	    ERR_OK },
	{ "SENTBEFORE 2-Jan-1970 SENTON 3-Jan-1970 SENTSINCE 4-Jan-1970",
	    "(& sentbefore@1 senton@2 sentsince@3)", ERR_OK },
	{ "SAVEDBEFORE 2-Jan-1970 SAVEDON 3-Jan-1970 SAVEDSINCE 4-Jan-1970 SAVEDATESUPPORTED",
	    "(& savedbefore@1 savedon@2 savedsince@3 savedatesupported)", ERR_OK },
	{ "LARGER 5 SMALLER 4294967296 OLDER 7 YOUNGER 8",
	    "(& larger5 smaller4294967296 older7 younger8)", ERR_OK },
	{ "KEYWORD $Junk UNKEYWORD b", "(& keyword'$Junk' !keyword'b')", ERR_OK },
	{ "EMAILID M1 THREADID T2", "(& emailid'M1' threadid'T2')", ERR_OK },
	{ "MODSEQ 620162338", "modseq620162338", ERR_OK },
	{ "MODSEQ \"/flags/\\\\draft\" all 5", "modseq5", ERR_OK },
	{ "CHARSET UTF-8 TEXT gr\xc3\xbc", NULL, ERR_SYNTAX },
	{ "CHARSET UTF-8 TEXT \"gr\xc3\xbc\"", "text'gr\xc3\xbc'", ERR_OK },
	{ "CHARSET ISO-8859-1 TEXT {3}\r\ngr\xfc", "text'gr\xc3\xbc'", ERR_OK },
	{ "CHARSET US-ASCII ALL", "all", ERR_OK },
	{ "CHARSET iso-2022-jp SUBJECT {10}\r\n\033$B%F%9%H\033(B", NULL, ERR_BADCHARSET },
	{ "CHARSET iso-2022-jp SUBJECT {12}\r\n\033$B%F%9%H\033(B",
	    "header.Subject'\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88'", ERR_OK },
	{ "CHARSET NONSENSE ALL", NULL, ERR_BADCHARSET },
	{ "CHARSET UTF-8 TEXT \"gr\xfc\"", NULL, ERR_BADCHARSET },
	{ "RETURN () ALL", "all 4", ERR_OK },
	{ "RETURN (MIN MAX COUNT SAVE) SEEN", "flag=1 1b", ERR_OK },
	{ "RETURN (ALL) CHARSET utf-8 (OR $ 1:3 NOT UID 5)", "(& (| seq seq) !uid) 4", ERR_OK },
	{ "RETURN (FOO) ALL", NULL, ERR_SYNTAX },
	{ "", NULL, ERR_SYNTAX },
	{ "()", NULL, ERR_SYNTAX },
	{ "(ALL", NULL, ERR_SYNTAX },
	{ "ALL)", NULL, ERR_SYNTAX },
	{ "OR ALL", NULL, ERR_SYNTAX },
	{ "NOT", NULL, ERR_SYNTAX },
	{ "NOT ", NULL, ERR_SYNTAX },
	{ "FOO", NULL, ERR_SYNTAX },
	{ "LARGER x", NULL, ERR_SYNTAX },
	{ "OLDER 0", NULL, ERR_SYNTAX },
	{ "BEFORE 30-Feb-2020", NULL, ERR_SYNTAX },
	{ "HEADER X", NULL, ERR_SYNTAX },
	{ "ALLSEEN", NULL, ERR_SYNTAX },
	{ "ALL  SEEN", NULL, ERR_SYNTAX },
	{ "ALL ", NULL, ERR_SYNTAX },
	{ "(ALL )", NULL, ERR_SYNTAX },
	{ "MODSEQ", NULL, ERR_SYNTAX },
};

static void
test_search(void)
{
	for (size_t i = 0; i < ARRAY_LEN(searches); i++) {
		struct arena a = ARENA_NONE;
		BUF_CLEAN struct buf b = BUF_MAX(10000);
		struct imap_scan s;
		struct imap_search p;
		enum err e;

		imap_scan_init(&s, &a, str_c(searches[i].in), false);
		e = imap_search_parse(&s, &p);
		if (e == ERR_OK) {
			describe_key(p.root, &b);
			if (p.has_return)
				buf_printf(&b, " %x", p.returns);
		}
		if (!CHECK_U64(e, searches[i].e)
		    || (e == ERR_OK && !CHECK_STR(buf_str(&b), str_c(searches[i].want))))
			printf("# for %s\n", searches[i].in);
		arena_done(&a);
	}
}

static enum err
parse_search(struct str text)
{
	struct arena a = ARENA_NONE;
	struct imap_scan s;
	struct imap_search p;
	enum err e;

	imap_scan_init(&s, &a, text, false);
	e = imap_search_parse(&s, &p);
	arena_done(&a);
	return e;
}

static void
test_search_limits(void)
{
	BUF_CLEAN struct buf deep = BUF_MAX(100000), many = BUF_MAX(100000);

	for (int i = 0; i < SEARCH_DEPTH_MAX; i++)
		buf_chr(&deep, '(');
	buf_lit(&deep, "ALL");
	for (int i = 0; i < SEARCH_DEPTH_MAX; i++)
		buf_chr(&deep, ')');
	CHECK_U64(parse_search(buf_str(&deep)), ERR_OK);
	buf_clear(&deep);
	for (int i = 0; i < SEARCH_DEPTH_MAX; i++)
		buf_lit(&deep, "NOT ");
	buf_lit(&deep, "ALL");
	CHECK_U64(parse_search(buf_str(&deep)), ERR_OK);
	buf_lit(&many, "NOT ");
	buf_str_add(&many, buf_str(&deep));
	CHECK_U64(parse_search(buf_str(&many)), ERR_LIMIT);
	buf_clear(&many);
	for (int i = 1; i < SEARCH_KEYS_MAX; i++)
		buf_c(&many, i == 1 ? "ALL" : " ALL");
	CHECK_U64(parse_search(buf_str(&many)), ERR_OK);
	buf_lit(&many, " ALL");
	CHECK_U64(parse_search(buf_str(&many)), ERR_LIMIT);
}

static const struct {
	const char *in;
	int mode; /* -1: an error */
	bool is_silent;
	unsigned system;
	size_t n_keywords;
	uint64_t since;
} stores[] = {
	{ "FLAGS ()", STORE_REPLACE, false, 0, 0, 0 },
	{ "+FLAGS (\\Seen)", STORE_ADD, false, FLAG_SEEN, 0, 0 },
	{ "-flags.silent \\Seen \\Deleted foo", STORE_REMOVE, true, FLAG_SEEN | FLAG_DELETED, 1,
	    0 },
	{ "(UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)", STORE_ADD, true, FLAG_DELETED,
	    0, 12121230045 },
	{ "FLAGS", -1, 0, 0, 0, 0 },
	{ "FLAGS (\\Seen", -1, 0, 0, 0, 0 },
	{ "FLAGS (\\Seen) x", -1, 0, 0, 0, 0 },
	{ "+ FLAGS ()", -1, 0, 0, 0, 0 },
	{ "FLAGS.LOUD ()", -1, 0, 0, 0, 0 },
	{ "(UNCHANGEDSINCE) FLAGS ()", -1, 0, 0, 0, 0 },
	{ "(FOO 1) FLAGS ()", -1, 0, 0, 0, 0 },
	{ "() FLAGS ()", -1, 0, 0, 0, 0 },
	{ "FLAGS \\Recent", -1, 0, 0, 0, 0 },
};

static void
test_store(void)
{
	for (size_t i = 0; i < ARRAY_LEN(stores); i++) {
		struct arena a = ARENA_NONE;
		struct imap_scan s;
		struct imap_store st;
		enum err e;

		imap_scan_init(&s, &a, str_c(stores[i].in), false);
		e = imap_store_parse(&s, &st);
		if (!CHECK((e == ERR_OK) == (stores[i].mode >= 0))
		    || (e == ERR_OK
			&& !CHECK((int)st.mode == stores[i].mode
			    && st.is_silent == stores[i].is_silent
			    && st.flags.system == stores[i].system
			    && st.flags.n_keywords == stores[i].n_keywords
			    && st.has_unchangedsince == (stores[i].since != 0)
			    && st.unchangedsince == stores[i].since)))
			printf("# for %s\n", stores[i].in);
		arena_done(&a);
	}
}

static const struct {
	const char *in, *want; /* want NULL: an error */
} lists[] = {
	{ "\"\" *", "0 0 0 *" },
	{ "\"\" \"%\"", "0 0 0 %" },
	{ "\"\" \"\"", "0 0 0 ?" },
	{ "foo/ \"\"", "0 0 0 ?" },
	{ "~/Mail/ %", "0 0 0 ~/Mail/%" },
	{ "\"\" (INBOX \"Drafts\" Sent/%)", "x 0 0 0 INBOX Drafts Sent/%" },
	{ "\"\" (\"\" a)", "x 0 0 0  a" },
	{ "\"\" (\"\")", "x 0 0 0 " },
	{ "() \"\" \"\"", "x 0 0 0 " },
	{ "(SUBSCRIBED) foo/ \"\"", "x 1 0 0 " },
	{ "\"\" \"\" RETURN (CHILDREN)", "x 0 2 0 " },
	{ "() \"\" *", "x 0 0 0 *" },
	{ "(SUBSCRIBED RECURSIVEMATCH) \"\" %", "x 5 0 0 %" },
	{ "(special-use remote) \"\" %", "x a 0 0 %" },
	{ "\"\" % RETURN (CHILDREN SUBSCRIBED SPECIAL-USE)", "x 0 7 0 %" },
	{ "\"\" % RETURN ()", "x 0 0 0 %" },
	{ "\"\" % RETURN (STATUS (MESSAGES UNSEEN) CHILDREN)", "x 0 a 11 %" },
	{ "\"\" &AOk-%", "0 0 0 \xc3\xa9%" },
	{ "(RECURSIVEMATCH) \"\" %", NULL },
	{ "(RECURSIVEMATCH REMOTE) \"\" %", NULL },
	{ "(FOO) \"\" %", NULL },
	{ "\"\"", NULL },
	{ "\"\" ()", NULL },
	{ "\"\" % RETURN", NULL },
	{ "\"\" % FOO", NULL },
	{ "\"\" % RETURN (STATUS)", NULL },
	{ "\"\" % RETURN (STATUS ())", NULL },
	{ "\"\" % RETURN (STATUS (FOO))", NULL },
	{ "\"\" &AO%", "0 0 0" },
	{ "\"\" (&AO% a)", "x 0 0 0 a" },
	{ "\"\" (&AO%)", "x 0 0 0" },
	{ "&AO %", NULL },
};

static void
test_list(void)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct arena a = ARENA_NONE;
		BUF_CLEAN struct buf b = BUF_MAX(10000);
		struct imap_scan s;
		struct imap_list l;
		enum err e;

		imap_scan_init(&s, &a, str_c(lists[i].in), false);
		e = imap_list_parse(&s, &l);
		if (e == ERR_OK) {
			buf_printf(&b, "%s%x %x %x", l.is_extended ? "x " : "", l.select, l.returns,
			    l.status_items);
			for (size_t j = 0; j < l.n_patterns && !l.is_root_query; j++)
				buf_printf(&b, " %.*s", STR_F(l.patterns[j]));
			if (l.is_root_query)
				buf_lit(&b, " ?");
		}
		if (!CHECK((e == ERR_OK) == (lists[i].want != NULL))
		    || (e == ERR_OK && !CHECK_STR(buf_str(&b), str_c(lists[i].want))))
			printf("# for %s\n", lists[i].in);
		arena_done(&a);
	}
}

TEST_MAIN(TEST(test_fetch), TEST(test_search), TEST(test_search_limits), TEST(test_store),
    TEST(test_list))

/* grammar_test.c - the judge of all responses is judged. */
#include "model/grammar.h"

#include "base/test.h"

static const char *const right[] = {
	"* OK ready",
	"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready",
	"* BYE too much",
	"t1 OK done",
	"t1 BAD [CLIENTBUG] no such thing",
	"* OK [PERMANENTFLAGS (\\Seen \\*)] ok",
	"+ ",
	"+ idling",
	"* 3 EXISTS",
	"* 0 RECENT",
	"* 1 EXPUNGE",
	"* SEARCH",
	"* SEARCH 1 2 (MODSEQ 5)",
	"* ESEARCH (TAG \"a\") UID ALL 1:3,5",
	"* THREAD (1)(2 3)((4)(5))",
	"* LIST (\\HasNoChildren) \"/\" INBOX",
	"* LIST () NIL \"a \\\"b\\\\\"",
	"* LIST () \"/\" {3}\r\na\rb",
	"* 1 FETCH (FLAGS (\\Seen k1) UID 7)",
	"* 1 FETCH (BODY[HEADER.FIELDS (\"a]b\" a]c X)]<0> {2}\r\n())",
	"* 2 FETCH (BINARY[1] ~{2}\r\n\0a RFC822.SIZE 0)",
	"* 1 FETCH (BODY ((\"a\" \"b\" NIL NIL NIL \"7BIT\" 1 1)(\"a\" \"b\" NIL NIL NIL \"7BIT\" 1 1) \"mixed\"))",
	"* 1 FETCH (ENVELOPE (NIL NIL ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL NIL NIL))",
	"* VANISHED (EARLIER) 1:3",
	"* ID NIL",
	"* CAPABILITY A B=C",
	"* LIST () \"/\" a[b",
	"* 1 CONVERTED (TAG \"t2\") (BINARY[1] (ERROR \"no\" BADPARAMETERS NIL \"text/plain\"))",
	"* METADATA \"\" (/private/comment NIL)",
};

static const struct {
	const char *text, *why;
} wrong_ones[] = {
	{ "* OK", "no space before the text" },
	{ "* OK ", "no text" },
	{ "* OK a\rb", "a line end or NUL in text" },
	{ "* OK [X", "a response code without end" },
	{ "t1 YES x", "a tagged response that says neither OK nor NO nor BAD" },
	{ "t1 BYE x", "a tagged response that says neither OK nor NO nor BAD" },
	{ "* OK \xc3\xa9", "text that the client can't read" },
	{ "* LIST () \"/\" \"\xc3\xa9\"", "8 bits in a quoted string" },
	{ "* LIST () \"/\" \"a\nb\"", "a line end or NUL in a quoted string" },
	{ "* LIST () \"/\" \"a\\b\"", "a backslash that quotes nothing" },
	{ "* LIST () \"/\" \"a", "a quoted string without end" },
	{ "* LIST () \"/\" a%", "no space between values" },
	{ "* LIST () \"/\"  a", "no value" },
	{ "* LIST ( \\x) \"/\" a", "no value" },
	{ "* LIST (a ) \"/\" a", "a space before )" },
	{ "* LIST (a  b) \"/\" a", "no value" },
	{ "* LIST () \"/\" {4}\r\nabc", "a literal that is cut short" },
	{ "* LIST () \"/\" {1}abc", "a literal without line end" },
	{ "* list ()", "a response whose name is not in capitals" },
	{ "* 0 EXPUNGE", "message 0" },
	{ "* 0 FETCH (UID 1)", "message 0" },
	{ "* 1 STORE (UID 1)", "no response with a number" },
	{ "* 4294967296 EXISTS", "not the number of a message" },
	{ "* 1 FETCH (UID 0)", "no number" },
	{ "* 1 FETCH (UID)", "no space behind the name of an item" },
	{ "* 1 FETCH (FLAGS \\Seen)", "an item of FETCH that should be a list" },
	{ "* 1 FETCH (FLAGS ()UID 1)", "no space between items" },
	{ "* 1 FETCH (UID 1) x", "more than a response" },
	{ "* 1 FETCH (UID 1", "no space between items" },
	{ "* 1 FETCH (ENVELOPE (NIL))", "an ENVELOPE without ten fields" },
	{ "* 1 FETCH (BODY[ x", "a section without end" },
};

static void
test_right(void)
{
	for (size_t i = 0; i < ARRAY_LEN(right); i++) {
		/* The one with a NUL in its literal. */
		struct str s = memcmp(right[i], "* 2 FETCH", 9) == 0
		    ? STR("* 2 FETCH (BINARY[1] ~{2}\r\n\0a RFC822.SIZE 0)")
		    : str_c(right[i]);
		const char *why = grammar_check(s, false);

		CHECK_STR(str_c(why != NULL ? why : right[i]), str_c(right[i]));
	}
	CHECK(grammar_check(STR("* OK \xc3\xa9"), true) == NULL);
	CHECK(grammar_check(STR("* LIST () \"/\" \"\xc3\xa9\""), true) == NULL);
}

static void
test_wrong(void)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong_ones); i++)
		CHECK_STR(str_c(grammar_check(str_c(wrong_ones[i].text), false)),
		    str_c(wrong_ones[i].why));
	CHECK_STR(str_c(grammar_check(STR("* LIST () \"/\" {1}\r\n\0"), true)),
	    STR("NUL in a literal"));
	CHECK_STR(str_c(grammar_check(STR("* LIST () \"/\" \"\xc3\""), true)),
	    STR("a quoted string that is no UTF-8"));
}

TEST_MAIN(TEST(test_right), TEST(test_wrong))

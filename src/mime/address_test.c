/*
 * address_test.c - unit tests of address.c and envelope.c: address lists, as an ENVELOPE tells
 * them.
 */
#include "mime/address.h"

#include "base/arena.h"
#include "base/test.h"
#include "mime/envelope.h"
#include "mime/limits.h"

/* From what stands behind "To:" to the list in the ENVELOPE. */
static const struct {
	const char *in, *out;
} lists[] = {
	{ "a@b", "((NIL NIL \"a\" \"b\"))" },
	{ "a@b, c@d", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
	{ "Joe <j@x.org>", "((\"Joe\" NIL \"j\" \"x.org\"))" },
	{ "\"Joe, \\\"the\\\" Q\" <j@x.org>", "((\"Joe, \\\"the\\\" Q\" NIL \"j\" \"x.org\"))" },
	{ "Joe Q. Public <john.q.public@example.com>",
	    "((\"Joe Q. Public\" NIL \"john.q.public\" \"example.com\"))" },
	{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
	    "((NIL NIL \"boss\" \"nil.test\")(\"Giant; \\\"Big\\\" Box\" NIL \"sysservices\" \"example.net\"))" },
	/* RFC 5322 A.1.3, A.5, A.6.1, A.6.3. */
	{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
	    "((NIL NIL \"A Group\" NIL)(\"Ed Jones\" NIL \"c\" \"a.test\")(NIL NIL \"joe\" \"where.test\")(\"John\" NIL \"jdoe\" \"one.test\")(NIL NIL NIL NIL))" },
	{ "Undisclosed recipients:;",
	    "((NIL NIL \"Undisclosed recipients\" NIL)(NIL NIL NIL NIL))" },
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
	    "((\"Pete\" NIL \"pete\" \"silly.test\"))" },
	{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
	    "((NIL NIL \"A Group\" NIL)(\"Chris Jones\" NIL \"c\" \"public.example\")(NIL NIL \"joe\" \"example.org\")(\"John\" NIL \"jdoe\" \"one.test\")(NIL NIL NIL NIL))" },
	{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
	    "((\"Mary Smith\" \"@node.test\" \"mary\" \"example.net\")(NIL NIL \"jdoe\" \"test.example\"))" },
	{ "<@a,@b,,@c:d@e>", "((NIL \"@a,@b,@c\" \"d\" \"e\"))" },
	{ "joe . smith @ example . org", "((NIL NIL \"joe.smith\" \"example.org\"))" },
	{ "\"joe smith\"@example.org", "((NIL NIL \"joe smith\" \"example.org\"))" },
	{ "a@[192.168.0.1]", "((NIL NIL \"a\" \"[192.168.0.1]\"))" },
	{ "john@example.com (John Doe)", "((\"John Doe\" NIL \"john\" \"example.com\"))" },
	{ "john@example.com (a (nested) comment)",
	    "((\"a (nested) comment\" NIL \"john\" \"example.com\"))" },
	{ "=?utf-8?q?J=C3=B6rg?= <j@x>", "((\"=?utf-8?q?J=C3=B6rg?=\" NIL \"j\" \"x\"))" },
	{ "J\xc3\xb6rg <j\xc3\xb6@x>", "(({5}\r\nJ\xc3\xb6rg NIL {3}\r\nj\xc3\xb6 \"x\"))" },
	/* What is no address at all. */
	{ "", "NIL" },
	{ " , ,, ", "NIL" },
	{ "root", "((NIL NIL \"root\" \"\"))" },
	{ "<>", "((NIL NIL \"\" \"\"))" },
	{ "@", "((NIL NIL \"\" \"\"))" },
	{ "Joe <j@x", "((\"Joe\" NIL \"j\" \"x\"))" },
	{ "\"never ends <a@b>", "((NIL NIL \"never ends <a@b>\" \"\"))" },
	{ "a@b c@d", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
	{ "Big Bug bb@bug.com", "((\"Big Bug\" NIL \"bb\" \"bug.com\"))" },
	{ "me@home <me@work>", "((\"me@home\" NIL \"me\" \"work\"))" },
	{ "a@b; c@d", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))" },
	{ "g: a@b", "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))" },
	{ "g: h: a@b; c@d",
	    "((NIL NIL \"g\" NIL)(\"h\" NIL \"a\" \"b\")(NIL NIL NIL NIL)(NIL NIL \"c\" \"d\"))" },
	{ "a\\", "((NIL NIL \"a\\\\\" \"\"))" },
};

static void
test_lists(void)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		BUF_CLEAN struct buf out = BUF_MAX(65536), want = BUF_MAX(65536);
		struct mime_envelope env = { .to = str_c(lists[i].in) };

		mime_envelope_format(&env, &out);
		buf_printf(&want, "(NIL NIL NIL NIL NIL %s NIL NIL NIL NIL)", lists[i].out);
		if (!CHECK_STR(buf_str(&out), buf_str(&want)))
			printf("# in %s\n", lists[i].in);
	}
}

static void
test_envelope(void)
{
	static const char header[] =
	    "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
	    "From: Terry Gray <gray@cac.washington.edu>\r\nFrom: second@x\r\n"
	    "Subject: IMAP4rev2 WG mtg summary\r\n\tand\t\"minutes\"\r\nReply-To: \r\n"
	    "To: imap@cac.washington.edu\r\ncc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\nTo: more@x\r\n"
	    "In-Reply-To:\r\nMessage-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n";
	static const char want[] =
	    "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and\t\\\"minutes\\\"\" "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
	    "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington.edu\")(NIL NIL \"more\" \"x\")) "
	    "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL \"\" "
	    "\"<B27397-0100000@cac.washington.edu>\")";
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf out = BUF_MAX(65536);
	struct mime_envelope env;

	mime_envelope_parse(&a, str_c(header), &env);
	mime_envelope_format(&env, &out);
	CHECK_STR(buf_str(&out), str_c(want));
	arena_done(&a);
}

static size_t
count_addresses(size_t n)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(1 << 20);
	const struct mime_address *list;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		buf_lit(&b, "a@b,");
	for (list = mime_address_parse(&a, buf_str(&b)); list != NULL; list = list->next)
		count++;
	arena_done(&a);
	return count;
}

static void
test_limit(void)
{
	CHECK_U64(count_addresses(MIME_MAX_ADDRESSES), MIME_MAX_ADDRESSES);
	CHECK_U64(count_addresses(MIME_MAX_ADDRESSES + 1), MIME_MAX_ADDRESSES);
}

static struct str
told(struct arena *a, const struct mime_address *list)
{
	BUF_CLEAN struct buf out = BUF_MAX(4096);

	for (; list != NULL; list = list->next) {
		buf_u64(&out, (uint64_t)list->kind);
		mime_nstring_format(list->name, &out);
		mime_nstring_format(list->route, &out);
		mime_nstring_format(list->mailbox, &out);
		mime_nstring_format(list->host, &out);
	}
	return arena_str(a, buf_str(&out));
}

/*
 * Behind an empty comment an address is read step by step, without it at a glance when it is plain:
 * both must find the same. And the first alone is the first of all.
 */
static void
test_plain(void)
{
	static const char letters[] = "aaaab@@@.. <<>>\",;:()\\[]\t\xC3\r\n";
	uint32_t seed = 1;
	size_t plain = 0;

	for (unsigned round = 0; round < 100000; round++) {
		struct arena a = ARENA_NONE;
		char text[16] = "()";
		size_t n = 2;
		struct mime_address *list;
		struct str slow, quick;

		for (seed = seed * 1664525u + 1013904223u; n < 4 + (seed >> 28) % 12; n++) {
			seed = seed * 1664525u + 1013904223u;
			text[n] = letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		list = mime_address_parse(&a, str_make(text + 2, n - 2));
		quick = told(&a, list);
		if (list != NULL) {
			list->next = NULL;
			CHECK_STR(told(&a, mime_address_first(&a, str_make(text + 2, n - 2))),
			    told(&a, list));
			plain += list->host.n > 0;
		}
		/* Those behind the first are read at a glance in both. */
		slow = told(&a, mime_address_parse(&a, str_make(text, n)));
		CHECK_STR(quick, slow);
		arena_done(&a);
	}
	CHECK(plain > 3000);
}

TEST_MAIN(TEST(test_plain), TEST(test_lists), TEST(test_envelope), TEST(test_limit))

/*
 * parser_test.c - unit tests of parser.c, part.c, structure.c and bodystructure.c: messages and
 * what they are made of.
 */
#include "mime/parser.h"

#include "base/arena.h"
#include "base/test.h"
#include "mime/bodystructure.h"
#include "mime/limits.h"
#include "mime/structure.h"

#define TEXT(octets, lines)                                                                        \
	"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" " #octets " " #lines      \
	" NIL NIL NIL NIL)"

static const struct {
	const char *name, *message, *bodystructure;
} structures[] = {
	{ "nothing", "", TEXT(0, 0) },
	{ "header only", "Subject: x\r\n", TEXT(0, 0) },
	{ "no header", "\r\nbody\r\n", TEXT(6, 1) },
	{ "bare LF", "Subject: x\n\na\nb\n", TEXT(4, 2) },
	{ "bare CR is a byte", "Subject: x\r\rmore\n\na\rb\r\n", TEXT(5, 1) },
	{ "last line without end", "\r\na\r\nb", TEXT(4, 1) },
	{ "types keep their case", "Content-Type: TEXT/Html; CharSet=X\n\n",
	    "(\"TEXT\" \"Html\" (\"CharSet\" \"X\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)" },
	{ "everything",
	    "Content-Type: (c) image (c) / (c) png (c) ; (c) name = (c) \"a\\\"b\" (c)\r\nContent-ID: <i@d>\r\nContent-Description: a\r\n picture\r\n"
	    "Content-Transfer-Encoding: BASE64\r\nContent-MD5: Q2hlY2s=\r\nContent-Disposition: inline; filename=x.png\r\n"
	    "Content-Language: en, de-AT (Austrian)\r\nContent-Location: http://e/x\r\n\r\nxxxx\r\n",
	    "(\"image\" \"png\" (\"name\" \"a\\\"b\") \"<i@d>\" \"a picture\" \"BASE64\" 6 \"Q2hlY2s=\" (\"inline\" (\"filename\" \"x.png\")) (\"en\" \"de-AT\") \"http://e/x\")" },
	{ "no subtype", "Content-Type: image\n\nx", TEXT(1, 0) },
	{ "garbage for a type", "Content-Type: =?utf-8?q?x?=\n\n", TEXT(0, 0) },
	{ "only the first type counts", "Content-Type: a/b\nContent-Type: c/d\n\n",
	    "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0 NIL NIL NIL NIL)" },
	{ "space before the colon", "Content-Type : a/b\n\n",
	    "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0 NIL NIL NIL NIL)" },
	{ "two parts",
	    "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\none\n--b\n\ntwo\n\n--b--\nepilogue\n",
	    "(" TEXT(3, 0) TEXT(4, 1) " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)" },
	{ "no end", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n",
	    "(" TEXT(3, 0) TEXT(4, 1) " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)" },
	{ "white space behind boundaries",
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t\r\n\r\none\r\n--b--  \r\n",
	    "(" TEXT(3, 0) " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)" },
	{ "a boundary in a header",
	    "Content-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n--b\n\ntwo\n--b--\n",
	    "(" TEXT(0, 0) TEXT(3, 0) " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)" },
	{ "the outer boundary ends inner parts",
	    "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=ab\n\n"
	    "--ab\n\nx\n--a\n\ny\n--a--\n",
	    "((" TEXT(1, 0) " \"alternative\" (\"boundary\" \"ab\") NIL NIL NIL)" TEXT(1,
		0) " \"mixed\" (\"boundary\" \"a\") NIL NIL NIL)" },
	{ "after its end a boundary is text",
	    "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n--a\n\ny\n",
	    "(" TEXT(1, 0) " \"mixed\" (\"boundary\" \"a\") NIL NIL NIL)" },
	{ "no parts but text", "Content-Type: multipart/mixed; boundary=a\n\nread me\n",
	    TEXT(8, 1) },
	{ "no parts at all", "Content-Type: multipart/mixed; boundary=a\n\n",
	    "(" TEXT(0, 0) " \"mixed\" (\"boundary\" \"a\") NIL NIL NIL)" },
	{ "no boundary", "Content-Type: multipart/mixed\n\nread me\n", TEXT(8, 1) },
	{ "digest",
	    "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: in\n\nx\n--a--\n",
	    "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 14 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) " TEXT(
		1, 0) " 2 NIL NIL NIL NIL) "
		      "\"digest\" (\"boundary\" \"a\") NIL NIL NIL)" },
	{ "a message in a message",
	    "Content-Type: message/rfc822\n\nContent-Type: message/global\n\nSubject: in\n\nx\n",
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 45 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "(\"message\" \"global\" NIL NIL NIL \"7bit\" 15 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) " TEXT(
		2, 1) " 3 NIL NIL NIL NIL) "
		      "5 NIL NIL NIL NIL)" },
	/* RFC 2231, and RFC 9051 7.5.2 on what becomes of it. */
	{ "continuations", "Content-Type: a/b; n*1=\"two\"; n*0=one; m=x; n*2=3\n\n",
	    "(\"a\" \"b\" (\"n\" \"onetwo3\" \"m\" \"x\") NIL NIL \"7bit\" 0 NIL NIL NIL NIL)" },
	{ "charsets",
	    "Content-Type: a/b; n*=iso-8859-1'de'a%20%FC; m*0*=utf-8''%C3; m*1*=%A9; m*2=\"%41\"\n\n",
	    "(\"a\" \"b\" (\"n*\" \"utf-8''a%20%C3%BC\" \"m*\" \"utf-8''%C3%A9%2541\") NIL NIL \"7bit\" 0 NIL NIL NIL NIL)" },
	{ "a continuation without a beginning", "Content-Type: a/b; n*1=x\n\n",
	    "(\"a\" \"b\" (\"n*1\" \"x\") NIL NIL \"7bit\" 0 NIL NIL NIL NIL)" },
	{ "names with spaces",
	    "Content-Type: a/b; name=my file.txt; charset=x format=flowed; e=\"\"\n\n",
	    "(\"a\" \"b\" (\"name\" \"my file.txt\" \"charset\" \"x\" \"format\" \"flowed\" \"e\" \"\") NIL NIL \"7bit\" 0 NIL NIL NIL NIL)" },
	{ "8-bit goes as a literal", "Content-Description: \xe9\n\n",
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL {1}\r\n\xe9 \"7bit\" 0 0 NIL NIL NIL NIL)" },
};

/* Parses it in pieces of `step` bytes. */
static struct mime_message *
parse(struct arena *a, struct str bytes, size_t step)
{
	struct mime_parser *p = mime_parser_new(a, NULL);
	struct mime_message *msg;

	for (size_t at = 0; at < bytes.n; at += step)
		mime_parser_feed(p, str_sub(bytes, at, at + step));
	mime_parser_finish(p, &msg);
	return msg;
}

static void
test_structures(void)
{
	for (size_t i = 0; i < ARRAY_LEN(structures); i++)
		for (size_t step = 1; step <= 4096; step *= 4) {
			struct arena a = ARENA_NONE;
			BUF_CLEAN struct buf out = BUF_MAX(65536), body = BUF_MAX(65536),
					     body2 = BUF_MAX(65536);
			struct mime_message *msg = parse(&a, str_c(structures[i].message), step);

			mime_bodystructure_format(msg, &out);
			if (!CHECK_STR(buf_str(&out), str_c(structures[i].bodystructure)))
				printf("# in \"%s\", pieces of %zu\n", structures[i].name, step);
			mime_body_format(msg, &body);
			CHECK(mime_body_from_bodystructure(buf_str(&out), &body2) == ERR_OK);
			CHECK_STR(buf_str(&body2), buf_str(&body));
			arena_done(&a);
		}
}

static void
test_nul(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf out = BUF_MAX(65536);
	struct mime_message *msg = mime_parse(&a, STR("Content-ID: a\0b\n\n"));

	mime_bodystructure_format(msg, &out);
	CHECK_STR(buf_str(&out),
	    STR("(\"text\" \"plain\" (\"charset\" \"us-ascii\") \"ab\" NIL \"7bit\" 0 0 NIL NIL NIL NIL)"));
	CHECK(msg->has_nul && !msg->is_8bit);
	arena_done(&a);
}

/* The example of RFC 9051 6.4.5.1, filled with text. */
static const char nested[] =
    "Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    "--a\r\n\r\npart1\r\n"
    "--a\r\nContent-Type: application/octet-stream\r\n\r\npart2\r\n"
    "--a\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: inner\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\n\r\npart3.1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\npart3.2\r\n--b--\r\n"
    "--a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: image/gif\r\n\r\npart4.1\r\n"
    "--c\r\nContent-Type: message/rfc822\r\n\r\nSubject: plain\r\n\r\npart4.2.1\r\n--c--\r\n"
    "--a--\r\n";

static const struct {
	uint32_t path[4];
	size_t n;
	enum mime_section section;
	const char *bytes; /* NULL: there is none */
} sections[] = {
	{ { 1 }, 1, MIME_SECTION_WHOLE, "part1" },
	{ { 1 }, 1, MIME_SECTION_MIME, "\r\n" },
	{ { 1 }, 1, MIME_SECTION_HEADER, NULL },
	{ { 1 }, 1, MIME_SECTION_TEXT, NULL },
	{ { 1, 1 }, 2, MIME_SECTION_WHOLE, NULL },
	{ { 2 }, 1, MIME_SECTION_WHOLE, "part2" },
	{ { 2 }, 1, MIME_SECTION_MIME, "Content-Type: application/octet-stream\r\n\r\n" },
	{ { 3 }, 1, MIME_SECTION_MIME, "Content-Type: message/rfc822\r\n\r\n" },
	{ { 3 }, 1, MIME_SECTION_HEADER,
	    "Subject: inner\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" },
	{ { 3 }, 1, MIME_SECTION_TEXT,
	    "--b\r\n\r\npart3.1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\npart3.2\r\n--b--" },
	{ { 3, 1 }, 2, MIME_SECTION_WHOLE, "part3.1" },
	{ { 3, 2 }, 2, MIME_SECTION_WHOLE, "part3.2" },
	{ { 3, 2 }, 2, MIME_SECTION_MIME, "Content-Type: application/octet-stream\r\n\r\n" },
	{ { 3, 3 }, 2, MIME_SECTION_WHOLE, NULL },
	{ { 4, 1 }, 2, MIME_SECTION_WHOLE, "part4.1" },
	{ { 4, 2 }, 2, MIME_SECTION_HEADER, "Subject: plain\r\n\r\n" },
	{ { 4, 2, 1 }, 3, MIME_SECTION_WHOLE, "part4.2.1" },
	{ { 4, 2, 1 }, 3, MIME_SECTION_MIME, "Subject: plain\r\n\r\n" },
	{ { 4, 2, 2 }, 3, MIME_SECTION_WHOLE, NULL },
	{ { 4, 2, 1, 1 }, 4, MIME_SECTION_WHOLE, NULL },
	{ { 5 }, 1, MIME_SECTION_WHOLE, NULL },
	{ { 0 }, 1, MIME_SECTION_WHOLE, NULL },
	{ { 0 }, 0, MIME_SECTION_HEADER, "Content-Type: multipart/mixed; boundary=a\r\n\r\n" },
	{ { 0 }, 0, MIME_SECTION_MIME, NULL },
};

static void
test_sections(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf stored = BUF_MAX(65536);
	struct mime_message *parsed = mime_parse(&a, str_c(nested)), *decoded;

	mime_structure_encode(parsed, &stored);
	CHECK(stored.n < 300);
	if (!CHECK(mime_structure_decode(&a, buf_str(&stored), &decoded) == ERR_OK))
		return;
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		struct mime_range r = { 0 };
		enum err e = mime_section_find(decoded, sections[i].path, sections[i].n,
		    sections[i].section, &r, NULL);
		bool is_right = sections[i].bytes == NULL ? e == ERR_NOTFOUND
							  : e == ERR_OK
			&& CHECK_STR(str_sub(str_c(nested), r.offset, r.offset + r.length),
			    str_c(sections[i].bytes));

		if (!CHECK(is_right))
			printf("# section %zu\n", i);
	}
	/* Every cut of the stored bytes is refused. */
	for (size_t n = 0; n < stored.n; n++)
		CHECK(mime_structure_decode(&a, str_sub(buf_str(&stored), 0, n), &decoded)
		    == ERR_CORRUPT);
	arena_done(&a);
}

/*
 * A message that is not multipart: its part 1 is its body; one that holds only a message is seen
 * through.
 */
static void
test_single_sections(void)
{
	struct arena a = ARENA_NONE;
	const struct mime_message *msg = mime_parse(&a, STR("A: b\n\nbody"));
	struct mime_range r;

	CHECK(mime_section_find(msg, (uint32_t[]){ 1 }, 1, MIME_SECTION_WHOLE, &r, NULL) == ERR_OK
	    && r.offset == 6 && r.length == 4);
	CHECK(mime_section_find(msg, (uint32_t[]){ 1 }, 1, MIME_SECTION_MIME, &r, NULL) == ERR_OK
	    && r.offset == 0 && r.length == 6);
	CHECK(mime_section_find(msg, NULL, 0, MIME_SECTION_WHOLE, &r, NULL) == ERR_OK
	    && r.offset == 0 && r.length == 10);
	CHECK(mime_section_find(msg, NULL, 0, MIME_SECTION_TEXT, &r, NULL) == ERR_OK
	    && r.offset == 6 && r.length == 4);
	CHECK(mime_part_find(msg, (uint32_t[]){ 1, 1 }, 2) == NULL);
	msg = mime_parse(&a, STR("Content-Type: message/rfc822\n\nC: d\n\ninner"));
	CHECK(mime_section_find(msg, (uint32_t[]){ 1 }, 1, MIME_SECTION_HEADER, &r, NULL) == ERR_OK
	    && r.offset == 30 && r.length == 6);
	CHECK(
	    mime_section_find(msg, (uint32_t[]){ 1, 1 }, 2, MIME_SECTION_WHOLE, &r, NULL) == ERR_OK
	    && r.offset == 36);
	arena_done(&a);
}

/* A chain of `depth` parts: multiparts around a text. */
static struct mime_message *
parse_deep(struct arena *a, int depth)
{
	BUF_CLEAN struct buf b = BUF_MAX(1 << 20);

	for (int i = 0; i < depth - 1; i++)
		buf_printf(&b, "Content-Type: multipart/mixed; boundary=b%dx\n\n--b%dx\n", i, i);
	buf_lit(&b, "\ntext\n");
	return mime_parse(a, buf_str(&b));
}

static void
test_depth_limit(void)
{
	struct arena a = ARENA_NONE;
	struct mime_message *msg = parse_deep(&a, MIME_MAX_DEPTH);
	const struct mime_part *part = msg->root;

	CHECK_U64(msg->part_count, MIME_MAX_DEPTH);
	while (part->first_child != NULL)
		part = part->first_child;
	CHECK(part->kind == MIME_KIND_TEXT && !part->is_opaque);
	msg = parse_deep(&a, MIME_MAX_DEPTH + 1);
	CHECK_U64(msg->part_count, MIME_MAX_DEPTH);
	for (part = msg->root; part->first_child != NULL;)
		part = part->first_child;
	CHECK(part->kind == MIME_KIND_BASIC && part->is_opaque && part->body.length > 0);
	CHECK_STR(part->type, STR("application"));
	arena_done(&a);
}

static struct mime_message *
parse_wide(struct arena *a, int parts)
{
	BUF_CLEAN struct buf b = BUF_MAX(1 << 22);

	buf_lit(&b, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < parts; i++)
		buf_lit(&b, "--b\n\nx\n");
	buf_lit(&b, "--b--\n");
	return mime_parse(a, buf_str(&b));
}

static void
test_parts_limit(void)
{
	struct arena a = ARENA_NONE;
	struct mime_message *msg = parse_wide(&a, MIME_MAX_PARTS - 1);
	BUF_CLEAN struct buf b = BUF_MAX(1 << 22);
	struct mime_message *again;

	CHECK_U64(msg->part_count, MIME_MAX_PARTS);
	CHECK(!msg->root->last_child->is_opaque);
	msg = parse_wide(&a, MIME_MAX_PARTS + 5);
	CHECK_U64(msg->part_count, MIME_MAX_PARTS + 1);
	CHECK(msg->root->last_child->is_opaque);
	CHECK_U64(msg->root->last_child->body.offset + msg->root->last_child->body.length,
	    msg->size);
	mime_structure_encode(msg, &b);
	CHECK(mime_structure_decode(&a, buf_str(&b), &again) == ERR_OK
	    && again->part_count == msg->part_count);
	arena_done(&a);
}

static void
test_header_limits(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(1 << 22);
	struct mime_message *msg;

	while (b.n + 100 <= MIME_MAX_HEADER_BYTES)
		buf_printf(&b, "X-Long: %090d\n", 0);
	buf_printf(&b, "Y: %0*d\n\n", (int)(MIME_MAX_HEADER_BYTES - b.n - 5), 0);
	CHECK_U64(b.n, MIME_MAX_HEADER_BYTES);
	msg = mime_parse(&a, buf_str(&b));
	CHECK(!msg->is_header_cut && msg->header.n == b.n && msg->root->header.length == b.n);
	b.n--;
	buf_lit(&b, "Z: x\n\nbody");
	msg = mime_parse(&a, buf_str(&b));
	CHECK(msg->is_header_cut && msg->header.n == MIME_MAX_HEADER_BYTES);
	CHECK_U64(msg->root->header.length, MIME_MAX_HEADER_BYTES + 5);
	CHECK_U64(msg->root->body.length, 4);
	arena_done(&a);
}

/* What hooks see of bodies is what the ranges say. */
struct seen {
	struct buf bytes;
	int open;
};

static void
on_begin(void *ctx, const struct mime_part *part)
{
	struct seen *s = ctx;

	(void)part;
	s->open++;
}

static void
on_body(void *ctx, const struct mime_part *part, struct str bytes)
{
	struct seen *s = ctx;

	CHECK(part->first_child == NULL);
	buf_str_add(&s->bytes, bytes);
}

static void
on_end(void *ctx, const struct mime_part *part)
{
	struct seen *s = ctx;

	s->open--;
	if (part->first_child == NULL) {
		CHECK_U64(s->bytes.n, part->body.length);
		CHECK_STR(buf_str(&s->bytes),
		    str_sub(str_c(nested), part->body.offset,
			part->body.offset + part->body.length));
		buf_clear(&s->bytes);
	}
}

static void
test_hooks(void)
{
	for (size_t step = 1; step < 30; step++) {
		struct arena a = ARENA_NONE;
		struct seen s = { .bytes = BUF_MAX(65536) };
		const struct mime_parser_hooks hooks = { &s, on_begin, on_body, on_end };
		struct mime_parser *p = mime_parser_new(&a, &hooks);
		struct mime_message *msg;

		for (size_t at = 0; at < sizeof(nested) - 1; at += step)
			mime_parser_feed(p, str_sub(str_c(nested), at, at + step));
		mime_parser_finish(p, &msg);
		CHECK_U64(s.open, 0);
		buf_done(&s.bytes);
		arena_done(&a);
	}
}

static uint32_t
count_params(int n)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(1 << 16);
	uint32_t count = 0;

	buf_lit(&b, "Content-Type: a/b");
	for (int i = 0; i < n; i++)
		buf_printf(&b, "; p%d=v", i);
	buf_lit(&b, "\n\n");
	for (const struct mime_param *p = mime_parse(&a, buf_str(&b))->root->params; p != NULL;
	     p = p->next)
		count++;
	arena_done(&a);
	return count;
}

static uint32_t
count_languages(int n)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(1 << 16);
	uint32_t count;

	buf_lit(&b, "Content-Language: en");
	for (int i = 1; i < n; i++)
		buf_lit(&b, ", de");
	buf_lit(&b, "\n\n");
	count = mime_parse(&a, buf_str(&b))->root->language_count;
	arena_done(&a);
	return count;
}

static void
test_field_limits(void)
{
	CHECK_U64(count_params(MIME_MAX_PARAMS), MIME_MAX_PARAMS);
	CHECK_U64(count_params(MIME_MAX_PARAMS + 1), MIME_MAX_PARAMS);
	CHECK_U64(count_languages(MIME_MAX_LANGUAGES), MIME_MAX_LANGUAGES);
	CHECK_U64(count_languages(MIME_MAX_LANGUAGES + 1), MIME_MAX_LANGUAGES);
}

/* A boundary longer than is kept is found by its begin. */
static void
test_boundary_limit(void)
{
	for (int extra = 0; extra < 2; extra++)
		for (size_t step = 1; step < 1000; step += 333) {
			struct arena a = ARENA_NONE;
			BUF_CLEAN struct buf b = BUF_MAX(1 << 16);
			int n = MIME_MAX_BOUNDARY + extra;
			struct mime_message *msg;

			buf_printf(&b,
			    "Content-Type: multipart/mixed; boundary=%0*d\n\n--%0*d\n\none\n--%0*d\n\ntwo\n--%0*d--\n",
			    n, 1, n, 1, n, 1, n, 1);
			msg = parse(&a, buf_str(&b), step);
			CHECK_U64(msg->root->child_count, extra == 0 ? 2 : 3);
			CHECK_U64(msg->root->last_child->number, msg->root->child_count);
			arena_done(&a);
		}
}

/* Headers of parts share one allowance: what is beyond it is parts whose type is not told. */
static void
test_kept_limit(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(1 << 24);
	struct mime_message *msg;

	buf_lit(&b, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < 2000; i++)
		buf_printf(&b, "--b\nContent-Type: image/png\nContent-Description: %01000d\n\nx\n",
		    i);
	buf_lit(&b, "--b--\n");
	msg = mime_parse(&a, buf_str(&b));
	CHECK_U64(msg->root->child_count, 2000);
	CHECK(msg->root->first_child->description.n == 1000);
	CHECK(msg->root->last_child->description.p == NULL);
	CHECK(a.total_bytes < MIME_MAX_KEPT_BYTES + 2000 * 600);
	arena_done(&a);
}

TEST_MAIN(TEST(test_structures), TEST(test_nul), TEST(test_sections), TEST(test_single_sections),
    TEST(test_depth_limit), TEST(test_parts_limit), TEST(test_header_limits),
    TEST(test_field_limits), TEST(test_boundary_limit), TEST(test_kept_limit), TEST(test_hooks))

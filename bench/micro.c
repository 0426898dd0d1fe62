/*
 * micro.c - parsers and pages, for counting their instructions: runs one case so many times.
 * bench/instructions.py runs each twice under callgrind and takes the difference, so what a start
 * costs does not count, and two runs on any machine agree.
 *
 *     micro            the names of the cases
 *     micro CASE N
 */
#include "imap/fetch.h"
#include "mime/collation.h"
#include "mime/sortkeys.h"
#include "mime/summary.h"
#include "store/message_record.h"
#include "store/page.h"

#include <stdio.h>
#include <stdlib.h>

#define HEADER                                                                                                                             \
	"Return-Path: <ann@example.org>\r\nReceived: from mx.example.org by mail.example.net with ESMTP id 4711\r\n"                       \
	"\tfor <joe@example.net>; Sun, 22 Nov 2026 10:00:00 +0100\r\nFrom: =?utf-8?q?J=C3=B6rg?= Example <joerg@example.org>\r\n"          \
	"To: Joe <joe@example.net>, \"Somebody, Else\" <else@example.net>\r\nSubject: Re: [list] What we talked about\r\n"                 \
	"Date: Sun, 22 Nov 2026 09:59:58 +0100\r\nMessage-ID: <1234567890@example.org>\r\nReferences: <a@example.org> <b@example.org>\r\n" \
	"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n"
#define PARTS                                                                                                                               \
	"--=_b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"                           \
	"Good morning,=20\r\n\r\nas we said: =C3=BCber all that, once more.\r\n\r\n--=_b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" \
	"<html><body><p>Good morning, <b>as we said</b>: once more.</p></body></html>\r\n--=_b--\r\n"

/* What the cases work on; made once. */
struct bench {
	struct arena a;
	struct buf page, summary, out;
	struct mime_summary made;
};

static void
summarize(struct arena *a, struct mime_summary *out)
{
	struct mime_summarizer *s = mime_summarizer_new(a);

	mime_summarizer_feed(s, STR(HEADER PARTS));
	mime_summarizer_finish(s, out);
}

static void
bench_init(struct bench *b)
{
	struct buf op = BUF_MAX(65536);
	struct str operand;

	*b = (struct bench){ .page = BUF_MAX(65536),
		.summary = BUF_MAX(65536),
		.out = BUF_MAX(1 << 20) };
	page_op_append(&op);
	for (unsigned i = 0; i < PAGE_UIDS; i++)
		page_op_append_entry(&op, i,
		    &(struct page_entry){ .modseq = 1, .msgno = i + 1, .size_bytes = 5000 });
	operand = buf_str(&op);
	page_merge(STR(""), &operand, 1, &b->page);
	buf_done(&op);
	summarize(&b->a, &b->made);
	message_summary_encode(&(struct message_record){ .envelope = b->made.envelope,
				   .bodystructure = b->made.bodystructure,
				   .structure = b->made.structure,
				   .sortkeys = b->made.sortkeys,
				   .preview = b->made.preview,
				   .blob_bytes = 1000 },
	    &b->summary);
}

static void
bench_done(struct bench *b)
{
	arena_done(&b->a);
	buf_done(&b->page);
	buf_done(&b->summary);
	buf_done(&b->out);
}

static void
parse_message(struct bench *b unused_arg)
{
	struct arena a = ARENA_NONE;
	struct mime_summary s;

	summarize(&a, &s);
	arena_done(&a);
}

static void
parse_sortkeys(struct bench *b)
{
	struct arena a = ARENA_NONE;
	struct mime_sortkeys keys;

	must(mime_sortkeys_decode(&a, b->made.sortkeys, &keys) == ERR_OK);
	arena_done(&a);
}

static void
decode_summary(struct bench *b)
{
	struct message_record r;

	must(message_summary_decode(buf_str(&b->summary), &r) == ERR_OK);
}

static void
parse_fetch(struct bench *b unused_arg)
{
	struct arena a = ARENA_NONE;
	struct imap_scan in;
	struct imap_fetch f = { 0 };

	imap_scan_init(&in, &a,
	    STR("(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])"),
	    false);
	must(imap_fetch_parse(&in, &f) == ERR_OK);
	arena_done(&a);
}

static void
append_entry(struct bench *b)
{
	struct buf op = BUF_MAX(4096);
	struct str operand;

	page_op_append(&op);
	page_op_append_entry(&op, 7, &(struct page_entry){ .modseq = 2, .msgno = 8 });
	operand = buf_str(&op);
	page_merge(STR(""), &operand, 1, &b->out);
	buf_done(&op);
}

static void
sum_page(struct bench *b)
{
	struct page_sums sums;

	page_sum(buf_str(&b->page), &sums);
}

static void
decode_page(struct bench *b)
{
	struct page_entry e;

	for (unsigned i = 0; i < PAGE_UIDS; i++)
		page_entry(buf_str(&b->page), i, &e);
}

static void
fold_text(struct bench *b)
{
	buf_clear(&b->out);
	mime_collate_part(COLLATION_UNICODE_CASEMAP, STR("J\xC3\xB6rg Example <joerg@example.org>"),
	    &b->out);
}

static const struct {
	const char *name;
	void (*run)(struct bench *b);
} cases[] = {
	{ "message", parse_message },
	{ "sortkeys", parse_sortkeys },
	{ "summary", decode_summary },
	{ "fetch", parse_fetch },
	{ "page-append", append_entry },
	{ "page-sum", sum_page },
	{ "page-entries", decode_page },
	{ "fold", fold_text },
};

int
main(int argc, char **argv)
{
	struct bench b;

	if (argc != 3) {
		for (size_t i = 0; i < ARRAY_LEN(cases); i++)
			puts(cases[i].name);
		return argc == 1 ? 0 : 2;
	}
	bench_init(&b);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (strcmp(cases[i].name, argv[1]) == 0)
			for (long n = strtol(argv[2], NULL, 10); n > 0; n--)
				cases[i].run(&b);
	bench_done(&b);
	return 0;
}

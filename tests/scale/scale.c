/*
 * scale.c - doubling an input never more than 2.5-folds the time of any parser: each of the parsers
 * below reads each of the shapes that are meant for it (shapes.c) in growing sizes.
 *
 *     scale [BYTES]     the smallest size; the largest is eight times that
 *
 * Time is the processor time of this thread, the least of some runs, over three doublings: 2.5 to
 * the third is 15.6, what is linear has 8, what is quadratic 64. So neither a busy machine nor a
 * cache that is too small looks like growth; what seems to grow is measured again.
 */
#include "base/arena.h"
#include "imap/fetch.h"
#include "imap/framer.h"
#include "imap/list.h"
#include "imap/listmatch.h"
#include "imap/search.h"
#include "imap/select.h"
#include "imap/store.h"
#include "imap/utf7.h"
#include "lmtp/command.h"
#include "mime/address.h"
#include "mime/bodystructure.h"
#include "mime/casemap.h"
#include "mime/date.h"
#include "mime/envelope.h"
#include "mime/header.h"
#include "mime/header_recode.h"
#include "mime/msgid.h"
#include "mime/parser.h"
#include "mime/sortkeys.h"
#include "mime/structure.h"
#include "mime/subject.h"
#include "mime/summary.h"
#include "mime/text.h"
#include "mime/words.h"
#include "shapes.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { OUT_MAX = 1 << 28, TRIES = 6, DOUBLINGS = 3, COMMAND_PART = 16 };

static const double FOLD_MAX = 2.5 * 2.5 * 2.5;
static const int64_t NOISE_NS = 40000; /* what is below says nothing */

typedef void parse_fn(struct arena *a, struct str in, struct buf *out);

/* ---- parsers ---- */

static void
summarize_in(struct arena *a, struct str in, size_t piece, struct mime_summary *summary)
{
	struct mime_summarizer *s = mime_summarizer_new(a);

	for (size_t at = 0; at < in.n; at += MIN(piece, in.n - at))
		mime_summarizer_feed(s, str_sub(in, at, at + MIN(piece, in.n - at)));
	mime_summarizer_finish(s, summary);
}

static void
summary(struct arena *a, struct str in, unused_arg struct buf *out)
{
	struct mime_summary s;

	summarize_in(a, in, in.n, &s);
}

static void
summary_in_pieces(struct arena *a, struct str in, unused_arg struct buf *out)
{
	struct mime_summary s;

	summarize_in(a, in, 64, &s);
}

static void
derived(struct arena *a, struct str in, struct buf *out)
{
	struct mime_summary s;
	struct mime_message *msg;

	summarize_in(a, in, in.n, &s);
	if (mime_structure_decode(a, s.structure, &msg) == ERR_OK)
		mime_bodystructure_format(msg, out);
	ignore_err(mime_body_from_bodystructure(s.bodystructure, out), "only its time counts");
}

static bool
text_piece(void *ctx, struct str utf8, unused_arg bool is_first, unused_arg bool is_source)
{
	struct buf *out = ctx;

	buf_clear(out);
	mime_casemap(utf8, out);
	return true;
}

static void
text(struct arena *a, struct str in, struct buf *out)
{
	struct mime_text *t = mime_text_new(mime_parse(a, in),
	    MIME_TEXT_HEADER | MIME_TEXT_BODY | MIME_TEXT_SOURCE, text_piece, out);
	struct mime_range r;

	while (mime_text_want(t, &r))
		mime_text_feed(t, str_sub(in, r.offset, r.offset + MIN(r.length, (uint64_t)4096)));
	mime_text_free(t);
}

static void
fields(struct arena *a, struct str in, struct buf *out)
{
	static const struct str names[] = { STR_INIT("From"), STR_INIT("To"), STR_INIT("Subject"),
		STR_INIT("X") };
	struct mime_field f;
	struct mime_envelope e;
	struct mime_sortkeys keys;
	struct str rest = in;

	mime_header_pick(in, names, ARRAY_LEN(names), false, out);
	mime_header_pick(in, names, ARRAY_LEN(names), true, out);
	mime_envelope_parse(a, in, &e);
	mime_envelope_format(&e, out);
	mime_sortkeys_parse(a, in, &keys);
	while (mime_header_next(&rest, &f)) {
		buf_clear(out);
		mime_value_text(f.value, out);
	}
}

static struct str
first_value(struct str in)
{
	struct mime_field f;

	return mime_header_next(&in, &f) ? f.value : STR("");
}

static void
addresses(struct arena *a, struct str in, unused_arg struct buf *out)
{
	mime_address_parse(a, first_value(in));
}

static void
words(unused_arg struct arena *a, struct str in, struct buf *out)
{
	mime_words_decode(first_value(in), out);
}

static void
recoded(unused_arg struct arena *a, struct str in, struct buf *out)
{
	ignore_err(mime_header_recode(in, STR("iso-8859-1"), STR("?"), out),
	    "only its time counts");
}

static void
subject(unused_arg struct arena *a, struct str in, struct buf *out)
{
	mime_subject_base(first_value(in), out);
}

static void
msgids(unused_arg struct arena *a, struct str in, struct buf *out)
{
	struct str value = first_value(in);

	while (mime_msgid_next(&value, out))
		buf_clear(out);
}

static void
date(unused_arg struct arena *a, struct str in, unused_arg struct buf *out)
{
	struct mime_date d;

	ignore_err(mime_date_parse(first_value(in), &d), "only its time counts");
}

/* A command comes in small packets; the framer is asked after each. */
static void
frame(unused_arg struct arena *a, struct str in, unused_arg struct buf *out)
{
	static const struct imap_framer_limits limits = { .line_max = SIZE_MAX / 2,
		.literal_max = 1 << 20,
		.command_max = SIZE_MAX / 2 };
	struct imap_framer f;

	imap_framer_init(&f, &limits);
	for (size_t n = MIN(in.n, 64); n < in.n; n += MIN(64, in.n - n)) {
		if (imap_framer_next(&f, str_sub(in, 0, n)).kind != IMAP_FRAME_MORE)
			imap_framer_reset(&f);
	}
}

static void
fetch(struct arena *a, struct str in, unused_arg struct buf *out)
{
	struct imap_scan s;
	struct imap_fetch f;

	imap_scan_init(&s, a, in, false);
	ignore_err(imap_fetch_parse(&s, &f), "only its time counts");
}

static void
search(struct arena *a, struct str in, unused_arg struct buf *out)
{
	struct imap_scan s;
	struct imap_search p;

	imap_scan_init(&s, a, in, false);
	ignore_err(imap_search_parse(&s, &p), "only its time counts");
}

static void
store(struct arena *a, struct str in, unused_arg struct buf *out)
{
	struct imap_scan s;
	struct imap_store st;

	imap_scan_init(&s, a, in, false);
	ignore_err(imap_store_parse(&s, &st), "only its time counts");
}

static void
list(struct arena *a, struct str in, unused_arg struct buf *out)
{
	static const struct str names[] = {
		STR_INIT("a/b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
		STR_INIT("INBOX")
	};
	struct imap_scan s;
	struct imap_list l;

	imap_scan_init(&s, a, in, true);
	if (imap_list_parse(&s, &l) == ERR_OK && l.n_patterns > 0) {
		struct imap_listmatch *m = imap_listmatch_new(a, l.patterns, l.n_patterns, '/');

		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			(void)imap_listmatch_run(m, names[i]);
	}
}

static void
select_parse(struct arena *a, struct str in, unused_arg struct buf *out)
{
	struct imap_scan s;
	struct imap_select sel;

	imap_scan_init(&s, a, in, false);
	ignore_err(imap_select_parse(&s, &sel), "only its time counts");
	imap_select_done(&sel);
}

static void
seqset(struct arena *a, struct str in, struct buf *out)
{
	RANGESET_CLEAN struct rangeset r = RANGESET_NONE, other = RANGESET_NONE,
				       result = RANGESET_NONE;
	struct seqset set;

	if (seqset_parse(a, in, &set) != ERR_OK)
		return;
	seqset_resolve(&set, 1000000, NULL, &r);
	rangeset_add(&other, 2, 1000);
	rangeset_union(&result, &r, &other);
	rangeset_subtract(&result, &r, &other);
	rangeset_intersect(&result, &r, &other);
	rangeset_format(&r, out);
	ignore_err(rangeset_parse(in, &result), "only its time counts");
}

static void
name(struct arena *a, struct str in, struct buf *out)
{
	struct str decoded;

	if (imap_utf7_decode(in, out))
		ignore_err(imap_name_normalise(a, buf_str(out), &decoded), "only its time counts");
	imap_utf7_encode(in, out);
}

static void
lmtp(struct arena *a, struct str in, unused_arg struct buf *out)
{
	struct lmtp_command c;

	ignore_err(lmtp_command_parse(a, in, &c), "only its time counts");
}

static const struct parser {
	const char *name;
	enum shape_kind kind;
	parse_fn *parse;
	/* commands have limits: they are shorter by COMMAND_PART, and read as many times */
	bool is_command;
} parsers[] = {
	{ "summary", SHAPE_MESSAGE, summary },
	{ "summary, fed in pieces", SHAPE_MESSAGE, summary_in_pieces },
	{ "structures", SHAPE_MESSAGE, derived },
	{ "searchable text", SHAPE_MESSAGE, text },
	{ "header fields", SHAPE_MESSAGE, fields },
	{ "addresses", SHAPE_MESSAGE, addresses },
	{ "encoded words", SHAPE_MESSAGE, words },
	{ "words recoded", SHAPE_MESSAGE, recoded },
	{ "base subject", SHAPE_MESSAGE, subject },
	{ "message-ids", SHAPE_MESSAGE, msgids },
	{ "date", SHAPE_MESSAGE, date },
	{ "framer", SHAPE_MESSAGE, frame },
	{ "FETCH", SHAPE_FETCH, fetch, true },
	{ "SEARCH", SHAPE_SEARCH, search, true },
	{ "STORE", SHAPE_STORE, store, true },
	{ "LIST", SHAPE_LIST, list, true },
	{ "SELECT", SHAPE_SELECT, select_parse, true },
	{ "sequence sets", SHAPE_SEQSET, seqset },
	{ "names", SHAPE_NAME, name, true },
	{ "LMTP", SHAPE_LMTP, lmtp, true },
};

/* ---- measuring ---- */

static int64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t
measure(const struct parser *p, struct str in)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf out = BUF_MAX(OUT_MAX);
	int64_t begin = cpu_ns();

	for (unsigned i = 0; i < (p->is_command ? COMMAND_PART : 1); i++) {
		buf_clear(&out);
		arena_reset(&a);
		p->parse(&a, in, &out);
	}
	begin = cpu_ns() - begin;
	arena_done(&a);
	return begin;
}

/* How the time of the largest compares with that of the smallest; both the least of all tries. */
static double
growth(const struct parser *p, const struct shape *s, size_t bytes, int64_t *largest_out)
{
	BUF_CLEAN struct buf small = BUF_MAX(OUT_MAX), large = BUF_MAX(OUT_MAX);
	int64_t small_ns = INT64_MAX, large_ns = INT64_MAX;
	double fold = 0;

	if (p->is_command)
		bytes /= COMMAND_PART;
	shape_make(s, bytes, &small);
	shape_make(s, bytes << DOUBLINGS, &large);
	for (int i = 0; i < TRIES; i++) {
		small_ns = MIN(small_ns, measure(p, buf_str(&small)));
		large_ns = MIN(large_ns, measure(p, buf_str(&large)));
		fold = (double)large_ns / (double)MAX(small_ns, NOISE_NS);
		if (i > 0 && fold <= FOLD_MAX)
			break;
	}
	*largest_out = large_ns;
	return fold;
}

static bool
parser_test(const struct parser *p, size_t bytes)
{
	const struct shape *worst = NULL, *slowest = NULL;
	double worst_fold = 0;
	int64_t slowest_ns = 0;
	unsigned count = 0;
	bool is_good = true;

	for (size_t i = 0; i < shape_count; i++) {
		const struct shape *s = &shapes[i];
		int64_t ns;
		double fold;

		if (s->kind != p->kind)
			continue;
		fold = growth(p, s, bytes, &ns);
		count++;
		if (fold > worst_fold) {
			worst_fold = fold;
			worst = s;
		}
		if (ns > slowest_ns) {
			slowest_ns = ns;
			slowest = s;
		}
		if (fold > FOLD_MAX) {
			is_good = false;
			printf("# %s: %s: %.1f times the time for 8 times the input (%.2f ms)\n",
			    p->name, s->name, fold, (double)ns / 1e6);
		}
	}
	printf(
	    "# %s: %u shapes, at worst %.1f times the time for 8 times the input (%s); slowest %.2f ms (%s)\n",
	    p->name, count, worst_fold, worst->name, (double)slowest_ns / 1e6, slowest->name);
	return is_good;
}

int
main(int argc, char **argv)
{
	size_t bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 8192;
	int failed = 0;

	/*
	 * Memory stays with the process: else large inputs alone would pay for pages that are new
	 * each time, half of the time of some of them.
	 */
	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	printf("1..%zu\n", ARRAY_LEN(parsers));
	for (size_t i = 0; i < ARRAY_LEN(parsers); i++) {
		bool is_good = parser_test(&parsers[i], bytes);

		printf("%s %zu - %s\n", is_good ? "ok" : "not ok", i + 1, parsers[i].name);
		fflush(stdout);
		failed += !is_good;
	}
	return failed > 0;
}

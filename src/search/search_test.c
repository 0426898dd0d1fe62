/*
 * search_test.c - unit tests of search/: what each key means, asked of two messages in a store in
 * memory.
 */
#include "search/search.h"

#include "imap/date.h"
#include "mime/collation.h"
#include "store/change.h"
#include "store/store_test_util.h"
#include "store/trigrams.h"

static const char first[] =
    "From: J\xc3\xb6rg M\xc3\xbcller <joerg@example.org>\r\n"
    "To: =?iso-8859-1?Q?Andr=E9?= Pirard <andre@example.com>\r\n"
    "Subject: =?utf-8?B?R3LDvMOfZQ==?= from\r\n"
    " the mountains\r\n"
    "Date: Mon, 7 Feb 1994 23:52:25 -0800\r\n"
    "X-Empty:\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n"
    "\r\n"
    "preamble is nothing\r\n"
    "--b\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n"
    "Content-Description: greeting card\r\n"
    "\r\n"
    "U3RyYcOfZSB1bmQgSGF1cyBuYW1lZCBCT0I=\r\n"
    "--b\r\n"
    "Content-Type: text/html; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
    "<p>caf=E9 <b>wor</b>ld <a href=3D\"http://example.net/x\">link</a> &amp; tea</p>\r\n"
    "--b\r\n"
    "Content-Type: application/octet-stream\r\n"
    "\r\n"
    "binary needle\r\n"
    "--b--\r\n";

/* No date, no body. */
static const char second[] = "From: root\r\nSubject: x\r\n\r\n";

/*
 * Both came on 10-Feb-1994 23:30 -0100, are \Seen, \Flagged and $Forwarded, and have the UIDs 1 and
 * 2.
 */
static int64_t
internal_date(void)
{
	struct imap_datetime t;

	must(imap_datetime_parse(STR("10-Feb-1994 23:30:00 -0100"), &t));
	return t.utc_s;
}

static void
append_flagged(struct fixture *f, struct str text, uint16_t flags)
{
	struct arrival *m = arrival_new(f->store);
	struct str keyword = STR("$Forwarded");
	struct append add = { .arrival = m,
		.flags = flags,
		.keywords = &keyword,
		.keyword_count = 1,
		.has_internal_date = true,
		.internal_s = internal_date(),
		.internal_zone_min = -60 };
	struct snapshot *after = NULL;
	struct uid uid;
	uint32_t validity;
	size_t taken;

	while (text.n != 0 && UNTIL_DONE(&f->b, arrival_write(m, text, &taken, &f->b.w)) == ERR_OK)
		text = str_sub(text, taken, text.n);
	CHECK(arrival_finish(m) == ERR_OK);
	CHECK(UNTIL_DONE(&f->b,
		  messages_append(f->account, test_box(f, "INBOX"), &add, 1, &f->b.w, &uid,
		      &validity, &after))
	    == ERR_OK);
	test_wait_durable(f, after);
	snapshot_unref(after);
	arrival_unref(m);
}

static void
append(struct fixture *f, struct str text)
{
	append_flagged(f, text, FLAG_SEEN | FLAG_FLAGGED);
}

static struct view *
open_view(struct fixture *f)
{
	struct snapshot *s = account_snapshot(f->account, NULL);
	struct view *v = NULL;

	CHECK(UNTIL_DONE(&f->b, view_open(s, test_box(f, "INBOX"), VIEW_READ_WRITE, &f->b.w, &v))
	    == ERR_OK);
	snapshot_unref(s);
	return v;
}

/* The UIDs found, as a mask: bit 1 for UID 1. -1 when the search is refused. */
static int
search_by(struct fixture *f, struct view *v, const char *query, enum mime_collation by)
{
	struct arena a = ARENA_NONE;
	struct imap_search parsed;
	struct imap_scan scan;
	struct search *s = NULL;
	struct entry entry;
	struct seqnum seq;
	int mask = 0;

	imap_scan_init(&scan, &a, str_c(query), true);
	if (imap_search_parse(&scan, &parsed) != ERR_OK)
		mask = -1;
	parsed.collation = by;
	if (mask < 0 || search_new(&a, &parsed, v, NULL, internal_date() + 1000, &s) != ERR_OK)
		mask = -1;
	for (uint32_t uid = 1; mask >= 0 && search_candidate(s, uid, &entry, &seq);
	     uid = entry.uid.v + 1) {
		bool is_match = false;

		CHECK(UNTIL_DONE(&f->b, search_match(s, &entry, &f->b.w, &is_match)) == ERR_OK);
		mask |= is_match ? 1 << entry.uid.v : 0;
	}
	if (mask >= 0 && search_is_of_entries(s)) {
		struct view_page p;
		uint64_t bits = 0;

		CHECK(search_page(s, 1, &p, &bits) || mask == 0);
		CHECK_U64(bits, (uint64_t)mask);
	}
	waiter_cancel(&f->b.w);
	search_free(s);
	arena_done(&a);
	return mask;
}

static int
search(struct fixture *f, struct view *v, const char *query)
{
	return search_by(f, v, query, COLLATION_UNICODE_CASEMAP);
}

static const struct {
	const char *query;
	bool first, second;
} searches[] = {
	{ "ALL", true, true },
	{ "SEEN", true, true },
	{ "UNSEEN", false, false },
	{ "NEW", false, false },
	{ "RECENT", true, true },
	{ "OLD", false, false },
	{ "FLAGGED NOT DELETED", true, true },
	{ "OR DELETED FLAGGED", true, true },
	{ "NOT OR DELETED FLAGGED", false, false },
	{ "KEYWORD $forwarded", true, true },
	{ "UNKEYWORD $Forwarded", false, false },
	{ "KEYWORD other", false, false },
	{ "UNKEYWORD other", true, true },
	{ "1", true, false },
	{ "2:*", false, true },
	{ "UID 1:7 NOT UID 2", true, false },
	{ "LARGER 25 SMALLER 27", false, true },
	{ "LARGER 26", true, false },
	{ "SMALLER 26", false, false },
	{ "MODSEQ 1", true, true },
	{ "MODSEQ 1000000", false, false },
	/* Internal date: its own day, whatever the day is in UTC. */
	{ "ON 10-Feb-1994", true, true },
	{ "ON 11-Feb-1994", false, false },
	{ "BEFORE 10-Feb-1994", false, false },
	{ "BEFORE 11-Feb-1994", true, true },
	{ "SINCE 10-Feb-1994", true, true },
	{ "SINCE 11-Feb-1994", false, false },
	{ "SAVEDSINCE 1-Jan-2020", true, true },
	{ "SAVEDBEFORE 1-Jan-2020", false, false },
	{ "SAVEDON 1-Jan-2020", false, false },
	{ "SAVEDATESUPPORTED", true, true },
	/* The Date field: 7-Feb there, 8-Feb in UTC. */
	{ "SENTON 7-Feb-1994", true, false },
	{ "SENTON 8-Feb-1994", false, false },
	{ "SENTBEFORE 8-Feb-1994", true, false },
	{ "SENTSINCE 7-Feb-1994", true, false },
	{ "NOT SENTSINCE 7-Feb-1994", false, true },
	{ "OLDER 1000", true, true },
	{ "OLDER 1001", false, false },
	{ "YOUNGER 1000", true, true },
	{ "YOUNGER 999", false, false },
	{ "EMAILID M1", false, false },
	{ "NOT THREADID T1", true, true },
	{ "FROM joerg@EXAMPLE", true, false },
	{ "FROM \"j\xc3\xb6RG m\"", true, false },
	{ "FROM root", false, true },
	{ "TO \"andr\xc3\x89\"", true, false },
	/* i;unicode-casemap decomposes: an accent that is not asked for does not matter. */
	{ "TO \"Andre\"", true, false },
	{ "SUBJECT \"gr\xc3\xbc\xc3\x9f"
	  "e from the MOUNTAINS\"",
	    true, false },
	{ "SUBJECT mountain", true, false },
	{ "SUBJECT gr", true, false },
	{ "SUBJECT \"from the\"", true, false },
	{ "SUBJECT \"e from the mou\"", true, false },
	{ "SUBJECT mountain SUBJECT valley", false, false },
	{ "HEADER X-Empty \"\"", true, false },
	{ "HEADER X-EMPTY a", false, false },
	{ "NOT HEADER X-Empty \"\"", false, true },
	{ "HEADER X-Other \"\"", false, false },
	{ "BODY \"STRA\xc3\x9f"
	  "E und haus\"",
	    true, false },
	{ "BODY bob", true, false },
	{ "BODY \"caf\xc3\xa9 world link & tea\"", true, false },
	{ "BODY example.net/x", true, false },
	{ "BODY needle", false, false },
	{ "BODY preamble", false, false },
	{ "BODY greeting", true, false },
	{ "BODY joerg", false, false },
	{ "TEXT joerg", true, false },
	{ "TEXT \"x-empty: \"", true, false },
	{ "TEXT \"subject: x\"", false, true },
	{ "BODY \"\"", true, true },
	{ "TEXT \"\"", true, true },
	{ "OR BODY bob BODY nothing", true, false },
	{ "BODY bob NOT BODY haus", false, false },
	{ "NOT TEXT zebra", true, true },
	{ "OR (SUBJECT mountains BODY nothing) (BODY bob SENTON 7-Feb-1994)", true, false },
};

/*
 * Once with what waits answered at once, once with the engine stepped by hand; each first with texts
 * that nobody has read yet, then with what is known of them.
 */
static void
test_searches(void)
{
	for (int is_manual = 0; is_manual < 2; is_manual++) {
		struct fixture f;
		struct view *v;

		fixture_init(&f, is_manual);
		append(&f, str_c(first));
		append(&f, str_c(second));
		v = open_view(&f);
		for (size_t at = 0; at < 2 * ARRAY_LEN(searches); at++) {
			const size_t i = at % ARRAY_LEN(searches);
			int want = (searches[i].first ? 2 : 0) | (searches[i].second ? 4 : 0);
			int got = search(&f, v, searches[i].query);

			if (!CHECK(got == want))
				printf("# %s: %d\n", searches[i].query, got);
		}
		CHECK(search(&f, v, "3") == 0); /* RFC 7377 2 */
		CHECK(search(&f, v, "UID 3") == 0);
		view_close(v);
		fixture_done(&f);
	}
}

static const struct trigram_filter *
filter_of(struct fixture *f, struct trigram_reader *r, uint32_t n)
{
	trigram_reader_init(r, f->account);
	return trigram_reader_find(r, (struct msgno){ n });
}

static bool
has_filter(struct fixture *f, uint32_t n, bool with_header)
{
	struct trigram_reader r;
	const struct trigram_filter *of = filter_of(f, &r, n);
	const bool has = of != NULL && trigram_filter_has_header(of) == with_header;

	trigram_reader_done(&r);
	return has;
}

/*
 * Texts that were read leave what they have, and who searches later believes it: of the message
 * with the number 3 a filter says that it has nothing, so that one sees who asks it.
 */
static void
test_absent(void)
{
	struct trigram_set *nothing = xmalloc(sizeof(*nothing));
	struct fixture f;
	struct view *v;

	fixture_init(&f, true);
	for (int i = 0; i < 3; i++)
		append(&f, str_c(first));
	v = open_view(&f);
	/* what is found before its text ends leaves nothing */
	CHECK(search(&f, v, "BODY stra") == (2 | 4 | 8));
	CHECK(!has_filter(&f, 1, false));
	CHECK(search(&f, v, "1 BODY zebra") == 0);
	CHECK(has_filter(&f, 1, false));
	CHECK(search(&f, v, "1:2 OR TEXT zebra TEXT giraffe") == 0);
	CHECK(has_filter(&f, 1, true));
	CHECK(has_filter(&f, 2, true));
	trigram_set_clear(nothing, 0);
	trigrams_keep(f.account, (struct msgno){ 3 }, nothing, false);
	CHECK(search(&f, v, "BODY bob") == (2 | 4));
	CHECK(search(&f, v, "NOT BODY bob") == 8);
	CHECK(search(&f, v, "OR BODY bob BODY \"caf\xc3\xa9\"") == (2 | 4));
	CHECK(search(&f, v, "BODY bob SUBJECT mountain") == (2 | 4));
	CHECK(search(&f, v, "BODY bob SENTSINCE 1-Jan-1990") == (2 | 4));
	CHECK(search(&f, v, "OR BODY bob SUBJECT mountain") == (2 | 4 | 8));
	CHECK(search(&f, v, "OR BODY bob FLAGGED") == (2 | 4 | 8));
	/* It knows neither what is too short nor words that are near, nor headers. */
	CHECK(search(&f, v, "BODY bo") == (2 | 4 | 8));
	CHECK(search(&f, v, "FUZZY BODY bob") == (2 | 4 | 8));
	CHECK(search(&f, v, "TEXT bob") == (2 | 4 | 8));
	CHECK(search(&f, v, "TEXT zebra") == 0);
	CHECK(has_filter(&f, 3, true));
	CHECK(search(&f, v, "BODY bob") == (2 | 4 | 8));
	view_close(v);
	fixture_done(&f);
	free(nothing);
}

/* Another collation neither asks what is known by the default one, nor adds to it. */
static void
test_collation(void)
{
	struct trigram_set *nothing = xmalloc(sizeof(*nothing));
	struct fixture f;
	struct view *v;

	fixture_init(&f, true);
	append(&f, str_c(first));
	append(&f, str_c(first));
	v = open_view(&f);
	trigram_set_clear(nothing, 0);
	trigrams_keep(f.account, (struct msgno){ 1 }, nothing, true);
	CHECK(search_by(&f, v, "BODY BOB", COLLATION_UNICODE_CASEMAP) == 4);
	CHECK(search_by(&f, v, "BODY BOB", COLLATION_OCTET) == (2 | 4));
	CHECK(search_by(&f, v, "BODY bob", COLLATION_OCTET) == 0);
	CHECK(!has_filter(&f, 2, false));
	view_close(v);
	fixture_done(&f);
	free(nothing);
}

/*
 * Enough messages that records are asked for in more than one batch; and a text that lies across
 * pieces of the blob.
 */
static void
test_many(void)
{
	struct fixture f;
	struct view *v;
	struct arena a = ARENA_NONE;
	struct imap_search parsed;
	struct imap_scan scan;
	struct search *s = NULL;
	struct entry entry;
	struct seqnum seq;
	int found = 0;
	BUF_CLEAN struct buf big = BUF_MAX(1 << 20);

	fixture_init(&f, true);
	for (int i = 0; i < 300; i++)
		append(&f, i % 3 == 0 ? str_c(first) : str_c(second));
	buf_lit(&big, "Subject: big\r\n\r\n");
	while (big.n < 262144 - 3)
		buf_chr(&big, 'x');
	buf_lit(&big, "across the piece");
	append(&f, buf_str(&big));
	v = open_view(&f);
	imap_scan_init(&scan, &a, STR("OR BODY bob BODY \"xacross\""), true);
	CHECK(imap_search_parse(&scan, &parsed) == ERR_OK
	    && search_new(&a, &parsed, v, NULL, 0, &s) == ERR_OK);
	for (uint32_t uid = 1; search_candidate(s, uid, &entry, &seq); uid = entry.uid.v + 1) {
		bool is_match = false;

		CHECK(UNTIL_DONE(&f.b, search_match(s, &entry, &f.b.w, &is_match)) == ERR_OK);
		found += is_match;
	}
	CHECK_U64(found, 101);
	waiter_cancel(&f.b.w);
	search_free(s);
	/* Given up while texts are being read ahead. */
	CHECK(search_new(&a, &parsed, v, NULL, 0, &s) == ERR_OK);
	for (uint32_t uid = 1; uid < 20 && search_candidate(s, uid, &entry, &seq);
	     uid = entry.uid.v + 1) {
		bool is_match = false;

		CHECK(UNTIL_DONE(&f.b, search_match(s, &entry, &f.b.w, &is_match)) == ERR_OK);
		CHECK(is_match == (entry.uid.v % 3 == 1));
	}
	waiter_cancel(&f.b.w);
	search_free(s);
	arena_done(&a);
	view_close(v);
	fixture_done(&f);
}

/*
 * Digests are asked for more and more messages at a time; where they have only the beginning of a
 * text, the header is read.
 */
static void
test_fields_of_many(void)
{
	struct fixture f;
	struct view *v;
	struct arena a = ARENA_NONE;
	struct imap_search parsed;
	struct imap_scan scan;
	struct search *s = NULL;
	struct entry entry;
	struct seqnum seq;
	BUF_CLEAN struct buf text = BUF_MAX(1 << 16);

	fixture_init(&f, true);
	for (unsigned i = 1; i <= 2000; i++) {
		buf_clear(&text);
		buf_printf(&text,
		    "From: %s <a%u@example.org>\r\nSubject: ", i % 5 == 0 ? "Ann Needle" : "Bob",
		    i);
		if (i % 97 == 0)
			buf_printf(&text, "%01500u deep", i);
		buf_lit(&text, "\r\n\r\n");
		append_flagged(&f, buf_str(&text), i % 7 == 0 ? FLAG_SEEN : 0);
	}
	v = open_view(&f);
	imap_scan_init(&scan, &a, STR("UNSEEN OR FROM needle SUBJECT \" deep\""), true);
	CHECK(imap_search_parse(&scan, &parsed) == ERR_OK);
	/* once without digests in memory, once with */
	for (unsigned round = 0; round < 2; round++) {
		CHECK(search_new(&a, &parsed, v, NULL, 0, &s) == ERR_OK);
		for (uint32_t uid = 1; search_candidate(s, uid, &entry, &seq);
		     uid = entry.uid.v + 1) {
			const uint32_t i = entry.uid.v;
			bool is_match = false;

			CHECK(
			    UNTIL_DONE(&f.b, search_match(s, &entry, &f.b.w, &is_match)) == ERR_OK);
			CHECK(i % 7 != 0);
			if (!CHECK(is_match == (i % 5 == 0 || i % 97 == 0)))
				printf("# message %u\n", i);
		}
		waiter_cancel(&f.b.w);
		search_free(s);
	}
	arena_done(&a);
	view_close(v);
	fixture_done(&f);
}

/* What is found a page at a time is what is found one by one. */
static void
check_pages(struct view *v, const char *query)
{
	struct arena a = ARENA_NONE;
	struct imap_search parsed;
	struct imap_scan scan;
	struct search *s = NULL;
	struct entry entry, other;
	struct seqnum seq;
	struct view_page p = { 0 };
	uint64_t bits = 0;
	uint32_t from = 1;

	imap_scan_init(&scan, &a, str_c(query), true);
	CHECK(imap_search_parse(&scan, &parsed) == ERR_OK
	    && search_new(&a, &parsed, v, NULL, internal_date() + 1000, &s) == ERR_OK);
	CHECK(search_is_of_entries(s));
	for (uint32_t uid = 1; search_candidate(s, uid, &entry, &seq); uid = entry.uid.v + 1) {
		bool is_match = false;

		CHECK(search_match(s, &entry, NULL, &is_match) == ERR_OK);
		if (!is_match)
			continue;
		while (bits == 0 && CHECK(search_page(s, from, &p, &bits)))
			from = p.first + 64;
		if (bits == 0)
			break;
		if (!CHECK_U64(p.first + (unsigned)__builtin_ctzll(bits), entry.uid.v))
			printf("# %s\n", query);
		CHECK_U64(view_page_seq(&p, (unsigned)__builtin_ctzll(bits)).v, seq.v);
		view_page_entry(v, &p, (unsigned)__builtin_ctzll(bits), &other);
		CHECK(other.uid.v == entry.uid.v && other.msgno.v == entry.msgno.v
		    && other.flags == entry.flags && other.modseq == entry.modseq);
		bits &= bits - 1;
	}
	CHECK_U64(bits, 0);
	while (search_page(s, from, &p, &bits) && CHECK_U64(bits, 0))
		from = p.first + 64;
	search_free(s);
	arena_done(&a);
}

static const char *const of_entries[] = { "ALL", "SEEN", "UNSEEN", "NOT SEEN NOT DELETED",
	"OR DELETED FLAGGED", "NOT OR (SEEN ANSWERED) (NOT FLAGGED)", "RECENT", "NEW", "OLD",
	"KEYWORD $Forwarded", "UNKEYWORD $Forwarded FLAGGED", "LARGER 40", "SMALLER 40 UNSEEN",
	"3:70,90,129:* UNSEEN", "UID 3:70,90,129:*", "NOT UID 64:128", "UID 200 SEEN",
	"OR UID 1:10 OR 100:120 ANSWERED", "UID 1000:2000", "ON 10-Feb-1994 ANSWERED",
	"SAVEDATESUPPORTED UNDELETED", "YOUNGER 1000 UNANSWERED", "NOT (DELETED)", "NOT NOT SEEN" };

static void
test_pages(void)
{
	struct fixture f;
	struct snapshot *after = NULL;
	struct view_changes changes;
	struct rangeset gone = RANGESET_NONE, expunged = RANGESET_NONE;
	struct arena a = ARENA_NONE;
	uint32_t cursor = 0;
	struct view *v;

	fixture_init(&f, false);
	for (int i = 0; i < 300; i++)
		append_flagged(&f, i % 7 == 0 ? str_c(first) : str_c(second),
		    (uint16_t)((i % 2 ? FLAG_SEEN : 0) | (i % 3 ? 0 : FLAG_FLAGGED)
			| (i % 5 == 0 || (i >= 59 && i < 200) ? FLAG_DELETED : 0)
			| (i > 128 ? FLAG_ANSWERED : 0)));
	v = open_view(&f);
	for (size_t i = 0; i < ARRAY_LEN(of_entries); i++)
		check_pages(v, of_entries[i]);
	/* Gaps, whole pages among them, that are ghosts at first. */
	rangeset_add(&gone, 6, 200);
	CHECK(UNTIL_DONE(&f.b, messages_expunge(v, &gone, &cursor, &f.b.w, &expunged, &after))
	    == ERR_OK);
	test_wait_durable(&f, after);
	for (int tell = TELL_NO_EXPUNGE; tell >= TELL_ALL; tell--) {
		CHECK(view_refresh(v, after, (enum view_tell)tell, &f.b.w, &a, &changes) == ERR_OK);
		CHECK_U64(view_ghosts(v), tell == TELL_ALL ? 0 : rangeset_count(&expunged));
		for (size_t i = 0; i < ARRAY_LEN(of_entries); i++)
			if (tell == TELL_NO_EXPUNGE || strchr(of_entries[i], '*') == NULL)
				check_pages(v, of_entries[i]);
	}
	snapshot_unref(after);
	rangeset_done(&gone);
	rangeset_done(&expunged);
	arena_done(&a);
	view_close(v);
	fixture_done(&f);
}

TEST_MAIN(TEST(test_searches), TEST(test_absent), TEST(test_collation), TEST(test_many),
    TEST(test_fields_of_many), TEST(test_pages))

/*
 * message_test.c - messages from arrival to reading, on both forms of the engine in memory:
 * records, bytes, threads, copies, power cuts.
 */
#include "store/message.h"

#include "base/test.h"
#include "store/account_int.h"
#include "store/arrival_int.h"
#include "store/message_ahead.h"
#include "store/view.h"

#include <stdlib.h>

/* ---- waiting: in manual mode by steps of the engine, else until woken ---- */

struct fixture {
	bool is_manual;
	struct kv *kv;
	struct store *store;
	struct account *account;
};

struct pause {
	struct waiter w;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool is_woken;
};

static void
pause_wake(struct waiter *w)
{
	struct pause *p = container_of(w, struct pause, w);

	pthread_mutex_lock(&p->lock);
	p->is_woken = true;
	pthread_cond_signal(&p->woken);
	pthread_mutex_unlock(&p->lock);
}

static void
pause_init(struct pause *p)
{
	waiter_init(&p->w, pause_wake);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->woken, NULL);
	p->is_woken = false;
}

static void
pause_done(struct pause *p)
{
	waiter_cancel(&p->w);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->woken);
}

/* After an ERR_WAIT. False: nothing will come. */
static bool
pause_wait(struct pause *p, const struct fixture *f)
{
	if (f->is_manual)
		return CHECK(kv_memory_step(f->kv));
	pthread_mutex_lock(&p->lock);
	while (!p->is_woken)
		pthread_cond_wait(&p->woken, &p->lock);
	p->is_woken = false;
	pthread_mutex_unlock(&p->lock);
	return true;
}

/* Runs call, which uses p.w, until it does not wait. */
#define WAITED(f, e, call)                                                                         \
	do {                                                                                       \
		struct pause p;                                                                    \
		pause_init(&p);                                                                    \
		while ((e = (call)) == ERR_WAIT && pause_wait(&p, f))                              \
			;                                                                          \
		pause_done(&p);                                                                    \
	} while (0)

static void
fixture_random(void *to, size_t n)
{
	memset(to, 7, n);
}

static void
fixture_open_store(struct fixture *f)
{
	const struct store_options o = { .kv = f->kv,
		.clock = clock_system(),
		.random = fixture_random,
		.message_max_bytes = 4 << 20 };
	enum err e;

	must(store_open(&o, &f->store) == ERR_OK);
	WAITED(f, e, store_account_open(f->store, STR("joe"), ACCOUNT_CREATE, &p.w, &f->account));
	must(e == ERR_OK);
}

static struct fixture
fixture_open(bool is_manual)
{
	struct kv_memory_options o = { .manual = is_manual, .seed = 5 };
	struct fixture f = { .is_manual = is_manual };

	store_merge_functions(&o.base);
	must(kv_memory_open(&o, &f.kv) == ERR_OK);
	fixture_open_store(&f);
	return f;
}

static void
fixture_close(struct fixture *f)
{
	account_unref(f->account);
	if (f->is_manual) {
		while (kv_memory_step(f->kv))
			;
	}
	store_close(f->store);
	kv_close(f->kv);
}

/* ---- steps of the tests ---- */

static struct arrival *
arrive(struct fixture *f, struct str text)
{
	struct arrival *m = arrival_new(f->store);
	size_t taken;
	enum err e;

	while (text.n != 0) {
		WAITED(f, e, arrival_write(m, str_sub(text, 0, 1000), &taken, &p.w));
		must(e == ERR_OK && taken != 0);
		text = str_sub(text, taken, text.n);
	}
	must(arrival_finish(m) == ERR_OK);
	return m;
}

/* Appends to INBOX; the UID, and the version to wait for. */
static struct uid
append(struct fixture *f, struct account *a, struct arrival *m, struct str prefix,
    uint64_t *version_out)
{
	const struct append one = { .arrival = m, .prefix = prefix };
	struct snapshot *now = account_snapshot(a, NULL), *after = NULL;
	struct mailbox_id inbox = snapshot_mailbox(now, STR("INBOX"))->id;
	uint32_t uidvalidity;
	struct uid uid = { 0 };
	enum err e;

	snapshot_unref(now);
	WAITED(f, e, messages_append(a, inbox, &one, 1, &p.w, &uid, &uidvalidity, &after));
	must(e == ERR_OK);
	*version_out = snapshot_version(after);
	snapshot_unref(after);
	return uid;
}

static void
wait_durable(struct fixture *f, struct account *a, uint64_t version)
{
	enum err e;

	WAITED(f, e, account_wait_durable(a, version, &p.w));
	CHECK(e == ERR_OK);
}

static struct uid
append_durably(struct fixture *f, struct str text, struct str prefix)
{
	struct arrival *m = arrive(f, text);
	uint64_t version;
	struct uid uid = append(f, f->account, m, prefix, &version);

	arrival_unref(m);
	wait_durable(f, f->account, version);
	return uid;
}

static struct view *
view_of(struct fixture *f, struct account *a)
{
	struct snapshot *s = account_snapshot(a, NULL);
	struct view *v = NULL;
	enum err e;

	WAITED(f, e,
	    view_open(s, snapshot_mailbox(s, STR("INBOX"))->id, VIEW_READ_WRITE, &p.w, &v));
	must(e == ERR_OK);
	snapshot_unref(s);
	return v;
}

static struct entry
entry_of(struct fixture *f, struct account *a, struct uid uid)
{
	struct view *v = view_of(f, a);
	struct entry entry = { 0 };

	CHECK(view_entry(v, uid, &entry));
	view_close(v);
	return entry;
}

static struct message *
message_of(struct fixture *f, struct account *a, struct uid uid, enum message_need need)
{
	struct message *m = NULL;
	struct msgno n = entry_of(f, a, uid).msgno;
	enum err e;

	WAITED(f, e, message_get(a, n, need, &p.w, &m));
	must(e == ERR_OK);
	return m;
}

static void
read_all(struct fixture *f, struct message_reader *r, uint64_t offset, size_t length,
    struct buf *out)
{
	while (length != 0) {
		struct kv_bytes *bytes = NULL;
		struct str data;
		enum err e;

		WAITED(f, e, message_reader_get(r, offset, length, &p.w, &bytes, &data));
		if (e == ERR_END)
			break;
		if (!CHECK(e == ERR_OK && data.n != 0 && data.n <= length))
			break;
		buf_str_add(out, data);
		offset += data.n;
		length -= data.n;
		if (bytes != NULL)
			kv_bytes_unref(bytes);
	}
}

#define SMALL                                                                                      \
	"From: Ann <ann@example.org>\r\nTo: joe@example.org\r\nSubject: Hello\r\nMessage-ID: <1@x>\r\n\r\nHow are you?\r\n"
#define PREFIX "Return-Path: <ann@example.org>\r\nDelivered-To: joe\r\n"

static void
check_record(bool is_manual)
{
	struct fixture f = fixture_open(is_manual);
	struct uid uid = append_durably(&f, STR(SMALL), STR(PREFIX));
	struct message *m = message_of(&f, f.account, uid, MESSAGE_WHOLE);
	struct buf BUF_CLEAN all = BUF_MAX(10000);
	struct message_reader *r;
	struct str header = STR(PREFIX SMALL);

	header.n -= strlen("How are you?\r\n");
	CHECK_U64(m->size_bytes, strlen(PREFIX SMALL));
	CHECK_U64(entry_of(&f, f.account, uid).size_bytes, strlen(PREFIX SMALL));
	CHECK_STR(m->prefix, STR(PREFIX));
	CHECK_STR(m->header, header);
	CHECK(!m->is_header_cut);
	CHECK_STR(m->preview, STR("How are you?"));
	CHECK(memmem(m->envelope.p, m->envelope.n, "\"Hello\"", 7) != NULL);
	CHECK(str_starts_nocase(m->bodystructure, STR("(\"text\" \"plain\"")));
	CHECK(m->emailid.p[0] == 'M' && m->threadid.p[0] == 'T');
	CHECK_STR(str_sub(m->emailid, 1, m->emailid.n), str_sub(m->threadid, 1, m->threadid.n));
	r = message_reader_new(f.account, m);
	read_all(&f, r, 0, SIZE_MAX, &all);
	CHECK_STR(buf_str(&all), STR(PREFIX SMALL));
	buf_clear(&all);
	read_all(&f, r, strlen(PREFIX) - 3, 9, &all);
	CHECK_STR(buf_str(&all),
	    str_sub(STR(PREFIX SMALL), strlen(PREFIX) - 3, strlen(PREFIX) + 6));
	message_reader_free(r);
	message_unref(m);

	/* the prefix comes with the header row only */
	m = message_of(&f, f.account, uid, MESSAGE_SUMMARY);
	r = message_reader_new(f.account, m);
	buf_clear(&all);
	read_all(&f, r, 0, SIZE_MAX, &all);
	CHECK_STR(buf_str(&all), STR(PREFIX SMALL));
	message_reader_free(r);
	message_unref(m);
	fixture_close(&f);
}

static void
test_record_and_bytes(void)
{
	check_record(false);
	check_record(true);
}

static void
check_big(bool is_manual)
{
	struct fixture f = fixture_open(is_manual);
	struct buf BUF_CLEAN text = BUF_MAX(4 << 20), BUF_CLEAN back = BUF_MAX(4 << 20);
	struct message_reader *r;
	struct message *m;

	buf_lit(&text, "Subject: big\r\n\r\n");
	for (int i = 0; i < 60000; i++)
		buf_printf(&text, "This is line number %d.\r\n", i);
	m = message_of(&f, f.account, append_durably(&f, buf_str(&text), STR(PREFIX)),
	    MESSAGE_SUMMARY);
	CHECK_U64(m->size_bytes, strlen(PREFIX) + text.n);
	r = message_reader_new(f.account, m);
	read_all(&f, r, strlen(PREFIX), SIZE_MAX, &back);
	CHECK(str_eq(buf_str(&back), buf_str(&text)));
	srand(1);
	for (int i = 0; i < 50; i++) {
		size_t from = (size_t)rand() % text.n, n = (size_t)rand() % 300000;

		buf_clear(&back);
		read_all(&f, r, strlen(PREFIX) + from, n, &back);
		CHECK(str_eq(buf_str(&back), str_sub(buf_str(&text), from, from + n)));
	}
	message_reader_free(r);
	message_unref(m);
	fixture_close(&f);
}

static void
test_big_message_in_pieces(void)
{
	check_big(false);
	check_big(true);
}

static void
test_reader_freed_while_it_reads_ahead(void)
{
	struct fixture f = fixture_open(true);
	struct buf BUF_CLEAN text = BUF_MAX(4 << 20);
	struct message_reader *r;
	struct kv_bytes *bytes;
	struct message *m;
	struct str data;
	enum err e;

	buf_lit(&text, "Subject: big\r\n\r\n");
	for (int i = 0; i < 60000; i++)
		buf_printf(&text, "This is line number %d.\r\n", i);
	m = message_of(&f, f.account, append_durably(&f, buf_str(&text), STR_NONE),
	    MESSAGE_SUMMARY);
	r = message_reader_new(f.account, m);
	WAITED(&f, e, message_reader_get(r, 0, SIZE_MAX, &p.w, &bytes, &data));
	CHECK(e == ERR_OK);
	kv_bytes_unref(bytes);
	message_reader_free(r);
	CHECK(kv_memory_step(f.kv)); /* what it had asked for comes */
	message_unref(m);
	fixture_close(&f);
}

/* Message i, which is longer than what is read ahead when i is a multiple of 50. */
static void
numbered_text(struct buf *out, unsigned i)
{
	buf_clear(out);
	buf_printf(out, "Subject: number %u\r\n\r\n", i);
	for (unsigned line = 0; line < (i % 50 == 0 ? 4000 : i % 7); line++)
		buf_lit(out, "A line of text.\r\n");
}

/* Gets a message from ahead and compares all of it. */
static void
check_ahead_message(struct fixture *f, struct message_ahead *r, struct msgno n, struct str prefix,
    struct str text)
{
	struct str blob;
	struct message *m = NULL;
	enum err e;

	WAITED(f, e, message_ahead_get(r, n, &p.w, &m, &blob));
	if (!CHECK_U64(e, ERR_OK))
		return;
	CHECK_U64(m->msgno.v, n.v);
	CHECK_U64(m->size_bytes, prefix.n + text.n);
	CHECK(blob.p == NULL || str_eq(blob, text));
	CHECK((blob.p == NULL) == (text.n > AHEAD_BLOB_BYTES));
	CHECK(!m->has_header || str_eq(m->prefix, prefix));
	message_unref(m);
}

static void
check_ahead(bool is_manual, enum message_need need)
{
	enum { COUNT = 320 };
	struct fixture f = fixture_open(is_manual);
	struct buf BUF_CLEAN text = BUF_MAX(1 << 20);
	struct msgno numbers[COUNT];
	uint64_t sizes[COUNT];
	struct message_ahead *r = message_ahead_new(f.account, need, true);
	size_t begun = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		numbered_text(&text, i);
		struct entry e = entry_of(&f, f.account,
		    append_durably(&f, buf_str(&text), i % 9 == 1 ? STR(PREFIX) : STR_NONE));

		numbers[i] = e.msgno;
		sizes[e.msgno.v - 1] = e.size_bytes;
	}
	/* In another order than that of the numbers, with one of them twice. */
	for (unsigned i = 0; i < COUNT / 2; i += 2) {
		struct msgno n = numbers[i];

		numbers[i] = numbers[COUNT - 1 - i];
		numbers[COUNT - 1 - i] = n;
	}
	numbers[5] = numbers[3];
	for (unsigned i = 0; i < COUNT; i++) {
		unsigned is = numbers[i].v - 1;

		while (begun < COUNT && !message_ahead_is_full(r)) {
			size_t from = begun;

			while (begun < COUNT
			    && message_ahead_add(r, numbers[begun], sizes[numbers[begun].v - 1]))
				begun++;
			CHECK(begun > from && begun - from <= AHEAD_MESSAGES);
			message_ahead_begin(r);
		}
		if (i % 11 == 10)
			continue; /* nobody wants it any more */
		numbered_text(&text, is);
		check_ahead_message(&f, r, numbers[i], is % 9 == 1 ? STR(PREFIX) : STR_NONE,
		    buf_str(&text));
	}
	message_ahead_free(r);
	fixture_close(&f);
}

/* Of messages with long headers and with prefixes; of one that is cut, what its record says. */
static void
check_headers_ahead(bool is_manual)
{
	enum { COUNT = 40 };
	struct fixture f = fixture_open(is_manual);
	struct buf BUF_CLEAN text = BUF_MAX(1 << 20);
	struct msgno numbers[COUNT];
	struct message_ahead *r = message_ahead_new(f.account, MESSAGE_WHOLE, false);

	message_ahead_headers_only(r);
	for (unsigned i = 0; i < COUNT; i++) {
		numbered_text(&text, i);
		if (i == 11)
			buf_clear(&text);
		for (unsigned line = 0; i == 11 && line < 10000; line++)
			buf_printf(&text, "X-Long: a header of many lines, %u\r\n", line);
		numbers[i] = entry_of(&f, f.account,
		    append_durably(&f, buf_str(&text), i % 9 == 1 ? STR(PREFIX) : STR_NONE))
				 .msgno;
		CHECK(message_ahead_add(r, numbers[i], text.n));
		if (i + 1 == AHEAD_FIRST)
			message_ahead_begin(r);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		struct message *m = NULL, *alone = NULL;
		struct str blob;
		enum err e;

		WAITED(&f, e, message_ahead_get(r, numbers[i], &p.w, &m, &blob));
		CHECK(e == ERR_OK && m->has_header);
		WAITED(&f, e, message_get(f.account, numbers[i], MESSAGE_WHOLE, &p.w, &alone));
		CHECK(e == ERR_OK && m->is_header_cut == alone->is_header_cut);
		CHECK(m->is_header_cut == (i == 11));
		CHECK_STR(m->header, alone->header);
		message_unref(m);
		message_unref(alone);
	}
	message_ahead_free(r);
	fixture_close(&f);
}

static void
test_headers_read_ahead(void)
{
	check_headers_ahead(false);
	check_headers_ahead(true);
}

static void
test_many_read_ahead(void)
{
	check_ahead(false, MESSAGE_SUMMARY);
	check_ahead(true, MESSAGE_SUMMARY);
	check_ahead(false, MESSAGE_WHOLE);
	check_ahead(true, MESSAGE_WHOLE);
}

/*
 * What was asked for comes when nobody is there to take it; what there is not is told when it is
 * asked for.
 */
static void
test_ahead_freed_while_it_loads(void)
{
	struct fixture f = fixture_open(true);
	struct msgno n[2] = {
		entry_of(&f, f.account, append_durably(&f, STR(SMALL), STR_NONE)).msgno, { 4711 }
	};

	for (unsigned steps = 0; steps < 3; steps++) {
		struct message_ahead *r = message_ahead_new(f.account, MESSAGE_WHOLE, true);
		struct kv_stats before, after;
		unsigned left = 0;

		kv_stats(f.kv, &before);
		CHECK(message_ahead_add(r, n[0], sizeof(SMALL)));
		CHECK(message_ahead_add(r, n[1], 1));
		message_ahead_begin(r);
		for (unsigned i = 0; i < steps; i++)
			CHECK(kv_memory_step(f.kv));
		message_ahead_free(r);
		while (kv_memory_step(f.kv))
			left++;
		/* Its bytes are not even asked for, unless they had been. */
		kv_stats(f.kv, &after);
		CHECK_U64(left, steps < 2);
		CHECK_U64(after.blob_reads - before.blob_reads, steps > 0);
	}
	for (unsigned round = 0; round < 2; round++) {
		struct message_ahead *r = message_ahead_new(f.account, MESSAGE_WHOLE, true);
		struct message *m;
		struct str blob;
		enum err e;

		if (round == 1) {
			CHECK(message_ahead_add(r, n[0], sizeof(SMALL)));
			CHECK(message_ahead_add(r, n[1], 1));
			message_ahead_begin(r);
		}
		WAITED(&f, e, message_ahead_get(r, n[1], &p.w, &m, &blob));
		CHECK_U64(e, ERR_CORRUPT);
		message_ahead_free(r);
	}
	fixture_close(&f);
}

static void
test_own_append_before_it_is_durable(void)
{
	struct fixture f = fixture_open(true);
	struct arrival *m = arrive(&f, STR(SMALL));
	struct message *got = NULL;
	struct pause p;
	uint64_t version;
	struct msgno n;

	append(&f, f.account, m, STR_NONE, &version);
	arrival_unref(m);
	pthread_mutex_lock(&f.account->lock);
	n.v = f.account->msgno_high;
	pthread_mutex_unlock(&f.account->lock);
	pause_init(&p);
	while (message_get(f.account, n, MESSAGE_SUMMARY, &p.w, &got) == ERR_WAIT
	    && CHECK(kv_memory_step(f.kv)))
		;
	if (CHECK(got != NULL))
		CHECK_STR(got->preview, STR("How are you?"));
	CHECK(account_durability(f.account, version) == VERSION_DURABLE);
	message_unref(got);
	pause_done(&p);
	fixture_close(&f);
}

static void
test_missing_record_is_corrupt(void)
{
	struct fixture f = fixture_open(true);
	struct message *m;
	enum err e;

	append_durably(&f, STR(SMALL), STR_NONE);
	WAITED(&f, e, message_get(f.account, (struct msgno){ 77 }, MESSAGE_SUMMARY, &p.w, &m));
	CHECK(e == ERR_CORRUPT);
	fixture_close(&f);
}

/* The leak checker's, when it is there: a process that lost its power frees nothing. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static void
test_power_cut(void)
{
	struct fixture f;
	struct arrival *m;
	struct message *got;
	struct uid kept;
	struct view *v;
	uint64_t version;

	if (__lsan_disable != NULL)
		__lsan_disable();
	f = fixture_open(true);
	kept = append_durably(&f, STR(SMALL), STR(PREFIX));
	m = arrive(&f, STR("Subject: lost\r\n\r\n"));
	append(&f, f.account, m, STR_NONE, &version);
	if (__lsan_enable != NULL)
		__lsan_enable();
	kv_memory_power_cut(f.kv);
	fixture_open_store(&f);
	v = view_of(&f, f.account);
	CHECK_U64(view_exists(v), 1);
	view_close(v);
	got = message_of(&f, f.account, kept, MESSAGE_WHOLE);
	CHECK_STR(got->prefix, STR(PREFIX));
	message_unref(got);
	CHECK_U64(append_durably(&f, STR("Subject: later\r\n\r\n"), STR_NONE).v, kept.v + 1);
	fixture_close(&f);
}

static void
test_replies_share_the_thread(void)
{
	struct fixture f = fixture_open(false);
	struct message *a =
	    message_of(&f, f.account, append_durably(&f, STR(SMALL), STR_NONE), MESSAGE_SUMMARY);
	struct message *b = message_of(&f, f.account,
	    append_durably(&f,
		STR("Subject: Re: Hello\r\nMessage-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\n\r\nFine.\r\n"),
		STR_NONE),
	    MESSAGE_SUMMARY);
	struct message *c = message_of(&f, f.account,
	    append_durably(&f,
		STR("Subject: Re: Hello\r\nMessage-ID: <3@x>\r\nReferences: <1@x> <2@x>\r\n\r\nGood.\r\n"),
		STR_NONE),
	    MESSAGE_SUMMARY);
	struct message *d = message_of(&f, f.account,
	    append_durably(&f, STR("Subject: Hello\r\nMessage-ID: <4@x>\r\n\r\nOther.\r\n"),
		STR_NONE),
	    MESSAGE_SUMMARY);

	CHECK_STR(b->threadid, a->threadid);
	CHECK_STR(c->threadid, a->threadid);
	CHECK(!str_eq(d->threadid, a->threadid));
	CHECK(!str_eq(b->emailid, a->emailid));
	message_unref(a);
	message_unref(b);
	message_unref(c);
	message_unref(d);
	fixture_close(&f);
}

static void
test_one_arrival_many_accounts(void)
{
	struct fixture f = fixture_open(false);
	struct arrival *m = arrive(&f, STR(SMALL));
	struct account *accounts[20];
	uint64_t versions[20], links = 0;
	struct message *got = NULL;

	for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
		char user[20];
		enum err e;

		snprintf(user, sizeof(user), "user%zu", i);
		WAITED(&f, e,
		    store_account_open(f.store, str_c(user), ACCOUNT_CREATE, &p.w, &accounts[i]));
		must(e == ERR_OK);
		snprintf(user, sizeof(user), "To: %zu\r\n", i);
		append(&f, accounts[i], m, str_c(user), &versions[i]);
	}
	arrival_unref(m);
	for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
		char prefix[20];

		wait_durable(&f, accounts[i], versions[i]);
		message_unref(got);
		got = message_of(&f, accounts[i], (struct uid){ 1 }, MESSAGE_WHOLE);
		snprintf(prefix, sizeof(prefix), "To: %zu\r\n", i);
		CHECK_STR(got->prefix, str_c(prefix));
	}
	CHECK(kv_blob_links(f.kv, &got->blob, &links) == ERR_OK);
	CHECK_U64(links, ARRAY_LEN(accounts));
	message_unref(got);
	for (size_t i = 0; i < ARRAY_LEN(accounts); i++)
		account_unref(accounts[i]);
	fixture_close(&f);
}

static void
test_release(void)
{
	struct fixture f = fixture_open(false);
	struct msgno n = entry_of(&f, f.account, append_durably(&f, STR(SMALL), STR_NONE)).msgno;
	const struct message_loss one = { n, 1 };
	struct message *m;
	struct kv_txn *t;
	uint64_t version, links = 9;
	enum err e;

	WAITED(&f, e, message_get(f.account, n, MESSAGE_SUMMARY, &p.w, &m));
	must(e == ERR_OK);
	CHECK(kv_versions(f.kv, &f.account->id, 1, &version) == ERR_OK);
	t = kv_txn_new(f.kv, f.account->id, version, version + 1);
	message_put_links(t, n, 2); /* two copies more */
	CHECK(kv_commit_now(f.kv, &t, 1) == ERR_OK);
	for (uint64_t left = 3; left-- > 0;) {
		version++;
		t = kv_txn_new(f.kv, f.account->id, version, version + 1);
		CHECK(messages_release(f.account, t, &one, 1) == ERR_OK);
		CHECK(kv_commit_now(f.kv, &t, 1) == ERR_OK);
		CHECK(kv_blob_links(f.kv, &m->blob, &links) == ERR_OK);
		CHECK_U64(links, left == 0 ? 0 : 1);
	}
	version++;
	t = kv_txn_new(f.kv, f.account->id, version, version + 1);
	CHECK(messages_release(f.account, t, &one, 1) == ERR_CORRUPT);
	kv_txn_abort(t);
	message_unref(m);
	fixture_close(&f);
}

static void
test_too_big(void)
{
	struct fixture f = fixture_open(false);
	struct arrival *m = arrival_new(f.store);
	static char block[1 << 20];
	size_t taken, total = 0;
	enum err e = ERR_OK;

	memset(block, 'x', sizeof(block));
	while (total < 4 << 20 && e == ERR_OK) {
		WAITED(&f, e,
		    arrival_write(m, str_make(block, MIN(sizeof(block), (4 << 20) - total)), &taken,
			&p.w));
		total += taken;
	}
	CHECK(e == ERR_OK);
	CHECK_U64(arrival_size(m), 4 << 20);
	WAITED(&f, e, arrival_write(m, STR("x"), &taken, &p.w));
	CHECK(e == ERR_TOOBIG);
	CHECK(arrival_finish(m) == ERR_TOOBIG);
	arrival_unref(m);
	fixture_close(&f);
}

static void
test_full_disk(void)
{
	struct fixture f = fixture_open(false);
	struct arrival *m = arrive(&f, STR(SMALL));
	const struct append one = { .arrival = m };
	struct snapshot *s = account_snapshot(f.account, NULL), *after = NULL;
	struct mailbox_id inbox = snapshot_mailbox(s, STR("INBOX"))->id;
	uint32_t uidvalidity;
	struct uid uid;
	enum err e;

	snapshot_unref(s);
	kv_memory_set_space(f.kv, KV_SPACE_SOFT);
	WAITED(&f, e, messages_append(f.account, inbox, &one, 1, &p.w, &uid, &uidvalidity, &after));
	CHECK(e == ERR_FULL);
	kv_memory_set_space(f.kv, KV_SPACE_OK);
	WAITED(&f, e, messages_append(f.account, inbox, &one, 1, &p.w, &uid, &uidvalidity, &after));
	if (CHECK(e == ERR_OK))
		snapshot_unref(after);
	arrival_unref(m);
	fixture_close(&f);
}

TEST_MAIN(TEST(test_record_and_bytes), TEST(test_big_message_in_pieces),
    TEST(test_reader_freed_while_it_reads_ahead), TEST(test_many_read_ahead),
    TEST(test_headers_read_ahead), TEST(test_ahead_freed_while_it_loads),
    TEST(test_own_append_before_it_is_durable), TEST(test_missing_record_is_corrupt),
    TEST(test_power_cut), TEST(test_replies_share_the_thread), TEST(test_one_arrival_many_accounts),
    TEST(test_release), TEST(test_too_big), TEST(test_full_disk))

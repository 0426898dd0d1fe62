/*
 * store_bench.c - what messages cost in the store, on the real engine: arriving, being appended,
 * being read.
 *
 *     store_bench DIRECTORY [messages [in-flight]]
 *
 * CPU is given for the thread that does it and, in brackets, for the whole process (committer and
 * readers too).
 */
#include "base/arena.h"
#include "kv/kv.h"
#include "store/change.h"
#include "store/message.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static const char *dir;
static struct kv *kv;
static struct store *store;
static struct account *account;

/* ---- waiting ---- */

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

static struct pause pause_main = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.woken = PTHREAD_COND_INITIALIZER };

static void
pause_wait(void)
{
	pthread_mutex_lock(&pause_main.lock);
	while (!pause_main.is_woken)
		pthread_cond_wait(&pause_main.woken, &pause_main.lock);
	pause_main.is_woken = false;
	pthread_mutex_unlock(&pause_main.lock);
}

#define W (&pause_main.w)
#define WAITED(e, call)                                                                            \
	do {                                                                                       \
		while ((e = (call)) == ERR_WAIT)                                                   \
			pause_wait();                                                              \
		must(e == ERR_OK);                                                                 \
	} while (0)

/* ---- measuring ---- */

struct mark {
	double wall, thread, process;
};

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct mark
mark(void)
{
	return (struct mark){ seconds(CLOCK_MONOTONIC), seconds(CLOCK_THREAD_CPUTIME_ID),
		seconds(CLOCK_PROCESS_CPUTIME_ID) };
}

static void
tell(const char *what, struct mark from, uint64_t count)
{
	struct mark now = mark();
	double n = (double)count;

	printf("%-44s %9.0f/s  %8.2f us  cpu %7.2f us (%.2f)\n", what, n / (now.wall - from.wall),
	    (now.wall - from.wall) / n * 1e6, (now.thread - from.thread) / n * 1e6,
	    (now.process - from.process) / n * 1e6);
}

/* ---- the store ---- */

static void
random_bytes(void *to, size_t n)
{
	must(getrandom(to, n, 0) == (ssize_t)n);
}

static void
open_all(void)
{
	struct kv_options o = { .dir = dir };
	struct store_options s = { .clock = clock_system(), .random = random_bytes };
	struct buf BUF_CLEAN detail = BUF_MAX(1000);
	enum err e;

	store_merge_functions(&o);
	if (kv_rocks_open(&o, &kv, &detail) != ERR_OK) {
		fprintf(stderr, "store_bench: can't open %s: %.*s\n", dir, STR_F(buf_str(&detail)));
		exit(1);
	}
	s.kv = kv;
	must(store_open(&s, &store) == ERR_OK);
	WAITED(e, store_account_open(store, STR("bench"), ACCOUNT_CREATE, W, &account));
}

static void
close_all(void)
{
	account_unref(account);
	store_close(store);
	kv_close(kv);
}

static struct mailbox_id
inbox(void)
{
	struct snapshot *s = account_snapshot(account, NULL);
	struct mailbox_id id = snapshot_mailbox(s, STR("INBOX"))->id;

	snapshot_unref(s);
	return id;
}

static void
message_text(struct buf *out, uint64_t n)
{
	static const char *const words[] = { "mail", "server", "the", "of", "and", "quick", "brown",
		"fox", "jumps", "over", "lazy", "dog" };
	uint64_t x = n * 0x9E3779B97F4A7C15u + 1;

	buf_clear(out);
	buf_printf(out,
	    "Received: from a.example (a.example [192.0.2.1])\r\n\tby b.example (Postfix) with ESMTPS id %016llx\r\n"
	    "\tfor <joe@example.org>; Sun, 22 Nov 2026 01:00:00 +0000\r\nFrom: Ann Example <ann%llu@example.org>\r\n"
	    "To: Joe Example <joe@example.org>, Jim <jim@example.org>\r\nCc: list@example.org\r\nSubject: Message number %llu of many\r\n"
	    "Date: Sun, 22 Nov 2026 01:00:00 +0000\r\nMessage-ID: <%llu@example.org>\r\nMIME-Version: 1.0\r\n",
	    (unsigned long long)x, (unsigned long long)n % 100, (unsigned long long)n,
	    (unsigned long long)n);
	if (n % 3 == 0 && n > 0)
		buf_printf(out,
		    "In-Reply-To: <%llu@example.org>\r\nReferences: <%llu@example.org>\r\n",
		    (unsigned long long)n - 1, (unsigned long long)n - 1);
	buf_lit(out,
	    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
	while (out->n < 5000) {
		for (int i = 0; i < 10; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			buf_c(out, words[(x >> 33) % ARRAY_LEN(words)]);
			buf_printf(out, "%llu ", (unsigned long long)(x >> 50));
		}
		buf_lit(out, "\r\n");
	}
}

static struct arrival *
arrive(struct str text)
{
	struct arrival *m = arrival_new(store);
	size_t taken = 0;
	enum err e;

	while (text.n != 0) {
		WAITED(e, arrival_write(m, text, &taken, W));
		text = str_sub(text, taken, text.n);
	}
	must(arrival_finish(m) == ERR_OK);
	return m;
}

/* Appends with at most in_flight commits not durable. */
static void
append_many(uint64_t count, uint64_t in_flight)
{
	struct buf BUF_CLEAN text = BUF_MAX(1 << 20);
	uint64_t *versions = xcalloc(in_flight, sizeof(*versions));
	struct mailbox_id box = inbox();
	double parse = 0, append = 0;
	struct mark from;
	enum err e;

	from = mark();
	for (uint64_t n = 0; n < count; n++)
		message_text(&text, n);
	tell("  (making the text)", from, count);
	from = mark();
	for (uint64_t n = 0; n < count; n++) {
		struct append one = {
			.prefix = STR(
			    "Return-Path: <ann@example.org>\r\nDelivered-To: joe@example.org\r\n")
		};
		struct snapshot *after;
		uint32_t uidvalidity;
		struct uid uid;
		double t0, t1;

		message_text(&text, n);
		if (versions[n % in_flight] != 0)
			WAITED(e, account_wait_durable(account, versions[n % in_flight], W));
		t0 = seconds(CLOCK_THREAD_CPUTIME_ID);
		one.arrival = arrive(buf_str(&text));
		t1 = seconds(CLOCK_THREAD_CPUTIME_ID);
		parse += t1 - t0;
		WAITED(e, messages_append(account, box, &one, 1, W, &uid, &uidvalidity, &after));
		append += seconds(CLOCK_THREAD_CPUTIME_ID) - t1;
		versions[n % in_flight] = snapshot_version(after);
		snapshot_unref(after);
		arrival_unref(one.arrival);
	}
	for (uint64_t i = 0; i < in_flight; i++) {
		if (versions[i] != 0)
			WAITED(e, account_wait_durable(account, versions[i], W));
	}
	tell("append, each durable", from, count);
	printf("  arriving %.2f us, messages_append %.2f us\n", parse / (double)count * 1e6,
	    append / (double)count * 1e6);
	free(versions);
}

/* ---- reading ---- */

static struct msgno *numbers;
static uint32_t number_count;

static void
list_numbers(void)
{
	struct snapshot *s = account_snapshot(account, NULL);
	struct mark from = mark();
	struct entry entry;
	struct view *v;
	enum err e;

	WAITED(e, view_open(s, inbox(), VIEW_READ_ONLY, W, &v));
	snapshot_unref(s);
	numbers = xcalloc(view_exists(v) + 1, sizeof(*numbers));
	number_count = 0;
	for (uint32_t at = 1; view_next(v, at, &entry, NULL); at = entry.uid.v + 1)
		numbers[number_count++] = entry.msgno;
	view_close(v);
	tell("open the mailbox and walk it", from, number_count);
}

static void
read_records(const char *what, enum message_need need, uint32_t from_n, uint32_t count,
    bool is_prefetched)
{
	struct mark from = mark();
	uint64_t bytes = 0;
	enum err e;

	for (uint32_t i = from_n; i < from_n + count; i++) {
		struct message *m;

		if (is_prefetched && (i - from_n) % 256 == 0)
			message_prefetch(account, numbers + i, MIN(256u, from_n + count - i), need);
		WAITED(e, message_get(account, numbers[i], need, W, &m));
		bytes += m->envelope.n + m->header.n;
		message_unref(m);
	}
	tell(what, from, count);
	must(bytes != 0);
}

static void
read_bodies(uint32_t count)
{
	struct mark from = mark();
	enum err e;

	for (uint32_t i = 0; i < count; i++) {
		struct message *m;
		struct message_reader *r;
		uint64_t at = 0;

		WAITED(e, message_get(account, numbers[i], MESSAGE_SUMMARY, W, &m));
		r = message_reader_new(account, m);
		while (at < m->size_bytes) {
			struct kv_bytes *bytes;
			struct str data;

			WAITED(e, message_reader_get(r, at, SIZE_MAX, W, &bytes, &data));
			at += data.n;
			if (bytes != NULL)
				kv_bytes_unref(bytes);
		}
		message_reader_free(r);
		message_unref(m);
	}
	tell("whole messages, one by one", from, count);
}

int
main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000,
		 in_flight = argc > 3 ? strtoull(argv[3], NULL, 10) : 64;
	uint32_t few;

	if (argc < 2 || count == 0 || in_flight == 0) {
		fprintf(stderr, "usage: store_bench DIRECTORY [messages [in-flight]]\n");
		return 2;
	}
	dir = argv[1];
	waiter_init(W, pause_wake);
	open_all();
	append_many(count, in_flight);
	close_all();

	open_all();
	list_numbers();
	few = MIN(number_count, 5000u);
	read_records("summaries, 256 at a time, first time", MESSAGE_SUMMARY, 0, number_count,
	    true);
	read_records("summaries, 256 at a time, again", MESSAGE_SUMMARY, 0, number_count, true);
	read_records("summaries, the last few again: from memory", MESSAGE_SUMMARY,
	    number_count - few, few, false);
	read_records("summaries, one by one", MESSAGE_SUMMARY, 0, few, false);
	read_records("with headers, 256 at a time", MESSAGE_WHOLE, 0, number_count, true);
	read_records("with headers, one by one", MESSAGE_WHOLE, 0, few, false);
	read_bodies(few);
	close_all();
	free(numbers);
	return 0;
}

/*
 * kv_bench.c - what the storage engine does: durable commits a second of 5 KB messages with some in
 * flight, CPU of each, loads from memory, opening after a crash, memory of a message that streams
 * in.
 *
 *     kv_bench DIRECTORY [messages]
 */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "kv/kv.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_BYTES 5000
#define ACCOUNTS 200

static const char *dir;

static void
append_merge(struct str base, const struct str *operands, size_t count, struct buf *out)
{
	buf_str_add(out, base);
	for (size_t i = 0; i < count; i++)
		buf_str_add(out, operands[i]);
}

static struct kv *
open_store(void)
{
	struct kv_options o = { .dir = dir,
		.merge = { [KV_PAGE] = append_merge, [KV_POSTING] = append_merge } };
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	struct kv *kv = NULL;

	if (kv_rocks_open(&o, &kv, &detail) != ERR_OK) {
		fprintf(stderr, "kv_bench: can't open %s: %.*s\n", dir, STR_F(buf_str(&detail)));
		exit(1);
	}
	return kv;
}

static double
now_s(void)
{
	return (double)clock_system()->mono_us(clock_system()) / 1e6;
}

static double
cpu_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t
rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, rss = 0;

	if (f != NULL) {
		if (fscanf(f, "%lu %lu", &size, &rss) != 2)
			rss = 0;
		fclose(f);
	}
	return (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Text with the redundancy of mail, different each time: words drawn from a few hundred. */
static void
message_make(char *p, size_t n, uint64_t seed)
{
	static const char words[][9] = { "the ", "received", "from ", "by ", "with ", "ESMTP ",
		"for ", "Subject:", "patch ", "in ", "kernel ", "that ", "it ", "\r\n", "is ",
		"and ", "to ", "we ", "return ", "struct ", "device ", "not ", "you ", "0x" };

	for (size_t i = 0; i < n;) {
		uint64_t r = hash_u64(seed++);
		const char *word = words[r % ARRAY_LEN(words)];
		char number[24];
		size_t length;

		if ((r >> 32) % 4 == 0) {
			snprintf(number, sizeof(number), "%llx ", (unsigned long long)(r >> 36));
			word = number;
		}
		length = strnlen(word, 8);
		if (length > n - i)
			length = n - i;
		memcpy(p + i, word, length);
		i += length;
	}
}

/* ---- deliveries */

struct flow {
	struct kv *kv;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned in_flight;
	uint64_t failed;
};

static void
delivered(void *ctx, enum err e)
{
	struct flow *f = ctx;

	pthread_mutex_lock(&f->lock);
	f->in_flight--;
	f->failed += e != ERR_OK;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static uint64_t versions[ACCOUNTS + 1];

/*
 * As a delivery does: the bytes, a message record, an entry of a page, a counter, a change record,
 * the mailbox row.
 */
static struct kv_txn *
delivery(struct kv *kv, uint64_t no)
{
	static struct waiter none;
	uint64_t account = 1 + no % ACCOUNTS, version = versions[account]++;
	struct kv_txn *t = kv_txn_new(kv, (struct account_id){ account }, version, version + 1);
	struct kv_stage *s = kv_stage_new(kv);
	char message[MESSAGE_BYTES], key[8], value[1000];
	struct blob_id id;
	uint64_t length;
	size_t taken;

	message_make(message, sizeof(message), no * 1000);
	if (kv_stage_write(s, str_make(message, sizeof(message)), &taken, &none) != ERR_OK
	    || kv_stage_seal(s, &id, &length) != ERR_OK)
		exit(1);
	put_be64(key, version);
	memcpy(value, message, sizeof(value));
	kv_link(t, &id, 1, s);
	kv_stage_unref(s);
	kv_put(t, KV_MESSAGE, str_make(key, 8), str_make(value, sizeof(value)));
	put_be64(key, version / 64);
	kv_merge(t, KV_PAGE, str_make(key, 8), str_make(value, 56));
	kv_add(t, STR("storage"), MESSAGE_BYTES);
	put_be64(key, version);
	kv_put(t, KV_LOG, str_make(key, 8), str_make(value, 40));
	kv_put(t, KV_ROW, STR("mailbox"), str_make(value, 200));
	return t;
}

static uint64_t made;

static void
deliveries(struct kv *kv, uint64_t count, unsigned in_flight)
{
	struct flow f = { .kv = kv,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	struct kv_stats before, after;
	double start, cpu, self;

	kv_stats(kv, &before);
	start = now_s();
	cpu = cpu_s(CLOCK_PROCESS_CPUTIME_ID);
	self = cpu_s(CLOCK_THREAD_CPUTIME_ID);
	for (uint64_t i = 0; i < count; i++) {
		struct kv_txn *t = delivery(kv, made++);

		pthread_mutex_lock(&f.lock);
		while (f.in_flight >= in_flight)
			pthread_cond_wait(&f.changed, &f.lock);
		f.in_flight++;
		pthread_mutex_unlock(&f.lock);
		kv_commit(kv, &t, 1, delivered, &f);
	}
	pthread_mutex_lock(&f.lock);
	while (f.in_flight > 0)
		pthread_cond_wait(&f.changed, &f.lock);
	pthread_mutex_unlock(&f.lock);
	kv_stats(kv, &after);
	start = now_s() - start;
	cpu = cpu_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	self = cpu_s(CLOCK_THREAD_CPUTIME_ID) - self;
	printf(
	    "deliveries, %3u in flight: %7.0f/s  %.1f a sync  %5.1f us CPU (%.1f making them, %.1f engine)  %.0f bytes to the log\n",
	    in_flight, (double)count / start, (double)count / (double)(after.syncs - before.syncs),
	    cpu / (double)count * 1e6, self / (double)count * 1e6,
	    (cpu - self) / (double)count * 1e6,
	    (double)(after.bytes_written - before.bytes_written) / (double)count);
	if (f.failed > 0)
		exit(1);
}

/* ---- loads */

static void
not_in_memory(void *ctx, enum err e, struct kv_rows *rows)
{
	struct flow *f = ctx;

	kv_rows_free(rows);
	delivered(f, e);
}

static void
loads(struct kv *kv, unsigned count)
{
	struct flow f = { .kv = kv,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	struct kv_range r[2] = { { .kind = KV_ROW, .from = STR("mailbox"), .is_exact = true },
		{ .kind = KV_PAGE, .limit = 8 } };
	unsigned waited = 0;
	double start = now_s();

	for (unsigned i = 0; i < count; i++) {
		struct kv_rows *rows;
		enum err e;

		f.in_flight = 1;
		e = kv_load(kv, (struct account_id){ 1 + i % ACCOUNTS }, r, 2, &rows, not_in_memory,
		    &f);
		if (e == ERR_OK) {
			kv_rows_free(rows);
			continue;
		}
		waited++;
		pthread_mutex_lock(&f.lock);
		while (f.in_flight > 0)
			pthread_cond_wait(&f.changed, &f.lock);
		pthread_mutex_unlock(&f.lock);
	}
	printf("loads of a row and up to 8 pages: %.0f/s, %.1f us each, %u not in memory\n",
	    count / (now_s() - start), (now_s() - start) / count * 1e6, waited);
}

/* ---- a big message */

struct stage_wait {
	struct waiter w;
	struct flow flow;
};

static void
stage_woken(struct waiter *w)
{
	delivered(&container_of(w, struct stage_wait, w)->flow, ERR_OK);
}

static void
big_message(struct kv *kv, uint64_t seed)
{
	struct stage_wait sw = { .flow = { .lock = PTHREAD_MUTEX_INITIALIZER,
				     .changed = PTHREAD_COND_INITIALIZER } };
	struct kv_stage *s = kv_stage_new(kv);
	uint64_t account = ACCOUNTS, version = versions[account]++, length;
	struct kv_txn *t = kv_txn_new(kv, (struct account_id){ account }, version, version + 1);
	struct blob_id id;
	static char piece[16384];
	uint64_t most = 0;
	double start = now_s();

	waiter_init(&sw.w, stage_woken);
	for (unsigned i = 0; i < 64 * 64; i++) {
		size_t taken = 0;

		for (unsigned j = 0; j < sizeof(piece) / 8; j++)
			put_le64(piece + 8 * j, hash_u64(seed * 77777777 + i * 2048 + j));
		for (size_t at = 0; at < sizeof(piece); at += taken) {
			sw.flow.in_flight = 1;
			taken = 0;
			if (kv_stage_write(s, str_make(piece + at, sizeof(piece) - at), &taken,
				&sw.w)
			    != ERR_WAIT)
				continue;
			pthread_mutex_lock(&sw.flow.lock);
			while (sw.flow.in_flight > 0)
				pthread_cond_wait(&sw.flow.changed, &sw.flow.lock);
			pthread_mutex_unlock(&sw.flow.lock);
		}
		if (rss_bytes() > most)
			most = rss_bytes();
	}
	waiter_cancel(&sw.w);
	if (kv_stage_seal(s, &id, &length) != ERR_OK)
		exit(1);
	kv_link(t, &id, 1, s);
	kv_stage_unref(s);
	if (kv_commit_now(kv, &t, 1) != ERR_OK)
		exit(1);
	printf("a message of 64 MiB: %.2f s, memory of the process at most %.1f MiB\n",
	    now_s() - start, (double)most / 1048576);
}

/* ---- a crash */

static void
versions_find(struct kv *kv)
{
	for (uint64_t i = 0; i <= ACCOUNTS; i++)
		if (kv_versions(kv, &(struct account_id){ i }, 1, &versions[i]) != ERR_OK)
			exit(1);
}

/* In a process of its own: RocksDB's threads don't survive a fork. */
static int
crash_child(uint64_t count, unsigned in_flight)
{
	struct kv *kv = open_store();

	versions_find(kv);
	made = versions[1] * ACCOUNTS;
	deliveries(kv, count, in_flight);
	fflush(stdout);
	raise(SIGKILL);
	return 1;
}

static struct kv *
crash(const char *count)
{
	pid_t pid;
	struct kv *kv;
	double start;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "kv_bench", dir, count, "crash", (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	start = now_s();
	kv = open_store();
	printf("opening after kill -9: %.0f ms\n", (now_s() - start) * 1e3);
	return kv;
}

int
main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000;
	struct kv *kv;
	double start;

	if (argc < 2) {
		fprintf(stderr, "usage: kv_bench DIRECTORY [messages]\n");
		return 2;
	}
	dir = argv[1];
	if (argc > 3)
		return crash_child(count, argc > 4 ? (unsigned)atoi(argv[4]) : 64);
	kv = crash(argc > 2 ? argv[2] : "20000");
	start = now_s();
	kv_close(kv);
	printf("closing: %.0f ms\n", (now_s() - start) * 1e3);
	start = now_s();
	kv = open_store();
	printf("opening after a close: %.0f ms\n", (now_s() - start) * 1e3);
	versions_find(kv);
	made = versions[1] * ACCOUNTS;
	deliveries(kv, count / 10, 1);
	deliveries(kv, count, 16);
	deliveries(kv, count, 64);
	deliveries(kv, count, 256);
	loads(kv, 100000);
	for (unsigned i = 0; i < 8; i++)
		big_message(kv, i);
	start = now_s();
	kv_close(kv);
	printf("closing: %.0f ms\n", (now_s() - start) * 1e3);
	return 0;
}

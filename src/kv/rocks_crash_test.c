/*
 * rocks_crash_test.c - what was acknowledged is there, whatever happened: the power cut with
 * unsynced data lost wholly, page by page or sector by sector; the n-th operation failing, once or
 * for good; kill -9; bytes of the log damaged.
 *
 *     rocks_crash_test                    a short run
 *     rocks_crash_test ROUNDS [SEED [N]]  so many cuts and failures, from a seed; a round that fails prints its own;
 *                                         only the N-th test
 *
 * The scenario: a few accounts commit with several commits in flight. What an account holds is a
 * function of its number and version alone, so whatever version comes back, all of its state can be
 * checked.
 */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/test.h"
#include "kv/kept.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_fault.h"
#include "kv/rocks_int.h"
#include "kv/rocks_mark.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACCOUNTS 3u
#define CONTENTS 12u /* different messages; shared by the accounts */
#define KEEP 9u      /* a version unlinks what the KEEP-th before it linked */

static char dir[64];
static uint64_t rounds = 60, first_seed = 1;

/* ---- the scenario's arithmetic */

static size_t
content_bytes(unsigned content)
{
	static const size_t sizes[] = { 0, 100, 900, 5000, 20000, 70000, KV_CHUNK_BYTES, 600000 };

	return sizes[content % ARRAY_LEN(sizes)] + content;
}

static struct str
content_make(unsigned content)
{
	size_t n = content_bytes(content);
	char *p = xmalloc(MAX(n, 1));

	for (size_t i = 0; i < n; i++)
		p[i] =
		    (char)(i % 3 == 0 ? hash_u64(content * 1000003u + i) >> 9 : 'a' + i / 7 % 26);
	return str_make(p, n);
}

/* Its name, without a store. */
static struct blob_id
content_id(unsigned content)
{
	struct str data = content_make(content);
	struct blob_id id;

	must(EVP_Digest(data.p, data.n, id.sha256, NULL, EVP_sha256(), NULL) == 1);
	free((char *)data.p);
	return id;
}

/* What version v of the account links. */
static unsigned
content_of(uint64_t account, uint64_t v)
{
	return (unsigned)(hash_u64(account * 7919 + v) % CONTENTS);
}

/* ---- running it */

struct run {
	struct kv *kv;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned in_flight;
	uint64_t sent[ACCOUNTS], acked[ACCOUNTS];
	bool is_over;   /* an error came */
	enum err wrong; /* one that should not have */
	int ack_fd;     /* -1, or where acknowledgements are told */
};

struct ticket {
	struct run *run;
	unsigned account;
	uint64_t version;
};

static void
committed(void *ctx, enum err e)
{
	struct ticket *t = ctx;
	struct run *r = t->run;

	pthread_mutex_lock(&r->lock);
	if (e == ERR_OK) {
		if (t->version != r->acked[t->account] + 1)
			r->wrong = ERR_BUG; /* out of order, or acknowledged behind a failure */
		r->acked[t->account] = t->version;
		if (r->ack_fd >= 0) {
			char told[9] = { (char)t->account };

			put_le64(told + 1, t->version);
			if (write(r->ack_fd, told, sizeof(told)) != (ssize_t)sizeof(told))
				r->is_over = true;
		}
	} else {
		r->is_over = true;
		if (e != ERR_IO && e != ERR_CONFLICT)
			r->wrong = e;
	}
	r->in_flight--;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
	free(t);
}

static void
stage_woken(struct waiter *w unused_arg)
{
}

/* NULL when the store failed. */
static struct kv_stage *
stage_make(struct kv *kv, unsigned content, struct blob_id *id_out)
{
	struct str data = content_make(content);
	struct kv_stage *s = kv_stage_new(kv);
	struct waiter w;
	uint64_t length;
	size_t taken;
	enum err e = ERR_OK;

	waiter_init(&w, stage_woken);
	for (size_t at = 0; at < data.n && (e == ERR_OK || e == ERR_WAIT); at += taken) {
		taken = 0;
		e = kv_stage_write(s, str_sub(data, at, SIZE_MAX), &taken, &w);
		if (e == ERR_WAIT)
			sched_yield();
	}
	waiter_cancel(&w);
	if (e == ERR_OK)
		e = kv_stage_seal(s, id_out, &length);
	free((char *)data.p);
	if (e == ERR_OK)
		return s;
	kv_stage_unref(s);
	return NULL;
}

/* The next version of an account; NULL when the store failed. */
static struct kv_txn *
next_make(struct run *r, unsigned account)
{
	uint64_t v = r->sent[account] + 1;
	struct kv_txn *t = kv_txn_new(r->kv, (struct account_id){ account + 1 }, v - 1, v);
	struct blob_id id;
	struct kv_stage *s = stage_make(r->kv, content_of(account, v), &id);
	char key[8], value[8];

	if (s == NULL) {
		kv_txn_abort(t);
		return NULL;
	}
	kv_link(t, &id, 1, s);
	kv_stage_unref(s);
	put_be64(key, v);
	kv_put_placed(t, KV_MESSAGE, str_make(key, 8), STR("________"), &id);
	if (v > KEEP) {
		put_be64(key, v - KEEP);
		kv_del(t, KV_MESSAGE, str_make(key, 8));
		id = content_id(content_of(account, v - KEEP));
		kv_unlink(t, &id, 1);
	}
	if (v % 7 == 0) /* one that comes to nothing */
		kv_stage_unref(stage_make(r->kv, content_of(account, v + 1), &id));
	put_be64(key, v);
	put_le64(value, v);
	kv_put(t, KV_ROW, STR("version"), str_make(value, 8));
	kv_put(t, KV_LOG, str_make(key, 8), str_make(key, 8));
	kv_merge(t, KV_PAGE, STR("page"), str_make(value, 1));
	kv_add(t, STR("sum"), (int64_t)v);
	if (v % 10 == 0) {
		put_be64(key, v - 5);
		kv_del_range(t, KV_LOG, STR(""), str_make(key, 8));
	}
	return t;
}

static void
run_begin(struct run *r, struct kv *kv, const uint64_t versions[ACCOUNTS])
{
	*r = (struct run){ .kv = kv, .ack_fd = -1 };
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		r->sent[i] = r->acked[i] = versions[i];
}

static void
run_commits(struct run *r, unsigned commits, unsigned in_flight, uint64_t seed)
{
	for (unsigned i = 0; i < commits; i++) {
		unsigned account = (unsigned)(hash_u64(seed + i) % ACCOUNTS);
		struct kv_txn *t = next_make(r, account);
		struct ticket *ticket;

		if (t == NULL)
			break;
		pthread_mutex_lock(&r->lock);
		while (r->in_flight >= in_flight)
			pthread_cond_wait(&r->changed, &r->lock);
		if (r->is_over) {
			pthread_mutex_unlock(&r->lock);
			kv_txn_abort(t);
			break;
		}
		r->in_flight++;
		r->sent[account]++;
		pthread_mutex_unlock(&r->lock);
		ticket = xmalloc(sizeof(*ticket));
		*ticket = (struct ticket){ r, account, r->sent[account] };
		kv_commit(r->kv, &t, 1, committed, ticket);
	}
	pthread_mutex_lock(&r->lock);
	while (r->in_flight > 0)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/* ---- checking what is there */

static void
append_merge(struct str base, const struct str *operands, size_t count, struct buf *out)
{
	buf_str_add(out, base);
	for (size_t i = 0; i < count; i++)
		buf_str_add(out, operands[i]);
}

/* Small buffers, so that flushes, compactions and new log files happen all the time. */
static struct kv_options
options(void)
{
	return (struct kv_options){ .dir = dir,
		.merge = { [KV_PAGE] = append_merge, [KV_POSTING] = append_merge },
		.write_buffer_bytes = 512 * 1024,
		.cache_bytes = 2u << 20,
		.soft_floor_bytes = 1,
		.hard_floor_bytes = 1 };
}

static struct kv *
store_open(void *env, enum err want)
{
	struct kv_options o = options();
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	struct kv *kv = NULL;
	enum err e = rocks_open_env(&o, env, &kv, &detail);

	if (!CHECK_U64(e, want))
		printf("# open: %s: %.*s\n", err_name(e), STR_F(buf_str(&detail)));
	return kv;
}

/*
 * Damage was done to the files: then an error is an answer too, only wrong data is not. Counts
 * them.
 */
static bool may_be_damaged;
static uint64_t told_errors;

static bool
is_told(enum err e)
{
	bool is = may_be_damaged && (e == ERR_CORRUPT || e == ERR_IO);

	told_errors += is;
	return is;
}

/* Where a row says that its blob is, there is a chunk that says whose it is; long ones have none. */
static void
check_place(struct kv *kv, unsigned account, const struct kv_row *row)
{
	struct rocks *r = rocks_of(kv);
	struct blob_id id = content_id(content_of(account, get_be64(row->key.p)));
	struct str data = content_make(content_of(account, get_be64(row->key.p)));
	const uint64_t place = get_le64(row->value.p);
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	char key[12], *message = NULL, *value;
	size_t n = 0;

	chunk_key_put(key, place, 0);
	value = rocksdb_get_cf(r->db, o, r->cf[CF_CHUNK], key, sizeof(key), &n, &message);
	if (message != NULL) {
		CHECK(is_told(rocks_read_err(message)));
	} else if (data.n > KV_CHUNK_BYTES) {
		CHECK_U64(place, 0);
	} else if (value == NULL && may_be_damaged) {
		told_errors++;
	} else {
		CHECK(place != 0 && value != NULL && kv_chunk_is_of(str_make(value, n), &id));
	}
	rocksdb_free(value);
	rocksdb_readoptions_destroy(o);
	free((char *)data.p);
}

static void
check_account(struct kv *kv, unsigned account, uint64_t v)
{
	struct kv_range ranges[5] = {
		{ .kind = KV_ROW },
		{ .kind = KV_LOG },
		{ .kind = KV_COUNTER },
		{ .kind = KV_PAGE },
		{ .kind = KV_MESSAGE },
	};
	uint64_t floor = v / 10 * 10 >= 10 ? v / 10 * 10 - 5 : 1;
	struct kv_rows *rows = NULL;
	enum err e;

	e = kv_load_now(kv, (struct account_id){ account + 1 }, ranges, ARRAY_LEN(ranges), &rows);
	if (is_told(e) || !CHECK_U64(e, ERR_OK))
		return;
	CHECK_U64(rows->version, v);
	if (v == 0) {
		CHECK_U64(rows->ranges[0].count + rows->ranges[1].count + rows->ranges[2].count
			+ rows->ranges[3].count + rows->ranges[4].count,
		    0);
		kv_rows_free(rows);
		return;
	}
	if (CHECK_U64(rows->ranges[0].count, 1))
		CHECK_U64(get_le64(rows->ranges[0].rows[0].value.p), v);
	/*
	 * A store that was opened without one of its tables may have deleted ranges back:
	 * kv_del_range().
	 */
	if (may_be_damaged && rows->ranges[1].count > v - floor + 1)
		told_errors++;
	else if (CHECK_U64(rows->ranges[1].count, v - floor + 1))
		for (uint64_t i = 0; i <= v - floor; i++)
			CHECK_U64(get_be64(rows->ranges[1].rows[i].key.p), floor + i);
	if (CHECK_U64(rows->ranges[2].count, 1))
		CHECK_U64(get_le64(rows->ranges[2].rows[0].value.p), v * (v + 1) / 2);
	if (CHECK_U64(rows->ranges[3].count, 1) && CHECK_U64(rows->ranges[3].rows[0].value.n, v))
		for (uint64_t i = 0; i < v; i++)
			CHECK(rows->ranges[3].rows[0].value.p[i] == (char)(i + 1));
	if (CHECK_U64(rows->ranges[4].count, MIN(v, KEEP)))
		for (size_t i = 0; i < rows->ranges[4].count; i++)
			check_place(kv, account, &rows->ranges[4].rows[i]);
	kv_rows_free(rows);
}

struct blob_wait {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_done;
	enum err e;
	struct kv_bytes *bytes;
};

static void
blob_done(void *ctx, enum err e, struct kv_bytes *bytes)
{
	struct blob_wait *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->is_done = true;
	w->e = e;
	w->bytes = bytes;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void
check_content(struct kv *kv, unsigned content, uint64_t links)
{
	struct str data = content_make(content);
	struct blob_id id = content_id(content);
	uint64_t counted = 0;
	enum err e;

	e = kv_blob_links(kv, &id, &counted);
	if (!is_told(e)) {
		CHECK_U64(e, ERR_OK);
		CHECK_U64(counted, links);
	}
	for (size_t at = 0; links > 0 && at < data.n;) {
		struct blob_wait w = { .lock = PTHREAD_MUTEX_INITIALIZER,
			.changed = PTHREAD_COND_INITIALIZER };

		e = kv_blob_read(kv, &id, 0, at, SIZE_MAX, &w.bytes, blob_done, &w);
		if (e == ERR_WAIT) {
			pthread_mutex_lock(&w.lock);
			while (!w.is_done)
				pthread_cond_wait(&w.changed, &w.lock);
			pthread_mutex_unlock(&w.lock);
			e = w.e;
		}
		if (is_told(e))
			break;
		if (!CHECK_U64(e, ERR_OK)) {
			printf("# message %u of %zu bytes, at %zu, with %llu links\n", content,
			    data.n, at, (unsigned long long)links);
			break;
		}
		CHECK(memcmp(w.bytes->s.p, data.p + at, w.bytes->s.n) == 0);
		at += w.bytes->s.n;
		kv_bytes_unref(w.bytes);
	}
	free((char *)data.p);
}

static uint64_t
rows_count(struct rocks *r, enum rocks_cf cf, char first)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, o, r->cf[cf]);
	uint64_t count = 0;
	char *message = NULL;

	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		size_t n;
		const char *key = rocksdb_iter_key(it, &n);

		count += first == '\0' || key[0] == first;
	}
	rocksdb_iter_get_error(it, &message);
	CHECK_U64(rocks_err(message), ERR_OK);
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	return count;
}

/*
 * No byte is kept that nothing links: no stage is left over, and the chunks are those of the blobs
 * that have rows.
 */
static void
check_nothing_left(struct kv *kv)
{
	uint64_t swept, chunks = 0, blobs;
	unsigned linked = 0;

	CHECK_U64(kv_blob_sweep(kv, 0, &swept), ERR_OK);
	for (unsigned c = 0; c < CONTENTS; c++) {
		struct blob_id id = content_id(c);
		uint64_t links = 0;

		CHECK_U64(kv_blob_links(kv, &id, &links), ERR_OK);
		if (links > 0) {
			chunks += MAX((content_bytes(c) + KV_CHUNK_BYTES - 1) / KV_CHUNK_BYTES, 1);
			linked++;
		}
	}
	blobs = rows_count(rocks_of(kv), CF_BLOB, '\0');
	CHECK_U64(blobs, linked);
	CHECK_U64(rows_count(rocks_of(kv), CF_CHUNK, '\0')
		+ rows_count(rocks_of(kv), CF_LONG, '\0'),
	    chunks);
	CHECK_U64(rows_count(rocks_of(kv), CF_META, META_STAGE), 0);
	CHECK_U64(rows_count(rocks_of(kv), CF_META, META_UNLINKED), 0);
}

/*
 * Everything: versions between what was acknowledged and what was sent, and the whole state of
 * each.
 */
static void
check_store(struct kv *kv, const uint64_t acked[ACCOUNTS], const uint64_t sent[ACCOUNTS],
    uint64_t versions_out[ACCOUNTS])
{
	uint64_t links[CONTENTS] = { 0 };

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		uint64_t v = UINT64_MAX;

		CHECK_U64(kv_versions(kv, &(struct account_id){ i + 1 }, 1, &v), ERR_OK);
		CHECK(v >= acked[i] && v <= sent[i]);
		versions_out[i] = v;
		check_account(kv, i, v);
		for (uint64_t k = v > KEEP ? v - KEEP + 1 : 1; k <= v; k++)
			links[content_of(i, k)]++;
	}
	for (unsigned c = 0; c < CONTENTS; c++)
		check_content(kv, c, links[c]);
	check_nothing_left(kv);
}

/* ---- the power is cut, or operations fail */

/* Three times on the same store: what a cut left is written on, and cut again. */
static void
fault_round(uint64_t seed, bool for_good, bool is_cut)
{
	struct rocks_fault *f = rocks_fault_new();
	uint64_t versions[ACCOUNTS] = { 0 };
	int failures = test_failures;

	dir_empty(dir);
	for (unsigned cut = 0; cut < 3; cut++) {
		uint64_t random = hash_u64(seed * 4 + cut);
		struct kv *kv = store_open(rocks_fault_env(f), ERR_OK);
		struct run r;

		if (kv == NULL)
			break;
		check_store(kv, versions, versions, versions);
		run_begin(&r, kv, versions);
		rocks_fault_fail_at(f, 1 + random % 150, for_good);
		run_commits(&r, 60, 1 + (unsigned)(random >> 20) % 8, seed);
		CHECK_U64(r.wrong, ERR_OK);
		rocks_abandon(kv);
		rocks_fault_cut(f,
		    is_cut ? (enum rocks_loss)((random >> 32) % LOSS_KINDS) : LOSS_NONE, random);
		kv = store_open(rocks_fault_env(f), ERR_OK);
		if (kv == NULL)
			break;
		check_store(kv, r.acked, r.sent, versions);
		if ((random >> 40) % 2 == 0)
			kv_close(kv);
		else
			rocks_abandon(kv);
	}
	CHECK_U64(rocks_fault_loose_logs(f), 0);
	if (test_failures > failures)
		printf("# seed %llu, %s, %s\n", (unsigned long long)seed,
		    for_good ? "for good" : "once", is_cut ? "cut" : "no cut");
	rocks_fault_free(f);
}

/*
 * Rounds run in processes of their own: RocksDB as Debian builds it has its assertions, and one may
 * end the process when a compaction whose only table is empty can't write it: what it reports has no
 * smallest key (CompactionJob::Install()). That is a stop, not a wrong answer, and rare; anything
 * else is a failure.
 */
static void
fault_rounds(uint64_t count, bool for_good, bool is_cut)
{
	uint64_t stopped = 0;

	for (uint64_t i = 0; i < count && test_failures < 5; i++) {
		char numbers[3][24];
		int status = 0;
		pid_t pid;

		snprintf(numbers[0], sizeof(numbers[0]), "%llu",
		    (unsigned long long)(first_seed + i));
		snprintf(numbers[1], sizeof(numbers[1]), "%d", for_good);
		snprintf(numbers[2], sizeof(numbers[2]), "%d", is_cut);
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			execl("/proc/self/exe", "rocks_crash_test", "--round", dir, numbers[0],
			    numbers[1], numbers[2], (char *)NULL);
			_exit(1);
		}
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
			stopped++;
		else
			CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	printf("# %llu rounds of three, %llu stopped by an assertion of RocksDB\n",
	    (unsigned long long)count, (unsigned long long)stopped);
	CHECK(stopped <= 2 + count / 10);
}

static void
test_power_cut(void)
{
	fault_rounds(rounds, true, true);
}

static void
test_failing_once(void)
{
	fault_rounds(rounds / 4, false, true);
	fault_rounds(rounds / 4, false, false);
}

/* Opening and closing fail at each of their operations, and do no harm. */
static void
test_failing_open(void)
{
	struct rocks_fault *f = rocks_fault_new();
	uint64_t versions[ACCOUNTS] = { 0 }, n;
	struct kv *kv;
	struct run r;

	dir_empty(dir);
	kv = store_open(NULL, ERR_OK);
	run_begin(&r, kv, versions);
	run_commits(&r, 30, 4, 1);
	rocks_abandon(kv);
	for (n = 1; CHECK(n < 2000); n += rounds > 100 ? 1 : 3) {
		struct kv_options o = options();

		rocks_fault_fail_at(f, n, n % 2 == 0);
		kv = NULL;
		if (rocks_open_env(&o, rocks_fault_env(f), &kv, NULL) == ERR_OK)
			kv_close(kv);
		if (!rocks_fault_has_failed(f))
			break;
		rocks_fault_cut(f, (enum rocks_loss)(n % LOSS_KINDS), n);
		kv = store_open(NULL, ERR_OK);
		if (kv == NULL)
			break;
		check_store(kv, r.acked, r.sent, versions);
		rocks_abandon(kv);
	}
	printf("# opening and closing take %llu operations\n", (unsigned long long)n);
	rocks_fault_free(f);
}

/*
 * After a failure nothing is acknowledged any more, and the store says so. What it shows is what
 * was durable before: not the rows whose sync failed.
 */
static void
failure_at(uint64_t n)
{
	struct rocks_fault *f = rocks_fault_new();
	uint64_t versions[ACCOUNTS] = { 0 };
	struct kv *kv;
	struct run r;

	dir_empty(dir);
	kv = store_open(rocks_fault_env(f), ERR_OK);
	run_begin(&r, kv, versions);
	run_commits(&r, 5, 1, 1);
	CHECK(!r.is_over && !kv_is_failed(kv));
	rocks_fault_fail_at(f, n, false);
	run_commits(&r, 5, 1, 1);
	CHECK(r.is_over && kv_is_failed(kv));
	CHECK(rocks_fault_has_failed(f));
	r.is_over = false;
	for (unsigned i = 0; i < ACCOUNTS; i++)
		r.sent[i] = r.acked[i];
	memcpy(versions, r.acked, sizeof(versions));
	run_commits(&r, 5, 1, 1);
	CHECK(memcmp(versions, r.acked, sizeof(versions)) == 0);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		uint64_t version;

		CHECK_U64(kv_versions(kv, &(struct account_id){ i + 1 }, 1, &version), ERR_OK);
		CHECK_U64(version, r.acked[i]);
		check_account(kv, i, r.acked[i]);
	}
	rocks_abandon(kv);
	rocks_fault_free(f);
}

static void
test_failure_is_final(void)
{
	for (uint64_t n = 1; n <= 4; n++) /* of a commit's two operations, and the next one's */
		failure_at(n);
}

static void
count_error(void *ctx, const char *text)
{
	CHECK(strstr(text, "made to fail") != NULL);
	++*(unsigned *)ctx;
}

/* False when it failed. */
static bool
logs_are_synced(void *env, const char *path)
{
	char *message = NULL;

	rocks_logs_sync(env, path, &message);
	return rocks_err(message) == ERR_OK;
}

struct order {
	void *env;
	unsigned errors;
};

/* While the engine is being told it does not know yet: so nobody is refused yet because of it. */
static void
check_order(void *ctx, unused_arg const char *text)
{
	struct order *o = ctx;

	o->errors++;
	CHECK(logs_are_synced(o->env, dir));
}

static void
test_engine_knows_before_anybody_is_refused(void)
{
	struct rocks_fault *f = rocks_fault_new();
	struct rocks_marks *marks = rocks_marks_new();
	struct order o = { .errors = 0 };
	char path[sizeof(dir) + 16];

	dir_empty(dir);
	snprintf(path, sizeof(path), "%s/000001.log", dir);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	o.env = rocks_env_new(rocks_fault_env(f), dir, marks, check_order, &o);
	rocks_fault_fail_at(f, 1, false);
	CHECK(!logs_are_synced(o.env, dir));
	CHECK_U64(o.errors, 1);
	CHECK(!logs_are_synced(o.env, dir));
	CHECK_U64(o.errors, 1);
	rocks_env_free(o.env);
	rocks_marks_free(marks);
	rocks_fault_free(f);
}

/* Behind the first operation that fails nothing reaches the files, whoever asks for it. */
static void
test_first_failure_is_last(void)
{
	struct rocks_fault *f = rocks_fault_new();
	char other[sizeof(dir) + 8], path[sizeof(other) + 16];
	struct rocks_marks *marks = rocks_marks_new();
	unsigned errors = 0;
	uint64_t operations;
	void *env;

	dir_empty(dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	must(mkdir(other, 0700) == 0);
	snprintf(path, sizeof(path), "%s/000001.log", dir);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	env = rocks_env_new(rocks_fault_env(f), dir, marks, count_error, &errors);
	CHECK(logs_are_synced(env, dir));
	rocks_fault_fail_at(f, 2, false);
	CHECK(!logs_are_synced(env, dir));
	CHECK_U64(errors, 1);
	operations = rocks_fault_operations(f);
	CHECK(!logs_are_synced(env, dir));
	CHECK_U64(rocks_fault_operations(f), operations);
	CHECK_U64(errors, 1);
	/* A checkpoint's folder is not the store. */
	CHECK(logs_are_synced(env, other));
	CHECK(rocks_fault_operations(f) > operations);
	rocks_env_free(env);
	rocks_marks_free(marks);
	rocks_fault_free(f);
	rmdir(other);
}

/* ---- kill -9 */

static int
killed_child(uint64_t seed)
{
	uint64_t versions[ACCOUNTS];
	struct kv *kv = store_open(NULL, ERR_OK);
	struct run r;

	for (unsigned i = 0; i < ACCOUNTS; i++)
		must(kv_versions(kv, &(struct account_id){ i + 1 }, 1, &versions[i]) == ERR_OK);
	run_begin(&r, kv, versions);
	r.ack_fd = STDOUT_FILENO;
	run_commits(&r, 1000000, 8, seed);
	return 1;
}

static void
kill_round(uint64_t seed, uint64_t versions[ACCOUNTS])
{
	uint64_t acked[ACCOUNTS], sent[ACCOUNTS], left = 1 + hash_u64(seed) % 150;
	char number[24], told[9];
	struct kv *kv;
	int pipes[2];
	pid_t pid;

	memcpy(acked, versions, sizeof(acked));
	snprintf(number, sizeof(number), "%llu", (unsigned long long)seed);
	must(pipe2(pipes, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execl("/proc/self/exe", "rocks_crash_test", "--killed", dir, number, (char *)NULL);
		_exit(1);
	}
	close(pipes[1]);
	while (left-- > 0 && read(pipes[0], told, sizeof(told)) == (ssize_t)sizeof(told))
		acked[(unsigned)told[0]] = get_le64(told + 1);
	kill(pid, SIGKILL);
	while (read(pipes[0], told, sizeof(told)) == (ssize_t)sizeof(told))
		acked[(unsigned)told[0]] = get_le64(told + 1);
	waitpid(pid, NULL, 0);
	close(pipes[0]);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		sent[i] = acked[i] + 8;
	kv = store_open(NULL, ERR_OK);
	if (kv == NULL)
		return;
	check_store(kv, acked, sent, versions);
	rocks_abandon(kv);
}

static void
test_kill(void)
{
	uint64_t versions[ACCOUNTS] = { 0 };

	dir_empty(dir);
	for (uint64_t i = 0; i < MAX(rounds / 10, 3) && test_failures == 0; i++)
		kill_round(first_seed + i, versions);
}

/* ---- the log is damaged */

static void
log_newest(char *path, size_t size)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	unsigned long newest = 0;

	while ((entry = readdir(d)) != NULL) {
		size_t n = strlen(entry->d_name);

		if (n > 4 && strcmp(entry->d_name + n - 4, ".log") == 0)
			newest = MAX(newest, strtoul(entry->d_name, NULL, 10));
	}
	closedir(d);
	snprintf(path, size, "%s/%06lu.log", dir, newest);
}

static void
mark_remove(void)
{
	char path[sizeof(dir) + 16];

	snprintf(path, sizeof(path), "%s/" MARK_NAME, dir);
	must(unlink(path) == 0);
}

/*
 * A flipped bit anywhere in the log: either the store opens and has everything, or it is refused.
 * Without the mark that says how far the log is synced only the last batch may be lost without a
 * word, since nothing behind it proves that it was: damage there looks like a torn write.
 */
static void
log_damaged(bool has_mark)
{
	enum { ROOM = 50000 };

	uint64_t versions[ACCOUNTS] = { 0 }, acked[ACCOUNTS], refused = 0, tried = 0;
	static struct kept kept[100];
	struct kv *kv;
	struct run r;
	char path[400];
	struct str log;
	size_t count, written;

	dir_empty(dir);
	kv = store_open(NULL, ERR_OK);
	run_begin(&r, kv, versions);
	run_commits(&r, 12, 1, 1);
	memcpy(acked, r.acked, sizeof(acked));
	run_commits(&r, 1, 1, 77);
	if (has_mark)
		memcpy(acked, r.acked, sizeof(acked));
	rocks_abandon(kv);
	if (!has_mark)
		mark_remove();
	log_newest(path, sizeof(path));
	log = file_get(path);
	for (written = log.n; written > 0 && log.p[written - 1] == 0;)
		written--; /* room that was made ahead */
	CHECK(written > 10000);
	count = dir_keep(dir, kept, ARRAY_LEN(kept));
	for (size_t at = 0; at < written && test_failures < 20;
	     at += MAX(written / (rounds * 2), 1)) {
		struct kv_options o = options();
		enum err e;

		dir_restore(dir, kept, count);
		((char *)log.p)[at] ^= 0x10;
		file_put(path, log);
		((char *)log.p)[at] ^= 0x10;
		kv = NULL;
		e = rocks_open_env(&o, NULL, &kv, NULL);
		tried++;
		if (e == ERR_OK) {
			int failures = test_failures;

			check_store(kv, acked, r.sent, versions);
			if (test_failures > failures)
				printf("# byte %zu of %zu\n", at, log.n);
			rocks_abandon(kv);
		} else {
			CHECK_U64(e, ERR_CORRUPT);
			refused++;
		}
	}
	printf("# %llu of %llu flipped bits refused\n", (unsigned long long)refused,
	    (unsigned long long)tried);
	CHECK(refused > tried / 2);
	/* What became of the room behind the end says nothing; the last record may end in zeros. */
	log.p = xrealloc((char *)log.p, written + ROOM);
	memset((char *)log.p + written, 0, ROOM);
	log.n = written + ROOM;
	for (size_t at = written + 1000; at < log.n; at += 1777) {
		dir_restore(dir, kept, count);
		((char *)log.p)[at] ^= 0x10;
		file_put(path, log);
		((char *)log.p)[at] ^= 0x10;
		kv = store_open(NULL, ERR_OK);
		if (kv == NULL)
			break;
		check_store(kv, acked, r.sent, versions);
		rocks_abandon(kv);
	}
	/* A torn tail is none of that, unless it is known that it was whole. */
	for (size_t cut = 1; cut < 2000; cut += 333) {
		dir_restore(dir, kept, count);
		file_put(path, str_sub(log, 0, written - cut));
		kv = store_open(NULL, has_mark ? ERR_CORRUPT : ERR_OK);
		if (has_mark)
			continue;
		if (kv == NULL)
			break;
		memset(acked, 0, sizeof(acked));
		check_store(kv, acked, r.sent, versions);
		rocks_abandon(kv);
	}
	kept_free(kept, count);
	free((char *)log.p);
}

static void
test_log_damaged(void)
{
	log_damaged(false);
	log_damaged(true);
}

static void
logs_delete(void)
{
	char path[400];

	for (;;) {
		log_newest(path, sizeof(path));
		if (unlink(path) != 0)
			return;
	}
}

/*
 * Without its newest log a store looks as if its latest changes had never been made: it is refused,
 * unless they are in tables too.
 */
static void
test_newest_log_gone(void)
{
	uint64_t versions[ACCOUNTS] = { 0 }, none[ACCOUNTS] = { 0 };
	struct kv *kv;
	struct run r;
	char path[400];
	int fd;

	dir_empty(dir);
	kv = store_open(NULL, ERR_OK);
	run_begin(&r, kv, versions);
	run_commits(&r, 12, 1, 1);
	rocks_abandon(kv);
	kv = store_open(NULL, ERR_OK); /* the old log stays beside the new one */
	memcpy(versions, r.acked, sizeof(versions));
	run_begin(&r, kv, versions);
	run_commits(&r, 3, 1, 2);
	rocks_abandon(kv);
	log_newest(path, sizeof(path));
	must(unlink(path) == 0);
	CHECK(store_open(NULL, ERR_CORRUPT) == NULL);
	mark_remove();
	CHECK(store_open(NULL, ERR_CORRUPT) == NULL);
	/* A damaged note says nothing. */
	snprintf(path, sizeof(path), "%s/newest-log", dir);
	fd = open(path, O_WRONLY);
	must(fd >= 0 && pwrite(fd, "x", 1, 0) == 1);
	close(fd);
	kv = store_open(NULL, ERR_OK);
	check_store(kv, none, r.sent, versions);
	/* Closed, all of it is in tables. */
	run_begin(&r, kv, versions);
	run_commits(&r, 12, 1, 3);
	kv_close(kv);
	logs_delete();
	kv = store_open(NULL, ERR_OK);
	check_store(kv, r.acked, r.acked, versions);
	/* But not when it was only killed. */
	rocks_abandon(kv);
	logs_delete();
	CHECK(store_open(NULL, ERR_CORRUPT) == NULL);
}

/* ---- tables, blob files, manifest are damaged */

/*
 * In a process of its own, so that one that ends by a signal is noticed: 0 all right, 2 something
 * was told, else wrong.
 */
static int
damaged_child(char **versions)
{
	struct kv_options o = options();
	uint64_t links[CONTENTS] = { 0 };
	struct kv *kv = NULL;
	enum err e = kv_rocks_open(&o, &kv, NULL);

	if (e != ERR_OK)
		return e == ERR_CORRUPT || e == ERR_IO ? 2 : 1;
	may_be_damaged = true;
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		uint64_t v = strtoull(versions[i], NULL, 10), found = 0;

		e = kv_versions(kv, &(struct account_id){ i + 1 }, 1, &found);
		if (!is_told(e))
			CHECK_U64(found, v);
		check_account(kv, i, v);
		for (uint64_t k = v > KEEP ? v - KEEP + 1 : 1; k <= v; k++)
			links[content_of(i, k)]++;
	}
	for (unsigned c = 0; c < CONTENTS; c++)
		check_content(kv, c, links[c]);
	rocks_abandon(kv);
	return test_failures > 0 ? 1 : told_errors > 0 ? 2 : 0;
}

static int
damaged_look(const uint64_t versions[ACCOUNTS])
{
	char numbers[ACCOUNTS][24];
	int status = 0;
	pid_t pid;

	for (unsigned i = 0; i < ACCOUNTS; i++)
		snprintf(numbers[i], sizeof(numbers[i]), "%llu", (unsigned long long)versions[i]);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "rocks_crash_test", "--damaged", dir, numbers[0],
		    numbers[1], numbers[2], (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Those that hold what was stored; the others RocksDB makes anew, or only reads for people. */
static bool
holds_data(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return strstr(name, ".sst") != NULL || strstr(name, ".blob") != NULL
	    || strncmp(name, "MANIFEST", 8) == 0;
}

enum { END_BYTES = 1500 };

/* One byte of a file that was closed well: an error or the right answer, never a wrong one. */
static void
test_files_damaged(void)
{
	uint64_t versions[ACCOUNTS] = { 0 }, tried = 0, seen = 0, random = first_seed;
	static struct kept kept[200];
	struct kv *kv;
	struct run r;
	size_t count;

	dir_empty(dir);
	kv = store_open(NULL, ERR_OK);
	run_begin(&r, kv, versions);
	run_commits(&r, 60, 4, 5);
	kv_close(kv);
	count = dir_keep(dir, kept, ARRAY_LEN(kept));
	CHECK_U64(damaged_look(r.acked), 0);
	for (uint64_t i = 0; i < rounds * 4 && test_failures < 20; i++) {
		struct kept *k;
		size_t at;
		int status;

		do
			k = &kept[(random = hash_u64(random + 1)) % count];
		while (!holds_data(k->path) || k->data.n == 0);
		at = (random >> 20) % k->data.n;
		/* Every other one at the end, where is written how the file is to be read. */
		if (i % 2 != 0)
			at = k->data.n - 1 - at % MIN(k->data.n, (size_t)END_BYTES);
		dir_restore(dir, kept, count);
		((char *)k->data.p)[at] ^= (char)(1 << (random >> 50) % 8);
		file_put(k->path, k->data);
		((char *)k->data.p)[at] ^= (char)(1 << (random >> 50) % 8);
		status = damaged_look(r.acked);
		tried++;
		seen += status == 2;
		if (!CHECK(status == 0 || status == 2))
			printf("# byte %zu of %zu of %s: %d\n", at, k->data.n,
			    strrchr(k->path, '/') + 1, status);
	}
	printf(
	    "# %llu of %llu flipped bits were noticed by reading everything; the others changed nothing\n",
	    (unsigned long long)seen, (unsigned long long)tried);
	kept_free(kept, count);
}

/* ---- opening */

static void
test_in_use(void)
{
	struct kv_options o = options();
	struct kv *kv, *other = NULL;

	dir_empty(dir);
	kv = store_open(NULL, ERR_OK);
	CHECK_U64(kv_rocks_open(&o, &other, NULL), ERR_INUSE);
	o.read_only = true;
	CHECK_U64(kv_rocks_open(&o, &other, NULL), ERR_INUSE);
	kv_close(kv);
	CHECK_U64(kv_rocks_open(&o, &kv, NULL), ERR_OK);
	CHECK_U64(kv_rocks_open(&o, &other, NULL), ERR_OK);
	kv_close(kv);
	kv_close(other);
}

static void
test_read_only(void)
{
	uint64_t versions[ACCOUNTS] = { 0 };
	struct kv_options o = options();
	struct kv *kv;
	struct run r;

	dir_empty(dir);
	kv = store_open(NULL, ERR_OK);
	run_begin(&r, kv, versions);
	run_commits(&r, 40, 4, 9);
	rocks_abandon(kv);
	o.read_only = true;
	kv = NULL;
	CHECK_U64(kv_rocks_open(&o, &kv, NULL), ERR_OK);
	for (unsigned i = 0; kv != NULL && i < ACCOUNTS; i++)
		check_account(kv, i, r.acked[i]);
	kv_close(kv);
	kv = store_open(NULL, ERR_OK);
	check_store(kv, r.acked, r.sent, versions);
	kv_close(kv);
}

static void
test_checkpoint(void)
{
	uint64_t versions[ACCOUNTS] = { 0 };
	char live[sizeof(dir)], copy[sizeof(dir)];
	struct kv *kv;
	struct run r;

	dir_empty(dir);
	memcpy(live, dir, sizeof(live));
	snprintf(copy, sizeof(copy), "%.*s-copy", (int)sizeof(dir) - 8, dir);
	kv = store_open(NULL, ERR_OK);
	run_begin(&r, kv, versions);
	run_commits(&r, 60, 4, 3);
	CHECK_U64(kv_checkpoint(kv, copy), ERR_OK);
	memcpy(versions, r.acked, sizeof(versions));
	run_commits(&r, 60, 4, 4);
	kv_close(kv);
	memcpy(dir, copy, sizeof(dir));
	kv = store_open(NULL, ERR_OK);
	if (kv != NULL) {
		check_store(kv, versions, versions, versions);
		kv_close(kv);
	}
	dir_remove(dir);
	memcpy(dir, live, sizeof(dir));
}

static uint64_t
dir_bytes(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	uint64_t bytes = 0;

	while ((entry = readdir(d)) != NULL) {
		struct stat st;

		if (fstatat(dirfd(d), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_size;
	}
	closedir(d);
	return bytes;
}

#define SPACE_BYTES 150000u
#define SPACE_MESSAGES 700u

/* A link to the i-th of many messages, or one less; its bytes can't be compressed. */
static void
space_link(struct kv *kv, struct kv_txn *t, unsigned i, bool is_link)
{
	char *p = xmalloc(SPACE_BYTES);
	struct kv_stage *s = kv_stage_new(kv);
	struct blob_id id;
	uint64_t length;
	size_t taken;

	for (unsigned j = 0; j + 8 <= SPACE_BYTES; j += 8)
		put_le64(p + j, hash_u64(i * 1000000ull + j));
	CHECK_U64(kv_stage_write(s, str_make(p, SPACE_BYTES), &taken, NULL), ERR_OK);
	CHECK_U64(taken, SPACE_BYTES);
	CHECK_U64(kv_stage_seal(s, &id, &length), ERR_OK);
	if (is_link)
		kv_link(t, &id, 1, s);
	else
		kv_unlink(t, &id, 1);
	kv_stage_unref(s);
	free(p);
}

/*
 * The room that deleted messages took comes back: in files, not only in rows. One of eight stays,
 * spread over all.
 */
static void
test_space_comes_back(void)
{
	uint64_t before = 0, after = UINT64_MAX, swept;
	struct kv *kv;

	dir_empty(dir);
	kv = store_open(NULL, ERR_OK);
	for (unsigned i = 0; i < 2 * SPACE_MESSAGES; i++) {
		struct kv_txn *t = kv_txn_new(kv, (struct account_id){ 1 }, i, i + 1);

		if (i < SPACE_MESSAGES)
			space_link(kv, t, i, true);
		else if (i % 8 != 0)
			space_link(kv, t, i - SPACE_MESSAGES, false);
		CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
		if (i == SPACE_MESSAGES)
			before = dir_bytes();
	}
	CHECK(before > (uint64_t)SPACE_MESSAGES * SPACE_BYTES);
	CHECK_U64(kv_blob_sweep(kv, 0, &swept), ERR_OK);
	/* work in the background: there is no event for it */
	for (unsigned i = 0; i < 3000 && after > before / 3; i++) {
		usleep(10000);
		after = dir_bytes();
	}
	printf("# %llu MB, of which %llu deleted: then %llu MB\n", (unsigned long long)before >> 20,
	    (unsigned long long)swept >> 20, (unsigned long long)after >> 20);
	CHECK(after <= before / 3);
	kv_close(kv);
}

static void
test_full_disk(void)
{
	struct kv_options o = options();
	struct kv_txn *t;
	struct kv *kv = NULL;

	dir_empty(dir);
	o.soft_floor_bytes = o.hard_floor_bytes = UINT64_MAX;
	CHECK_U64(kv_rocks_open(&o, &kv, NULL), ERR_OK);
	CHECK(kv_space(kv) == KV_SPACE_HARD);
	t = kv_txn_new(kv, (struct account_id){ 1 }, 0, 1);
	kv_put(t, KV_ROW, STR("a"), STR("1"));
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_FULL);
	t = kv_txn_new(kv, (struct account_id){ 1 }, 0, 1);
	kv_del(t, KV_ROW, STR("a"));
	kv_txn_set_deletes(t);
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	kv_close(kv);
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		TEST(test_in_use),
		TEST(test_read_only),
		TEST(test_checkpoint),
		TEST(test_full_disk),
		TEST(test_space_comes_back),
		TEST(test_failure_is_final),
		TEST(test_first_failure_is_last),
		TEST(test_engine_knows_before_anybody_is_refused),
		TEST(test_failing_open),
		TEST(test_power_cut),
		TEST(test_failing_once),
		TEST(test_kill),
		TEST(test_log_damaged),
		TEST(test_newest_log_gone),
		TEST(test_files_damaged),
	};
	size_t cases_from = 0, cases_count = ARRAY_LEN(cases);
	int status;

	if (argc == 4 && strcmp(argv[1], "--killed") == 0) {
		snprintf(dir, sizeof(dir), "%s", argv[2]);
		return killed_child(strtoull(argv[3], NULL, 10));
	}
	if (argc == 6 && strcmp(argv[1], "--round") == 0) {
		snprintf(dir, sizeof(dir), "%s", argv[2]);
		fault_round(strtoull(argv[3], NULL, 10), atoi(argv[4]) != 0, atoi(argv[5]) != 0);
		fflush(stdout);
		return test_failures > 0 ? 1 : 0;
	}
	if (argc == 6 && strcmp(argv[1], "--damaged") == 0) {
		snprintf(dir, sizeof(dir), "%s", argv[2]);
		return damaged_child(argv + 3);
	}
	if (argc > 1)
		rounds = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		first_seed = strtoull(argv[2], NULL, 10);
	if (argc > 3) /* only one of them */
		cases_from = strtoul(argv[3], NULL, 10), cases_count = 1;
	/* In memory when there is such a place: nothing here depends on the disk. */
	snprintf(dir, sizeof(dir), "%s/kv-crash-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(dir) != NULL);
	status = test_run(cases + cases_from, cases_count);
	dir_remove(dir);
	return status;
}

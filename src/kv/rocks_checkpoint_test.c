/* rocks_checkpoint_test.c - copies of a store that is being written: each is whole up to a moment. */
#include "base/bytes.h"
#include "base/hash.h"
#include "base/size.h"
#include "base/test.h"
#include "kv/kept.h"
#include "kv/kv.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKPOINTS = 30, VALUE_BYTES = 48 * 1024 };

static const struct account_id account = { 1 };
static char dir[] = "/tmp/kv-checkpoint-XXXXXX";
static char copy[sizeof(dir) + 8];

static struct kv *
store_open(const char *path)
{
	struct kv_options o = { .dir = path };
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	struct kv *kv = NULL;

	if (kv_rocks_open(&o, &kv, &detail) != ERR_OK)
		printf("# %.*s\n", STR_F(buf_str(&detail)));
	return kv;
}

/* The row of each version has bytes of its own. */
static void
row_make(uint64_t version, char key[8], char value[VALUE_BYTES])
{
	put_be64(key, version);
	for (size_t at = 0; at < VALUE_BYTES; at += 8)
		put_le64(value + at, hash_u64(version * VALUE_BYTES + at));
}

static void
row_put(struct kv *kv, uint64_t version, size_t bytes)
{
	char key[8], value[VALUE_BYTES];
	struct kv_txn *t = kv_txn_new(kv, account, version - 1, version);

	row_make(version, key, value);
	kv_put(t, KV_LOG, str_make(key, sizeof(key)), str_make(value, bytes));
	CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
}

/* ---- who writes while a checkpoint looks at the log, and while it copies it ---- */

static struct {
	struct kv *kv; /* NULL: nobody writes */
	uint64_t version;
	unsigned looks, sizes, copies; /* reads of a log before its size is seen; and behind that */
} meanwhile;

static bool
is_live_log(const char *path)
{
	size_t n = strlen(path);

	return meanwhile.kv != NULL && n > 4 && strcmp(path + n - 4, ".log") == 0
	    && strncmp(path, dir, strlen(dir)) == 0 && path[strlen(dir)] == '/';
}

/* Small: the room behind the log is larger. */
static void
meanwhile_put(unsigned rows)
{
	for (unsigned i = 0; i < rows; i++)
		row_put(meanwhile.kv, ++meanwhile.version, 3000);
}

/* What the engine's library calls. */
int file_size(const char *path, struct stat *out) __asm__("stat");
size_t file_read(void *to, size_t size, size_t n, FILE *file) __asm__("fread_unlocked");

int
file_size(const char *path, struct stat *out)
{
	if (is_live_log(path))
		meanwhile.sizes++;
	return fstatat(AT_FDCWD, path, out, 0);
}

size_t
file_read(void *to, size_t size, size_t n, FILE *file)
{
	char link[64], path[256];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fileno(file));
	length = readlink(link, path, sizeof(path) - 1);
	path[MAX(length, 0)] = '\0';
	if (is_live_log(path)) {
		if (meanwhile.looks++ == 0)
			meanwhile_put(3); /* into the log that will be copied */
		else if (meanwhile.sizes > 0 && ++meanwhile.copies < 64)
			meanwhile_put(1); /* less than is read, so that the copy overtakes it */
	}
	return fread(to, size, n, file);
}

/*
 * Into the room behind what is written others write while it is copied: what came later would be in
 * the copy, and what came before it not.
 */
static void
test_log_goes_on_while_it_is_copied(void)
{
	struct kv *kv = store_open(dir);
	uint64_t version = 0;

	must(kv != NULL);
	meanwhile.kv = kv;
	meanwhile_put(3);
	CHECK_U64(kv_checkpoint(kv, copy), ERR_OK);
	meanwhile.kv = NULL;
	CHECK(meanwhile.sizes > 0 && meanwhile.copies > 0);
	kv_close(kv);
	kv = store_open(copy);
	CHECK(kv != NULL);
	if (kv != NULL) {
		CHECK_U64(kv_versions(kv, &account, 1, &version), ERR_OK);
		CHECK_U64(version, 6);
		kv_close(kv);
	}
	dir_remove(copy);
	dir_remove(dir);
}

/* ---- while somebody writes */

struct writer {
	struct kv *kv;
	atomic_bool ends;
	atomic_uint_fast64_t version; /* acknowledged */
};

static void *
writer_run(void *arg)
{
	struct writer *w = arg;

	for (uint64_t version = 1; !atomic_load(&w->ends); version++) {
		row_put(w->kv, version, VALUE_BYTES);
		atomic_store(&w->version, version);
	}
	return NULL;
}

static void
copy_check(uint64_t acknowledged)
{
	struct kv *kv = store_open(copy);
	uint64_t version = 0;

	CHECK(kv != NULL);
	if (kv == NULL)
		return;
	CHECK_U64(kv_versions(kv, &account, 1, &version), ERR_OK);
	CHECK(version >= acknowledged);
	kv_close(kv);
}

/* Each is opened, which refuses a log with a hole in it, and has what was acknowledged before it was made. */
static void
test_while_writing(void)
{
	struct writer w = { .kv = store_open(dir) };
	pthread_t thread;

	must(w.kv != NULL);
	must(pthread_create(&thread, NULL, writer_run, &w) == 0);
	for (unsigned i = 0; i < CHECKPOINTS; i++) {
		uint64_t acknowledged = atomic_load(&w.version);

		CHECK_U64(kv_checkpoint(w.kv, copy), ERR_OK);
		copy_check(acknowledged);
		dir_remove(copy);
	}
	atomic_store(&w.ends, true);
	pthread_join(thread, NULL);
	printf("# %u copies while %llu rows were written\n", (unsigned)CHECKPOINTS,
	    (unsigned long long)atomic_load(&w.version));
	kv_close(w.kv);
	dir_remove(dir);
}

int
main(void)
{
	static const struct test_case cases[] = { TEST(test_log_goes_on_while_it_is_copied),
		TEST(test_while_writing) };

	must(mkdtemp(dir) != NULL);
	snprintf(copy, sizeof(copy), "%s-copy", dir);
	return test_run(cases, ARRAY_LEN(cases));
}

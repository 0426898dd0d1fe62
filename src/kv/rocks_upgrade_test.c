/*
 * rocks_upgrade_test.c - newer data is left alone, older data is upgraded, and the power may go at
 * any operation of that.
 *
 *     rocks_upgrade_test [N]      the power goes at each N-th operation; 5
 */
#include "base/bytes.h"
#include "base/test.h"
#include "kv/rocks_fault.h"
#include "kv/rocks_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROWS = 100, ROWS_A_BATCH = 25 };

static char dir[64];
static unsigned each = 5;

static void
merge(unused_arg struct str base, unused_arg const struct str *operands, unused_arg size_t count,
    unused_arg struct buf *out)
{
}

static struct kv_options
options(const char *where)
{
	struct kv_options o = { .dir = where };

	for (unsigned i = 0; i < KV_KINDS; i++)
		o.merge[i] = merge;
	return o;
}

static void
dir_make(void)
{
	/* In memory when there is such a place: nothing here depends on the disk. */
	snprintf(dir, sizeof(dir), "%s/kv-upgrade.XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(dir) != NULL);
}

static void
dir_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	CHECK(system(command) == 0);
}

/* ---- an upgrade: all rows begin with "1", then with "2", then with "3" */

static enum err
rewrite(struct rocks *r, char from, char to)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, o, r->cf[KV_ROW]);
	enum err e = ERR_OK;
	unsigned n = 0;

	for (rocksdb_iter_seek_to_first(it); e == ERR_OK && rocksdb_iter_valid(it);
	     rocksdb_iter_next(it)) {
		size_t key_n, value_n;
		const char *key = rocksdb_iter_key(it, &key_n),
			   *value = rocksdb_iter_value(it, &value_n);

		if (value_n != 1 || *value != from)
			continue;
		rocksdb_writebatch_put_cf(r->batch, r->cf[KV_ROW], key, key_n, &to, 1);
		if (++n % ROWS_A_BATCH == 0)
			e = rocks_batch_write(r, n % 3 == 0);
	}
	if (e == ERR_OK)
		e = rocks_batch_write(r, false);
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	return e;
}

static enum err
one_to_two(struct rocks *r)
{
	return rewrite(r, '1', '2');
}

static enum err
two_to_three(struct rocks *r)
{
	return rewrite(r, '2', '3');
}

static const struct rocks_upgrade steps[] = { { "ones", one_to_two }, { "twos", two_to_three } };
static const struct rocks_formats first = { steps, 1 }, third = { steps, 3 };

/* The character that all rows have; 0: they differ. */
static char
rows_have(struct kv *kv)
{
	struct rocks *r = rocks_of(kv);
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, o, r->cf[KV_ROW]);
	unsigned n = 0;
	char have = 0;

	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it), n++) {
		size_t value_n;
		char c = *rocksdb_iter_value(it, &value_n);

		if (n > 0 && c != have)
			n = ROWS;
		have = c;
	}
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	return n == ROWS ? have : 0;
}

static void
make_first(void *env)
{
	struct kv_options o = options(dir);
	struct kv *kv;

	CHECK(rocks_open_formats(&o, env, first, &kv, NULL) == ERR_OK);
	for (unsigned i = 0; i < ROWS; i++) {
		struct rocks *r = rocks_of(kv);
		char key[8];

		put_le64(key, i);
		rocksdb_writebatch_put_cf(r->batch, r->cf[KV_ROW], key, sizeof(key), "1", 1);
		if (i % 50 == 49) {
			/* The committer looks at the same fields when it has nothing to do. */
			pthread_mutex_lock(&r->lock);
			CHECK(rocks_batch_write(r, true) == ERR_OK);
			pthread_mutex_unlock(&r->lock);
		}
	}
	kv_close(kv);
}

static void
test_upgrades(void)
{
	struct kv_options o;
	struct kv *kv;

	dir_make();
	make_first(NULL);
	o = options(dir);
	for (int i = 0; i < 2; i++) { /* the second time there is nothing to do */
		CHECK(rocks_open_formats(&o, NULL, third, &kv, NULL) == ERR_OK);
		CHECK(rows_have(kv) == '3');
		kv_close(kv);
	}
	CHECK(rocks_open_formats(&o, NULL, first, &kv, NULL) == ERR_NEWER);
	dir_remove();
}

/* A reader that writes nothing needs no upgrade, and makes none. */
static void
test_reads_older(void)
{
	struct kv_options o;
	struct kv *kv;

	dir_make();
	make_first(NULL);
	o = options(dir);
	o.read_only = true;
	CHECK(rocks_open_formats(&o, NULL, third, &kv, NULL) == ERR_OK);
	CHECK(rows_have(kv) == '1');
	kv_close(kv);
	o.read_only = false;
	CHECK(rocks_open_formats(&o, NULL, first, &kv, NULL) == ERR_OK);
	kv_close(kv);
	dir_remove();
}

/*
 * It is refused before the engine is opened, by the file; and by the row where the file does not
 * say.
 */
static void
test_newer_is_refused(void)
{
	BUF_CLEAN struct buf detail = BUF_MAX(1024), path = BUF_MAX(128);
	struct kv_options o;
	struct kv *kv;
	int fd;

	dir_make();
	make_first(NULL);
	o = options(dir);
	CHECK(rocks_open_formats(&o, NULL, third, &kv, NULL) == ERR_OK);
	kv_close(kv);
	CHECK(rocks_open_formats(&o, NULL, first, &kv, &detail) == ERR_NEWER);
	CHECK_STR(buf_str(&detail),
	    STR("The data is of format 3, written by a newer version of this program, which knows formats up to 1."));
	buf_clear(&detail);
	buf_printf(&path, "%s/lock", dir);
	buf_chr(&path, '\0');
	fd = open(path.p, O_RDWR | O_TRUNC | O_CLOEXEC);
	CHECK(fd >= 0);
	close(fd);
	CHECK(rocks_open_formats(&o, NULL, first, &kv, &detail) == ERR_NEWER);
	CHECK_STR(buf_str(&detail),
	    STR("The data was written by a newer version of this program."));
	/* Nothing was done to it. */
	CHECK(rocks_open_formats(&o, NULL, third, &kv, NULL) == ERR_OK);
	CHECK(rows_have(kv) == '3');
	kv_close(kv);
	dir_remove();
}

/*
 * The n-th operation of the upgrade fails, and all after it, then the power goes; until n is so
 * high that none fails.
 */
static void
test_interrupted(void)
{
	bool is_over = false;
	unsigned n, cuts = 0;

	for (n = 1; !is_over; n += each) {
		struct rocks_fault *f = rocks_fault_new();
		struct kv_options o;
		struct kv *kv = NULL;
		enum err e;

		dir_make();
		o = options(dir);
		make_first(rocks_fault_env(f));
		rocks_fault_cut(f, LOSS_ALL, n);
		rocks_fault_fail_at(f, n, true);
		e = rocks_open_formats(&o, rocks_fault_env(f), third, &kv, NULL);
		is_over = !rocks_fault_has_failed(f);
		cuts += !is_over;
		CHECK(e == ERR_OK || !is_over);
		if (e == ERR_OK)
			rocks_abandon(kv);
		rocks_fault_fail_at(f, 0, false);
		rocks_fault_cut(f, (enum rocks_loss)(n % LOSS_KINDS), n);
		/* An older program sees it as it was, or not at all. */
		e = rocks_open_formats(&o, rocks_fault_env(f), first, &kv, NULL);
		CHECK(e == ERR_OK || e == ERR_NEWER);
		if (e == ERR_OK) {
			CHECK(rows_have(kv) == '1');
			kv_close(kv);
		}
		CHECK(rocks_open_formats(&o, rocks_fault_env(f), third, &kv, NULL) == ERR_OK);
		CHECK(rows_have(kv) == '3');
		kv_close(kv);
		CHECK(rocks_open_formats(&o, rocks_fault_env(f), first, &kv, NULL) == ERR_NEWER);
		rocks_fault_free(f);
		dir_remove();
	}
	printf("# the upgrade was cut at %u of its operations\n", cuts);
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { TEST(test_upgrades), TEST(test_reads_older),
		TEST(test_newer_is_refused), TEST(test_interrupted) };
	uint32_t n;

	if (argc > 1 && str_to_u32(str_c(argv[1]), &n) && n > 0)
		each = n;
	return test_run(cases, ARRAY_LEN(cases));
}

/*
 * rocks_mark_test.c - a store that has gone back to an earlier state of itself is refused: its log
 * or its list of files cut at the end of any record, exchanged for an older copy, deleted. And none
 * is refused that has not: the mark may be of any earlier time.
 *
 * The scenario: version n of an account puts a row n.
 */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/test.h"
#include "kv/kept.h"
#include "kv/rocks_int.h"
#include "kv/rocks_mark.h"

#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#define FILES_MAX 200u
#define BLOCK_BYTES 32768u
#define HEAD_BYTES 7u
#define ROW_BYTES 3000u

static char dir[64];
static const struct account_id account = { 1 };

static struct kv *
store_try(enum err *e_out, struct buf *detail)
{
	struct kv_options o = { .dir = dir,
		.write_buffer_bytes = 512 * 1024,
		.cache_bytes = 2u << 20,
		.soft_floor_bytes = 1,
		.hard_floor_bytes = 1 };
	struct kv *kv = NULL;

	*e_out = kv_rocks_open(&o, &kv, detail);
	return kv;
}

static struct kv *
store_open(void)
{
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	enum err e;
	struct kv *kv = store_try(&e, &detail);

	if (kv == NULL)
		printf("# %.*s\n", STR_F(buf_str(&detail)));
	must(kv != NULL);
	return kv;
}

static uint64_t
store_version(struct kv *kv)
{
	uint64_t version = 0;

	CHECK_U64(kv_versions(kv, &account, 1, &version), ERR_OK);
	return version;
}

/* What row n holds can't be compressed. */
static void
row_make(uint64_t n, char bytes[ROW_BYTES])
{
	for (unsigned i = 0; i < ROW_BYTES; i += 8)
		put_le64(bytes + i, hash_u64(n * 10007 + i));
}

/* In two families, so that they are not flushed together. */
static void
store_write(struct kv *kv, unsigned count)
{
	uint64_t version = store_version(kv);
	char bytes[ROW_BYTES], key[8];

	for (uint64_t end = version + count; version < end; version++) {
		struct kv_txn *t = kv_txn_new(kv, account, version, version + 1);

		put_be64(key, version + 1);
		row_make(version + 1, bytes);
		kv_put(t, KV_ROW, str_make(key, sizeof(key)), str_make(bytes, 64));
		kv_put(t, KV_LOG, str_make(key, sizeof(key)), str_make(bytes, ROW_BYTES));
		CHECK_U64(kv_commit_now(kv, &t, 1), ERR_OK);
	}
}

struct answer {
	sem_t come;
	enum err e;
	struct kv_rows *rows;
};

static void
answered(void *ctx, enum err e, struct kv_rows *rows)
{
	struct answer *a = ctx;

	a->e = e;
	a->rows = rows;
	sem_post(&a->come);
}

static enum err
load_wait(struct kv *kv, const struct kv_range *ranges, size_t count, struct kv_rows **rows_out)
{
	struct answer a = { .rows = NULL };
	enum err e;

	sem_init(&a.come, 0, 0);
	e = kv_load(kv, account, ranges, count, rows_out, answered, &a);
	if (e == ERR_WAIT) {
		while (sem_wait(&a.come) != 0)
			;
		*rows_out = a.rows;
		e = a.e;
	}
	sem_destroy(&a.come);
	return e;
}

/* All rows of its version are there, or what is not is told. */
static bool
store_is_right(struct kv *kv, uint64_t version, bool *is_told_out)
{
	char bytes[ROW_BYTES], key[8];
	bool is_right = true;

	*is_told_out = false;
	for (uint64_t n = 1; n <= version && is_right; n++) {
		struct str from;
		struct kv_rows *rows = NULL;
		struct kv_range ranges[2];
		enum err e;

		put_be64(key, n);
		from = str_make(key, sizeof(key));
		ranges[0] = (struct kv_range){ .kind = KV_ROW, .from = from, .is_exact = true };
		ranges[1] = (struct kv_range){ .kind = KV_LOG, .from = from, .is_exact = true };
		row_make(n, bytes);
		e = load_wait(kv, ranges, 2, &rows);
		*is_told_out = *is_told_out || e == ERR_CORRUPT;
		is_right = e == ERR_CORRUPT
		    || (e == ERR_OK && rows->ranges[0].count == 1 && rows->ranges[1].count == 1
			&& str_eq(rows->ranges[0].rows[0].value, str_make(bytes, 64))
			&& str_eq(rows->ranges[1].rows[0].value, str_make(bytes, ROW_BYTES)));
		kv_rows_free(rows);
	}
	return is_right;
}

/* ---- files */

static char *
path_of(const char *name)
{
	static char path[sizeof(dir) + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static const char *
name_of(const struct kept *k)
{
	return strrchr(k->path, '/') + 1;
}

static bool
is_log(const struct kept *k)
{
	return strstr(name_of(k), ".log") != NULL;
}

static bool
is_list(const struct kept *k)
{
	return rocks_list_number(name_of(k)) != 0;
}

/* Where the record ends that begins there; 0: there is none. */
static size_t
record_end(struct str file, size_t at)
{
	if (BLOCK_BYTES - at % BLOCK_BYTES < HEAD_BYTES)
		at += BLOCK_BYTES - at % BLOCK_BYTES;
	if (at + HEAD_BYTES > file.n || file.p[at + 6] == 0)
		return 0;
	return at + HEAD_BYTES + get_le16(file.p + at + 4);
}

/* ---- cuts */

struct tally {
	unsigned cuts, refused, told, whole;
};

/*
 * The store as it was kept, with that change to it: refused, or everything is there or told. Never
 * less.
 */
static void
judge(struct tally *tally, uint64_t version, const char *what, size_t at)
{
	BUF_CLEAN struct buf detail = BUF_MAX(1000);
	bool is_told = false;
	enum err e;
	struct kv *kv = store_try(&e, &detail);

	tally->cuts++;
	if (kv == NULL) {
		CHECK(e == ERR_CORRUPT || e == ERR_IO);
		tally->refused++;
		return;
	}
	if (!CHECK_U64(store_version(kv), version) || !CHECK(store_is_right(kv, version, &is_told)))
		printf("# %s at %zu\n", what, at);
	if (is_told)
		tally->told++;
	else
		tally->whole++;
	rocks_abandon(kv);
}

/* At the end of every stride-th record: the rest is not there, or is zero. */
static void
cut_records(const struct kept *kept, size_t count, size_t which, unsigned stride, uint64_t version,
    struct tally *tally)
{
	struct str file = kept[which].data;
	size_t at = 0;

	for (unsigned n = 0; at < file.n && test_failures < 10; n++) {
		size_t end = record_end(file, at);

		if (n % stride == 0) {
			char *zeroed = xcalloc(1, file.n);

			dir_restore(dir, kept, count);
			file_put(kept[which].path, str_sub(file, 0, at));
			judge(tally, version, name_of(&kept[which]), at);
			memcpy(zeroed, file.p, at);
			dir_restore(dir, kept, count);
			file_put(kept[which].path, str_make(zeroed, file.n));
			judge(tally, version, name_of(&kept[which]), at);
			free(zeroed);
		}
		if (end == 0 || end >= file.n)
			break;
		at = end;
	}
}

static void
cut_all(unsigned stride, uint64_t version, struct tally *logs, struct tally *lists)
{
	static struct kept kept[FILES_MAX];
	size_t count = dir_keep(dir, kept, FILES_MAX);

	for (size_t i = 0; i < count; i++) {
		if (!is_log(&kept[i]) && !is_list(&kept[i]))
			continue;
		cut_records(kept, count, i, is_log(&kept[i]) ? stride : 1, version,
		    is_log(&kept[i]) ? logs : lists);
		dir_restore(dir, kept, count);
		unlink(kept[i].path);
		judge(is_log(&kept[i]) ? logs : lists, version, name_of(&kept[i]), 0);
	}
	dir_restore(dir, kept, count);
	kept_free(kept, count);
}

static void
tally_print(const char *what, const struct tally *t)
{
	printf("# %s: %u cuts, %u refused, %u told by what reads, %u took nothing away\n", what,
	    t->cuts, t->refused, t->told, t->whole);
}

/* Killed: every record of the log is needed. */
static void
test_log_cut(void)
{
	struct tally logs = { 0 }, lists = { 0 };
	static struct kept kept[FILES_MAX];
	struct kv *kv;
	size_t count;

	dir_empty(dir);
	kv = store_open();
	store_write(kv, 20);
	rocks_abandon(kv);
	cut_all(1, 20, &logs, &lists);
	CHECK(logs.cuts > 40 && logs.whole == 0);
	tally_print("log", &logs);
	/* It is the mark that finds them: without it the store is what it was earlier. */
	count = dir_keep(dir, kept, FILES_MAX);
	for (size_t i = 0; i < count; i++)
		if (is_log(&kept[i]))
			file_put(kept[i].path,
			    str_sub(kept[i].data, 0, record_end(kept[i].data, 0)));
	kept_free(kept, count);
	unlink(path_of(MARK_NAME));
	kv = store_open();
	CHECK(store_version(kv) < 20);
	rocks_abandon(kv);
}

/* Logs of several starts, of which none has been made into tables. */
static void
test_older_logs_cut(void)
{
	struct tally logs = { 0 }, lists = { 0 };
	struct kv *kv;

	dir_empty(dir);
	for (unsigned i = 0; i < 3; i++) {
		kv = store_open();
		store_write(kv, 5);
		rocks_abandon(kv);
	}
	cut_all(1, 15, &logs, &lists);
	CHECK(logs.cuts > 30 && logs.whole == 0);
	tally_print("logs of three starts", &logs);
}

/* Some families have gone into tables, and the log goes on. */
static void
test_cut_beside_tables(void)
{
	struct tally logs = { 0 }, lists = { 0 };
	struct kv *kv;

	dir_empty(dir);
	kv = store_open();
	store_write(kv, 700);
	rocks_abandon(kv);
	cut_all(29, 700, &logs, &lists);
	CHECK(logs.refused > 0);
	CHECK(lists.refused > 0);
	tally_print("logs beside tables", &logs);
	tally_print("list of files", &lists);
}

/* Closed: all is in tables, and the list of files is what matters. */
static void
test_closed_and_cut(void)
{
	struct tally logs = { 0 }, lists = { 0 };
	struct kv *kv;

	dir_empty(dir);
	kv = store_open();
	store_write(kv, 300);
	kv_close(kv);
	cut_all(1, 300, &logs, &lists);
	CHECK(logs.refused == 0);
	CHECK(lists.cuts > 10 && lists.whole == 0);
	tally_print("log of a closed store", &logs);
	tally_print("its list of files", &lists);
}

static void
test_current_gone(void)
{
	struct tally tally = { 0 };
	struct kv *kv;

	dir_empty(dir);
	kv = store_open();
	store_write(kv, 10);
	kv_close(kv);
	unlink(path_of("CURRENT"));
	judge(&tally, 10, "CURRENT", 0);
	CHECK_U64(tally.refused, 1);
	/* But a first start that was stopped is begun again. */
	dir_empty(dir);
	file_put(path_of("MANIFEST-000001"), STR(""));
	kv = store_open();
	store_write(kv, 10);
	kv_close(kv);
}

/* ---- no false alarms */

/* The power went while an edit was added to the list of files: of that only a part is there. */
static void
test_list_torn(void)
{
	struct tally torn = { 0 }, flipped = { 0 };
	static struct kept kept[FILES_MAX];
	char edit[1000];
	struct kv *kv;
	size_t count, which = 0;

	dir_empty(dir);
	kv = store_open();
	store_write(kv, 300);
	rocks_abandon(kv);
	memset(edit, 'e', sizeof(edit));
	put_le16(edit + 4, sizeof(edit) - HEAD_BYTES);
	edit[6] = 1;
	count = dir_keep(dir, kept, FILES_MAX);
	while (which < count && !is_list(&kept[which]))
		which++;
	must(which < count);
	for (size_t n = 1; n <= sizeof(edit); n += 37) {
		BUF_CLEAN struct buf list = BUF_MAX(1 << 20);

		buf_str_add(&list, kept[which].data);
		buf_add(&list, edit, n);
		dir_restore(dir, kept, count);
		file_put(kept[which].path, buf_str(&list));
		judge(&torn, 300, "a torn edit of", n);
	}
	CHECK_U64(torn.whole, torn.cuts);
	tally_print("torn lists", &torn);
	/* What was synced is no such end. */
	for (size_t n = 1; n <= 200; n++) {
		char *byte = (char *)kept[which].data.p + kept[which].data.n - n;

		dir_restore(dir, kept, count);
		*byte ^= 4;
		file_put(kept[which].path, kept[which].data);
		*byte ^= 4;
		judge(&flipped, 300, "a flipped bit before the end of", n);
	}
	CHECK_U64(flipped.refused, flipped.cuts);
	tally_print("lists with a flipped bit", &flipped);
	kept_free(kept, count);
}

/* The power went: the mark is an older one, or only its beginning is new, or it is gone. */
static void
test_older_marks(void)
{
	struct tally tally = { 0 };
	struct str marks[40];
	size_t n = 0;
	struct kv *kv;

	dir_empty(dir);
	for (unsigned start = 0; start < 4; start++) {
		kv = store_open();
		for (unsigned i = 0; i < 5; i++) {
			store_write(kv, start == 2 ? 40 : 1);
			marks[n++] = file_get(path_of(MARK_NAME));
		}
		if (start == 1)
			kv_close(kv);
		else
			rocks_abandon(kv);
		marks[n++] = file_get(path_of(MARK_NAME));
	}
	for (size_t i = 0; i < n; i++) {
		static struct kept kept[FILES_MAX];
		size_t count = dir_keep(dir, kept, FILES_MAX);
		struct str mark = marks[i];

		file_put(path_of(MARK_NAME), mark);
		judge(&tally, 215, "an older mark", i);
		dir_restore(dir, kept, count);
		file_put(path_of(MARK_NAME), str_sub(mark, 0, i * mark.n / n));
		judge(&tally, 215, "a torn mark", i);
		dir_restore(dir, kept, count);
		kept_free(kept, count);
		free((char *)mark.p);
	}
	CHECK_U64(tally.whole, tally.cuts);
	tally_print("older marks", &tally);
}

static enum err
marks_check(uint64_t from, uint64_t to)
{
	struct rocks_marks *m = rocks_marks_new();
	enum err e;

	rocks_marks_open(m, dir, true);
	for (uint64_t n = from; n <= to; n++)
		rocks_marks_log(m, n, 10);
	e = rocks_marks_check(m, dir, NULL);
	rocks_marks_free(m);
	return e;
}

/* A mark has room for some logs only, the newest; of the others it says nothing. */
static void
test_many_logs(void)
{
	struct rocks_marks *m;
	uint64_t list, bytes;
	bool is_torn;

	dir_empty(dir);
	kv_close(store_open());
	must(rocks_manifest_look(dir, &list, &bytes, &is_torn));
	m = rocks_marks_new();
	rocks_marks_open(m, dir, false);
	rocks_marks_list(m, list, bytes);
	for (uint64_t n = 1; n <= MARK_LOGS + 20; n++)
		rocks_marks_log(m, n, 10);
	rocks_marks_write(m, 0, false);
	rocks_marks_free(m);
	CHECK_U64(marks_check(1, MARK_LOGS + 20), ERR_OK);
	CHECK_U64(marks_check(21, MARK_LOGS + 20), ERR_OK);
	CHECK_U64(marks_check(1, MARK_LOGS + 40), ERR_OK);
	CHECK_U64(marks_check(22, MARK_LOGS + 20), ERR_CORRUPT);
	CHECK_U64(marks_check(1, MARK_LOGS + 19), ERR_CORRUPT);
}

/* A log may be deleted only when the mark on the disk names it no more. */
static void
check_log_gone(const char *mark_is, bool may_go)
{
	struct rocks_marks *m = rocks_marks_new();

	dir_empty(dir);
	if (mark_is != NULL)
		must(symlink(mark_is, path_of(MARK_NAME)) == 0);
	rocks_marks_open(m, dir, false);
	rocks_marks_list(m, 5, 100);
	for (uint64_t n = 7; n < 10; n++)
		rocks_marks_log(m, n, 10);
	rocks_marks_write(m, 3, false);
	for (uint64_t n = 7; n < 9; n++) {
		CHECK_U64(rocks_marks_log_gone(m, n), may_go);
		/* who asks once more is told the same */
		CHECK_U64(rocks_marks_log_gone(m, n), may_go);
	}
	rocks_marks_free(m);
}

static void
test_mark_not_synced(void)
{
	check_log_gone(NULL, true);
	check_log_gone("/dev/null", false); /* written, and can't be synced */
	check_log_gone("/dev/full", false); /* neither written nor emptied */
	dir_empty(dir);
}

int
main(void)
{
	static const struct test_case cases[] = {
		TEST(test_log_cut),
		TEST(test_older_logs_cut),
		TEST(test_cut_beside_tables),
		TEST(test_closed_and_cut),
		TEST(test_current_gone),
		TEST(test_list_torn),
		TEST(test_older_marks),
		TEST(test_many_logs),
		TEST(test_mark_not_synced),
	};
	int status;

	snprintf(dir, sizeof(dir), "%s/kv-mark-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(dir) != NULL);
	status = test_run(cases, ARRAY_LEN(cases));
	dir_empty(dir);
	rmdir(dir);
	return status;
}

/* pack_test.c - every byte of a backup counts: flipped, cut or added, it is found. */
#include "backup/check.h"
#include "base/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/*
 * A stream in a file: some blobs, one that does not get smaller, an account that has them, a
 * manifest.
 */
static void
make_stream(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct repo *r = repo_stream(fd);
	struct account_lists l;
	struct manifest_account account = { .id = { 1 }, .version = 7, .user = STR("joe") };
	struct manifest m = { .time_ms = 1795321077961,
		.retention_ms = 604800000,
		.accounts = &account,
		.account_count = 1 };
	BUF_CLEAN struct buf text = BUF_MAX(65536);
	struct blob_id id;

	account_lists_init(&l);
	l.id = account.id;
	l.version = account.version;
	l.user = account.user;
	for (int i = 0; i < 4; i++) {
		char blob[200];
		int n = i == 0
		    ? 3
		    : snprintf(blob, sizeof(blob),
			"Subject: %d\r\n\r\nThe same again, the same again, the same again.\r\n",
			i);

		CHECK(repo_put(r, OBJECT_BLOB, str_make(i == 0 ? "x\r\n" : blob, (size_t)n), &id)
		    == ERR_OK);
		buf_add(&text, id.sha256, sizeof(id.sha256));
	}
	CHECK(repo_put(r, OBJECT_LIST, buf_str(&text), &id) == ERR_OK);
	buf_add(&l.lists[LIST_BLOBS], id.sha256, sizeof(id.sha256));
	buf_clear(&text);
	account_lists_encode(&l, &text);
	CHECK(repo_put(r, OBJECT_ACCOUNT, buf_str(&text), &account.object) == ERR_OK);
	account_lists_done(&l);
	buf_clear(&text);
	manifest_format(&m, &text);
	CHECK(repo_finish(r, "x", buf_str(&text)) == ERR_OK);
	repo_close(r);
	close(fd);
}

static void
count_damage(void *ctx, const struct damage *d)
{
	(void)ctx, (void)d;
}

static bool
is_good(const char *path)
{
	BUF_CLEAN struct buf detail = BUF_MAX(4096);
	struct check_sums sums = { 0 };
	struct repo *r;
	bool good = false;

	if (repo_open(path, REPO_READ, &r, &detail) == ERR_OK) {
		good = backup_check(r, count_damage, NULL, &sums) == ERR_OK && sums.damages == 0;
		repo_close(r);
	}
	return good;
}

static void
put_bytes(const char *path, const char *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(write(fd, p, n) == (ssize_t)n);
	close(fd);
}

static void
test_every_byte(void)
{
	char path[] = "/tmp/posthorn-pack.XXXXXX", bytes[16384];
	int fd = mkstemp(path);
	size_t n, missed = 0;

	make_stream(path);
	n = (size_t)pread(fd, bytes, sizeof(bytes), 0);
	close(fd);
	CHECK(n > 500 && n < sizeof(bytes));
	CHECK(is_good(path));
	for (size_t i = 0; i < n; i++) {
		bytes[i] ^= (char)(1 << i % 8);
		put_bytes(path, bytes, n);
		missed += is_good(path);
		bytes[i] ^= (char)(1 << i % 8);
	}
	CHECK_U64(missed, 0);
	for (size_t i = 0; i < n; i++) {
		put_bytes(path, bytes, i);
		missed += is_good(path);
	}
	CHECK_U64(missed, 0);
	bytes[n] = 0;
	put_bytes(path, bytes, n + 1);
	CHECK(!is_good(path));
	put_bytes(path, bytes, n);
	CHECK(is_good(path));
	printf("# %zu bytes flipped, %zu lengths cut\n", n, n);
	unlink(path);
}

/* Only what nobody wants goes, and packs of which little is wanted are written anew. */
struct wanted {
	struct blob_id ids[2];
};

static bool
is_wanted(void *ctx, const struct blob_id *id)
{
	const struct wanted *w = ctx;

	return object_id_eq(id, &w->ids[0]) || object_id_eq(id, &w->ids[1]);
}

enum { OBJECTS = 20 };

/* A pack of its own of so many objects, and a backup. */
static void
pack_put(const char *dir, const char *of, struct blob_id ids[OBJECTS])
{
	BUF_CLEAN struct buf detail = BUF_MAX(4096);
	struct repo *r;

	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
	for (int i = 0; i < OBJECTS; i++) {
		char blob[100];

		snprintf(blob, sizeof(blob), "object %d%s", i, of);
		CHECK(repo_put(r, OBJECT_BLOB, str_c(blob), &ids[i]) == ERR_OK);
	}
	CHECK(repo_finish(r, "1", STR("first")) == ERR_OK);
	repo_close(r);
}

static void
test_sweep(void)
{
	char dir[] = "/tmp/posthorn-repo.XXXXXX";
	BUF_CLEAN struct buf detail = BUF_MAX(4096), bytes = BUF_MAX(1 << 20);
	struct blob_id ids[OBJECTS];
	struct wanted wanted;
	struct repo *r;
	uint64_t freed;

	CHECK(mkdtemp(dir) != NULL);
	pack_put(dir, "", ids);
	wanted = (struct wanted){ { ids[3], ids[11] } };
	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
	CHECK(repo_sweep(r, is_wanted, &wanted, &freed) == ERR_OK && freed > 0);
	repo_close(r);
	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
	for (int i = 0; i < 20; i++)
		CHECK((repo_find(r, &ids[i]) != NULL) == (i == 3 || i == 11));
	CHECK(repo_read(r, &ids[11], &bytes) == ERR_OK);
	CHECK_STR(buf_str(&bytes), STR("object 11"));
	/* All that is left is wanted: it stays where it is. */
	CHECK(repo_sweep(r, is_wanted, &wanted, &freed) == ERR_OK);
	CHECK_U64(freed, 0);
	CHECK(repo_read(r, &ids[3], &bytes) == ERR_OK);
	/* One writer at a time, and no reader beside him. */
	{
		struct repo *second;

		CHECK(repo_open(dir, REPO_WRITE, &second, &detail) == ERR_INUSE);
		CHECK(repo_open(dir, REPO_READ, &second, &detail) == ERR_INUSE);
	}
	repo_close(r);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The one pack of a folder, as a path. */
static void
pack_path(const char *dir, char path[600])
{
	char packs[300];
	struct dirent *entry;
	DIR *d;

	snprintf(packs, sizeof(packs), "%s/packs", dir);
	d = opendir(packs);
	CHECK(d != NULL);
	path[0] = '\0';
	while (d != NULL && (entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.') {
			CHECK(path[0] == '\0');
			snprintf(path, 600, "%s/%s", packs, entry->d_name);
		}
	closedir(d);
}

/*
 * The power goes when what is wanted of a pack was written anew, and the pack itself is still there.
 * Then the next sweep writes the same once more, under the same name, which is that of what it would
 * remove: which of the two packs is the first in the folder is chance.
 */
static void
test_sweep_again(void)
{
	BUF_CLEAN struct buf detail = BUF_MAX(4096), bytes = BUF_MAX(1 << 20);

	for (int round = 0; round < 8; round++) {
		char dir[] = "/tmp/posthorn-repo.XXXXXX", old[600], kept[700], of[32];
		struct blob_id ids[OBJECTS];
		struct wanted wanted;
		struct repo *r;
		uint64_t freed;

		CHECK(mkdtemp(dir) != NULL);
		snprintf(of, sizeof(of), " of round %d", round);
		pack_put(dir, of, ids);
		pack_path(dir, old);
		snprintf(kept, sizeof(kept), "%s/kept", dir);
		CHECK(link(old, kept) == 0);
		wanted = (struct wanted){ { ids[3], ids[11] } };
		for (int i = 0; i < 2; i++) {
			CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
			CHECK(repo_sweep(r, is_wanted, &wanted, &freed) == ERR_OK && freed > 0);
			repo_close(r);
			CHECK(i == 1 || link(kept, old) == 0);
		}
		CHECK(repo_open(dir, REPO_READ, &r, &detail) == ERR_OK);
		CHECK(repo_read(r, &ids[3], &bytes) == ERR_OK);
		CHECK(repo_read(r, &ids[11], &bytes) == ERR_OK);
		repo_close(r);
		pack_path(dir, old); /* and no more than one */
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
}

static bool
go_on(void *ctx, const char *pack, const struct pack_entry *entry, enum err e, struct str bytes)
{
	(void)ctx, (void)pack, (void)entry, (void)e, (void)bytes;
	return true;
}

/* Of a pack that is to be written anew an object is damaged: it stays, and others go all the same. */
static void
test_sweep_damaged(void)
{
	char dir[] = "/tmp/posthorn-repo.XXXXXX", path[600], byte;
	BUF_CLEAN struct buf detail = BUF_MAX(4096), bytes = BUF_MAX(1 << 20);
	struct blob_id ids[2][OBJECTS];
	struct wanted wanted;
	struct repo *r;
	uint64_t freed = 0;
	size_t packs = 0;

	CHECK(mkdtemp(dir) != NULL);
	for (int pack = 0; pack < 2; pack++) {
		pack_put(dir, pack == 0 ? " of one" : " of another", ids[pack]);
		if (pack == 0) {
			int fd;

			pack_path(dir, path);
			fd = open(path, O_RDWR | O_CLOEXEC);
			CHECK(repo_open(dir, REPO_READ, &r, &detail) == ERR_OK);
			CHECK(
			    pread(fd, &byte, 1, (off_t)repo_find(r, &ids[0][3])->offset + 60) == 1);
			byte ^= 1;
			CHECK(pwrite(fd, &byte, 1, (off_t)repo_find(r, &ids[0][3])->offset + 60)
			    == 1);
			repo_close(r);
			close(fd);
		}
	}
	wanted = (struct wanted){ { ids[0][3], ids[0][11] } };
	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
	CHECK(repo_sweep(r, is_wanted, &wanted, &freed) == ERR_CORRUPT && freed > 0);
	repo_close(r);
	CHECK(repo_open(dir, REPO_READ, &r, &detail) == ERR_OK);
	CHECK(repo_find(r, &ids[1][0]) == NULL);
	CHECK(repo_read(r, &ids[0][3], &bytes) == ERR_CORRUPT);
	CHECK(repo_read(r, &ids[0][11], &bytes) == ERR_OK);
	repo_close(r);

	/* Taken out, it is missing, and can be stored again. */
	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
	CHECK(repo_check(r, go_on, NULL) == ERR_OK);
	CHECK(repo_drop_damaged(r, &packs) == ERR_OK && packs == 1);
	repo_close(r);
	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
	CHECK(repo_find(r, &ids[0][3]) == NULL);
	CHECK(repo_read(r, &ids[0][11], &bytes) == ERR_OK);
	CHECK(repo_check(r, go_on, NULL) == ERR_OK);
	CHECK(repo_drop_damaged(r, &packs) == ERR_OK && packs == 0);
	repo_close(r);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The first backup into a folder is interrupted at its first byte: the next one goes on. */
static void
test_interrupted(void)
{
	char dir[] = "/tmp/posthorn-repo.XXXXXX";
	BUF_CLEAN struct buf detail = BUF_MAX(4096);
	struct rlimit limit, none;
	struct repo *r = NULL;

	CHECK(mkdtemp(dir) != NULL);
	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_IO);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHECK(repo_open(dir, REPO_WRITE, &r, &detail) == ERR_OK);
	repo_close(r);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
test_times(void)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "2026-11-22T04:17:57.961Z", 1795321077961 },
		{ "2026-11-22T04:17", 1795321020000 }, { "2026-11-22", 1795305600000 },
		{ "2026-11-22 04:17:57", 1795321077000 }, { "@1795321077", 1795321077000 },
		{ "1970-01-01T00:00:00Z", 0 } };

	static const char *const bad[] = { "", "@", "@x", "2026", "2026-13-01", "2026-11-22T",
		"2026-11-22T25:00", "22.11.2026", "2026-11-22T04:17:57.961Zx", "yesterday" };
	char text[TIME_TEXT_BYTES + 1];
	int64_t ms;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK(time_parse(str_c(good[i].text), &ms));
		CHECK_U64(ms, good[i].ms);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!time_parse(str_c(bad[i]), &ms));
	time_format(1795321077961, text);
	CHECK_STR(str_c(text), STR("2026-11-22T04:17:57.961Z"));
}

TEST_MAIN(TEST(test_every_byte), TEST(test_sweep), TEST(test_sweep_again), TEST(test_sweep_damaged),
    TEST(test_interrupted), TEST(test_times))

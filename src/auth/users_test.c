/* users_test.c - unit tests of users.c. */
#include "auth/users.h"

#include "base/test.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

struct place {
	char dir[64], path[96];
};

static void
place_init(struct place *p)
{
	strcpy(p->dir, "/tmp/posthorn-users-XXXXXX");
	must(mkdtemp(p->dir) != NULL);
	snprintf(p->path, sizeof(p->path), "%s/users.db", p->dir);
}

static void
place_done(struct place *p)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s%s", p->path, suffixes[i]);
		unlink(path);
	}
	rmdir(p->dir);
}

static enum err
add_name(void *arg, const struct user_row *row)
{
	buf_str_add(arg, row->name);
	buf_chr(arg, ' ');
	return ERR_OK;
}

static void
test_life(void)
{
	struct user_row row = { .name = STR("joe"),
		.password = STR("{PLAIN}x"),
		.scram = { STR("a"), STR("b") },
		.created_ms = 5 },
			got;
	BUF_CLEAN struct buf names = BUF_MAX(1000);
	struct users *u = NULL, *other = NULL;
	struct arena a = ARENA_NONE;
	struct place p;

	place_init(&p);
	CHECK(users_open(p.path, &u) == ERR_OK);
	CHECK(users_find(u, &a, STR("joe"), &got) == ERR_UNKNOWN);
	CHECK(users_add(u, &row) == ERR_OK);
	CHECK(users_add(u, &row) == ERR_EXISTS);
	row.name = STR("ann");
	CHECK(users_add(u, &row) == ERR_OK);
	CHECK(users_find(u, &a, STR("joe"), &got) == ERR_OK);
	CHECK_STR(got.password, STR("{PLAIN}x"));
	CHECK_STR(got.scram[SCRAM_SHA1], STR("a"));
	CHECK_STR(got.scram[SCRAM_SHA256], STR("b"));
	CHECK(got.created_ms == 5 && !got.is_disabled);
	CHECK(users_each(u, add_name, &names) == ERR_OK);
	CHECK_STR(buf_str(&names), STR("ann joe "));
	/* Another handle's change is seen at the next look. */
	CHECK(users_open(p.path, &other) == ERR_OK);
	row.name = STR("joe");
	row.password = STR("{PLAIN}y");
	CHECK(users_set_verifiers(other, &row, STR("{PLAIN}z")) == ERR_UNKNOWN);
	CHECK(users_set_verifiers(other, &row, STR("{PLAIN}x")) == ERR_OK);
	CHECK(users_find(u, &a, STR("joe"), &got) == ERR_OK);
	CHECK_STR(got.password, STR("{PLAIN}y"));
	/* Who changes one thing leaves the others as somebody else has made them meanwhile. */
	CHECK(users_set_disabled(other, STR("joe"), true, 6) == ERR_OK);
	CHECK(users_set_disabled(other, STR("nobody"), true, 6) == ERR_UNKNOWN);
	CHECK(users_set_groups(other, STR("joe"), STR("staff"), 7) == ERR_OK);
	got.password = STR("{PLAIN}z");
	got.changed_ms = 8;
	CHECK(!got.is_disabled);
	CHECK(users_set_verifiers(u, &got, STR("{PLAIN}y")) == ERR_OK);
	CHECK(users_find(u, &a, STR("joe"), &got) == ERR_OK);
	CHECK_STR(got.password, STR("{PLAIN}z"));
	CHECK_STR(got.groups, STR("staff"));
	CHECK(got.is_disabled && got.changed_ms == 8);
	CHECK(users_set_disabled(u, STR("joe"), false, 9) == ERR_OK);
	CHECK(users_find(u, &a, STR("joe"), &got) == ERR_OK);
	CHECK_STR(got.password, STR("{PLAIN}z"));
	CHECK(!got.is_disabled && got.changed_ms == 9);
	CHECK(users_delete(u, STR("joe")) == ERR_OK);
	CHECK(users_delete(u, STR("joe")) == ERR_UNKNOWN);
	CHECK(users_find(other, &a, STR("joe"), &got) == ERR_UNKNOWN);
	users_close(u);
	users_close(other);
	arena_done(&a);
	place_done(&p);
}

/* Takes the place of the C library's in SQLite too, and counts. */
static unsigned sync_count;

int
fdatasync(int fd)
{
	sync_count++;
	return fsync(fd);
}

/* A password that was changed stays so when the power goes. */
static void
test_changes_are_synced(void)
{
	struct user_row row = { .name = STR("joe"), .password = STR("{PLAIN}x") };
	struct users *u = NULL, *other = NULL;
	unsigned before;
	struct place p;

	place_init(&p);
	CHECK(users_open(p.path, &other) == ERR_OK); /* as the auth process: it stays open */
	CHECK(users_open(p.path, &u) == ERR_OK);
	CHECK(users_add(u, &row) == ERR_OK);
	before = sync_count;
	row.password = STR("{PLAIN}y");
	CHECK(users_set_verifiers(u, &row, STR_NONE) == ERR_OK);
	CHECK(sync_count > before);
	before = sync_count;
	CHECK(users_set_disabled(u, STR("joe"), true, 1) == ERR_OK);
	CHECK(sync_count > before);
	before = sync_count;
	CHECK(users_delete(u, STR("joe")) == ERR_OK);
	CHECK(sync_count > before);
	users_close(u);
	users_close(other);
	place_done(&p);
}

static void
test_secret_stays(void)
{
	unsigned char one[32], two[32];
	struct users *u = NULL;
	struct place p;

	place_init(&p);
	CHECK(users_open(p.path, &u) == ERR_OK && users_secret(u, one) == ERR_OK);
	users_close(u);
	CHECK(users_open(p.path, &u) == ERR_OK && users_secret(u, two) == ERR_OK);
	CHECK(memcmp(one, two, 32) == 0);
	users_close(u);
	place_done(&p);
}

static void
test_refuses(void)
{
	struct users *u = NULL;
	sqlite3 *db = NULL;
	struct place p;
	FILE *f;

	place_init(&p);
	CHECK(users_open("/nonexistent/users.db", &u) == ERR_IO);
	CHECK(sqlite3_open(p.path, &db) == SQLITE_OK);
	sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
	sqlite3_close(db);
	CHECK(users_open(p.path, &u) == ERR_CORRUPT);
	f = fopen(p.path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("this is no database ", f);
	fclose(f);
	CHECK(users_open(p.path, &u) == ERR_CORRUPT);
	CHECK(u == NULL);
	place_done(&p);
}

TEST_MAIN(TEST(test_life), TEST(test_changes_are_synced), TEST(test_secret_stays),
    TEST(test_refuses))

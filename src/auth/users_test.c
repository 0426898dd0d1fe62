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

static int
drawn(struct users *u, struct arena *a, uint64_t draw)
{
	struct str text = STR_NONE;

	if (users_drawn_scram(u, a, SCRAM_SHA256, draw, &text) != ERR_OK || text.n != 1)
		return -1;
	return text.p[0] - '0';
}

static void
add_with_scram(struct users *u, int n)
{
	char name[2] = { (char)('a' + n), '\0' }, text[2] = { (char)('0' + n), '\0' };
	struct user_row row = { .name = str_c(name), .scram = { [SCRAM_SHA256] = str_c(text) } };

	CHECK(users_add(u, &row) == ERR_OK);
}

/* Each user is drawn, none much more often than another, and who comes later changes little. */
static void
test_draws(void)
{
	enum { DRAWS = 4000, USERS = 6, GONE = 3 };

	struct arena a = ARENA_NONE;
	int before[DRAWS], count[USERS + 1] = { 0 }, same = 0;
	struct users *u;
	struct place p;

	place_init(&p);
	CHECK(users_open(p.path, &u) == ERR_OK);
	CHECK(drawn(u, &a, 1) == -1);
	for (int i = 0; i < USERS; i++)
		add_with_scram(u, i);
	for (unsigned i = 0; i < DRAWS; i++) {
		before[i] = drawn(u, &a, i * 0x9E3779B97F4A7C15u);
		CHECK(before[i] >= 0 && before[i] < USERS);
		CHECK(drawn(u, &a, i * 0x9E3779B97F4A7C15u) == before[i]);
		count[before[i]]++;
	}
	for (int i = 0; i < USERS; i++)
		CHECK(count[i] > DRAWS / USERS * 8 / 10 && count[i] < DRAWS / USERS * 12 / 10);
	add_with_scram(u, USERS);
	for (unsigned i = 0; i < DRAWS; i++)
		same += drawn(u, &a, i * 0x9E3779B97F4A7C15u) == before[i];
	CHECK(same > DRAWS * 8 / 10 && same < DRAWS);
	CHECK(users_delete(u, STR("d")) == ERR_OK);
	for (unsigned i = 0; i < DRAWS; i++)
		CHECK(drawn(u, &a, i * 0x9E3779B97F4A7C15u) != GONE);
	CHECK(users_delete(u, STR("g")) == ERR_OK);
	CHECK(drawn(u, &a, 6) >= 0);
	users_close(u);
	place_done(&p);
	arena_done(&a);
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

TEST_MAIN(TEST(test_life), TEST(test_changes_are_synced), TEST(test_secret_stays), TEST(test_draws),
    TEST(test_refuses))

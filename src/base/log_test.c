/* log_test.c - lines that are held come together, whole and in their order. */
#include "base/arena.h"
#include "base/log.h"
#include "base/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINES = 60, READ_BYTES = 1 << 20 };

static int ends[2], real_stderr;

static void
stderr_take(void)
{
	CHECK(pipe2(ends, O_NONBLOCK) == 0);
	real_stderr = dup(STDERR_FILENO);
	CHECK(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
}

static void
stderr_give_back(void)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(ends[0]);
	close(ends[1]);
}

/* What has been written since the last time; NUL behind it. */
static size_t
written(char *out)
{
	ssize_t n = read(ends[0], out, READ_BYTES - 1);

	n = MAX(n, 0);
	out[n] = '\0';
	return (size_t)n;
}

/* Line i has a value of so many bytes. */
static void
line(unsigned i, size_t bytes)
{
	char *value = xmalloc(bytes + 1);

	memset(value, 'x', bytes);
	log_event(LOG_INFO, "test", F_U64("number", i), F_STR("first", str_make(value, bytes)),
	    F_STR("second", str_make(value, bytes)), F_STR("third", str_make(value, bytes)),
	    F_STR("fourth", str_make(value, bytes)), F_STR("last", STR("end")));
	free(value);
}

static unsigned
lines_check(char *text, unsigned from)
{
	for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		char want[40];

		*end = '\0';
		snprintf(want, sizeof(want), " number=%u first=", from++);
		CHECK(strncmp(at, "time=", 5) == 0 && strstr(at, want) != NULL);
		CHECK(end - at > 9 && strcmp(end - 9, " last=end") == 0);
	}
	return from;
}

static void
test_at_once(void)
{
	char *text = xmalloc(READ_BYTES);

	stderr_take();
	line(0, 1);
	CHECK(written(text) > 0);
	CHECK_U64(lines_check(text, 0), 1);
	stderr_give_back();
	free(text);
}

static void
test_held(void)
{
	char *text = xmalloc(READ_BYTES);
	unsigned seen = 0;

	stderr_take();
	log_hold();
	line(0, 1);
	line(1, 1);
	CHECK_U64(written(text), 0);
	log_release();
	CHECK(written(text) > 0);
	seen = lines_check(text, 0);
	CHECK_U64(seen, 2);
	log_hold();
	for (unsigned i = 2; i < LINES; i++) {
		line(i, i % 7 == 3 ? 1024 : i * 5); /* the long ones are more than is held */
		if (written(text) > 0)
			seen = lines_check(text, seen);
		CHECK(seen <= i + 1);
	}
	log_release();
	written(text);
	CHECK_U64(lines_check(text, seen), LINES);
	line(LINES, 1);
	CHECK(written(text) > 0);
	CHECK_U64(lines_check(text, LINES), LINES + 1);
	stderr_give_back();
	free(text);
}

TEST_MAIN(TEST(test_at_once), TEST(test_held))

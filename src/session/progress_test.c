/*
 * progress_test.c - a command that lasts when its client sends no more: one that waits for the
 * answer gets it, and of one that has gone nothing goes on.
 */
#include "session/session_world.h"

#include "kv/kv.h"

#include <sched.h>
#include <sys/socket.h>

enum {
	TEXT_BYTES = 1024 * 1024,
	READS = 4,     /* of its bytes: in chunks of 256 KiB */
	COPIES = 16384 /* 16 GiB to search, though they are there once */
};

static void
fill_with_text(struct client *c)
{
	BUF_CLEAN struct buf text = BUF_MAX(2 * TEXT_BYTES);

	buf_printf(&text, "a APPEND INBOX {%d+}\r\nSubject: x\r\n\r\n", TEXT_BYTES);
	while (text.n < TEXT_BYTES + 64)
		buf_lit(&text, "The body is here, and goes on.\r\n");
	text.n = (size_t)(strchr(text.p, '\n') + 1 - text.p) + TEXT_BYTES;
	buf_lit(&text, "\r\n");
	client_login(c, "joe");
	client_send(c, buf_str(&text));
	while (!has(client_line(c), "a OK"))
		;
	client_do(c, "SELECT INBOX");
	CHECK(has(buf_str(&c->last), "1 EXISTS"));
	for (unsigned n = 1; n < COPIES; n *= 2)
		CHECK_HAS(client_do(c, "COPY 1:%u INBOX", n), " OK ");
	client_do(c, "NOOP");
}

static uint64_t
reads(struct world *w)
{
	struct kv_stats s;

	kv_stats(world_kv(w), &s);
	return s.blob_reads;
}

/* Its connection has just ended, as it does when a program is: nothing was on its way to it. */
static void
check_goes(bool is_tls)
{
	struct world *w = world_new(NULL);
	struct client c, other;
	uint64_t before, at_end;

	client_open(&c, w, is_tls);
	fill_with_text(&c);
	client_open(&other, w, false);
	client_login(&other, "joe");
	client_do(&other, "SELECT INBOX");
	before = reads(w);
	client_send(&c, STR("1 SEARCH TEXT qqqq\r\n2 SEARCH TEXT rrrr\r\n"));
	while (reads(w) == before)
		sched_yield();
	client_close(&c);
	while (server_session_count(world_server(w)) > 1)
		sched_yield();
	at_end = reads(w);
	CHECK(at_end - before < READS * (uint64_t)COPIES / 2);
	for (int i = 0; i < 50; i++)
		CHECK_HAS(client_do(&other, "SEARCH 1 TEXT qqqq"), " OK ");
	/* The last piece may have been begun. */
	CHECK(reads(w) - at_end <= 50 * READS + 2 * READS);
	printf("# %llu of %d texts were searched\n", (unsigned long long)(at_end - before) / READS,
	    COPIES);
	client_close(&other);
	world_free(w);
}

static void
test_client_that_goes_is_not_searched_for(void)
{
	check_goes(false);
	check_goes(true);
}

/* It has closed its half of the connection, and reads on. */
static void
test_client_that_only_says_no_more_is_answered(void)
{
	const struct server_options o = { .limits.progress_ms = 20 };
	struct world *w = world_new(&o);
	struct client c;
	unsigned told = 0;
	struct str line;

	client_open(&c, w, false);
	fill_with_text(&c);
	client_send(&c, STR("1 SEARCH 1:64 TEXT qqqq\r\n2 SEARCH 1:4 TEXT \"goes on\"\r\n"));
	shutdown(c.peer.fd, SHUT_WR);
	while ((line = client_line(&c)).p != NULL && !str_starts_nocase(line, STR("1 OK")))
		told += has(line, "* OK [INPROGRESS ");
	CHECK_HAS(line, "1 OK ");
	while ((line = client_line(&c)).p != NULL && !str_starts_nocase(line, STR("2 OK")))
		CHECK(has(line, "* SEARCH 1 2 3 4") || has(line, "INPROGRESS"));
	CHECK_HAS(line, "2 OK ");
	CHECK(client_line(&c).n == 0);
	printf("# told %u times of its progress\n", told);
	client_close(&c);
	world_free(w);
}

TEST_MAIN(TEST(test_client_that_goes_is_not_searched_for),
    TEST(test_client_that_only_says_no_more_is_answered))

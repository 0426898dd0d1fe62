/*
 * sort_load_test.c - SORT and THREAD answer from what is stored for them: they read no byte of a
 * message, and what they load comes for many messages at a time; in a server that has just started
 * as in one that knows the mailbox.
 */
#include "model/sim.h"

#include "kv/kv.h"

enum { MESSAGES = 3000, AT_ONCE = 100, PER_LOAD_MIN = 16 };

static struct sim sim;
static struct sim_conn conn;
static struct kv *kv;

/* All that comes up to the tagged OK is taken; the numbers in the untagged line of this name. */
static uint32_t
numbers_of(struct str name)
{
	uint32_t n = 0, answers = 0;
	struct str line;

	while (line = sim_line(&conn), line.p != NULL) {
		if (str_starts(line, name)) {
			for (size_t i = name.n; i < line.n; i++)
				n += line.p[i] >= '0' && line.p[i] <= '9'
				    && (line.p[i - 1] == ' ' || line.p[i - 1] == '(');
		}
		answers += str_starts(line, STR("a OK "));
		sim_consume(&conn, line);
	}
	CHECK_U64(answers, 1);
	return n;
}

static void
must_do(struct str command)
{
	sim_send(&conn, command);
	sim_settle(&sim);
	numbers_of(STR("* NONE "));
}

static void
start(void)
{
	sim_open(&sim, kv, true, 1);
	sim.patience = 0;
	sim_connect(&sim, &conn);
	sim_settle(&sim);
	sim_consume(&conn, sim_line(&conn)); /* the greeting */
	must_do(STR("a LOGIN joe secret\r\n"));
}

/* Answers to one another, in threads of ten; subjects, senders and dates in no order. */
static void
add_message(struct buf *command, uint32_t i)
{
	BUF_CLEAN struct buf b = BUF_MAX(65536);

	buf_printf(&b, "From: Joe <joe%u@example.org>\r\nSubject: %sabout %u\r\n", i * 7919 % 101,
	    i % 10 == 0 ? "" : "Re: ", i / 10 * 31 % 997);
	buf_printf(&b, "Date: %u Mar 2026 10:%02u:%02u +0000\r\nMessage-ID: <m%u@example.org>\r\n",
	    1 + i * 13 % 28, i * 17 % 60, i % 60, i);
	if (i % 10 != 0)
		buf_printf(&b, "References: <m%u@example.org>\r\n", i - 1);
	buf_printf(&b, "\r\nThe text of message %u.\r\n", i);
	buf_printf(command, " {%zu+}\r\n", b.n);
	buf_str_add(command, buf_str(&b));
}

static void
fill(void)
{
	BUF_CLEAN struct buf b = BUF_MAX(1 << 20);

	for (uint32_t i = 0; i < MESSAGES; i += AT_ONCE) {
		buf_clear(&b);
		buf_lit(&b, "a APPEND INBOX");
		for (uint32_t j = i; j < i + AT_ONCE; j++)
			add_message(&b, j);
		buf_lit(&b, "\r\n");
		must_do(buf_str(&b));
	}
}

struct reads {
	uint64_t loads, messages;
};

static struct reads
reads(void)
{
	struct kv_stats s;

	kv_stats(kv, &s);
	return (struct reads){ s.loads_now + s.loads_waited, s.blob_reads };
}

static void
check(struct str command, struct str answer)
{
	const struct reads before = reads();
	struct reads after;

	sim_send(&conn, command);
	sim_settle(&sim);
	CHECK_U64(numbers_of(answer), MESSAGES);
	after = reads();
	CHECK_U64(after.messages, before.messages);
	printf("# %llu loads: %.*s", (unsigned long long)(after.loads - before.loads),
	    STR_F(command));
	CHECK(after.loads - before.loads <= MESSAGES / PER_LOAD_MIN);
}

static void
check_all(void)
{
	check(STR("a SORT (DATE SUBJECT FROM) UTF-8 ALL\r\n"), STR("* SORT "));
	check(STR("a SORT (REVERSE DISPLAYFROM ARRIVAL SIZE) UTF-8 ALL\r\n"), STR("* SORT "));
	check(STR("a THREAD REFERENCES UTF-8 ALL\r\n"), STR("* THREAD "));
	check(STR("a THREAD REFS UTF-8 ALL\r\n"), STR("* THREAD "));
	check(STR("a THREAD ORDEREDSUBJECT UTF-8 ALL\r\n"), STR("* THREAD "));
}

static void
test_sort_and_thread(void)
{
	struct reads before;

	kv = sim_memory(1);
	start();
	fill();
	must_do(STR("a SELECT INBOX\r\n"));
	check_all();
	sim_close(&sim);
	start();
	must_do(STR("a SELECT INBOX\r\n"));
	check_all();
	/* What does read messages is counted. */
	before = reads();
	must_do(STR("a FETCH 1:10 BODY.PEEK[TEXT]\r\n"));
	CHECK(reads().messages >= before.messages + 10);
	sim_close(&sim);
	kv_close(kv);
}

TEST_MAIN(TEST(test_sort_and_thread))

/*
 * steps.c - what a client does all day, for counting its instructions: the whole server in one
 * thread (src/model/sim.h), on the engine in memory, does one case so many times, for
 * bench/instructions.py. The client's half is counted too; it is little and stays the same.
 *
 *     steps            the names of the cases
 *     steps CASE N
 *     steps memory N   bytes of the heap that each of N clients takes who idle on the same mailbox
 */
#include "model/sim.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>

enum { MESSAGES = 500, BATCH = 50, WARM_ROUNDS = 2, PAUSE_S = 1200 };

#define MESSAGE                                                                                    \
	"From: Ann <ann@example.org>\r\nTo: joe@example.net\r\nSubject: What we talked about\r\n"  \
	"Date: Sun, 22 Nov 2026 09:59:58 +0100\r\nMessage-ID: <1234567890@example.org>\r\n\r\n"    \
	"Good morning.\r\n"

struct bench {
	struct sim sim;
	struct sim_conn conn;
	unsigned rounds;
};

static struct str
last_line(struct str text)
{
	size_t end;

	if (text.n < 2)
		return STR_NONE;
	text = str_sub(text, 0, text.n - 2);
	end = str_rchr(text, '\n');
	return end == SIZE_MAX ? text : str_sub(text, end + 1, text.n);
}

/* Sends a line, and awaits the answer to what it ends: a tagged one, or for IDLE a continuation. */
static void
say(struct bench *b, struct sim_conn *c, const char *fmt, ...)
{
	BUF_CLEAN struct buf line = BUF_MAX(1 << 20);
	va_list args;
	int n;

	buf_reserve(&line, 65536);
	va_start(args, fmt);
	n = vsnprintf(line.p, 65536, fmt, args);
	va_end(args);
	must(n > 0 && n < 65536);
	line.n = (size_t)n;
	buf_lit(&line, "\r\n");
	sim_send(c, buf_str(&line));
	sim_settle(&b->sim);
	must(str_starts(last_line(buf_str(&c->in)), STR("a OK"))
	    || str_starts(buf_str(&c->in), STR("+")));
	buf_clear(&c->in);
}

static void
append(struct bench *b, unsigned count)
{
	BUF_CLEAN struct buf line = BUF_MAX(1 << 20);

	buf_lit(&line, "a APPEND INBOX");
	for (unsigned i = 0; i < count; i++) {
		char head[64];

		snprintf(head, sizeof(head), " (\\Seen) {%zu+}\r\n", sizeof(MESSAGE) - 1);
		buf_c(&line, head);
		buf_lit(&line, MESSAGE);
	}
	buf_reserve(&line, 1);
	line.p[line.n] = '\0';
	say(b, &b->conn, "%s", line.p);
}

static void
meet(struct bench *b, struct sim_conn *c)
{
	sim_connect(&b->sim, c);
	sim_settle(&b->sim);
	say(b, c, "a LOGIN joe secret");
}

/* ---- cases ---- */

static void
login(struct bench *b)
{
	struct sim_conn c;

	meet(b, &c);
	say(b, &c, "a LOGOUT");
	sim_disconnect(&c);
	sim_settle(&b->sim);
}

static void
noop(struct bench *b)
{
	say(b, &b->conn, "a NOOP");
}

static void
select_again(struct bench *b)
{
	say(b, &b->conn, "a SELECT INBOX");
}

/* The mailbox is loaded: its pages were let go while nobody wanted them. */
static void
select_cold(struct bench *b)
{
	say(b, &b->conn, "a UNSELECT");
	b->sim.clock.now_us += (int64_t)PAUSE_S * 1000000;
	sim_settle(&b->sim);
	say(b, &b->conn, "a NOOP");
	say(b, &b->conn, "a SELECT INBOX");
}

static void
status(struct bench *b)
{
	say(b, &b->conn, "a STATUS INBOX (MESSAGES UNSEEN UIDNEXT HIGHESTMODSEQ)");
}

static void
list(struct bench *b)
{
	say(b, &b->conn, "a LIST \"\" *");
}

static void
fetch_flags(struct bench *b)
{
	say(b, &b->conn, "a FETCH 1:* (UID FLAGS)");
}

static void
fetch_one(struct bench *b)
{
	say(b, &b->conn, "a FETCH 250 (UID FLAGS ENVELOPE BODYSTRUCTURE)");
}

static void
store_one(struct bench *b)
{
	say(b, &b->conn, "a STORE 250 %cFLAGS (\\Flagged)", b->rounds % 2 == 0 ? '+' : '-');
}

static void
store_all(struct bench *b)
{
	say(b, &b->conn, "a STORE 1:* %cFLAGS.SILENT (\\Seen)", b->rounds % 2 == 0 ? '+' : '-');
}

static void
append_one(struct bench *b)
{
	append(b, 1);
}

static void
expunge(struct bench *b)
{
	append(b, 1);
	say(b, &b->conn, "a STORE * +FLAGS.SILENT (\\Deleted)");
	say(b, &b->conn, "a EXPUNGE");
}

static void
search(struct bench *b)
{
	say(b, &b->conn, "a SEARCH UNSEEN FLAGGED");
}

/* IDLE, in which a change of somebody else is told. */
static void
idle(struct bench *b)
{
	static struct sim_conn other;

	if (b->rounds == 0) {
		meet(b, &other);
		say(b, &other, "a SELECT INBOX");
	}
	say(b, &b->conn, "a IDLE");
	say(b, &other, "a STORE 250 %cFLAGS (\\Flagged)", b->rounds % 2 == 0 ? '+' : '-');
	say(b, &b->conn, "DONE");
}

typedef void case_fn(struct bench *b);

static const struct {
	const char *name;
	case_fn *run;
} cases[] = {
	{ "login", login },
	{ "noop", noop },
	{ "select", select_again },
	{ "select-cold", select_cold },
	{ "status", status },
	{ "list", list },
	{ "fetch-flags", fetch_flags },
	{ "fetch-one", fetch_one },
	{ "store-one", store_one },
	{ "store-all", store_all },
	{ "append", append_one },
	{ "expunge", expunge },
	{ "search", search },
	{ "idle", idle },
};

/* ---- */

static void
bench_init(struct bench *b)
{
	sim_open(&b->sim, sim_memory(1), true, 1);
	b->sim.patience = 0;
	meet(b, &b->conn);
	for (unsigned i = 0; i < MESSAGES / BATCH; i++)
		append(b, BATCH);
	say(b, &b->conn, "a SELECT INBOX");
}

static void
measure_memory(struct bench *b, long n)
{
	struct sim_conn *c = xcalloc((size_t)n, sizeof(*c));
	size_t before, theirs = 0;

	before = mallinfo2().uordblks;
	for (long i = 0; i < n; i++) {
		meet(b, &c[i]);
		say(b, &c[i], "a SELECT INBOX");
		say(b, &c[i], "a IDLE");
		theirs += malloc_usable_size(c[i].in.p) + malloc_usable_size(c[i].out.p) + 16;
	}
	printf("%zu\n", (mallinfo2().uordblks - before - theirs) / (size_t)n);
	free(c);
}

static void
do_rounds(struct bench *b, case_fn *run, unsigned n)
{
	for (unsigned i = 0; i < n; i++, b->rounds++)
		run(b);
}

/* What callgrind is told to count: --toggle-collect=do_measured_rounds. */
static __attribute__((noinline)) void
do_measured_rounds(struct bench *b, case_fn *run, unsigned n)
{
	do_rounds(b, run, n);
}

int
main(int argc, char **argv)
{
	static struct bench b;
	long n = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	if (argc != 3) {
		for (size_t i = 0; i < ARRAY_LEN(cases); i++)
			puts(cases[i].name);
		return argc == 1 ? 0 : 2;
	}
	bench_init(&b);
	if (strcmp(argv[1], "memory") == 0)
		measure_memory(&b, n);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (strcmp(cases[i].name, argv[1]) != 0)
			continue;
		do_rounds(&b, cases[i].run, WARM_ROUNDS);
		do_measured_rounds(&b, cases[i].run, (unsigned)n);
	}
	return 0;
}

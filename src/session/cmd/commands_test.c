/*
 * commands_test.c - sessions on a real store over the engine in memory, in one process: commands go
 * in, what comes out is compared. The RFCs' finer points are tested over sockets in tests/protocol;
 * here, that every command works and waits well.
 */
#include "imap/seqset.h"
#include "session/cmd/esearch_reply.h"
#include "session/server.h"

#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 3 };

struct client {
	int fd;
	struct buf in;
};

/* A server with one account. */
struct world {
	struct kv *kv;
	struct store *store;
	struct loop *loop;
	struct server *server;
	struct client clients[CLIENTS_MAX];
	bool is_held; /* the engine completes nothing */
};

/* Turns the loop when something waits for the store. */
struct turn {
	struct waiter w;
	struct loop *loop;
	struct loop_task task;
};

static void
turn_task(unused_arg struct loop_task *t)
{
}

static void
turn_woken(struct waiter *w)
{
	struct turn *t = container_of(w, struct turn, w);

	loop_post(t->loop, &t->task);
}

static void
test_random(void *p, size_t n)
{
	static uint64_t seed = 88172645463325252u;
	unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		bytes[i] = (unsigned char)(seed >> 32);
	}
}

/* Turns the loop, waiting if the engine has nothing to do. */
static void
world_turn(struct world *w)
{
	bool has_stepped = !w->is_held && kv_memory_step(w->kv);

	loop_turn(w->loop, !has_stepped);
}

static struct account *
open_account(struct world *w)
{
	struct turn t = { .loop = w->loop };
	struct account *a = NULL;
	enum err e;

	waiter_init(&t.w, turn_woken);
	loop_task_init(&t.task, turn_task);
	while ((e = store_account_open(w->store, STR("joe"), ACCOUNT_CREATE, &t.w, &a)) == ERR_WAIT)
		world_turn(w);
	CHECK(e == ERR_OK);
	waiter_cancel(&t.w);
	loop_task_cancel(w->loop, &t.task);
	return a;
}

static void
world_init_as(struct world *w, bool is_manual)
{
	struct kv_memory_options kvo = { .seed = 1, .manual = is_manual };
	struct store_options so = { 0 };

	*w = (struct world){ 0 };
	store_merge_functions(&kvo.base);
	kvo.base.clock = clock_system();
	must(kv_memory_open(&kvo, &w->kv) == ERR_OK);
	so = (struct store_options){ .kv = w->kv,
		.clock = clock_system(),
		.random = test_random,
		.retention_s = 3600 };
	must(store_open(&so, &w->store) == ERR_OK);
	w->loop = loop_new(clock_system());
	w->server = server_new(
	    &(struct server_options){ .store = w->store, .loops = &w->loop, .loop_count = 1 });
	for (int i = 0; i < CLIENTS_MAX; i++)
		w->clients[i] = (struct client){ .fd = -1, .in = BUF_MAX(SIZE_MAX / 2) };
}

static void
world_init(struct world *w)
{
	world_init_as(w, false);
}

static void
world_done(struct world *w)
{
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (w->clients[i].fd >= 0)
			close(w->clients[i].fd);
		buf_done(&w->clients[i].in);
	}
	server_free(w->server);
	loop_free(w->loop);
	store_close(w->store);
	kv_close(w->kv);
}

/* Reads what has come. */
static void
client_read(struct client *c)
{
	char data[65536];
	ssize_t n;

	while ((n = read(c->fd, data, sizeof(data))) > 0)
		buf_add(&c->in, data, (size_t)n);
}

/*
 * Turns the loop until the client has got a line that begins with prefix. Returns all up to and
 * with that line.
 */
static struct str
client_wait(struct world *w, struct client *c, struct str prefix)
{
	for (;;) {
		size_t at = 0;

		client_read(c);
		while (at < c->in.n) {
			const char *lf = memchr(c->in.p + at, '\n', c->in.n - at);
			size_t end;

			if (lf == NULL)
				break;
			end = (size_t)(lf - c->in.p) + 1;
			if (str_starts(str_make(c->in.p + at, end - at), prefix))
				return str_make(c->in.p, end);
			at = end;
		}
		world_turn(w);
	}
}

static void
client_send(struct world *w, struct client *c, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(c->fd, text.p, text.n);

		if (n > 0)
			text = str_sub(text, (size_t)n, text.n);
		else
			must(n < 0 && errno == EAGAIN);
		/* The server reads while we write, or both would wait. */
		client_read(c);
		if (text.n > 0)
			loop_turn(w->loop, true);
	}
}

static struct client *
connect_client(struct world *w, int which)
{
	struct client *c = &w->clients[which];
	struct str greeting;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	c->fd = fds[0];
	server_serve_preauth(w->server, w->loop, fds[1], STR("joe"), open_account(w));
	greeting = client_wait(w, c, STR("* PREAUTH"));
	buf_consume(&c->in, greeting.n);
	return c;
}

/* want: "~" stands for any text inside a line. */
static bool
matches(struct str want, struct str got)
{
	while (want.n > 0) {
		if (want.p[0] == '~') {
			want = str_sub(want, 1, want.n);
			while (got.n > 0 && got.p[0] != '\n' && !matches(want, got))
				got = str_sub(got, 1, got.n);
		} else {
			if (got.n == 0 || got.p[0] != want.p[0])
				return false;
			want = str_sub(want, 1, want.n);
			got = str_sub(got, 1, got.n);
		}
	}
	return got.n == 0;
}

/* Sends text; what comes up to the line that begins with tag must be want. */
static void
expect(struct world *w, struct client *c, const char *text, const char *tag, const char *want,
    int line)
{
	struct str got;

	client_send(w, c, str_c(text));
	got = client_wait(w, c, str_c(tag));
	if (!CHECK(matches(str_c(want), got)))
		printf("# line %d: for %s\n#  got  %.*s\n#  want %s\n", line, text, STR_F(got),
		    want);
	buf_consume(&c->in, got.n);
}

#define RUN(c, text, want) expect(&w, (c), "t " text "\r\n", "t ", want "\r\n", __LINE__)
#define SEND(c, text, until, want) expect(&w, (c), text "\r\n", until, want "\r\n", __LINE__)

#define MESSAGE_1                                                                                                        \
	"From: Joe <joe@example.org>\r\nTo: sue@example.org\r\nSubject: one\r\nDate: Mon, 2 Jan 2023 03:04:05 +0100\r\n" \
	"Message-ID: <1@x>\r\n\r\nHello.\r\n"
#define MESSAGE_2                                                                                                         \
	"From: sue@example.org\r\nSubject: two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" \
	"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: image/gif\r\n"                               \
	"Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n"

/* Appends both messages to INBOX. */
static void
append_two(struct world *w, struct client *c)
{
	BUF_CLEAN struct buf b = BUF_MAX(10000);

	buf_printf(&b,
	    "t APPEND INBOX (\\Flagged $Junk) \"17-Jul-1996 02:44:25 -0700\" {%zu+}\r\n%s {%zu+}\r\n%s\r\n",
	    sizeof(MESSAGE_1) - 1, MESSAGE_1, sizeof(MESSAGE_2) - 1, MESSAGE_2);
	buf_chr(&b, '\0');
	expect(w, c, b.p, "t ", "t OK [APPENDUID ~ 1:2] APPEND completed.\r\n", __LINE__);
	expect(w, c, "t SELECT INBOX\r\n", "t ",
	    "* FLAGS ~\r\n* OK [PERMANENTFLAGS ~\r\n* 2 EXISTS\r\n* 2 RECENT\r\n"
	    "* OK [UNSEEN 1] ~\r\n* OK [UIDVALIDITY ~\r\n* OK [UIDNEXT 3] ~\r\n* OK [HIGHESTMODSEQ ~\r\n* OK [ANNOTATIONS ~\r\n* OK [MAILBOXID ~\r\n* OK [URLMECH INTERNAL] ~\r\n"
	    "t OK [READ-WRITE] SELECT completed.\r\n",
	    __LINE__);
}

static void
test_fetch(void)
{
	struct world w;
	struct client *c;

	world_init(&w);
	c = connect_client(&w, 0);
	append_two(&w, c);
	RUN(c, "FETCH 1:2 (UID FLAGS RFC822.SIZE INTERNALDATE)",
	    "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent $Junk) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 131)\r\n"
	    "* 2 FETCH (UID 2 FLAGS (\\Recent) INTERNALDATE \"~\" RFC822.SIZE 220)\r\nt OK FETCH completed.");
	RUN(c, "FETCH 1 ENVELOPE",
	    "* 1 FETCH (ENVELOPE (\"Mon, 2 Jan 2023 03:04:05 +0100\" \"one\" "
	    "((\"Joe\" NIL \"joe\" \"example.org\")) ((\"Joe\" NIL \"joe\" \"example.org\")) ((\"Joe\" NIL \"joe\" \"example.org\")) "
	    "((NIL NIL \"sue\" \"example.org\")) NIL NIL NIL \"<1@x>\"))\r\nt OK FETCH completed.");
	RUN(c, "FETCH 2 BODY",
	    "* 2 FETCH (BODY ((\"text\" \"plain\" ~NIL NIL \"7bit\" 4 ~)(\"image\" \"gif\" NIL NIL NIL "
	    "\"base64\" 4) \"mixed\"))\r\nt OK FETCH completed.");
	RUN(c, "FETCH 1 (BODY.PEEK[HEADER.FIELDS (subject)] BODY.PEEK[TEXT]<1.3> BODY.PEEK[5])",
	    "* 1 FETCH (BODY[HEADER.FIELDS (subject)] {16}\r\nSubject: one\r\n\r\n BODY[TEXT]<1> {3}\r\nell BODY[5] NIL)\r\n"
	    "t OK FETCH completed.");
	RUN(c, "FETCH 2 (BINARY.SIZE[2] BINARY.PEEK[1])",
	    "* 2 FETCH (BINARY.SIZE[2] 3 BINARY[1] ~{4}\r\ntext)\r\nt OK FETCH completed.");
	RUN(c, "UID FETCH 1 BODY[]",
	    "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen \\Recent $Junk) BODY[] {131}\r\n" MESSAGE_1
	    ")\r\n"
	    "t OK UID FETCH completed.");
	RUN(c, "UID FETCH 1 BODY[]<100.100>",
	    "* 1 FETCH (UID 1 BODY[]<100> {31}\r\n~\r\n~\r\n~\r\n~\r\n)\r\nt OK UID FETCH completed.");
	RUN(c, "UID FETCH 7 FLAGS", "t OK UID FETCH completed.");
	RUN(c, "FETCH 3 FLAGS", "t BAD There is no message with this number.");
	RUN(c, "FETCH 1 (EMAILID SAVEDATE PREVIEW)",
	    "* 1 FETCH (SAVEDATE \"~\" EMAILID (M~) PREVIEW \"Hello.\")\r\n"
	    "t OK FETCH completed.");
	world_done(&w);
}

static void
test_store_expunge(void)
{
	struct world w;
	struct client *a, *b;

	world_init(&w);
	a = connect_client(&w, 0);
	append_two(&w, a);
	b = connect_client(&w, 1);
	RUN(b, "EXAMINE INBOX",
	    "* FLAGS ~\r\n* OK [PERMANENTFLAGS ~\r\n* 2 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 1] ~\r\n"
	    "* OK [UIDVALIDITY ~\r\n* OK [UIDNEXT 3] ~\r\n* OK [HIGHESTMODSEQ ~\r\n* OK [ANNOTATIONS ~\r\n* OK [MAILBOXID ~\r\n* OK [URLMECH INTERNAL] ~\r\n"
	    "t OK [READ-ONLY] EXAMINE completed.");
	RUN(a, "STORE 1 +FLAGS (\\Deleted foo)",
	    "* FLAGS ~\r\n* OK [PERMANENTFLAGS ~\r\n* 1 FETCH (FLAGS (\\Flagged \\Deleted \\Recent $Junk foo))\r\n"
	    "t OK STORE completed.");
	RUN(a, "STORE 1 +FLAGS \\Deleted",
	    "* 1 FETCH (FLAGS (\\Flagged \\Deleted \\Recent $Junk foo))\r\nt OK STORE completed.");
	RUN(a, "STORE 2 +FLAGS.SILENT (\\Answered)", "t OK STORE completed.");
	RUN(a, "STORE 2 (UNCHANGEDSINCE 1) +FLAGS.SILENT (\\Draft)",
	    "* OK [HIGHESTMODSEQ ~\r\nt OK [MODIFIED 2] STORE completed.");
	RUN(b, "NOOP",
	    "* FLAGS ~\r\n* OK [PERMANENTFLAGS ~\r\n* 1 FETCH (FLAGS (\\Flagged \\Deleted $Junk foo))\r\n"
	    "* 2 FETCH (FLAGS (\\Answered))\r\nt OK NOOP completed.");
	RUN(b, "STORE 1 FLAGS ()", "t NO [NOPERM] ~");
	RUN(a, "UID STORE 2 +FLAGS foo",
	    "* 2 FETCH (FLAGS (\\Answered \\Recent foo) UID 2 MODSEQ (~))\r\nt OK UID STORE completed.");
	RUN(a, "UID STORE 2 -FLAGS.SILENT foo",
	    "* 2 FETCH (UID 2 MODSEQ (~))\r\nt OK UID STORE completed.");
	RUN(a, "EXPUNGE", "* 1 EXPUNGE\r\nt OK [HIGHESTMODSEQ ~] EXPUNGE completed.");
	/* The ghost: b may not be told in FETCH, but its numbers still hold. */
	RUN(b, "FETCH 1:2 UID",
	    "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n* 2 FETCH (FLAGS (\\Answered))\r\n"
	    "t OK FETCH completed.");
	RUN(b, "NOOP", "* 1 EXPUNGE\r\nt OK NOOP completed.");
	RUN(a, "STORE 1 +FLAGS (\\Deleted)",
	    "* 1 FETCH (FLAGS (\\Answered \\Deleted \\Recent) UID 2 MODSEQ (~))\r\nt OK STORE completed.");
	RUN(a, "CLOSE", "t OK CLOSE completed.");
	RUN(a, "FETCH 1 FLAGS", "t BAD Select a mailbox first.");
	RUN(b, "UNSELECT", "t OK UNSELECT completed.");
	RUN(a, "STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 0)\r\nt OK STATUS completed.");
	world_done(&w);
}

static void
test_copy_move(void)
{
	struct world w;
	struct client *c;

	world_init(&w);
	c = connect_client(&w, 0);
	append_two(&w, c);
	RUN(c, "COPY 1:2 Nowhere", "t NO [TRYCREATE] ~");
	RUN(c, "COPY 1:2 Archive", "t OK [COPYUID ~ 1:2 1:2] COPY completed.");
	RUN(c, "UID COPY 9 Archive", "t OK UID COPY completed.");
	RUN(c, "MOVE 1 Archive",
	    "* OK [COPYUID ~ 1 3] Moved.\r\n* 1 EXPUNGE\r\nt OK MOVE completed.");
	RUN(c, "STATUS Archive (MESSAGES UIDNEXT)",
	    "* STATUS Archive (MESSAGES 3 UIDNEXT 4)\r\nt OK STATUS completed.");
	RUN(c, "UID MOVE 1:* Archive",
	    "* OK [COPYUID ~ 2 4] Moved.\r\n* 1 EXPUNGE\r\nt OK UID MOVE completed.");
	RUN(c, "SELECT Archive",
	    "* OK [CLOSED] ~\r\n* FLAGS ~\r\n* OK [PERMANENTFLAGS ~\r\n* 4 EXISTS\r\n* ~ RECENT\r\n"
	    "* OK [UNSEEN 1] ~\r\n* OK [UIDVALIDITY ~\r\n* OK [UIDNEXT 5] ~\r\n* OK [HIGHESTMODSEQ ~\r\n* OK [ANNOTATIONS ~\r\n* OK [MAILBOXID ~\r\n* OK [URLMECH INTERNAL] ~\r\n"
	    "t OK [READ-WRITE] SELECT completed.");
	RUN(c, "FETCH 4 BODY.PEEK[1]", "* 4 FETCH (BODY[1] {4}\r\ntext)\r\nt OK FETCH completed.");
	RUN(c, "FETCH 3 FLAGS", "* 3 FETCH (FLAGS (~\\Flagged ~$Junk))\r\nt OK FETCH completed.");
	world_done(&w);
}

static void
test_search(void)
{
	struct world w;
	struct client *c;

	world_init(&w);
	c = connect_client(&w, 0);
	append_two(&w, c);
	RUN(c, "SEARCH ALL", "* SEARCH 1 2\r\nt OK SEARCH completed.");
	RUN(c, "SEARCH FLAGGED", "* SEARCH 1\r\nt OK SEARCH completed.");
	RUN(c, "SEARCH SUBJECT two", "* SEARCH 2\r\nt OK SEARCH completed.");
	RUN(c, "SEARCH BODY hello", "* SEARCH 1\r\nt OK SEARCH completed.");
	RUN(c, "SEARCH SUBJECT nothing", "* SEARCH\r\nt OK SEARCH completed.");
	RUN(c, "SEARCH CHARSET X-NONE ALL", "t NO [BADCHARSET (~");
	RUN(c, "UID SEARCH RETURN (MIN MAX COUNT ALL) ALL",
	    "* ESEARCH (TAG \"t\") UID MIN 1 MAX 2 COUNT 2 ALL 1:2\r\nt OK UID SEARCH completed.");
	RUN(c, "SEARCH RETURN (COUNT) SUBJECT nothing",
	    "* ESEARCH (TAG \"t\") COUNT 0\r\nt OK SEARCH completed.");
	RUN(c, "SEARCH RETURN (SAVE) SUBJECT two", "t OK SEARCH completed.");
	RUN(c, "FETCH $ UID", "* 2 FETCH (UID 2)\r\nt OK FETCH completed.");
	RUN(c, "UID STORE $ +FLAGS.SILENT \\Seen", "t OK UID STORE completed.");
	RUN(c, "SEARCH RETURN (SAVE MAX) 1:*",
	    "* ESEARCH (TAG \"t\") MAX 2\r\nt OK SEARCH completed.");
	RUN(c, "SEARCH RETURN (COUNT) $",
	    "* ESEARCH (TAG \"t\") COUNT 1\r\nt OK SEARCH completed.");
	RUN(c, "SEARCH MODSEQ 1",
	    "* OK [HIGHESTMODSEQ ~\r\n* SEARCH 1 2 (MODSEQ ~)\r\nt OK SEARCH completed.");
	RUN(c, "SEARCH 3", "* SEARCH\r\nt OK SEARCH completed."); /* RFC 7377 2 */
	world_done(&w);
}

static void
test_idle(void)
{
	struct world w;
	struct client *a, *b;

	world_init(&w);
	a = connect_client(&w, 0);
	append_two(&w, a);
	b = connect_client(&w, 1);
	RUN(b, "SELECT INBOX",
	    "* FLAGS ~\r\n* OK [PERMANENTFLAGS ~\r\n* 2 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 1] ~\r\n"
	    "* OK [UIDVALIDITY ~\r\n* OK [UIDNEXT 3] ~\r\n* OK [HIGHESTMODSEQ ~\r\n* OK [ANNOTATIONS ~\r\n* OK [MAILBOXID ~\r\n* OK [URLMECH INTERNAL] ~\r\n"
	    "t OK [READ-WRITE] SELECT completed.");
	SEND(b, "t IDLE", "+ ", "+ idling");
	RUN(a, "STORE 2 +FLAGS \\Deleted",
	    "* 2 FETCH (FLAGS (\\Deleted \\Recent))\r\nt OK STORE completed.");
	expect(&w, b, "", "* 2 FETCH", "* 2 FETCH (FLAGS (\\Deleted))\r\n", __LINE__);
	RUN(a, "UID EXPUNGE 2", "* 2 EXPUNGE\r\nt OK UID EXPUNGE completed.");
	expect(&w, b, "", "* 2 EXPUNGE", "* 2 EXPUNGE\r\n", __LINE__);
	SEND(a, "t APPEND INBOX {3}", "+ ", "+ Go ahead.");
	SEND(a, "a\r\n", "t ",
	    "* 2 EXISTS\r\n* ~ RECENT\r\nt OK [APPENDUID ~ 3] APPEND completed.");
	expect(&w, b, "", "* 2 EXISTS", "* 2 EXISTS\r\n", __LINE__);
	/* What follows DONE in the same packet is a command. */
	SEND(b, "DONE\r\nu CHECK", "u ", "~t OK IDLE completed.\r\nu OK CHECK completed.");
	world_done(&w);
}

/* A client that sends DONE at once, and one that sends something else. */
static void
test_idle_end(void)
{
	struct world w;
	struct client *c;

	world_init(&w);
	c = connect_client(&w, 0);
	SEND(c, "t IDLE\r\nDONE", "t ", "+ idling\r\nt OK IDLE completed.");
	SEND(c, "t IDLE\r\nFOO", "t ", "+ idling\r\nt BAD Expected DONE.");
	RUN(c, "NOOP", "t OK NOOP completed.");
	world_done(&w);
}

static void
test_append_errors(void)
{
	struct world w;
	struct client *c;

	world_init(&w);
	c = connect_client(&w, 0);
	RUN(c, "APPEND Nowhere {10}", "t NO [TRYCREATE] ~");
	SEND(c, "t APPEND Nowhere {4+}\r\na\r\n", "t ", "t NO [TRYCREATE] ~");
	RUN(c, "APPEND INBOX {0}", "t NO [CANNOT] ~");
	RUN(c, "APPEND INBOX {99999999999}", "t NO [TOOBIG] ~");
	RUN(c, "APPEND INBOX (\\Foo) {10}", "t BAD ~");
	RUN(c, "APPEND INBOX", "t BAD ~");
	SEND(c, "t APPEND {5}", "+ ", "+ ~");
	SEND(c, "INBOX {3+}\r\na\r\n", "t ", "t OK [APPENDUID ~ 1] ~");
	SEND(c, "t APPEND INBOX {3+}\r\na\r\n x", "t ", "t BAD ~");
	SEND(c, "t APPEND INBOX UTF8 (~{3+}\r\na\r\n)", "t ", "t NO [CANNOT] ~");
	RUN(c, "ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\r\nt OK ENABLE completed.");
	SEND(c, "t APPEND INBOX UTF8 (~{3+}\r\na\r\n)", "t ", "t OK [APPENDUID ~ 2] ~");
	RUN(c, "NOOP", "t OK NOOP completed.");
	world_done(&w);
}

/* More than the output takes at once, and pages of more than one commit. */
static void
test_large(void)
{
	struct world w;
	struct client *c;
	BUF_CLEAN struct buf b = BUF_MAX(SIZE_MAX / 2), want = BUF_MAX(SIZE_MAX / 2);

	enum { BODY = 1000000, COUNT = 300 };

	world_init(&w);
	c = connect_client(&w, 0);
	buf_printf(&b, "t APPEND INBOX {%d+}\r\nSubject: x\r\n\r\n", BODY + 14);
	for (int i = 0; i < BODY; i++)
		buf_chr(&b, i % 80 == 79 ? '\n' : 'x');
	buf_lit(&b, "\r\n");
	client_send(&w, c, buf_str(&b));
	buf_consume(&c->in, client_wait(&w, c, STR("t OK")).n);
	for (int i = 1; i < COUNT; i++) {
		client_send(&w, c, STR("t APPEND INBOX {3+}\r\na\r\n\r\n"));
		buf_consume(&c->in, client_wait(&w, c, STR("t OK")).n);
	}
	client_send(&w, c, STR("s SELECT INBOX\r\n"));
	buf_consume(&c->in, client_wait(&w, c, STR("s OK")).n);
	client_send(&w, c, STR("f FETCH 1 BODY[TEXT]\r\n"));
	CHECK(client_wait(&w, c, STR("f OK")).n > BODY);
	buf_clear(&c->in);
	client_send(&w, c, STR("f FETCH 1:* (UID BODY[])\r\n"));
	CHECK(client_wait(&w, c, STR("f OK")).n > BODY + COUNT * 40);
	buf_clear(&c->in);
	client_send(&w, c, STR("f SEARCH SEEN\r\n"));
	buf_lit(&want, "* SEARCH");
	for (int i = 1; i <= COUNT; i++)
		buf_printf(&want, " %d", i);
	buf_lit(&want, "\r\nf OK SEARCH completed.\r\n");
	CHECK_STR(client_wait(&w, c, STR("f OK")), buf_str(&want));
	buf_clear(&c->in);
	client_send(&w, c, STR("f MOVE 1:* Trash\r\n"));
	CHECK(str_starts(client_wait(&w, c, STR("f OK")), STR("* OK [COPYUID ")));
	buf_clear(&c->in);
	client_send(&w, c, STR("f STATUS INBOX (MESSAGES)\r\n"));
	CHECK_STR(client_wait(&w, c, STR("f OK")),
	    STR("* STATUS INBOX (MESSAGES 0)\r\nf OK STATUS completed.\r\n"));
	world_done(&w);
}

/* Of what a command has changed nothing is told before it is durable, untagged or not. */
static void
test_told_when_durable(void)
{
	static const char *const commands[] = { "CREATE \"cafe\xCC\x81\"",
		"RENAME Sent \"e\xCC\x81\"", "SETQUOTA \"#user/joe\" (STORAGE 5000)" };
	static const char *const told[] = { "* LIST ~OLDNAME~\r\nt OK ~\r\n",
		"* LIST ~OLDNAME~\r\nt OK ~\r\n", "* QUOTA ~\r\nt OK ~\r\n" };
	struct world w;
	struct client *c;

	world_init_as(&w, true);
	c = connect_client(&w, 0);
	RUN(c, "ENABLE IMAP4rev2", "* ENABLED IMAP4rev2\r\nt OK ENABLE completed.");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		BUF_CLEAN struct buf line = BUF_MAX(1000);
		struct str got;

		buf_printf(&line, "t %s\r\n", commands[i]);
		w.is_held = true;
		client_send(&w, c, buf_str(&line));
		for (int turns = 0; turns < 20; turns++)
			loop_turn(w.loop, false);
		client_read(c);
		CHECK_STR(buf_str(&c->in), STR(""));
		w.is_held = false;
		got = client_wait(&w, c, STR("t "));
		if (!CHECK(matches(str_c(told[i]), got)))
			printf("# %s: %.*s\n", commands[i], STR_F(got));
		buf_consume(&c->in, got.n);
	}
	world_done(&w);
}

/* What SORT saves is put into order once: a set takes numbers that do not ascend one by one. */
static void
test_save_of_sort(void)
{
	enum { COUNT = 50000 };

	const struct imap_search args = { .returns = RETURN_SAVE | RETURN_PARTIAL,
		.partial = { .first = 1, .last = COUNT } };
	RANGESET_CLEAN struct rangeset all = RANGESET_NONE;
	uint32_t *list = xmalloc(COUNT * sizeof(*list));
	struct session s = { .saved = RANGESET_NONE };

	for (uint32_t i = 0; i < COUNT; i++) {
		uint32_t other;

		test_random(&other, sizeof(other));
		other %= i + 1;
		list[i] = list[other];
		list[other] = i + 1;
	}
	rangeset_add(&all, 1, COUNT);
	esearch_save(&s, &args, &(struct numbers){ .list = list, .n = COUNT }, &all);
	CHECK(rangeset_eq(&s.saved, &all));
	rangeset_done(&s.saved);
	free(list);
}

TEST_MAIN(TEST(test_append_errors), TEST(test_fetch), TEST(test_store_expunge),
    TEST(test_copy_move), TEST(test_search), TEST(test_idle), TEST(test_idle_end), TEST(test_large),
    TEST(test_told_when_durable), TEST(test_save_of_sort))

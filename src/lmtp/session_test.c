/* session_test.c - LMTP dialogues against a store in memory; who may get mail is decided here. */
#include "lmtp/server.h"

#include "auth/client.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/test.h"
#include "io/loop.h"
#include "store/mailbox.h"
#include "store/message.h"
#include "store/view.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the auth client's part: user1 … user9 exist, "busy" can't be told, "off" is disabled ---- */

struct auth_lookup {
	struct loop *loop;
	struct loop_task task;
	auth_lookup_fn *done;
	void *arg;
	enum err e;
	char user[64];
};

static void
lookup_answer(struct loop_task *t)
{
	struct auth_lookup *l = container_of(t, struct auth_lookup, task);

	l->done(l->arg, l->e, str_c(l->user));
	free(l);
}

void
auth_lookup(struct auth_client *c unused_arg, struct loop *loop, struct str address,
    auth_lookup_fn *done, void *arg, struct auth_lookup **l_out)
{
	struct auth_lookup *l = xcalloc(1, sizeof(*l));
	struct str local = str_sub(address, 0, MIN(str_chr(address, '@'), address.n));

	l->loop = loop;
	l->done = done;
	l->arg = arg;
	if (str_eq(local, STR("busy")))
		l->e = ERR_BUSY;
	else if (str_eq(local, STR("off")))
		l->e = ERR_CONTACTADMIN;
	else if (local.n == 5 && str_starts(local, STR("user")) && chr_is_digit(local.p[4]))
		snprintf(l->user, sizeof(l->user), "%.*s", STR_F(local));
	else
		l->e = ERR_UNKNOWN;
	loop_task_init(&l->task, lookup_answer);
	loop_post(loop, &l->task);
	*l_out = l;
}

void
auth_lookup_cancel(struct auth_lookup *l)
{
	loop_task_cancel(l->loop, &l->task);
	free(l);
}

/* ---- a server on one loop, and a client ------------------------------------------------------ */

enum { SESSIONS_MAX = 5 };

struct fixture {
	struct kv *kv;
	struct store *store;
	struct loop *loop;
	struct lmtp_server *server;
	int fd; /* the client's end */
	struct buf in;
	bool is_done;
};

static void
fixture_random(void *to, size_t n)
{
	memset(to, 3, n);
}

static void
client_connect(struct fixture *f)
{
	struct io_addr peer;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	f->fd = fds[1];
	f->in = BUF_MAX(1 << 20);
	peer = io_addr_peer(fds[0]);
	lmtp_server_serve(f->server, f->loop, fds[0], &peer);
}

static void
fixture_open(struct fixture *f)
{
	struct kv_memory_options k = { 0 };
	struct store_options s = { .clock = clock_system(),
		.random = fixture_random,
		.message_max_bytes = 1 << 20 };
	struct lmtp_options o = { .clock = clock_system(),
		.loop_count = 1,
		.hostname = STR("mx.example"),
		.message_max_bytes = 1 << 20,
		.recipients_max = 100,
		.sessions_max = SESSIONS_MAX,
		.delimiters = STR("+-") };

	log_setup(LOG_ERROR, "test");
	memset(f, 0, sizeof(*f));
	store_merge_functions(&k.base);
	must(kv_memory_open(&k, &f->kv) == ERR_OK);
	s.kv = f->kv;
	must(store_open(&s, &f->store) == ERR_OK);
	f->loop = loop_new(clock_system());
	o.store = f->store;
	o.loops = &f->loop;
	f->server = lmtp_server_new(&o);
	client_connect(f);
}

static void
shut_down(void *ctx)
{
	((struct fixture *)ctx)->is_done = true;
}

static void
fixture_close(struct fixture *f)
{
	if (f->fd >= 0)
		close(f->fd);
	lmtp_server_shutdown(f->server, 1000, shut_down, f);
	while (!f->is_done)
		loop_turn(f->loop, true);
	CHECK_U64(lmtp_server_session_count(f->server), 0);
	lmtp_server_free(f->server);
	loop_free(f->loop);
	store_close(f->store);
	kv_close(f->kv);
	buf_done(&f->in);
}

static void
say(struct fixture *f, struct str text)
{
	while (text.n != 0) {
		ssize_t n = send(f->fd, text.p, text.n, MSG_NOSIGNAL);

		if (n > 0)
			text = str_sub(text, (size_t)n, text.n);
		else
			loop_turn(f->loop, true);
	}
}

/*
 * The next line of the server's, without its end; empty when the connection has ended. Valid until
 * the next one.
 */
static struct str
line(struct fixture *f)
{
	static char text[1024];
	size_t end;

	while ((end = str_chr(buf_str(&f->in), '\n')) == SIZE_MAX) {
		char piece[4096];
		ssize_t n = recv(f->fd, piece, sizeof(piece), 0);

		if (n == 0)
			return STR("");
		if (n > 0)
			buf_add(&f->in, piece, (size_t)n);
		else
			loop_turn(f->loop, true);
	}
	must(end > 0 && end < sizeof(text));
	memcpy(text, f->in.p, end);
	buf_consume(&f->in, end + 1);
	return str_make(text, end - 1);
}

/* The next reply begins so. */
static void
expect(struct fixture *f, const char *start)
{
	struct str got = line(f);

	if (!CHECK(str_starts(got, str_c(start))))
		printf("# got \"%.*s\", want \"%s\"\n", STR_F(got), start);
}

static void
talk(struct fixture *f, const char *text, const char *start)
{
	say(f, str_c(text));
	expect(f, start);
}

static void
hello(struct fixture *f)
{
	expect(f, "220 mx.example LMTP");
	say(f, STR("LHLO test\r\n"));
	while (!str_starts(line(f), STR("250 ")))
		;
}

/* ---- looking into accounts ------------------------------------------------------------------- */

static void
no_wake(struct waiter *w unused_arg)
{
}

/* Spins: the engine in memory answers within moments. */
#define SPIN(e, call)                                                                              \
	do {                                                                                       \
		struct waiter w;                                                                   \
		waiter_init(&w, no_wake);                                                          \
		while ((e = (call)) == ERR_WAIT)                                                   \
			;                                                                          \
		waiter_cancel(&w);                                                                 \
	} while (0)

/* The whole text of the first message of a mailbox; count_out gets how many there are. */
static void
first_message(struct fixture *f, const char *user, const char *mailbox, struct buf *out,
    uint32_t *count_out)
{
	struct account *a;
	struct snapshot *s;
	struct view *v;
	struct entry entry;
	struct message *m;
	struct message_reader *r;
	enum err e;

	*count_out = 0;
	SPIN(e, store_account_open(f->store, str_c(user), ACCOUNT_EXISTING, &w, &a));
	if (!CHECK(e == ERR_OK))
		return;
	s = account_snapshot(a, NULL);
	SPIN(e, view_open(s, snapshot_mailbox(s, str_c(mailbox))->id, VIEW_READ_ONLY, &w, &v));
	must(e == ERR_OK);
	snapshot_unref(s);
	*count_out = view_exists(v);
	if (view_next(v, 1, &entry, NULL)) {
		SPIN(e, message_get(a, entry.msgno, MESSAGE_WHOLE, &w, &m));
		must(e == ERR_OK);
		r = message_reader_new(a, m);
		for (;;) {
			struct kv_bytes *bytes;
			struct str data;

			SPIN(e, message_reader_get(r, out->n, SIZE_MAX, &w, &bytes, &data));
			if (e != ERR_OK)
				break;
			buf_str_add(out, data);
			if (bytes != NULL)
				kv_bytes_unref(bytes);
		}
		CHECK(e == ERR_END);
		message_reader_free(r);
		message_unref(m);
	}
	view_close(v);
	account_unref(a);
}

static void
check_count(struct fixture *f, const char *user, const char *mailbox, uint32_t want)
{
	struct buf BUF_CLEAN text = BUF_MAX(2 << 20);
	uint32_t count;

	first_message(f, user, mailbox, &text, &count);
	CHECK_U64(count, want);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_delivers_to_each_recipient(void)
{
	struct fixture f;
	struct buf BUF_CLEAN text = BUF_MAX(10000);
	uint32_t count;

	fixture_open(&f);
	hello(&f);
	talk(&f, "MAIL FROM:<ann@example.org> BODY=8BITMIME SIZE=20\r\n", "250 2.1.0");
	talk(&f, "RCPT TO:<user1@example.org>\r\n", "250 2.1.5");
	talk(&f, "RCPT TO:<nobody@example.org>\r\n", "550 5.1.1");
	talk(&f, "RCPT TO:<busy@example.org>\r\n", "451 4.3.0");
	talk(&f, "RCPT TO:<off@example.org>\r\n", "550 5.2.1");
	talk(&f, "RCPT TO:<user2@example.org>\r\n", "250 2.1.5");
	talk(&f, "DATA\r\n", "354 ");
	talk(&f, "Subject: Hi\r\n\r\n..dot\r\n\n.\nbye\r\n.\r\n", "250 2.0.0 <user1@example.org>");
	expect(&f, "250 2.0.0 <user2@example.org>");
	first_message(&f, "user2", "INBOX", &text, &count);
	CHECK_U64(count, 1);
	CHECK(str_starts(buf_str(&text),
	    STR("Return-Path: <ann@example.org>\r\nDelivered-To: user2@example.org\r\n"
		"Received: from test (unix)\r\n\tby mx.example (Posthorn) with LMTP id ")));
	CHECK(str_ends(buf_str(&text), STR(" +0000\r\nSubject: Hi\r\n\r\n.dot\r\n\n.\nbye\r\n")));
	check_count(&f, "user1", "INBOX", 1);
	talk(&f, "QUIT\r\n", "221 2.0.0");
	CHECK(line(&f).n == 0);
	fixture_close(&f);
}

static void
test_pipelining(void)
{
	struct fixture f;

	fixture_open(&f);
	hello(&f);
	say(&f,
	    STR("MAIL FROM:<>\r\nRCPT TO:<user1@x>\r\nRCPT TO:<nobody@x>\r\nRCPT TO:<user1@x>\r\nDATA\r\n"));
	expect(&f, "250 2.1.0");
	expect(&f, "250 2.1.5");
	expect(&f, "550 5.1.1");
	expect(&f, "250 2.1.5");
	expect(&f, "354 ");
	say(&f, STR("Subject: a\r\n\r\n.\r\nMAIL FROM:<b@x>\r\nRSET\r\nNOOP\r\nQUIT\r\n"));
	expect(&f, "250 2.0.0 <user1@x>");
	expect(&f, "250 2.0.0 <user1@x>");
	expect(&f, "250 2.1.0");
	expect(&f, "250 2.0.0");
	expect(&f, "250 2.0.0");
	expect(&f, "221 ");
	check_count(&f, "user1", "INBOX", 2);
	fixture_close(&f);
}

static void
test_detail_names_a_folder(void)
{
	struct fixture f;

	fixture_open(&f);
	hello(&f);
	say(&f,
	    STR("MAIL FROM:<a@x>\r\nRCPT TO:<user1+Archive@x>\r\nRCPT TO:<user1+archive@x>\r\nRCPT TO:<user1+none@x>\r\n"
		"RCPT TO:<user1-Archive@x>\r\nRCPT TO:<nobody+Archive@x>\r\nDATA\r\n"));
	expect(&f, "250 2.1.0");
	for (int i = 0; i < 4; i++)
		expect(&f, "250 2.1.5");
	expect(&f, "550 5.1.1 <nobody+Archive@x>");
	expect(&f, "354 ");
	say(&f, STR("Subject: a\r\n\r\n.\r\n"));
	for (int i = 0; i < 4; i++)
		expect(&f, "250 2.0.0");
	check_count(&f, "user1", "Archive", 3);
	check_count(&f, "user1", "INBOX", 1);
	fixture_close(&f);
}

static void
test_chunks(void)
{
	struct fixture f;
	struct buf BUF_CLEAN text = BUF_MAX(10000);
	uint32_t count;

	fixture_open(&f);
	hello(&f);
	talk(&f, "MAIL FROM:<a@x> BODY=BINARYMIME\r\n", "250 2.1.0");
	talk(&f, "BDAT 5\r\nabcde", "503 5.5.1");
	talk(&f, "RCPT TO:<user3@x>\r\n", "250 2.1.5");
	talk(&f, "DATA\r\n", "503 ");
	talk(&f, "BDAT 14\r\nSubject: b\r\n\r\n", "250 2.0.0");
	talk(&f, "DATA\r\n", "503 ");
	fixture_close(&f);

	fixture_open(&f);
	hello(&f);
	say(&f,
	    STR("MAIL FROM:<a@x> BODY=BINARYMIME\r\nRCPT TO:<user3@x>\r\nBDAT 14\r\nSubject: b\r\n\r\nBDAT 7\r\n.\r\n.\0\n\rBDAT 0 LAST\r\n"));
	expect(&f, "250 2.1.0");
	expect(&f, "250 2.1.5");
	expect(&f, "250 2.0.0");
	expect(&f, "250 2.0.0");
	expect(&f, "250 2.0.0 <user3@x>");
	first_message(&f, "user3", "INBOX", &text, &count);
	CHECK(str_ends(buf_str(&text), STR("\r\nSubject: b\r\n\r\n.\r\n.\0\n\r")));
	fixture_close(&f);
}

static void
test_too_big(void)
{
	struct fixture f;
	static char block[1 << 16];

	memset(block, 'x', sizeof(block));
	fixture_open(&f);
	hello(&f);
	talk(&f, "MAIL FROM:<a@x> SIZE=1048577\r\n", "552 5.3.4");
	talk(&f, "MAIL FROM:<a@x> SIZE=1048576\r\n", "250 2.1.0");
	talk(&f, "RCPT TO:<user1@x>\r\n", "250 2.1.5");
	talk(&f, "DATA\r\n", "354 ");
	for (int i = 0; i < 20; i++)
		say(&f, str_make(block, sizeof(block)));
	talk(&f, "\r\n.\r\n", "552 5.3.4 <user1@x>");
	talk(&f, "MAIL FROM:<a@x>\r\n", "250 2.1.0");
	fixture_close(&f);
}

static void
test_full_disk(void)
{
	struct fixture f;

	fixture_open(&f);
	hello(&f);
	kv_memory_set_space(f.kv, KV_SPACE_SOFT);
	say(&f, STR("MAIL FROM:<a@x>\r\nRCPT TO:<user1@x>\r\nDATA\r\n"));
	expect(&f, "250 2.1.0");
	expect(&f, "250 2.1.5");
	expect(&f, "354 ");
	talk(&f, "Subject: a\r\n\r\n.\r\n", "452 4.3.1 <user1@x>");
	fixture_close(&f);
}

static void
test_failed_disk(void)
{
	struct fixture f;

	fixture_open(&f);
	hello(&f);
	say(&f, STR("MAIL FROM:<a@x>\r\nRCPT TO:<user1@x>\r\nDATA\r\n"));
	expect(&f, "250 2.1.0");
	expect(&f, "250 2.1.5");
	expect(&f, "354 ");
	kv_memory_fail_at(f.kv, 1, ERR_IO);
	talk(&f, "Subject: a\r\n\r\n.\r\n", "451 4.3.0 <user1@x>");
	fixture_close(&f);
}

static void
test_order_of_commands(void)
{
	struct fixture f;

	fixture_open(&f);
	expect(&f, "220 ");
	talk(&f, "MAIL FROM:<a@x>\r\n", "503 5.5.1");
	talk(&f, "EHLO x\r\n", "500 5.5.1");
	talk(&f, "LHLO\r\n", "501 5.5.4");
	say(&f, STR("LHLO [192.0.2.1]\r\n"));
	while (!str_starts(line(&f), STR("250 SIZE 1048576")))
		;
	talk(&f, "RCPT TO:<user1@x>\r\n", "503 5.5.1");
	talk(&f, "DATA\r\n", "503 5.5.1");
	talk(&f, "MAIL FROM:<a@x>\r\n", "250 ");
	talk(&f, "MAIL FROM:<b@x>\r\n", "503 5.5.1");
	talk(&f, "DATA\r\n", "503 5.5.1");
	talk(&f, "RCPT TO:<user1@x> ORCPT=rfc822;x\r\n", "555 5.5.4");
	talk(&f, "RCPT TO:<j\xC3\xB6@x>\r\n", "553 5.6.7");
	talk(&f, "RCPT TO:user1@x\r\n", "501 5.1.3");
	talk(&f, "STARTTLS\r\n", "502 ");
	talk(&f, "VRFY user1\r\n", "252 ");
	talk(&f, "HELP\r\n", "214 ");
	talk(&f, "XCLIENT ADDR=192.0.2.9\r\n", "503 ");
	talk(&f, "RSET\r\n", "250 ");
	talk(&f, "XCLIENT ADDR=192.0.2.9\r\n", "220 mx.example");
	talk(&f, "MAIL FROM:<a@x>\r\n", "503 5.5.1");
	fixture_close(&f);
}

static void
test_limits(void)
{
	struct fixture f;
	struct buf BUF_CLEAN long_line = BUF_MAX(100000);

	fixture_open(&f);
	hello(&f);
	buf_lit(&long_line, "NOOP ");
	while (long_line.n < 4094)
		buf_chr(&long_line, 'x');
	buf_lit(&long_line, "\r\n");
	say(&f, buf_str(&long_line));
	expect(&f, "250 ");
	buf_truncate(&long_line, 4094);
	buf_lit(&long_line, "x\r\n");
	say(&f, buf_str(&long_line));
	expect(&f, "500 5.5.6");
	talk(&f, "MAIL FROM:<a@x>\r\n", "250 ");
	for (int i = 0; i < 100; i++)
		talk(&f, "RCPT TO:<user1@x>\r\n", "250 ");
	talk(&f, "RCPT TO:<user1@x>\r\n", "452 4.5.3");
	for (int i = 0; i < 18; i++)
		talk(&f, "FOO\r\n", "500 ");
	talk(&f, "FOO\r\n", "421 4.7.0");
	CHECK(line(&f).n == 0);
	fixture_close(&f);
}

static void
test_client_gone_in_the_middle(void)
{
	static const char *const stories[] = {
		"",
		"LHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<user1@x>\r\n",
		"LHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<user1@x>\r\nDATA\r\nSubject: half",
		"LHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<user1@x>\r\nDATA\r\nSubject: whole\r\n\r\n.\r\n",
		"LHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<user1@x>\r\nBDAT 1000\r\nabc",
	};

	for (size_t i = 0; i < ARRAY_LEN(stories); i++) {
		for (int turns = 0; turns < 6; turns++) {
			struct fixture f;

			fixture_open(&f);
			say(&f, str_c(stories[i]));
			for (int t = 0; t < turns; t++)
				loop_turn(f.loop, false);
			close(f.fd);
			f.fd = -1;
			while (lmtp_server_session_count(f.server) != 0)
				loop_turn(f.loop, true);
			fixture_close(&f);
		}
	}
}

static void
test_shutdown_answers_what_has_begun(void)
{
	struct fixture f;

	fixture_open(&f);
	hello(&f);
	say(&f, STR("MAIL FROM:<a@x>\r\nRCPT TO:<user1@x>\r\nDATA\r\n"));
	expect(&f, "250 ");
	expect(&f, "250 ");
	expect(&f, "354 ");
	say(&f, STR("Subject: a\r\n\r\n.\r\n"));
	loop_turn(f.loop, true);
	lmtp_server_shutdown(f.server, 10000, shut_down, &f);
	expect(&f, "250 2.0.0 <user1@x>");
	expect(&f, "421 4.3.2");
	CHECK(line(&f).n == 0);
	close(f.fd);
	f.fd = -1;
	while (!f.is_done)
		loop_turn(f.loop, true);
	lmtp_server_free(f.server);
	loop_free(f.loop);
	store_close(f.store);
	kv_close(f.kv);
	buf_done(&f.in);
}

/* Whoever may connect can't take all descriptors of the process. */
static void
test_many_connections(void)
{
	struct fixture f;
	int fds[SESSIONS_MAX];

	fixture_open(&f);
	expect(&f, "220 ");
	for (int i = 1; i < SESSIONS_MAX; i++) {
		fds[i] = f.fd;
		buf_done(&f.in);
		client_connect(&f);
		expect(&f, "220 ");
	}
	fds[0] = f.fd;
	buf_done(&f.in);
	client_connect(&f);
	expect(&f, "421 4.3.2 ");
	CHECK_STR(line(&f), STR(""));
	close(f.fd);
	/* One leaves: there is room for another. */
	close(fds[1]);
	while (lmtp_server_session_count(f.server) == SESSIONS_MAX)
		loop_turn(f.loop, true);
	buf_done(&f.in);
	client_connect(&f);
	expect(&f, "220 ");
	close(fds[0]);
	for (int i = 2; i < SESSIONS_MAX; i++)
		close(fds[i]);
	fixture_close(&f);
}

TEST_MAIN(TEST(test_many_connections), TEST(test_delivers_to_each_recipient), TEST(test_pipelining),
    TEST(test_detail_names_a_folder), TEST(test_chunks), TEST(test_too_big), TEST(test_full_disk),
    TEST(test_failed_disk), TEST(test_order_of_commands), TEST(test_limits),
    TEST(test_client_gone_in_the_middle), TEST(test_shutdown_answers_what_has_begun))

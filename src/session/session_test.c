/*
 * session_test.c - a server in this process and clients that speak to it: logging in, layers,
 * pipelining, gates, ends.
 */
#include "session/session_world.h"

#include "base/arena.h"
#include "kv/kv.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

static void
test_greeting_and_logout(void)
{
	struct world *w = world_new(NULL);
	struct client c;

	client_open(&c, w, false);
	CHECK_HAS(buf_str(&c.last), "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 STARTTLS AUTH=");
	CHECK_HAS_NOT(buf_str(&c.last), "LOGINDISABLED");
	CHECK_HAS_NOT(buf_str(&c.last), "IDLE");
	CHECK_HAS(client_do(&c, "NOOP"), " OK NOOP completed.");
	CHECK_HAS(client_do(&c, "FROB"), " BAD Unknown command.");
	CHECK_HAS(client_do(&c, "NOOP x"), " BAD ");
	CHECK_HAS(client_do(&c, "SELECT INBOX"), " BAD Log in first.");
	CHECK_HAS(client_do(&c, "ID (\"name\" \"test\" \"version\" NIL)"),
	    "* ID (\"name\" \"Posthorn\")\r\n");
	CHECK_HAS(client_do(&c, "LOGOUT"), "* BYE ");
	CHECK(client_line(&c).p == NULL);
	client_close(&c);
	world_free(w);
}

static void
test_login(void)
{
	struct world *w = world_new(NULL);
	struct client c;

	client_open(&c, w, false);
	CHECK_HAS(client_do(&c, "LOGIN joe wrong"), " NO [AUTHENTICATIONFAILED] ");
	CHECK_HAS(client_do(&c, "LOGIN joe"), " BAD ");
	client_login(&c, "joe");
	CHECK_HAS_NOT(buf_str(&c.last), " AUTH=");
	CHECK_HAS(buf_str(&c.last), " IDLE ");
	CHECK_HAS(buf_str(&c.last), " APPENDLIMIT=67108864 ");
	CHECK_HAS(client_do(&c, "LOGIN joe secret"), " BAD You are logged in already.");
	CHECK_HAS(client_do(&c, "SELECT INBOX"), "* 0 EXISTS");
	CHECK_HAS(client_do(&c, "LIST \"\" *"), "\"/\" INBOX");
	client_close(&c);
	/* Literals, quoted strings. */
	client_open(&c, w, false);
	client_send(&c, STR("a LOGIN {3}\r\n"));
	CHECK_HAS(client_line(&c), "+ ");
	client_send(&c, STR("joe {6+}\r\nsecret\r\n"));
	CHECK_HAS(client_line(&c), "a OK [CAPABILITY ");
	client_close(&c);
	world_free(w);
}

static void
test_authenticate(void)
{
	struct world *w = world_new(NULL);
	struct client c;

	client_open(&c, w, false);
	client_send(&c, STR("a AUTHENTICATE PLAIN\r\n"));
	CHECK_STR(client_line(&c), STR("+ "));
	client_send(&c, STR("*\r\n"));
	CHECK_STR(client_line(&c), STR("a BAD Cancelled."));
	client_send(&c, STR("b AUTHENTICATE PLAIN\r\n"));
	CHECK_STR(client_line(&c), STR("+ "));
	client_send(&c, STR("!!!\r\n"));
	CHECK_HAS(client_line(&c), "b BAD ");
	CHECK_HAS(client_do(&c, "AUTHENTICATE FROB"), " NO This mechanism is not offered.");
	CHECK_HAS(client_do(&c, "AUTHENTICATE PLAIN ="), " BAD An empty response does not do.");
	CHECK_HAS(client_do(&c, "AUTHENTICATE PLAIN AGpvZQB3cm9uZw=="),
	    " NO [AUTHENTICATIONFAILED]");
	CHECK_HAS(client_do(&c, "AUTHENTICATE PLAIN AGpvZQBzZWNyZXQ="), " OK [CAPABILITY ");
	client_close(&c);
	client_open(&c, w, true);
	CHECK_HAS_NOT(buf_str(&c.last), "STARTTLS");
	CHECK_HAS(buf_str(&c.last), "AUTH=PLAIN");
	client_send(&c, STR("b AUTHENTICATE PLAIN\r\n"));
	CHECK_STR(client_line(&c), STR("+ "));
	client_send(&c, STR("AGFubgBzZWNyZXQ=\r\n"));
	CHECK_HAS(client_line(&c), "b OK [CAPABILITY ");
	client_close(&c);
	world_free(w);
}

static void
test_starttls_and_compress(void)
{
	struct world *w = world_new(NULL);
	struct client c;

	client_open(&c, w, false);
	CHECK_HAS(client_do(&c, "STARTTLS"), " OK Begin TLS now.");
	CHECK(peer_start_tls(&c.peer, 0, "imap", NULL));
	CHECK_HAS_NOT(client_do(&c, "CAPABILITY"), "STARTTLS");
	CHECK_HAS(client_do(&c, "STARTTLS"), " BAD TLS is on already.");
	client_login(&c, "joe");
	CHECK_HAS(buf_str(&c.last), "COMPRESS=DEFLATE");
	CHECK_HAS(client_do(&c, "COMPRESS LZW"), " NO ");
	CHECK_HAS(client_do(&c, "COMPRESS DEFLATE"), " OK DEFLATE begins now.");
	peer_start_deflate(&c.peer);
	CHECK_HAS_NOT(client_do(&c, "CAPABILITY"), "COMPRESS=DEFLATE");
	CHECK_HAS(client_do(&c, "COMPRESS DEFLATE"), " NO [COMPRESSIONACTIVE] ");
	CHECK_HAS(client_do(&c, "SELECT INBOX"), " OK [READ-WRITE] ");
	CHECK_HAS(client_do(&c, "LOGOUT"), " OK ");
	client_close(&c);
	/* Something hidden behind STARTTLS. */
	client_open(&c, w, false);
	client_send(&c, STR("a STARTTLS\r\nb LOGIN joe secret\r\n"));
	CHECK_HAS(client_line(&c), "* BYE [CLIENTBUG]");
	client_close(&c);
	world_free(w);
}

static void
append_one(struct client *c, const char *subject)
{
	BUF_CLEAN struct buf text = BUF_MAX(4096);

	buf_printf(&text, "From: a@example.org\r\nSubject: %s\r\n\r\nHello.\r\n", subject);
	CHECK_HAS(client_do(c, "APPEND INBOX (\\Flagged) {%zu+}\r\n%.*s", text.n,
		      STR_F(buf_str(&text))),
	    " OK [APPENDUID ");
}

static void
test_pipelining_in_order(void)
{
	struct world *w = world_new(NULL);
	struct client c;

	client_open(&c, w, false);
	client_send(&c,
	    STR("1 LOGIN joe secret\r\n2 SELECT INBOX\r\n3 NOOP\r\n4 STATUS Sent (MESSAGES)\r\n5 CREATE x\r\n6 LIST \"\" x\r\n"
		"7 DELETE x\r\n8 LIST \"\" x\r\n9 LOGOUT\r\n"));
	for (char tag = '1'; tag <= '9';) {
		struct str line = client_line(&c);

		if (!CHECK(line.p != NULL))
			break;
		if (line.p[0] == '*')
			continue;
		CHECK(line.p[0] == tag);
		CHECK_HAS(line, " OK ");
		tag++;
	}
	client_close(&c);
	world_free(w);
}

static void
test_others_changes_are_told(void)
{
	struct world *w = world_new(NULL);
	struct client a, b;

	client_open(&a, w, false);
	client_open(&b, w, false);
	client_login(&a, "joe");
	client_login(&b, "joe");
	client_do(&a, "SELECT INBOX");
	client_do(&b, "SELECT INBOX");
	client_send(&b, STR("i IDLE\r\n"));
	CHECK_STR(client_line(&b), STR("+ idling"));
	append_one(&a, "one");
	CHECK_STR(client_line(&b), STR("* 1 EXISTS"));
	/* A change elsewhere in the account must not wake it for ever. */
	CHECK_HAS(client_do(&a, "CREATE elsewhere"), " OK ");
	client_do(&a, "STORE 1 +FLAGS (\\Answered)");
	for (struct str line = client_line(&b); line.p != NULL && !has(line, "\\Answered");)
		line = client_line(&b);
	CHECK_HAS(client_do(&a, "UID EXPUNGE 1"), " OK ");
	client_do(&a, "STORE 1 +FLAGS (\\Deleted)");
	CHECK_HAS(client_do(&a, "EXPUNGE"), "* 1 EXPUNGE");
	for (struct str line = client_line(&b); line.p != NULL && !has(line, "1 EXPUNGE");)
		line = client_line(&b);
	client_send(&b, STR("DONE\r\nn NOOP\r\n"));
	CHECK_STR(client_line(&b), STR("i OK IDLE completed."));
	CHECK_STR(client_line(&b), STR("n OK NOOP completed."));
	client_close(&a);
	client_close(&b);
	world_free(w);
}

static void
test_bad_commands_end_it(void)
{
	struct world *w = world_new(NULL);
	struct client c;
	int answers = 0;

	client_open(&c, w, false);
	for (int i = 0; i < 20; i++)
		client_send(&c, STR("x frob\r\n"));
	for (struct str line = client_line(&c); line.p != NULL; line = client_line(&c)) {
		if (has(line, "* BYE [CLIENTBUG]"))
			break;
		answers++;
	}
	CHECK_U64(answers, 20);
	CHECK(client_line(&c).p == NULL);
	client_close(&c);
	world_free(w);
}

static void
test_long_lines_and_literals(void)
{
	struct world *w = world_new(NULL);
	struct client c;
	BUF_CLEAN struct buf b = BUF_MAX(1024 * 1024);

	client_open(&c, w, false);
	buf_c(&b, "a LOGIN ");
	while (b.n < 100000)
		buf_chr(&b, 'x');
	buf_c(&b, "\r\nb NOOP\r\n");
	client_send(&c, buf_str(&b));
	CHECK_HAS(client_line(&c), "a BAD ");
	CHECK_STR(client_line(&c), STR("b OK NOOP completed."));
	client_send(&c, STR("c LOGIN {5000}\r\n"));
	CHECK_HAS(client_line(&c), "c NO [LIMIT]");
	client_send(&c, STR("d NOOP\r\n"));
	CHECK_STR(client_line(&c), STR("d OK NOOP completed."));
	buf_clear(&b);
	buf_c(&b, "e LOGIN {50000+}\r\n");
	for (int i = 0; i < 50000; i++)
		buf_chr(&b, 'x');
	buf_c(&b, " y\r\nf NOOP\r\n");
	client_send(&c, buf_str(&b));
	CHECK_HAS(client_line(&c), "e NO [LIMIT]");
	CHECK_STR(client_line(&c), STR("f OK NOOP completed."));
	client_close(&c);
	world_free(w);
}

/* A line of LOGIN that has n bytes before its LF. */
static void
send_long_login(struct client *c, size_t n)
{
	BUF_CLEAN struct buf b = BUF_MAX(1024 * 1024);

	buf_c(&b, "a LOGIN joe ");
	while (b.n < n - 1)
		buf_chr(&b, 'x');
	buf_c(&b, "\r\n");
	client_send(c, buf_str(&b));
}

static void
test_limits_before_and_after_login(void)
{
	struct world *w = world_new(NULL);
	struct client c;

	client_open(&c, w, false);
	send_long_login(&c, 8192);
	CHECK_HAS(client_line(&c), "a NO [AUTHENTICATIONFAILED]");
	send_long_login(&c, 8193);
	CHECK_HAS(client_line(&c), "a BAD The command is too long.");
	client_send(&c, STR("b LOGIN {1024}\r\n"));
	CHECK_HAS(client_line(&c), "+ ");
	client_close(&c);
	client_open(&c, w, false);
	client_send(&c, STR("b LOGIN {1025}\r\n"));
	CHECK_HAS(client_line(&c), "b NO [LIMIT]");
	client_login(&c, "joe");
	send_long_login(&c, 65536);
	CHECK_HAS(client_line(&c), "a BAD You are logged in already.");
	send_long_login(&c, 65537);
	CHECK_HAS(client_line(&c), "a BAD The command is too long.");
	client_send(&c, STR("c CREATE {65536}\r\n"));
	CHECK_HAS(client_line(&c), "+ ");
	client_close(&c);
	client_open(&c, w, false);
	client_login(&c, "joe");
	client_send(&c, STR("c CREATE {65537}\r\n"));
	CHECK_HAS(client_line(&c), "c NO [LIMIT]");
	client_send(&c, STR("d APPEND INBOX {67108865}\r\n"));
	CHECK_HAS(client_line(&c), "d NO [TOOBIG]");
	client_send(&c, STR("e APPEND INBOX {67108864}\r\n"));
	CHECK_HAS(client_line(&c), "+ ");
	client_close(&c);
	world_free(w);
}

static void
test_no_passwords_in_the_clear(void)
{
	struct world *w = world_new(NULL);
	struct client c;

	client_open_from(&c, w, htonl(0xC0000207)); /* 192.0.2.7 */
	CHECK_HAS(buf_str(&c.last), " LOGINDISABLED ");
	CHECK_HAS(buf_str(&c.last), " STARTTLS ");
	CHECK_HAS_NOT(buf_str(&c.last), "AUTH=PLAIN");
	CHECK_HAS(client_do(&c, "LOGIN joe secret"), " NO [PRIVACYREQUIRED] ");
	CHECK_HAS(client_do(&c, "AUTHENTICATE PLAIN AGpvZQBzZWNyZXQ="), " NO ");
	CHECK_HAS(client_do(&c, "STARTTLS"), " OK ");
	CHECK(peer_start_tls(&c.peer, 0, "imap", NULL));
	CHECK_HAS_NOT(client_do(&c, "CAPABILITY"), "LOGINDISABLED");
	client_login(&c, "joe");
	client_close(&c);
	world_free(w);
}

static void
test_cleartext_when_allowed(void)
{
	struct server_options o = { .cleartext = SERVER_CLEARTEXT_ALWAYS };
	struct world *w = world_new(&o);
	struct client c;

	client_open_from(&c, w, htonl(0xC0000207));
	CHECK_HAS_NOT(buf_str(&c.last), "LOGINDISABLED");
	client_login(&c, "joe");
	client_close(&c);
	world_free(w);
}

static void
test_too_many_sessions(void)
{
	struct server_options o = { .sessions_max = 2 };
	struct world *w = world_new(&o);
	struct client c[3];

	for (int i = 0; i < 3; i++)
		client_open(&c[i], w, false);
	CHECK_HAS(buf_str(&c[1].last), "* OK ");
	CHECK_HAS(buf_str(&c[2].last), "* BYE [UNAVAILABLE]");
	for (int i = 0; i < 3; i++)
		client_close(&c[i]);
	world_free(w);
}

static void
test_inactivity_and_keepalive(void)
{
	struct server_options o = { .limits = { .idle_timeout_ms = 400, .keepalive_ms = 60 } };
	struct world *w = world_new(&o);
	struct client c;
	int lines = 0;

	client_open(&c, w, false);
	client_login(&c, "joe");
	CHECK_HAS(client_line(&c), "* BYE You were inactive for too long.");
	client_close(&c);
	client_open(&c, w, false);
	client_login(&c, "joe");
	client_do(&c, "SELECT INBOX");
	client_send(&c, STR("i IDLE\r\n"));
	client_line(&c);
	for (struct str line = client_line(&c); has(line, "* OK Still here.");
	     line = client_line(&c))
		lines++;
	CHECK(lines >= 2);
	client_close(&c);
	world_free(w);
}

static void
test_what_is_not_stored_is_not_acknowledged(void)
{
	struct world *w = world_new(NULL);
	struct client c;

	client_open(&c, w, false);
	client_login(&c, "joe");
	append_one(&c, "one");
	kv_memory_fail_at(world_kv(w), 1, ERR_IO);
	client_send(&c, STR("a APPEND INBOX {15+}\r\nSubject: x\r\n\r\ny\r\n"));
	for (struct str line = client_line(&c); line.p != NULL; line = client_line(&c))
		CHECK_HAS_NOT(line, "a OK");
	client_close(&c);
	world_free(w);
}

static void
test_login_takes_too_long(void)
{
	struct server_options o = { .limits = { .login_timeout_ms = 50 } };
	struct world *w = world_new(&o);
	struct client c;

	client_open(&c, w, false);
	CHECK_HAS(client_line(&c), "* BYE ");
	CHECK(client_line(&c).p == NULL);
	client_close(&c);
	world_free(w);
}

static void
test_who_and_shutdown(void)
{
	struct world *w = world_new(NULL);
	BUF_CLEAN struct buf b = BUF_MAX(65536);
	struct client c, d;

	client_open(&c, w, true);
	client_login(&c, "ann");
	client_do(&c, "ID (\"name\" \"Quo\\\"ted\" \"version\" \"1\")");
	client_open(&d, w, false);
	CHECK_U64(server_session_count(world_server(w)), 2);
	server_who(world_server(w), &b);
	CHECK_HAS(buf_str(&b), "\"protocol\":\"imap\"");
	CHECK_HAS(buf_str(&b),
	    "\"tls\":true,\"peer\":\"127.0.0.1\",\"user\":\"ann\",\"client\":\"Quo\\\"ted 1\"}\n");
	client_send(&d, STR("a LOGIN {3}\r\n"));
	client_line(&d);
	/* Ends while one is idle and the other in the middle of a command. */
	world_free(w);
	CHECK_HAS(client_line(&c), "* BYE [UNAVAILABLE]");
	CHECK_HAS(client_line(&d), "* BYE [UNAVAILABLE]");
	client_close(&c);
	client_close(&d);
}

static void
test_client_goes_away_at_any_point(void)
{
	static const char script[] =
	    "1 LOGIN joe secret\r\n2 SELECT INBOX\r\n3 APPEND INBOX {20+}\r\nSubject: x\r\n\r\nHello.\r\n"
	    "4 FETCH 1:* (FLAGS)\r\n5 IDLE\r\nDONE\r\n6 AUTHENTICATE PLAIN\r\n";
	struct world *w = world_new(NULL);

	for (size_t n = 0; n < sizeof(script); n += 3) {
		struct client c;

		client_open(&c, w, false);
		client_send(&c, str_make(script, n));
		if (n % 2 == 0)
			shutdown(c.peer.fd, SHUT_WR);
		client_close(&c);
	}
	world_free(w);
}

/* So many keys that look into texts that the pool searches, whatever the size of the mailbox. */
#define HEAVY_KEYS                                                                                 \
	"OR TEXT t0 OR TEXT t1 OR TEXT t2 OR TEXT t3 OR TEXT t4 OR TEXT t5 OR TEXT t6 OR TEXT t7 TEXT t8"

static void
fill(struct client *c, int messages)
{
	client_login(c, "joe");
	for (int i = 0; i < messages; i++) {
		client_send(c, STR("a APPEND INBOX {33+}\r\nSubject: t"));
		client_send(c,
		    i % 3 == 0 ? STR("8\r\n\r\nThe body is here.\r\n\r\n")
			       : STR("9\r\n\r\nThe body is here.\r\n\r\n"));
		while (!has(client_line(c), "a OK"))
			;
	}
	client_do(c, "SELECT INBOX");
}

static void
test_long_searches_on_the_pool(void)
{
	struct world *w = world_new(NULL);
	struct client c, others[8];

	client_open(&c, w, false);
	fill(&c, 7);
	CHECK_HAS(client_do(&c, "SEARCH " HEAVY_KEYS), "* SEARCH 1 4 7\r\n");
	CHECK_HAS(client_do(&c, "UID SEARCH RETURN (MIN COUNT SAVE) " HEAVY_KEYS),
	    "UID MIN 1 COUNT 3");
	CHECK_HAS(client_do(&c, "SEARCH RETURN (MIN) NOT " HEAVY_KEYS), " MIN 2\r\n");
	CHECK_HAS(client_do(&c, "SEARCH $"), "* SEARCH 1 4 7\r\n");
	client_send(&c,
	    STR("1 SEARCH " HEAVY_KEYS
		"\r\n2 SEARCH SUBJECT t9\r\n3 STORE 1 +FLAGS (\\Deleted)\r\n4 EXPUNGE\r\n"));
	while (!has(client_line(&c), "4 OK"))
		;
	CHECK_HAS(client_do(&c, "SEARCH " HEAVY_KEYS), "* SEARCH 3 6\r\n");
	/* Clients go while the pool searches for them. */
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		client_open(&others[i], w, false);
		client_login(&others[i], "joe");
		client_do(&others[i], "SELECT INBOX");
		client_send(&others[i],
		    STR("1 SEARCH " HEAVY_KEYS "\r\n2 SEARCH " HEAVY_KEYS "\r\n3 LOGOUT\r\n"));
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		client_close(&others[i]);
	CHECK_HAS(client_do(&c, "SEARCH " HEAVY_KEYS), "* SEARCH 3 6\r\n");
	client_send(&c, STR("1 SEARCH " HEAVY_KEYS "\r\n"));
	world_free(w);
	client_close(&c);
}

/* Everybody who shakes hands comes in at the door, and is served by the loops then. */
static void
test_through_the_door(void)
{
	struct world *w = world_new(NULL);
	struct client c[20];

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		client_open(&c[i], w, true);
		client_send(&c[i], STR("1 NOOP\r\n2 LOGIN joe secret\r\n3 SELECT INBOX\r\n"));
	}
	CHECK_U64(server_session_count(world_server(w)), ARRAY_LEN(c));
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		CHECK_HAS(client_line(&c[i]), "1 OK ");
		CHECK_HAS(client_line(&c[i]), "2 OK ");
		CHECK_HAS(client_do(&c[i], "STATUS INBOX (MESSAGES)"), "(MESSAGES 0)");
		client_close(&c[i]);
	}
	world_free(w);
}

/* Reads to the tagged answer; how many lines came before it. */
static unsigned
count_lines(struct client *c, const char *tagged)
{
	unsigned n = 0;
	struct str line;

	while ((line = client_line(c)).p != NULL && !str_starts_nocase(line, str_c(tagged)))
		n++;
	CHECK(line.p != NULL);
	return n;
}

/* A mailbox of 16,384, and this client in it. */
static void
fill_by_copying(struct client *c)
{
	fill(c, 64);
	for (unsigned n = 64; n < 16384; n *= 2)
		CHECK_HAS(client_do(c, "COPY 1:%u INBOX", n), " OK ");
	client_do(c, "NOOP");
}

/*
 * Who has had much goes on aside, in the middle of what he asked for, whatever his connection has on;
 * and comes back when he has rested.
 */
static void
test_aside_and_back(void)
{
	struct world *w = world_new(NULL);
	struct server *srv = world_server(w);
	struct client c, tls, zip, deflated, other;
	size_t most = 0;

	client_open(&c, w, false);
	fill_by_copying(&c);
	client_open(&tls, w, true);
	client_login(&tls, "joe");
	client_open(&zip, w, true);
	client_login(&zip, "joe");
	client_open(&deflated, w, false);
	client_login(&deflated, "joe");
	CHECK_HAS(client_do(&deflated, "COMPRESS DEFLATE"), " OK ");
	peer_start_deflate(&deflated.peer);
	client_do(&tls, "SELECT INBOX");
	client_do(&zip, "SELECT INBOX");
	client_do(&deflated, "SELECT INBOX");
	CHECK_HAS(client_do(&deflated,
		      "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))"),
	    " OK ");
	for (int i = 0; i < 100 && most < 4; i++) {
		/* So much that each is too much, however fast the machine is. */
		static const char words[] =
		    "0 FETCH 1:* (ENVELOPE BODYSTRUCTURE)\r\n0 FETCH 1:* (ENVELOPE BODYSTRUCTURE)\r\n"
		    "1 FETCH 1:* (ENVELOPE)\r\n2 STORE 1:64 +FLAGS (\\Flagged)\r\n3 NOOP\r\n";

		client_send(&c, STR(words));
		client_send(&tls, STR(words));
		client_send(&zip, STR(words));
		client_send(&deflated, STR(words));
		CHECK(count_lines(&c, "1 OK") >= 16384);
		CHECK(count_lines(&tls, "1 OK") >= 16384);
		CHECK(count_lines(&zip, "1 OK") >= 16384);
		CHECK(count_lines(&deflated, "1 OK") >= 16384);
		most = MAX(most, server_aside_count(srv));
		count_lines(&c, "3 OK");
		count_lines(&tls, "3 OK");
		count_lines(&zip, "3 OK");
		count_lines(&deflated, "3 OK");
	}
	CHECK_U64(most, 4);
	client_send(&tls, STR("4 IDLE\r\n"));
	CHECK_HAS(client_line(&tls), "+ ");
	/* Each command is a look at whether it has rested. */
	while (server_aside_count(srv) > 2) {
		CHECK_HAS(client_do(&c, "NOOP"), " OK ");
		CHECK_HAS(client_do(&deflated, "NOOP"), " OK ");
		sched_yield();
	}
	/* One comes back with its COMPRESS, which is run where it arrives. */
	CHECK_HAS(client_do(&zip, "COMPRESS DEFLATE"), " OK ");
	peer_start_deflate(&zip.peer);
	CHECK_HAS(client_do(&zip, "NOOP"), " OK ");
	/* The idling one looks when something makes it: with the first news at the latest. */
	CHECK(server_aside_count(srv) <= 1);
	client_open(&other, w, false);
	client_login(&other, "joe");
	append_one(&other, "news");
	CHECK_HAS(client_line(&tls), "16385 EXISTS");
	CHECK_U64(server_aside_count(srv), 0);
	client_send(&tls, STR("DONE\r\n"));
	count_lines(&tls, "4 OK");
	CHECK_HAS(client_do(&deflated, "UNAUTHENTICATE"), " OK ");
	client_close(&c);
	client_close(&tls);
	client_close(&zip);
	client_close(&deflated);
	client_close(&other);
	world_free(w);
}

/* It ends, and clients go, while sessions are on their way. */
static void
test_ends_with_sessions_aside(void)
{
	for (int round = 0; round < 3; round++) {
		struct world *w = world_new(NULL);
		struct client c, others[8];

		client_open(&c, w, false);
		fill_by_copying(&c);
		for (size_t i = 0; i < ARRAY_LEN(others); i++) {
			client_open(&others[i], w, i % 2 == 1);
			client_login(&others[i], "joe");
			client_do(&others[i], "SELECT INBOX");
			client_send(&others[i],
			    STR("1 FETCH 1:* FLAGS\r\n2 UNAUTHENTICATE\r\n3 LOGIN joe secret\r\n"
				"4 SELECT INBOX\r\n5 FETCH 1:* ENVELOPE\r\n6 LOGOUT\r\n"));
		}
		for (size_t i = 0; i < 4; i++)
			client_close(&others[i]);
		CHECK_HAS(client_do(&c, "FETCH 1:* FLAGS"), " OK ");
		if (round == 0)
			for (size_t i = 4; i < ARRAY_LEN(others); i++)
				count_lines(&others[i], "6 OK");
		if (round == 1)
			for (size_t i = 4; i < ARRAY_LEN(others); i++)
				client_close(&others[i]);
		world_free(w);
		for (size_t i = 4; i < ARRAY_LEN(others) && round != 1; i++)
			client_close(&others[i]);
		client_close(&c);
	}
}

struct comers {
	uint16_t port;
	atomic_uint count;
};

/* Comes again and again until nobody listens any more. */
static void *
come(void *arg)
{
	struct comers *k = arg;
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(k->port) };

	for (;;) {
		struct peer p = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
		struct timeval limit = { .tv_sec = 20 };
		char greeting[16];

		setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (connect(p.fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
			close(p.fd);
			return NULL;
		}
		if (peer_start_tls(&p, 0, "imap", NULL)
		    && peer_read(&p, greeting, sizeof(greeting)) > 0)
			atomic_fetch_add(&k->count, 1);
		peer_done(&p);
	}
}

/* It ends while some shake hands and others are on their way to their loops. */
static void
test_ends_with_a_crowd_at_the_door(void)
{
	struct world *w = world_new(NULL);
	struct comers k = { .port = world_tls_port(w) };
	pthread_t threads[4];

	atomic_init(&k.count, 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, come, &k);
	while (atomic_load(&k.count) < 50)
		sched_yield();
	world_free(w);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
}

TEST_MAIN(TEST(test_long_searches_on_the_pool), TEST(test_greeting_and_logout), TEST(test_login),
    TEST(test_authenticate), TEST(test_starttls_and_compress), TEST(test_pipelining_in_order),
    TEST(test_others_changes_are_told), TEST(test_bad_commands_end_it),
    TEST(test_long_lines_and_literals), TEST(test_limits_before_and_after_login),
    TEST(test_no_passwords_in_the_clear), TEST(test_cleartext_when_allowed),
    TEST(test_too_many_sessions), TEST(test_inactivity_and_keepalive),
    TEST(test_what_is_not_stored_is_not_acknowledged), TEST(test_login_takes_too_long),
    TEST(test_who_and_shutdown), TEST(test_through_the_door), TEST(test_aside_and_back),
    TEST(test_ends_with_sessions_aside), TEST(test_ends_with_a_crowd_at_the_door),
    TEST(test_client_goes_away_at_any_point))

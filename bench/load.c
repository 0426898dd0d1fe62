/*
 * load.c - a load generator for IMAP and LMTP servers: one thread, epoll, any number of
 * connections, every answer checked.
 *
 *     load MODE --port N [--conns N] [--accounts N] [--first-user N] [--seconds S] [--depth N] [--size BYTES] [--rcpts N] [--messages N]
 *         [--think-ms N] [--command TEXT] [--tls no|full|resumed] [--compress 0|1] [--rate N]
 *         [--details 0|1] [--apart 0|1]
 *
 * It prints one line of JSON: operations, seconds, rate, latency percentiles, failures, what it used
 * of the processor itself for an operation. A
 * connection is a small state machine: its mode writes commands (up to `depth` outstanding), the
 * reader follows lines and literals and matches tagged replies to the times they were asked at.
 * User names are --accounts in number from user--first-user on, dealt out in turn, password
 * --password. With --rate so many connections are begun a second, whether or not others are over
 * (mode connect: without logging in; mode hello: with nothing but the beginning of a handshake, and
 * they hang up when the server has signed it); --conns of them at most at the same time, and one
 * that is begun late counts its time from when it was due. With --think-ms a connection waits about
 * so long between an answer and its next command; --command is what mode `command` sends. With
 * --details 1 a table of latencies by command comes before the line of JSON. With --apart 1 it
 * stands for clients on another machine: on this one it gets the processor at once (as root;
 * otherwise soon, Linux 6.12 and later).
 */
#include "wire.h"

#include "base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, READ_BYTES = 65536, LATENCIES_MAX = 4000000 };

/* RFC 8446 5.1; an alert is a few bytes. */
enum { TLS_HANDSHAKE = 22, HELLO_ANSWER_MIN = 200 };

/* Of mixed work, each command's latencies are told too. */
enum kind {
	KIND_SELECT,
	KIND_LIST,
	KIND_STATUS,
	KIND_APPEND,
	KIND_SEARCH_FLAGS,
	KIND_SEARCH_HEADER,
	KIND_SEARCH_BODY,
	KIND_COPY,
	KIND_MOVE,
	KIND_STORE,
	KIND_EXPUNGE,
	KIND_NOOP,
	KIND_FETCH_LIST,
	KIND_FETCH_FLAGS,
	KIND_FETCH_BODY,
	KIND_IDLE,
	KIND_LOGOUT,
	KIND_COUNT,
};

static const char *const kind_names[KIND_COUNT] = {
	[KIND_SELECT] = "SELECT",
	[KIND_LIST] = "LIST",
	[KIND_STATUS] = "STATUS",
	[KIND_APPEND] = "APPEND",
	[KIND_SEARCH_FLAGS] = "SEARCH flags",
	[KIND_SEARCH_HEADER] = "SEARCH header",
	[KIND_SEARCH_BODY] = "SEARCH body",
	[KIND_COPY] = "COPY",
	[KIND_MOVE] = "MOVE",
	[KIND_STORE] = "STORE",
	[KIND_EXPUNGE] = "EXPUNGE",
	[KIND_NOOP] = "NOOP",
	[KIND_FETCH_LIST] = "FETCH of 50",
	[KIND_FETCH_FLAGS] = "FETCH of all flags",
	[KIND_FETCH_BODY] = "FETCH of a body",
	[KIND_IDLE] = "IDLE",
	[KIND_LOGOUT] = "LOGOUT",
};

struct options {
	const char *mode, *password, *user_format, *command;
	int port, conns, accounts, first_user, depth, rcpts, messages, think_ms;
	double seconds, rate;
	size_t size;
	enum wire_tls tls;
	bool is_compressed, is_detailed, is_apart;
};

struct conn;

/* A mode: what a connection does once it is logged in, again and again. */
struct mode {
	const char *name;
	bool is_lmtp;
	const char *setup; /* sent once after LOGIN, must be answered OK; NULL: nothing */
	void (*next)(struct conn *c);
	bool reconnects;   /* an operation is a whole connection */
	bool is_anonymous; /* it does not log in */
	/* it begins a handshake, always with the same bytes, and hangs up once it is answered */
	bool is_hello; /* whatever --tls says */
};

enum conn_state { CONN_GREETING, CONN_LOGIN, CONN_COMPRESS, CONN_SETUP, CONN_WORK, CONN_BYE };

struct conn {
	int fd, number, user;
	struct wire *wire;
	enum conn_state state;
	char *out;
	size_t out_n, out_cap;
	char line[4096];
	size_t line_n;
	uint64_t skip; /* bytes of a literal still to come */
	bool line_has_literal;
	uint64_t asked_us[DEPTH_MAX]; /* ring of outstanding operations */
	enum kind kinds[DEPTH_MAX];
	unsigned asked, answered;
	unsigned ops;
	unsigned exists;      /* messages of the selected mailbox, as it was told */
	bool is_idle;         /* says DONE when it is asked to */
	unsigned lmtp_expect; /* replies still to come of this LMTP transaction */
	bool is_writing;
	uint32_t rng;
	uint64_t due_us; /* thinking until then; 0: not thinking */
};

static struct options opt = {
	.password = "pass",
	.user_format = "user%d",
	.command = "NOOP",
	.conns = 1,
	.accounts = 1,
	.first_user = 1,
	.depth = 1,
	.rcpts = 1,
	.messages = 200,
	.seconds = 5,
	.size = 5000,
};
static const struct mode *mode;
static int epoll_fd;
static uint64_t end_us, begin_us;
static uint64_t operations, failures, bytes_in;
static uint32_t *latencies;
static uint8_t *latency_kinds;
static size_t latency_count;
static char first_failure[512];
static char *message_text, *message_serial; /* the digits of its Message-ID that change */
static size_t message_bytes;

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint32_t
random_u32(struct conn *c)
{
	c->rng ^= c->rng << 13;
	c->rng ^= c->rng >> 17;
	c->rng ^= c->rng << 5;
	return c->rng;
}

static void
fail(const char *what, const char *line)
{
	if (failures++ == 0)
		snprintf(first_failure, sizeof(first_failure), "%s: %.400s", what, line);
}

/* ---- output ---- */

static void
put(struct conn *c, const char *p, size_t n)
{
	if (c->out_n + n > c->out_cap) {
		c->out_cap = (c->out_n + n) * 2;
		c->out = realloc(c->out, c->out_cap);
		if (c->out == NULL)
			abort();
	}
	memcpy(c->out + c->out_n, p, n);
	c->out_n += n;
}

static void __attribute__((format(printf, 2, 3))) putf(struct conn *c, const char *fmt, ...)
{
	char t[2048];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t, sizeof(t), fmt, ap);
	va_end(ap);
	put(c, t, (size_t)n);
}

static void
flush(struct conn *c)
{
	bool wants;

	if (!(c->out_n > 0 ? wire_write(c->wire, c->out, c->out_n) : wire_flush(c->wire)))
		fail("write", strerror(errno));
	c->out_n = 0;
	wants = wire_wants_write(c->wire);
	if (wants != c->is_writing) {
		struct epoll_event ev = { .events = EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0),
			.data.ptr = c };

		epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
		c->is_writing = wants;
	}
}

static void
ask(struct conn *c, enum kind kind)
{
	c->kinds[c->asked % DEPTH_MAX] = kind;
	c->asked_us[c->asked++ % DEPTH_MAX] = now_us();
	c->ops++;
}

/* The message, each time another: a server that stores equal bytes once has to store these. */
static void
put_message(struct conn *c)
{
	static uint64_t serial;
	char digits[11];

	snprintf(digits, sizeof(digits), "%010llu", (unsigned long long)(++serial % 10000000000));
	memcpy(message_serial, digits, sizeof(digits) - 1);
	put(c, message_text, message_bytes);
}

/* ---- modes ---- */

static void
next_append(struct conn *c)
{
	ask(c, KIND_APPEND);
	putf(c, "a APPEND INBOX {%zu+}\r\n", message_bytes);
	put_message(c);
	put(c, "\r\n", 2);
}

static void
next_multiappend(struct conn *c)
{
	ask(c, KIND_APPEND);
	put(c, "a APPEND INBOX", 14);
	for (int i = 0; i < 16; i++) {
		putf(c, " {%zu+}\r\n", message_bytes);
		put_message(c);
	}
	put(c, "\r\n", 2);
}

static void
next_login(struct conn *c)
{
	put(c, "a LOGOUT\r\n", 10);
	c->state = CONN_BYE;
}

static void
next_hello(struct conn *c)
{
	size_t n;
	const char *hello = wire_hello(&n);

	put(c, hello, n);
}

/* Holds on: a command that is answered only when the client says DONE, which it never does. */
static void
next_idle(struct conn *c)
{
	ask(c, KIND_IDLE);
	put(c, "a IDLE\r\n", 8);
}

static void
next_noop(struct conn *c)
{
	ask(c, KIND_NOOP);
	put(c, "a NOOP\r\n", 8);
}

static void
next_select(struct conn *c)
{
	ask(c, KIND_SELECT);
	put(c, "a SELECT INBOX\r\n", 16);
}

static void
next_status(struct conn *c)
{
	ask(c, KIND_STATUS);
	putf(c, "a STATUS INBOX (MESSAGES UNSEEN UIDNEXT)\r\n");
}

static void
next_list(struct conn *c)
{
	ask(c, KIND_LIST);
	putf(c, "a LIST \"\" *\r\n");
}

static void
next_store(struct conn *c)
{
	ask(c, KIND_STORE);
	putf(c, "a STORE %u %cFLAGS.SILENT (\\Flagged)\r\n",
	    1 + random_u32(c) % (unsigned)opt.messages, c->ops % 2 == 0 ? '+' : '-');
}

static void
next_fetch(struct conn *c)
{
	ask(c, KIND_FETCH_BODY);
	putf(c, "a FETCH %u (BODY.PEEK[])\r\n", 1 + random_u32(c) % (unsigned)opt.messages);
}

static void
next_copy(struct conn *c)
{
	ask(c, KIND_COPY);
	putf(c, "a COPY %u Archive\r\n", 1 + random_u32(c) % (unsigned)opt.messages);
}

static void
next_search_flags(struct conn *c)
{
	ask(c, KIND_SEARCH_FLAGS);
	putf(c, "a SEARCH UNSEEN UNFLAGGED\r\n");
}

static void
next_search_header(struct conn *c)
{
	ask(c, KIND_SEARCH_HEADER);
	putf(c, "a SEARCH FROM \"sender%u\"\r\n", random_u32(c) % 100);
}

static void
next_search_body(struct conn *c)
{
	ask(c, KIND_SEARCH_BODY);
	putf(c, "a SEARCH BODY \"needle%u\"\r\n", random_u32(c) % 100);
}

static void
next_fetch_list(struct conn *c)
{
	ask(c, KIND_FETCH_LIST);
	putf(c, "a FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)\r\n");
}

static void
next_command(struct conn *c)
{
	ask(c, KIND_NOOP);
	putf(c, "a %s\r\n", opt.command);
}

/* What a day's clients do, in about the proportions of a busy webmail and phone server. */
static void
next_mixed(struct conn *c)
{
	unsigned m = 1 + random_u32(c) % (c->exists > 0 ? c->exists : 1),
		 last = m + 49 > c->exists ? c->exists : m + 49;
	unsigned kind = c->exists < 10 ? 4 : random_u32(c) % 40;

	switch (kind) {
	case 0:
	case 1:
		next_select(c);
		return;
	case 2:
		next_list(c);
		return;
	case 3:
	case 5:
	case 6:
		next_status(c);
		return;
	case 4:
	case 7:
		next_append(c);
		return;
	case 8:
		next_search_flags(c);
		return;
	case 9:
		next_search_header(c);
		return;
	case 10:
		next_search_body(c);
		return;
	case 11:
		ask(c, KIND_COPY);
		putf(c, "a COPY %u Archive\r\n", m);
		return;
	case 12:
		ask(c, KIND_MOVE);
		putf(c, "a MOVE %u Trash\r\n", m);
		return;
	case 13:
		ask(c, KIND_STORE);
		putf(c, "a STORE %u +FLAGS.SILENT (\\Deleted)\r\n", m);
		return;
	case 14:
		ask(c, KIND_EXPUNGE);
		putf(c, "a EXPUNGE\r\n");
		return;
	case 15:
	case 16:
	case 17:
		ask(c, KIND_STORE);
		putf(c, "a STORE %u %cFLAGS (\\Flagged)\r\n", m, c->ops % 2 == 0 ? '+' : '-');
		return;
	case 18:
	case 19:
	case 20:
		next_noop(c);
		return;
	case 21:
		ask(c, KIND_FETCH_LIST);
		putf(c, "a FETCH %u:%u (UID FLAGS INTERNALDATE ENVELOPE BODYSTRUCTURE)\r\n", m,
		    last);
		return;
	case 22:
	case 23:
		ask(c, KIND_FETCH_LIST);
		putf(c,
		    "a FETCH %u:%u (UID FLAGS BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])\r\n",
		    m, last);
		return;
	case 24:
	case 25:
		ask(c, KIND_FETCH_FLAGS);
		putf(c, "a FETCH 1:* (UID FLAGS)\r\n");
		return;
	case 26:
	case 27:
		ask(c, KIND_FETCH_BODY);
		putf(c, "a FETCH %u (BODY[1])\r\n", m);
		return;
	case 28:
	case 29:
		c->is_idle = true;
		next_idle(c);
		return;
	case 30:
		ask(c, KIND_LOGOUT);
		put(c, "a LOGOUT\r\n", 10);
		c->state = CONN_BYE;
		return;
	default:
		ask(c, KIND_FETCH_BODY);
		putf(c, "a FETCH %u (BODY.PEEK[])\r\n", m);
		return;
	}
}

static void
next_lmtp(struct conn *c)
{
	ask(c, KIND_APPEND);
	putf(c, "MAIL FROM:<sender@example.org>\r\n");
	for (int i = 0; i < opt.rcpts; i++)
		putf(c, "RCPT TO:<user%d>\r\n",
		    opt.first_user + (int)(random_u32(c) % (unsigned)opt.accounts));
	put(c, "DATA\r\n", 6);
	c->lmtp_expect = (unsigned)(2 + opt.rcpts * 2);
}

static const struct mode modes[] = {
	{ "append", .next = next_append },
	{ "multiappend", .next = next_multiappend },
	{ "connect", .next = next_login, .reconnects = true, .is_anonymous = true },
	{ "hello", .next = next_hello, .reconnects = true, .is_hello = true },
	{ "login", .next = next_login, .reconnects = true },
	{ "noop", .next = next_noop },
	{ "select", .next = next_select },
	{ "status", .next = next_status },
	{ "list", .next = next_list },
	{ "store", .setup = "a SELECT INBOX\r\n", .next = next_store },
	{ "fetch", .setup = "a SELECT INBOX\r\n", .next = next_fetch },
	{ "fetch-list", .setup = "a SELECT INBOX\r\n", .next = next_fetch_list },
	{ "copy", .setup = "a SELECT INBOX\r\n", .next = next_copy },
	{ "search-flags", .setup = "a SELECT INBOX\r\n", .next = next_search_flags },
	{ "search-header", .setup = "a SELECT INBOX\r\n", .next = next_search_header },
	{ "search-body", .setup = "a SELECT INBOX\r\n", .next = next_search_body },
	{ "idle", .setup = "a SELECT INBOX\r\n", .next = next_idle },
	{ "mixed", .setup = "a SELECT INBOX\r\n", .next = next_mixed },
	{ "command", .setup = "a SELECT INBOX\r\n", .next = next_command },
	{ "lmtp", .is_lmtp = true, .next = next_lmtp },
};

/* ---- connections ---- */

static void
conn_open(struct conn *c)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port) };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	/* Source addresses of their own for many connections: ports of one address run out. */
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->number >= 10000) {
		struct sockaddr_in from = { .sin_family = AF_INET };

		from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(c->number / 10000));
		if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) != 0)
			fail("bind", strerror(errno));
	}
	if (connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 && errno != EINPROGRESS) {
		fprintf(stderr, "connect to port %d: %s\n", opt.port, strerror(errno));
		exit(2);
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->state = CONN_GREETING;
	c->out_n = c->line_n = 0;
	c->skip = 0;
	c->is_writing = c->line_has_literal = false;
	c->asked = c->answered = 0;
	if (mode->reconnects)
		ask(c, KIND_LOGOUT);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev);
	c->wire = wire_new(c->fd, mode->is_hello ? WIRE_CLEAR : opt.tls, (unsigned)c->user);
	if (mode->is_hello)
		mode->next(c);
	flush(c); /* a handshake begins with the client */
}

/* It is over; the next one begins, unless they begin when they are due. */
static void
shut(struct conn *c)
{
	wire_free(c->wire);
	c->wire = NULL;
	c->fd = -1;
	if (now_us() < end_us && opt.rate == 0)
		conn_open(c);
}

/* What read() said was that it is over. */
static void
lost(struct conn *c, ssize_t n)
{
	if (c->state == CONN_BYE) {
		shut(c);
		return;
	}
	if (now_us() < end_us)
		fail("closed", n < 0 ? strerror(errno) : "by the server");
	wire_free(c->wire);
	c->wire = NULL;
	c->fd = -1;
}

static void
work(struct conn *c)
{
	if (now_us() >= end_us || c->due_us != 0)
		return;
	if (mode->reconnects)
		mode->next(c);
	while (c->asked - c->answered < (unsigned)opt.depth && c->state == CONN_WORK)
		mode->next(c);
	flush(c);
}

static void
answered(struct conn *c)
{
	uint64_t now = now_us(), asked = c->asked_us[c->answered % DEPTH_MAX];
	enum kind kind = c->kinds[c->answered++ % DEPTH_MAX];

	if (now <= end_us) {
		operations++;
		if (latency_count < LATENCIES_MAX) {
			latency_kinds[latency_count] = (uint8_t)kind;
			latencies[latency_count++] = (uint32_t)(now - asked);
		}
	}
	if (opt.think_ms > 0)
		c->due_us = now + random_u32(c) % (uint32_t)(2000 * opt.think_ms);
}

static void
imap_line(struct conn *c, const char *line)
{
	bool is_tagged = line[0] == 'a' && line[1] == ' ';

	if (c->state == CONN_GREETING) {
		if (strncmp(line, "* OK", 4) != 0)
			fail("greeting", line);
		if (mode->is_anonymous) {
			next_login(c);
			flush(c);
			return;
		}
		c->state = CONN_LOGIN;
		putf(c, "a LOGIN ");
		putf(c, opt.user_format, c->user);
		putf(c, " %s\r\n", opt.password);
		flush(c);
		return;
	}
	if (!is_tagged) {
		unsigned n;
		char what[16];

		if (line[0] == '+' && c->is_idle) {
			c->is_idle = false;
			put(c, "DONE\r\n", 6);
			flush(c);
		} else if (sscanf(line, "* %u %15s", &n, what) == 2) {
			if (strcmp(what, "EXISTS") == 0)
				c->exists = n;
			else if (strcmp(what, "EXPUNGE") == 0)
				c->exists--;
		}
		return;
	}
	/* In mixed work others expunge what this one names: a right answer (RFC 5530). */
	if (strncmp(line, "a OK", 4) != 0 && strncmp(line, "a NO [EXPUNGEISSUED]", 20) != 0)
		fail("reply", line);
	switch (c->state) {
	case CONN_LOGIN:
		if (opt.is_compressed) {
			c->state = CONN_COMPRESS;
			put(c, "a COMPRESS DEFLATE\r\n", 20);
			flush(c);
			return;
		}
		/* fall through */
	case CONN_COMPRESS:
		if (c->state == CONN_COMPRESS)
			wire_compress(c->wire);
		c->state = mode->setup != NULL ? CONN_SETUP : CONN_WORK;
		if (mode->setup != NULL) {
			put(c, mode->setup, strlen(mode->setup));
			flush(c);
			return;
		}
		break;
	case CONN_SETUP:
		c->state = CONN_WORK;
		break;
	case CONN_WORK:
	case CONN_BYE:
		answered(c);
		break;
	case CONN_GREETING:
		break;
	}
	if (c->state == CONN_WORK)
		work(c);
}

static void
lmtp_line(struct conn *c, const char *line)
{
	if (strlen(line) >= 4 && line[3] == '-')
		return;
	if (c->state == CONN_GREETING) {
		c->state = CONN_LOGIN;
		putf(c, "LHLO load\r\n");
		flush(c);
		return;
	}
	if (c->state == CONN_LOGIN) {
		c->state = CONN_WORK;
		work(c);
		return;
	}
	if (line[0] != '2' && line[0] != '3')
		fail("reply", line);
	if (line[0] == '3') {
		put_message(c);
		put(c, ".\r\n", 3);
		flush(c);
	}
	if (--c->lmtp_expect > 0)
		return;
	answered(c);
	work(c);
}

/* The server's flight: it has signed. It comes at once, for it is sent so. */
static void
hello_answer(struct conn *c, const char *p, size_t n)
{
	const struct linger none = { .l_onoff = 1 };

	if (n < HELLO_ANSWER_MIN || p[0] != TLS_HANDSHAKE)
		fail("hello", "no answer of a handshake");
	else
		answered(c);
	/* so that no port stays taken */
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	shut(c);
}

#define LINE_HEAD 64u /* of a long line */

/* Follows lines and literals. */
static void
take(struct conn *c, const char *p, size_t n)
{
	while (n > 0) {
		const char *lf;
		size_t part;

		if (c->skip > 0) {
			part = c->skip < n ? (size_t)c->skip : n;
			c->skip -= part;
			p += part;
			n -= part;
			continue;
		}
		lf = memchr(p, '\n', n);
		part = lf == NULL ? n : (size_t)(lf - p) + 1;
		/*
		 * Only the ends of a long line matter: what it is, and whether it ends in a literal.
		 */
		if (c->line_n + part < sizeof(c->line)) {
			memcpy(c->line + c->line_n, p, part);
			c->line_n += part;
		} else {
			size_t tail = part < 32 ? part : 32, head = 0;

			if (c->line_n < LINE_HEAD)
				head = part < LINE_HEAD - c->line_n ? part : LINE_HEAD - c->line_n;
			memcpy(c->line + c->line_n, p, head);
			memcpy(c->line + sizeof(c->line) - 33, p + part - tail, tail);
			c->line_n = sizeof(c->line) - 33 + tail;
		}
		p += part;
		n -= part;
		if (lf == NULL)
			return;
		while (c->line_n > 0
		    && (c->line[c->line_n - 1] == '\n' || c->line[c->line_n - 1] == '\r'))
			c->line_n--;
		c->line[c->line_n] = '\0';
		if (!mode->is_lmtp && c->line_n > 2 && c->line[c->line_n - 1] == '}') {
			char *open = strrchr(c->line, '{');

			c->skip = open == NULL ? 0 : strtoull(open + 1, NULL, 10);
			c->line_n = 0;
			c->line_has_literal = true;
			continue;
		}
		c->line_n = 0;
		if (c->line_has_literal) {
			c->line_has_literal = false;
			/* the rest of a line that began before a literal is never tagged */
			continue;
		}
		if (mode->is_lmtp)
			lmtp_line(c, c->line);
		else
			imap_line(c, c->line);
	}
}

static void
ready(struct conn *c, uint32_t events)
{
	static char t[READ_BYTES];
	ssize_t n;

	if ((events & EPOLLOUT) != 0)
		flush(c);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	if (mode->is_hello) {
		n = wire_read(c->wire, t, sizeof(t));
		if (n > 0)
			hello_answer(c, t, (size_t)n);
		else if (n == 0 || errno != EAGAIN)
			lost(c, n);
		return;
	}
	/* Until there is nothing more: what lies decrypted or inflated makes no event. */
	do {
		n = wire_read(c->wire, t, sizeof(t));
		if (n > 0) {
			bytes_in += (uint64_t)n;
			take(c, t, (size_t)n);
		}
	} while (n > 0 && (opt.tls != WIRE_CLEAR || opt.is_compressed));
	if (n > 0)
		return;
	if (n < 0 && errno == EAGAIN) {
		flush(c);
		return;
	}
	lost(c, n);
}

/* Begins the connections that are due, as far as there are free ones. */
static void
open_due(struct conn *conns)
{
	static uint64_t begun;
	static int at;

	for (int tried = 0; tried < opt.conns; tried++, at = (at + 1) % opt.conns) {
		uint64_t due_us = begin_us + (uint64_t)((double)begun * 1e6 / opt.rate);

		if (due_us > now_us())
			return;
		if (conns[at].wire != NULL)
			continue;
		conn_open(&conns[at]);
		conns[at].asked_us[0] = due_us;
		begun++;
	}
}

/* Those that have thought long enough go on. */
static void
wake_thinkers(struct conn *conns)
{
	uint64_t now = now_us();

	for (int i = 0; i < opt.conns; i++) {
		if (conns[i].due_us != 0 && conns[i].due_us <= now) {
			conns[i].due_us = 0;
			work(&conns[i]);
		}
	}
}

/* ---- main ---- */

static void
make_message(void)
{
	size_t cap = opt.size + 2048, n;
	unsigned line = 0;

	message_text = malloc(cap);
	if (message_text == NULL)
		abort();
	n = (size_t)snprintf(message_text, cap,
	    "Return-Path: <sender7@example.org>\r\nReceived: from mx.example.org (mx.example.org [192.0.2.7])\r\n"
	    "\tby mail.example.net with ESMTPS id 4XyZ12; Sun, 22 Nov 2026 10:11:12 +0100\r\n"
	    "From: \"A. Sender\" <sender7@example.org>\r\nTo: Some Body <user1@example.net>, other@example.net\r\n"
	    "Subject: Re: [list] The quick brown fox and its =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
	    "Date: Sun, 22 Nov 2026 10:11:11 +0100\r\nMessage-ID: <20261122.%d.0000000000@example.org>\r\n"
	    "In-Reply-To: <20261121.1@example.org>\r\nReferences: <20261120.1@example.org> <20261121.1@example.org>\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
	    (int)getpid());
	message_serial = strstr(message_text, "0000000000@");
	while (n + 80 < opt.size)
		n += (size_t)snprintf(message_text + n, cap - n,
		    "Line %05u of a message whose needle%u lies somewhere in the hay of text.\r\n",
		    line, line % 100),
		    line++;
	message_bytes = n;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* What we have used of the processor. */
static double
cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double
percentile_ms(const uint32_t *sorted, size_t n, double p)
{
	return n == 0 ? 0 : sorted[(size_t)(p * (double)(n - 1))] / 1000.0;
}

/* A line for each command of mixed work. */
static void
print_kinds(void)
{
	uint32_t *of_kind = malloc((latency_count + 1) * sizeof(*of_kind));

	if (of_kind == NULL)
		abort();
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		size_t n = 0;
		double sum_ms = 0;

		for (size_t i = 0; i < latency_count; i++) {
			if (latency_kinds[i] == kind) {
				of_kind[n++] = latencies[i];
				sum_ms += latencies[i] / 1000.0;
			}
		}
		qsort(of_kind, n, sizeof(*of_kind), by_value);
		if (n > 0)
			printf("%-20s %8zu  mean %8.2f  p50 %8.2f  p99 %8.2f  max %8.2f ms\n",
			    kind_names[kind], n, sum_ms / (double)n, percentile_ms(of_kind, n, 0.5),
			    percentile_ms(of_kind, n, 0.99), percentile_ms(of_kind, n, 1));
	}
	free(of_kind);
}

static void
parse_arguments(int argc, char **argv)
{
	if (argc < 2)
		goto usage;
	opt.mode = argv[1];
	for (int i = 2; i + 1 < argc; i += 2) {
		const char *name = argv[i], *v = argv[i + 1];

		if (strcmp(name, "--port") == 0)
			opt.port = atoi(v);
		else if (strcmp(name, "--conns") == 0)
			opt.conns = atoi(v);
		else if (strcmp(name, "--accounts") == 0)
			opt.accounts = atoi(v);
		else if (strcmp(name, "--first-user") == 0)
			opt.first_user = atoi(v);
		else if (strcmp(name, "--depth") == 0)
			opt.depth = atoi(v);
		else if (strcmp(name, "--rcpts") == 0)
			opt.rcpts = atoi(v);
		else if (strcmp(name, "--messages") == 0)
			opt.messages = atoi(v);
		else if (strcmp(name, "--seconds") == 0)
			opt.seconds = atof(v);
		else if (strcmp(name, "--rate") == 0)
			opt.rate = atof(v);
		else if (strcmp(name, "--size") == 0)
			opt.size = (size_t)atol(v);
		else if (strcmp(name, "--think-ms") == 0)
			opt.think_ms = atoi(v);
		else if (strcmp(name, "--command") == 0)
			opt.command = v;
		else if (strcmp(name, "--password") == 0)
			opt.password = v;
		else if (strcmp(name, "--compress") == 0)
			opt.is_compressed = atoi(v) != 0;
		else if (strcmp(name, "--details") == 0)
			opt.is_detailed = atoi(v) != 0;
		else if (strcmp(name, "--apart") == 0)
			opt.is_apart = atoi(v) != 0;
		else if (strcmp(name, "--tls") == 0 && strcmp(v, "no") == 0)
			opt.tls = WIRE_CLEAR;
		else if (strcmp(name, "--tls") == 0 && strcmp(v, "full") == 0)
			opt.tls = WIRE_TLS;
		else if (strcmp(name, "--tls") == 0 && strcmp(v, "resumed") == 0)
			opt.tls = WIRE_TLS_RESUMED;
		else
			goto usage;
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, opt.mode) == 0)
			mode = &modes[i];
	}
	if (mode != NULL && opt.port > 0 && opt.conns > 0 && opt.accounts > 0 && opt.depth > 0
	    && opt.depth <= DEPTH_MAX)
		return;
usage:
	fprintf(stderr,
	    "usage: load MODE --port N [--conns N] [--accounts N] [--first-user N] [--seconds S] [--depth N] [--size BYTES] [--rcpts N] "
	    "[--messages N] [--think-ms N] [--command TEXT] [--password P] [--tls no|full|resumed] [--compress 0|1] [--rate N] [--details 0|1] [--apart 0|1]\nmodes:");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(stderr, " %s", modes[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[256];
	struct conn *conns;
	double took, used_us;
	const struct sched_param first = { .sched_priority = 1 };

	parse_arguments(argc, argv);
	/* Else what it waits for a processor itself, which people don't, is taken for the server's. */
	if (opt.is_apart && sched_setscheduler(0, SCHED_FIFO, &first) != 0)
		thread_begin(NULL, THREAD_PROMPT);
	make_message();
	latencies = malloc(LATENCIES_MAX * sizeof(*latencies));
	latency_kinds = malloc(LATENCIES_MAX);
	conns = calloc((size_t)opt.conns, sizeof(*conns));
	if (latencies == NULL || latency_kinds == NULL || conns == NULL)
		abort();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	begin_us = now_us();
	end_us = begin_us + (uint64_t)(opt.seconds * 1e6);
	for (int i = 0; i < opt.conns; i++) {
		conns[i].number = i;
		conns[i].user = opt.first_user + i % opt.accounts;
		conns[i].rng = 2463534242u + (uint32_t)i * 7919u;
		if (opt.rate == 0)
			conn_open(&conns[i]);
	}
	while (now_us() < end_us) {
		int n =
		    epoll_wait(epoll_fd, events, 256, opt.think_ms > 0 || opt.rate > 0 ? 1 : 50);

		for (int i = 0; i < n; i++)
			ready(events[i].data.ptr, events[i].events);
		if (opt.think_ms > 0)
			wake_thinkers(conns);
		if (opt.rate > 0)
			open_due(conns);
	}
	took = (double)(now_us() - begin_us) / 1e6;
	used_us = cpu_us();
	if (opt.is_detailed)
		print_kinds();
	qsort(latencies, latency_count, sizeof(*latencies), by_value);
	printf(
	    "{\"mode\":\"%s\",\"ops\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
	    "\"failures\":%llu,\"bytes_in\":%llu,\"handshakes\":%llu,\"resumed\":%llu,\"client_us\":%.1f}\n",
	    mode->name, (unsigned long long)operations, took, (double)operations / took,
	    percentile_ms(latencies, latency_count, 0.5),
	    percentile_ms(latencies, latency_count, 0.99),
	    percentile_ms(latencies, latency_count, 1), (unsigned long long)failures,
	    (unsigned long long)bytes_in, wire_stats().full + wire_stats().resumed,
	    wire_stats().resumed, used_us / (double)(operations > 0 ? operations : 1));
	if (failures > 0)
		fprintf(stderr, "first failure: %s\n", first_failure);
	return failures > 0 ? 1 : 0;
}

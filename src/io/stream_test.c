/*
 * stream_test.c - streams against a blocking peer in a thread: layers, chunking, gates, watermarks,
 * ends, and what an idle stream owns. The stream's side runs a real loop; "line" tests speak a tiny
 * protocol: the stream answers what the script says.
 */
#include "io/stream.h"

#include "base/arena.h"
#include "base/test.h"
#include "io/stream_int.h"
#include "io/stream_peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LAYER_TLS = 1, LAYER_DEFLATE = 2 };

struct side {
	struct loop *loop;
	struct stream *s;
	struct tls *tls;
	struct peer peer;
	pthread_t thread;
	unsigned layers;
	int tls_version;
	bool is_closed, is_secured, is_drained, is_gate_failed;
	enum err why;
	size_t in_bytes, want_bytes;
	uint64_t in_sum;
	bool ok; /* the peer's thread: all went well */
	void (*on_readable)(struct side *x);
	struct side *other; /* whose stream is on the same loop */
	bool other_had;     /* its peer had bytes when this one became readable */
};

static struct tls *
make_tls(void)
{
	static const struct str names[] = { STR_INIT("mail.example.org"),
		STR_INIT("*.example.net") };
	BUF_CLEAN struct buf cert = BUF_MAX(65536);
	BUF_CLEAN struct buf key = BUF_MAX(65536);
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	struct tls_cert pair = { 0 };
	struct tls_config c = { .certs = &pair, .cert_count = 1 };
	struct tls *t = NULL;

	must(tls_self_signed(names, 2, clock_system()->wall_ms(clock_system()) / 1000, &cert, &key)
	    == ERR_OK);
	pair.cert_pem = buf_str(&cert);
	pair.key_pem = buf_str(&key);
	if (!CHECK(tls_open(&c, clock_system(), &why, &t) == ERR_OK))
		printf("# %.*s\n", STR_F(buf_str(&why)));
	return t;
}

static void
readable(unused_arg struct stream *s, void *ctx)
{
	struct side *x = ctx;

	x->on_readable(x);
}

static void
drained(unused_arg struct stream *s, void *ctx)
{
	((struct side *)ctx)->is_drained = true;
}

static void
gate_failed(unused_arg struct stream *s, void *ctx)
{
	((struct side *)ctx)->is_gate_failed = true;
}

static void
secured(unused_arg struct stream *s, void *ctx)
{
	((struct side *)ctx)->is_secured = true;
}

static void
closed(struct stream *s, void *ctx, enum err why)
{
	struct side *x = ctx;

	x->is_closed = true;
	x->why = why;
	x->s = NULL;
	stream_free(s);
}

static const struct stream_ops ops = {
	.readable = readable,
	.drained = drained,
	.gate_failed = gate_failed,
	.secured = secured,
	.closed = closed,
};

static void
ignore_input(struct side *x)
{
	stream_consume(x->s, stream_input(x->s).n);
	if (stream_is_eof(x->s))
		stream_close(x->s);
}

static void
leave_input(unused_arg struct side *x)
{
}

static void
side_init(struct side *x, unsigned layers)
{
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	*x = (struct side){ .layers = layers, .on_readable = ignore_input };
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	x->loop = loop_new(clock_system());
	x->s = stream_new(x->loop, fds[0], &ops, x);
	x->peer = (struct peer){ .fd = fds[1] };
	if ((layers & LAYER_TLS) != 0) {
		x->tls = make_tls();
		CHECK(stream_start_tls(x->s, x->tls, "imap") == ERR_OK);
	}
	if ((layers & LAYER_DEFLATE) != 0)
		CHECK(stream_start_deflate(x->s) == ERR_OK);
}

static void
side_done(struct side *x)
{
	stream_free(x->s);
	peer_done(&x->peer);
	tls_unref(x->tls);
	loop_free(x->loop);
}

static bool
peer_layers(struct side *x)
{
	if ((x->layers & LAYER_TLS) != 0 && !peer_start_tls(&x->peer, x->tls_version, "imap", NULL))
		return false;
	if ((x->layers & LAYER_DEFLATE) != 0)
		peer_start_deflate(&x->peer);
	return true;
}

/* --- Echo, with pieces of all sizes --- */

enum { ECHO_BYTES = 3 * 1024 * 1024 };

static unsigned
next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static void
fill(char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)((next_random(&seed) & 3) == 0 ? next_random(&seed) : 'a' + i % 7);
}

static void
release_copy(void *arg)
{
	free(arg);
}

/* Answers what has come, by another way of writing each time. */
static void
echo(struct side *x)
{
	struct str in = stream_input(x->s);
	struct buf b = BUF_MAX(SIZE_MAX);
	char *copy;

	if (in.n == 0) {
		if (stream_is_eof(x->s))
			stream_close(x->s);
		return;
	}
	in.n = MIN(in.n, 1 + in.n * 3 / 4);
	switch (x->in_bytes % 4) {
	case 0:
		stream_write(x->s, in);
		break;
	case 1:
		buf_str_add(&b, in);
		stream_write_buf(x->s, &b);
		break;
	case 2:
		copy = xmalloc(in.n);
		memcpy(copy, in.p, in.n);
		stream_write_ref(x->s, str_make(copy, in.n), release_copy, copy);
		break;
	case 3:
		buf_str_add(stream_write_begin(x->s), in);
		stream_write_end(x->s);
		break;
	}
	x->in_bytes += in.n;
	stream_consume(x->s, in.n);
	if (stream_input(x->s).n > 0)
		stream_wake(x->s);
}

static void *
echo_peer(void *arg)
{
	struct side *x = arg;
	char *bytes = xmalloc(ECHO_BYTES), *back = xmalloc(ECHO_BYTES);
	unsigned seed = 7;
	size_t sent = 0, got = 0;

	fill(bytes, ECHO_BYTES, 42);
	x->ok = peer_layers(x);
	while (x->ok && got < ECHO_BYTES) {
		size_t n = MIN(ECHO_BYTES - sent,
		    (size_t)next_random(&seed) % (next_random(&seed) % 5 == 0 ? 60000 : 300));

		/*
		 * Bytes on the way are few enough for the socket buffers, so that one thread can do
		 * both.
		 */
		x->ok = peer_write(&x->peer, str_make(bytes + sent, n));
		sent += n;
		if (x->ok && sent > got)
			x->ok = peer_read_all(&x->peer, back + got, sent - got);
		got = sent;
	}
	x->ok = x->ok && memcmp(bytes, back, ECHO_BYTES) == 0;
	if (x->peer.ssl != NULL)
		SSL_shutdown(x->peer.ssl);
	shutdown(x->peer.fd, SHUT_WR);
	x->ok = x->ok && peer_read(&x->peer, back, 1) == 0;
	free(bytes);
	free(back);
	return NULL;
}

static void
run_echo(unsigned layers, int tls_version)
{
	struct side x;

	side_init(&x, layers);
	x.tls_version = tls_version;
	x.on_readable = echo;
	pthread_create(&x.thread, NULL, echo_peer, &x);
	while (!x.is_closed)
		loop_turn(x.loop, true);
	pthread_join(x.thread, NULL);
	CHECK(x.ok);
	CHECK_U64(x.in_bytes, ECHO_BYTES);
	CHECK(x.why == ERR_OK);
	side_done(&x);
}

static void
test_echo_clear(void)
{
	run_echo(0, 0);
}

static void
test_echo_tls13(void)
{
	run_echo(LAYER_TLS, 0);
}

static void
test_echo_tls12(void)
{
	run_echo(LAYER_TLS, TLS1_2_VERSION);
}

static void
test_echo_deflate(void)
{
	run_echo(LAYER_DEFLATE, 0);
}

static void
test_echo_tls_deflate(void)
{
	run_echo(LAYER_TLS | LAYER_DEFLATE, 0);
}

/* --- Much output to a slow reader --- */

enum { MUCH_BYTES = 8 * 1024 * 1024 };

static void *
slow_peer(void *arg)
{
	struct side *x = arg;
	char *back = xmalloc(MUCH_BYTES), *want = xmalloc(MUCH_BYTES);

	fill(want, MUCH_BYTES, 1);
	x->ok = peer_layers(x) && peer_read_all(&x->peer, back, MUCH_BYTES)
	    && memcmp(back, want, MUCH_BYTES) == 0 && peer_read(&x->peer, back, 1) == 0;
	shutdown(x->peer.fd, SHUT_RDWR);
	free(back);
	free(want);
	return NULL;
}

/* owner: has had much of the loop, so the rest of what it writes goes in shares; 0: nobody. */
static void
run_much(unsigned layers, uint64_t owner)
{
	struct clock *clock = clock_system();
	struct side x;
	char *bytes = xmalloc(MUCH_BYTES);
	size_t at = 0, most = 0;

	fill(bytes, MUCH_BYTES, 1);
	side_init(&x, layers);
	stream_set_owner(x.s, owner);
	pthread_create(&x.thread, NULL, slow_peer, &x);
	while (at < MUCH_BYTES) {
		if (owner != 0)
			loop_share_spend(x.loop, owner, clock->mono_us(clock), 100000);
		while (at < MUCH_BYTES && !stream_is_full(x.s)) {
			size_t n = MIN((size_t)50000, MUCH_BYTES - at);

			stream_write_ref(x.s, str_make(bytes + at, n), NULL, NULL);
			at += n;
		}
		most = MAX(most, stream_output_bytes(x.s));
		x.is_drained = !stream_is_full(x.s);
		while (!x.is_drained)
			loop_turn(x.loop, true);
		CHECK(stream_output_bytes(x.s) < STREAM_OUTPUT_HIGH);
	}
	stream_close(x.s);
	while (!x.is_closed)
		loop_turn(x.loop, true);
	pthread_join(x.thread, NULL);
	CHECK(x.ok);
	CHECK(x.why == ERR_OK);
	CHECK(most < STREAM_OUTPUT_HIGH + 3 * 65536);
	free(bytes);
	side_done(&x);
}

static void
test_much_clear(void)
{
	run_much(0, 0);
}

static void
test_much_tls(void)
{
	run_much(LAYER_TLS, 0);
}

static void
test_much_deflate(void)
{
	run_much(LAYER_DEFLATE, 0);
}

static void
test_much_in_shares(void)
{
	run_much(0, 7);
	run_much(LAYER_TLS, 7);
	run_much(LAYER_TLS | LAYER_DEFLATE, 7);
}

/* --- Gates --- */

struct test_gate {
	struct stream_gate g;
	enum gate_state state;
	int released;
};

static enum gate_state
gate_state(struct stream_gate *g)
{
	return container_of(g, struct test_gate, g)->state;
}

static void
gate_release(struct stream_gate *g)
{
	container_of(g, struct test_gate, g)->released++;
}

static void
turns(struct side *x, int n)
{
	for (int i = 0; i < n; i++)
		loop_turn(x->loop, false);
}

static struct str
peer_has(struct side *x, char buf[256])
{
	ssize_t n = recv(x->peer.fd, buf, 256, MSG_DONTWAIT);

	return str_make(buf, n > 0 ? (size_t)n : 0);
}

static void
test_gates(void)
{
	struct side x;
	struct test_gate a = { .g = { gate_state, gate_release } }, b = a;
	char buf[256];

	side_init(&x, 0);
	stream_write(x.s, STR("one "));
	stream_gate(x.s, &a.g);
	stream_write(x.s, STR("two "));
	stream_gate(x.s, &b.g);
	stream_write(x.s, STR("three"));
	turns(&x, 3);
	CHECK_STR(peer_has(&x, buf), STR("one "));
	b.state = GATE_OPEN;
	stream_gate_changed(x.s);
	turns(&x, 3);
	CHECK_STR(peer_has(&x, buf), STR(""));
	a.state = GATE_OPEN;
	stream_gate_changed(x.s);
	turns(&x, 3);
	CHECK_STR(peer_has(&x, buf), STR("two three"));
	CHECK_U64(a.released, 1);
	CHECK_U64(b.released, 1);
	CHECK_U64(stream_output_bytes(x.s), 0);
	stream_gate(x.s, &a.g);
	CHECK_U64(a.released, 2);
	side_done(&x);
}

static void
test_gate_fails(void)
{
	struct side x;
	struct test_gate a = { .g = { gate_state, gate_release } }, b = a;
	char buf[256];

	side_init(&x, 0);
	stream_write(x.s, STR("kept "));
	stream_gate(x.s, &a.g);
	stream_write(x.s, STR("a1 OK stored"));
	stream_gate(x.s, &b.g);
	stream_write(x.s, STR("more"));
	stream_close(x.s);
	turns(&x, 3);
	CHECK(!x.is_closed);
	a.state = GATE_FAILED;
	stream_gate_changed(x.s);
	turns(&x, 3);
	CHECK(x.is_gate_failed);
	CHECK_U64(a.released, 1);
	CHECK_U64(b.released, 1);
	stream_write(x.s, STR("bye"));
	stream_close(x.s);
	turns(&x, 3);
	CHECK_STR(peer_has(&x, buf), STR("kept bye"));
	close(x.peer.fd);
	x.peer.fd = -1;
	turns(&x, 3);
	CHECK(x.is_closed);
	side_done(&x);
}

struct test_clock {
	struct clock clock;
	int64_t now_us;
};

static int64_t
test_mono(struct clock *c)
{
	return container_of(c, struct test_clock, clock)->now_us;
}

/* --- Closing on a slow peer --- */

static void
test_slow_peer_gets_the_rest(void)
{
	struct test_clock c = { .clock = { .mono_us = test_mono, .wall_ms = test_mono } };
	struct side x = { .on_readable = ignore_input };
	char *bytes = xcalloc(1, 2000000), back[65536];
	size_t got = 0;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	x.loop = loop_new(&c.clock);
	x.s = stream_new(x.loop, fds[0], &ops, &x);
	x.peer = (struct peer){ .fd = fds[1] };
	stream_write_ref(x.s, str_make(bytes, 2000000), free, bytes);
	stream_close(x.s);
	while (got < 2000000) {
		ssize_t n = recv(fds[1], back, sizeof(back), 0);

		got += n > 0 ? (size_t)n : 0;
		c.now_us += 2000000;
		turns(&x, 3);
		if (!CHECK(got == 2000000 || !x.is_closed || n > 0))
			break;
	}
	CHECK(recv(fds[1], back, 1, 0) == 0);
	/* Who takes nothing and does not end its side is left. */
	c.now_us += 20000000;
	turns(&x, 3);
	CHECK(x.is_closed);
	side_done(&x);
}

/* --- STARTTLS and COMPRESS on a running stream --- */

static void
test_no_tls_with_bytes_behind(void)
{
	struct side x;

	side_init(&x, 0);
	x.tls = make_tls();
	x.on_readable = leave_input;
	peer_write(&x.peer, STR("a starttls\r\nb login x y\r\n"));
	turns(&x, 2);
	CHECK(stream_input(x.s).n == 25);
	stream_consume(x.s, 12);
	CHECK(stream_start_tls(x.s, x.tls, "imap") == ERR_CLIENTBUG);
	CHECK(stream_start_deflate(x.s) == ERR_CLIENTBUG);
	side_done(&x);
}

static void
start_both(struct side *x)
{
	struct str in = stream_input(x->s);

	if (str_eq(in, STR("TLS\n"))) {
		stream_consume(x->s, in.n);
		stream_write(x->s, STR("go\n"));
		CHECK(stream_start_tls(x->s, x->tls, "imap") == ERR_OK);
		stream_write(x->s, STR("hello\n"));
	} else if (str_eq(in, STR("ZIP\n"))) {
		stream_consume(x->s, in.n);
		stream_write(x->s, STR("go\n"));
		CHECK(stream_start_deflate(x->s) == ERR_OK);
		CHECK(stream_start_deflate(x->s) == ERR_EXISTS);
		stream_write(x->s, STR("hi\n"));
	} else if (str_eq(in, STR("END\n"))) {
		stream_close(x->s);
	}
}

static void *
start_both_peer(void *arg)
{
	struct side *x = arg;
	char buf[16];

	x->ok = peer_write(&x->peer, STR("TLS\n")) && peer_read_all(&x->peer, buf, 3)
	    && memcmp(buf, "go\n", 3) == 0 && peer_start_tls(&x->peer, 0, "imap", NULL)
	    && peer_read_all(&x->peer, buf, 6) && memcmp(buf, "hello\n", 6) == 0
	    && peer_write(&x->peer, STR("ZIP\n")) && peer_read_all(&x->peer, buf, 3)
	    && memcmp(buf, "go\n", 3) == 0;
	peer_start_deflate(&x->peer);
	x->ok = x->ok && peer_read_all(&x->peer, buf, 3) && memcmp(buf, "hi\n", 3) == 0
	    && peer_write(&x->peer, STR("END\n")) && peer_read(&x->peer, buf, 1) == 0;
	shutdown(x->peer.fd, SHUT_RDWR);
	return NULL;
}

static void
test_layers_begin_midway(void)
{
	struct side x;
	BUF_CLEAN struct buf binding = BUF_MAX(256);

	side_init(&x, 0);
	x.tls = make_tls();
	x.on_readable = start_both;
	pthread_create(&x.thread, NULL, start_both_peer, &x);
	while (!x.is_secured && !x.is_closed)
		loop_turn(x.loop, true);
	if (CHECK(x.s != NULL && stream_ssl(x.s) != NULL)) {
		CHECK_STR(tls_version(stream_ssl(x.s)), STR("TLSv1.3"));
		CHECK(tls_binding(stream_ssl(x.s), TLS_BINDING_EXPORTER, &binding));
		CHECK(!tls_binding(stream_ssl(x.s), TLS_BINDING_UNIQUE, &binding));
		CHECK(tls_binding(stream_ssl(x.s), TLS_BINDING_SERVER_END_POINT, &binding));
		CHECK_U64(binding.n, 64);
	}
	while (!x.is_closed)
		loop_turn(x.loop, true);
	pthread_join(x.thread, NULL);
	CHECK(x.ok);
	side_done(&x);
}

static void *
tls_peer(void *arg)
{
	struct side *x = arg;

	x->ok = peer_layers(x);
	return NULL;
}

/* Where nothing is behind COMPRESS a move to another loop does not make believe that there is. */
static void
test_deflate_begins_after_a_move(void)
{
	struct side x;
	struct loop *from;

	side_init(&x, LAYER_TLS);
	pthread_create(&x.thread, NULL, tls_peer, &x);
	while (!x.is_secured && !x.is_closed)
		loop_turn(x.loop, true);
	pthread_join(x.thread, NULL);
	from = x.loop;
	if (CHECK(x.ok && x.s != NULL && stream_may_leave(x.s))) {
		stream_leave(x.s);
		x.loop = loop_new(clock_system());
		stream_enter(x.s, x.loop);
		CHECK(stream_start_deflate(x.s) == ERR_OK);
		loop_free(from);
	}
	side_done(&x);
}

/* --- TLS that must not come to be --- */

static void *
wrong_alpn_peer(void *arg)
{
	struct side *x = arg;

	x->ok = !peer_start_tls(&x->peer, 0, "http/1.1", NULL);
	return NULL;
}

static void *
old_tls_peer(void *arg)
{
	struct side *x = arg;

	x->ok = !peer_start_tls(&x->peer, TLS1_1_VERSION, "imap", NULL);
	return NULL;
}

static void *
garbage_peer(void *arg)
{
	struct side *x = arg;

	x->ok = peer_write(&x->peer, STR("a1 CAPABILITY\r\na2 LOGIN joe secret\r\n"));
	return NULL;
}

static void
run_bad_tls(void *(*peer)(void *arg))
{
	struct side x;

	side_init(&x, LAYER_TLS);
	pthread_create(&x.thread, NULL, peer, &x);
	while (!x.is_closed)
		loop_turn(x.loop, true);
	pthread_join(x.thread, NULL);
	CHECK(x.ok);
	CHECK(x.why == ERR_TLS);
	side_done(&x);
}

static void
test_wrong_alpn(void)
{
	run_bad_tls(wrong_alpn_peer);
}

static void
test_old_tls(void)
{
	run_bad_tls(old_tls_peer);
}

static void
test_garbage_for_tls(void)
{
	run_bad_tls(garbage_peer);
}

/* --- Idle: owns nothing, and goes on where it was --- */

static void
test_idle_deflate_goes_on(void)
{
	struct test_clock c = { .clock = { .mono_us = test_mono, .wall_ms = test_mono } };
	struct side x = { .on_readable = echo };
	char back[4000], bytes[4000];
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	x.loop = loop_new(&c.clock);
	x.s = stream_new(x.loop, fds[0], &ops, &x);
	x.peer = (struct peer){ .fd = fds[1] };
	CHECK(stream_start_deflate(x.s) == ERR_OK);
	peer_start_deflate(&x.peer);
	for (int round = 0; round < 20; round++) {
		/*
		 * The same text each time: the peer's deflater looks back into what came before the
		 * silence.
		 */
		fill(bytes, sizeof(bytes), 99);
		bytes[0] = (char)round;
		CHECK(peer_write(&x.peer, str_make(bytes, sizeof(bytes))));
		while (x.in_bytes < sizeof(bytes) * (size_t)(round + 1)
		    || stream_output_bytes(x.s) > 0)
			loop_turn(x.loop, false);
		CHECK(peer_read_all(&x.peer, back, sizeof(back))
		    && memcmp(bytes, back, sizeof(back)) == 0);
		c.now_us += 10 * 1000 * 1000;
		turns(&x, 3);
		CHECK(deflate_is_resting(x.s->z));
		CHECK(x.s->in.p == NULL && x.s->head == NULL);
	}
	CHECK(stream_stats(x.s).wire_in_bytes < stream_stats(x.s).in_bytes / 4);
	side_done(&x);
}

static void *
bomb_peer(void *arg)
{
	struct side *x = arg;
	static const char zeroes[1024 * 1024];

	peer_start_deflate(&x->peer);
	for (int i = 0; i < 16; i++)
		peer_write(&x->peer, str_make(zeroes, sizeof(zeroes)));
	shutdown(x->peer.fd, SHUT_WR);
	return NULL;
}

static void
watch_input(struct side *x)
{
	struct str in = stream_input(x->s);

	x->want_bytes = MAX(x->want_bytes, in.n);
	x->in_bytes += in.n;
	ignore_input(x);
}

static void
test_bomb_is_bounded(void)
{
	struct side x;

	side_init(&x, LAYER_DEFLATE);
	x.on_readable = watch_input;
	pthread_create(&x.thread, NULL, bomb_peer, &x);
	while (x.in_bytes < 16 * 1024 * 1024 && !x.is_closed)
		loop_turn(x.loop, true);
	pthread_join(x.thread, NULL);
	CHECK_U64(x.in_bytes, 16 * 1024 * 1024);
	CHECK(x.want_bytes <= STREAM_INPUT_MAX);
	side_done(&x);
}

/* Blocks with nothing in them fill no input, and yet others have their turn between them. */
static void
test_empty_blocks(void)
{
	static const char empty[] = { 0, 0, 0, (char)0xFF, (char)0xFF };
	static char blocks[5 * 6400];
	uint64_t sent = 0, before, most = 0;
	struct side x;
	ssize_t n;

	for (size_t i = 0; i < sizeof(blocks); i++)
		blocks[i] = empty[i % sizeof(empty)];
	side_init(&x, LAYER_DEFLATE);
	fcntl(x.peer.fd, F_SETFL, O_NONBLOCK);
	while ((n = send(x.peer.fd, blocks + sent % sizeof(blocks),
		    sizeof(blocks) - sent % sizeof(blocks), MSG_NOSIGNAL))
	    > 0)
		sent += (uint64_t)n;
	fcntl(x.peer.fd, F_SETFL, 0);
	CHECK(sent > 144 * 1024);
	do {
		before = stream_stats(x.s).wire_in_bytes;
		loop_turn(x.loop, false);
		most = MAX(most, stream_stats(x.s).wire_in_bytes - before);
	} while (stream_stats(x.s).wire_in_bytes < sent);
	/* what the descriptor and what OpenSSL or the inflater hold have a look each */
	CHECK(most <= 128 * 1024);
	/* It goes on behind them; first to the end of the block that did not fit. */
	CHECK(send(x.peer.fd, empty + sent % sizeof(empty), sizeof(empty) - sent % sizeof(empty),
		  MSG_NOSIGNAL)
	    > 0);
	CHECK(send(x.peer.fd, "\0\2\0\xFD\xFFhi", 7, MSG_NOSIGNAL) == 7);
	x.on_readable = leave_input;
	for (int i = 0; i < 100 && stream_input(x.s).n < 2; i++)
		loop_turn(x.loop, false);
	CHECK_STR(stream_input(x.s), STR("hi"));
	side_done(&x);
}

static void
test_broken_deflate(void)
{
	struct side x;

	side_init(&x, LAYER_DEFLATE);
	peer_write(&x.peer, STR("\xFF\xFF this is not DEFLATE"));
	while (!x.is_closed)
		loop_turn(x.loop, true);
	CHECK(x.why == ERR_CORRUPT);
	side_done(&x);
}

/* --- Ends --- */

static void
test_peer_vanishes(void)
{
	struct side x;

	side_init(&x, 0);
	x.on_readable = ignore_input;
	stream_write(x.s, STR("hello"));
	close(x.peer.fd);
	x.peer.fd = -1;
	while (!x.is_closed)
		loop_turn(x.loop, true);
	CHECK(x.is_closed);
	side_done(&x);
}

static void
test_input_is_bounded(void)
{
	struct side x;
	char bytes[4096] = "";
	size_t sent = 0;

	side_init(&x, 0);
	x.on_readable = leave_input;
	stream_set_input_max(x.s, 10000);
	while (sent < 65536 && send(x.peer.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		sent += sizeof(bytes);
	turns(&x, 10);
	CHECK_U64(stream_input(x.s).n, 10000);
	stream_consume(x.s, 9000);
	turns(&x, 10);
	CHECK_U64(stream_input(x.s).n, 10000);
	stream_consume(x.s, 10000);
	CHECK(x.s->in.p == NULL);
	side_done(&x);
}

/* 100 KB that are let be until all have come. */
static void
much_comes(struct side *x, const char *bytes, size_t n)
{
	size_t sent = 0;

	while (stream_input(x->s).n < n) {
		ssize_t some = send(x->peer.fd, bytes + sent, n - sent, MSG_DONTWAIT);

		if (some > 0)
			sent += (size_t)some;
		turns(x, 2);
	}
	CHECK(memcmp(stream_input(x->s).p, bytes, n) == 0);
}

/* A large buffer is kept by the loop for the next stream that needs one; one that held a secret is not. */
static void
test_large_buffers_stay(void)
{
	enum { MUCH = 100 * 1024, LITTLE = 100 };

	char *bytes = xmalloc(MUCH), *kept;
	struct side x;

	side_init(&x, 0);
	x.on_readable = leave_input;
	stream_set_input_max(x.s, (size_t)2 * MUCH);
	fill(bytes, MUCH, 1);
	much_comes(&x, bytes, LITTLE);
	stream_consume(x.s, LITTLE);
	CHECK(loop_spare(x.loop)->p == NULL);
	much_comes(&x, bytes, MUCH);
	stream_consume(x.s, MUCH - 1);
	CHECK(loop_spare(x.loop)->p == NULL);
	stream_consume(x.s, 1);
	kept = loop_spare(x.loop)->p;
	CHECK(kept != NULL && x.s->in.p == NULL);
	fill(bytes, MUCH, 2);
	much_comes(&x, bytes, MUCH);
	CHECK(loop_spare(x.loop)->p == NULL && x.s->in.p == kept);
	stream_consume(x.s, MUCH);
	CHECK(loop_spare(x.loop)->p == kept);
	stream_set_secret(x.s, true);
	memset(bytes, 's', MUCH);
	much_comes(&x, bytes, MUCH);
	CHECK(loop_spare(x.loop)->p == kept && x.s->in.p != kept);
	stream_consume(x.s, MUCH);
	CHECK(loop_spare(x.loop)->p == kept);
	CHECK(memcmp(kept, bytes, LITTLE) != 0);
	side_done(&x);
	free(bytes);
}

/* A peer that keeps its side open is not waited for, but it does get all. */
static void
test_hurried_close(void)
{
	int64_t began_ms;
	struct side x;
	char bye[3];

	side_init(&x, 0);
	began_ms = loop_now_ms(x.loop);
	stream_write(x.s, STR("BYE"));
	stream_hurry(x.s);
	stream_close(x.s);
	for (int i = 0; i < 10; i++)
		loop_turn(x.loop, true);
	CHECK(!x.is_closed); /* it has not read yet */
	CHECK(peer_read_all(&x.peer, bye, sizeof(bye)) && memcmp(bye, "BYE", 3) == 0);
	while (!x.is_closed)
		loop_turn(x.loop, true);
	CHECK(x.why == ERR_OK);
	CHECK(loop_now_ms(x.loop) - began_ms < 5000);
	side_done(&x);
}

/* A peer that wanted the end is not waited for, unless it goes on sending. */
static void
test_parting(void)
{
	struct side x;
	char bye[4];

	for (int sends_more = 0; sends_more < 2; sends_more++) {
		side_init(&x, 0);
		x.on_readable = ignore_input;
		stream_write(x.s, STR("BYE"));
		stream_part(x.s);
		if (sends_more != 0)
			peer_write(&x.peer, STR("NOOP"));
		turns(&x, 5);
		CHECK(x.is_closed == (sends_more == 0));
		if (!x.is_closed) {
			shutdown(x.peer.fd, SHUT_WR);
			while (!x.is_closed)
				loop_turn(x.loop, true);
		}
		CHECK(x.why == ERR_OK);
		CHECK_U64(recv(x.peer.fd, bye, sizeof(bye), MSG_DONTWAIT), 3);
		side_done(&x);
	}
}

static void
answer_much(struct side *x)
{
	static const char much[64 * 1024];
	char first;

	x->other_had = recv(x->other->peer.fd, &first, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
	x->in_bytes += stream_input(x->s).n;
	stream_consume(x->s, stream_input(x->s).n);
	stream_write(x->s, str_make(much, sizeof(much)));
}

/* Of two that ask in one turn, one has its answer before the other is looked at. */
static void
test_much_goes_before_others(void)
{
	struct side x, y;

	side_init(&x, 0);
	side_init(&y, 0);
	stream_leave(y.s);
	stream_enter(y.s, x.loop);
	x.on_readable = y.on_readable = answer_much;
	x.other = &y;
	y.other = &x;
	turns(&x, 3);
	peer_write(&x.peer, STR("FETCH"));
	peer_write(&y.peer, STR("FETCH"));
	turns(&x, 1);
	CHECK_U64(x.in_bytes, 5);
	CHECK_U64(y.in_bytes, 5);
	CHECK(x.other_had != y.other_had);
	side_done(&y);
	side_done(&x);
}

TEST_MAIN(TEST(test_much_goes_before_others), TEST(test_parting), TEST(test_hurried_close),
    TEST(test_echo_clear), TEST(test_echo_tls13), TEST(test_echo_tls12), TEST(test_echo_deflate),
    TEST(test_echo_tls_deflate), TEST(test_much_clear), TEST(test_much_tls),
    TEST(test_much_deflate), TEST(test_much_in_shares), TEST(test_gates), TEST(test_gate_fails),
    TEST(test_slow_peer_gets_the_rest), TEST(test_no_tls_with_bytes_behind),
    TEST(test_layers_begin_midway), TEST(test_deflate_begins_after_a_move), TEST(test_wrong_alpn),
    TEST(test_old_tls), TEST(test_garbage_for_tls), TEST(test_idle_deflate_goes_on),
    TEST(test_bomb_is_bounded), TEST(test_empty_blocks), TEST(test_broken_deflate),
    TEST(test_peer_vanishes), TEST(test_input_is_bounded), TEST(test_large_buffers_stay))

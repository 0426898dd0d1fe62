/*
 * sign_test.c - handshakes whose private key is somewhere else: all kinds of keys, in both
 * versions; what is not signed; and what happens to handshakes when the other process dies, says
 * nothing, or answers nonsense.
 */
#include "io/sign_client.h"

#include "base/arena.h"
#include "base/test.h"
#include "io/sign_server.h"
#include "io/stream_int.h"
#include "io/stream_peer.h"

#include <fcntl.h>
#include <openssl/async.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A key, and a certificate for it that it has signed itself. */
struct identity {
	EVP_PKEY *key;
	struct buf cert, key_pem;
};

static void
take_bio(BIO *bio, struct buf *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	*out = BUF_MAX(65536);
	buf_add(out, p, (size_t)n);
	BIO_free(bio);
}

static EVP_PKEY *
make_key(const char *kind)
{
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;

	if (strncmp(kind, "P-", 2) == 0)
		return EVP_EC_gen(kind);
	ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, "?provider!=posthorn");
	must(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1);
	if (strncmp(kind, "RSA", 3) == 0)
		must(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1);
	must(EVP_PKEY_generate(ctx, &key) == 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void
identity_init(struct identity *id, const char *kind)
{
	X509 *cert = X509_new();
	BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
	bool is_edwards = strncmp(kind, "ED", 2) == 0;

	id->key = make_key(kind);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
	    (const unsigned char *)kind, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	must(X509_set_pubkey(cert, id->key) == 1
	    && X509_sign(cert, id->key, is_edwards ? NULL : EVP_sha256()) > 0);
	must(PEM_write_bio_X509(cert_bio, cert) == 1);
	must(PEM_write_bio_PrivateKey(key_bio, id->key, NULL, NULL, 0, NULL, NULL) == 1);
	X509_free(cert);
	take_bio(cert_bio, &id->cert);
	take_bio(key_bio, &id->key_pem);
}

static void
identity_done(struct identity *id)
{
	EVP_PKEY_free(id->key);
	buf_done(&id->cert);
	buf_done(&id->key_pem);
}

/* The mail process's loop, the keeper of the keys, and what is between them. */
struct world {
	struct loop *loop;
	struct sign_client *client;
	struct sign_server *server;
	struct tls *tls;
	atomic_uint refused;
};

static void
on_refused(void *ctx, const char *why unused_arg)
{
	atomic_fetch_add(&((struct world *)ctx)->refused, 1);
}

static struct tls *
open_tls(struct world *w, const struct identity *id)
{
	struct tls_cert cert = { .cert_pem = buf_str(&id->cert) };
	struct tls_config c = { .certs = &cert, .cert_count = 1, .signer = w->client };
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	struct tls *t = NULL;

	if (!CHECK(tls_open(&c, clock_system(), &why, &t) == ERR_OK))
		printf("# %.*s\n", STR_F(buf_str(&why)));
	return t;
}

static void
give_key(struct world *w, const struct identity *id)
{
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	struct str pem = buf_str(&id->key_pem);

	CHECK(sign_server_replace(w->server, &pem, 1, &why) == ERR_OK);
}

/* A new connection between the two, as the supervisor makes it. */
static void
connect_them(struct world *w)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	sign_client_attach(w->client, 0, fds[0]);
	CHECK(sign_server_attach(w->server, fds[1], THREAD_STEADY) == ERR_OK);
}

static void
world_init(struct world *w, const struct identity *id)
{
	signal(SIGPIPE, SIG_IGN);
	*w = (struct world){ .loop = loop_new(clock_system()) };
	w->client = sign_client_new(&w->loop, 1);
	w->server = sign_server_new(on_refused, w);
	give_key(w, id);
	w->tls = open_tls(w, id);
}

static void
world_done(struct world *w)
{
	tls_unref(w->tls);
	sign_client_free(w->client);
	sign_server_free(w->server);
	loop_free(w->loop);
	ASYNC_cleanup_thread(); /* the next world's thread is this one */
}

/* --- Clients --- */

struct visit {
	struct stream *s;
	struct peer peer;
	pthread_t thread;
	int version;
	bool ok; /* the client: the handshake succeeded and our byte came */
	bool is_over;
	enum err why;
};

static void
on_secured(struct stream *s, void *ctx unused_arg)
{
	stream_write(s, STR("!"));
	stream_close(s);
}

static void
on_readable(struct stream *s, void *ctx unused_arg)
{
	stream_consume(s, stream_input(s).n);
}

static void
on_nothing(struct stream *s unused_arg, void *ctx unused_arg)
{
}

static void
on_closed(struct stream *s, void *ctx, enum err why)
{
	struct visit *v = ctx;

	v->is_over = true;
	v->why = why;
	stream_free(s);
}

static const struct stream_ops ops = {
	.readable = on_readable,
	.drained = on_nothing,
	.gate_failed = on_nothing,
	.secured = on_secured,
	.closed = on_closed,
};

static void *
visit_run(void *arg)
{
	struct visit *v = arg;
	char c = 0;

	v->ok = peer_start_tls(&v->peer, v->version, "imap", NULL)
	    && peer_read(&v->peer, &c, 1) == 1 && c == '!';
	shutdown(v->peer.fd, SHUT_RDWR);
	return NULL;
}

static void
visit_begin(struct visit *v, struct world *w, int version)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*v = (struct visit){ .peer.fd = fds[1], .version = version };
	v->s = stream_new(w->loop, fds[0], &ops, v);
	CHECK(stream_start_tls(v->s, w->tls, "imap") == ERR_OK);
	pthread_create(&v->thread, NULL, visit_run, v);
}

static void
visit_end(struct visit *v, struct world *w)
{
	while (!v->is_over)
		loop_turn(w->loop, true);
	pthread_join(v->thread, NULL);
	peer_done(&v->peer);
}

static bool
visit(struct world *w, int version)
{
	struct visit v;

	visit_begin(&v, w, version);
	visit_end(&v, w);
	return v.ok;
}

/* --- Tests --- */

static void
test_all_kinds_of_keys(void)
{
	static const char *const kinds[] = { "P-256", "P-384", "P-521", "RSA", "RSA-PSS", "ED25519",
		"ED448" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct identity id;
		struct world w;
		bool ok;

		identity_init(&id, kinds[i]);
		world_init(&w, &id);
		connect_them(&w);
		ok = CHECK(visit(&w, 0)) && CHECK(visit(&w, TLS1_2_VERSION));
		ok &= CHECK_U64(w.refused, 0);
		if (!ok)
			printf("# with %s\n", kinds[i]);
		world_done(&w);
		identity_done(&id);
	}
}

/* More at once than there are jobs; those that wait for one get it. */
static void
test_many_at_once(void)
{
	enum { MANY = SIGN_JOBS_MAX + 60 };
	struct visit *v = xcalloc(MANY, sizeof(*v));
	struct identity id;
	struct world w;
	unsigned ok = 0;

	identity_init(&id, "P-256");
	world_init(&w, &id);
	/* Nobody answers yet, so that they gather. */
	for (int i = 0; i < MANY; i++)
		visit_begin(&v[i], &w, i % 2 == 0 ? 0 : TLS1_2_VERSION);
	for (int i = 0; i < 20 * MANY; i++)
		loop_turn(w.loop, false);
	connect_them(&w);
	for (int i = 0; i < MANY; i++) {
		visit_end(&v[i], &w);
		ok += v[i].ok;
	}
	CHECK_U64(ok, MANY);
	world_done(&w);
	identity_done(&id);
	free(v);
}

/* Those who wait for a signature now. */
static unsigned
asking(const struct visit *v, size_t count)
{
	unsigned n = 0;

	for (size_t i = 0; i < count; i++)
		n += v[i].s->question != NULL;
	return n;
}

/*
 * A crowd that says hello at the same time: once it has had its share of the loop, one goes on in
 * each turn, and in the end all.
 */
static void
test_a_crowd_takes_turns(void)
{
	enum { CROWD = 100, LONG = 1000000 };
	struct visit *v = xcalloc(CROWD, sizeof(*v));
	struct identity id;
	struct world w;
	unsigned before = 0, single = 0, turns = 0;

	identity_init(&id, "P-256");
	world_init(&w, &id);
	loop_turn(w.loop, false);
	for (int i = 0; i < CROWD; i++) {
		int fds[2];

		must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
		v[i].s = stream_new(w.loop, fds[0], &ops, &v[i]);
		CHECK(stream_start_tls(v[i].s, w.tls, "imap") == ERR_OK);
		v[i].peer.fd = fds[1];
		CHECK(!peer_start_tls(&v[i].peer, 0, "imap", NULL));
	}
	while (asking(v, CROWD) < CROWD && turns++ < LONG) {
		unsigned now;

		loop_turn(w.loop, false);
		now = asking(v, CROWD);
		single += now == before + 1;
		before = now;
	}
	CHECK_U64(asking(v, CROWD), CROWD);
	CHECK(single > CROWD / 4);
	printf("# %u turns, in %u of them one\n", turns, single);
	for (int i = 0; i < CROWD; i++) {
		stream_free(v[i].s);
		peer_done(&v[i].peer);
	}
	world_done(&w);
	identity_done(&id);
	free(v);
}

/*
 * When its signature has come and been sent, a handshake waits for the client: the loop has nothing
 * to do meanwhile.
 */
static void
test_nothing_spins(void)
{
	struct visit v = { .is_over = false };
	struct identity id;
	struct world w;
	int fds[2];

	identity_init(&id, "P-256");
	world_init(&w, &id);
	connect_them(&w);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	v.s = stream_new(w.loop, fds[0], &ops, &v);
	CHECK(stream_start_tls(v.s, w.tls, "imap") == ERR_OK);
	v.peer.fd = fds[1];
	CHECK(!peer_start_tls(&v.peer, 0, "imap", NULL)); /* says hello, and would wait */
	while (v.s->question == NULL)
		loop_turn(w.loop, true);
	while (v.s->question != NULL || v.s->is_job_paused)
		loop_turn(w.loop, true);
	loop_turn(w.loop, false);
	CHECK(!v.s->work.is_posted && !v.s->is_secured);
	stream_free(v.s);
	peer_done(&v.peer);
	world_done(&w);
	identity_done(&id);
}

/*
 * A client goes while its handshake waits: with a signature on its way, and without anybody who
 * could give one.
 */
static void
test_clients_go(void)
{
	struct identity id;
	struct world w;
	struct visit v;

	identity_init(&id, "P-256");
	world_init(&w, &id);
	for (int connected = 0; connected < 2; connected++) {
		for (int turns = 1; turns < 12; turns++) {
			visit_begin(&v, &w, 0);
			for (int i = 0; i < turns; i++)
				loop_turn(w.loop, i == 1);
			if (!v.is_over)
				stream_free(v.s);
			pthread_join(v.thread, NULL);
			peer_done(&v.peer);
		}
		connect_them(&w);
	}
	CHECK(visit(&w, 0));
	world_done(&w);
	identity_done(&id);
}

/*
 * The other process ends after it was asked: its successor is. The second time the handshake fails,
 * for it may be the reason.
 */
static void
test_the_other_process_dies(void)
{
	struct identity id;
	struct world w;
	struct visit v;
	int fds[2];
	char c;

	identity_init(&id, "RSA");
	world_init(&w, &id);
	for (int deaths = 1; deaths <= 2; deaths++) {
		visit_begin(&v, &w, 0);
		for (int i = 0; i < deaths; i++) {
			struct pollfd asked;

			must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
			sign_client_attach(w.client, 0, fds[0]);
			asked = (struct pollfd){ .fd = fds[1], .events = POLLIN };
			while (poll(&asked, 1, 0) == 0)
				loop_turn(w.loop, false);
			CHECK(recv(fds[1], &c, 1, 0) == 1);
			close(fds[1]);
		}
		if (deaths == 1)
			connect_them(&w);
		visit_end(&v, &w);
		CHECK(v.ok == (deaths == 1));
		CHECK(v.why == (deaths == 1 ? ERR_OK : ERR_TLS));
	}
	connect_them(&w);
	CHECK(visit(&w, 0));
	world_done(&w);
	identity_done(&id);
}

/* Nonsense is the end of the connection, and a signature that is none is the client's to find. */
static void
test_the_other_process_lies(void)
{
	struct identity id, other;
	struct world w;
	struct visit v;
	int fds[2];

	identity_init(&id, "P-256");
	identity_init(&other, "P-256");
	world_init(&w, &id);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	sign_client_attach(w.client, 0, fds[0]);
	must(write(fds[1], "\1\0\0\0\0\0\0\0", 8) == 8);
	for (struct pollfd gone = { .fd = fds[1], .events = POLLIN }; poll(&gone, 1, 0) == 0;)
		loop_turn(w.loop, false);
	close(fds[1]);
	/* Keys that are not those of the certificate. */
	give_key(&w, &other);
	give_key(&w, &other);
	connect_them(&w);
	visit_begin(&v, &w, 0);
	visit_end(&v, &w);
	CHECK(!v.ok && v.why == ERR_TLS);
	CHECK_U64(w.refused, 1);
	give_key(&w, &id);
	CHECK(visit(&w, 0));
	world_done(&w);
	identity_done(&id);
	identity_done(&other);
}

/* The keys before are kept for one exchange more. */
static void
test_keys_are_exchanged(void)
{
	struct identity first, second;
	struct tls *old;
	struct world w;

	identity_init(&first, "P-256");
	identity_init(&second, "RSA");
	world_init(&w, &first);
	connect_them(&w);
	give_key(&w, &second);
	CHECK(visit(&w, 0));
	old = w.tls;
	w.tls = open_tls(&w, &second);
	CHECK(visit(&w, 0));
	give_key(&w, &second);
	CHECK(visit(&w, TLS1_2_VERSION));
	tls_unref(w.tls);
	w.tls = old;
	CHECK_U64(w.refused, 0);
	CHECK(!visit(&w, 0));
	CHECK_U64(w.refused, 1);
	world_done(&w);
	identity_done(&first);
	identity_done(&second);
}

/* What the server says when it is asked directly: does it sign? */
static bool
does_sign(int fd, struct sign_ask *a)
{
	BUF_CLEAN struct buf b = BUF_MAX(65536);
	struct sign_answer answer;
	size_t used;
	ssize_t n;
	char *p;

	a->id++;
	sign_ask_add(&b, a);
	must(send(fd, b.p, b.n, MSG_NOSIGNAL) == (ssize_t)b.n);
	buf_clear(&b);
	p = buf_reserve(&b, 4096);
	n = recv(fd, p, 4096, 0);
	b.n = n > 0 ? (size_t)n : 0;
	CHECK(sign_answer_next(buf_str(&b), &answer, &used) == ERR_OK && answer.id == a->id);
	return answer.signature.n > 0;
}

static void
test_nothing_else_is_signed(void)
{
	static const char verify[] = "TLS 1.3, server CertificateVerify";
	unsigned char text[SIGN_TEXT_MAX], name[SIGN_KEY_BYTES];
	struct sign_ask a = { .digest = SIGN_SHA256,
		.text = { (const char *)text, 64 + sizeof(verify) + 32 } };
	struct identity id;
	struct world w;
	int fds[2];

	identity_init(&id, "P-256");
	world_init(&w, &id);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	CHECK(sign_server_attach(w.server, fds[1], THREAD_STEADY) == ERR_OK);
	must(sign_key_name(id.key, name));
	a.key = str_make(name, sizeof(name));
	memset(text, 'h', sizeof(text));
	memset(text, ' ', 64);
	memcpy(text + 64, verify, sizeof(verify));
	CHECK(does_sign(fds[0], &a));
	a.digest = SIGN_DIGEST_NONE; /* the key's own */
	does_sign(fds[0], &a);
	a.digest = SIGN_SHA384;
	CHECK(does_sign(fds[0], &a));
	a.padding = SIGN_PSS;
	CHECK(!does_sign(fds[0], &a));
	a.padding = SIGN_PADDING_NONE;
	for (size_t n = 0; n < SIGN_TEXT_MAX; n++) {
		a.text.n = n;
		CHECK(does_sign(fds[0], &a)
		    == (n == 64 + sizeof(verify) + 32 || n == 64 + sizeof(verify) + 48));
	}
	a.text.n = 64 + sizeof(verify) + 32;
	text[64 + 9] = 'c'; /* "client", "certificate" and the like */
	CHECK(!does_sign(fds[0], &a));
	/* A hash, as it would be for a certificate or a token. */
	memset(text, 'h', sizeof(text));
	CHECK(!does_sign(fds[0], &a));
	/* TLS 1.2: two randoms, X25519, a point. */
	memcpy(text + 64, "\3\0\x1d\x20", 4);
	for (size_t n = 0; n < SIGN_TEXT_MAX; n++) {
		a.text.n = n;
		CHECK(does_sign(fds[0], &a) == (n == 68 + 32));
	}
	a.text.n = 68 + 32;
	text[64] = 1; /* a curve of the asker's own making */
	CHECK(!does_sign(fds[0], &a));
	text[64] = 3;
	name[0] ^= 1;
	CHECK(!does_sign(fds[0], &a));
	close(fds[0]);
	world_done(&w);
	identity_done(&id);
}

TEST_MAIN(TEST(test_all_kinds_of_keys), TEST(test_many_at_once), TEST(test_a_crowd_takes_turns),
    TEST(test_nothing_spins), TEST(test_clients_go), TEST(test_the_other_process_dies),
    TEST(test_the_other_process_lies), TEST(test_keys_are_exchanged),
    TEST(test_nothing_else_is_signed))

/*
 * tls_test.c - certificates: chosen by name, replaced while connections go on, watched; tickets;
 * client certificates.
 */
#include "io/tls.h"

#include "base/arena.h"
#include "base/test.h"
#include "io/stream.h"
#include "io/stream_peer.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	struct buf cert, key;
};

static struct tls_cert
make_cert(struct pair *p, const char *name)
{
	struct str s = str_c(name);

	*p = (struct pair){ BUF_MAX(65536), BUF_MAX(65536) };
	must(tls_self_signed(&s, 1, clock_system()->wall_ms(clock_system()) / 1000, &p->cert,
		 &p->key)
	    == ERR_OK);
	return (struct tls_cert){ .cert_pem = buf_str(&p->cert), .key_pem = buf_str(&p->key) };
}

static void
pair_done(struct pair *p)
{
	buf_done(&p->cert);
	buf_done(&p->key);
}

/* One connection: what the client saw, what the server saw. */
struct meeting {
	struct loop *loop;
	struct stream *s;
	bool is_over, is_secured;
	enum err why;
	const char *host;
	int version;
	SSL_SESSION *resume, *session;        /* the client's, before and after */
	const char *client_cert, *client_key; /* PEM */
	struct peer peer;
	bool ok, is_reused;
	char name[256]; /* the common name the server showed */
	size_t peer_name_count, peer_cert_bytes, unique_bytes; /* what the server saw */
};

static void
on_secured(struct stream *s, void *ctx)
{
	struct meeting *m = ctx;
	BUF_CLEAN struct buf b = BUF_MAX(65536);
	struct arena a = ARENA_NONE;
	struct str names[4];

	m->is_secured = true;
	m->peer_name_count = tls_peer_names(stream_ssl(s), &a, names, ARRAY_LEN(names));
	arena_done(&a);
	if (tls_peer_cert(stream_ssl(s), &b))
		m->peer_cert_bytes = b.n;
	buf_clear(&b);
	if (tls_binding(stream_ssl(s), TLS_BINDING_UNIQUE, &b))
		m->unique_bytes = b.n;
	stream_write(s, STR("!"));
}

static void
on_readable(struct stream *s, void *ctx)
{
	(void)ctx;
	stream_consume(s, stream_input(s).n);
	if (stream_is_eof(s))
		stream_close(s);
}

static void
on_nothing(struct stream *s, void *ctx)
{
	(void)s;
	(void)ctx;
}

static void
on_closed(struct stream *s, void *ctx, enum err why)
{
	struct meeting *m = ctx;

	m->is_over = true;
	m->why = why;
	stream_free(s);
}

static const struct stream_ops ops = {
	.readable = on_readable,
	.drained = on_nothing,
	.gate_failed = on_nothing,
	.secured = on_secured,
	.closed = on_closed,
};

static int
take_session(SSL *ssl, SSL_SESSION *session)
{
	struct meeting *m = SSL_get_app_data(ssl);

	SSL_SESSION_free(m->session);
	m->session = session;
	return 1;
}

static void
use_client_cert(SSL_CTX *ctx, const struct meeting *m)
{
	BIO *cert_bio = BIO_new_mem_buf(m->client_cert, -1),
	    *key_bio = BIO_new_mem_buf(m->client_key, -1);
	X509 *cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);

	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	BIO_free(cert_bio);
	BIO_free(key_bio);
}

static void *
client(void *arg)
{
	struct meeting *m = arg;
	X509 *cert;
	char c = 0;

	m->peer.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(m->peer.ctx,
	    SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(m->peer.ctx, take_session);
	if (m->client_cert != NULL)
		use_client_cert(m->peer.ctx, m);
	if (m->version != 0)
		SSL_CTX_set_max_proto_version(m->peer.ctx, m->version);
	m->peer.ssl = SSL_new(m->peer.ctx);
	SSL_set_app_data(m->peer.ssl, (char *)m);
	SSL_set_fd(m->peer.ssl, m->peer.fd);
	if (m->host != NULL)
		SSL_set_tlsext_host_name(m->peer.ssl, m->host);
	if (m->resume != NULL)
		SSL_set_session(m->peer.ssl, m->resume);
	m->ok = SSL_connect(m->peer.ssl) == 1 && peer_read(&m->peer, &c, 1) == 1 && c == '!';
	m->is_reused = SSL_session_reused(m->peer.ssl);
	cert = SSL_get0_peer_certificate(m->peer.ssl);
	if (cert != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, m->name,
		    sizeof(m->name));
	SSL_shutdown(m->peer.ssl);
	shutdown(m->peer.fd, SHUT_WR);
	while (peer_read(&m->peer, &c, 1) == 1)
		continue;
	return NULL;
}

static void
meet(struct tls *t, struct meeting *m)
{
	int fds[2];
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	m->loop = loop_new(clock_system());
	m->s = stream_new(m->loop, fds[0], &ops, m);
	m->peer.fd = fds[1];
	CHECK(stream_start_tls(m->s, t, "imap") == ERR_OK);
	pthread_create(&thread, NULL, client, m);
	while (!m->is_over)
		loop_turn(m->loop, true);
	shutdown(fds[1], SHUT_RDWR);
	pthread_join(thread, NULL);
	peer_done(&m->peer);
	loop_free(m->loop);
}

static struct str
shown_to(struct tls *t, const char *host, char out[256])
{
	struct meeting m = { .host = host };

	meet(t, &m);
	CHECK(m.ok);
	SSL_SESSION_free(m.session);
	memcpy(out, m.name, 256);
	return str_c(out);
}

static void
test_names_choose_the_certificate(void)
{
	struct pair p[3];
	struct tls_cert certs[3] = { make_cert(&p[0], "first.example"),
		make_cert(&p[1], "mail.example.org"), make_cert(&p[2], "*.example.net") };
	struct tls_config c = { .certs = certs, .cert_count = 3 };
	struct tls *t;
	char name[256];

	if (!CHECK(tls_open(&c, clock_system(), NULL, &t) == ERR_OK))
		return;
	CHECK_STR(shown_to(t, NULL, name), STR("first.example"));
	CHECK_STR(shown_to(t, "mail.example.org", name), STR("mail.example.org"));
	CHECK_STR(shown_to(t, "MAIL.Example.ORG", name), STR("mail.example.org"));
	CHECK_STR(shown_to(t, "imap.example.net", name), STR("*.example.net"));
	CHECK_STR(shown_to(t, "a.b.example.net", name), STR("first.example"));
	CHECK_STR(shown_to(t, "example.net", name), STR("first.example"));
	CHECK_STR(shown_to(t, "unknown.example", name), STR("first.example"));
	tls_unref(t);
	for (int i = 0; i < 3; i++)
		pair_done(&p[i]);
}

static void
test_replace(void)
{
	struct pair a, b;
	struct tls_cert first = make_cert(&a, "old.example"), second = make_cert(&b, "new.example"),
			broken = first;
	struct tls_config c = { .certs = &first, .cert_count = 1 };
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	struct meeting m = { .host = NULL }, again = m, third = m;
	struct tls *t;
	char name[256];

	broken.key_pem = second.key_pem; /* does not belong to it */
	if (!CHECK(tls_open(&c, clock_system(), NULL, &t) == ERR_OK))
		return;
	meet(t, &m);
	CHECK_STR(str_c(m.name), STR("old.example"));
	CHECK(tls_replace(t, &broken, 1, STR_NONE, &why) == ERR_CONFIG);
	CHECK(why.n > 0);
	CHECK_STR(shown_to(t, NULL, name), STR("old.example"));
	CHECK(tls_replace(t, &second, 1, STR_NONE, &why) == ERR_OK);
	CHECK_STR(shown_to(t, NULL, name), STR("new.example"));
	/* The tickets go on, and each use brings the next. */
	again.resume = m.session;
	meet(t, &again);
	CHECK(again.ok && again.is_reused);
	CHECK(again.session != NULL);
	third.resume = again.session;
	meet(t, &third);
	CHECK(third.ok && third.is_reused);
	SSL_SESSION_free(m.session);
	SSL_SESSION_free(again.session);
	SSL_SESSION_free(third.session);
	tls_unref(t);
	pair_done(&a);
	pair_done(&b);
}

/* A session was verified by the authority that there was: with another one it is not resumed. */
static void
test_other_authority(void)
{
	struct pair a, one, two;
	struct tls_cert cert = make_cert(&a, "a.example");
	struct tls_config c = { .certs = &cert, .cert_count = 1 };
	struct meeting m = { .host = NULL }, same = m, other = m;
	struct str first, second;
	struct tls *t;

	first = make_cert(&one, "one").cert_pem;
	second = make_cert(&two, "two").cert_pem;
	c.client_ca_pem = first;
	if (!CHECK(tls_open(&c, clock_system(), NULL, &t) == ERR_OK))
		return;
	meet(t, &m);
	CHECK(m.ok && m.session != NULL);
	CHECK(tls_replace(t, &cert, 1, first, NULL) == ERR_OK);
	same.resume = m.session;
	meet(t, &same);
	CHECK(same.ok && same.is_reused);
	CHECK(tls_replace(t, &cert, 1, second, NULL) == ERR_OK);
	other.resume = same.session;
	meet(t, &other);
	CHECK(other.ok && !other.is_reused);
	CHECK(tls_replace(t, &cert, 1, STR("nonsense"), NULL) == ERR_CONFIG);
	SSL_SESSION_free(m.session);
	SSL_SESSION_free(same.session);
	SSL_SESSION_free(other.session);
	tls_unref(t);
	pair_done(&a);
	pair_done(&one);
	pair_done(&two);
}

static void
test_tls12_tickets_and_binding(void)
{
	struct pair a;
	struct tls_cert cert = make_cert(&a, "a.example");
	struct tls_config c = { .certs = &cert, .cert_count = 1 };
	struct meeting m = { .version = TLS1_2_VERSION }, again = m;
	struct tls *t;

	if (!CHECK(tls_open(&c, clock_system(), NULL, &t) == ERR_OK))
		return;
	meet(t, &m);
	CHECK(m.ok && !m.is_reused);
	CHECK_U64(m.unique_bytes, 12);
	again.resume = m.session;
	meet(t, &again);
	CHECK(again.ok && again.is_reused);
	CHECK_U64(again.unique_bytes, 12);
	SSL_SESSION_free(m.session);
	SSL_SESSION_free(again.session);
	tls_unref(t);
	pair_done(&a);
}

static void
test_client_certificates(void)
{
	struct pair a, joe, stranger;
	struct tls_cert cert = make_cert(&a, "a.example");
	struct tls_config c = { .certs = &cert, .cert_count = 1 };
	struct meeting with = { 0 }, without = { 0 }, strange = { 0 };
	struct tls *t;

	make_cert(&joe, "joe");
	make_cert(&stranger, "stranger");
	buf_chr(&joe.cert, '\0');
	buf_chr(&joe.key, '\0');
	buf_chr(&stranger.cert, '\0');
	buf_chr(&stranger.key, '\0');
	c.client_ca_pem = str_c(joe.cert.p); /* his certificate is its own authority */
	if (!CHECK(tls_open(&c, clock_system(), NULL, &t) == ERR_OK))
		return;
	meet(t, &without);
	CHECK(without.ok);
	CHECK_U64(without.peer_cert_bytes, 0);
	CHECK_U64(without.peer_name_count, 0);
	with.client_cert = joe.cert.p;
	with.client_key = joe.key.p;
	meet(t, &with);
	/* It is for servers only (extended key usage), which is refused for clients. */
	CHECK(!with.ok && with.why == ERR_TLS);
	strange.client_cert = stranger.cert.p;
	strange.client_key = stranger.key.p;
	meet(t, &strange);
	CHECK(!strange.ok && strange.why == ERR_TLS);
	SSL_SESSION_free(with.session);
	SSL_SESSION_free(without.session);
	SSL_SESSION_free(strange.session);
	tls_unref(t);
	pair_done(&a);
	pair_done(&joe);
	pair_done(&stranger);
}

struct watched {
	int calls;
	enum err last;
};

static void
on_changed(void *ctx, enum err e, struct str why)
{
	struct watched *w = ctx;

	(void)why;
	w->calls++;
	w->last = e;
}

static void
write_file(const char *path, struct str bytes)
{
	FILE *f = fopen(path, "we");

	must(f != NULL && fwrite(bytes.p, 1, bytes.n, f) == bytes.n && fclose(f) == 0);
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

static void
test_files_are_watched(void)
{
	struct test_clock clock = { .clock = { .mono_us = test_mono, .wall_ms = test_mono } };
	char dir[] = "/tmp/posthorn-tls-XXXXXX", cert_file[64], key_file[64], name[256];
	struct pair a, b;
	struct tls_cert files = { .cert_file = cert_file, .key_file = key_file };
	struct tls_config c = { .certs = &files, .cert_count = 1 };
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	struct watched w = { 0 };
	struct loop *loop = loop_new(&clock.clock);
	struct tls *t;

	must(mkdtemp(dir) != NULL);
	snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", dir);
	snprintf(key_file, sizeof(key_file), "%s/key.pem", dir);
	make_cert(&a, "before.example");
	make_cert(&b, "afterwards.example");
	CHECK(tls_open(&c, clock_system(), &why, &t) == ERR_CONFIG);
	CHECK(why.n > 0);
	write_file(cert_file, buf_str(&a.cert));
	write_file(key_file, buf_str(&a.key));
	if (!CHECK(tls_open(&c, clock_system(), NULL, &t) == ERR_OK))
		return;
	tls_watch(t, loop, 1000, on_changed, &w);
	clock.now_us += 1500000;
	loop_turn(loop, false);
	CHECK_U64(w.calls, 0);
	write_file(cert_file, buf_str(&b.cert)); /* the key is not there yet */
	clock.now_us += 1500000;
	loop_turn(loop, false);
	CHECK_U64(w.calls, 1);
	CHECK(w.last == ERR_CONFIG);
	CHECK_STR(shown_to(t, NULL, name), STR("before.example"));
	write_file(key_file, buf_str(&b.key));
	for (int i = 0; i < 3; i++) {
		clock.now_us += 1500000;
		loop_turn(loop, false);
	}
	CHECK_U64(w.calls, 2);
	CHECK(w.last == ERR_OK);
	CHECK_STR(shown_to(t, NULL, name), STR("afterwards.example"));
	tls_unwatch(t);
	tls_unref(t);
	loop_free(loop);
	unlink(cert_file);
	unlink(key_file);
	rmdir(dir);
	pair_done(&a);
	pair_done(&b);
}

TEST_MAIN(TEST(test_names_choose_the_certificate), TEST(test_replace), TEST(test_other_authority),
    TEST(test_tls12_tickets_and_binding), TEST(test_client_certificates),
    TEST(test_files_are_watched))

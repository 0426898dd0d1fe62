/* sign_server.c - see sign_server.h. */
#include "io/sign_server.h"

#include "base/arena.h"
#include "base/list.h"
#include "base/thread.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 16384, THREAD_STACK_BYTES = 256 * 1024 };

struct sign_key {
	unsigned char name[SIGN_KEY_BYTES];
	EVP_PKEY *key;
};

struct sign_keys {
	struct sign_key *v;
	size_t count;
};

struct line {
	struct list in_server;
	struct sign_server *server;
	pthread_t thread;
	enum thread_pace pace;
	int fd;
	bool is_over; /* under the lock: its thread has nothing more to do */
};

struct sign_server {
	pthread_mutex_t lock; /* over what follows */
	struct sign_keys now, before;
	struct list lines;
	void (*refused)(void *ctx, const char *why);
	void *ctx;
};

bool
sign_key_name(const EVP_PKEY *key, unsigned char name_out[SIGN_KEY_BYTES])
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	bool ok = n > 0 && EVP_Digest(der, (size_t)n, name_out, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return ok;
}

/* --- Keys --- */

static void
keys_done(struct sign_keys *k)
{
	for (size_t i = 0; i < k->count; i++)
		EVP_PKEY_free(k->v[i].key);
	free(k->v);
	*k = (struct sign_keys){ 0 };
}

static bool
key_load(struct str pem, struct sign_key *out)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);

	out->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");
	BIO_free(bio);
	return out->key != NULL && sign_key_name(out->key, out->name);
}

enum err
sign_server_replace(struct sign_server *s, const struct str *pems, size_t count,
    struct buf *why_out)
{
	struct sign_keys fresh = { .v = xcalloc(MAX(count, 1), sizeof(*fresh.v)) }, old;
	const char *reason;

	for (size_t i = 0; i < count; i++) {
		fresh.count++;
		if (!key_load(pems[i], &fresh.v[i])) {
			reason = ERR_reason_error_string(ERR_peek_last_error());
			buf_printf(why_out, "key %zu: %s", i + 1,
			    reason != NULL ? reason : "unusable");
			ERR_clear_error();
			keys_done(&fresh);
			return ERR_CONFIG;
		}
	}
	pthread_mutex_lock(&s->lock);
	old = s->before;
	s->before = s->now;
	s->now = fresh;
	pthread_mutex_unlock(&s->lock);
	keys_done(&old);
	return ERR_OK;
}

static EVP_PKEY *
find_in(const struct sign_keys *k, struct str name)
{
	for (size_t i = 0; i < k->count; i++)
		if (memcmp(k->v[i].name, name.p, SIGN_KEY_BYTES) == 0
		    && EVP_PKEY_up_ref(k->v[i].key) == 1)
			return k->v[i].key;
	return NULL;
}

/* A reference of the caller's; NULL: there is no such key. */
static EVP_PKEY *
find(struct sign_server *s, struct str name)
{
	EVP_PKEY *key;

	pthread_mutex_lock(&s->lock);
	key = find_in(&s->now, name);
	if (key == NULL)
		key = find_in(&s->before, name);
	pthread_mutex_unlock(&s->lock);
	return key;
}

/* --- Signing --- */

static bool
set_padding(EVP_PKEY_CTX *ctx, enum sign_padding padding)
{
	if (padding == SIGN_PSS)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1
		    && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	return padding == SIGN_PADDING_NONE
	    || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
}

/* Returns how long it is; 0: OpenSSL refused. */
static size_t
sign(EVP_PKEY *key, const struct sign_ask *a, unsigned char out[SIGN_SIGNATURE_MAX])
{
	static const char *const digests[] = { NULL, "SHA256", "SHA384", "SHA512" };
	bool is_rsa = EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	size_t n = SIGN_SIGNATURE_MAX;
	bool ok = ctx != NULL && is_rsa == (a->padding != SIGN_PADDING_NONE)
	    && EVP_DigestSignInit_ex(ctx, &pctx, digests[a->digest], NULL, NULL, key, NULL) == 1
	    && set_padding(pctx, a->padding)
	    && EVP_DigestSign(ctx, out, &n, (const unsigned char *)a->text.p, a->text.n) == 1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? n : 0;
}

static size_t
answer(struct sign_server *s, const struct sign_ask *a, unsigned char out[SIGN_SIGNATURE_MAX])
{
	EVP_PKEY *key = find(s, a->key);
	size_t n = 0;

	if (!sign_is_of_handshake(a))
		s->refused(s->ctx, "what was to be signed is no part of a handshake");
	else if (key == NULL)
		s->refused(s->ctx, "there is no such key");
	else if ((n = sign(key, a, out)) == 0)
		s->refused(s->ctx, "the key can't sign in this way");
	EVP_PKEY_free(key);
	return n;
}

/* --- Connections --- */

static bool
send_all(int fd, struct str data)
{
	while (data.n > 0) {
		ssize_t n = send(fd, data.p, data.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		data = str_sub(data, n > 0 ? (size_t)n : 0, data.n);
	}
	return true;
}

/* Answers all that has come. */
static bool
serve(struct line *l, struct buf *in, struct buf *out)
{
	unsigned char signature[SIGN_SIGNATURE_MAX];
	struct sign_ask a;
	size_t used, n;
	enum err e;

	while ((e = sign_ask_next(buf_str(in), &a, &used)) == ERR_OK) {
		n = answer(l->server, &a, signature);
		buf_clear(out);
		sign_answer_add(out,
		    &(struct sign_answer){ .id = a.id, .signature = str_make(signature, n) });
		if (!send_all(l->fd, buf_str(out)))
			return false;
		buf_consume(in, used);
		if (l->pace == THREAD_MODEST)
			thread_step_aside();
	}
	return e == ERR_WAIT;
}

static void *
line_run(void *arg)
{
	struct line *l = arg;
	BUF_CLEAN struct buf in = BUF_MAX(2 * FRAME_MAX), out = BUF_MAX(FRAME_MAX);

	thread_begin("sign", l->pace);

	for (;;) {
		char *p = buf_reserve(&in, READ_BYTES);
		ssize_t n = p != NULL ? recv(l->fd, p, READ_BYTES, 0) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		in.n += (size_t)n;
		if (!serve(l, &in, &out))
			break;
	}
	/*
	 * At once, for the other end waits for answers; the number stays taken until somebody joins
	 * us.
	 */
	shutdown(l->fd, SHUT_RDWR);
	pthread_mutex_lock(&l->server->lock);
	l->is_over = true;
	pthread_mutex_unlock(&l->server->lock);
	return NULL;
}

static void
line_end(struct line *l)
{
	shutdown(l->fd, SHUT_RDWR);
	pthread_join(l->thread, NULL);
	close(l->fd);
	list_remove(&l->in_server);
	free(l);
}

/* Those whose other end is gone. */
static void
sweep(struct sign_server *s)
{
	list_each(&s->lines, l, struct line, in_server)
	{
		bool is_over;

		pthread_mutex_lock(&s->lock);
		is_over = l->is_over;
		pthread_mutex_unlock(&s->lock);
		if (is_over)
			line_end(l);
	}
}

enum err
sign_server_attach(struct sign_server *s, int fd, enum thread_pace pace)
{
	struct line *l = xcalloc(1, sizeof(*l));
	pthread_attr_t attr;
	int failed;

	sweep(s);
	*l = (struct line){ .server = s, .fd = fd, .pace = pace };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	failed = pthread_create(&l->thread, &attr, line_run, l);
	pthread_attr_destroy(&attr);
	if (failed != 0) {
		close(fd);
		free(l);
		return ERR_NOMEM;
	}
	list_add_tail(&s->lines, &l->in_server);
	return ERR_OK;
}

struct sign_server *
sign_server_new(void (*refused)(void *ctx, const char *why), void *ctx)
{
	struct sign_server *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	list_init(&s->lines);
	s->refused = refused;
	s->ctx = ctx;
	return s;
}

void
sign_server_free(struct sign_server *s)
{
	if (s == NULL)
		return;
	list_each(&s->lines, l, struct line, in_server) line_end(l);
	keys_done(&s->now);
	keys_done(&s->before);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

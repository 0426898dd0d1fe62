/*
 * tls.c - see tls.h. Every certificate has an SSL_CTX; all of one struct tls share ticket keys and
 * settings, so a session can be resumed after the certificates were swapped. OpenSSL counts
 * references to SSL_CTX itself, which is why swapping is safe while handshakes go on.
 */
#include "io/tls.h"

#include "io/tls_int.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
	TICKET_KEYS = 4,
	TICKET_ROTATE_MS = 6 * 60 * 60 * 1000, /* a key seals for 6 hours and opens for 24 */
};

struct ticket_key {
	unsigned char name[16], aes[32], hmac[32];
	bool is_set;
};

/* What tells that a file has changed. */
struct file_stamp {
	struct timespec mtime;
	off_t size;
	ino_t inode;
};

struct tls {
	atomic_uint refs;
	pthread_mutex_t lock; /* over set, config and tickets */
	struct arena arena;   /* the config's strings */
	struct tls_config config;
	struct tls_set *set;
	struct ticket_key tickets[TICKET_KEYS]; /* newest first */
	EVP_CIPHER *ticket_cipher; /* looked up once; by name it takes longer than the work */
	int64_t rotated_ms;
	struct clock *clock;
	struct sign_client *signer;
	/* Watching; the loop's thread only. */
	struct loop *loop;
	struct loop_timer timer;
	int64_t interval_ms;
	struct file_stamp *stamps; /* two a certificate */
	void (*changed)(void *ctx, enum err e, struct str why);
	void *changed_ctx;
};

/* --- Callbacks of OpenSSL --- */

static struct tls *
tls_of(SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static int
choose_cert(SSL *ssl, int *alert unused_arg, void *arg unused_arg)
{
	struct tls *t = tls_of(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (name == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	pthread_mutex_lock(&t->lock);
	SSL_set_SSL_CTX(ssl, tls_set_find(t->set, str_c(name))->ctx);
	pthread_mutex_unlock(&t->lock);
	return SSL_TLSEXT_ERR_OK;
}

static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned in_len, void *arg unused_arg)
{
	struct str ours = str_c(SSL_get_app_data(ssl));

	if (ours.n == 0)
		return SSL_TLSEXT_ERR_NOACK;
	for (unsigned i = 0; i < in_len && in[i] <= in_len - i - 1; i += in[i] + 1u) {
		if (str_eq(str_make(in + i + 1, in[i]), ours)) {
			*out = in + i + 1;
			*out_len = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2 */
}

/* Under the lock. False when there is no randomness: then no tickets are given. */
static bool
rotate_tickets(struct tls *t)
{
	int64_t now = t->clock->mono_us(t->clock) / 1000;
	struct ticket_key fresh = { .is_set = true };

	if (t->tickets[0].is_set && now - t->rotated_ms < TICKET_ROTATE_MS)
		return true;
	if (RAND_bytes(fresh.name, sizeof(fresh.name)) != 1
	    || RAND_bytes(fresh.aes, sizeof(fresh.aes)) != 1
	    || RAND_bytes(fresh.hmac, sizeof(fresh.hmac)) != 1)
		return false;
	memmove(t->tickets + 1, t->tickets, (TICKET_KEYS - 1) * sizeof(t->tickets[0]));
	t->tickets[0] = fresh;
	t->rotated_ms = now;
	return true;
}

static int
ticket_crypt(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int is_sealing)
{
	struct tls *t = tls_of(ssl);
	struct ticket_key key = { .is_set = false };
	size_t age = 0;
	OSSL_PARAM params[3];
	bool ok;

	pthread_mutex_lock(&t->lock);
	ok = rotate_tickets(t);
	if (is_sealing)
		key = t->tickets[0];
	for (; !is_sealing && age < TICKET_KEYS; age++) {
		if (t->tickets[age].is_set
		    && memcmp(t->tickets[age].name, name, sizeof(key.name)) == 0) {
			key = t->tickets[age];
			break;
		}
	}
	pthread_mutex_unlock(&t->lock);
	if (!key.is_set || !ok)
		return is_sealing ? -1 : 0;
	if (is_sealing) {
		memcpy(name, key.name, sizeof(key.name));
		ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(t->ticket_cipher)) == 1
		    && EVP_EncryptInit_ex2(cipher, t->ticket_cipher, key.aes, iv, NULL) == 1;
	} else {
		ok = EVP_DecryptInit_ex2(cipher, t->ticket_cipher, key.aes, iv, NULL) == 1;
	}
	params[0] =
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.hmac, sizeof(key.hmac));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
	params[2] = OSSL_PARAM_construct_end();
	ok = ok && EVP_MAC_CTX_set_params(mac, params) == 1;
	explicit_bzero(&key, sizeof(key));
	if (!ok)
		return -1;
	/*
	 * 2: good, but give out a new one. In TLS 1.3 always, since clients use a ticket once (RFC
	 * 8446 C.4) and would come with a whole handshake every second time.
	 */
	return !is_sealing && (age > 0 || SSL_version(ssl) >= TLS1_3_VERSION) ? 2 : 1;
}

/* --- Life --- */

static enum err
set_up(struct tls *t, struct tls_set *set)
{
	const char *ciphers =
	    t->config.ciphers != NULL ? t->config.ciphers : "ECDHE+AESGCM:ECDHE+CHACHA20";

	for (size_t i = 0; i < set->count; i++) {
		SSL_CTX *ctx = set->entries[i].ctx;

		SSL_CTX_set_app_data(ctx, t);
		SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
		SSL_CTX_set_options(ctx,
		    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
			| SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA
			| SSL_OP_IGNORE_UNEXPECTED_EOF);
		SSL_CTX_set_mode(ctx,
		    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
			| SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"posthorn", 8);
		SSL_CTX_set_num_tickets(ctx, 1);
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_crypt);
		SSL_CTX_set_tlsext_servername_callback(ctx, choose_cert);
		SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
		if (SSL_CTX_set_cipher_list(ctx, ciphers) != 1)
			return ERR_CONFIG;
	}
	return ERR_OK;
}

static const char *
copy_c(struct arena *a, const char *s)
{
	return s != NULL ? arena_cstr(a, str_c(s)) : NULL;
}

/*
 * Makes c the configuration; its certificates are loaded already. Under the lock, or before anybody
 * else knows t.
 */
static void
keep_config(struct tls *t, const struct tls_config *c)
{
	struct arena a = ARENA_SECRET;
	struct tls_cert *certs = arena_array(&a, struct tls_cert, c->cert_count);
	struct tls_config kept = *c;

	for (size_t i = 0; i < c->cert_count; i++) {
		certs[i].cert_file = copy_c(&a, c->certs[i].cert_file);
		certs[i].key_file = copy_c(&a, c->certs[i].key_file);
		certs[i].cert_pem = arena_str(&a, c->certs[i].cert_pem);
		certs[i].key_pem = arena_str(&a, c->certs[i].key_pem);
	}
	kept.certs = certs;
	kept.client_ca_file = copy_c(&a, c->client_ca_file);
	kept.client_ca_pem = arena_str(&a, c->client_ca_pem);
	kept.ciphers = copy_c(&a, c->ciphers);
	arena_done(&t->arena);
	t->arena = a;
	t->config = kept;
}

/* Keys that were given as text are not needed once they are loaded. */
static void
forget_texts(struct tls *t)
{
	for (size_t i = 0; i < t->config.cert_count; i++) {
		struct tls_cert *c = (struct tls_cert *)(uintptr_t)&t->config.certs[i];

		if (c->cert_pem.n > 0)
			explicit_bzero((char *)(uintptr_t)c->cert_pem.p, c->cert_pem.n);
		if (c->key_pem.n > 0)
			explicit_bzero((char *)(uintptr_t)c->key_pem.p, c->key_pem.n);
		c->cert_pem = c->key_pem = STR_NONE;
	}
}

static void
tls_free(struct tls *t)
{
	tls_set_free(t->set);
	arena_done(&t->arena);
	pthread_mutex_destroy(&t->lock);
	explicit_bzero(t->tickets, sizeof(t->tickets));
	EVP_CIPHER_free(t->ticket_cipher);
	free(t->stamps);
	free(t);
}

enum err
tls_open(const struct tls_config *c, struct clock *clock, struct buf *why_out, struct tls **tls_out)
{
	struct tls *t = xcalloc(1, sizeof(*t));
	enum err e;

	atomic_init(&t->refs, 1);
	pthread_mutex_init(&t->lock, NULL);
	t->clock = clock;
	t->signer = c->signer;
	t->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	must(t->ticket_cipher != NULL);
	keep_config(t, c);
	e = tls_set_load(&t->config, why_out, &t->set);
	if (e == ERR_OK && set_up(t, t->set) != ERR_OK) {
		if (why_out != NULL)
			buf_c(why_out, "the list of ciphers names none");
		ERR_clear_error();
		e = ERR_CONFIG;
	}
	if (e != ERR_OK) {
		tls_free(t);
		return e;
	}
	forget_texts(t);
	*tls_out = t;
	return ERR_OK;
}

struct tls *
tls_ref(struct tls *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void
tls_unref(struct tls *t)
{
	if (t != NULL && atomic_fetch_sub(&t->refs, 1) == 1)
		tls_free(t);
}

static void
stamp_file(const char *file, struct file_stamp *stamp_out)
{
	struct stat st;

	*stamp_out = (struct file_stamp){ .size = -1 };
	if (file != NULL && stat(file, &st) == 0)
		*stamp_out = (struct file_stamp){ .mtime = st.st_mtim,
			.size = st.st_size,
			.inode = st.st_ino };
}

/* True when a file differs from what its stamp says; renews the stamps. */
static bool
stamps_changed(struct tls *t)
{
	bool has_changed = false;

	for (size_t i = 0; i < 2 * t->config.cert_count; i++) {
		const struct tls_cert *cert = &t->config.certs[i / 2];
		struct file_stamp *old = &t->stamps[i], now;

		stamp_file(i % 2 == 0 ? cert->cert_file : cert->key_file, &now);
		if (now.size != old->size || now.inode != old->inode
		    || now.mtime.tv_sec != old->mtime.tv_sec
		    || now.mtime.tv_nsec != old->mtime.tv_nsec)
			has_changed = true;
		*old = now;
	}
	return has_changed;
}

enum err
tls_replace(struct tls *t, const struct tls_cert *certs, size_t count, struct str client_ca_pem,
    struct buf *why_out)
{
	struct tls_config c = t->config;
	struct tls_set *fresh = NULL, *old;
	bool is_other_ca = client_ca_pem.p != NULL && !str_eq(client_ca_pem, c.client_ca_pem);
	enum err e;

	c.certs = certs;
	c.cert_count = count;
	if (is_other_ca)
		c.client_ca_pem = client_ca_pem;
	e = tls_set_load(&c, why_out, &fresh);
	if (e != ERR_OK)
		return e;
	e = set_up(t, fresh);
	if (e != ERR_OK) {
		tls_set_free(fresh);
		return e;
	}
	pthread_mutex_lock(&t->lock);
	old = t->set;
	t->set = fresh;
	if (is_other_ca)
		explicit_bzero(t->tickets, sizeof(t->tickets));
	if (certs != t->config.certs)
		keep_config(t, &c);
	forget_texts(t);
	pthread_mutex_unlock(&t->lock);
	tls_set_free(old);
	if (t->stamps != NULL) {
		t->stamps = xrealloc(t->stamps, 2 * count * sizeof(t->stamps[0]));
		memset(t->stamps, 0, 2 * count * sizeof(t->stamps[0]));
		stamps_changed(t);
	}
	return ERR_OK;
}

enum err
tls_reload(struct tls *t, struct buf *why_out)
{
	return tls_replace(t, t->config.certs, t->config.cert_count, STR_NONE, why_out);
}

/* --- Watching --- */

static void
watch_fired(struct loop_timer *timer)
{
	struct tls *t = container_of(timer, struct tls, timer);
	BUF_CLEAN struct buf why = BUF_MAX(4096);

	if (stamps_changed(t)) {
		enum err e = tls_reload(t, &why);

		if (t->changed != NULL)
			t->changed(t->changed_ctx, e, buf_str(&why));
	}
	loop_timer_set(t->loop, &t->timer, t->interval_ms);
}

void
tls_watch(struct tls *t, struct loop *loop, int64_t interval_ms,
    void (*changed)(void *ctx, enum err e, struct str why), void *ctx)
{
	must(t->loop == NULL);
	t->loop = loop;
	t->interval_ms = interval_ms;
	t->changed = changed;
	t->changed_ctx = ctx;
	t->stamps = xcalloc(2 * t->config.cert_count, sizeof(t->stamps[0]));
	stamps_changed(t);
	loop_timer_init(&t->timer, watch_fired);
	loop_timer_set(loop, &t->timer, interval_ms);
}

void
tls_unwatch(struct tls *t)
{
	if (t->loop == NULL)
		return;
	loop_timer_cancel(t->loop, &t->timer);
	free(t->stamps);
	t->stamps = NULL;
	t->loop = NULL;
}

/* --- Connections --- */

struct sign_client *
tls_signer(const struct tls *t)
{
	return t->signer;
}

SSL *
tls_accept(struct tls *t, const char *alpn)
{
	SSL *ssl;

	pthread_mutex_lock(&t->lock);
	ssl = SSL_new(t->set->entries[0].ctx);
	pthread_mutex_unlock(&t->lock);
	must(ssl != NULL);
	SSL_set_app_data(ssl, (char *)alpn);
	SSL_set_read_ahead(ssl, 1);
	SSL_set_accept_state(ssl);
	return ssl;
}

/*
 * The hash that the certificate was signed with; SHA-256 in place of the broken ones (RFC 5929
 * 4.1).
 */
static bool
server_end_point(SSL *ssl, struct buf *out)
{
	X509 *cert = SSL_get_certificate(ssl);
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int md_nid = NID_undef;
	const EVP_MD *md;

	if (cert == NULL)
		return false;
	if (X509_get_signature_info(cert, &md_nid, NULL, NULL, NULL) != 1 || md_nid == NID_md5
	    || md_nid == NID_sha1)
		md_nid = NID_sha256;
	md = EVP_get_digestbynid(md_nid);
	if (md == NULL || X509_digest(cert, md, hash, &n) != 1)
		return false;
	buf_add(out, hash, n);
	return true;
}

bool
tls_binding(SSL *ssl, enum tls_binding kind, struct buf *out)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	size_t n;

	switch (kind) {
	case TLS_BINDING_UNIQUE:
		if (SSL_version(ssl) != TLS1_2_VERSION || SSL_get_extms_support(ssl) != 1)
			return false;
		/* The first Finished: the client's, except in a resumed session. */
		n = SSL_session_reused(ssl) ? SSL_get_finished(ssl, bytes, sizeof(bytes))
					    : SSL_get_peer_finished(ssl, bytes, sizeof(bytes));
		if (n == 0 || n > sizeof(bytes))
			return false;
		buf_add(out, bytes, n);
		return true;
	case TLS_BINDING_EXPORTER:
		if (SSL_version(ssl) < TLS1_3_VERSION
		    || SSL_export_keying_material(ssl, bytes, 32, "EXPORTER-Channel-Binding", 24,
			   NULL, 0, 0)
			!= 1)
			return false;
		buf_add(out, bytes, 32);
		return true;
	case TLS_BINDING_SERVER_END_POINT:
		return server_end_point(ssl, out);
	}
	return false;
}

bool
tls_peer_cert(SSL *ssl, struct buf *out)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	unsigned char *der = NULL;
	int n;

	if (cert == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
		return false;
	n = i2d_X509(cert, &der);
	if (n <= 0)
		return false;
	buf_add(out, der, (size_t)n);
	OPENSSL_free(der);
	return true;
}

/* False for what is empty, no text, or holds a NUL, which would end it early elsewhere. */
static bool
asn1_text(struct arena *a, const ASN1_STRING *s, struct str *out)
{
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, s);
	bool ok = n > 0 && memchr(utf8, '\0', (size_t)n) == NULL;

	if (ok)
		*out = arena_str(a, str_make(utf8, (size_t)n));
	if (n >= 0)
		OPENSSL_free(utf8);
	return ok;
}

size_t
tls_peer_names(SSL *ssl, struct arena *a, struct str *names_out, size_t max)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	GENERAL_NAMES *alt;
	size_t n = 0;
	int at;

	if (cert == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
		return 0;
	alt = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; alt != NULL && i < sk_GENERAL_NAME_num(alt) && n < max; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(alt, i);

		if (g->type == GEN_EMAIL && asn1_text(a, g->d.rfc822Name, &names_out[n]))
			n++;
	}
	GENERAL_NAMES_free(alt);
	at = X509_NAME_get_index_by_NID(X509_get_subject_name(cert), NID_commonName, -1);
	if (n < max && at >= 0
	    && asn1_text(a,
		X509_NAME_ENTRY_get_data(X509_NAME_get_entry(X509_get_subject_name(cert), at)),
		&names_out[n]))
		n++;
	return n;
}

struct str
tls_version(SSL *ssl)
{
	return str_c(SSL_get_version(ssl));
}

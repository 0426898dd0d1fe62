/*
 * tls_cert.c - certificates: loading them with their keys, whom they are for, and making one of our
 * own.
 */
#include "io/tls_int.h"

#include "io/tls_remote.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PEM_MAX = 1024 * 1024 };

static void
close_file(FILE **f)
{
	if (*f != NULL)
		fclose(*f);
}

static void
free_bio(BIO **b)
{
	BIO_free(*b);
}

static void
free_x509(X509 **x)
{
	X509_free(*x);
}

static void
free_key(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}

/* The words of OpenSSL's last complaint. */
static const char *
openssl_reason(void)
{
	const char *words = ERR_reason_error_string(ERR_peek_last_error());

	return words != NULL ? words : "unusable";
}

static enum err
complain(struct buf *why_out, const char *what, const char *name, const char *why)
{
	if (why_out != NULL)
		buf_printf(why_out, "%s %s: %s", what, name, why);
	ERR_clear_error();
	return ERR_CONFIG;
}

static enum err
read_pem(struct arena *a, const char *file, struct buf *why_out, struct str *pem_out)
{
	cleanup_with(close_file) FILE *f = fopen(file, "re");
	BUF_CLEAN struct buf b = BUF_SECRET(PEM_MAX);
	char *p;
	size_t n;

	if (f == NULL)
		return complain(why_out, "file", file, strerror(errno));
	while ((p = buf_reserve(&b, 4096)) != NULL && (n = fread(p, 1, 4096, f)) > 0)
		b.n += n;
	if (p == NULL || ferror(f))
		return complain(why_out, "file", file, p == NULL ? "too big" : "can't be read");
	*pem_out = arena_str(a, buf_str(&b));
	return ERR_OK;
}

static struct str
lower_name(struct arena *a, const void *p, size_t n)
{
	struct str s = arena_str(a, str_make(p, n));

	for (size_t i = 0; i < n; i++)
		((char *)s.p)[i] = chr_lower(s.p[i]);
	return s;
}

static void
load_names(struct arena *a, X509 *cert, struct tls_entry *entry)
{
	GENERAL_NAMES *alt = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int alt_count = alt != NULL ? sk_GENERAL_NAME_num(alt) : 0;
	int at;

	entry->names = arena_array(a, struct str, (size_t)alt_count + 1);
	for (int i = 0; i < alt_count; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(alt, i);

		if (g->type == GEN_DNS)
			entry->names[entry->name_count++] =
			    lower_name(a, ASN1_STRING_get0_data(g->d.dNSName),
				(size_t)ASN1_STRING_length(g->d.dNSName));
	}
	GENERAL_NAMES_free(alt);
	at = X509_NAME_get_index_by_NID(X509_get_subject_name(cert), NID_commonName, -1);
	if (entry->name_count == 0 && at >= 0) {
		const ASN1_STRING *cn =
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(X509_get_subject_name(cert), at));

		entry->names[entry->name_count++] =
		    lower_name(a, ASN1_STRING_get0_data(cn), (size_t)ASN1_STRING_length(cn));
	}
}

/* The certificate and those that follow it (the chain up to its root). */
static enum err
load_chain(struct arena *a, struct str pem, const char *name, struct buf *why_out,
    struct tls_entry *entry)
{
	cleanup_with(free_bio) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	cleanup_with(free_x509) X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	X509 *next;

	if (cert == NULL || SSL_CTX_use_certificate(entry->ctx, cert) != 1)
		return complain(why_out, "certificate", name, openssl_reason());
	while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (SSL_CTX_add0_chain_cert(entry->ctx, next) != 1) {
			X509_free(next);
			return complain(why_out, "certificate", name, openssl_reason());
		}
	}
	ERR_clear_error(); /* the end of the file counts as one */
	load_names(a, cert, entry);
	return ERR_OK;
}

static enum err
load_key(struct str pem, const char *name, struct buf *why_out, struct tls_entry *entry)
{
	cleanup_with(free_bio) BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	cleanup_with(free_key) EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");

	if (key == NULL || SSL_CTX_use_PrivateKey(entry->ctx, key) != 1
	    || SSL_CTX_check_private_key(entry->ctx) != 1)
		return complain(why_out, "key", name, openssl_reason());
	return ERR_OK;
}

/* The key of the certificate, which another process keeps. */
static enum err
use_remote_key(const char *name, struct buf *why_out, struct tls_entry *entry)
{
	cleanup_with(free_key) EVP_PKEY *key = NULL;
	X509 *cert = SSL_CTX_get0_certificate(entry->ctx);

	if (remote_key(X509_get0_pubkey(cert), &key) != ERR_OK
	    || SSL_CTX_use_PrivateKey(entry->ctx, key) != 1)
		return complain(why_out, "key of certificate", name, openssl_reason());
	return ERR_OK;
}

static enum err
load_client_ca(struct arena *a, const struct tls_config *c, struct buf *why_out, SSL_CTX *ctx)
{
	const char *name = c->client_ca_file != NULL ? c->client_ca_file : "of clients";
	cleanup_with(free_bio) BIO *bio = NULL;
	struct str pem = c->client_ca_pem;
	enum err e;
	X509 *cert;
	size_t count = 0;

	if (c->client_ca_file != NULL) {
		e = read_pem(a, c->client_ca_file, why_out, &pem);
		if (e != ERR_OK)
			return e;
	}
	if (pem.n == 0)
		return ERR_OK;
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert);
		SSL_CTX_add_client_CA(ctx, cert);
		X509_free(cert);
		count++;
	}
	if (count == 0)
		return complain(why_out, "certificate authority", name, openssl_reason());
	ERR_clear_error();
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL); /* asked for, not required */
	return ERR_OK;
}

static enum err
load_entry(struct arena *a, const struct tls_config *c, const struct tls_cert *cert,
    struct buf *why_out, struct tls_entry *entry)
{
	const char *cert_name = cert->cert_file != NULL ? cert->cert_file : "given";
	const char *key_name = cert->key_file != NULL ? cert->key_file : cert_name;
	struct str cert_pem = cert->cert_pem, key_pem = cert->key_pem;
	enum err e = ERR_OK;

	entry->ctx = SSL_CTX_new(TLS_server_method());
	must(entry->ctx != NULL);
	if (cert->cert_file != NULL)
		e = read_pem(a, cert->cert_file, why_out, &cert_pem);
	if (e == ERR_OK && cert->key_file != NULL)
		e = read_pem(a, cert->key_file, why_out, &key_pem);
	if (e == ERR_OK)
		e = load_chain(a, cert_pem, cert_name, why_out, entry);
	if (e == ERR_OK && c->signer != NULL)
		e = use_remote_key(cert_name, why_out, entry);
	else if (e == ERR_OK)
		e = load_key(key_pem.n > 0 ? key_pem : cert_pem, key_name, why_out, entry);
	if (e == ERR_OK)
		e = load_client_ca(a, c, why_out, entry->ctx);
	if (cert->key_file != NULL && key_pem.n > 0)
		explicit_bzero((char *)key_pem.p, key_pem.n);
	return e;
}

enum err
tls_set_load(const struct tls_config *c, struct buf *why_out, struct tls_set **set_out)
{
	struct arena a = ARENA_NONE;
	struct tls_set *set = arena_new(&a, struct tls_set);
	enum err e = ERR_OK;

	set->entries = arena_array(&a, struct tls_entry, c->cert_count);
	for (size_t i = 0; i < c->cert_count && e == ERR_OK; i++) {
		set->count++;
		e = load_entry(&a, c, &c->certs[i], why_out, &set->entries[i]);
	}
	if (c->cert_count == 0)
		e = complain(why_out, "TLS", "configuration", "no certificate");
	set->arena = a;
	if (e != ERR_OK) {
		tls_set_free(set);
		return e;
	}
	*set_out = set;
	return ERR_OK;
}

void
tls_set_free(struct tls_set *set)
{
	struct arena a;

	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		SSL_CTX_free(set->entries[i].ctx);
	a = set->arena;
	arena_done(&a);
}

/* A wildcard stands for one label (RFC 6125 6.4.3). */
static bool
name_matches(struct str pattern, struct str name)
{
	size_t dot;

	if (!str_starts(pattern, STR("*.")))
		return str_eq_nocase(pattern, name);
	dot = str_chr(name, '.');
	return dot != SIZE_MAX && dot > 0
	    && str_eq_nocase(str_sub(pattern, 1, pattern.n), str_sub(name, dot, name.n));
}

const struct tls_entry *
tls_set_find(const struct tls_set *set, struct str name)
{
	for (size_t i = 0; i < set->count && name.n > 0; i++) {
		for (size_t j = 0; j < set->entries[i].name_count; j++) {
			if (name_matches(set->entries[i].names[j], name))
				return &set->entries[i];
		}
	}
	return &set->entries[0];
}

/* --- Our own --- */

static bool
add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
fill_cert(X509 *cert, EVP_PKEY *key, const struct str *names, size_t count, int64_t now_s)
{
	const int64_t day_s = 24 * 60 * 60;
	BUF_CLEAN struct buf alt = BUF_MAX(64 * 1024);
	struct str common = count > 0 ? names[0] : STR("localhost");
	X509_NAME *subject = X509_get_subject_name(cert);
	BIGNUM *serial = BN_new();
	bool ok = serial != NULL && BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1
	    && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;

	BN_free(serial);
	for (size_t i = 0; i < count; i++)
		buf_printf(&alt, "%sDNS:%.*s", i > 0 ? "," : "", STR_F(names[i]));
	if (count == 0)
		buf_c(&alt, "DNS:localhost");
	buf_chr(&alt, '\0');
	return ok && buf_err(&alt) == ERR_OK && X509_set_version(cert, 2) == 1
	    && X509_set_pubkey(cert, key) == 1
	    && ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now_s - day_s)) != NULL
	    && ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now_s + 3650 * day_s)) != NULL
	    && X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		   (const unsigned char *)common.p, (int)MIN(common.n, 64), -1, 0)
	    == 1
	    && X509_set_issuer_name(cert, subject) == 1
	    && add_extension(cert, NID_subject_alt_name, alt.p)
	    && add_extension(cert, NID_basic_constraints, "critical,CA:FALSE")
	    && add_extension(cert, NID_ext_key_usage, "serverAuth")
	    && X509_sign(cert, key, EVP_sha256()) > 0;
}

static bool
take_bio(BIO *bio, struct buf *out)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	buf_add(out, p, (size_t)n);
	return buf_err(out) == ERR_OK;
}

enum err
tls_self_signed(const struct str *names, size_t count, int64_t now_s, struct buf *cert_out,
    struct buf *key_out)
{
	cleanup_with(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
	cleanup_with(free_x509) X509 *cert = X509_new();
	cleanup_with(free_bio) BIO *cert_bio = BIO_new(BIO_s_mem());
	cleanup_with(free_bio) BIO *key_bio = BIO_new(BIO_s_secmem());

	if (key == NULL || cert == NULL || cert_bio == NULL || key_bio == NULL
	    || !fill_cert(cert, key, names, count, now_s) || PEM_write_bio_X509(cert_bio, cert) != 1
	    || PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1
	    || !take_bio(cert_bio, cert_out) || !take_bio(key_bio, key_out)) {
		ERR_clear_error();
		return ERR_BUG;
	}
	return ERR_OK;
}

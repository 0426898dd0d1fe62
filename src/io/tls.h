/*
 * tls.h - server side TLS: certificates, versions, tickets, channel bindings. Streams use it
 * through stream_start_tls().
 *
 * A struct tls is shared by all loops and thread-safe. Certificates are chosen by the name the
 * client asks for (SNI) and replaced while connections go on: those that have begun keep what they
 * began with. TLS 1.2 and 1.3 only; no renegotiation, no compression. Tickets are stateless, their
 * keys rotate and are never written anywhere.
 */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "base/arena.h"
#include "base/buf.h"
#include "io/loop.h"

#include <openssl/ssl.h>

struct sign_client;
struct tls;

/*
 * One certificate with its key: two files, or, for a process that may not open them, their bytes.
 * The first of a list is the one for clients that name no host or one we don't know.
 */
struct tls_cert {
	const char *cert_file; /* PEM, chain included; NULL: cert_pem */
	const char *key_file;  /* PEM; NULL: in cert_file */
	struct str cert_pem;
	struct str key_pem; /* empty: in cert_pem */
};

struct tls_config {
	const struct tls_cert *certs;
	size_t cert_count;
	const char *client_ca_file; /* NULL: client certificates are not asked for */
	struct str client_ca_pem;   /* or its bytes */
	/* borrowed; not NULL: it has the keys, none is given here */
	struct sign_client *signer;
	/* TLS 1.2 cipher list; NULL: forward secrecy with AEAD only */
	const char *ciphers;
};

/**
 * Loads the certificates.
 *
 * @c        copied
 * @why_out  on failure: what is wrong, for the log (may name files); may be NULL
 *
 * ERR_CONFIG  a file can't be read, key and certificate don't belong together, expired CA file...
 */
must_use enum err tls_open(const struct tls_config *c, struct clock *clock, struct buf *why_out,
    struct tls **tls_out);
struct tls *tls_ref(struct tls *t);
void tls_unref(struct tls *t);
/**
 * Loads the certificates' files again now; on failure the old ones stay. ERR_CONFIG as above. As
 * tls_replace(), one thread only: that
 *  of tls_watch() when they are watched.
 */
must_use enum err tls_reload(struct tls *t, struct buf *why_out);
/**
 * Puts these certificates in place of the old ones, or leaves those when one of them does not load.
 *
 * @client_ca_pem  the authority of clients from now on. Another than before: no session of those is
 *                 resumed, for its client was verified by that one. p == NULL: as before
 */
must_use enum err tls_replace(struct tls *t, const struct tls_cert *certs, size_t count,
    struct str client_ca_pem, struct buf *why_out);
/**
 * Watches the files from this loop, every interval_ms, until tls_unwatch(): when one has changed
 * and both load well they are swapped. @changed (may be NULL) is told of each attempt, with its
 * result.
 */
void tls_watch(struct tls *t, struct loop *loop, int64_t interval_ms,
    void (*changed)(void *ctx, enum err e, struct str why), void *ctx);
void tls_unwatch(struct tls *t);

/**
 * A new connection's state; the caller keeps a reference to t as long as it lives.
 *
 * @alpn  static; the one protocol we speak here ("imap"): a client that offers others only is
 *        refused. NULL: none has a name
 */
SSL *tls_accept(struct tls *t, const char *alpn);

/* Channel bindings (RFC 5929, RFC 9266), for SCRAM-…-PLUS. */
enum tls_binding { TLS_BINDING_UNIQUE, TLS_BINDING_EXPORTER, TLS_BINDING_SERVER_END_POINT };

/**
 * Appends the binding's bytes. False: there is none (tls-unique with 1.3, or without extended
 * master secret).
 */
bool tls_binding(SSL *ssl, enum tls_binding kind, struct buf *out);
/** Appends the verified client certificate as DER. False: there is none. */
bool tls_peer_cert(SSL *ssl, struct buf *out);
/**
 * The names it stands for: the e-mail addresses among its alternative names, then its common name;
 * at most max.
 *
 * @a        arena of the names
 * @return   how many; 0: no verified certificate, or one without a name
 */
size_t tls_peer_names(SSL *ssl, struct arena *a, struct str *names_out, size_t max);
/** "TLSv1.3" and so on, for the log. */
struct str tls_version(SSL *ssl);

/**
 * Writes a new self-signed certificate (EC P-256, ten years) for these DNS names and its key as
 * PEM.
 * ERR_BUG  OpenSSL refused.
 */
must_use enum err tls_self_signed(const struct str *names, size_t count, int64_t now_s,
    struct buf *cert_out, struct buf *key_out);

#endif

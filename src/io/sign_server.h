/*
 * sign_server.h - the keeper of the private keys: signs what handshakes need, for whoever has a
 * connection to it, and never gives a key away. Each connection has a thread, which waits, signs
 * and answers; see sign_wire.h for what is said.
 */
#ifndef IO_SIGN_SERVER_H
#define IO_SIGN_SERVER_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/thread.h"
#include "io/sign_wire.h"

#include <openssl/evp.h>

struct sign_server;

/**
 * @refused  told, on any thread, why something was not signed: somebody asks for what no handshake
 *           needs, or for a key that is not there (any more)
 */
struct sign_server *sign_server_new(void (*refused)(void *ctx, const char *why), void *ctx);
/** Ends the connections, waits for their threads, forgets the keys. Takes NULL. */
void sign_server_free(struct sign_server *s);
/**
 * Other keys from now on. The ones before them are kept until the next replacement, for handshakes
 * that began with their certificates.
 *
 * @pems     of one key each; the caller overwrites them
 * @why_out  what is wrong, for the log
 *
 * ERR_CONFIG  one of them does not load: the old ones stay
 */
must_use enum err sign_server_replace(struct sign_server *s, const struct str *pems, size_t count,
    struct buf *why_out);
/**
 * Takes over a connected, blocking socket and serves it until the other end closes it, by a thread
 * of that urgency. ERR_NOMEM: no thread; it is closed.
 */
must_use enum err sign_server_attach(struct sign_server *s, int fd, enum thread_pace pace);

/** The name that a key has in messages. False: OpenSSL refused. */
bool sign_key_name(const EVP_PKEY *key, unsigned char name_out[SIGN_KEY_BYTES]);

#endif

/*
 * tls_remote.h - private keys that are kept by another process, for OpenSSL: a provider whose keys
 * are the public halves, and whose signatures are asked for (io/sign_client.h). It signs only in a
 * job of OpenSSL that has a callback (SSL_set_async_callback()); the callback takes the question,
 * the job pauses, and whoever has the answer resumes it.
 */
#ifndef IO_TLS_REMOTE_H
#define IO_TLS_REMOTE_H

#include "io/sign_client.h"

#include <openssl/async.h>
#include <openssl/evp.h>

/**
 * The private key that belongs to a public one, kept elsewhere.
 *
 * ERR_CONFIG  OpenSSL can't wait on this system, or the key is of a kind that is not used for TLS
 */
must_use enum err remote_key(EVP_PKEY *public_key, EVP_PKEY **key_out);
/** In the callback: what is to be asked. In the job's memory, until it is answered or cancelled. */
struct sign_question *remote_question(ASYNC_JOB *job);

#endif

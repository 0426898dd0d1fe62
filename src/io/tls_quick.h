/*
 * tls_quick.h - two things that a handshake does some thirty times, for OpenSSL: HMAC and the keys of
 * TLS 1.3 that are made with it (RFC 8446 7.1), with SHA-256 and SHA-384.
 *
 * OpenSSL 3.0's own look up the digest by its name for each of them, in tables of all names, and copy
 * contexts about; that is three times the work. Who has the properties of these tables (tls_properties())
 * gets ours; digests themselves are libcrypto's.
 */
#ifndef IO_TLS_QUICK_H
#define IO_TLS_QUICK_H

#include <openssl/core.h>

/* Beside them is what other code prefers, so two properties, which outweigh that one. */
#define QUICK_PROPERTIES "?posthorn.quick=yes,?posthorn.tls=yes"
#define QUICK_DEFINITION "posthorn.quick=yes,posthorn.tls=yes"

extern const OSSL_DISPATCH quick_kdf[], quick_hmac[];

#endif

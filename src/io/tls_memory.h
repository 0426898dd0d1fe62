/*
 * tls_memory.h - where OpenSSL's larger pieces of memory come from.
 *
 * A handshake takes 44 KB, of which 14 stay for the connection's life, in between the others. After
 * a crowd has come in, what was free lay in holes that nothing fitted: 25 KB a connection. Blocks
 * of a page and more therefore have a place of their own, in which each begins a page, so that it
 * can be given back to the system alone.
 */
#ifndef IO_TLS_MEMORY_H
#define IO_TLS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/**
 * For the whole process and its life, before anything of OpenSSL is used. False: OpenSSL goes on
 * with malloc(), because it has begun already, or because there is no room for the mapping.
 */
bool tls_memory_init(void);

/* For tests: blocks that are in use. */
size_t tls_memory_blocks(void);

#endif

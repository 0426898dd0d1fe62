/*
 * certs.h - the certificates' files, read by the supervisor, which may. Of their bytes the mail
 * process gets the certificates, and the one that keeps the keys gets those. Without any in the
 * configuration a self-signed one is made and kept in data_dir/tls.
 */
#ifndef PROC_CERTS_H
#define PROC_CERTS_H

#include "proc/message.h"

struct certs {
	/* MESSAGE_TLS, for mail and for key; their texts in the arena */
	struct proc_message certs, keys;
	uint64_t stamp; /* changes when a file does */
	struct arena arena;
};

/**
 * Reads all files and checks that keys and certificates belong together.
 *
 * ERR_CONFIG  *out is untouched
 */
must_use enum err certs_load(const struct config *c, struct certs *out, struct buf *why);
void certs_done(struct certs *c);
/** Has one of the files changed since? Only looks at the files' times and sizes. */
bool certs_have_changed(const struct certs *certs, const struct config *c);

#endif

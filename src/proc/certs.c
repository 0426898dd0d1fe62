/* certs.c - see certs.h. */
#include "proc/certs.h"

#include "base/hash.h"
#include "io/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool
read_file(struct arena *a, const char *path, struct str *out, struct buf *why)
{
	char *p = arena_alloc(a, MESSAGE_PEM_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, p, MESSAGE_PEM_MAX + 1) : -1;

	if (n < 0)
		buf_printf(why, "%s: %s", path, strerror(errno));
	else if (n > MESSAGE_PEM_MAX)
		buf_printf(why, "%s: larger than %d bytes", path, MESSAGE_PEM_MAX);
	if (fd >= 0)
		close(fd);
	if (n < 0 || n > MESSAGE_PEM_MAX)
		return false;
	*out = str_make(p, (size_t)n);
	return true;
}

static bool
write_file(const char *path, struct str data, struct buf *why)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, data.p, data.n) == (ssize_t)data.n && fsync(fd) == 0;

	if (!ok)
		buf_printf(why, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

static const char *
self_signed_path(struct arena *a, const struct config *c, const char *suffix)
{
	return arena_printf(a, "%.*s/tls/self-signed.%s", STR_F(c->data_dir), suffix).p;
}

/* Makes the certificate if it is not there. */
static bool
self_signed_make(const struct config *c, struct buf *why)
{
	BUF_CLEAN struct buf cert = BUF_MAX(MESSAGE_PEM_MAX), key = BUF_SECRET(MESSAGE_PEM_MAX);
	struct arena a = ARENA_NONE;
	const char *cert_path = self_signed_path(&a, c, "crt"),
		   *key_path = self_signed_path(&a, c, "key");
	char host[256] = "";
	struct str names[2] = { STR("localhost"), c->hostname };
	bool ok = true;

	if (names[1].n == 0 && gethostname(host, sizeof(host) - 1) == 0)
		names[1] = str_c(host);
	if (access(cert_path, F_OK) != 0 || access(key_path, F_OK) != 0) {
		unlink(cert_path);
		unlink(key_path);
		mkdir(arena_printf(&a, "%.*s/tls", STR_F(c->data_dir)).p, 0700);
		ok = tls_self_signed(names, names[1].n > 0 ? 2 : 1, time(NULL), &cert, &key)
		    == ERR_OK;
		if (!ok)
			buf_lit(why, "can't make a self-signed certificate");
		/* The certificate last: it says that both are there. */
		ok = ok && write_file(key_path, buf_str(&key), why)
		    && write_file(cert_path, buf_str(&cert), why);
	}
	arena_done(&a);
	return ok;
}

/* The i-th pair of files; 0 when there is no such one. */
static bool
file_pair(struct arena *a, const struct config *c, size_t i, const char **cert, const char **key)
{
	if (c->tls_certs.n == 0 && i == 0) {
		*cert = self_signed_path(a, c, "crt");
		*key = self_signed_path(a, c, "key");
		return true;
	}
	if (i >= c->tls_certs.n)
		return false;
	*cert = c->tls_certs.v[i].p;
	*key = c->tls_keys.v[i].p;
	return true;
}

static uint64_t
stamp_of(uint64_t stamp, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return hash_u64(stamp + 1);
	return hash_u64(hash_u64(hash_u64(stamp ^ (uint64_t)st.st_mtim.tv_sec)
			    ^ (uint64_t)st.st_mtim.tv_nsec ^ st.st_ino)
	    ^ (uint64_t)st.st_size);
}

static uint64_t
stamp_all(const struct config *c)
{
	struct arena a = ARENA_NONE;
	const char *cert, *key;
	uint64_t stamp = 0;

	for (size_t i = 0; file_pair(&a, c, i, &cert, &key); i++)
		stamp = stamp_of(stamp_of(stamp, cert), key);
	if (c->tls_client_ca.n > 0)
		stamp = stamp_of(stamp, c->tls_client_ca.p);
	arena_done(&a);
	return stamp;
}

bool
certs_have_changed(const struct certs *certs, const struct config *c)
{
	return stamp_all(c) != certs->stamp;
}

/* Do they work together? TLS itself says so. */
static enum err
check(const struct proc_message *m, struct buf *why)
{
	struct tls_cert certs[MESSAGE_CERTS_MAX];
	struct tls_config tc = { .certs = certs,
		.cert_count = m->cert_count,
		.client_ca_pem = m->client_ca };
	struct tls *tls;
	enum err e;

	for (size_t i = 0; i < m->cert_count; i++)
		certs[i] =
		    (struct tls_cert){ .cert_pem = m->certs[i].cert, .key_pem = m->certs[i].key };
	e = tls_open(&tc, clock_system(), why, &tls);
	if (e == ERR_OK)
		tls_unref(tls);
	return e;
}

/* What of a file is certificates: they may be in one file with their key. */
static struct str
only_certificates(struct arena *a, struct str pem)
{
	static const char *const labels[] = { "CERTIFICATE-----", "X509 CERTIFICATE-----",
		"TRUSTED CERTIFICATE-----" };
	char *out = arena_alloc(a, pem.n + 1);
	size_t n = 0;
	bool is_inside = false;

	while (pem.n > 0) {
		size_t end = MIN(str_chr(pem, '\n'), pem.n - 1) + 1;
		struct str line = str_sub(pem, 0, end);

		if (str_starts(line, STR("-----BEGIN "))) {
			is_inside = false;
			for (size_t i = 0; i < ARRAY_LEN(labels); i++)
				is_inside |=
				    str_starts(str_sub(line, 11, line.n), str_c(labels[i]));
		}
		if (is_inside) {
			memcpy(out + n, line.p, line.n);
			n += line.n;
		}
		if (str_starts(line, STR("-----END ")))
			is_inside = false;
		pem = str_sub(pem, end, pem.n);
	}
	return str_make(out, n);
}

/* Who gets what. */
static void
split(struct certs *c, const struct proc_message *all)
{
	c->certs = c->keys =
	    (struct proc_message){ .type = MESSAGE_TLS, .cert_count = all->cert_count };
	c->certs.client_ca = only_certificates(&c->arena, all->client_ca);
	for (size_t i = 0; i < all->cert_count; i++) {
		c->certs.certs[i].cert = only_certificates(&c->arena, all->certs[i].cert);
		c->keys.certs[i].key = all->certs[i].key;
	}
}

enum err
certs_load(const struct config *c, struct certs *out, struct buf *why)
{
	struct certs certs = { .arena = ARENA_SECRET };
	struct proc_message all = { .type = MESSAGE_TLS }, *m = &all;
	const char *cert, *key;
	bool ok = c->tls_certs.n > 0 || self_signed_make(c, why);
	enum err e;

	/* Taken before the files are read: a change meanwhile is noticed the next time. */
	certs.stamp = stamp_all(c);
	for (size_t i = 0; ok && file_pair(&certs.arena, c, i, &cert, &key); i++) {
		ok = i < MESSAGE_CERTS_MAX;
		if (!ok)
			buf_printf(why, "more than %d certificates", MESSAGE_CERTS_MAX);
		else if ((ok = read_file(&certs.arena, cert, &m->certs[i].cert, why)
				 && read_file(&certs.arena, key, &m->certs[i].key, why)))
			m->cert_count++;
	}
	if (ok && c->tls_client_ca.n > 0)
		ok = read_file(&certs.arena, c->tls_client_ca.p, &m->client_ca, why);
	e = ok ? check(m, why) : ERR_CONFIG;
	if (e == ERR_OK) {
		split(&certs, &all);
		ok = proc_message_fits(&certs.certs) && proc_message_fits(&certs.keys);
		if (!ok)
			buf_printf(why, "the files of tls_%s are larger than %d bytes together",
			    proc_message_fits(&certs.keys) ? "certs and tls_client_ca" : "keys",
			    FRAME_MAX);
	}
	if (e != ERR_OK || !ok) {
		certs_done(&certs);
		return ERR_CONFIG;
	}
	*out = certs;
	return ERR_OK;
}

void
certs_done(struct certs *c)
{
	arena_done(&c->arena);
}

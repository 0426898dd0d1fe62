/*
 * tls.c - see tls.h. A client's handshake, as RFC 8446 A.1 draws it:
 *
 * 	HELLO ──► EXTENSIONS ──┬────────────► FINISHED ──► OPEN
 * 	                       └► CERTIFICATE ──► PROOF ──┘        (a whole one)
 */
#include "tls.h"

#include "tls_keys.h"

#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	RECORD_CHANGE = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
	SUITE = 0x1302, /* AES-256-GCM, SHA-384 */
	VERSION = 0x0304,
	GROUP = 0x001d, /* X25519 */
	TICKET_MAX = 2048,
	HELLO_MAX = 512 + TICKET_MAX,
	MESSAGE_MAX = 65536,
	PROVEN_EVERY = 16, /* of so many signatures one is looked at */
};

enum message {
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
	NEW_TICKET = 4,
	EXTENSIONS = 8,
	CERTIFICATE = 11,
	PROOF = 15,
	FINISHED = 20,
	OPEN = 0, /* no message in particular */
};

enum extension {
	EXT_GROUPS = 10,
	EXT_SIGNATURES = 13,
	EXT_PSK = 41,
	EXT_VERSIONS = 43,
	EXT_PSK_MODES = 45,
	EXT_SHARE = 51,
};

struct tls_ticket {
	unsigned char psk[TLS_HASH], text[TICKET_MAX];
	size_t bytes;
	uint32_t age_add;
	int64_t came_ms;
};

struct tls {
	enum message awaited;
	bool has_offered, is_resumed; /* the ticket */
	tls_transcript said;
	unsigned char early[TLS_HASH]; /* of the ticket, if there is one */
	unsigned char secret[TLS_HASH], ours[TLS_HASH], theirs[TLS_HASH], resumption[TLS_HASH];
	struct seal in, out;
	struct tls_ticket **ticket;
	unsigned char *record, *message; /* what has come of one that is not whole */
	size_t record_n, message_n;
	char *output;
	size_t output_n, output_at, output_cap;
};

static void *
must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- Numbers and vectors --- */

static unsigned char *
add_number(unsigned char *p, uint32_t v, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--, v >>= 8)
		p[i] = (unsigned char)v;
	return p + bytes;
}

static unsigned char *
add_bytes(unsigned char *p, const void *from, size_t n)
{
	memcpy(p, from, n);
	return p + n;
}

struct reader {
	const unsigned char *p;
	size_t n;
	bool is_bad; /* it had to be longer; what is read is zeros */
};

static struct reader
take(struct reader *r, size_t n)
{
	struct reader part = { .p = r->p, .n = n };

	if (n > r->n) {
		*r = (struct reader){ .is_bad = true };
		return *r;
	}
	r->p += n;
	r->n -= n;
	return part;
}

static uint32_t
take_number(struct reader *r, size_t bytes)
{
	struct reader part = take(r, bytes);
	uint32_t v = 0;

	for (size_t i = 0; i < part.n; i++)
		v = v << 8 | part.p[i];
	return v;
}

/* What stands behind its length, which has so many bytes. */
static struct reader
take_vector(struct reader *r, size_t bytes)
{
	return take(r, take_number(r, bytes));
}

/* --- What we say --- */

static unsigned char *
room(struct tls *t, size_t n)
{
	if (t->output_at == t->output_n)
		t->output_at = t->output_n = 0;
	if (t->output_n + n > t->output_cap) {
		t->output_cap = t->output_n + n;
		t->output = must(realloc(t->output, t->output_cap));
	}
	return (unsigned char *)t->output + t->output_n;
}

const char *
tls_output(const struct tls *t, size_t *n_out)
{
	*n_out = t->output_n - t->output_at;
	return t->output + t->output_at;
}

void
tls_sent(struct tls *t, size_t n)
{
	t->output_at += n;
	if (t->output_at < t->output_n)
		return;
	free(t->output);
	t->output = NULL;
	t->output_n = t->output_at = t->output_cap = 0;
}

static void
add_record(struct tls *t, unsigned char kind, const void *p, size_t n)
{
	t->output_n += seal_close(&t->out, kind, p, n, room(t, n + TLS_HEADER + 1 + TLS_TAG));
}

void
tls_write(struct tls *t, const void *p, size_t n)
{
	const char *at = p;

	if (t->awaited != OPEN)
		abort();
	while (n > 0) {
		size_t part = n < TLS_RECORD ? n : TLS_RECORD;

		add_record(t, RECORD_DATA, at, part);
		at += part;
		n -= part;
	}
}

/* The last extension, with the proof that we have what the ticket stands for (RFC 8446 4.2.11). */
static unsigned char *
add_psk(const struct tls_ticket *k, unsigned char *p)
{
	p = add_number(p, EXT_PSK, 2);
	p = add_number(p, (uint32_t)(2 + 2 + k->bytes + 4 + 2 + 1 + TLS_HASH), 2);
	p = add_number(p, (uint32_t)(2 + k->bytes + 4), 2);
	p = add_number(p, (uint32_t)k->bytes, 2);
	p = add_bytes(p, k->text, k->bytes);
	p = add_number(p, (uint32_t)(now_ms() - k->came_ms) + k->age_add, 4);
	p = add_number(p, 1 + TLS_HASH, 2);
	p = add_number(p, TLS_HASH, 1);
	return p + TLS_HASH;
}

static void
prove_psk(struct tls *t, const unsigned char *hello, unsigned char *end)
{
	unsigned char nothing[TLS_HASH], hash[TLS_HASH], key[TLS_HASH];
	tls_transcript until;

	transcript_begin(&until);
	transcript_now(&until, nothing);
	transcript_add(&until, hello, (size_t)(end - TLS_HASH - 3 - hello));
	transcript_now(&until, hash);
	keys_early((*t->ticket)->psk, t->early);
	keys_expand(t->early, "res binder", nothing, TLS_HASH, key, TLS_HASH);
	keys_finished(key, hash, end - TLS_HASH);
}

static void
say_hello(struct tls *t)
{
	static const unsigned char extensions[] = {
		0,
		EXT_VERSIONS,
		0,
		3,
		2,
		3,
		4, /* 1.3 */
		0,
		EXT_GROUPS,
		0,
		4,
		0,
		2,
		0,
		GROUP, /* X25519 */
		0,
		EXT_SIGNATURES,
		0,
		6,
		0,
		4,
		0x04,
		0x03,
		0x08,
		0x04, /* ECDSA with P-256; RSA-PSS */
		0,
		EXT_PSK_MODES,
		0,
		2,
		1,
		1, /* with a new key exchange */
		0,
		EXT_SHARE,
		0,
		38,
		0,
		36,
		0,
		GROUP,
		0,
		TLS_SHARE,
	};
	const struct tls_ticket *k = t->ticket != NULL ? *t->ticket : NULL;
	unsigned char *record = room(t, HELLO_MAX), *hello = record + TLS_HEADER, *p = hello + 4,
		      *lengths;

	p = add_number(p, 0x0303, 2);
	if (getentropy(p, 32) != 0 || getentropy(p + 33, 32) != 0)
		abort();
	p[32] = 32; /* the name of a session, for the sake of what stands between (D.4) */
	p = add_number(p + 65, 2, 2);
	p = add_number(p, SUITE, 2);
	lengths = add_number(p, 0x0100, 2); /* no compression */
	p = add_bytes(lengths + 2, extensions, sizeof(extensions));
	p = add_bytes(p, share_ours(), TLS_SHARE);
	if (k != NULL)
		p = add_psk(k, p);
	add_number(lengths, (uint32_t)(p - lengths - 2), 2);
	add_number(hello, CLIENT_HELLO << 24 | (uint32_t)(p - hello - 4), 4);
	add_number(add_number(record, RECORD_HANDSHAKE << 16 | 0x0301, 3), (uint32_t)(p - hello),
	    2);
	t->has_offered = k != NULL;
	if (k != NULL)
		prove_psk(t, hello, p);
	transcript_begin(&t->said);
	transcript_add(&t->said, hello, (size_t)(p - hello));
	t->output_n += (size_t)(p - record);
}

/* Our end of the handshake, and the keys for what comes behind it. */
static void
finish(struct tls *t)
{
	static const unsigned char change[] = { RECORD_CHANGE, 3, 3, 0, 1, 1 };
	unsigned char hash[TLS_HASH], m[4 + TLS_HASH];

	transcript_now(&t->said, hash);
	add_number(m, FINISHED << 24 | TLS_HASH, 4);
	keys_finished(t->ours, hash, m + 4);
	add_bytes(room(t, sizeof(change)), change, sizeof(change));
	t->output_n += sizeof(change);
	add_record(t, RECORD_HANDSHAKE, m, sizeof(m));

	keys_next(t->secret, NULL, 0, t->secret);
	keys_expand(t->secret, "c ap traffic", hash, TLS_HASH, t->ours, TLS_HASH);
	keys_expand(t->secret, "s ap traffic", hash, TLS_HASH, t->theirs, TLS_HASH);
	seal_use(&t->out, t->ours, true);
	seal_use(&t->in, t->theirs, false);
	if (t->ticket != NULL) {
		transcript_add(&t->said, m, sizeof(m));
		transcript_now(&t->said, hash);
		keys_expand(t->secret, "res master", hash, TLS_HASH, t->resumption, TLS_HASH);
	}
}

/* --- What they say --- */

static bool
take_extensions(struct tls *t, struct reader r, struct reader *share_out)
{
	bool is_version_right = false;

	while (r.n > 0 && !r.is_bad) {
		uint32_t kind = take_number(&r, 2);
		struct reader e = take_vector(&r, 2);

		if (kind == EXT_VERSIONS) {
			is_version_right = take_number(&e, 2) == VERSION;
		} else if (kind == EXT_SHARE) {
			if (take_number(&e, 2) != GROUP)
				return false;
			*share_out = take_vector(&e, 2);
		} else if (kind == EXT_PSK) {
			t->is_resumed = take_number(&e, 2) == 0;
			if (!t->is_resumed || !t->has_offered)
				return false;
		}
	}
	return is_version_right && !r.is_bad;
}

/*
 * A server that wants another hello (4.1.4) asks for another group than we have, so it is one that
 * does not answer what it was asked.
 */
static bool
take_hello(struct tls *t, struct reader r, const void *m, size_t n)
{
	unsigned char hash[TLS_HASH], secret[TLS_SHARE];
	struct reader share = { .n = 0 };

	take(&r, 2 + 32);
	take_vector(&r, 1);
	if (take_number(&r, 2) != SUITE || take_number(&r, 1) != 0
	    || !take_extensions(t, take_vector(&r, 2), &share) || share.n != TLS_SHARE
	    || !share_agree(share.p, secret))
		return false;
	if (!t->is_resumed)
		keys_early(NULL, t->early);
	transcript_add(&t->said, m, n);
	transcript_now(&t->said, hash);
	keys_next(t->early, secret, sizeof(secret), t->secret);
	keys_expand(t->secret, "c hs traffic", hash, TLS_HASH, t->ours, TLS_HASH);
	keys_expand(t->secret, "s hs traffic", hash, TLS_HASH, t->theirs, TLS_HASH);
	seal_use(&t->out, t->ours, true);
	seal_use(&t->in, t->theirs, false);
	t->awaited = EXTENSIONS;
	return true;
}

/* The key of the certificate that was shown last. */
static EVP_PKEY *shown_key;

/* It is looked at when it is another than the last one's. */
static bool
take_certificate(struct reader r)
{
	static unsigned char *last;
	static size_t last_n;
	struct reader list, cert;
	const unsigned char *p;
	X509 *x;

	take_vector(&r, 1);
	list = take_vector(&r, 3);
	cert = take_vector(&list, 3);
	if (cert.n == 0 || (cert.n == last_n && memcmp(cert.p, last, last_n) == 0))
		return cert.n > 0;
	p = cert.p;
	x = d2i_X509(NULL, &p, (long)cert.n);
	EVP_PKEY_free(shown_key);
	shown_key = x != NULL ? X509_get_pubkey(x) : NULL;
	X509_free(x);
	last = must(realloc(last, cert.n));
	last_n = cert.n;
	memcpy(last, cert.p, cert.n);
	return shown_key != NULL;
}

/* Has the one whose certificate it is said what was said (4.4.3)? */
static bool
is_proven(const struct tls *t, struct reader r)
{
	static const char context[] = "TLS 1.3, server CertificateVerify";
	unsigned char text[64 + sizeof(context) + TLS_HASH];
	bool is_pss = take_number(&r, 2) == 0x0804, ok;
	struct reader signature = take_vector(&r, 2);
	EVP_MD_CTX *ctx = must(EVP_MD_CTX_new());
	EVP_PKEY_CTX *key;

	memset(text, ' ', 64);
	memcpy(text + 64, context, sizeof(context));
	transcript_now(&t->said, text + 64 + sizeof(context));
	ok = shown_key != NULL
	    && EVP_DigestVerifyInit(ctx, &key, EVP_sha256(), NULL, shown_key) == 1
	    && (!is_pss
		|| (EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) == 1
		    && EVP_PKEY_CTX_set_rsa_pss_saltlen(key, RSA_PSS_SALTLEN_DIGEST) == 1))
	    && EVP_DigestVerify(ctx, signature.p, signature.n, text, sizeof(text)) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool
take_proof(const struct tls *t, struct reader r)
{
	static unsigned count;

	return count++ % PROVEN_EVERY != 0 || is_proven(t, r);
}

static bool
take_finished(const struct tls *t, struct reader r)
{
	unsigned char hash[TLS_HASH], proof[TLS_HASH];

	transcript_now(&t->said, hash);
	keys_finished(t->theirs, hash, proof);
	return r.n == TLS_HASH && memcmp(r.p, proof, TLS_HASH) == 0;
}

static bool
take_ticket(struct tls *t, struct reader r)
{
	struct reader nonce, text;
	struct tls_ticket *k;
	uint32_t age_add;

	take(&r, 4);
	age_add = take_number(&r, 4);
	nonce = take_vector(&r, 1);
	text = take_vector(&r, 2);
	if (r.is_bad || nonce.n > TLS_HASH || text.n > TICKET_MAX)
		return false;
	if (t->ticket == NULL)
		return true;
	if (*t->ticket == NULL)
		*t->ticket = must(malloc(sizeof(**t->ticket)));
	k = *t->ticket;
	keys_expand(t->resumption, "resumption", nonce.p, nonce.n, k->psk, TLS_HASH);
	memcpy(k->text, text.p, text.n);
	k->bytes = text.n;
	k->age_add = age_add;
	k->came_ms = now_ms();
	return true;
}

/* A whole message, header and all. */
static bool
take_message(struct tls *t, const unsigned char *m, size_t n)
{
	struct reader r = { .p = m + 4, .n = n - 4 };
	bool ok = false;

	if (t->awaited == OPEN)
		return m[0] == NEW_TICKET && take_ticket(t, r);
	if (m[0] != t->awaited)
		return false;
	switch (t->awaited) {
	case SERVER_HELLO:
		return take_hello(t, r, m, n);
	case EXTENSIONS:
		ok = true;
		t->awaited = t->is_resumed ? FINISHED : CERTIFICATE;
		break;
	case CERTIFICATE:
		ok = take_certificate(r);
		t->awaited = PROOF;
		break;
	case PROOF:
		ok = take_proof(t, r);
		t->awaited = FINISHED;
		break;
	case FINISHED:
		ok = take_finished(t, r);
		t->awaited = OPEN;
		break;
	case CLIENT_HELLO:
	case NEW_TICKET:
	case OPEN:
		break;
	}
	transcript_add(&t->said, m, n);
	if (ok && t->awaited == OPEN)
		finish(t);
	return ok;
}

/* Some of the handshake, which is cut into records as the server likes. */
static bool
take_handshake(struct tls *t, const unsigned char *p, size_t n)
{
	size_t at = 0;

	if (t->message_n + n > MESSAGE_MAX)
		return false;
	t->message = must(realloc(t->message, t->message_n + n));
	memcpy(t->message + t->message_n, p, n);
	t->message_n += n;
	while (t->message_n - at >= 4) {
		const unsigned char *m = t->message + at;
		size_t bytes = 4 + ((size_t)m[1] << 16 | (size_t)m[2] << 8 | m[3]);

		if (t->message_n - at < bytes)
			break;
		if (!take_message(t, m, bytes))
			return false;
		at += bytes;
	}
	t->message_n -= at;
	if (t->message_n > 0) {
		memmove(t->message, t->message + at, t->message_n);
		return true;
	}
	free(t->message);
	t->message = NULL;
	return true;
}

static enum tls_news
take_record(struct tls *t, const unsigned char *record, size_t n, char *out, size_t *out_n)
{
	unsigned char kind = record[0], *text = (unsigned char *)out + *out_n;
	size_t bytes = n - TLS_HEADER;

	if (kind == RECORD_CHANGE && t->awaited != OPEN)
		return TLS_GOES_ON;
	if (kind == RECORD_HANDSHAKE && t->awaited == SERVER_HELLO)
		return take_handshake(t, record + TLS_HEADER, bytes) ? TLS_GOES_ON : TLS_BROKEN;
	if (kind != RECORD_DATA || t->awaited == SERVER_HELLO
	    || !seal_open(&t->in, record, n, text, &kind, &bytes))
		return TLS_BROKEN;
	if (kind == RECORD_HANDSHAKE)
		return take_handshake(t, text, bytes) ? TLS_GOES_ON : TLS_BROKEN;
	if (kind == RECORD_ALERT)
		return bytes == 2 && text[1] == 0 ? TLS_ENDED : TLS_BROKEN;
	if (kind != RECORD_DATA || t->awaited != OPEN)
		return TLS_BROKEN;
	*out_n += bytes;
	return TLS_GOES_ON;
}

enum tls_news
tls_read(struct tls *t, const void *p, size_t n, char *out, size_t *out_n)
{
	static unsigned char joined[TLS_KEPT_MAX + TLS_READ_MAX];
	const unsigned char *at = p;
	enum tls_news news = TLS_GOES_ON;

	if (t->record_n > 0) {
		memcpy(joined, t->record, t->record_n);
		memcpy(joined + t->record_n, p, n);
		at = joined;
		n += t->record_n;
		t->record_n = 0;
		free(t->record);
		t->record = NULL;
	}
	*out_n = 0;
	while (news == TLS_GOES_ON && n >= TLS_HEADER) {
		size_t bytes = TLS_HEADER + ((size_t)at[3] << 8 | at[4]);

		if (bytes > TLS_KEPT_MAX)
			return TLS_BROKEN;
		if (bytes > n)
			break;
		news = take_record(t, at, bytes, out, out_n);
		at += bytes;
		n -= bytes;
	}
	if (n > 0 && news == TLS_GOES_ON) {
		t->record = must(malloc(n));
		memcpy(t->record, at, n);
		t->record_n = n;
	}
	return news;
}

/* --- Life --- */

struct tls *
tls_new(struct tls_ticket **ticket)
{
	struct tls *t = must(calloc(1, sizeof(*t)));

	t->awaited = SERVER_HELLO;
	t->ticket = ticket;
	say_hello(t);
	return t;
}

void
tls_free(struct tls *t)
{
	seal_free(&t->in);
	seal_free(&t->out);
	free(t->record);
	free(t->message);
	free(t->output);
	free(t);
}

bool
tls_is_open(const struct tls *t)
{
	return t->awaited == OPEN;
}

bool
tls_is_resumed(const struct tls *t)
{
	return t->is_resumed;
}

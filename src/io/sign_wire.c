/* sign_wire.c - see sign_wire.h. */
#include "io/sign_wire.h"

enum { ASK = 1, ANSWER };

void
sign_ask_add(struct buf *b, const struct sign_ask *a)
{
	size_t at = frame_begin(b, ASK);

	frame_add_u64(b, a->id);
	frame_add_str(b, a->key);
	frame_add_u8(b, (uint8_t)a->digest);
	frame_add_u8(b, (uint8_t)a->padding);
	frame_add_str(b, a->text);
	frame_end(b, at);
}

enum err
sign_ask_next(struct str in, struct sign_ask *out, size_t *used_out)
{
	struct sign_ask a;
	struct frame f;
	uint8_t digest, padding;
	enum err e = frame_next(in, &f, used_out);

	if (e != ERR_OK)
		return e;
	a.id = frame_u64(&f);
	a.key = frame_str(&f, SIGN_KEY_BYTES);
	digest = frame_u8(&f);
	padding = frame_u8(&f);
	a.text = frame_str(&f, SIGN_TEXT_MAX);
	if (f.type != ASK || a.key.n != SIGN_KEY_BYTES || digest >= SIGN_DIGESTS
	    || padding >= SIGN_PADDINGS || frame_finish(&f) != ERR_OK)
		return ERR_CORRUPT;
	a.digest = digest;
	a.padding = padding;
	*out = a;
	return ERR_OK;
}

void
sign_answer_add(struct buf *b, const struct sign_answer *a)
{
	size_t at = frame_begin(b, ANSWER);

	frame_add_u64(b, a->id);
	frame_add_str(b, a->signature);
	frame_end(b, at);
}

enum err
sign_answer_next(struct str in, struct sign_answer *out, size_t *used_out)
{
	struct sign_answer a;
	struct frame f;
	enum err e = frame_next(in, &f, used_out);

	if (e != ERR_OK)
		return e;
	a.id = frame_u64(&f);
	a.signature = frame_str(&f, SIGN_SIGNATURE_MAX);
	if (f.type != ANSWER || frame_finish(&f) != ERR_OK)
		return ERR_CORRUPT;
	*out = a;
	return ERR_OK;
}

/* 64 spaces, the context string, a zero, the transcript's hash. */
static bool
is_certificate_verify(const struct sign_ask *a)
{
	static const char context[] = "TLS 1.3, server CertificateVerify";
	const size_t head = 64 + sizeof(context);
	size_t spaces = 0;

	while (spaces < MIN(a->text.n, 64) && a->text.p[spaces] == ' ')
		spaces++;
	return spaces == 64 && (a->text.n == head + 32 || a->text.n == head + 48)
	    && a->padding != SIGN_PKCS1 && memcmp(a->text.p + 64, context, sizeof(context)) == 0;
}

/* Both randoms, then the named curve and our point on it. */
static bool
is_server_key_exchange(const struct sign_ask *a)
{
	static const struct {
		uint16_t curve;
		uint8_t point_bytes;
	} curves[] = {
		/* P-256, P-384, P-521, X25519, X448 */
		{ 23, 65 },
		{ 24, 97 },
		{ 25, 133 },
		{ 29, 32 },
		{ 30, 56 },
	};

	const size_t head = 32 + 32 + 4;
	const unsigned char *params = (const unsigned char *)a->text.p + 64;

	if (a->text.n < head || params[0] != 3)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if ((params[1] << 8 | params[2]) == curves[i].curve)
			return params[3] == curves[i].point_bytes
			    && a->text.n == head + curves[i].point_bytes;
	return false;
}

bool
sign_is_of_handshake(const struct sign_ask *a)
{
	return is_certificate_verify(a) || is_server_key_exchange(a);
}

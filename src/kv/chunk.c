/*
 * chunk.c - the stored form of a piece of a message: compressed when that is worth it, with a
 * checksum over the bytes as they came, so that no fault below (disk, engine, codec) can serve
 * wrong bytes as good.
 */
#include "base/bytes.h"
#include "kv/crc32c.h"
#include "kv/kv_int.h"

#include <stdlib.h>
#include <zstd.h>

enum { CODEC_RAW = 0, CODEC_ZSTD = 1 };

/* Measured on real mail of 5 KB: level 1 takes half of what level 3 takes and leaves 3 % more. */
#define ZSTD_LEVEL 1
#define WORTH_BYTES 256u /* smaller pieces are left as they are */

void
kv_codecs_init(struct kv_codecs *c)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
}

void
kv_codecs_done(struct kv_codecs *c)
{
	while (c->packer_count > 0)
		ZSTD_freeCCtx(c->packers[--c->packer_count]);
	while (c->unpacker_count > 0)
		ZSTD_freeDCtx(c->unpackers[--c->unpacker_count]);
	pthread_mutex_destroy(&c->lock);
}

/* Takes one from the pile; NULL when there is none. */
static void *
context_take(struct kv_codecs *c, void **pile, unsigned *count)
{
	void *context;

	pthread_mutex_lock(&c->lock);
	context = *count > 0 ? pile[--*count] : NULL;
	pthread_mutex_unlock(&c->lock);
	return context;
}

/* Puts it on the pile; false when that is full. */
static bool
context_give(struct kv_codecs *c, void **pile, unsigned *count, void *context)
{
	bool has_room;

	pthread_mutex_lock(&c->lock);
	has_room = *count < KV_CODECS;
	if (has_room)
		pile[(*count)++] = context;
	pthread_mutex_unlock(&c->lock);
	return has_room;
}

static size_t
pack(struct kv_codecs *c, char *to, size_t size, struct str raw)
{
	ZSTD_CCtx *context = context_take(c, c->packers, &c->packer_count);
	size_t n;

	if (context == NULL)
		context = ZSTD_createCCtx();
	must(context != NULL);
	n = ZSTD_compressCCtx(context, to, size, raw.p, raw.n, ZSTD_LEVEL);
	if (!context_give(c, c->packers, &c->packer_count, context))
		ZSTD_freeCCtx(context);
	return n;
}

static size_t
unpack(struct kv_codecs *c, char *to, size_t size, struct str packed)
{
	ZSTD_DCtx *context = context_take(c, c->unpackers, &c->unpacker_count);
	size_t n;

	if (context == NULL)
		context = ZSTD_createDCtx();
	must(context != NULL);
	n = ZSTD_decompressDCtx(context, to, size, packed.p, packed.n);
	if (!context_give(c, c->unpackers, &c->unpacker_count, context))
		ZSTD_freeDCtx(context);
	return n;
}

void
kv_chunk_encode(struct kv_codecs *codecs, struct str raw, struct buf *out)
{
	size_t bound = ZSTD_compressBound(raw.n);
	size_t head = out->n;
	char *p = buf_reserve(out, KV_CHUNK_HEAD + bound);
	size_t n;

	must(p != NULL && raw.n <= KV_CHUNK_BYTES);
	memset(p, 0, 4);
	put_le32(p + 4, (uint32_t)raw.n);
	put_le32(p + 8, crc32c(0, raw.p, raw.n));
	n = raw.n < WORTH_BYTES ? SIZE_MAX : pack(codecs, p + KV_CHUNK_HEAD, bound, raw);
	if (ZSTD_isError(n) || n >= raw.n - raw.n / 16) {
		p[0] = CODEC_RAW;
		if (raw.n > 0)
			memcpy(p + KV_CHUNK_HEAD, raw.p, raw.n);
		n = raw.n;
	} else {
		p[0] = CODEC_ZSTD;
	}
	out->n = head + KV_CHUNK_HEAD + n;
}

enum err
kv_chunk_length(struct str stored, size_t *length_out)
{
	if (stored.n < KV_CHUNK_HEAD || get_le32(stored.p + 4) > KV_CHUNK_BYTES)
		return ERR_CORRUPT;
	*length_out = get_le32(stored.p + 4);
	return ERR_OK;
}

enum err
kv_chunk_unpack(struct kv_codecs *codecs, struct str stored, char *to)
{
	const size_t length = get_le32(stored.p + 4);
	struct str packed = str_sub(stored, KV_CHUNK_HEAD, stored.n);
	size_t n = SIZE_MAX;

	if (stored.p[0] == CODEC_ZSTD) {
		n = unpack(codecs, to, length, packed);
	} else if (stored.p[0] == CODEC_RAW && packed.n == length) {
		memcpy(to, packed.p, length);
		n = length;
	}
	return n == length && crc32c(0, to, length) == get_le32(stored.p + 8) ? ERR_OK
									      : ERR_CORRUPT;
}

enum err
kv_chunk_decode(struct kv_codecs *codecs, struct str stored, struct kv_bytes **raw_out)
{
	struct kv_bytes *b;
	size_t length;
	char *p;
	enum err e = kv_chunk_length(stored, &length);

	if (e != ERR_OK)
		return e;
	b = kv_bytes_alloc(length, &p);
	e = kv_chunk_unpack(codecs, stored, p);
	if (e == ERR_OK)
		*raw_out = b;
	else
		kv_bytes_unref(b);
	return e;
}

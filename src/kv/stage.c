/*
 * stage.c - a message that streams in. It is cut into chunks; a full one is handed to the engine
 * when more comes, so a message under one chunk stays whole in memory and travels in the batch that
 * links it, as the last chunk always does.
 */
#include "kv/kv_int.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct kv_stage *
kv_stage_new(struct kv *kv)
{
	struct kv_stage *s = xcalloc(1, sizeof(*s));
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	must(digest != NULL && EVP_DigestInit_ex(digest, kv->digest, NULL) == 1);
	atomic_init(&s->refs, 1);
	s->kv = kv;
	s->digest = digest;
	s->raw = BUF_MAX(kv->keeps_stages ? SIZE_MAX / 2 : KV_CHUNK_BYTES);
	s->stored = BUF_MAX(2 * KV_CHUNK_BYTES);
	return s;
}

struct kv_stage *
kv_stage_ref(struct kv_stage *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
kv_stage_unref(struct kv_stage *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	if (s->chunks_written > 0 && !atomic_load(&s->is_linked))
		s->kv->ops->stage_drop(s->kv, s->stage_id, s->chunks_written);
	EVP_MD_CTX_free(s->digest);
	buf_done(&s->raw);
	buf_done(&s->stored);
	free(s);
}

/*
 * Hands the full chunk over. Its stored form is made once, however often the engine says ERR_WAIT.
 */
static enum err
chunk_flush(struct kv_stage *s, struct waiter *w)
{
	struct kv_chunk *c;
	enum err e;

	if (s->stored.n == 0)
		kv_chunk_encode(&s->kv->codecs, buf_str(&s->raw), NULL, &s->stored);
	if (s->stage_id == 0)
		s->stage_id = s->kv->ops->stage_id(s->kv);
	c = xcalloc(1, sizeof(*c));
	list_init(&c->node);
	c->stage_id = s->stage_id;
	c->no = s->chunks_written;
	c->value = buf_str(&s->stored);
	e = s->kv->ops->chunk_write(s->kv, c);
	if (e == ERR_WAIT) {
		waiter_wait(w, &s->kv->chunk_waiters);
		/* again: it may have emptied before we were in the list */
		e = s->kv->ops->chunk_write(s->kv, c);
		if (e != ERR_WAIT)
			waiter_cancel(w);
	}
	if (e != ERR_OK) {
		free(c);
		return e;
	}
	s->chunks_written++;
	s->stored = BUF_MAX(2 * KV_CHUNK_BYTES); /* its memory went with the chunk */
	buf_clear(&s->raw);
	return ERR_OK;
}

/* An assignment's value would be atomic too, which clang does not return. */
static enum err
stage_fail(struct kv_stage *s, enum err e)
{
	s->failed = e;
	return e;
}

enum err
kv_stage_write(struct kv_stage *s, struct str data, size_t *taken_out, struct waiter *w)
{
	size_t n = data.n;
	enum err e;

	must(!s->is_sealed);
	if (s->failed != ERR_OK)
		return s->failed;
	if (kv_is_failed(s->kv))
		return stage_fail(s, ERR_IO);
	if (kv_space(s->kv) != KV_SPACE_OK)
		return stage_fail(s, ERR_FULL);
	if (!s->kv->keeps_stages) {
		if (s->raw.n == KV_CHUNK_BYTES && n > 0) {
			e = chunk_flush(s, w);
			if (e == ERR_WAIT)
				return e;
			if (e != ERR_OK)
				return stage_fail(s, e);
		}
		n = MIN(n, KV_CHUNK_BYTES - s->raw.n);
	}
	buf_add(&s->raw, data.p, n);
	must(EVP_DigestUpdate(s->digest, data.p, n) == 1);
	s->length += n;
	*taken_out = n;
	return ERR_OK;
}

enum err
kv_stage_seal(struct kv_stage *s, struct blob_id *id_out, uint64_t *length_out)
{
	if (s->failed != ERR_OK)
		return s->failed;
	if (!s->is_sealed) {
		must(EVP_DigestFinal_ex(s->digest, s->id.sha256, NULL) == 1);
		EVP_MD_CTX_free(s->digest);
		s->digest = NULL;
		if (!s->kv->keeps_stages && s->stored.n == 0)
			kv_chunk_encode(&s->kv->codecs, buf_str(&s->raw),
			    kv_stage_is_whole(s) ? &s->id : NULL, &s->stored);
		s->is_sealed = true;
	}
	*id_out = s->id;
	*length_out = s->length;
	return ERR_OK;
}

struct str
kv_stage_peek(const struct kv_stage *s)
{
	return s->length <= KV_CHUNK_BYTES ? str_make(s->raw.p != NULL ? s->raw.p : "", s->raw.n)
					   : STR_NONE;
}

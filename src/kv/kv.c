/* kv.c - dispatch from the interface to an engine. */
#include "kv/kv_int.h"

#include <openssl/evp.h>

void
kv_init(struct kv *kv, const struct kv_ops *ops, const struct kv_options *o)
{
	kv->ops = ops;
	memcpy(kv->merge, o->merge, sizeof(kv->merge));
	kv->merge[KV_COUNTER] = kv_counter_merge;
	kv->clock = o->clock != NULL ? o->clock : clock_system();
	kv->grace_ms = o->grace_ms != 0 ? o->grace_ms : KV_GRACE_MS;
	waitlist_init(&kv->chunk_waiters);
	kv_codecs_init(&kv->codecs);
	kv->digest = EVP_MD_fetch(NULL, "SHA256", NULL);
	must(kv->digest != NULL);
	kv_rooms_init(&kv->rooms);
}

void
kv_done(struct kv *kv)
{
	kv_rooms_done(&kv->rooms);
	waitlist_done(&kv->chunk_waiters);
	kv_codecs_done(&kv->codecs);
	EVP_MD_free(kv->digest);
}

void
kv_close(struct kv *kv)
{
	if (kv != NULL)
		kv->ops->close(kv);
}

enum kv_space
kv_space(struct kv *kv)
{
	return kv->ops->space(kv);
}

bool
kv_is_failed(struct kv *kv)
{
	return kv->ops->is_failed(kv);
}

bool
kv_is_out_of_room(struct kv *kv)
{
	return kv->ops->is_out_of_room(kv);
}

enum err
kv_load(struct kv *kv, struct account_id account, const struct kv_range *ranges, size_t count,
    struct kv_rows **rows_out, kv_load_fn *fn, void *ctx)
{
	return kv->ops->load(kv, account, ranges, count, rows_out, fn, ctx);
}

enum err
kv_load_ahead(struct kv *kv, struct account_id account, const struct kv_range *ranges, size_t count,
    struct kv_rows **rows_out, kv_wanted_fn *is_wanted, kv_load_fn *fn, void *ctx)
{
	return kv->ops->load_ahead(kv, account, ranges, count, rows_out, is_wanted, fn, ctx);
}

enum err
kv_load_now(struct kv *kv, struct account_id account, const struct kv_range *ranges, size_t count,
    struct kv_rows **rows_out)
{
	return kv->ops->load_now(kv, account, ranges, count, rows_out);
}

enum err
kv_load_readable(struct kv *kv, struct account_id account, const struct kv_range *range,
    struct kv_rows **rows_out, bool *is_last_out)
{
	struct kv_range left = *range;
	enum err e = kv_load_now(kv, account, &left, 1, rows_out);

	if (e == ERR_CORRUPT) {
		left.limit = 0;
		left.may_have_gaps = true;
		e = kv_load_now(kv, account, &left, 1, rows_out);
	}
	*is_last_out = e != ERR_OK || left.limit == 0 || (*rows_out)->ranges[0].count < left.limit;
	return e;
}

enum err
kv_blob_read(struct kv *kv, const struct blob_id *id, uint64_t place, uint64_t offset,
    size_t length, struct kv_bytes **bytes_out, kv_blob_fn *fn, void *ctx)
{
	return kv->ops->blob_read(kv, id, place, offset, length, bytes_out, fn, ctx);
}

enum err
kv_blob_read_now(struct kv *kv, const struct blob_id *id, uint64_t place, uint64_t offset,
    size_t length, struct kv_bytes **bytes_out)
{
	return kv->ops->blob_read_now(kv, id, place, offset, length, bytes_out);
}

enum err
kv_blobs_load(struct kv *kv, struct account_id account, const struct kv_blob_ref *refs,
    size_t count, struct kv_blobs **blobs_out, kv_blobs_fn *fn, void *ctx)
{
	return kv->ops->blobs_load(kv, account, refs, count, blobs_out, fn, ctx);
}

enum err
kv_blob_prove(struct kv *kv, const struct blob_id *id, uint64_t place, kv_piece_fn *fn, void *ctx)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	struct blob_id found;
	uint64_t at = 0;
	enum err e = ERR_OK;

	must(digest != NULL && EVP_DigestInit_ex(digest, kv->digest, NULL) == 1);
	while (e == ERR_OK) {
		struct kv_bytes *piece = NULL;

		e = kv_blob_read_now(kv, id, place, at, KV_CHUNK_BYTES, &piece);
		if (e != ERR_OK)
			break;
		at += kv_bytes_str(piece).n;
		must(EVP_DigestUpdate(digest, kv_bytes_str(piece).p, kv_bytes_str(piece).n) == 1);
		if (!fn(ctx, kv_bytes_str(piece)))
			e = ERR_LIMIT; /* not ERR_END, which is the end of the blob */
		kv_bytes_unref(piece);
	}
	must(EVP_DigestFinal_ex(digest, found.sha256, NULL) == 1);
	EVP_MD_CTX_free(digest);
	if (e == ERR_LIMIT)
		return ERR_END;
	if (e != ERR_END)
		return e;
	return memcmp(found.sha256, id->sha256, sizeof(found.sha256)) == 0 ? ERR_OK : ERR_CORRUPT;
}

enum err
kv_check(struct kv *kv, struct kv_checker *k)
{
	return kv->ops->check(kv, k);
}

enum err
kv_blobs_each(struct kv *kv, kv_blob_each_fn *fn, void *ctx)
{
	return kv->ops->blobs_each(kv, fn, ctx);
}

enum err
kv_blob_get(struct kv *kv, const struct blob_id *id, struct kv_blob *out)
{
	return kv->ops->blob_get(kv, id, out);
}

enum err
kv_blob_links(struct kv *kv, const struct blob_id *id, uint64_t *links_out)
{
	struct kv_blob b = { 0 };
	enum err e = kv_blob_get(kv, id, &b);

	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	*links_out = b.links;
	return ERR_OK;
}

enum err
kv_blob_sweep(struct kv *kv, uint64_t grace_ms, uint64_t *swept_bytes_out)
{
	return kv->ops->blob_sweep(kv, grace_ms, swept_bytes_out);
}

enum err
kv_versions(struct kv *kv, const struct account_id *accounts, size_t count, uint64_t *versions_out)
{
	return kv->ops->versions(kv, accounts, count, versions_out);
}

/* Both engines are embedded: nobody else writes, so there is nothing to hint at. */
void
kv_watch(struct kv *kv unused_arg, kv_watch_fn *fn unused_arg, void *ctx unused_arg)
{
}

void
kv_stats(struct kv *kv, struct kv_stats *out)
{
	kv->ops->stats(kv, out);
}

enum err
kv_checkpoint(struct kv *kv, const char *dir)
{
	return kv->ops->checkpoint(kv, dir);
}

/*
 * chunk_fuzz.c - whatever stands where a chunk should: an error, or bytes that encode to a chunk
 * that decodes to them. The same bytes where the row of a blob should be.
 */
#include "kv/kv_int.h"
#include "kv/rocks_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BUF_CLEAN struct buf again = BUF_MAX(2 * KV_CHUNK_BYTES);
	struct kv_bytes *bytes = NULL, *back = NULL;
	struct kv_codecs codecs;
	struct blob_row row;

	if (blob_row_decode(str_make(data, size), &row) == ERR_OK)
		must(row.chunk_bytes != 0 && chunk_cf(&row) < CF_COUNT
		    && (row.length == 0 || chunk_count(&row) > 0 || row.length > UINT32_MAX));
	kv_codecs_init(&codecs);
	if (kv_chunk_decode(&codecs, str_make(data, size), &bytes) == ERR_OK) {
		kv_chunk_encode(&codecs, kv_bytes_str(bytes), NULL, &again);
		must(kv_chunk_decode(&codecs, buf_str(&again), &back) == ERR_OK);
		must(str_eq(kv_bytes_str(bytes), kv_bytes_str(back)));
		kv_bytes_unref(back);
		kv_bytes_unref(bytes);
	}
	kv_codecs_done(&codecs);
	return 0;
}

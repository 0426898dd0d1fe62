/*
 * manifest_fuzz.c - what a backup consists of, from bytes that anybody may have changed. The first
 * byte says as what: a manifest, an account, a time, or rows of an account of which an image is
 * made, as of a moment.
 */
#include "backup/image.h"
#include "backup/manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_manifest(struct str text)
{
	BUF_CLEAN struct buf again = BUF_MAX(1 << 24);
	struct arena a = ARENA_NONE;
	struct manifest m;

	if (manifest_parse(&a, text, &m) == ERR_OK) {
		manifest_format(&m, &again);
		must(manifest_parse(&a, buf_str(&again), &m) == ERR_OK);
	}
	arena_done(&a);
}

static void
check_account(struct str object)
{
	BUF_CLEAN struct buf again = BUF_MAX(1 << 24);
	struct account_lists l, l2;

	if (account_lists_decode(object, &l) == ERR_OK) {
		account_lists_encode(&l, &again);
		must(account_lists_decode(buf_str(&again), &l2) == ERR_OK);
		for (unsigned i = 0; i <= LIST_BLOBS; i++)
			must(str_eq(buf_str(&l.lists[i]), buf_str(&l2.lists[i])));
		account_lists_done(&l2);
	}
	account_lists_done(&l);
}

static void
check_time(struct str text)
{
	char out[TIME_TEXT_BYTES + 1];
	int64_t ms, again;

	if (!time_parse(text, &ms) || ms > INT64_C(253402300799000))
		return;
	time_format(ms, out);
	must(time_parse(str_c(out), &again) && again == ms);
}

/* Rows, each behind a byte with its kind. */
static void
check_image(struct str rest)
{
	struct str key, value = STR("");
	struct image i;

	image_init(&i);
	while (rows_next(&rest, &key, &value)) {
		if (key.n != 0)
			image_add(&i, (enum kv_kind)((uint8_t)key.p[0] % KV_KINDS),
			    str_sub(key, 1, key.n), value);
	}
	image_read_undo(&i);
	image_finish(&i, value.n % 2 == 0 ? IMAGE_NOW : 1795000000000);
	for (size_t b = 0; b < i.box_count; b++) {
		for (size_t k = 0; k < i.boxes[b].count; k++) {
			const struct image_entry *e = &i.boxes[b].entries[k];

			if (image_is_there(&i, &i.boxes[b], e))
				(void)image_message(&i, e->e.msgno);
		}
	}
	image_done(&i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in = str_make(data, n);

	if (n == 0)
		return 0;
	switch (data[0]) {
	case 'm':
		check_manifest(str_sub(in, 1, n));
		break;
	case 'a':
		check_account(str_sub(in, 1, n));
		break;
	case 't':
		check_time(str_sub(in, 1, n));
		break;
	default:
		check_image(str_sub(in, 1, n));
	}
	return 0;
}

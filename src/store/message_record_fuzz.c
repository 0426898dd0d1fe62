/*
 * message_record_fuzz.c - hostile rows: whatever decodes lies inside the row and encodes to the
 * same bytes again.
 *
 * Input: two bytes length of the summary row, the summary row, then the header row.
 */
#include "store/message_record.h"

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf BUF_CLEAN out = BUF_MAX(1 << 20);
	struct str all = str_make(data, size), row, header;
	struct message_record r;

	if (size < 2)
		return 0;
	row = str_sub(all, 2, 2 + (size_t)get_le16(data));
	if (message_summary_decode(row, &r) != ERR_OK)
		return 0;
	message_summary_encode(&r, &out);
	must(str_eq(buf_str(&out), row));
	if (message_header_decode(str_sub(all, 2 + row.n, all.n), &r, &header) != ERR_OK)
		return 0;
	must(header.n == r.header_bytes && r.prefix_bytes <= header.n);
	buf_clear(&out);
	message_header_encode(str_sub(header, 0, r.prefix_bytes),
	    str_sub(header, r.prefix_bytes, header.n), &out);
	must(str_eq(buf_str(&out), str_sub(all, 2 + row.n, all.n)));
	return 0;
}

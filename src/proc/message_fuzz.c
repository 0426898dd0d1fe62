/*
 * message_fuzz.c - a message between processes that is accepted is written back byte for byte.
 * First byte: which side reads.
 */
#include "proc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BUF_CLEAN struct buf b = BUF_MAX(FRAME_MAX);
	struct proc_message m;
	size_t used = 0;

	if (size == 0
	    || proc_message_next(str_make(data + 1, size - 1), data[0] & 1, &m, &used) != ERR_OK)
		return 0;
	proc_message_add(&b, &m);
	must(str_eq(buf_str(&b), str_make(data + 1, used)));
	return 0;
}

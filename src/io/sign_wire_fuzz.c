/*
 * sign_wire_fuzz.c - a message between the mail process and the one with the keys that is accepted
 * is written back byte for byte, and the check of what may be signed reads no further than the
 * text. First byte: which side reads.
 */
#include "io/sign_wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const struct sign_ask *a)
{
	struct sign_ask copy = *a;
	char *exact = malloc(MAX(a->text.n, 1)); /* a byte too far is found */

	must(exact != NULL);
	if (a->text.n > 0)
		memcpy(exact, a->text.p, a->text.n);
	copy.text.p = exact;
	if (sign_is_of_handshake(&copy))
		must(a->text.n >= 68 + 32);
	free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BUF_CLEAN struct buf b = BUF_MAX(FRAME_MAX);
	struct str in = str_make(data + 1, size - 1);
	struct sign_answer answer;
	struct sign_ask ask;
	size_t used = 0;

	if (size == 0)
		return 0;
	if ((data[0] & 1) != 0 && sign_ask_next(in, &ask, &used) == ERR_OK) {
		sign_ask_add(&b, &ask);
		check_text(&ask);
	} else if ((data[0] & 1) == 0 && sign_answer_next(in, &answer, &used) == ERR_OK) {
		sign_answer_add(&b, &answer);
	} else {
		return 0;
	}
	must(str_eq(buf_str(&b), str_sub(in, 0, used)));
	return 0;
}

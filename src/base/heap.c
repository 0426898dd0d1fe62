/* heap.c - see heap.h. */
#include "base/heap.h"

#include "base/attr.h"
#include "base/sanitized.h"

#include <stdlib.h>

enum {
	/* Less than what malloc() would ask the system for alone. */
	PIECE_BYTES = 120 * 1024,
	PIECES_MAX = 512,
};

void
heap_prepare(size_t bytes)
{
	void *pieces[PIECES_MAX];
	size_t n = MIN(bytes / PIECE_BYTES, (size_t)PIECES_MAX);

	if (IS_SANITIZED)
		return;
	/* What has been writable once stays so when its memory goes back. */
	for (size_t i = 0; i < n; i++)
		pieces[i] = malloc(PIECE_BYTES);
	while (n > 0)
		free(pieces[--n]);
}

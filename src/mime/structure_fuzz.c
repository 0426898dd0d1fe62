/*
 * structure_fuzz.c - stored structures, damaged: refused, or a tree that is safe to use and encodes
 * to the same bytes.
 */
#include "mime/structure.h"

#include "base/arena.h"
#include "mime/bodystructure.h"
#include "mime/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf out = BUF_MAX(1 << 26);
	struct mime_message *msg;
	struct mime_range range;

	if (mime_structure_decode(&a, str_make(data, size), &msg) == ERR_OK) {
		mime_structure_encode(msg, &out);
		must(str_eq(buf_str(&out), str_make(data, size)));
		const struct mime_part *part;

		for (part = msg->root; part != NULL; part = mime_part_next(part)) {
			must(part->body.offset + part->body.length <= msg->size);
			must(part->depth < MIME_MAX_DEPTH);
		}
		for (uint32_t i = 0; i < 4; i++)
			for (uint32_t j = 0; j < 4; j++)
				for (int s = MIME_SECTION_WHOLE; s <= MIME_SECTION_MIME; s++)
					if (mime_section_find(msg, (uint32_t[]){ i, j }, 2,
						(enum mime_section)s, &range, NULL)
					    == ERR_OK)
						must(range.offset + range.length <= msg->size);
	}
	buf_clear(&out);
	ignore_err(mime_body_from_bodystructure(str_make(data, size), &out), "damage is refused");
	arena_done(&a);
	return 0;
}

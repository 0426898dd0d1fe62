/* frame.c - see frame.h. */
#include "base/frame.h"

#include "base/bytes.h"

size_t
frame_begin(struct buf *b, uint8_t type)
{
	size_t begun = b->n;

	frame_add_u32(b, 0);
	frame_add_u8(b, FRAME_VERSION);
	frame_add_u8(b, type);
	return begun;
}

void
frame_end(struct buf *b, size_t begun)
{
	if (buf_err(b) != ERR_OK)
		return;
	must(b->n - begun <= FRAME_MAX);
	put_le32(b->p + begun, (uint32_t)(b->n - begun - 4));
}

void
frame_add_u8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, 1);
}

void
frame_add_u32(struct buf *b, uint32_t v)
{
	char bytes[4];

	put_le32(bytes, v);
	buf_add(b, bytes, sizeof(bytes));
}

void
frame_add_u64(struct buf *b, uint64_t v)
{
	char bytes[8];

	put_le64(bytes, v);
	buf_add(b, bytes, sizeof(bytes));
}

void
frame_add_str(struct buf *b, struct str s)
{
	frame_add_u32(b, (uint32_t)s.n);
	buf_str_add(b, s);
}

enum err
frame_next(struct str in, struct frame *out, size_t *used_out)
{
	uint32_t length;

	if (in.n < 4)
		return ERR_WAIT;
	length = get_le32(in.p);
	if (length < FRAME_HEAD - 4 || length > FRAME_MAX - 4)
		return ERR_CORRUPT;
	if (in.n > 4 && in.p[4] != FRAME_VERSION)
		return ERR_CORRUPT;
	if (in.n - 4 < length)
		return ERR_WAIT;
	*out = (struct frame){ .type = (uint8_t)in.p[5],
		.fields = str_make(in.p + FRAME_HEAD, length + 4 - FRAME_HEAD) };
	*used_out = length + 4;
	return ERR_OK;
}

/* The next n bytes, or NULL. */
static const char *
take(struct frame *f, size_t n)
{
	const char *p = f->fields.p;

	if (f->is_bad || f->fields.n < n) {
		f->is_bad = true;
		return NULL;
	}
	f->fields.p += n;
	f->fields.n -= n;
	return p;
}

uint8_t
frame_u8(struct frame *f)
{
	const char *p = take(f, 1);

	return p != NULL ? (uint8_t)*p : 0;
}

uint32_t
frame_u32(struct frame *f)
{
	const char *p = take(f, 4);

	return p != NULL ? get_le32(p) : 0;
}

uint64_t
frame_u64(struct frame *f)
{
	const char *p = take(f, 8);

	return p != NULL ? get_le64(p) : 0;
}

struct str
frame_str(struct frame *f, size_t max)
{
	uint32_t n = frame_u32(f);
	const char *p;

	f->is_bad |= n > max;
	p = take(f, n);
	return p != NULL ? str_make(p, n) : STR_NONE;
}

enum err
frame_finish(const struct frame *f)
{
	return f->is_bad || f->fields.n > 0 ? ERR_CORRUPT : ERR_OK;
}

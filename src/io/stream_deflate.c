/*
 * stream_deflate.c - COMPRESS=DEFLATE (RFC 4978) without memory for those who are silent.
 *
 * A deflater takes a quarter of a megabyte, an inflater 45 KB. Both directions are therefore cut
 * down after a moment of silence. Output always ends with a flush, at a byte; a new deflater can go
 * on there, for blocks of a new one never look back. Input may look back up to 32 KB, so the
 * inflater's window is kept, at its true length, and given to a new inflater when bytes come:
 * possible whenever the old one stands between two blocks at a byte, which is where a peer's flush
 * leaves it.
 */
#include "base/arena.h"
#include "base/size.h"
#include "io/stream_int.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <zlib.h>

enum {
	IDLE_MS = 1000,
	RAW_MAX = 16 * 1024,
	/* beyond it mail shrinks by a few per cent and takes twice the time */
	LEVEL = 4,
	WINDOW_BITS = -15, /* raw DEFLATE */
	DICTIONARY_MAX = 32 * 1024,
	CODER_BYTES = 512 * 1024, /* address space for one; it touches 270 or 45 KB of it */
	/* received that inflates to nothing, as empty blocks do, before others have their turn */
	BARREN_MAX = 4 * RAW_MAX,
};

/* An inflater or deflater, at the beginning of the mapping that its memory comes from. */
struct coder {
	z_stream z;
	size_t used;
};

struct stream_deflate {
	struct loop *loop;
	struct loop_timer idle;
	struct coder *out; /* NULL while silent */
	struct coder *in;
	struct buf wire; /* compressed, not sent */
	size_t wire_sent;
	struct buf raw; /* received, not inflated */
	size_t raw_at;
	struct buf dictionary; /* of the inflater while it is NULL */
	bool is_sending, has_ended;
	bool is_in_full; /* the inflater may hold more than it had room to give */
	bool is_over;    /* deflate_end_input() was called */
};

static void *
coder_alloc(void *arg, unsigned count, unsigned size)
{
	struct coder *c = arg;
	size_t from = (c->used + 15) & ~(size_t)15, n = size_mul(count, size);

	if (n > CODER_BYTES - from)
		return NULL;
	c->used = from + n;
	return (char *)c + from;
}

/* All goes with the mapping. */
static void
coder_release(unused_arg void *arg, unused_arg void *p)
{
}

static struct coder *
coder_new(void)
{
	struct coder *c =
	    mmap(NULL, CODER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(c != MAP_FAILED);
	c->used = sizeof(*c);
	c->z.zalloc = coder_alloc;
	c->z.zfree = coder_release;
	c->z.opaque = c;
	return c;
}

static void
coder_free(struct coder **c)
{
	if (*c != NULL)
		munmap(*c, CODER_BYTES);
	*c = NULL;
}

/*
 * Keeps the window only, when nothing is half read. 128: between two blocks; below it: bits of a
 * byte begun; 64: last block.
 */
static void
reduce_in(struct stream_deflate *z)
{
	uInt n = 0;
	char *p;

	if (z->in == NULL || z->raw.n > z->raw_at || z->is_in_full || z->in->z.data_type != 128)
		return;
	buf_done(&z->dictionary);
	z->dictionary = BUF_MAX(DICTIONARY_MAX);
	if (inflateGetDictionary(&z->in->z, NULL, &n) != Z_OK)
		return;
	p = buf_reserve(&z->dictionary, MAX(n, 1u));
	if (p == NULL || inflateGetDictionary(&z->in->z, (Bytef *)p, &n) != Z_OK)
		return;
	z->dictionary.n = n;
	coder_free(&z->in);
}

static void
idle_fired(struct loop_timer *t)
{
	struct stream_deflate *z = container_of(t, struct stream_deflate, idle);

	/* between batches always: deflate_end_batch() comes before the loop turns */
	coder_free(&z->out);
	reduce_in(z);
}

static void
is_active(struct stream_deflate *z)
{
	if (!loop_timer_is_set(&z->idle) || z->idle.due_ms - loop_now_ms(z->loop) < IDLE_MS / 2)
		loop_timer_set(z->loop, &z->idle, IDLE_MS);
}

struct stream_deflate *
deflate_new(struct stream *s)
{
	struct stream_deflate *z = xcalloc(1, sizeof(*z));

	z->loop = s->loop;
	loop_timer_init(&z->idle, idle_fired);
	z->wire = BUF_MAX(SIZE_MAX);
	z->raw = BUF_MAX(RAW_MAX);
	z->dictionary = BUF_MAX(DICTIONARY_MAX);
	return z;
}

void
deflate_leave(struct stream_deflate *z)
{
	loop_timer_cancel(z->loop, &z->idle);
}

void
deflate_enter(struct stream_deflate *z, struct loop *loop)
{
	z->loop = loop;
	is_active(z);
}

void
deflate_free(struct stream_deflate *z)
{
	if (z == NULL)
		return;
	loop_timer_cancel(z->loop, &z->idle);
	coder_free(&z->out);
	coder_free(&z->in);
	buf_done(&z->wire);
	buf_done(&z->raw);
	buf_done(&z->dictionary);
	free(z);
}

bool
deflate_is_resting(const struct stream_deflate *z)
{
	return z->in == NULL && z->out == NULL && z->wire.p == NULL && z->raw.p == NULL;
}

/* --- Output --- */

void
deflate_start_output(struct stream_deflate *z)
{
	z->is_sending = true;
}

bool
deflate_is_sending(const struct stream_deflate *z)
{
	return z->is_sending;
}

static void
run_out(struct stream_deflate *z, struct str bytes, int flush)
{
	z_stream *out;

	if (z->out == NULL) {
		z->out = coder_new();
		must(deflateInit2(&z->out->z, LEVEL, Z_DEFLATED, WINDOW_BITS, 8, Z_DEFAULT_STRATEGY)
		    == Z_OK);
	}
	out = &z->out->z;
	out->next_in = (Bytef *)bytes.p;
	out->avail_in = (uInt)bytes.n;
	do {
		char *p = buf_reserve(&z->wire, 4096);
		int r;

		out->next_out = (Bytef *)p;
		out->avail_out = 4096;
		r = deflate(out, flush);
		must(r == Z_OK || r == Z_BUF_ERROR);
		z->wire.n += 4096 - out->avail_out;
	} while (out->avail_out == 0);
	is_active(z);
}

void
deflate_add(struct stream_deflate *z, struct str bytes)
{
	run_out(z, bytes, Z_NO_FLUSH);
}

void
deflate_end_batch(struct stream_deflate *z)
{
	run_out(z, STR(""), Z_SYNC_FLUSH);
}

struct str
deflate_wire(const struct stream_deflate *z)
{
	return z->wire.n > z->wire_sent
	    ? str_make(z->wire.p + z->wire_sent, z->wire.n - z->wire_sent)
	    : STR_NONE;
}

void
deflate_wire_sent(struct stream_deflate *z, size_t n)
{
	z->wire_sent += n;
	if (z->wire_sent == z->wire.n) {
		buf_done(&z->wire);
		z->wire = BUF_MAX(SIZE_MAX);
		z->wire_sent = 0;
	}
}

/* --- Input --- */

static bool
start_in(struct stream_deflate *z)
{
	bool ok;

	if (z->in != NULL)
		return true;
	z->in = coder_new();
	must(inflateInit2(&z->in->z, WINDOW_BITS) == Z_OK);
	ok = z->dictionary.n == 0
	    || inflateSetDictionary(&z->in->z, (const Bytef *)z->dictionary.p,
		   (uInt)z->dictionary.n)
		== Z_OK;
	buf_done(&z->dictionary);
	z->dictionary = BUF_MAX(DICTIONARY_MAX);
	return ok;
}

struct str
deflate_end_input(struct stream_deflate *z)
{
	z->is_over = true;
	z->is_in_full = false;
	return z->has_ended && z->raw.n > z->raw_at
	    ? str_make(z->raw.p + z->raw_at, z->raw.n - z->raw_at)
	    : STR_NONE;
}

bool
deflate_is_over(const struct stream_deflate *z)
{
	return z->is_over;
}

bool
deflate_has_input(const struct stream_deflate *z)
{
	return z->raw.n > z->raw_at || z->is_in_full;
}

enum err
deflate_read(struct stream *s, struct stream_deflate *z, char *p, size_t max, size_t *n_out)
{
	size_t barren = 0;

	for (;;) {
		size_t got = 0;
		z_stream *in;
		int r;

		if (barren >= BARREN_MAX) {
			s->has_layered_input = true;
			return ERR_WAIT;
		}
		if (z->has_ended)
			return ERR_END;
		if (!deflate_has_input(z)) {
			char *raw;
			enum err e;

			buf_clear(&z->raw);
			z->raw_at = 0;
			raw = buf_reserve(&z->raw, RAW_MAX);
			e = stream_wire_read(s, raw, RAW_MAX, &got);
			if (e != ERR_OK) {
				buf_done(&z->raw);
				z->raw = BUF_MAX(RAW_MAX);
				return e;
			}
			z->raw.n = got;
		}
		if (!start_in(z))
			return ERR_CORRUPT;
		in = &z->in->z;
		in->next_in = (Bytef *)z->raw.p + z->raw_at;
		in->avail_in = (uInt)(z->raw.n - z->raw_at);
		in->next_out = (Bytef *)p;
		in->avail_out = (uInt)max;
		r = inflate(in, Z_SYNC_FLUSH);
		barren += z->raw.n - in->avail_in - z->raw_at;
		z->raw_at = z->raw.n - in->avail_in;
		z->is_in_full = in->avail_out == 0;
		got = max - in->avail_out;
		is_active(z);
		if (r == Z_STREAM_END)
			/* RFC 4978 3: the end of the data is the end of the connection */
			z->has_ended = true;
		else if (r != Z_OK && r != Z_BUF_ERROR)
			return ERR_CORRUPT;
		if (got > 0) {
			*n_out = got;
			return ERR_OK;
		}
	}
}

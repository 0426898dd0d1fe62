/*
 * arrival.c - see arrival.h. Bytes go to the engine's stage first; what it took is then parsed, so
 * that a caller who has to wait may come again with the same bytes. When the message has ended,
 * what will be stored of it is copied out of the parser's arena, which goes.
 */
#include "store/arrival_int.h"

#include "base/arena.h"
#include "mime/sortkeys.h"
#include "mime/summary.h"
#include "store/account_int.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
	/*
	 * References that are looked at for the thread: the first, which began it, and the nearest.
	 */
	THREAD_REFERENCES_MAX = 16,
};

struct arrival {
	atomic_uint refs;
	enum err failed;
	bool is_finished;
	uint64_t bytes, bytes_max;
	struct kv_stage *stage;
	struct mime_summarizer *summarizer; /* NULL when finished */
	/* what the summarizer keeps; afterwards the texts of content */
	struct arena arena;
	struct arrival_content content;
};

struct arrival *
arrival_new(struct store *s)
{
	struct arrival *m = xcalloc(1, sizeof(*m));

	atomic_init(&m->refs, 1);
	m->bytes_max = s->o.message_max_bytes;
	m->stage = kv_stage_new(s->o.kv);
	m->summarizer = mime_summarizer_new(&m->arena);
	return m;
}

struct arrival *
arrival_ref(struct arrival *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void
arrival_unref(struct arrival *m)
{
	if (m == NULL || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	mime_summarizer_free(m->summarizer);
	kv_stage_unref(m->stage);
	arena_done(&m->arena);
	free(m);
}

uint64_t
arrival_size(const struct arrival *m)
{
	return m->bytes;
}

enum err
arrival_write(struct arrival *m, struct str data, size_t *taken_out, struct waiter *w)
{
	size_t taken = 0;
	enum err e;

	must(!m->is_finished);
	if (m->failed != ERR_OK)
		return m->failed;
	if (data.n > m->bytes_max - m->bytes) {
		m->failed = ERR_TOOBIG;
		return ERR_TOOBIG;
	}
	e = kv_stage_write(m->stage, data, &taken, w);
	if (e == ERR_WAIT)
		return e;
	if (e != ERR_OK) {
		m->failed = e;
		return e;
	}
	mime_summarizer_feed(m->summarizer, str_sub(data, 0, taken));
	m->bytes += taken;
	*taken_out = taken;
	return ERR_OK;
}

/*
 * The message-ids that tell its thread: its own, then references, the nearest first and the very
 * first last. Each once.
 */
static void
thread_hashes_take(struct arrival *m, struct str encoded)
{
	struct arrival_content *c = &m->content;
	struct arena a = ARENA_NONE;
	struct mime_sortkeys keys;
	uint32_t skipped;
	uint64_t *hashes;

	/* What was just encoded decodes; without threads the message is still a message. */
	if (mime_sortkeys_decode(&a, encoded, &keys) != ERR_OK)
		return;
	hashes = arena_array(&m->arena, uint64_t, THREAD_REFERENCES_MAX + 1);
	c->thread_hashes = hashes;
	if (keys.message_id.n != 0) {
		hashes[c->thread_hash_count++] = message_id_hash(keys.message_id);
		c->has_own_hash = true;
	}
	skipped = keys.reference_count > THREAD_REFERENCES_MAX
	    ? keys.reference_count - THREAD_REFERENCES_MAX
	    : 0;
	for (uint32_t i = keys.reference_count; i-- > 0;) {
		uint64_t h;
		bool is_known = false;

		if (i != 0 && i <= skipped)
			continue;
		h = message_id_hash(keys.references[i]);
		for (uint32_t j = 0; j < c->thread_hash_count; j++)
			is_known = is_known || hashes[j] == h;
		if (!is_known)
			hashes[c->thread_hash_count++] = h;
	}
	arena_done(&a);
}

enum err
arrival_finish(struct arrival *m)
{
	struct arrival_content *c = &m->content;
	struct arena parsed;
	struct mime_summary s;
	enum err e;

	if (m->failed != ERR_OK || m->is_finished)
		return m->failed;
	e = kv_stage_seal(m->stage, &c->blob, &c->blob_bytes);
	if (e != ERR_OK) {
		m->failed = e;
		return e;
	}
	mime_summarizer_finish(m->summarizer, &s);
	m->summarizer = NULL;
	parsed = m->arena;
	m->arena = ARENA_NONE;
	c->stage = m->stage;
	c->header = arena_str(&m->arena, s.header);
	c->is_header_cut = s.is_header_cut;
	c->envelope = arena_str(&m->arena, s.envelope);
	c->bodystructure = arena_str(&m->arena, s.bodystructure);
	c->structure = arena_str(&m->arena, s.structure);
	c->sortkeys = arena_str(&m->arena, s.sortkeys);
	c->preview = arena_str(&m->arena, s.preview);
	thread_hashes_take(m, c->sortkeys);
	arena_done(&parsed);
	m->is_finished = true;
	return ERR_OK;
}

struct blob_id
arrival_blob(const struct arrival *m)
{
	must(m->is_finished);
	return m->content.blob;
}

struct str
arrival_bodystructure(const struct arrival *m)
{
	must(m->is_finished);
	return m->content.bodystructure;
}

const struct arrival_content *
arrival_content(const struct arrival *m)
{
	must(m->is_finished);
	return &m->content;
}

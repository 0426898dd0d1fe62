/* tree_notes.c - see tree_notes.h. */
#include "store/tree_notes.h"

#include "store/page.h"

#include <stdlib.h>

struct note_list *
note_list_new(struct str notes)
{
	struct note_list *l = xmalloc(sizeof(*l) + notes.n);

	*l = (struct note_list){ .refs = 1, .n = (uint32_t)notes.n };
	memcpy(l->bytes, notes.p, notes.n);
	return l;
}

static void
note_list_unref(struct note_list *l)
{
	if (l != NULL && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
		free(l);
}

static struct page_notes *
page_notes_ref(struct page_notes *p)
{
	if (p != NULL)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void
page_notes_unref(struct page_notes *p)
{
	if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < bits_count(p->mask); i++)
		note_list_unref(p->lists[i]);
	free(p);
}

struct note_list *
page_notes_at(const struct page_notes *p, unsigned bit)
{
	return p != NULL && (p->mask >> bit & 1) != 0 ? p->lists[page_index(p->mask, bit)] : NULL;
}

struct page_notes *
page_notes_with(const struct page_notes *p, uint64_t mask, unsigned bit, struct note_list *list)
{
	struct page_notes *out;
	unsigned n = 0;

	mask = ((p != NULL ? p->mask & mask : 0) & ~((uint64_t)1 << bit))
	    | (uint64_t)(list != NULL) << bit;
	if (mask == 0)
		return NULL;
	out = xmalloc(sizeof(*out) + (size_t)bits_count(mask) * sizeof(out->lists[0]));
	*out = (struct page_notes){ .refs = 1, .mask = mask };
	for (uint64_t m = mask; m != 0; m &= m - 1) {
		unsigned at = (unsigned)__builtin_ctzll(m);
		struct note_list *l = at == bit && list != NULL ? list : page_notes_at(p, at);

		if (l != list)
			atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
		out->bytes += l->n;
		out->lists[n++] = l;
	}
	return out;
}

struct page_notes *
page_notes_within(struct page_notes *p, uint64_t mask)
{
	struct note_list *first;

	if (p == NULL || (p->mask & mask) == 0)
		return NULL;
	if ((p->mask & ~mask) == 0)
		return page_notes_ref(p);
	first = page_notes_at(p, (unsigned)__builtin_ctzll(p->mask & mask));
	atomic_fetch_add_explicit(&first->refs, 1, memory_order_relaxed);
	return page_notes_with(p, mask, (unsigned)__builtin_ctzll(p->mask & mask), first);
}

/* bin.c - see bin.h. */
#include "base/bin.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* A process has a loop a core; threads beyond that many have none. */
enum { BINS_MAX = 64 };

struct bin {
	atomic_bool is_taken;
	_Atomic(struct bin_item *) items; /* newest first; or &closed */
};

/* Nobody empties it. */
static struct bin_item closed;

/* They stay: whoever has the address of one that was closed learns that it is. */
static struct bin bins[BINS_MAX];
static _Thread_local struct bin *mine;

struct bin *
bin_mine(void)
{
	return mine;
}

static void
items_free(struct bin_item *i)
{
	while (i != NULL && i != &closed) {
		struct bin_item *next = i->next;

		i->free(i);
		i = next;
	}
}

void
bin_put(struct bin *b, struct bin_item *i)
{
	struct bin_item *head = b != NULL ? atomic_load(&b->items) : &closed;

	do {
		if (head == &closed) {
			i->free(i);
			return;
		}
		i->next = head;
	} while (!atomic_compare_exchange_weak(&b->items, &head, i));
}

void
bin_open(void)
{
	for (unsigned i = 0; mine == NULL && i < BINS_MAX; i++) {
		if (atomic_exchange(&bins[i].is_taken, true))
			continue;
		mine = &bins[i];
		atomic_store(&mine->items, NULL);
	}
}

void
bin_empty(void)
{
	if (mine != NULL && atomic_load_explicit(&mine->items, memory_order_relaxed) != NULL)
		items_free(atomic_exchange(&mine->items, NULL));
}

void
bin_close(void)
{
	struct bin *b = mine;

	if (b == NULL)
		return;
	mine = NULL;
	items_free(atomic_exchange(&b->items, &closed));
	atomic_store(&b->is_taken, false);
}

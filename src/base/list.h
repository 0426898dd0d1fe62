/* list.h - doubly linked list of embedded nodes. A node that is in no list points to itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/attr.h"

#include <stdbool.h>

struct list {
	struct list *next, *prev;
};

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_add_tail(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void
list_add_head(struct list *head, struct list *node)
{
	list_add_tail(head->next, node);
}

/* Also fine for a node that is in no list. */
static inline void
list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_item(node, type, member) container_of(node, type, member)
#define list_first(head, type, member)                                                             \
	(list_is_empty(head) ? NULL : list_item((head)->next, type, member))
/* The current item may be removed inside the loop. */
#define list_each(head, it, type, member)                                                          \
	for (struct list *it##_n = (head)->next, *it##_x = it##_n->next; it##_n != (head);         \
	     it##_n = it##_x, it##_x = it##_n->next)                                               \
		for (type *it = list_item(it##_n, type, member); it != NULL; it = NULL)

#endif

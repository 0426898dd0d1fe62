/* thread_int.h - what thread.c and thread_link.c share. */
#ifndef SEARCH_THREAD_INT_H
#define SEARCH_THREAD_INT_H

#include "search/gather.h"
#include "search/thread.h"

enum { NO_NODE = -1, STEP_NODES = 4096 };

/* A message, or a dummy that stands for one that is referred to and not there. */
struct node {
	int32_t parent;
	int32_t first_child, last_child, next; /* siblings by date */
	/*
	 * thread_link.c: union-find of what is linked together; dummies later: what they give way
	 * to
	 */
	int32_t set;
	bool has_children; /* may have had */
};

/* What is known of a message. */
struct content {
	/*
	 * hashes of message-ids, each 8 bytes: its own, then its references; 0: none. Then its base
	 * subject.
	 */
	const char *text;
	uint32_t id_count;
	uint32_t subject_bytes : 31, is_reply : 1;
};

/* message-id (its hash) → node; open addressing. */
struct id_slot {
	uint64_t id; /* 0: free */
	int32_t node;
};

struct thread {
	enum imap_thread_algorithm algorithm;
	struct gather gather;
	uint64_t seed; /* of the hashes of message-ids */
	struct arena texts;
	struct content *contents;           /* by message */
	struct node *nodes;                 /* messages first, then dummies */
	size_t count, node_count, node_cap; /* messages, all nodes */
	struct id_slot *ids;
	size_t id_cap, id_count;
	struct order by_date; /* messages by sent date */
	/* heads of threads by their date, which is the key; there are as many as messages at most */
	struct order_item *roots;
	size_t root_count;
	struct order
	    by_subject; /* indexes of roots: those with one subject are neighbours, by date */
	size_t at;      /* of the phase at hand */
	unsigned phase;
	bool is_gathered;
	/* Writing. */
	int32_t writing; /* node, NO_NODE: the next root begins */
	size_t at_root;
};

static inline bool
thread_is_dummy(const struct thread *t, int32_t node)
{
	return (size_t)node >= t->count;
}

int32_t thread_add_node(struct thread *t);

/* Phases of thread_link.c: each does some nodes from t->at on, and is true when it is over. */

/** Message-ids to messages: the first that has an id owns it. */
bool thread_name(struct thread *t);
/** Step 1 of REFERENCES: parents by references. */
bool thread_link(struct thread *t);
/** Step 3: dummies give way to their children, but for those that hold several threads together. */
bool thread_prune(struct thread *t);

#endif

/*
 * verify_sight.h - what clients can see of a store, so that it can be compared with what they saw.
 */
#ifndef STORE_VERIFY_SIGHT_H
#define STORE_VERIFY_SIGHT_H

#include "store/store_test_util.h"

struct seen {
	char user[32], box[40];
	uint64_t box_id;
	uint32_t uid; /* 0: the mailbox itself */
	uint64_t hash;
	bool is_refused;
};

struct sight {
	struct seen *s;
	size_t n, cap;
};

/** Adds all accounts, their mailboxes and messages, read as the server reads them. */
void sight_look(struct fixture *f, struct sight *l);
/** The same mailbox or message; NULL: it is not there. */
struct seen *sight_find(const struct sight *l, const struct seen *key);

#endif

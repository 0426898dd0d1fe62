/*
 * delivery.h - one message into one account: opened, appended, durable. Many run at the same time
 * on a loop, each a transaction of its own, and the engine writes them together.
 */
#ifndef LMTP_DELIVERY_H
#define LMTP_DELIVERY_H

#include "base/waiter.h"
#include "io/loop.h"
#include "store/change.h"

struct delivery {
	/* Set by the caller before delivery_begin(); borrowed until it is done. */
	struct store *store;
	struct loop *loop;
	struct str user;         /* the account's name */
	struct str folder;       /* empty: INBOX; INBOX too when there is no such mailbox */
	struct arrival *arrival; /* finished */
	struct str prefix;
	/* on the loop, once; not after delivery_cancel(); may come inside delivery_begin() */
	void (*done)(struct delivery *d);
	/* Results. */
	enum err result; /* ERR_OK: durable */
	bool is_inbox;   /* it went to INBOX */
	struct uid uid;
	/* Private. */
	struct waiter waiter;
	struct loop_task task;
	struct account *account;
	uint64_t version; /* 0: not appended */
	unsigned tries;
	bool is_begun, is_done;
};

void delivery_begin(struct delivery *d);
/**
 * Nobody wants to know any more; what was appended stays. Also fine before it began and when it is
 * done.
 */
void delivery_cancel(struct delivery *d);

#endif

/* mailbox_again.h - mailboxes that come back: from an undo record, or from a backup. */
#ifndef STORE_MAILBOX_AGAIN_H
#define STORE_MAILBOX_AGAIN_H

#include "store/annotation.h"

/* What a mailbox was. */
struct mailbox_past {
	uint32_t special_use;
	bool is_subscribed;
	bool is_shared; /* what follows counts; else it is as a new one (RFC 4314 4) */
	bool is_seen_private, is_seen_fixed;
	struct str acl;         /* acl.h */
	struct str annotations; /* annotation.h */
};

/**
 * CREATE of a mailbox as it was, in one commit, so that none is left that is there and not yet what
 * it was. A special use that another mailbox has now, and annotations for which the account has no
 * room, are left out. INBOX, which is there in any case, becomes what it was but for its use.
 * Errors are those of mailbox_create(); ERR_SYNTAX: no list.
 */
must_use enum err mailbox_make_again(struct account *a, struct str name,
    const struct mailbox_past *past, struct snapshot **after_out);

#endif

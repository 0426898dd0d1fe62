/*
 * sharing.h - access control lists of mailboxes, and who shares something with whom.
 *
 * The lists are what counts. Beside them the server's own account has an index, a row for each
 * identifier and owner with a mailbox whose list names it, so that LIST finds what others share
 * without looking at their accounts. It is written with the commit that changes a list; a row may
 * outlive the mailbox that it was made for.
 */
#ifndef STORE_SHARING_H
#define STORE_SHARING_H

#include "store/mailbox.h"

/* The account of the shared namespace, which is nobody's: no user can have this name. */
#define SHARED_USER STR("/shared")

enum { SHARING_GROUPS_MAX = 32, SHARES_MAX = 1000 };

enum acl_change {
	ACL_REPLACE,
	ACL_ADD,
	ACL_REMOVE, /* of the rights */
	ACL_DELETE, /* the entry; of the owner's, who keeps RIGHTS_OWNER, the rights */
};

/**
 * SETACL and DELETEACL (RFC 4314 3.1, 3.2): one commit. No change: ERR_OK with the snapshot of now.
 * ERR_NOTFOUND, ERR_LIMIT. A mailbox that is shared for the first time gets private \Seen
 * (mailbox_info), unless it was said by hand that it is not to.
 */
must_use enum err mailbox_set_acl(struct account *a, struct mailbox_id id, struct str identifier,
    enum acl_change change, unsigned rights, struct snapshot **after_out);

/* The owners of mailboxes whose lists name somebody, at most SHARES_MAX an identifier. */
struct shares;
/**
 * Brings *held up to date, which is NULL at first and the caller's: cheap when nothing has changed
 * on the server. ERR_WAIT.
 */
must_use enum err shares_get(struct store *s, const struct identity *who, struct waiter *w,
    struct shares **held);
/** What shares_get() would find is as it was when this was the same. */
uint64_t shares_version(const struct store *s);
/** What it was when that was looked up which shares_get() gave: it may have changed since. */
uint64_t shares_version_of(const struct shares *held);
/** ERR_OK: it is not `known` any more. ERR_WAIT: w is woken when it may be so. */
must_use enum err shares_wait_change(struct store *s, uint64_t known, struct waiter *w);
/** Names, sorted, each once, without that of who asked: i = 0, 1, …; false at the end. */
bool shares_owner(const struct shares *held, size_t i, struct str *owner_out);
/** Takes NULL. */
void shares_drop(struct shares *held);

#endif

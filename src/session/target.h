/*
 * target.h - from the name of a mailbox to the mailbox: whose account it is in, and what this user
 * may do with it. Every command that takes a name comes through here, so that none can forget a
 * right.
 *
 *     name                       the account's own mailboxes
 *     Other Users/<user>/<name>  another user's (option namespace_other)
 *     Shared/<name>              nobody's: the account that `posthorn mailbox` fills (option namespace_shared)
 *
 * A mailbox that the user may not know of (no right `l`) is answered in the same words as one that
 * is not there (RFC 4314 6).
 */
#ifndef SESSION_TARGET_H
#define SESSION_TARGET_H

#include "session/session.h"
#include "store/sharing.h"

/* Which of the namespaces a name is in, and what it is called there. */
struct target_name {
	enum target_space {
		SPACE_OWN,
		SPACE_OTHER,
		SPACE_SHARED,
		/* above all mailboxes of a namespace: "Shared", "Other Users/joe" */
		SPACE_LEVEL,
	} space;
	struct str user;   /* whose account */
	struct str local;  /* the name in it */
	struct str prefix; /* what stands before that */
};

struct target {
	struct target_name name;
	struct account *account;            /* referenced; NULL: there is none */
	struct snapshot *snapshot;          /* what the session may show of it, referenced */
	const struct mailbox_info *mailbox; /* of the snapshot; NULL: none */
	unsigned rights;                    /* of this user in it; 0 for none */
};

/** Takes a name apart; texts are the name's or the arena's. */
struct target_name target_name_of(const struct session *s, struct arena *a, struct str name);
/** Prefix of a namespace without the separator; empty: the server does not have it. */
struct str target_space_name(const struct session *s, enum target_space space);

/** Finds it. ERR_WAIT: call again; faults. That there is no such mailbox is no error here. */
must_use enum err target_open(struct session *s, struct arena *a, struct str name,
    struct target *out);

/* Somebody in whose place a mailbox is looked at. */
struct target_asker {
	struct account *account;
	struct identity who;
};
/** The same for another user: the name is one of his, and so are the rights. */
must_use enum err target_open_as(struct session *s, struct arena *a,
    const struct target_asker *asker, struct str name, struct target *out);
/** Takes one that was not opened, all zero. */
void target_close(struct target *t);

/**
 * ERR_OK: it can be selected and the user has all these rights. ERR_NOTFOUND: no such mailbox, or
 * none to know of. ERR_NOPERM, ERR_NOSELECT.
 */
must_use enum err target_check(const struct target *t, unsigned rights);
/**
 * The same for a mailbox to put messages into: ERR_TRYCREATE in place of ERR_NOTFOUND and
 * ERR_NOSELECT.
 */
must_use enum err target_check_into(const struct target *t);
/**
 * Whether a mailbox of this name may be made (RFC 4314 4, CREATE and RENAME): ERR_NOPERM when not.
 */
must_use enum err target_check_new(const struct session *s, const struct target *t);

/**
 * Whether the UIDs that messages get in it may be told: not of a mailbox that the user can't select
 * (RFC 9051 6.3.12 and 6.4.7).
 */
static inline bool
target_tells_uids(const struct target *t)
{
	return (t->rights & RIGHT_R) != 0;
}

/** The rights of the user in a mailbox of a snapshot. */
unsigned target_rights(const struct session *s, const struct snapshot *snapshot,
    const struct mailbox_info *m);
/** Its name as this client knows it. */
struct str target_full_name(struct arena *a, const struct target *t);
/** What is above all that somebody shares: "Other Users/joe", or "Shared". */
struct str target_owner_name(const struct session *s, struct arena *a, struct str owner);
/** A mailbox of an account by the name that this client knows. */
struct str target_name_in(const struct session *s, struct arena *a, struct account *account,
    struct str local);
/** Subscriptions to others' mailboxes are kept in one's own account, by their full names. */
bool target_is_subscribed(struct session *s, struct str full_name);

#endif

/*
 * mailbox_name.h - a mailbox name as argument, which remembers how the client spelt it: when the
 * server's form differs, an untagged LIST with OLDNAME tells so (RFC 9051 6.3.2, 6.3.4-6.3.6,
 * 6.3.9.7, 6.3.12).
 */
#ifndef SESSION_CMD_MAILBOX_NAME_H
#define SESSION_CMD_MAILBOX_NAME_H

#include "session/target.h"

struct mailbox_arg {
	struct str name;  /* as the store knows it */
	struct str spelt; /* as the client wrote it, without a trailing separator */
};

/** Scans a mailbox. */
must_use bool mailbox_arg_scan(struct imap_scan *in, struct mailbox_arg *out);
/** Whether the client wrote it as the server does. */
bool mailbox_arg_is_canonical(const struct mailbox_arg *arg, const struct target *t);
/**
 * Tells IMAP4rev2 clients when the name was normalised. after: a snapshot that has the mailbox;
 * NULL: it is gone.
 */
void mailbox_arg_tell(struct session *s, struct arena *a, const struct mailbox_arg *arg,
    const struct target *t, const struct snapshot *after);
/** The same of a mailbox that was deleted, of which `after` may have the level. */
void mailbox_arg_tell_deleted(struct session *s, struct arena *a, const struct mailbox_arg *arg,
    const struct target *t, const struct snapshot *after);
/**
 * The same of two names, when one of them was: the mailbox is called `to` now, and was called what
 * the client wrote for `from` (RFC 9051 6.3.6).
 */
void mailbox_arg_tell_renamed(struct session *s, struct arena *a, const struct mailbox_arg *from,
    const struct target *from_t, const struct mailbox_arg *to, const struct target *to_t,
    const struct snapshot *after);
/**
 * "MAILBOXID (F…)" for a tagged reply (RFC 8474 4.1), or STR_NONE when the snapshot has no such
 * mailbox.
 */
struct str mailbox_id_code(const struct session *s, struct arena *a,
    const struct snapshot *snapshot, struct str name);

#endif

/*
 * metadata.h - which annotations a client knows, so that it is told the names of those that others
 * change (RFC 5464 4.4.2).
 *
 * After ENABLE METADATA a session keeps a digest of what it can see of the selected mailbox's
 * annotations, and of the server's that are its user's; each time that changes are told, they are
 * compared with those of the new version.
 */
#ifndef SESSION_METADATA_H
#define SESSION_METADATA_H

#include "session/session.h"
#include "store/annotation.h"

/** It is enabled: what is there now is known. */
void metadata_enable(struct session *s);
/** Another mailbox is selected, or none. */
void metadata_selected(struct session *s);
/**
 * The session itself has set an entry of the selected mailbox or (is_server) of the server: it is
 * not told. after: its commit.
 */
void metadata_set_by_us(struct session *s, bool is_server, struct str entry,
    const struct snapshot *after);
/** Tells what others have changed. Free of charge for who has not enabled it. */
void metadata_tell(struct session *s);
/**
 * Tells the names of annotations that differ, of a mailbox by its name or (is_server) of the
 * server, whose are with INBOX.
 */
void metadata_tell_difference(struct session *s, const struct mailbox_info *before,
    const struct mailbox_info *after, bool is_server, bool is_own, struct str mailbox);
void metadata_free(struct session *s);

/** The key of an annotation as this user sees it. */
struct annotation metadata_key(const struct session *s, bool is_server, struct str entry);

/** Calls fn for each of the server's entries that the administrator has set. */
typedef void metadata_made_fn(void *ctx, struct str entry, struct str value);
void metadata_server_made(const struct session *s, metadata_made_fn *fn, void *ctx);
/** The value of one of these. */
bool metadata_server_made_value(const struct session *s, struct str entry, struct str *value_out);
/**
 * A value of the server's: one that the user has set, or one of the administrator's. In the arena.
 */
bool metadata_server_value(struct session *s, struct arena *a, struct str entry,
    struct str *value_out);

/** The special uses as RFC 6154 4 has them in an annotation; of one's own mailboxes only. */
#define METADATA_SPECIALUSE STR("/private/specialuse")
/**
 * "private" or "shared": whether each user of the mailbox has a \Seen of his own. No value: nobody
 * has shared it yet.
 */
#define METADATA_SEEN STR("/shared/vendor/posthorn/seen")

#endif

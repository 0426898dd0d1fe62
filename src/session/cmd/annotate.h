/*
 * annotate.h - annotations of messages (RFC 5257) as commands need them: what FETCH answers, what
 * STORE and APPEND set.
 */
#ifndef SESSION_CMD_ANNOTATE_H
#define SESSION_CMD_ANNOTATE_H

#include "imap/annotate.h"
#include "imap/store.h"
#include "session/session.h"
#include "store/notes.h"

struct annotate_asked;

/** What a FETCH asks for, ready to be answered for many messages; NULL when it is nothing. */
struct annotate_asked *annotate_asked_new(struct arena *a, const struct imap_annotate_fetch *items);
/** Whether some name is of a part, so that it must be seen whether the message has it. */
bool annotate_needs_parts(const struct annotate_asked *asked);
/**
 * The items of one message; message: NULL unless parts are needed. ERR_NOPART; ERR_CORRUPT: some
 * can't be read.
 */
must_use enum err annotate_reply(struct session *s, const struct annotate_asked *asked,
    struct uid uid, const struct message *message, bool *is_first);
/** "ANNOTATIONS 32768": what the selected mailbox takes (4.1). */
void annotate_reply_support(struct session *s);

/** Whether a user with these rights may store them (3.4). */
bool annotate_may_store(const struct imap_annotate_store *store, unsigned rights);
/** What a STORE asks for, as the store wants it. Names and values are borrowed. */
void annotate_changes(struct session *s, struct arena *a, const struct imap_store *args,
    struct notes_change *out);
/**
 * Whether the messages have the parts that are named; *at: where to go on. ERR_WAIT, ERR_NOPART;
 * faults.
 */
must_use enum err annotate_check_parts(struct session *s, const struct imap_annotate_store *store,
    const struct rangeset *uids, uint32_t *at);
/**
 * Of APPEND: as a list (store/notes.h), in the arena; whether a user with these rights may store
 * it, and whether a message with this BODYSTRUCTURE has the parts. ERR_ANNOTATION_TOOBIG,
 * ERR_ANNOTATIONS_TOOMANY; ERR_NOPERM; ERR_NOPART.
 */
must_use enum err annotate_list(struct session *s, struct arena *a,
    const struct imap_annotate_store *store, struct str *list_out);
must_use enum err annotate_check_rights(struct str list, unsigned rights);
must_use enum err annotate_check_list(struct str list, struct str bodystructure);

#endif

/*
 * message_set.h - the messages that a command names, and what to do with those among them that are
 * gone (RFC 2180).
 */
#ifndef SESSION_CMD_MESSAGE_SET_H
#define SESSION_CMD_MESSAGE_SET_H

#include "session/session.h"

/**
 * Scans a set of sequence numbers, or of UIDs when the command came as UID, and resolves it to UIDs
 * of the selected mailbox. ERR_SYNTAX also when a sequence number is above EXISTS; then the
 * command's text says so.
 */
must_use enum err message_set_scan(struct session *s, struct command *c, struct imap_scan *in,
    struct rangeset *uids_out);
/**
 * Some of the messages are ghosts: expunged by somebody else, which the client has not been told.
 */
bool message_set_has_ghosts(const struct view *v, const struct rangeset *uids);
/** The next message of the set with a UID of at least from. */
bool message_set_next(const struct view *v, const struct rangeset *uids, uint32_t from,
    struct entry *out, struct seqnum *seq_out);
/** The same for messages whose modseq is above since. */
bool message_set_next_changed(const struct view *v, const struct rangeset *uids, uint32_t from,
    uint64_t since, struct entry *out, struct seqnum *seq_out);
/** The same for messages that are \Deleted. */
bool message_set_next_deleted(const struct view *v, const struct rangeset *uids, uint32_t from,
    struct entry *out);
/** The message of the set with the highest UID that is not above from. */
bool message_set_previous(const struct view *v, const struct rangeset *uids, uint32_t from,
    struct entry *out, struct seqnum *seq_out);
/**
 * The sequence numbers of a set of UIDs, by ranges: what costs little for any number of messages.
 * Added to *seqs_out.
 */
void message_set_ranges(const struct view *v, const struct rangeset *uids,
    struct rangeset *seqs_out);
/** From UIDs of the view to their sequence numbers; others are left out. */
void message_set_to_seqs(const struct view *v, const struct rangeset *uids,
    struct rangeset *seqs_out);
/**
 * The response code HIGHESTMODSEQ for a tagged reply, when the client wants it; else STR_NONE (RFC
 * 7162 3.2.7).
 */
struct str message_set_modseq_code(const struct session *s, struct arena *a);

#endif

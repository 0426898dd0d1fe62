/*
 * message_limit.h - how many messages a command may be about (MESSAGELIMIT and SAVELIMIT, RFC
 * 9738). Of more, those with the highest UIDs are done, and the rest is left; what can't be done in
 * part is refused.
 */
#ifndef SESSION_CMD_MESSAGE_LIMIT_H
#define SESSION_CMD_MESSAGE_LIMIT_H

#include "session/session.h"

/** How many messages of the view a set of UIDs names. */
uint64_t message_limit_count(const struct view *v, const struct rangeset *uids);
/**
 * Whether a set of UIDs names more than so many messages of the view. Then lowest_out is the lowest
 * UID of the highest of them; 0 when that are none.
 */
bool message_limit_is_over(const struct view *v, const struct rangeset *uids, uint64_t limit,
    struct uid *lowest_out);
/**
 * Leaves of a set of UIDs those of as many messages as a command of this session may be about. The
 * lowest of them, for message_limit_tell(); 0: nothing was to be left out.
 */
struct uid message_limit_cut(const struct session *s, struct rangeset *uids);
/**
 * The same of a set that holds nothing but UIDs of messages.
 */
struct uid message_limit_cut_listed(const struct session *s, struct rangeset *uids);
/** A command is done of what was left of its set; lowest as it was cut, so 0 does nothing. */
void message_limit_tell(const struct session *s, struct command *c, struct uid lowest);
/** ERR_LIMIT, with code and words. lowest 0: not known. */
enum err message_limit_refuse(struct command *c, uint32_t limit, struct uid lowest);

#endif

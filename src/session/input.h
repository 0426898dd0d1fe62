/* input.h - what core.c and input.c, the two halves of a session's core, need of each other. */
#ifndef SESSION_INPUT_H
#define SESSION_INPUT_H

#include "session/core.h"

/**
 * Takes the next step with the input, in PHASE_IDLE or PHASE_DISCARD. False: nothing to do before
 * more comes.
 */
bool core_frame_input(struct session_core *k);
/**
 * Feeds what has come of a literal to the command, or throws it away: PHASE_LITERAL, PHASE_SKIP.
 * False: wait for more.
 */
bool core_stream_literal(struct session_core *k);

/** Refuses what could not become a command: a bad tag, an unknown name. Counts as a bad command. */
void core_reply_bad(struct session_core *k, struct str tag, struct str text);
/** The command is over; ready for the next one. */
void core_command_clear(struct session_core *k);

#endif

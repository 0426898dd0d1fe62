/*
 * core_int.h - what the files of a session's core need of each other.
 *
 *     life.c      the connection, from the greeting to the end; login and logout
 *     turn.c      when it goes on, and for how long
 *     move.c      on which loop
 *     input.c     bytes become commands
 *     core.c      a command is run, and changes are told (tell.c)
 *     progress.c  a long one says how far it is
 *     answer.c    status lines, and the end of a command
 *     output.c    the buffer that all write into
 *     gate.c      what must be durable before it is sent
 */
#ifndef SESSION_CORE_INT_H
#define SESSION_CORE_INT_H

#include "session/core.h"

/* life.c */
void core_greet(struct session_core *k);

/* turn.c */
void core_turn_init(struct session_core *k);
/** The task of waiters and of session_wake() goes on with the session. */
void core_wake_init(struct session_core *k);
void core_turn_done(struct session_core *k);
/** A turn, here and now. */
void core_continue(struct session_core *k);
/**
 * Goes on, now or in a turn to come. A command that has had a turn and an account that has had more
 * than its part of the loop go on in shares, with the accounts in rotation; so the others' short
 * commands wait for one of its turns at most, however many sessions it has.
 */
void core_go_on(struct session_core *k);
/** What NOTIFY watches may have changed. */
void core_news(struct session_core *k);

/* move.c: from the door, and aside for who has had much */
/** From a share of its loop. */
bool core_may_step_aside(const struct session_core *k);
void core_step_aside(struct session_core *k);
bool core_may_return(const struct session_core *k);
void core_return(struct session_core *k);

/* input.c */
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

/* core.c */
/** Does what the phase says. False: there is nothing to do before something happens. */
bool core_step(struct session_core *k);

/* tell.c */
void core_tell_reset(struct session_core *k);
/**
 * Before a command that changes the selected mailbox of another: the rights that the user has now.
 */
void session_check_rights(struct session *s);
/**
 * While expunges are held back, the HIGHESTMODSEQ that a client may go on from after a lost
 * connection: MODSEQ items of FETCH may have told higher ones (RFC 7162 3.2, 6).
 */
void tell_held_back(struct session *s);

/* progress.c */
void core_progress_init(struct session_core *k);
/** The command waits, and from now on says how far it is. */
void core_progress_begin(struct session_core *k);
/** The client sends no more: it may have gone. */
void core_progress_eof(struct session_core *k);
/** It is over. */
void core_progress_end(struct session_core *k);

/* answer.c */
/** Refuses what could not become a command: a bad tag, an unknown name. Counts as a bad command. */
void core_reply_bad(struct session_core *k, struct str tag, struct str text);
/** Writes the tagged answer of the command, which is over then. */
void core_answer(struct session_core *k);
/** The command is over; ready for the next one. */
void core_command_clear(struct session_core *k);

/* output.c */
void core_output_init(struct session_core *k);
/** Hands what is written to the stream. */
void core_flush(struct session_core *k);
/** Frees what an idle session does not need. */
void core_rest(struct session_core *k);

/* gate.c */
void core_gate_init(struct session_core *k);
void core_gate_done(struct session_core *k);
/** It leaves its loop: nobody posts to that any more; and enters another. */
void core_gate_leave(struct session_core *k);
void core_gate_enter(struct session_core *k);

#endif

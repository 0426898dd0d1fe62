/* control_line.h - the first line on the tool's socket (control.h). */
#ifndef DAEMON_CONTROL_LINE_H
#define DAEMON_CONTROL_LINE_H

#include "base/str.h"

#include <stdbool.h>

enum control_verb { CONTROL_USER, CONTROL_DELETE, CONTROL_ADMIN, CONTROL_WHO };

/** @user_out  into the line; empty for ADMIN and WHO. False: it is no such line. */
bool control_line_parse(struct str line, enum control_verb *verb_out, struct str *user_out);

#endif

/* folders.h - the folders that the processes keep their files in. */
#ifndef PROC_FOLDERS_H
#define PROC_FOLDERS_H

#include "proc/config.h"

/**
 * Makes data_dir, run_dir and a folder for each role, and gives each to its role's user, when we are
 * root. False: `why` says what did not work.
 */
bool folders_make(const struct config *c, struct buf *why);

#endif

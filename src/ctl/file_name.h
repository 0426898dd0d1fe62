/* file_name.h - names of mailboxes as names of files and folders, and back. */
#ifndef CTL_FILE_NAME_H
#define CTL_FILE_NAME_H

#include "base/buf.h"

/**
 * Adds a mailbox's name as a file's: levels are apart by `separator`, which is '.' or '/'. No two
 * mailboxes have the same, and none is hidden or leads elsewhere: a separator or a leading dot that
 * is part of the name is \2e, a backslash \5c (so does Dovecot's listescape).
 */
void file_name_add(struct buf *out, struct str mailbox, char separator);
/** Adds one level of a folder's name, with \2e, \2f, \5c and \7e as what they stand for. */
void file_name_level(struct buf *out, struct str level);

#endif

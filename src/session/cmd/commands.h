/* commands.h - the entries of all commands, for the table in session/command_table.c. */
#ifndef SESSION_CMD_COMMANDS_H
#define SESSION_CMD_COMMANDS_H

#include "session/command.h"

extern const struct imap_command cmd_authenticate, cmd_capability, cmd_comparator, cmd_compress,
    cmd_id, cmd_login, cmd_logout, cmd_noop, cmd_starttls, cmd_unauthenticate;
extern const struct imap_command cmd_create, cmd_delete, cmd_enable, cmd_esearch, cmd_examine,
    cmd_list, cmd_lsub, cmd_namespace, cmd_rename, cmd_replace, cmd_select, cmd_status,
    cmd_subscribe, cmd_unsubscribe, cmd_xlist;
extern const struct imap_command cmd_cancelupdate, cmd_language;
extern const struct imap_command cmd_notify;
extern const struct imap_command cmd_getquota, cmd_getquotaroot, cmd_setquota;
extern const struct imap_command cmd_conversions, cmd_convert;
extern const struct imap_command cmd_genurlauth, cmd_resetkey, cmd_urlfetch;
extern const struct imap_command cmd_getmetadata, cmd_setmetadata;
extern const struct imap_command cmd_deleteacl, cmd_getacl, cmd_listrights, cmd_myrights,
    cmd_setacl;
extern const struct imap_command cmd_append, cmd_check, cmd_close, cmd_copy, cmd_expunge, cmd_fetch,
    cmd_idle, cmd_move, cmd_search, cmd_sort, cmd_store, cmd_thread, cmd_uidbatches, cmd_unselect;

#endif
